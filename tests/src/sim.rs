//! A scheduler to trace: real threads, procs kept apart from them, tasks that
//! do at random, from a seed, whatever a task can do.
//!
//! ```text
//!  threads (more than procs)     procs            tasks
//!  ─────────────────────────     ─────            ─────
//!  take an idle proc ──────────► Running(thread)  ready queue ──► run a slice
//!  enter a system call ────────► Syscall(thread)  ──► ready, blocked, ended
//!  come and go                   stolen, idle     ◄── woken by others
//! ```
//!
//! It is no simulation of any scheduler in particular: it makes every kind of
//! transition as often as it can, keeps to the rules at the head of
//! `runtime_trace::emit`, and writes down what it said to the tracer
//! ([`said`]), thread by thread, to be compared with the file.
//!
//! # Invariants
//!
//! 1. A task or proc changes hands through its state word alone. While it is
//!    *held* nobody else changes its state, visits it in a sweep or mentions it.
//! 2. What is emitted about a change is emitted while the task or proc is owned
//!    (running here, or held), and the change is made within the same emission
//!    unless it is one into running.
//! 3. The scheduler's lock is never taken by who waits for a held word's
//!    release, and nobody waits for a checkpoint with a lock.
//! 4. Unless it storms ([`weather`]), a handle is dropped only under the
//!    `lifecycle` lock, which starting and stopping take as well: so it is known
//!    whether the drop was recorded.

pub mod control;
pub mod said;
pub mod sites;
pub mod weather;

mod mover;
mod script;
mod state;
mod task;
mod worker;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use runtime_trace::Tracer;

use crate::sim::said::Log;
use crate::sim::task::{Proc, Task};
use crate::sim::weather::Weather;

/// What to simulate.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// The seed of everything random.
    pub seed: u64,
    /// How many procs there are.
    pub procs: u32,
    /// How many threads, at any time.
    pub threads: usize,
    /// Tasks that the scheduler itself creates at the start.
    pub boot: usize,
    /// Tasks spawn others only while fewer than this live, and end only while
    /// at least half as many do.
    pub live: usize,
}

/// Locks a mutex.
///
/// # Panics
///
/// If another thread panicked with it: the test has failed already.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread panicked")
}

/// The scheduler.
#[derive(Debug)]
pub struct Sim {
    /// The tracer that traces it.
    pub tracer: Tracer,
    setup: Setup,
    /// If the threads themselves move the trace.
    weather: Option<Weather>,
    procs: Vec<Proc>,
    /// Every live task.
    registry: Vec<Mutex<HashMap<u64, Arc<Task>>>>,
    queues: Mutex<Queues>,
    /// Signalled when there is something to do for a thread without a proc.
    changed: Condvar,
    /// The checkpoint that was asked for last.
    wanted: AtomicU64,
    /// Task slices executed, a measure of progress.
    slices: AtomicU64,
    /// The last ID given to a task, and to a user task.
    last_task: AtomicU64,
    last_user_task: AtomicU64,
    lifecycle: Mutex<()>,
    /// Whether a thread has panicked.
    failed: AtomicBool,
    /// What each worker said, by worker ID.
    logs: Mutex<HashMap<u64, Log>>,
    /// Every worker ID ever given.
    workers: Mutex<HashSet<u64>>,
}

/// What is behind the scheduler's lock.
#[derive(Debug)]
struct Queues {
    ready: VecDeque<Arc<Task>>,
    /// Blocked tasks that anybody may wake.
    waiting: Vec<Arc<Task>>,
    /// Procs that nobody holds.
    idle: Vec<usize>,
    /// Tasks still to be created by the scheduler itself.
    boot: usize,
    live: usize,
    closing: bool,
}

const SHARDS: usize = 16;

impl Sim {
    pub(crate) fn new(setup: &Setup, weather: Option<Weather>) -> Self {
        Self {
            tracer: Tracer::new(),
            setup: *setup,
            weather,
            procs: (0..setup.procs).map(Proc::new).collect(),
            registry: (0..SHARDS).map(|_| Mutex::default()).collect(),
            queues: Mutex::new(Queues {
                ready: VecDeque::new(),
                waiting: Vec::new(),
                idle: (0..setup.procs as usize).collect(),
                boot: 0,
                live: 0,
                closing: false,
            }),
            changed: Condvar::new(),
            wanted: AtomicU64::new(0),
            slices: AtomicU64::new(0),
            last_task: AtomicU64::new(0),
            last_user_task: AtomicU64::new(0),
            lifecycle: Mutex::new(()),
            failed: AtomicBool::new(false),
            logs: Mutex::default(),
            workers: Mutex::default(),
        }
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        lock(&self.queues)
    }

    fn shard(&self, task: u64) -> MutexGuard<'_, HashMap<u64, Arc<Task>>> {
        lock(&self.registry[task as usize % SHARDS])
    }

    /// A task that exists but has not been created, as far as anybody can tell.
    fn new_task(&self) -> Arc<Task> {
        // Relaxed: only distinctness matters.
        let id = self.last_task.fetch_add(1, Ordering::Relaxed) + 1;
        let task = Arc::new(Task::new(id, self.setup.seed));
        self.shard(id).insert(id, Arc::clone(&task));
        self.queues().live += 1;
        task
    }

    /// Forgets a task that has ended. After the last one, as when threads left with
    /// all that there were, the scheduler creates another.
    fn forget(&self, task: &Task) {
        self.shard(task.trace.id()).remove(&task.trace.id());
        let mut queues = self.queues();
        queues.live -= 1;
        queues.boot += usize::from(queues.live == 0);
        drop(queues);
        self.changed.notify_one();
    }

    fn make_ready(&self, task: Arc<Task>) {
        self.queues().ready.push_back(task);
        self.changed.notify_one();
    }

    /// Gives back a proc that is idle and in nobody's hands.
    fn give_back(&self, proc: &Proc) {
        self.queues().idle.push(proc.index());
        self.changed.notify_one();
    }

    fn new_user_task(&self) -> u64 {
        // Relaxed: only distinctness matters.
        self.last_user_task.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A worker's log; its ID must be new.
    fn new_log(&self, worker: u64) -> Log {
        assert!(
            lock(&self.workers).insert(worker),
            "worker ID {worker} is given a second time"
        );
        let log = Log::default();
        lock(&self.logs).insert(worker, log.clone());
        log
    }
}
