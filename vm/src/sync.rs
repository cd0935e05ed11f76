//! Locks as this crate uses them.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, whatever a panicking thread may have left behind: a panic in a
/// worker ends the program, and its report is worth more than a second panic.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
