//! Workers: which proc each holds and which task it runs.

use trace_format::limits::NO_THREAD;

use crate::contradiction::Contradiction;
use crate::event::{ProcId, TaskId};
use crate::ids::SlotMap;
use crate::step::NONE;

/// Slot of the worker that stands for none. It never has anything.
pub(super) const NOBODY: u32 = 0;

/// Something a worker has: its ID, and the slot where it was when it got it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub id: u64,
    pub slot: u32,
}

impl Held {
    pub const NOTHING: Self = Self { id: NONE, slot: 0 };
}

/// A worker, and where an event happens that it writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Worker {
    pub id: u64,
    pub proc: Held,
    pub task: Held,
    /// Whether any event of it, or about what it runs, has been looked at.
    seen: bool,
}

impl Worker {
    /// The same without a task.
    pub fn idle(self) -> Self {
        let task = Held::NOTHING;
        Self { task, ..self }
    }

    /// What an event needs that a worker writes: the worker.
    #[inline(always)]
    pub fn on_worker(&self) -> Result<(), Box<Contradiction>> {
        match self.id {
            NO_THREAD => Err(refused(Contradiction::NoWorker)),
            _ => Ok(()),
        }
    }

    /// What an event needs that happens on a proc.
    #[inline(always)]
    pub fn on_proc(&self) -> Result<(), Box<Contradiction>> {
        match self.proc.id {
            NONE => Err(lack(self.id, self.proc.id)),
            _ => Ok(()),
        }
    }

    /// What an event needs that a task running on a proc makes.
    #[inline(always)]
    pub fn on_task(&self) -> Result<(), Box<Contradiction>> {
        match self.proc.id == NONE || self.task.id == NONE {
            true => Err(lack(self.id, self.proc.id)),
            false => Ok(()),
        }
    }

    /// What an event needs before which the worker has no task.
    #[inline(always)]
    pub fn without_task(&self) -> Result<(), Box<Contradiction>> {
        match self.task.id {
            NONE => Ok(()),
            id => Err(has_task(id)),
        }
    }
}

/// The first thing that a worker lacks which does not run a task.
#[cold]
#[inline(never)]
fn lack(worker: u64, proc: u64) -> Box<Contradiction> {
    refused(match (worker, proc) {
        (NO_THREAD, _) => Contradiction::NoWorker,
        (_, NONE) => Contradiction::NoProc,
        _ => Contradiction::NoTask,
    })
}

#[cold]
#[inline(never)]
fn has_task(id: u64) -> Box<Contradiction> {
    refused(Contradiction::HasTask { task: TaskId(id) })
}

/// The workers that have taken a proc. Of these, those hold it that have nothing
/// else since.
#[derive(Debug, Default)]
pub(super) struct Holders {
    /// The last one; [`NOBODY`] if there is none.
    last: u32,
    /// Those that had it when another one took it, which a tracer does not write.
    before: Vec<u32>,
}

impl Holders {
    #[cold]
    #[inline(never)]
    fn before(&mut self, w: u32) {
        debug_assert_ne!(self.last, w);
        self.before.push(self.last);
    }
}

/// All workers, by slot. None ever goes away.
#[derive(Debug)]
pub(super) struct Workers {
    all: Vec<Worker>,
    slots: SlotMap,
}

impl Default for Workers {
    fn default() -> Self {
        let mut workers = Self {
            all: Vec::new(),
            slots: SlotMap::default(),
        };
        workers.add(NO_THREAD);
        workers
    }
}

impl Workers {
    fn add(&mut self, id: u64) -> u32 {
        let slot = self.all.len() as u32;
        self.all.push(Worker {
            id,
            proc: Held::NOTHING,
            task: Held::NOTHING,
            seen: false,
        });
        slot
    }

    /// The slot of the worker with this ID, which need not have been seen.
    pub fn slot(&mut self, id: u64) -> u32 {
        if id == NO_THREAD {
            return NOBODY;
        }
        if let Some(&slot) = self.slots.get(&id) {
            return slot;
        }
        let slot = self.add(id);
        self.slots.insert(id, slot);
        slot
    }

    /// The slot of the worker with this ID, if it has been seen.
    pub fn seen(&self, id: u64) -> Option<u32> {
        let slot = self.slots.get(&id).copied()?;
        self.all[slot as usize].seen.then_some(slot)
    }

    /// Notes that there is an event of this worker, or about what it runs.
    pub fn appears(&mut self, w: u32) {
        self.all[w as usize].seen = true;
    }

    /// The worker as it is now.
    #[inline(always)]
    pub fn at(&self, w: u32) -> Worker {
        self.all[w as usize]
    }

    #[inline(always)]
    pub fn at_mut(&mut self, w: u32) -> &mut Worker {
        &mut self.all[w as usize]
    }

    #[inline(always)]
    pub fn task(&self, w: u32) -> Held {
        self.all[w as usize].task
    }

    #[inline(always)]
    pub fn proc(&self, w: u32) -> Held {
        self.all[w as usize].proc
    }

    /// Gives the worker this task to run.
    #[inline(always)]
    pub fn run(&mut self, w: u32, id: u64, slot: u32) {
        if w != NOBODY {
            self.all[w as usize].task = Held { id, slot };
        }
    }

    /// Takes the worker's task away.
    #[inline(always)]
    pub fn leave_task(&mut self, w: u32) {
        self.all[w as usize].task = Held::NOTHING;
    }

    /// Gives the worker this proc, whose `holders` these are.
    #[inline(always)]
    pub fn hold(&mut self, w: u32, id: u64, slot: u32, holders: &mut Holders) {
        if w != NOBODY {
            if self.proc(holders.last).id == id && holders.last != w {
                holders.before(w);
            }
            holders.last = w;
            self.all[w as usize].proc = Held { id, slot };
        }
    }

    /// Takes the worker's proc away.
    #[inline(always)]
    pub fn leave_proc(&mut self, w: u32) {
        self.all[w as usize].proc = Held::NOTHING;
    }

    /// The worker that holds this proc; if a file has given it to several, the one
    /// that took it last of those that still have it.
    pub fn holder(&self, proc: u64, holders: &mut Holders) -> Option<u32> {
        while self.proc(holders.last).id != proc {
            holders.last = holders.before.pop()?;
        }
        (holders.last != NOBODY).then_some(holders.last)
    }

    /// As [`Worker::on_worker`].
    pub fn on_worker(&self, w: u32) -> Result<(), Box<Contradiction>> {
        self.at(w).on_worker()
    }

    /// As [`Worker::on_proc`].
    pub fn on_proc(&self, w: u32) -> Result<(), Box<Contradiction>> {
        self.at(w).on_proc()
    }

    /// As [`Worker::on_task`].
    pub fn on_task(&self, w: u32) -> Result<(), Box<Contradiction>> {
        self.at(w).on_task()
    }
}

/// Errors are rare, and their making is kept out of the way.
#[cold]
#[inline(never)]
pub(super) fn refused(why: Contradiction) -> Box<Contradiction> {
    Box::new(why)
}

/// As a proc's ID.
pub(super) fn proc_id(id: u64) -> Option<ProcId> {
    (id != NONE).then_some(ProcId(id))
}

/// As a task's ID.
pub(super) fn task_id(id: u64) -> Option<TaskId> {
    (id != NONE).then_some(TaskId(id))
}
