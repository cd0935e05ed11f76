//! A request from outside the program to stop it.

use std::sync::atomic::{AtomicI32, Ordering};

/// A flag that a signal handler may raise and that a running program looks at
/// now and then.
#[derive(Debug)]
pub struct Interrupt(AtomicI32);

impl Interrupt {
    /// A flag that is down.
    pub const fn new() -> Self {
        Interrupt(AtomicI32::new(0))
    }

    /// Raises the flag on behalf of a signal. The first one counts. Signal
    /// handlers may call this.
    pub fn raise(&self, signal: i32) {
        // Relaxed, both: the number is all that there is to see.
        let _ = self
            .0
            .compare_exchange(0, signal, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The signal that has raised it.
    pub fn raised(&self) -> Option<i32> {
        // Relaxed: as in `raise`.
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            signal => Some(signal),
        }
    }
}

impl Default for Interrupt {
    fn default() -> Self {
        Interrupt::new()
    }
}
