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

use trace_format::limits::{MAX_BATCH_SIZE, NO_THREAD};
use trace_format::{BatchHeader, EventKind, ProcStatus, TaskStatus, Version};
use trace_read::raw::{Payload, RawWriter, StackFrame};

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

    /// Writes an event of a worker, its time difference put first.
    fn put(&mut self, w: usize, kind: EventKind, args: &[u64]) {
        if self.choices.one_in(16) || self.workers[w].batch.bytes().len() > MAX_BATCH_SIZE / 2 {
            self.flush(w);
        }
        self.now += [1, 1, 2, 7, 300][self.choices.below(5)];
        let worker = &mut self.workers[w];
        let time = self.now + worker.skew;
        if worker.batch.bytes().is_empty() {
            worker.start = time;
            worker.last = time;
        }
        let mut numbers = vec![time - worker.last];
        numbers.extend(args);
        worker.batch.event(kind, &numbers);
        worker.last = time;
        self.events += 1;
    }

    fn flush(&mut self, w: usize) {
        let worker = &mut self.workers[w];
        let payload = std::mem::take(&mut worker.batch);
        if !payload.bytes().is_empty() {
            let header = BatchHeader {
                generation: self.generation,
                thread: worker.id,
                time: worker.start,
            };
            self.writer
                .batch(&header, &payload)
                .expect("memory takes it");
        }
    }

    fn string(&mut self) -> u64 {
        self.choices.below(STRINGS as usize + 1) as u64 * self.stride
    }

    fn stack(&mut self) -> u64 {
        self.choices.below(STACKS as usize + 1) as u64 * self.stride
    }

    /// Writes the clock's batch and what workers are doing.
    fn begin_generation(&mut self) {
        self.events += 1;
        // With the last, clocks come apart, since fractions are dropped.
        let frequencies = [1_000_000_000, 15_625_000, 3_000_000_000];
        let exact = usize::from(self.collects);
        let frequency = frequencies[self.choices.below(frequencies.len() - exact)];
        let mut clock = Payload::new();
        if self.version.has_sync_batch() {
            clock.event(EventKind::Sync, &[]);
            clock.event(EventKind::Frequency, &[frequency]);
            clock.event(EventKind::ClockSnapshot, &[1, 5, 1_700_000_000, 17]);
        } else {
            clock.event(EventKind::Frequency, &[frequency]);
        }
        self.table(&clock);

        self.procs
            .iter_mut()
            .for_each(|p| (p.mentioned, p.number) = (false, 0));
        self.tasks
            .iter_mut()
            .for_each(|t| (t.mentioned, t.number) = (false, 0));
        for w in 0..self.workers.len() - 1 {
            let (proc, task) = (self.workers[w].proc, self.workers[w].task);
            let in_call = task.is_some_and(|t| self.tasks[t].status == Some(TaskStatus::Syscall));
            // In the first generation nobody would know whose the proc is.
            let may_sleep = in_call && (proc.is_none() || !self.is_first);
            self.workers[w].sleeps = may_sleep && self.choices.one_in(3);
            if self.workers[w].sleeps {
                continue;
            }
            if let Some(p) = proc {
                self.mention_proc(w, p);
            }
            if let Some(t) = task {
                self.mention_task(w, t, w);
            }
        }
        for w in 0..self.workers.len() - 1 {
            if let (true, Some(t)) = (self.workers[w].sleeps, self.workers[w].task) {
                let by = self.any_worker();
                if let Some(p) = self.workers[w].proc {
                    self.mention_proc(by, p);
                }
                self.mention_task(by, t, w);
            }
        }
        if self.marks {
            // Somebody has a task that runs, unless it is the first generation.
            let by = self.running_worker().unwrap_or(self.workers.len() - 1);
            self.put(by, EventKind::GCActive, &[self.cycles]);
            self.cycles += 1;
        }
    }

    /// A worker that has events in this generation, or none at all.
    fn any_worker(&mut self) -> usize {
        let w = self.choices.below(self.workers.len());
        match self.workers[w].sleeps {
            true => self.workers.len() - 1,
            false => w,
        }
    }

    fn running_worker(&self) -> Option<usize> {
        let runs = |t: usize| self.tasks[t].status == Some(TaskStatus::Running);
        let mut workers = self.workers.iter();
        workers.position(|worker| worker.task.is_some_and(runs))
    }

    /// Says what a proc is doing, unless that has been said in this generation.
    fn mention_proc(&mut self, w: usize, p: usize) {
        if std::mem::replace(&mut self.procs[p].mentioned, true) {
            return;
        }
        let mut status = self.procs[p].status;
        if status == ProcStatus::Syscall && self.workers[w].proc != Some(p) {
            status = ProcStatus::SyscallAbandoned;
        }
        self.put(w, EventKind::ProcStatus, &[p as u64, status as u64]);
        if self.procs[p].sweeps {
            self.put(w, EventKind::GCSweepActive, &[p as u64]);
        }
    }

    /// The same of a task, which is on worker `on` if it is on one.
    fn mention_task(&mut self, w: usize, t: usize, on: usize) {
        let Some(status) = self.tasks[t].status else {
            return;
        };
        if std::mem::replace(&mut self.tasks[t].mentioned, true) {
            return;
        }
        let on = match status {
            TaskStatus::Running | TaskStatus::Syscall => self.workers[on].id,
            TaskStatus::Runnable | TaskStatus::Waiting => NO_THREAD,
        };
        let id = self.tasks[t].id;
        if self.version >= Version::Go123 && self.choices.one_in(2) {
            let stack = self.stack();
            self.put(w, EventKind::GoStatusStack, &[id, on, status as u64, stack]);
        } else {
            self.put(w, EventKind::GoStatus, &[id, on, status as u64]);
        }
        if self.tasks[t].in_range == Some(EventKind::GCMarkAssistEnd) {
            self.put(w, EventKind::GCMarkAssistActive, &[id]);
        }
    }

    /// One thing happens, on one worker, if what is chosen can happen.
    fn step(&mut self) {
        if self.choices.one_in(100) {
            self.next_generation();
        }
        let w = self.choices.below(self.workers.len() - 1);
        if self.workers[w].sleeps {
            return;
        }
        let choice = self.choices.below(32);
        match (self.workers[w].proc, self.workers[w].task) {
            (proc, Some(t)) if self.tasks[t].status == Some(TaskStatus::Syscall) => {
                self.in_syscall(w, proc, t, choice);
            }
            (Some(_), Some(t)) if self.tasks[t].in_range.is_some() && choice < 16 => {
                let end = self.tasks[t].in_range.take();
                self.put(w, end.expect("a range"), &[]);
            }
            (Some(p), _) if self.procs[p].sweeps => {
                if choice.is_multiple_of(2) {
                    self.put(w, EventKind::GCSweepEnd, &[8192, 512]);
                    self.procs[p].sweeps = false;
                } else {
                    self.remark(w, choice);
                }
            }
            (Some(p), Some(t)) => self.on_task(w, p, t, choice),
            (Some(p), None) => self.on_proc(w, p, choice),
            (None, _) => self.on_worker(w, choice),
        }
    }

    /// A worker without a task and a proc.
    fn on_worker(&mut self, w: usize, choice: usize) {
        match choice {
            0..=15 => {
                let Some(p) = self.find_proc(|p| p.status == ProcStatus::Idle) else {
                    return;
                };
                self.mention_proc(w, p);
                self.procs[p].number += 1;
                self.procs[p].status = ProcStatus::Running;
                self.workers[w].proc = Some(p);
                self.put(w, EventKind::ProcStart, &[p as u64, self.procs[p].number]);
            }
            16..=23 => self.steal(w),
            _ => {
                let t = self.add_task(TaskStatus::Syscall);
                self.tasks[t].mentioned = true;
                self.workers[w].task = Some(t);
                self.put(w, EventKind::GoCreateSyscall, &[self.tasks[t].id]);
            }
        }
    }

    /// A worker with a proc and no task.
    fn on_proc(&mut self, w: usize, p: usize, choice: usize) {
        match choice {
            0..=15 => {
                let Some(t) = self.find_task(TaskStatus::Runnable) else {
                    return;
                };
                self.mention_task(w, t, w);
                let numbers = self.go_on(t, TaskStatus::Running);
                self.workers[w].task = Some(t);
                self.put(w, EventKind::GoStart, &numbers);
            }
            16..=19 => self.unblock(w),
            20..=22 => self.create(w, EventKind::GoCreate),
            23..=26 => {
                self.put(w, EventKind::ProcStop, &[]);
                self.procs[p].status = ProcStatus::Idle;
                self.workers[w].proc = None;
            }
            27 => {
                let stack = self.stack();
                self.procs[p].sweeps = true;
                self.put(w, EventKind::GCSweepBegin, &[stack]);
            }
            28..=29 => self.steal(w),
            _ => self.remark(w, choice),
        }
    }

    /// A worker with a proc and a task that runs.
    fn on_task(&mut self, w: usize, p: usize, t: usize, choice: usize) {
        let has_switch = self.version >= Version::Go123;
        let (reason, stack) = (self.string(), self.stack());
        let in_range = self.tasks[t].in_range.is_some();
        match choice {
            0..=2 => self.create(w, EventKind::GoCreate),
            3 if has_switch => self.create(w, EventKind::GoCreateBlocked),
            4..=5 => self.unblock(w),
            6..=8 if !in_range => {
                self.put(w, EventKind::GoBlock, &[reason, stack]);
                self.leave(w, Some(TaskStatus::Waiting));
            }
            9..=10 if !in_range => {
                self.put(w, EventKind::GoStop, &[reason, stack]);
                self.leave(w, Some(TaskStatus::Runnable));
            }
            11 if !in_range => {
                self.put(w, EventKind::GoDestroy, &[]);
                self.leave(w, None);
            }
            12..=13 if !in_range && has_switch => {
                let Some(next) = self.find_task(TaskStatus::Waiting) else {
                    return;
                };
                self.mention_task(w, next, w);
                let numbers = self.go_on(next, TaskStatus::Running);
                let (kind, status) = match choice {
                    12 => (EventKind::GoSwitch, Some(TaskStatus::Waiting)),
                    _ => (EventKind::GoSwitchDestroy, None),
                };
                self.put(w, kind, &numbers);
                self.events += 2;
                self.leave(w, status);
                self.workers[w].task = Some(next);
            }
            14..=16 if !in_range => {
                self.procs[p].number += 1;
                self.procs[p].status = ProcStatus::Syscall;
                self.procs[p].lost_by = w;
                self.tasks[t].status = Some(TaskStatus::Syscall);
                let number = self.procs[p].number;
                self.put(w, EventKind::GoSyscallBegin, &[number, stack]);
            }
            17..=18 if !in_range => {
                let (kind, end, args) = match choice {
                    17 => (EventKind::STWBegin, EventKind::STWEnd, &[reason, stack][..]),
                    _ => {
                        let kinds = (EventKind::GCMarkAssistBegin, EventKind::GCMarkAssistEnd);
                        (kinds.0, kinds.1, &[stack][..])
                    }
                };
                self.put(w, kind, args);
                self.tasks[t].in_range = Some(end);
            }
            19 if self.collects => {
                match self.marks {
                    true => self.put(w, EventKind::GCEnd, &[self.cycles]),
                    false => self.put(w, EventKind::GCBegin, &[self.cycles, stack]),
                }
                self.marks = !self.marks;
                self.cycles += 1;
            }
            20 => {
                self.user_tasks_so_far += 1;
                let id = self.user_tasks_so_far;
                let parent = self.user_tasks.last().copied().unwrap_or(0);
                self.user_tasks.push(id);
                self.put(w, EventKind::UserTaskBegin, &[id, parent, reason, stack]);
            }
            21 => {
                let id = self.user_tasks.pop().unwrap_or(1 << 40);
                self.put(w, EventKind::UserTaskEnd, &[id, stack]);
            }
            22..=23 => {
                let user_task = self.user_tasks.first().copied().unwrap_or(0);
                self.tasks[t].regions.push((user_task, reason));
                self.put(w, EventKind::UserRegionBegin, &[user_task, reason, stack]);
            }
            24..=25 => {
                let (user_task, name) = self.tasks[t].regions.pop().unwrap_or((0, reason));
                self.put(w, EventKind::UserRegionEnd, &[user_task, name, stack]);
            }
            26 => {
                let value = self.string();
                self.put(w, EventKind::UserLog, &[0, reason, value, stack]);
            }
            27 => self.put(w, EventKind::GoLabel, &[reason]),
            28 => self.put(w, EventKind::ProcsChange, &[4, stack]),
            29 if !in_range => {
                self.procs[p].sweeps = true;
                self.put(w, EventKind::GCSweepBegin, &[stack]);
            }
            30 => self.steal(w),
            _ => self.remark(w, choice),
        }
    }

    /// A worker whose task is in a system call.
    fn in_syscall(&mut self, w: usize, proc: Option<usize>, t: usize, choice: usize) {
        match (proc, choice) {
            (Some(p), 0..=15) => {
                self.put(w, EventKind::GoSyscallEnd, &[]);
                self.procs[p].status = ProcStatus::Running;
                self.tasks[t].status = Some(TaskStatus::Running);
            }
            (None, 0..=23) => {
                self.put(w, EventKind::GoSyscallEndBlocked, &[]);
                self.leave(w, Some(TaskStatus::Runnable));
            }
            (_, 24..=27) => {
                self.put(w, EventKind::GoDestroySyscall, &[]);
                self.perhaps += 1;
                if let Some(p) = proc {
                    self.procs[p].status = ProcStatus::SyscallAbandoned;
                    self.workers[w].proc = None;
                }
                self.leave(w, None);
            }
            (_, 28..=31) => self.steal(w),
            _ => {}
        }
    }

    /// Takes a proc away that is in a system call.
    fn steal(&mut self, w: usize) {
        let is_lost =
            |p: &Proc| matches!(p.status, ProcStatus::Syscall | ProcStatus::SyscallAbandoned);
        let Some(p) = self.find_proc(is_lost) else {
            return;
        };
        let from = self.procs[p].lost_by;
        if !self.procs[p].mentioned {
            self.mention_proc(w, p);
        }
        self.procs[p].number += 1;
        self.procs[p].status = ProcStatus::Idle;
        let numbers = [p as u64, self.procs[p].number, self.workers[from].id];
        self.put(w, EventKind::ProcSteal, &numbers);
        if self.workers[from].proc == Some(p) {
            self.workers[from].proc = None;
        }
    }

    fn unblock(&mut self, w: usize) {
        if let Some(t) = self.find_task(TaskStatus::Waiting) {
            self.mention_task(w, t, w);
            let [id, number] = self.go_on(t, TaskStatus::Runnable);
            let stack = self.stack();
            self.put(w, EventKind::GoUnblock, &[id, number, stack]);
        }
    }

    fn create(&mut self, w: usize, kind: EventKind) {
        let status = match kind {
            EventKind::GoCreate => TaskStatus::Runnable,
            _ => TaskStatus::Waiting,
        };
        let t = self.add_task(status);
        self.tasks[t].mentioned = true;
        let stacks = [self.stack(), self.stack()];
        self.put(w, kind, &[self.tasks[t].id, stacks[0], stacks[1]]);
    }

    /// What changes nothing.
    fn remark(&mut self, w: usize, choice: usize) {
        let value = self.choices.below(1 << 16) as u64;
        match choice % 4 {
            0 => self.put(w, EventKind::HeapAlloc, &[value]),
            1 => self.put(w, EventKind::HeapGoal, &[value]),
            _ if self.version < Version::Go123 => {}
            2 => self.put(w, EventKind::SpanAlloc, &[value, 2, 3]),
            _ => self.put(w, EventKind::HeapObjectFree, &[value]),
        }
    }

    /// The worker's task is not its own any more.
    fn leave(&mut self, w: usize, status: Option<TaskStatus>) {
        if let Some(t) = self.workers[w].task.take() {
            self.tasks[t].status = status;
        }
    }

    /// A task's next change: its ID and the number of the change.
    fn go_on(&mut self, t: usize, status: TaskStatus) -> [u64; 2] {
        let task = &mut self.tasks[t];
        task.number += 1;
        task.status = Some(status);
        [task.id, task.number]
    }

    /// A proc of this kind, if there is one, from somewhere on.
    fn find_proc(&mut self, wanted: impl Fn(&Proc) -> bool) -> Option<usize> {
        let first = self.choices.below(self.procs.len());
        let mut all = (first..self.procs.len()).chain(0..first);
        all.find(|&p| wanted(&self.procs[p]))
    }

    fn find_task(&mut self, status: TaskStatus) -> Option<usize> {
        let first = self.choices.below(self.tasks.len().max(1));
        let mut all = (first..self.tasks.len()).chain(0..first.min(self.tasks.len()));
        all.find(|&t| self.tasks[t].status == Some(status))
    }

    /// Writes what is left of the generation, tables included.
    fn end_generation(&mut self) {
        // What was there before the trace is mentioned in its first generation.
        if self.is_first || self.choices.one_in(2) {
            let nobody = self.workers.len() - 1;
            for t in 0..self.tasks.len() {
                self.mention_task(nobody, t, nobody);
            }
        }
        let first = self.choices.below(self.workers.len());
        for w in (first..self.workers.len()).chain(0..first) {
            self.flush(w);
        }
        let mut strings = Payload::new();
        strings.event(EventKind::Strings, &[]);
        let texts = [
            "main",
            "main.go",
            "chan receive",
            "sync",
            "forever",
            "\u{e9}t\u{e9}",
        ];
        for (n, text) in texts.into_iter().enumerate() {
            strings.string((n as u64 + 1) * self.stride, text.as_bytes());
        }
        self.table(&strings);
        let mut stacks = Payload::new();
        stacks.event(EventKind::Stacks, &[]);
        for n in 1..=STACKS {
            let frames: Vec<_> = (1..n)
                .map(|depth| StackFrame {
                    pc: depth * 16 + n % 2,
                    function: self.stride,
                    file: 2 * self.stride,
                    line: depth,
                })
                .collect();
            stacks.stack(n * self.stride, &frames);
        }
        self.table(&stacks);
        let mut samples = Payload::new();
        samples.event(EventKind::CPUSamples, &[]);
        for _ in 0..self.choices.below(4) {
            let time = self.now - self.choices.below(300) as u64;
            let task = self.choices.below(3) as u64 * self.stride;
            let stack = self.stack();
            samples.event(EventKind::CPUSample, &[time, self.stride, 0, task, stack]);
            self.events += 1;
        }
        self.table(&samples);
        if self.version >= Version::Go123 && self.choices.one_in(4) {
            let header = self.no_worker();
            let experiment = 1 + self.choices.below(3) as u8;
            let written = self.writer.experiment(experiment, &header, b"data");
            written.expect("memory takes it");
        }
        if self.version.has_end_of_generation() {
            self.writer.end_of_generation().expect("memory takes it");
        }
    }

    fn next_generation(&mut self) {
        if self.marks && self.running_worker().is_none() {
            return;
        }
        self.end_generation();
        self.generation += 1;
        self.is_first = false;
        self.begin_generation();
    }

    fn table(&mut self, payload: &Payload) {
        let header = self.no_worker();
        self.writer
            .batch(&header, payload)
            .expect("memory takes it");
    }

    fn no_worker(&self) -> BatchHeader {
        BatchHeader {
            generation: self.generation,
            thread: NO_THREAD,
            time: self.now,
        }
    }

    fn finish(mut self) -> Made {
        self.end_generation();
        // A sync event at the end.
        let events = self.events + 1;
        Made {
            bytes: self.writer.into_inner(),
            is_whole: true,
            events: events..=events + self.perhaps,
        }
    }
}
