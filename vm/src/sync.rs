//! Locks and atomics as this crate uses them.
//!
//! What the models (`tests/loom_*.rs`) look at takes them from here: they
//! are built from the same files, with loom's in this place.

pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, atomic};
pub(crate) use std::{hint, thread};

/// Locks, whatever a panicking thread may have left behind: a panic in a
/// worker ends the program, and its report is worth more than a second panic.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
