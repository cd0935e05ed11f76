//! Tasks and procs, as the scheduler keeps them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use runtime_trace::{ProcTrace, TaskTrace};

use crate::rng::Rng;
use crate::sim::sites::Site;
use crate::sim::state::StateWord;

/// A task's states.
pub(super) const NEW: u64 = 1;
pub(super) const RUNNABLE: u64 = 2;
pub(super) const RUNNING: u64 = 3;
pub(super) const WAITING: u64 = 4;
pub(super) const DEAD: u64 = 5;
/// In a system call, on the worker whose ID is in the higher bits.
pub(super) const SYSCALL: u64 = 6;

/// A proc's states, besides `RUNNING` and `SYSCALL`, which name the worker.
pub(super) const IDLE: u64 = 7;
/// Left behind by that worker, whose task ended in a system call.
pub(super) const ABANDONED: u64 = 8;

const WORKER_SHIFT: u32 = 8;

/// A state with a worker's ID in it.
pub(super) const fn on(state: u64, worker: u64) -> u64 {
    state | worker << WORKER_SHIFT
}

/// A state without the worker's ID.
pub(super) const fn kind(state: u64) -> u64 {
    state & ((1 << WORKER_SHIFT) - 1)
}

/// The worker's ID in a state.
pub(super) const fn worker(state: u64) -> u64 {
    state >> WORKER_SHIFT
}

/// A task.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) trace: TaskTrace,
    pub(super) state: StateWord,
    /// Where it is, for who holds it still.
    site: AtomicUsize,
    pub(super) script: Mutex<Script>,
}

/// What a task remembers of what it did. Only who runs it looks at it.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) rng: Rng,
    /// The regions that it is in, each with its user task.
    pub(super) regions: Vec<(u64, &'static str)>,
    /// The user tasks that it began.
    pub(super) user_tasks: Vec<u64>,
}

impl Task {
    pub(super) fn new(id: u64, seed: u64) -> Self {
        Self {
            trace: TaskTrace::new(id),
            // Until it has been created: a thread without a proc may find tracing
            // off when it has been started already.
            state: StateWord::held(NEW),
            site: AtomicUsize::new(Site::Entry as usize),
            script: Mutex::new(Script {
                rng: Rng::new(seed, id),
                regions: Vec::new(),
                user_tasks: Vec::new(),
            }),
        }
    }

    pub(super) fn site(&self) -> Site {
        // Relaxed: ordered by the state word, whose owner we are.
        Site::ALL[self.site.load(Ordering::Relaxed)]
    }

    pub(super) fn is_at(&self, site: Site) {
        // Relaxed: as above.
        self.site.store(site as usize, Ordering::Relaxed);
    }
}

/// A proc.
#[derive(Debug)]
pub(super) struct Proc {
    pub(super) trace: ProcTrace,
    pub(super) state: StateWord,
    /// The latest checkpoint that whoever held it has passed.
    pub(super) passed: AtomicU64,
}

impl Proc {
    pub(super) fn new(id: u32) -> Self {
        Self {
            trace: ProcTrace::new(id),
            state: StateWord::new(IDLE),
            passed: AtomicU64::new(0),
        }
    }

    pub(super) fn id(&self) -> u64 {
        u64::from(self.trace.id())
    }

    pub(super) fn index(&self) -> usize {
        self.trace.id() as usize
    }
}
