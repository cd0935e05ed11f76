//! The ranked lock: a spin lock that knows in which order locks may nest.
//!
//! ```text
//! Strings ──► StringRegion ──┐
//!             StackRegion  ──┼──► Tracer (the queue of batches)
//!             WorkerRegion ──┘
//! ```
//!
//! 1. A thread takes a lock only if its rank is higher than every rank that the
//!    thread holds; equal ranks never nest. So no cycle of waiters can form.
//! 2. No call out of the crate is made while a lock is held.
//! 3. A lock is held for a bounded number of steps, with no system call but the
//!    page mapping that the string table may need for a new batch.
//!
//! Debug builds check 1: each thread carries a [`Held`] in its handle (stable
//! `no_std` has no thread-locals) and taking a lock out of order panics. In
//! release builds the record is empty and the check is gone.
//!
//! Orderings are those of `spin::Mutex` (acquire on lock, release on unlock) or,
//! in models, of loom's mutex.

/// The place of a lock in the order. Later ones are taken while earlier ones
/// are held, never the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Rank {
    /// A string table's current batch.
    Strings,
    /// The region of a string table's map.
    StringRegion,
    /// The region of a stack table's map.
    StackRegion,
    /// The region that workers' slots come from.
    WorkerRegion,
    /// The queue of full and empty batches.
    Tracer,
}

/// The ranks that a thread holds.
#[derive(Debug, Default)]
pub struct Held {
    #[cfg(debug_assertions)]
    ranks: core::cell::Cell<u8>,
}

impl Held {
    /// Nothing held.
    pub const fn new() -> Self {
        Self {
            #[cfg(debug_assertions)]
            ranks: core::cell::Cell::new(0),
        }
    }

    #[cfg(debug_assertions)]
    fn enter(&self, rank: Rank) {
        let held = self.ranks.get();
        assert!(
            held >> (rank as u8) == 0,
            "lock order violated: taking {rank:?} while holding the ranks {held:#b}"
        );
        self.ranks.set(held | 1 << rank as u8);
    }

    #[cfg(debug_assertions)]
    fn leave(&self, rank: Rank) {
        self.ranks.set(self.ranks.get() & !(1 << rank as u8));
    }

    #[cfg(not(debug_assertions))]
    #[inline(always)]
    fn enter(&self, _: Rank) {}

    #[cfg(not(debug_assertions))]
    #[inline(always)]
    fn leave(&self, _: Rank) {}
}

#[cfg(not(loom))]
use spin::mutex::{SpinMutex as Inner, SpinMutexGuard as InnerGuard};

#[cfg(loom)]
use loom::sync::{Mutex as Inner, MutexGuard as InnerGuard};

/// A value behind a lock with a rank.
#[derive(Debug)]
pub(crate) struct RankedLock<T> {
    rank: Rank,
    inner: Inner<T>,
}

impl<T> RankedLock<T> {
    crate::sync::const_unless_loom! {
        /// Wraps `value` in a lock of `rank`.
        pub(crate) fn new(rank: Rank, value: T) -> Self {
            Self { rank, inner: Inner::new(value) }
        }
    }

    /// Takes the lock: spins for a while, then yields between attempts.
    ///
    /// # Panics
    ///
    /// In debug builds, if `held` has this rank or a higher one.
    pub(crate) fn lock<'l>(&'l self, held: &'l Held) -> Guard<'l, T> {
        held.enter(self.rank);
        Guard {
            inner: acquire(&self.inner),
            held,
            rank: self.rank,
        }
    }

    /// The value, for whoever has the lock to itself.
    pub(crate) fn get_mut(&mut self) -> &mut T {
        #[cfg(not(loom))]
        return self.inner.get_mut();
        #[cfg(loom)]
        // Loom never poisons: a panic ends the model.
        return self.inner.get_mut().unwrap();
    }
}

#[cfg(not(loom))]
fn acquire<T>(lock: &Inner<T>) -> InnerGuard<'_, T> {
    let mut turn = 0;
    loop {
        if let Some(guard) = lock.try_lock() {
            return guard;
        }
        crate::sync::wait_turn(turn);
        turn += 1;
    }
}

#[cfg(loom)]
fn acquire<T>(lock: &Inner<T>) -> InnerGuard<'_, T> {
    // Loom never poisons: a panic ends the model.
    lock.lock().unwrap()
}

/// Access to a locked value; dropping it unlocks.
pub(crate) struct Guard<'l, T> {
    inner: InnerGuard<'l, T>,
    held: &'l Held,
    rank: Rank,
}

impl<T> core::ops::Deref for Guard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> core::ops::DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        // The record first: the lock itself is released when the field drops,
        // and until then this thread takes no other.
        self.held.leave(self.rank);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn ascending_ranks_nest() {
        let outer = RankedLock::new(Rank::Strings, 1);
        let inner = RankedLock::new(Rank::Tracer, 2);
        let held = Held::new();
        let a = outer.lock(&held);
        let b = inner.lock(&held);
        assert_eq!(*a + *b, 3);
        drop((a, b));
        // Both gone: the outer one can be had again.
        drop(outer.lock(&held));
    }

    #[cfg(debug_assertions)]
    #[test]
    #[should_panic(expected = "lock order violated: taking Strings")]
    fn descending_ranks_are_caught() {
        let outer = RankedLock::new(Rank::Strings, ());
        let inner = RankedLock::new(Rank::Tracer, ());
        let held = Held::new();
        let _inner = inner.lock(&held);
        let _outer = outer.lock(&held);
    }

    #[cfg(debug_assertions)]
    #[test]
    #[should_panic(expected = "lock order violated: taking StackRegion")]
    fn equal_ranks_are_caught() {
        let one = RankedLock::new(Rank::StackRegion, ());
        let two = RankedLock::new(Rank::StackRegion, ());
        let held = Held::new();
        let _one = one.lock(&held);
        let _two = two.lock(&held);
    }
}
