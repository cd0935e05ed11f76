//! Tasks that sleep, or wait in a `select` for no longer than some time, by the
//! time at which they wake.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::sync::lock;
use crate::task::Task;
use crate::ticket::{Ticket, Waiter};

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
    /// By time and, so that whoever went to sleep first wakes first, by `count`.
    by_time: BTreeMap<(u64, u64), Waiter>,
    /// How many there have been.
    count: u64,
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
        self.insert(Waiter::alone(task), sleep).0
    }

    /// The same for a task in a `select`, which wakes at `resume`; also gives
    /// its place, for [`cancel`](Self::cancel).
    pub(crate) fn add_select(
        &self,
        task: &Arc<Task>,
        ticket: &Arc<Ticket>,
        resume: u32,
        sleep: Duration,
    ) -> (MutexGuard<'_, Sleepers>, (u64, u64)) {
        self.insert(Waiter::select(task, ticket, resume), sleep)
    }

    fn insert(&self, waiter: Waiter, sleep: Duration) -> (MutexGuard<'_, Sleepers>, (u64, u64)) {
        let when = self
            .nanos(Instant::now())
            .saturating_add(nanos(sleep))
            .min(NEVER - 1);
        let mut sleepers = lock(&self.sleepers);
        let place = (when, sleepers.count);
        sleepers.count += 1;
        sleepers.by_time.insert(place, waiter);
        self.publish(&sleepers);
        (sleepers, place)
    }

    /// Takes out who waits no more, if it is there still.
    pub(crate) fn cancel(&self, place: (u64, u64)) {
        let mut sleepers = lock(&self.sleepers);
        let cancelled = sleepers.by_time.remove(&place);
        self.publish(&sleepers);
        drop(sleepers);
        // Perhaps the last reference to a task, which takes no lock to drop.
        drop(cancelled);
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

    /// Takes out all that should be awake by now and that nobody else wakes,
    /// the earliest first.
    pub(crate) fn take_due(&self) -> Vec<Waiter> {
        let now = self.nanos(Instant::now());
        let mut due = Vec::new();
        let mut sleepers = lock(&self.sleepers);
        while let Some(first) = sleepers.by_time.first_entry() {
            if first.key().0 > now {
                break;
            }
            let waiter = first.remove();
            if waiter.claim() {
                due.push(waiter);
            }
        }
        self.publish(&sleepers);
        due
    }

    fn publish(&self, sleepers: &Sleepers) {
        let next = sleepers
            .by_time
            .first_key_value()
            .map_or(NEVER, |(&(when, _), _)| when);
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
