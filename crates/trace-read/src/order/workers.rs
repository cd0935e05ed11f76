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
    const NOTHING: Self = Self { id: NONE, slot: 0 };
}

#[derive(Clone, Copy, Debug)]
struct Worker {
    id: u64,
    proc: Held,
    task: Held,
    /// Whether any event of it, or about what it runs, has been looked at.
    seen: bool,
}

/// Who an event happened to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context {
    pub worker: u64,
    pub proc: u64,
    pub task: u64,
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

    /// Notes that there is an event of this worker.
    #[inline(always)]
    pub fn appears(&mut self, w: u32) {
        self.all[w as usize].seen = true;
    }

    #[inline(always)]
    pub fn context(&self, w: u32) -> Context {
        let worker = &self.all[w as usize];
        Context {
            worker: worker.id,
            proc: worker.proc.id,
            task: worker.task.id,
        }
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

    /// Gives the worker this proc.
    #[inline(always)]
    pub fn hold(&mut self, w: u32, id: u64, slot: u32) {
        if w != NOBODY {
            self.all[w as usize].proc = Held { id, slot };
        }
    }

    /// Takes the worker's proc away.
    #[inline(always)]
    pub fn leave_proc(&mut self, w: u32) {
        self.all[w as usize].proc = Held::NOTHING;
    }

    /// The last of the workers that hold this proc.
    pub fn holder(&self, proc: u64) -> Option<u32> {
        let at = self.all.iter().rposition(|worker| worker.proc.id == proc)?;
        (at as u32 != NOBODY).then_some(at as u32)
    }

    /// What an event needs that a worker writes: the worker.
    #[inline(always)]
    pub fn on_worker(&self, w: u32) -> Result<(), Box<Contradiction>> {
        match w {
            NOBODY => Err(refused(Contradiction::NoWorker)),
            _ => Ok(()),
        }
    }

    /// What an event needs that happens on a proc.
    #[inline(always)]
    pub fn on_proc(&self, w: u32) -> Result<(), Box<Contradiction>> {
        self.on_worker(w)?;
        match self.proc(w).id {
            NONE => Err(refused(Contradiction::NoProc)),
            _ => Ok(()),
        }
    }

    /// What an event needs that a task running on a proc makes.
    #[inline(always)]
    pub fn on_task(&self, w: u32) -> Result<(), Box<Contradiction>> {
        self.on_proc(w)?;
        match self.task(w).id {
            NONE => Err(refused(Contradiction::NoTask)),
            _ => Ok(()),
        }
    }

    /// What an event needs before which the worker has no task.
    #[inline(always)]
    pub fn without_task(&self, w: u32) -> Result<(), Box<Contradiction>> {
        match self.task(w).id {
            NONE => Ok(()),
            id => Err(refused(Contradiction::HasTask { task: TaskId(id) })),
        }
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
