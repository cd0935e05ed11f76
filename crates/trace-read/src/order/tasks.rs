//! Tasks: from their creation to their end.

use trace_format::{EventKind, TaskStatus};

use crate::contradiction::Contradiction;
use crate::cursor::Timed;
use crate::event::{TaskId, TaskState, WorkerId};
use crate::order::workers::{Held, Worker, refused, task_id};
use crate::order::{Order, Outcome, Sequence};
use crate::step::{NONE, What};

/// What a status is called by those who read events.
fn state_of(status: Option<TaskStatus>) -> TaskState {
    match status {
        None => TaskState::Undetermined,
        Some(TaskStatus::Runnable) => TaskState::Runnable,
        Some(TaskStatus::Running) => TaskState::Running,
        Some(TaskStatus::Syscall) => TaskState::Syscall,
        Some(TaskStatus::Waiting) => TaskState::Waiting,
    }
}

impl Order {
    /// The slot of the worker's task, which must be in this state.
    #[inline(always)]
    pub(super) fn current_task(
        &self,
        worker: Worker,
        state: TaskState,
    ) -> Result<u32, Box<Contradiction>> {
        let Held { id, slot } = worker.task;
        let task = &self.tasks[slot];
        match task.id == id && task.status == state {
            true => Ok(slot),
            false => self.current_task_slowly(id, slot, state),
        }
    }

    #[cold]
    #[inline(never)]
    fn current_task_slowly(
        &self,
        id: u64,
        slot: u32,
        state: TaskState,
    ) -> Result<u32, Box<Contradiction>> {
        let Some(slot) = self.tasks.held(Held { id, slot }) else {
            let task = TaskId(id);
            return Err(refused(Contradiction::UnknownTask { task }));
        };
        match self.tasks[slot].status == state {
            true => Ok(slot),
            false => Err(self.task_is_not(slot, state)),
        }
    }

    #[cold]
    fn task_is_not(&self, slot: u32, must_be: TaskState) -> Box<Contradiction> {
        let task = &self.tasks[slot];
        refused(Contradiction::TaskState {
            task: TaskId(task.id),
            is: task.status,
            must_be,
        })
    }

    /// The slot of the task with this ID, if it is in this state and `next` is its
    /// next sequence number.
    #[inline(always)]
    fn ready_task(&self, id: u64, state: TaskState, next: Sequence) -> Option<u32> {
        let is_ready = |slot| {
            let task = &self.tasks[slot];
            task.id == id && task.status == state && task.is_followed_by(next)
        };
        let guess = self.tasks.guess(id);
        match is_ready(guess) {
            true => Some(guess),
            false => self.tasks.slot(id).filter(|&slot| is_ready(slot)),
        }
    }

    /// Makes a step of a task's transition, seen from the worker's place. Stacks
    /// and the reason are slots.
    #[inline(always)]
    fn emit_task(&mut self, event: &Timed, worker: Worker, change: Change) {
        let what = What::Task {
            task: change.task,
            from: change.from,
            to: change.to,
            reason: change.reason,
            stack: change.its_stack,
        };
        self.emit_as(event, worker, event.kind, change.stack, what);
    }

    /// The running task, or the runtime, makes a new one.
    pub(super) fn task_create(&mut self, event: &Timed, w: u32, blocked: bool) -> Outcome {
        let worker = self.workers.at(w);
        worker.on_proc()?;
        if worker.task.id != NONE
            && let Some(slot) = self.tasks.held(worker.task)
            && self.tasks[slot].status != TaskState::Running
        {
            return Err(self.task_is_not(slot, TaskState::Running));
        }
        let [id, its_stack, stack, _] = event.args;
        let to = match blocked {
            true => TaskState::Waiting,
            false => TaskState::Runnable,
        };
        let sequence = self.sequence(0);
        if self.tasks.insert(id, to, sequence).is_none() {
            return Err(refused(Contradiction::TaskExists { task: TaskId(id) }));
        }
        let change = Change {
            stack: self.stack(event, worker, stack),
            its_stack: self.stack(event, worker, its_stack),
            ..Change::new(id, TaskState::NotExist, to)
        };
        self.emit_task(event, worker, change);
        Ok(true)
    }

    /// A runnable task starts to run.
    #[inline(always)]
    pub(super) fn task_start(&mut self, event: &Timed, w: u32) -> Outcome {
        let worker = self.workers.appears(w);
        let [id, number, ..] = event.args;
        let sequence = self.sequence(number);
        let Some(slot) = self.ready_task(id, TaskState::Runnable, sequence) else {
            return Ok(false);
        };
        worker.on_proc()?;
        worker.without_task()?;
        let task = &mut self.tasks[slot];
        task.status = TaskState::Running;
        task.set_sequence(sequence);
        let change = Change::new(id, TaskState::Runnable, TaskState::Running);
        self.emit_task(event, worker, change);
        self.workers.run(w, id, slot);
        Ok(true)
    }

    /// The running task ends.
    pub(super) fn task_destroy(&mut self, event: &Timed, w: u32) -> Outcome {
        let worker = self.workers.at(w);
        worker.on_task()?;
        let slot = self.current_task(worker, TaskState::Running)?;
        let id = worker.task.id;
        let change = Change::new(id, TaskState::Running, TaskState::NotExist);
        self.emit_task(event, worker, change);
        self.tasks.remove(slot);
        self.workers.leave_task(w);
        Ok(true)
    }

    /// The running task gives up its proc, to go on later or to wait.
    #[inline(always)]
    pub(super) fn task_stop(&mut self, event: &Timed, w: u32, blocks: bool) -> Outcome {
        let worker = self.workers.appears(w);
        worker.on_task()?;
        let slot = self.current_task(worker, TaskState::Running)?;
        let [reason, stack, ..] = event.args;
        let to = match blocks {
            true => TaskState::Waiting,
            false => TaskState::Runnable,
        };
        self.tasks[slot].status = to;
        let stack = self.stack(event, worker, stack);
        let change = Change {
            reason: self.string(event, worker, reason),
            stack,
            its_stack: stack,
            ..Change::new(worker.task.id, TaskState::Running, to)
        };
        self.emit_task(event, worker, change);
        self.workers.leave_task(w);
        Ok(true)
    }

    /// A waiting task becomes runnable. Whoever may do that: the event says
    /// nothing of its worker.
    #[inline(always)]
    pub(super) fn task_unblock(&mut self, event: &Timed, w: u32) -> Outcome {
        let worker = self.workers.appears(w);
        let [id, number, stack, _] = event.args;
        let sequence = self.sequence(number);
        let Some(slot) = self.ready_task(id, TaskState::Waiting, sequence) else {
            return Ok(false);
        };
        let task = &mut self.tasks[slot];
        task.status = TaskState::Runnable;
        task.set_sequence(sequence);
        let change = Change {
            stack: self.stack(event, worker, stack),
            ..Change::new(id, TaskState::Waiting, TaskState::Runnable)
        };
        self.emit_task(event, worker, change);
        Ok(true)
    }

    /// The running task blocks or ends, and a waiting one runs in its place:
    /// three transitions in one event.
    pub(super) fn task_switch(&mut self, event: &Timed, w: u32, ends: bool) -> Outcome {
        let before = self.workers.at(w);
        before.on_task()?;
        let current = self.current_task(before, TaskState::Running)?;
        let [id, number, ..] = event.args;
        let sequence = self.sequence(number);
        let Some(next) = self.ready_task(id, TaskState::Waiting, sequence) else {
            return Ok(false);
        };
        let task = &mut self.tasks[next];
        task.status = TaskState::Running;
        task.set_sequence(sequence);

        let what = |task, from, to| What::Task {
            task,
            from,
            to,
            reason: 0,
            stack: 0,
        };
        let (running, runnable) = (TaskState::Running, TaskState::Runnable);
        let wakes = what(id, TaskState::Waiting, runnable);
        self.emit_as(event, before, event.kind, 0, wakes);
        let (wire, to) = match ends {
            true => (EventKind::GoDestroy, TaskState::NotExist),
            false => (EventKind::GoBlock, TaskState::Waiting),
        };
        let stops = what(before.task.id, running, to);
        self.emit_later(event, before, wire, stops);
        let starts = what(id, runnable, running);
        self.emit_later(event, before.idle(), EventKind::GoStart, starts);

        match ends {
            true => self.tasks.remove(current),
            false => self.tasks[current].status = TaskState::Waiting,
        }
        self.workers.run(w, id, next);
        Ok(true)
    }

    /// A task is mentioned for the first time in a generation.
    pub(super) fn task_status(&mut self, event: &Timed, w: u32, stack: u64) -> Outcome {
        let [id, on, code, _] = event.args;
        // Go's reader looks at the low byte only.
        let code = code & 0xff;
        let status = TaskStatus::from_code(code);
        if status.is_none() && code != 0 {
            return Err(refused(Contradiction::StatusCode { code }));
        }
        let state = state_of(status);
        let sequence = self.sequence(0);
        let (slot, from) = match self.tasks.slot(id) {
            Some(slot) => {
                let task = &mut self.tasks[slot];
                if task.status != state {
                    return Err(self.task_is_not(slot, state));
                }
                task.set_sequence(sequence);
                (slot, state)
            }
            None if !self.is_initial() => {
                return Err(refused(Contradiction::LateTask { task: TaskId(id) }));
            }
            None => {
                let Some(slot) = self.tasks.insert(id, state, sequence) else {
                    return Err(refused(Contradiction::TaskExists { task: TaskId(id) }));
                };
                (slot, TaskState::Undetermined)
            }
        };
        let mut there = self.workers.at(w);
        let mut runs = None;
        if state == TaskState::Running {
            runs = Some(w);
        } else if state == TaskState::Syscall {
            if on == NONE {
                let task = TaskId(id);
                return Err(refused(Contradiction::SyscallWithoutWorker { task }));
            }
            let other = |has| {
                refused(Contradiction::OtherTask {
                    task: TaskId(id),
                    worker: WorkerId(on),
                    has: task_id(has),
                })
            };
            if on == there.id {
                if !self.is_initial() && there.task.id != id {
                    return Err(other(there.task.id));
                }
                runs = Some(w);
            } else {
                match self.workers.seen(on) {
                    Some(its) => {
                        let has = self.workers.task(its).id;
                        if has != id {
                            return Err(other(has));
                        }
                        there.task.id = id;
                    }
                    // It has been in this system call all the time.
                    None => {
                        let its = self.workers.slot(on);
                        self.workers.appears(its);
                        runs = Some(its);
                    }
                }
                there.id = on;
            }
        }
        let stack = self.stack(event, there, stack);
        let what = What::Task {
            task: id,
            from,
            to: state,
            reason: 0,
            stack,
        };
        self.emit_as(event, there, event.kind, stack, what);
        if let Some(worker) = runs {
            self.workers.run(worker, id, slot);
        }
        Ok(true)
    }
}

/// A task's transition.
#[derive(Clone, Copy)]
struct Change {
    task: u64,
    from: TaskState,
    to: TaskState,
    reason: u64,
    /// Where the worker's task is.
    stack: u64,
    /// Where the task is that changes.
    its_stack: u64,
}

impl Change {
    #[inline(always)]
    fn new(task: u64, from: TaskState, to: TaskState) -> Self {
        Self {
            task,
            from,
            to,
            reason: 0,
            stack: 0,
            its_stack: 0,
        }
    }
}
