//! Tasks: from their creation to their end.

use trace_format::{EventKind, TaskStatus};

use crate::contradiction::Contradiction;
use crate::cursor::Timed;
use crate::event::{TaskId, TaskState, WorkerId};
use crate::order::roster::{Roster, Task};
use crate::order::workers::{Held, Worker, refused, task_id};
use crate::order::{Order, Outcome, Sequence};
use crate::step::{NONE, Step, What};
use crate::steps::{Sink, Steps};
use crate::tables::Tables;

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

impl Roster {
    /// The task with this ID and its slot, if it is in this state and `next` is
    /// its next sequence number.
    #[inline(always)]
    fn ready(&mut self, id: u64, state: TaskState, next: Sequence) -> Option<(&mut Task, u32)> {
        let is_ready = |task: &Task| task.is(id, state) && task.is_followed_by(next);
        let mut slot = self.guess(id);
        if !is_ready(&self[slot]) {
            slot = self.elsewhere(id).filter(|&slot| is_ready(&self[slot]))?;
        }
        Some((&mut self[slot], slot))
    }

    #[cold]
    #[inline(never)]
    fn elsewhere(&self, id: u64) -> Option<u32> {
        self.slot(id)
    }

    /// The slot of a worker's task, which must be in this state.
    #[cold]
    #[inline(never)]
    fn held_in(&self, held: Held, state: TaskState) -> Result<u32, Box<Contradiction>> {
        let Some(slot) = self.held(held) else {
            let task = TaskId(held.id);
            return Err(refused(Contradiction::UnknownTask { task }));
        };
        match self[slot].status == state {
            true => Ok(slot),
            false => Err(self.is_not(slot, state)),
        }
    }

    #[cold]
    fn is_not(&self, slot: u32, must_be: TaskState) -> Box<Contradiction> {
        let task = &self[slot];
        refused(Contradiction::TaskState {
            task: TaskId(task.id),
            is: task.status,
            must_be,
        })
    }
}

impl Order {
    /// The slot of the worker's task, which must be in this state.
    pub(super) fn current_task(
        &self,
        worker: Worker,
        state: TaskState,
    ) -> Result<u32, Box<Contradiction>> {
        self.tasks.held_in(worker.task, state)
    }

    /// The running task, or the runtime, makes a new one.
    #[inline(always)]
    pub fn task_create<S: Sink>(
        &mut self,
        event: &Timed,
        w: u32,
        blocked: bool,
        sink: &mut S,
    ) -> Outcome {
        let worker = self.workers.at(w);
        worker.on_proc()?;
        if worker.task.id != NONE {
            let task = &self.tasks[worker.task.slot];
            if !task.is(worker.task.id, TaskState::Running) {
                self.may_create(worker)?;
            }
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
        let (tables, steps) = (&self.tables, &mut self.steps);
        let change = Change {
            stack: steps.stack(tables, event, worker.id, stack),
            its_stack: steps.stack(tables, event, worker.id, its_stack),
            ..Change::new(id, TaskState::NotExist, to)
        };
        change.emit(sink, steps, tables, event, &worker);
        Ok(true)
    }

    /// Whether the worker's task, if it still has one, may make a new one.
    #[cold]
    #[inline(never)]
    fn may_create(&self, worker: Worker) -> Result<(), Box<Contradiction>> {
        match self.tasks.held(worker.task) {
            Some(slot) if self.tasks[slot].status != TaskState::Running => {
                Err(self.tasks.is_not(slot, TaskState::Running))
            }
            _ => Ok(()),
        }
    }

    /// A runnable task starts to run.
    #[inline(always)]
    pub fn task_start<S: Sink>(&mut self, event: &Timed, w: u32, sink: &mut S) -> Outcome {
        let [id, number, ..] = event.args;
        let sequence = self.sequence(number);
        let Some((task, slot)) = self.tasks.ready(id, TaskState::Runnable, sequence) else {
            return Ok(false);
        };
        let worker = self.workers.at_mut(w);
        worker.on_proc()?;
        worker.without_task()?;
        task.status = TaskState::Running;
        task.set_sequence(sequence);
        let change = Change::new(id, TaskState::Runnable, TaskState::Running);
        change.emit(sink, &mut self.steps, &self.tables, event, worker);
        // It has a proc, and so it is not the worker that stands for none.
        worker.task = Held { id, slot };
        Ok(true)
    }

    /// The running task ends.
    #[inline(always)]
    pub fn task_destroy<S: Sink>(&mut self, event: &Timed, w: u32, sink: &mut S) -> Outcome {
        let worker = self.workers.at(w);
        worker.on_task()?;
        let Held { id, mut slot } = worker.task;
        if !self.tasks[slot].is(id, TaskState::Running) {
            slot = self.current_task(worker, TaskState::Running)?;
        }
        let change = Change::new(id, TaskState::Running, TaskState::NotExist);
        change.emit(sink, &mut self.steps, &self.tables, event, &worker);
        self.tasks.remove(slot);
        self.workers.leave_task(w);
        Ok(true)
    }

    /// The running task gives up its proc, to go on later or to wait.
    #[inline(always)]
    pub fn task_stop<S: Sink>(
        &mut self,
        event: &Timed,
        w: u32,
        blocks: bool,
        sink: &mut S,
    ) -> Outcome {
        let worker = self.workers.at_mut(w);
        worker.on_task()?;
        let held = worker.task;
        let mut task = &mut self.tasks[held.slot];
        if !task.is(held.id, TaskState::Running) {
            let slot = self.tasks.held_in(held, TaskState::Running)?;
            task = &mut self.tasks[slot];
        }
        let [reason, stack, ..] = event.args;
        let to = match blocks {
            true => TaskState::Waiting,
            false => TaskState::Runnable,
        };
        task.status = to;
        let stack = self.steps.stack(&self.tables, event, worker.id, stack);
        let change = Change {
            reason: self.steps.string(&self.tables, event, worker.id, reason),
            stack,
            its_stack: stack,
            ..Change::new(held.id, TaskState::Running, to)
        };
        change.emit(sink, &mut self.steps, &self.tables, event, worker);
        worker.task = Held::NOTHING;
        Ok(true)
    }

    /// A waiting task becomes runnable. Whoever may do that: the event says
    /// nothing of its worker.
    #[inline(always)]
    pub fn task_unblock<S: Sink>(&mut self, event: &Timed, w: u32, sink: &mut S) -> Outcome {
        let [id, number, stack, _] = event.args;
        let sequence = self.sequence(number);
        let Some((task, _)) = self.tasks.ready(id, TaskState::Waiting, sequence) else {
            return Ok(false);
        };
        task.status = TaskState::Runnable;
        task.set_sequence(sequence);
        let worker = self.workers.at(w);
        let change = Change {
            stack: self.stack(event, worker, stack),
            ..Change::new(id, TaskState::Waiting, TaskState::Runnable)
        };
        change.emit(sink, &mut self.steps, &self.tables, event, &worker);
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
        let Some((task, next)) = self.tasks.ready(id, TaskState::Waiting, sequence) else {
            return Ok(false);
        };
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
        self.emit_as(event, before, wire, 0, stops);
        let starts = what(id, runnable, running);
        self.emit_as(event, before.idle(), EventKind::GoStart, 0, starts);

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
        let known = self.tasks.slot(id);
        match known {
            Some(slot) if self.tasks[slot].status != state => {
                return Err(self.tasks.is_not(slot, state));
            }
            None if !self.is_initial() => {
                return Err(refused(Contradiction::LateTask { task: TaskId(id) }));
            }
            _ => {}
        }
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
        let (slot, from) = match known {
            Some(slot) => {
                self.tasks[slot].set_sequence(sequence);
                (slot, state)
            }
            None => {
                let Some(slot) = self.tasks.insert(id, state, sequence) else {
                    return Err(refused(Contradiction::TaskExists { task: TaskId(id) }));
                };
                (slot, TaskState::Undetermined)
            }
        };
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

/// A task's transition. Stacks and the reason are slots.
#[derive(Clone, Copy)]
struct Change {
    task: u64,
    from: TaskState,
    to: TaskState,
    reason: u32,
    /// Where the worker's task is.
    stack: u32,
    /// Where the task is that changes.
    its_stack: u32,
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

    /// Makes a step of it, seen from the worker's place.
    #[inline(always)]
    fn emit<S: Sink>(
        self,
        sink: &mut S,
        steps: &mut Steps,
        tables: &Tables,
        event: &Timed,
        there: &Worker,
    ) {
        let step = Step {
            time: event.time,
            worker: there.id,
            proc: there.proc.id,
            task: there.task.id,
            stack: self.stack,
            wire: Some(event.kind),
            what: What::Task {
                task: self.task,
                from: self.from,
                to: self.to,
                reason: self.reason,
                stack: self.its_stack,
            },
        };
        sink.take(steps, tables, step);
    }
}
