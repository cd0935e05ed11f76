//! Tasks: from their creation to their end.

use std::collections::hash_map::Entry;
use std::ops::{Index, IndexMut};

use trace_format::{EventKind, TaskStatus};

use crate::contradiction::Contradiction;
use crate::cursor::Timed;
use crate::event::{TaskId, TaskState, WorkerId};
use crate::ids::SlotMap;
use crate::order::ranges::Ranges;
use crate::order::user::Regions;
use crate::order::workers::{Held, refused, task_id};
use crate::order::{Order, Outcome, Sequence};
use crate::step::{NONE, What};

/// A task's status. Go's reader has a name for code 0 and lets it pass, as a
/// status in which nothing can happen to the task; that is `None`.
pub(super) type Status = Option<TaskStatus>;

pub(super) const RUNNABLE: Status = Some(TaskStatus::Runnable);
pub(super) const RUNNING: Status = Some(TaskStatus::Running);
pub(super) const SYSCALL: Status = Some(TaskStatus::Syscall);
pub(super) const WAITING: Status = Some(TaskStatus::Waiting);

/// A task.
#[derive(Debug)]
pub(super) struct Task {
    id: u64,
    pub status: Status,
    /// Whether there is a task in this slot.
    alive: bool,
    pub sequence: Sequence,
    /// What few tasks have.
    pub more: Option<Box<More>>,
}

/// What a task has that is in a range or a region.
#[derive(Debug, Default)]
pub(super) struct More {
    pub ranges: Ranges,
    pub regions: Regions,
}

impl Task {
    /// The state's name for those who read events.
    pub fn state(&self) -> TaskState {
        state_of(self.status)
    }

    pub fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }
}

fn state_of(status: Status) -> TaskState {
    match status {
        None => TaskState::Undetermined,
        Some(TaskStatus::Runnable) => TaskState::Runnable,
        Some(TaskStatus::Running) => TaskState::Running,
        Some(TaskStatus::Syscall) => TaskState::Syscall,
        Some(TaskStatus::Waiting) => TaskState::Waiting,
    }
}

/// All tasks that exist, by slot. Slots of ended tasks are used again.
#[derive(Debug)]
pub(super) struct Tasks {
    all: Vec<Task>,
    free: Vec<u32>,
    slots: SlotMap,
    /// For the low bits of an ID, the slot where a task with such an ID was last
    /// found: most events are about tasks that there was just an event of.
    recent: Box<[u32; Self::RECENT]>,
}

impl Default for Tasks {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            free: Vec::new(),
            slots: SlotMap::default(),
            recent: Box::new([0; Self::RECENT]),
        }
    }
}

impl Tasks {
    const RECENT: usize = 1 << 10;

    /// The slot of the task with this ID.
    #[inline(always)]
    pub fn slot(&mut self, id: u64) -> Option<u32> {
        let guess = self.recent[id as usize % Self::RECENT];
        match self.is_in(id, guess) {
            true => Some(guess),
            false => self.look_up(id),
        }
    }

    #[inline(never)]
    fn look_up(&mut self, id: u64) -> Option<u32> {
        let slot = self.slots.get(&id).copied()?;
        self.recent[id as usize % Self::RECENT] = slot;
        Some(slot)
    }

    /// Whether the task with this ID is in this slot.
    #[inline(always)]
    fn is_in(&self, id: u64, slot: u32) -> bool {
        let task = self.all.get(slot as usize);
        task.is_some_and(|task| task.id == id && task.alive)
    }

    /// The slot of a worker's task.
    ///
    /// The slot noted is good as long as the task lives, and no longer: a file
    /// may let another worker end it, and give its ID to a new one.
    #[inline(always)]
    pub fn held(&self, held: Held) -> Option<u32> {
        match self.is_in(held.id, held.slot) {
            true => Some(held.slot),
            false => self.slots.get(&held.id).copied(),
        }
    }

    /// Adds a task. `None` if there is one with this ID.
    pub fn insert(&mut self, id: u64, status: Status, sequence: Sequence) -> Option<u32> {
        let Entry::Vacant(entry) = self.slots.entry(id) else {
            return None;
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                let task = &mut self.all[slot as usize];
                task.id = id;
                task.status = status;
                task.alive = true;
                task.sequence = sequence;
                slot
            }
            None => {
                self.all.push(Task {
                    id,
                    status,
                    alive: true,
                    sequence,
                    more: None,
                });
                self.all.len() as u32 - 1
            }
        };
        entry.insert(slot);
        self.recent[id as usize % Self::RECENT] = slot;
        Some(slot)
    }

    /// Removes the task in this slot.
    pub fn remove(&mut self, slot: u32) {
        let task = &mut self.all[slot as usize];
        task.alive = false;
        task.more = None;
        self.slots.remove(&task.id);
        self.free.push(slot);
    }
}

impl Index<u32> for Tasks {
    type Output = Task;

    #[inline(always)]
    fn index(&self, slot: u32) -> &Task {
        &self.all[slot as usize]
    }
}

impl IndexMut<u32> for Tasks {
    #[inline(always)]
    fn index_mut(&mut self, slot: u32) -> &mut Task {
        &mut self.all[slot as usize]
    }
}

impl Order {
    /// The slot of the worker's task, which must be in this status.
    #[inline(always)]
    pub(super) fn current_task(&self, w: u32, status: Status) -> Result<u32, Box<Contradiction>> {
        let held = self.workers.task(w);
        let Some(slot) = self.tasks.held(held) else {
            let task = TaskId(held.id);
            return Err(refused(Contradiction::UnknownTask { task }));
        };
        if self.tasks[slot].status != status {
            return Err(self.task_is_not(slot, status));
        }
        Ok(slot)
    }

    #[cold]
    fn task_is_not(&self, slot: u32, status: Status) -> Box<Contradiction> {
        refused(Contradiction::TaskState {
            task: TaskId(self.tasks[slot].id),
            is: self.tasks[slot].state(),
            must_be: state_of(status),
        })
    }

    /// Makes a step of a task's transition, seen from the worker's place.
    #[inline(always)]
    fn emit_task(&mut self, event: &Timed, w: u32, change: Change) {
        let what = What::Task {
            task: change.task,
            from: change.from,
            to: change.to,
            reason: change.reason,
            stack: change.its_stack,
        };
        self.emit(event, w, change.stack, what);
    }

    /// The running task, or the runtime, makes a new one.
    pub(super) fn task_create(&mut self, event: &Timed, w: u32, blocked: bool) -> Outcome {
        self.workers.on_proc(w)?;
        let held = self.workers.task(w);
        if held.id != NONE
            && let Some(slot) = self.tasks.held(held)
            && self.tasks[slot].status != RUNNING
        {
            return Err(self.task_is_not(slot, RUNNING));
        }
        let [id, its_stack, stack, _] = event.args;
        let status = if blocked { WAITING } else { RUNNABLE };
        let sequence = Sequence::start(self.generation);
        if self.tasks.insert(id, status, sequence).is_none() {
            return Err(refused(Contradiction::TaskExists { task: TaskId(id) }));
        }
        let to = state_of(status);
        let change = Change::new(id, TaskState::NotExist, to);
        let change = Change {
            stack,
            its_stack,
            ..change
        };
        self.emit_task(event, w, change);
        Ok(true)
    }

    /// A runnable task starts to run.
    #[inline(always)]
    pub(super) fn task_start(&mut self, event: &Timed, w: u32) -> Outcome {
        let [id, number, ..] = event.args;
        let sequence = self.sequence(number);
        let Some(slot) = self.tasks.slot(id) else {
            return Ok(false);
        };
        let task = &mut self.tasks[slot];
        if task.status != RUNNABLE || !task.sequence.is_followed_by(sequence) {
            return Ok(false);
        }
        self.workers.on_proc(w)?;
        self.workers.without_task(w)?;
        task.status = RUNNING;
        task.sequence = sequence;
        let change = Change::new(id, TaskState::Runnable, TaskState::Running);
        self.emit_task(event, w, change);
        self.workers.run(w, id, slot);
        Ok(true)
    }

    /// The running task ends.
    pub(super) fn task_destroy(&mut self, event: &Timed, w: u32) -> Outcome {
        self.workers.on_task(w)?;
        let slot = self.current_task(w, RUNNING)?;
        let id = self.workers.task(w).id;
        let change = Change::new(id, TaskState::Running, TaskState::NotExist);
        self.emit_task(event, w, change);
        self.tasks.remove(slot);
        self.workers.leave_task(w);
        Ok(true)
    }

    /// The running task gives up its proc, to go on later or to wait.
    #[inline(always)]
    pub(super) fn task_stop(&mut self, event: &Timed, w: u32, blocks: bool) -> Outcome {
        self.workers.on_task(w)?;
        let slot = self.current_task(w, RUNNING)?;
        let id = self.workers.task(w).id;
        let [reason, stack, ..] = event.args;
        let status = if blocks { WAITING } else { RUNNABLE };
        self.tasks[slot].status = status;
        let change = Change {
            reason,
            stack,
            its_stack: stack,
            ..Change::new(id, TaskState::Running, state_of(status))
        };
        self.emit_task(event, w, change);
        self.workers.leave_task(w);
        Ok(true)
    }

    /// A waiting task becomes runnable. Whoever may do that: the event says
    /// nothing of its worker.
    #[inline(always)]
    pub(super) fn task_unblock(&mut self, event: &Timed, w: u32) -> Outcome {
        let [id, number, stack, _] = event.args;
        let sequence = self.sequence(number);
        let Some(slot) = self.tasks.slot(id) else {
            return Ok(false);
        };
        let task = &mut self.tasks[slot];
        if task.status != WAITING || !task.sequence.is_followed_by(sequence) {
            return Ok(false);
        }
        task.status = RUNNABLE;
        task.sequence = sequence;
        let change = Change {
            stack,
            ..Change::new(id, TaskState::Waiting, TaskState::Runnable)
        };
        self.emit_task(event, w, change);
        Ok(true)
    }

    /// The running task blocks or ends, and a waiting one runs in its place:
    /// three transitions in one event.
    pub(super) fn task_switch(&mut self, event: &Timed, w: u32, ends: bool) -> Outcome {
        self.workers.on_task(w)?;
        let current = self.current_task(w, RUNNING)?;
        let [id, number, ..] = event.args;
        let sequence = self.sequence(number);
        let Some(next) = self.tasks.slot(id) else {
            return Ok(false);
        };
        let task = &mut self.tasks[next];
        if task.status != WAITING || !task.sequence.is_followed_by(sequence) {
            return Ok(false);
        }
        task.status = RUNNING;
        task.sequence = sequence;

        let before = self.workers.context(w);
        let mut emit = |context, wire, task, from, to| {
            let (reason, stack) = (0, 0);
            let what = What::Task {
                task,
                from,
                to,
                reason,
                stack,
            };
            self.emit_as(event, context, wire, 0, what);
        };
        let (waiting, runnable) = (TaskState::Waiting, TaskState::Runnable);
        emit(before, event.kind, id, waiting, runnable);
        let (wire, to) = match ends {
            true => (EventKind::GoDestroy, TaskState::NotExist),
            false => (EventKind::GoBlock, waiting),
        };
        emit(before, wire, before.task, TaskState::Running, to);
        let mut between = before;
        between.task = NONE;
        let running = TaskState::Running;
        emit(between, EventKind::GoStart, id, runnable, running);

        match ends {
            true => self.tasks.remove(current),
            false => self.tasks[current].status = WAITING,
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
        let sequence = Sequence::start(self.generation);
        let (slot, from) = match self.tasks.slot(id) {
            Some(slot) => {
                let task = &mut self.tasks[slot];
                if task.status != status {
                    return Err(self.task_is_not(slot, status));
                }
                task.sequence = sequence;
                (slot, state_of(status))
            }
            None if !self.is_initial() => {
                return Err(refused(Contradiction::LateTask { task: TaskId(id) }));
            }
            None => {
                let Some(slot) = self.tasks.insert(id, status, sequence) else {
                    return Err(refused(Contradiction::TaskExists { task: TaskId(id) }));
                };
                (slot, TaskState::Undetermined)
            }
        };
        let mut context = self.workers.context(w);
        let mut runs = None;
        if status == RUNNING {
            runs = Some(w);
        } else if status == SYSCALL {
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
            if on == context.worker {
                if !self.is_initial() && context.task != id {
                    return Err(other(context.task));
                }
                runs = Some(w);
            } else {
                match self.workers.seen(on) {
                    Some(its) => {
                        let has = self.workers.task(its).id;
                        if has != id {
                            return Err(other(has));
                        }
                        context.task = id;
                    }
                    // It has been in this system call all the time.
                    None => {
                        let its = self.workers.slot(on);
                        self.workers.appears(its);
                        runs = Some(its);
                    }
                }
                context.worker = on;
            }
        }
        let what = What::Task {
            task: id,
            from,
            to: state_of(status),
            reason: 0,
            stack,
        };
        self.emit_as(event, context, event.kind, stack, what);
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
