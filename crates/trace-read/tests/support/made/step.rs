//! One thing after the other happens: what it is depends on what the worker that
//! is chosen is doing.

use trace_format::{EventKind, ProcStatus, TaskStatus, Version};

use super::{Maker, Proc};

impl Maker<'_> {
    /// One thing happens, on one worker, if what is chosen can happen.
    pub(super) fn step(&mut self) {
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

    pub(super) fn find_task(&mut self, status: TaskStatus) -> Option<usize> {
        let first = self.choices.below(self.tasks.len().max(1));
        let mut all = (first..self.tasks.len()).chain(0..first.min(self.tasks.len()));
        all.find(|&t| self.tasks[t].status == Some(status))
    }
}
