//! The state word of a task or proc, and the bit that holds it still.
//!
//! ```text
//!            take: one step, for transitions into running
//!   state ──────────────────────────────────────────────► state'
//!     │ hold                                        ▲
//!     ▼                                             │ release
//!   state + HELD ── emit about it, undisturbed ─────┘
//! ```
//!
//! A held word is released soon: whoever finds it held waits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

const HELD: u64 = 1 << 63;

/// A state word.
#[derive(Debug)]
pub(super) struct StateWord(AtomicU64);

impl StateWord {
    pub(super) fn new(state: u64) -> Self {
        Self(AtomicU64::new(state))
    }

    /// A word that is held from its beginning.
    pub(super) fn held(state: u64) -> Self {
        Self::new(state | HELD)
    }

    /// Changes a state that `change` has an answer for, waiting while it is
    /// held: the state before, or `None` if it was another.
    fn change(&self, change: impl Fn(u64) -> Option<u64>) -> Option<u64> {
        // Relaxed: the exchange below checks it.
        let mut state = self.0.load(Ordering::Relaxed);
        loop {
            if state & HELD != 0 {
                thread::yield_now();
                // Relaxed: as above.
                state = self.0.load(Ordering::Relaxed);
                continue;
            }
            // Acquire: pairs with the Release store in `release`: who owned it
            // before has done with it. Release: so do later owners with us, when
            // no `release` comes between. Relaxed on failure: tried again.
            match self.0.compare_exchange_weak(
                state,
                change(state)?,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(state),
                Err(other) => state = other,
            }
        }
    }

    /// Holds it still if `may` accepts its state: that state.
    pub(super) fn hold(&self, may: impl Fn(u64) -> bool) -> Option<u64> {
        self.change(|state| may(state).then_some(state | HELD))
    }

    /// Moves it from one state to another: whether it was in that one.
    pub(super) fn take(&self, from: u64, to: u64) -> bool {
        self.change(|state| (state == from).then_some(to)).is_some()
    }

    /// Sets it, by its owner or who holds it.
    pub(super) fn release(&self, state: u64) {
        // Release: pairs with the exchange in `change`.
        self.0.store(state, Ordering::Release);
    }
}
