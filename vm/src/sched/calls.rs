//! The system calls in progress, and the proc that stands beside each, until it
//! is stolen.
//!
//! # Invariants
//!
//! 1. Who comes back from a call and who steals its proc agree on who was first:
//!    both do so under one lock, together with the events that say it.
//! 2. A stolen proc is in the hands of [`Idle`] before that lock is free again.
//!    So a proc is never in nobody's sight (Invariant 1 there), and never given
//!    up after the call that it was stolen from has ended.
//! 3. What a call's end makes ready is in its queue before the call is counted
//!    out, so whoever looks for a deadlock sees one of both.

use std::sync::Arc;
use std::time::Instant;

use super::Proc;
use super::idle::Idle;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Mutex, lock};

/// The calls in progress, each for a task `T`.
pub(crate) struct Calls<'s, T> {
    count: AtomicUsize,
    calls: Mutex<Vec<Call<'s, T>>>,
}

struct Call<'s, T> {
    /// The worker, by its number in the trace.
    worker: u64,
    task: Arc<T>,
    /// The worker's proc, until it is stolen.
    proc: Option<Proc<'s>>,
    since: Instant,
}

/// What became of the procs beside calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Retaken {
    /// So many were stolen.
    pub(crate) stolen: usize,
    /// So many stand there still.
    pub(crate) left: usize,
}

impl<'s, T> Calls<'s, T> {
    pub(crate) fn new() -> Self {
        Calls {
            count: AtomicUsize::new(0),
            calls: Mutex::new(Vec::new()),
        }
    }

    /// Whether no task was in a call a moment ago.
    pub(crate) fn is_empty(&self) -> bool {
        // Acquire: pairs with the Release in `leave`, so that who finds nothing
        // here finds what came of it.
        self.count.load(Ordering::Acquire) == 0
    }

    /// A worker begins a call for a task, which `begin` says, and leaves its proc
    /// here.
    pub(crate) fn enter(
        &self,
        worker: u64,
        task: &Arc<T>,
        proc: Proc<'s>,
        begin: impl FnOnce(&Proc<'s>),
    ) {
        let mut calls = lock(&self.calls);
        begin(&proc);
        calls.push(Call {
            worker,
            task: Arc::clone(task),
            proc: Some(proc),
            since: Instant::now(),
        });
        // Relaxed: it only grows here, before the proc can become idle, and the
        // lock of the idle procs orders that.
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// The task's call is over. `end` says so, and gets the proc if it is still
    /// there; otherwise it hands the task on.
    pub(crate) fn leave<R>(&self, task: &Arc<T>, end: impl FnOnce(Option<Proc<'s>>) -> R) -> R {
        let mut calls = lock(&self.calls);
        let at = calls.iter().position(|call| Arc::ptr_eq(&call.task, task));
        let result = end(at.and_then(|at| calls.swap_remove(at).proc));
        // Release: pairs with the load in `is_empty` (Invariant 3).
        self.count.fetch_sub(1, Ordering::Release);
        result
    }

    /// Takes the procs that `which` says away from their calls, which `steal`
    /// says of a worker. They go to other workers if they are `useful`.
    pub(crate) fn retake(
        &self,
        idle: &Idle<'s>,
        which: impl Fn(Instant, &Proc<'s>) -> bool,
        steal: impl Fn(&Proc<'s>, u64),
        useful: impl Fn(&Proc<'s>) -> bool,
    ) -> Retaken {
        let mut retaken = Retaken::default();
        for call in &mut *lock(&self.calls) {
            let since = call.since;
            if let Some(proc) = call.proc.take_if(|proc| which(since, proc)) {
                idle.give_up_stolen(proc, |proc| steal(proc, call.worker), &useful);
                retaken.stolen += 1;
            }
            retaken.left += usize::from(call.proc.is_some());
        }
        retaken
    }

    /// Visits every task whose call has no proc, and its worker; held still.
    pub(crate) fn each_without_proc(&self, mut visit: impl FnMut(&T, u64)) {
        for call in &*lock(&self.calls) {
            if call.proc.is_none() {
                visit(&call.task, call.worker);
            }
        }
    }
}
