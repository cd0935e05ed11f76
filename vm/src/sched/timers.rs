//! Tasks that sleep, or wait in a `select` for no longer than some time, by the
//! time at which they wake.
//!
//! Each proc has its own, so that tasks that go to sleep on different ones do
//! not wait for each other. A sleeper stays where it went to sleep, whatever
//! becomes of the proc: who wakes it when is told at the head of `idle`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Shared;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard, lock};
use crate::task::Task;
use crate::ticket::{Ticket, Waiter};

/// The time that no sleeper has.
const NEVER: u64 = u64::MAX;

/// As many procs can be told apart by the numbers of their sleepers.
const MOST_PROCS: u64 = 1 << 16;

/// A sleeper's place: when it wakes and, so that of those of a proc who went to
/// sleep first wakes first, a growing number. The number divided by
/// [`MOST_PROCS`] leaves the ID of the proc.
pub(super) type Place = (u64, u64);

/// Tells the time as sleepers count it: in nanoseconds since the program began.
pub(super) struct Clock {
    epoch: Instant,
}

/// The sleepers of a proc. Alone in their cache lines, since workers of other
/// procs look at `next`, and what else the proc's owner writes is not for them.
#[repr(align(128))]
pub(super) struct Timers {
    /// The time of the next wake-up, for a look without the lock.
    next: AtomicU64,
    sleepers: Mutex<Sleepers>,
}

/// The sleepers of a proc, locked.
pub(super) struct Sleepers {
    by_place: BTreeMap<Place, Waiter>,
    /// The number of the next one.
    number: u64,
}

impl Clock {
    pub(super) fn new(epoch: Instant) -> Self {
        Clock { epoch }
    }

    /// The time.
    pub(super) fn now(&self) -> u64 {
        nanos(self.epoch.elapsed())
    }

    /// When somebody wakes who goes to sleep now.
    fn after(&self, sleep: Duration) -> u64 {
        self.now().saturating_add(nanos(sleep)).min(NEVER - 1)
    }

    /// Whether a sleeper of that time should be awake by now.
    pub(super) fn past(&self, time: u64) -> bool {
        time != NEVER && time <= self.now()
    }

    /// A time beyond what the system's clock can tell is none.
    fn instant(&self, time: u64) -> Option<Instant> {
        match time {
            NEVER => None,
            time => self.epoch.checked_add(Duration::from_nanos(time)),
        }
    }
}

impl Timers {
    /// For the proc of this ID.
    pub(super) fn new(proc: u32) -> Self {
        debug_assert!(u64::from(proc) < MOST_PROCS, "options allow for fewer");
        Timers {
            next: AtomicU64::new(NEVER),
            sleepers: Mutex::new(Sleepers {
                by_place: BTreeMap::new(),
                number: u64::from(proc),
            }),
        }
    }

    /// Puts a task to sleep. Once it is marked as waiting, the lock is given
    /// back; until then nobody wakes it.
    pub(super) fn add(
        &self,
        clock: &Clock,
        task: &Arc<Task>,
        sleep: Duration,
    ) -> MutexGuard<'_, Sleepers> {
        self.insert(clock.after(sleep), Waiter::alone(task)).0
    }

    /// The same for a task in a `select`, which wakes at `resume`; also gives
    /// its place, for `Shared::cancel_sleep`.
    pub(super) fn add_select(
        &self,
        clock: &Clock,
        task: &Arc<Task>,
        ticket: &Arc<Ticket>,
        (sleep, resume): (Duration, u32),
    ) -> (MutexGuard<'_, Sleepers>, Place) {
        let waiter = Waiter::select(task, ticket, resume);
        self.insert(clock.after(sleep), waiter)
    }

    fn insert(&self, when: u64, waiter: Waiter) -> (MutexGuard<'_, Sleepers>, Place) {
        let mut sleepers = lock(&self.sleepers);
        let place = (when, sleepers.number);
        sleepers.number += MOST_PROCS;
        sleepers.by_place.insert(place, waiter);
        self.publish(&sleepers);
        (sleepers, place)
    }

    fn cancel(&self, place: Place) {
        let mut sleepers = lock(&self.sleepers);
        let cancelled = sleepers.by_place.remove(&place);
        self.publish(&sleepers);
        drop(sleepers);
        // Perhaps the last reference to a task, which takes no lock to drop.
        drop(cancelled);
    }

    /// When the next sleeper wakes; for [`Clock::past`] and for comparing.
    pub(super) fn next(&self) -> u64 {
        // Relaxed: a hint for who goes on, since it looks again; for who rests,
        // see the head of `idle`.
        self.next.load(Ordering::Relaxed)
    }

    /// Takes out all that should be awake at `now` and that nobody else wakes,
    /// the earliest first.
    pub(super) fn take_due(&self, now: u64, due: &mut Vec<(Place, Waiter)>) {
        let mut sleepers = lock(&self.sleepers);
        while let Some(first) = sleepers.by_place.first_entry() {
            if first.key().0 > now {
                break;
            }
            let (place, waiter) = first.remove_entry();
            if waiter.claim() {
                due.push((place, waiter));
            }
        }
        self.publish(&sleepers);
    }

    fn publish(&self, sleepers: &Sleepers) {
        let next = sleepers
            .by_place
            .first_key_value()
            .map_or(NEVER, |(&(when, _), _)| when);
        // Relaxed: it orders nothing; the lock does.
        self.next.store(next, Ordering::Relaxed);
    }
}

impl Shared<'_> {
    /// Whether somebody sleeps, on whatever proc.
    pub(super) fn any_sleeper(&self) -> bool {
        self.first_sleeper() != NEVER
    }

    /// When the next of all sleepers wakes.
    pub(super) fn next_sleeper(&self) -> Option<Instant> {
        self.clock.instant(self.first_sleeper())
    }

    /// When the next of all sleepers wakes; as [`Timers::next`].
    pub(super) fn first_sleeper(&self) -> u64 {
        let times = self.procs.iter().map(|core| core.timers.next());
        times.min().unwrap_or(NEVER)
    }

    /// Takes out who waits no more, if it is there still.
    pub(super) fn cancel_sleep(&self, place: Place) {
        let proc = place.1 % MOST_PROCS;
        self.procs[proc as usize].timers.cancel(place);
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER)
}
