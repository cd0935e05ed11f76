//! Asking every thread to pass a checkpoint, and waiting until all have.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::posix;

/// The checkpoint asked for, and the latest that each thread has passed.
pub struct Checkpoints<const THREADS: usize> {
    wanted: AtomicU64,
    passed: [AtomicU64; THREADS],
}

/// A thread that does not pass checkpoints.
const GONE: u64 = u64::MAX;

impl<const THREADS: usize> Checkpoints<THREADS> {
    /// No thread takes part yet.
    #[allow(
        clippy::new_without_default,
        reason = "made in statics, where only a const function will do"
    )]
    pub const fn new() -> Self {
        Self {
            wanted: AtomicU64::new(0),
            passed: [const { AtomicU64::new(GONE) }; THREADS],
        }
    }

    /// From now on thread `number` is waited for.
    pub fn join(&self, number: usize) {
        // Release: pairs with the load in `ask`.
        self.passed[number].store(0, Ordering::Release);
    }

    /// From now on it is not: it has given its proc up.
    pub fn leave(&self, number: usize) {
        // Release: pairs with the loads in `ask` and `is_gone`.
        self.passed[number].store(GONE, Ordering::Release);
    }

    /// Whether it is not waited for.
    pub fn is_gone(&self, number: usize) -> bool {
        // Acquire: pairs with the store in `leave`.
        self.passed[number].load(Ordering::Acquire) == GONE
    }

    /// What thread `number` calls now and then; `act` is what a checkpoint is.
    pub fn pass(&self, number: usize, act: impl FnOnce()) {
        // Acquire: pairs with the increment in `ask`.
        let wanted = self.wanted.load(Ordering::Acquire);
        act();
        // Release: pairs with the load in `ask`.
        self.passed[number].store(wanted, Ordering::Release);
    }

    /// Waits until every thread has passed a checkpoint since this call began.
    pub fn ask(&self) {
        // AcqRel: pairs with the load in `pass`: what was done before is seen.
        let wanted = self.wanted.fetch_add(1, Ordering::AcqRel) + 1;
        for passed in &self.passed {
            // Acquire: pairs with the stores in `pass` and `leave`: what the
            // thread wrote for the checkpoint is done.
            while passed.load(Ordering::Acquire) < wanted {
                posix::yield_thread();
            }
        }
    }
}
