//! Traces in phases: in each, one thing happens again and again. A tool that looks
//! through what one phase has left for each thing of another takes a time that grows
//! with the square of the size.

use trace_format::EventKind::*;
use trace_format::limits::NO_THREAD;
use trace_read::raw::Payload;

use super::hostile::{File, sparse};

/// Most phases.
const PHASES: usize = 4;

/// The trace of these choices, each phase of which is of `count` things. A byte is a
/// phase: what happens, and in which order the things are that it names.
pub fn trace(choices: &[u8], count: u64) -> Vec<u8> {
    let mut file = File::new();
    let mut payload = Payload::new();
    payload
        .event(ProcStatus, &[0, 0, 1])
        .event(GoStatus, &[0, 1, 1, 2]);
    file.batch(1, &payload);
    // Proc 1 is in a system call of worker 2, which has no task there.
    let mut payload = Payload::new();
    payload.event(ProcStatus, &[0, 1, 3]);
    file.batch(2, &payload);
    file.time = 2;
    names(&mut file, count);
    let mut state = State { number: 0, next: 2 };
    for (phase, &choice) in choices.iter().take(PHASES).enumerate() {
        for n in 0..count {
            let nth = match choice >> 6 {
                0 => n + 1,
                1 => count - n,
                2 => n % 3 + 1,
                _ => 1,
            };
            state.happen(&mut file, choice % 16, nth, (phase as u64) << 32);
        }
        file.flush(1);
        file.time += 2;
    }
    file.ended()
}

/// Strings and stacks with the numbers that things are named by.
fn names(file: &mut File, count: u64) {
    for id in 1..=count {
        file.add(NO_THREAD, Some(Strings), |payload| {
            payload.string(id, format!("{id:x}").as_bytes());
        });
    }
    file.flush(NO_THREAD);
    for id in 1..=count {
        file.add(NO_THREAD, Some(Stacks), |payload| {
            payload.stack(id, &super::hostile::frames(id, 1));
        });
    }
    file.flush(NO_THREAD);
}

struct State {
    /// The last number of task 1.
    number: u64,
    /// The next task.
    next: u64,
}

impl State {
    fn happen(&mut self, file: &mut File, what: u8, nth: u64, apart: u64) {
        let one = |file: &mut File, kind, numbers: &[u64]| {
            file.add(1, None, |payload| {
                payload.event(kind, numbers);
            });
        };
        match what {
            0 => one(file, STWBegin, &[1, nth, 0]),
            1 => one(file, STWEnd, &[1]),
            2 => {
                one(file, GCMarkAssistBegin, &[1, nth]);
                one(file, GCMarkAssistEnd, &[1]);
            }
            3 | 4 => {
                let (reason, stack) = if what == 3 { (nth, 0) } else { (1, nth) };
                one(file, GoBlock, &[1, reason, stack]);
                one(file, GoUnblock, &[1, 1, self.number + 1, stack]);
                one(file, GoStart, &[1, 1, self.number + 2]);
                self.number += 2;
            }
            5 => one(file, ProcStatus, &[1, 1, 4]),
            6 => one(file, UserRegionBegin, &[1, 0, nth, nth]),
            7 => one(file, UserRegionEnd, &[1, 0, nth, 0]),
            8 => one(file, UserTaskBegin, &[1, nth + apart, 0, nth, 0]),
            9 => one(file, UserTaskEnd, &[1, nth, 0]),
            10 => {
                one(file, GoCreate, &[1, self.next, nth, 0]);
                self.next += 1;
            }
            11 => one(file, GoLabel, &[1, nth]),
            12 => one(file, UserLog, &[1, 0, nth, nth, nth]),
            // A worker that is new, with a proc of its own that may have been there.
            13 => {
                let (worker, mut payload) = (sparse(nth as usize) + apart, Payload::new());
                payload.event(ProcStatus, &[1, worker, 2]);
                file.batch(worker, &payload);
            }
            14 => {
                one(file, GCSweepBegin, &[1, 0]);
                one(file, GCSweepEnd, &[1, 1, 1]);
            }
            // A generation with next to nothing in it.
            _ => {
                file.flush(1);
                let before = std::mem::replace(&mut file.time, 1);
                file.end();
                file.clock();
                let mut payload = Payload::new();
                payload
                    .event(ProcStatus, &[0, 0, 1])
                    .event(GoStatus, &[0, 1, 1, 2]);
                file.batch(1, &payload);
                self.number = 0;
                file.time = before;
            }
        }
    }
}
