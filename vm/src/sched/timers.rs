//! Tasks that sleep, by the time at which they wake.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::sync::lock;
use crate::task::Task;

/// The time that no sleeper has.
const NEVER: u64 = u64::MAX;

/// All sleepers of a program.
pub(crate) struct Timers {
    /// Times count from here, in nanoseconds.
    epoch: Instant,
    /// The time of the next wake-up, for a look without the lock.
    next: AtomicU64,
    sleepers: Mutex<Sleepers>,
}

/// The sleepers, locked.
#[derive(Default)]
pub(crate) struct Sleepers {
    heap: BinaryHeap<Reverse<Sleeper>>,
    /// How many there have been: whoever went to sleep first wakes first.
    count: u64,
}

struct Sleeper {
    when: u64,
    order: u64,
    task: Arc<Task>,
}

impl Timers {
    pub(crate) fn new(epoch: Instant) -> Self {
        Timers {
            epoch,
            next: AtomicU64::new(NEVER),
            sleepers: Mutex::default(),
        }
    }

    /// Puts a task to sleep. Once it is marked as waiting, the lock is given
    /// back; until then nobody wakes it.
    pub(crate) fn add(&self, task: &Arc<Task>, sleep: Duration) -> MutexGuard<'_, Sleepers> {
        let when = self
            .nanos(Instant::now())
            .saturating_add(nanos(sleep))
            .min(NEVER - 1);
        let mut sleepers = lock(&self.sleepers);
        let order = sleepers.count;
        sleepers.count += 1;
        sleepers.heap.push(Reverse(Sleeper {
            when,
            order,
            task: Arc::clone(task),
        }));
        self.publish(&sleepers);
        sleepers
    }

    /// Whether nobody sleeps.
    pub(crate) fn is_empty(&self) -> bool {
        // Relaxed: who needs the truth asks under the lock of the idle procs,
        // when nobody is left who could add a sleeper.
        self.next.load(Ordering::Relaxed) == NEVER
    }

    /// When the next sleeper wakes. A time beyond what the clock can tell is
    /// none.
    pub(crate) fn next(&self) -> Option<Instant> {
        // Relaxed: as in `is_empty`.
        match self.next.load(Ordering::Relaxed) {
            NEVER => None,
            next => self.epoch.checked_add(Duration::from_nanos(next)),
        }
    }

    /// Whether somebody should be awake by now.
    pub(crate) fn due(&self) -> bool {
        // Relaxed: a hint; `wake_due` looks under the lock.
        let next = self.next.load(Ordering::Relaxed);
        next != NEVER && next <= self.nanos(Instant::now())
    }

    /// Takes out all that should be awake by now, the earliest first.
    pub(crate) fn take_due(&self) -> Vec<Arc<Task>> {
        let now = self.nanos(Instant::now());
        let mut due = Vec::new();
        let mut sleepers = lock(&self.sleepers);
        while let Some(first) = sleepers.heap.peek_mut() {
            if first.0.when > now {
                break;
            }
            due.push(std::collections::binary_heap::PeekMut::pop(first).0.task);
        }
        self.publish(&sleepers);
        due
    }

    fn publish(&self, sleepers: &Sleepers) {
        let next = sleepers
            .heap
            .peek()
            .map_or(NEVER, |Reverse(sleeper)| sleeper.when);
        // Relaxed: it orders nothing; the lock does.
        self.next.store(next, Ordering::Relaxed);
    }

    fn nanos(&self, at: Instant) -> u64 {
        nanos(at.saturating_duration_since(self.epoch))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER)
}

impl PartialEq for Sleeper {
    fn eq(&self, other: &Self) -> bool {
        (self.when, self.order) == (other.when, other.order)
    }
}

impl Eq for Sleeper {}

impl PartialOrd for Sleeper {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sleeper {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.when, self.order).cmp(&(other.when, other.order))
    }
}
