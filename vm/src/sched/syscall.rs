//! Tasks in system calls, and the procs that they leave behind.
//!
//! A worker that makes a system call leaves its proc here, beside the call. If
//! the call is short, it takes the proc back and goes on as if nothing had
//! happened. If it takes long, and somebody could use the proc, it is stolen:
//! another worker runs tasks with it, and the one that comes back has to find a
//! proc like everybody else. (The idea is that of Go's monitor thread.)
//!
//! ```text
//!   enter ──► call with proc ──────────────► leave: goes on
//!                  │ retake: ProcSteal
//!                  ▼
//!             call without proc ───────────► leave: its task is runnable, in the
//!                                            global queue; the worker rests
//! ```
//!
//! The thread that starts threads looks after the calls, as long as one has a
//! proc; besides, whoever moves the trace's generation takes all procs away, so
//! that a call cannot hold it up.
//!
//! # Invariants
//!
//! 1. All of this happens under one lock, together with the event that says it:
//!    who comes back and who steals agree on who was first.
//! 2. A task is in the state Syscall exactly while its call stands in the list.
//! 3. A task that comes back without a proc is in the global queue before its
//!    call is counted out, so whoever looks for a deadlock sees one of both.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use weft::op::Reg;

use super::effects::Flow;
use super::worker::Worker;
use super::{Proc, Shared};
use crate::fault::Fault;
use crate::heap::View;
use crate::state::Owner;
use crate::sync::lock;
use crate::task::{Body, Task};
use crate::trace::{Recorder, StopReason};

/// How long a call has its proc for sure.
pub(super) const GRACE: Duration = Duration::from_micros(20);

/// How long it has its proc if nobody needs it. This is also the longest time
/// between two looks at the calls.
pub(super) const LONG: Duration = Duration::from_millis(10);

/// What a system call has brought its task, which takes it when it next runs.
#[derive(Debug)]
pub(crate) enum Done {
    /// A file was read, or not.
    Read(Result<String, Fault>),
    /// Output was written; what went wrong there is the program's affair.
    Flushed,
}

/// What a worker is to do in a system call.
pub(super) enum Work {
    /// Read a file.
    Read(Arc<str>),
    /// Write the output.
    Flush,
}

/// The system calls in progress.
pub(super) struct Syscalls<'s> {
    count: AtomicUsize,
    calls: Mutex<Vec<Call<'s>>>,
}

struct Call<'s> {
    /// The worker, by its number in the trace.
    worker: u64,
    task: Arc<Task>,
    /// The worker's proc, until it is stolen.
    proc: Option<Proc<'s>>,
    since: Instant,
}

/// What a look at the calls has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// No call has a proc.
    Nothing,
    /// Some have one, and keep it for now.
    Some,
    /// A proc was stolen.
    Stole,
}

/// How a worker comes out of a system call.
pub(super) enum Back<'t, 's> {
    /// With its proc, and the task still runs.
    Runs(Proc<'s>, Owner<'t, Body>),
    /// With its proc, but the task was stopped: the program has ended.
    Stopped(Proc<'s>),
    /// Without a proc; the task is in the global queue.
    Lost,
}

impl<'s> Syscalls<'s> {
    pub(super) fn new() -> Self {
        Syscalls {
            count: AtomicUsize::new(0),
            calls: Mutex::default(),
        }
    }

    /// Whether no task was in a system call a moment ago.
    pub(super) fn is_empty(&self) -> bool {
        // Acquire: pairs with the Release in `leave`, so that who finds nothing
        // here finds the task in the global queue.
        self.count.load(Ordering::Acquire) == 0
    }
}

impl<'s> Shared<'s> {
    /// Visits every task that is in a system call without a proc, and says
    /// which worker it sits on. Procs in calls are stolen first.
    pub(crate) fn each_syscall(&self, pen: &Recorder<'s>, mut visit: impl FnMut(&Task, u64)) {
        self.retake(pen, |_| true);
        for call in &*lock(&self.syscalls.calls) {
            // One that has come since then has said so in the generation that
            // is about to end.
            if call.proc.is_none() {
                visit(&call.task, call.worker);
            }
        }
    }

    /// Looks after the procs of calls that take long.
    pub(super) fn look_after_syscalls(&self, pen: &Recorder<'s>) -> Look {
        let now = Instant::now();
        // Somebody who is idle or looking would have taken what there is.
        let all_busy = !self.idle.some() && !self.idle.any_spins();
        let wanted = all_busy || !self.global.is_empty() || self.any_sleeper();
        let (stolen, left) = self.retake_if(pen, |call, proc| {
            let age = now.saturating_duration_since(call);
            age >= LONG || (age >= GRACE && (wanted || !proc.queue.is_empty()))
        });
        match (stolen, left) {
            (0, 0) => Look::Nothing,
            (0, _) => Look::Some,
            (_, _) => Look::Stole,
        }
    }

    /// Takes the procs that `which` says away from calls.
    pub(super) fn retake(&self, pen: &Recorder<'s>, which: impl Fn(&Proc<'s>) -> bool) {
        if !self.syscalls.is_empty() {
            self.retake_if(pen, |_, proc| which(proc));
        }
    }

    /// As [`retake`](Self::retake), by the time of the call as well. Returns
    /// how many were stolen, and how many left.
    fn retake_if(
        &self,
        pen: &Recorder<'s>,
        which: impl Fn(Instant, &Proc<'s>) -> bool,
    ) -> (usize, usize) {
        let mut stolen = Vec::new();
        let mut left = 0;
        for call in &mut *lock(&self.syscalls.calls) {
            let since = call.since;
            if let Some(proc) = call.proc.take_if(|proc| which(since, proc)) {
                pen.proc_steal(&proc, call.worker);
                stolen.push(proc);
            }
            left += usize::from(call.proc.is_some());
        }
        let count = stolen.len();
        for proc in stolen {
            let has_tasks = !proc.queue.is_empty();
            self.idle.give_up_stolen(proc, |is_last| {
                has_tasks
                    || !self.global.is_empty()
                    || self.any_sleeper()
                    || self.out.is_dirty()
                    // The call is over already, and all that came of it was done
                    // with another proc. Whoever had that did not look for a
                    // deadlock, since this one was not idle.
                    || (is_last && self.syscalls.is_empty())
            });
        }
        if count > 0 && self.any_work() {
            // Work that came just before a proc was idle: see the head of `idle`.
            self.idle.wake_one();
        }
        (count, left)
    }
}

impl<'a, 's> Worker<'a, 's> {
    /// Reads a file; the second time, takes what has been read.
    pub(super) fn read_file<'t>(
        &self,
        mut owner: Owner<'t, Body>,
        dst: Reg,
        path: Reg,
    ) -> Flow<'t> {
        let Some(done) = owner.get_mut().done.take() else {
            let path = *owner.get_mut().register(path.0);
            return match self.view(&owner, path) {
                View::Str(path) => {
                    let path = Arc::clone(path);
                    Flow::Call(owner, Work::Read(path))
                }
                other => {
                    let fault = Fault::Type {
                        place: "`read_file`",
                        wants: "a string",
                        found: other.type_name(),
                    };
                    Flow::Failed(owner, fault)
                }
            };
        };
        match *done {
            Done::Read(Ok(text)) => {
                let body = owner.get_mut();
                *body.register(dst.0) = body.heap.string(&text);
            }
            Done::Read(Err(fault)) => return Flow::Failed(owner, fault),
            Done::Flushed => {}
        }
        self.next(owner)
    }

    /// Makes a system call for a task. What comes of it is in the task's body
    /// afterwards.
    pub(super) fn system_call<'t>(
        &self,
        mut proc: Proc<'s>,
        task: &'t Arc<Task>,
        mut owner: Owner<'t, Body>,
        work: Work,
    ) -> Back<'t, 's> {
        let shared = self.shared;
        // Where others can steal it.
        self.queue_next(&mut proc);
        shared.heap.count(owner.get_mut());
        self.enter(proc, task, owner);
        let done = match work {
            Work::Read(path) => Done::Read(shared.files.read_text(&path)),
            Work::Flush => {
                if let Err(error) = shared.out.flush() {
                    shared.output_error(error);
                }
                Done::Flushed
            }
        };
        self.leave(task, done)
    }

    fn enter(&self, proc: Proc<'s>, task: &Arc<Task>, owner: Owner<'_, Body>) {
        let syscalls = &self.shared.syscalls;
        {
            let mut calls = lock(&syscalls.calls);
            self.pen
                .syscall_begin(&proc, task, owner, self.shared.env.code);
            calls.push(Call {
                worker: self.pen.id(),
                task: Arc::clone(task),
                proc: Some(proc),
                since: Instant::now(),
            });
            // Relaxed: it only grows here, before the proc can become idle, and
            // the lock of the idle procs orders that.
            syscalls.count.fetch_add(1, Ordering::Relaxed);
        }
        self.shared.idle.watch();
    }

    fn leave<'t>(&self, task: &'t Arc<Task>, done: Done) -> Back<'t, 's> {
        let shared = self.shared;
        let code = shared.env.code;
        let mut calls = lock(&shared.syscalls.calls);
        let mut owner = task.body.come_back();
        owner.get_mut().done = Some(Box::new(done));
        let at = calls.iter().position(|call| Arc::ptr_eq(&call.task, task));
        let proc = at.and_then(|at| calls.swap_remove(at).proc);
        let back = match proc {
            Some(proc) => {
                self.pen.syscall_end(&proc, task);
                if shared.ending() {
                    self.pen
                        .stop(&proc, task, owner, code, StopReason::Preempted);
                    shared.global.push(vec![Arc::clone(task)]);
                    Back::Stopped(proc)
                } else {
                    Back::Runs(proc, owner)
                }
            }
            None => {
                self.pen.syscall_end_blocked(task, owner);
                shared.global.push(vec![Arc::clone(task)]);
                Back::Lost
            }
        };
        // Release: pairs with the load in `is_empty` (Invariant 3).
        shared.syscalls.count.fetch_sub(1, Ordering::Release);
        back
    }
}
