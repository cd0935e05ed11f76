//! Traces made of choices: a scheduler that never existed runs tasks on workers
//! and writes down what it does, as a tracer would.
//!
//! A choice is a byte, and where there are no more bytes, 0. So whatever a fuzzer
//! makes up is a trace, a small change of it is a small change of the trace, and
//! nothing but the bytes has to be kept to have it again. Workers' clocks need not
//! agree, and batches come in any order. Last, a few bytes of the trace may be
//! changed.
//!
//! [`Maker`] keeps to what a tracer does and what the order relies on: IDs are not
//! used twice, and whoever is in a range of time ends it before anything else.

#![allow(dead_code, reason = "not everybody asks what there is to be read")]

use std::ops::RangeInclusive;

use trace_format::limits::NO_THREAD;
use trace_format::{EventKind, ProcStatus, TaskStatus, Version};
use trace_read::raw::{Payload, RawWriter};

// Whoever uses this file names its path, and so these have theirs.
#[path = "made/step.rs"]
mod step;
#[path = "made/write.rs"]
mod write;

/// A trace and what is to be read from it.
pub struct Made {
    pub bytes: Vec<u8>,
    /// Whether it is well-formed.
    pub is_whole: bool,
    /// How many events a reader has to find in it, if it is well-formed.
    pub events: RangeInclusive<u64>,
}

/// The trace that these choices make.
pub fn trace(choices: &[u8]) -> Made {
    let mut choices = Choices(choices);
    let changes = match choices.below(4) {
        0..=2 => 0,
        _ => 1 + choices.below(4),
    };
    let changes: Vec<_> = (0..changes)
        .map(|_| (choices.below(1 << 16), choices.byte(), choices.below(5)))
        .collect();
    let mut maker = Maker::new(choices);
    while !maker.choices.0.is_empty() {
        maker.step();
    }
    let mut made = maker.finish();
    for (at, byte, how) in changes {
        made.is_whole = false;
        let at = at % made.bytes.len().max(1);
        match how {
            0 => made.bytes[at] ^= 1 << (byte & 7),
            1 => made.bytes[at] = byte,
            2 => drop(made.bytes.remove(at)),
            3 => made.bytes.insert(at, byte),
            // Something is left, even if all other changes take a byte away.
            _ => made.bytes.truncate(at.max(8)),
        }
    }
    made
}

/// The choices that are left.
struct Choices<'c>(&'c [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&first, rest)) => {
                self.0 = rest;
                first
            }
            None => 0,
        }
    }

    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: usize) -> usize {
        let mut number = usize::from(self.byte());
        if bound > 256 {
            number = number << 8 | usize::from(self.byte());
        }
        number % bound
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == bound - 1
    }
}

#[derive(Default)]
struct Worker {
    id: u64,
    /// How far its clock is ahead.
    skew: u64,
    proc: Option<usize>,
    task: Option<usize>,
    /// It has no events in this generation: it is in a system call throughout.
    sleeps: bool,
    batch: Payload,
    start: u64,
    last: u64,
}

struct Proc {
    status: ProcStatus,
    number: u64,
    mentioned: bool,
    sweeps: bool,
    /// The worker in whose hands it came into the system call.
    lost_by: usize,
}

struct Task {
    id: u64,
    status: Option<TaskStatus>,
    number: u64,
    mentioned: bool,
    regions: Vec<(u64, u64)>,
    /// What has to be ended before anything else.
    in_range: Option<EventKind>,
}

const STRINGS: u64 = 6;
const STACKS: u64 = 4;

struct Maker<'c> {
    choices: Choices<'c>,
    version: Version,
    writer: RawWriter<Vec<u8>>,
    generation: u64,
    is_first: bool,
    now: u64,
    /// The last of them stands for no worker. Statuses are all that it writes.
    workers: Vec<Worker>,
    procs: Vec<Proc>,
    tasks: Vec<Task>,
    /// What task IDs are multiples of.
    stride: u64,
    user_tasks: Vec<u64>,
    user_tasks_so_far: u64,
    /// Whether there is a collector. It may be if clocks agree: nothing else says
    /// which of its events is the first in a trace.
    collects: bool,
    marks: bool,
    cycles: u64,
    events: u64,
    /// Events that there may be besides: who is first to say that a proc is lost
    /// is decided by clocks.
    perhaps: u64,
}

impl<'c> Maker<'c> {
    /// A program with some workers, procs and tasks, at the start of a trace.
    fn new(mut choices: Choices<'c>) -> Self {
        let version = Version::ALL[3 - choices.below(4)];
        let stride = [1, 1, 977, 1 << 34][choices.below(4)];
        let mut workers: Vec<_> = (0..1 + choices.below(4))
            .map(|n| Worker {
                id: (n as u64 + 1) * stride,
                skew: [0, 0, 13, 900][choices.below(4)],
                ..Worker::default()
            })
            .collect();
        workers.push(Worker {
            id: NO_THREAD,
            ..Worker::default()
        });
        let procs = (0..1 + choices.below(4)).map(|_| Proc {
            status: ProcStatus::Idle,
            number: 0,
            mentioned: false,
            sweeps: false,
            lost_by: 0,
        });
        let collects = workers.iter().all(|worker| worker.skew == 0);
        let mut maker = Self {
            writer: RawWriter::new(Vec::new(), version).expect("memory takes it"),
            version,
            generation: 1 + choices.below(3) as u64,
            is_first: true,
            now: 1_000,
            procs: procs.collect(),
            workers,
            tasks: Vec::new(),
            stride,
            user_tasks: Vec::new(),
            user_tasks_so_far: 0,
            collects,
            marks: collects && choices.one_in(4),
            cycles: 1,
            events: 0,
            perhaps: 0,
            choices,
        };
        for w in 0..maker.workers.len() - 1 {
            maker.begin_worker(w);
        }
        maker.begin_generation();
        maker
    }

    /// What a worker is doing as the trace starts.
    fn begin_worker(&mut self, w: usize) {
        let choice = self.choices.below(6);
        let free = self.procs.iter().position(|p| p.status == ProcStatus::Idle);
        if let (1..=3, Some(p)) = (choice, free) {
            self.workers[w].proc = Some(p);
            self.procs[p].status = ProcStatus::Running;
            if choice == 1 {
                return;
            }
            let mut status = TaskStatus::Running;
            if choice == 3 {
                status = TaskStatus::Syscall;
                self.procs[p].status = ProcStatus::Syscall;
                self.procs[p].lost_by = w;
            }
            self.workers[w].task = Some(self.add_task(status));
        } else if choice == 4 {
            self.workers[w].task = Some(self.add_task(TaskStatus::Syscall));
        } else {
            let status = [TaskStatus::Runnable, TaskStatus::Waiting][self.choices.below(2)];
            self.add_task(status);
        }
    }

    fn add_task(&mut self, status: TaskStatus) -> usize {
        self.tasks.push(Task {
            id: (self.tasks.len() as u64 + 1) * self.stride,
            status: Some(status),
            number: 0,
            mentioned: false,
            regions: Vec::new(),
            in_range: None,
        });
        self.tasks.len() - 1
    }
}
