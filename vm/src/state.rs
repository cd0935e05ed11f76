//! Who may touch a task's memory.
//!
//! ```text
//!          publish            claim              release
//!   New ───────────► Runnable ─────► Running ───────────────► Waiting
//!                      ▲  ▲             │ │ ▲                    │
//!                      │  └─ release ───┘ │ └ come_back, release │
//!                      │                  │         ► Syscall    │
//!                      │                  └─ release ─► Dead     │
//!                      └──────────────── Held::wake ─────────────┘
//! ```
//!
//! Besides, a Runnable, Waiting or Syscall task can be *held* for a moment: by
//! its waker, or by whoever visits all tasks for a trace. A task in the state
//! Syscall is the affair of the thread that makes the system call for it, which
//! leaves its memory alone meanwhile.
//!
//! # Invariants
//!
//! 1. Whoever has moved the word into Running, or has set HELD, has the value
//!    alone until it moves the word on, or clears HELD.
//! 2. Nobody but the creator moves a New task; nobody moves a Dead one.
//! 3. Running never has HELD: claiming waits for a holder to let go.
//! 4. A Waiting task has one waker at most, since the waker has taken it out of
//!    the queue it waited in, and has claimed its ticket if it waited in
//!    several; so waiting for HELD to clear is waiting for a visitor, which is
//!    brief.
//!
//! Taking the value is an Acquire, giving it back a Release, so that each owner
//! sees what the one before has done.

use std::cell::UnsafeCell;

use crate::sync::atomic::{AtomicU8, Ordering};
use crate::sync::{hint, thread};

/// The states, as they stand in the word.
const NEW: u8 = 0;
const RUNNABLE: u8 = 1;
const RUNNING: u8 = 2;
const WAITING: u8 = 3;
const DEAD: u8 = 4;
const SYSCALL: u8 = 5;
/// Set beside Runnable, Waiting or Syscall.
const HELD: u8 = 8;

/// What a running task becomes when its owner releases it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Runnable,
    Waiting,
    Syscall,
    Dead,
}

/// What a held task was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Still {
    Runnable,
    Waiting,
    Syscall,
}

/// A value that one thread at a time has, together with the state that says
/// which.
pub(crate) struct Owned<T> {
    word: AtomicU8,
    value: UnsafeCell<T>,
}

// SAFETY: the word hands the value from one thread to the next and never to two
// at once (Invariant 1), so sharing the container only ever sends the value.
unsafe impl<T: Send> Sync for Owned<T> {}

impl<T> Owned<T> {
    pub(crate) fn new(value: T) -> Self {
        Owned {
            word: AtomicU8::new(NEW),
            value: UnsafeCell::new(value),
        }
    }

    /// Makes a new task runnable.
    ///
    /// # Panics
    /// If it has been published before.
    pub(crate) fn publish(&self) {
        let published = self.word.compare_exchange(
            NEW,
            RUNNABLE,
            // Release: with the Acquire in `take`, whoever runs the task sees
            // the value as its creator left it.
            Ordering::Release,
            // Relaxed: nothing is read after a failure.
            Ordering::Relaxed,
        );
        assert_eq!(published, Ok(NEW), "a task is published once");
    }

    /// Takes a runnable task to run it. The caller has taken it from a run
    /// queue, so nobody else can want it; only visitors are waited for.
    pub(crate) fn claim(&self) -> Owner<'_, T> {
        self.take(RUNNABLE, RUNNING);
        Owner { of: self }
    }

    /// Takes a task that is in a system call, to run it or to make it runnable.
    /// The caller is the thread that made the call.
    pub(crate) fn come_back(&self) -> Owner<'_, T> {
        self.take(SYSCALL, RUNNING);
        Owner { of: self }
    }

    /// Holds a waiting task to wake it. The caller has taken it from the queue
    /// it waited in.
    pub(crate) fn hold_waiting(&self) -> Held<'_, T> {
        self.take(WAITING, WAITING | HELD);
        Held {
            of: self,
            still: Still::Waiting,
        }
    }

    /// Holds a task for a visit, unless it is new, runs, or is dead.
    pub(crate) fn hold_still(&self) -> Option<Held<'_, T>> {
        let mut tries = 0;
        loop {
            // Relaxed: only a hint; the exchange below decides.
            let still = match self.word.load(Ordering::Relaxed) {
                RUNNABLE => Still::Runnable,
                WAITING => Still::Waiting,
                SYSCALL => Still::Syscall,
                NEW | RUNNING | DEAD => return None,
                _ => {
                    relax(&mut tries);
                    continue;
                }
            };
            let word = still.word();
            let taken = self.word.compare_exchange(
                word,
                word | HELD,
                // Acquire: pairs with the Release of whoever let go last.
                Ordering::Acquire,
                // Relaxed: nothing is read after a failure.
                Ordering::Relaxed,
            );
            if taken.is_ok() {
                return Some(Held { of: self, still });
            }
        }
    }

    fn take(&self, from: u8, to: u8) {
        let mut tries = 0;
        while self
            .word
            .compare_exchange_weak(
                from,
                to,
                // Acquire: pairs with the Release of whoever let go last.
                Ordering::Acquire,
                // Relaxed: nothing is read after a failure.
                Ordering::Relaxed,
            )
            .is_err()
        {
            relax(&mut tries);
        }
    }

    fn give(&self, to: u8) {
        // Release: pairs with the Acquire of whoever takes it next.
        self.word.store(to, Ordering::Release);
    }
}

/// Waits a little for somebody who holds a task briefly, but may have been
/// suspended by the system meanwhile.
fn relax(tries: &mut u32) {
    *tries += 1;
    if *tries < 64 {
        hint::spin_loop()
    } else {
        thread::yield_now()
    }
}

impl Still {
    fn word(self) -> u8 {
        match self {
            Still::Runnable => RUNNABLE,
            Still::Waiting => WAITING,
            Still::Syscall => SYSCALL,
        }
    }
}

/// The right to run a task. It ends with [`release`](Owner::release); a task
/// whose owner is dropped stays Running for good.
pub(crate) struct Owner<'t, T> {
    of: &'t Owned<T>,
}

impl<T> Owner<'_, T> {
    pub(crate) fn get(&self) -> &T {
        // SAFETY: by Invariant 1 the value is this owner's alone, and the
        // borrow of the owner keeps it from being released or changed meanwhile.
        unsafe { &*self.of.value.get() }
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        // SAFETY: as in `get`; the exclusive borrow of the owner keeps other
        // references of this thread away.
        unsafe { &mut *self.of.value.get() }
    }

    /// Gives the task up.
    pub(crate) fn release(self, next: Next) {
        self.of.give(match next {
            Next::Runnable => RUNNABLE,
            Next::Waiting => WAITING,
            Next::Syscall => SYSCALL,
            Next::Dead => DEAD,
        });
    }
}

/// A task held still. Dropping this lets it go as it was.
pub(crate) struct Held<'t, T> {
    of: &'t Owned<T>,
    still: Still,
}

impl<T> Held<'_, T> {
    pub(crate) fn still(&self) -> Still {
        self.still
    }

    pub(crate) fn get(&self) -> &T {
        // SAFETY: by Invariant 1 the value is the holder's alone until the word
        // changes, which takes `drop` or `wake`, and so the end of this borrow.
        unsafe { &*self.of.value.get() }
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        // SAFETY: as in `get`; the exclusive borrow of the holder keeps other
        // references of this thread away.
        unsafe { &mut *self.of.value.get() }
    }

    /// Makes a waiting task runnable; it goes to a run queue next.
    pub(crate) fn wake(mut self) {
        debug_assert_eq!(self.still, Still::Waiting, "only a waiting task is woken");
        self.still = Still::Runnable;
    }
}

impl<T> Drop for Held<'_, T> {
    fn drop(&mut self) {
        self.of.give(self.still.word());
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_visitor_sees_only_what_holds_still() {
        let owned = Owned::new(1);
        assert!(owned.hold_still().is_none(), "new");
        owned.publish();
        assert_eq!(owned.hold_still().map(|h| h.still()), Some(Still::Runnable));
        let mut owner = owned.claim();
        assert!(owned.hold_still().is_none(), "running");
        *owner.get_mut() += 1;
        owner.release(Next::Waiting);
        assert_eq!(
            owned.hold_still().map(|h| (h.still(), *h.get())),
            Some((Still::Waiting, 2))
        );
        owned.hold_waiting().wake();
        owned.claim().release(Next::Syscall);
        assert_eq!(owned.hold_still().map(|h| h.still()), Some(Still::Syscall));
        owned.come_back().release(Next::Dead);
        assert!(owned.hold_still().is_none(), "dead");
    }

    #[test]
    fn waker_runner_and_visitors_never_share_the_value() {
        const ROUNDS: u64 = 20_000;
        let owned = Owned::new(0_u64);
        owned.publish();
        owned.claim().release(Next::Waiting);
        std::thread::scope(|s| {
            for _ in 0..2 {
                s.spawn(|| {
                    while owned.hold_still().is_none_or(|h| *h.get() < ROUNDS) {
                        thread::yield_now();
                    }
                });
            }
            // One thread wakes and runs, as the queues between them make sure.
            for _ in 0..ROUNDS {
                let mut held = owned.hold_waiting();
                *held.get_mut() += 1;
                held.wake();
                owned.claim().release(Next::Waiting);
            }
        });
        assert_eq!(*owned.hold_waiting().get(), ROUNDS);
    }
}
