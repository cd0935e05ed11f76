//! What is made is written: events into batches, the start of a generation with
//! what everybody is doing, and its end with the tables.

use trace_format::limits::{MAX_BATCH_SIZE, NO_THREAD};
use trace_format::{BatchHeader, EventKind, ProcStatus, TaskStatus, Version};
use trace_read::raw::{Payload, StackFrame};

use super::{Made, Maker, STACKS, STRINGS};

impl Maker<'_> {
    /// Writes an event of a worker, its time difference put first.
    pub(super) fn put(&mut self, w: usize, kind: EventKind, args: &[u64]) {
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

    pub(super) fn flush(&mut self, w: usize) {
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

    pub(super) fn string(&mut self) -> u64 {
        self.choices.below(STRINGS as usize + 1) as u64 * self.stride
    }

    pub(super) fn stack(&mut self) -> u64 {
        self.choices.below(STACKS as usize + 1) as u64 * self.stride
    }

    /// Writes the clock's batch and what workers are doing.
    pub(super) fn begin_generation(&mut self) {
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
    pub(super) fn any_worker(&mut self) -> usize {
        let w = self.choices.below(self.workers.len());
        match self.workers[w].sleeps {
            true => self.workers.len() - 1,
            false => w,
        }
    }

    pub(super) fn running_worker(&self) -> Option<usize> {
        let runs = |t: usize| self.tasks[t].status == Some(TaskStatus::Running);
        let mut workers = self.workers.iter();
        workers.position(|worker| worker.task.is_some_and(runs))
    }

    /// Says what a proc is doing, unless that has been said in this generation.
    pub(super) fn mention_proc(&mut self, w: usize, p: usize) {
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
    pub(super) fn mention_task(&mut self, w: usize, t: usize, on: usize) {
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

    pub(super) fn next_generation(&mut self) {
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

    pub(super) fn finish(mut self) -> Made {
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
