//! In the place of `crate::sync`: loom's locks and atomics.

pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard, atomic};
#[allow(unused_imports, reason = "not every model has a use for both")]
pub(crate) use loom::{hint, thread};
pub(crate) use std::sync::PoisonError;

pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
