//! The judge of traces is able to find each kind of fault: a true trace, with
//! one thing changed, is refused for that.

use e2e::check::{Ends, check};
use e2e::hands::{Still, at, play, waits};
use e2e::kept::{Kept, Recorder};
use e2e::truth::{NOTHING, begin};
use e2e::wire::{Event, Trace};
use runtime_trace::{BlockReason, Config, StackId, SweptState};
use trace_format::EventKind::{self, *};
use trace_format::limits::NO_THREAD;

/// Two generations, two threads, three tasks, a system call, a steal, a region.
fn true_trace() -> Trace {
    let mut recorded: Option<Kept> = None;
    play(2, 3, 2, |play| {
        let still = Still {
            tasks: &[
                (2, SweptState::Waiting, "park<task"),
                (1, SweptState::Syscall { worker: 1 }, "read<main"),
            ],
            idle: &[0, 1],
            ..Still::default()
        };
        let script = |recorder: &mut Recorder<'_>| {
            begin(play);
            play.on(0, |w, s| {
                let emit = w.acquire(Some(s.proc(0)), Some(s.task(1))).unwrap();
                emit.user_task_begin(9, 0, "job", StackId::NONE);
                emit.region_begin(9, "part", StackId::NONE);
                let (entry, stack) = (emit.stack(&at("task")), emit.stack(&at("spawn<main")));
                emit.task_create(s.task(2), entry, stack);
            });
            play.on(1, |w, s| {
                let emit = w.acquire(None, None).unwrap();
                emit.proc_start(s.proc(1));
                emit.task_start(s.task(2));
                emit.task_block(BlockReason::Sync, emit.stack(&at("park<task")));
            });
            play.on(0, |w, s| {
                let emit = w.acquire(Some(s.proc(0)), Some(s.task(1))).unwrap();
                emit.syscall_begin(emit.stack(&at("read<main")));
            });
            play.on(1, |w, s| {
                let emit = w.acquire(Some(s.proc(1)), None).unwrap();
                emit.proc_steal(s.proc(0), 1);
                emit.proc_stop();
            });
            recorder.pump();
            play.advance(still).expect("it advances");
            play.on(0, |w, s| {
                let emit = w.acquire(None, Some(s.task(1))).unwrap();
                emit.syscall_end_blocked();
                emit.proc_start(s.proc(0));
                emit.task_start(s.task(1));
                emit.region_end(9, "part", StackId::NONE);
                emit.user_task_end(9, StackId::NONE);
                emit.task_unblock(s.task(2), waits("park<task"), StackId::NONE);
                emit.task_end();
                emit.proc_stop();
            });
        };
        let last = Still {
            tasks: &[(2, SweptState::Runnable, "park<task")],
            idle: &[0, 1],
            ..Still::default()
        };
        recorded = Some(play.record("judge", &Config::new(2), NOTHING, script, last));
    });
    recorded.expect("it was recorded").read()
}

/// The events of a thread in a generation.
fn stream(trace: &mut Trace, generation: usize, thread: u64) -> &mut Vec<Event> {
    let streams = &mut trace.generations[generation - 1].streams;
    streams.get_mut(&thread).expect("the thread has events")
}

/// The first event of this kind there.
fn first(trace: &mut Trace, generation: usize, thread: u64, kind: EventKind) -> &mut Event {
    let mut events = stream(trace, generation, thread).iter_mut();
    let found = events.find(|event| event.kind == kind);
    found.expect("the thread has such an event")
}

fn remove(trace: &mut Trace, generation: usize, thread: u64, kind: EventKind) {
    let events = stream(trace, generation, thread);
    let at = events.iter().position(|event| event.kind == kind);
    events.remove(at.expect("the thread has such an event"));
}

/// Puts a copy of the first event of this kind behind it.
fn double(trace: &mut Trace, generation: usize, thread: u64, kind: EventKind) {
    let events = stream(trace, generation, thread);
    let at = events.iter().position(|event| event.kind == kind);
    let at = at.expect("the thread has such an event");
    events.insert(at, events[at]);
}

type Change = fn(&mut Trace);

#[test]
fn one_thing_wrong() {
    let trace = true_trace();
    if let Err(fault) = check(&trace, Ends::Whole) {
        panic!("{fault}");
    }
    let cases: &[(Change, &str)] = &[
        (
            |t| remove(t, 1, 1, ProcStart),
            "its thread holds no running proc",
        ),
        (|t| remove(t, 1, 1, GoStart), "its thread runs no task"),
        (|t| remove(t, 1, 1, GoCreate), "GoStart g1 #1"),
        (
            |t| remove(t, 1, 2, GoBlock),
            "its thread has a task already",
        ),
        (
            |t| remove(t, 2, NO_THREAD, ProcStatus),
            "does not mention proc 1",
        ),
        (|t| remove(t, 2, 1, GoStatusStack), "GoUnblock g2 #1"),
        (|t| remove(t, 1, 1, GoSyscallBegin), "ProcSteal p0"),
        (|t| remove(t, 1, 2, ProcSteal), "m1: GoSyscallEndBlocked"),
        (
            |t| double(t, 2, 1, GoStatusStack),
            "has mentioned it before",
        ),
        (|t| double(t, 1, 2, GoBlock), "its thread runs no task"),
        (|t| double(t, 1, 1, GoCreate), "the ID was used before"),
        (
            |t| double(t, 1, 1, UserTaskBegin),
            "the user task began or ended before",
        ),
        (
            |t| double(t, 2, 1, UserRegionEnd),
            "the innermost open region",
        ),
        (|t| first(t, 1, 1, GoStart).args[1] = 2, "GoStart g1 #2"),
        (
            |t| first(t, 1, 1, GoSyscallBegin).args[0] = 7,
            "the sequence number is not the next",
        ),
        (
            |t| first(t, 1, 2, ProcSteal).args[2] = 2,
            "not the one that this thread holds",
        ),
        (
            |t| first(t, 1, 2, GoBlock).args[0] = 1 << 40,
            "its string is not in",
        ),
        (
            |t| first(t, 1, 2, GoBlock).args[1] = 1 << 40,
            "its stack is not in",
        ),
        (
            |t| first(t, 2, 1, GoStatus).args[2] = 2,
            "the status is not what the events",
        ),
        (
            |t| first(t, 2, 1, GoStatus).args[2] = 9,
            "there is no such status",
        ),
        (
            |t| first(t, 2, 1, GoStatus).args[0] = 77,
            "a task that was never created",
        ),
        (
            |t| first(t, 2, 1, UserRegionEnd).args[0] = 8,
            "the innermost open region",
        ),
        (
            |t| first(t, 1, 2, GoStart).time = 1,
            "it is earlier than what it follows from",
        ),
        (
            |t| {
                let event = *first(t, 2, 1, GoStart);
                stream(t, 2, NO_THREAD).push(event);
            },
            "it stands in nobody's stream",
        ),
        (
            // Thread 2 ends a task that runs elsewhere, if at all.
            |t| {
                let event = *first(t, 2, 1, GoDestroy);
                t.generations[1].streams.insert(2, vec![event]);
            },
            "its thread holds no running proc",
        ),
    ];
    for (number, (change, says)) in cases.iter().enumerate() {
        let mut changed = trace.clone();
        change(&mut changed);
        match check(&changed, Ends::Whole) {
            Ok(_) => panic!("case {number} ({says}) is not found"),
            Err(fault) => {
                let said = fault.to_string();
                assert!(said.contains(says), "case {number}: {said}\nnot: {says}");
            }
        }
    }
}
