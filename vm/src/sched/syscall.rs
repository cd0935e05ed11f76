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
//! that a call cannot hold it up. `calls.rs` has the list, and sees to it that
//! a proc is always somewhere.
//!
//! # Invariant
//!
//! A task is in the state Syscall exactly while its call stands in the list: both
//! change under its lock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use weft::op::Reg;

use super::calls::Retaken;
use super::effects::Flow;
use super::worker::Worker;
use super::{Proc, Shared};
use crate::fault::Fault;
use crate::heap::View;
use crate::state::Owner;
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

impl<'s> Shared<'s> {
    /// Visits every task that is in a system call without a proc, and says
    /// which worker it sits on. Procs in calls are stolen first.
    pub(crate) fn each_syscall(&self, pen: &Recorder<'s>, visit: impl FnMut(&Task, u64)) {
        self.retake(pen, |_| true);
        // One that has come since then, and has its proc, has said so in the
        // generation that is about to end: after `retake`, by the lock.
        self.syscalls.each_without_proc(visit);
    }

    /// Looks after the procs of calls that take long.
    pub(super) fn look_after_syscalls(&self, pen: &Recorder<'s>) -> Look {
        let now = Instant::now();
        // Somebody who is idle or looking would have taken what there is.
        let all_busy = !self.idle.some() && !self.idle.any_spins();
        let wanted = all_busy || !self.global.is_empty() || self.any_sleeper();
        let retaken = self.retake_if(pen, |call, proc| {
            let age = now.saturating_duration_since(call);
            age >= LONG || (age >= GRACE && (wanted || !proc.queue.is_empty()))
        });
        match retaken {
            Retaken { stolen: 0, left: 0 } => Look::Nothing,
            Retaken { stolen: 0, .. } => Look::Some,
            Retaken { .. } => Look::Stole,
        }
    }

    /// Takes the procs that `which` says away from calls.
    pub(super) fn retake(&self, pen: &Recorder<'s>, which: impl Fn(&Proc<'s>) -> bool) {
        self.retake_if(pen, |_, proc| which(proc));
    }

    /// As [`retake`](Self::retake), by the time of the call as well.
    fn retake_if(&self, pen: &Recorder<'s>, which: impl Fn(Instant, &Proc<'s>) -> bool) -> Retaken {
        let retaken = self.syscalls.retake(
            &self.idle,
            which,
            |proc, from| pen.proc_steal(proc, from),
            |proc| {
                !proc.queue.is_empty()
                    || !self.global.is_empty()
                    || self.any_sleeper()
                    || self.out.is_dirty()
            },
        );
        if retaken.stolen > 0 && self.any_work() {
            // Work that came just before a proc was idle: see the head of `idle`.
            self.idle.wake_one();
        }
        retaken
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
        let shared = self.shared;
        shared.syscalls.enter(self.pen.id(), task, proc, |proc| {
            self.pen.syscall_begin(proc, task, owner, shared.env.code);
        });
        shared.idle.watch();
    }

    fn leave<'t>(&self, task: &'t Arc<Task>, done: Done) -> Back<'t, 's> {
        let shared = self.shared;
        shared.syscalls.leave(task, |proc| {
            let mut owner = task.body.come_back();
            owner.get_mut().done = Some(Box::new(done));
            let Some(proc) = proc else {
                self.pen.syscall_end_blocked(task, owner);
                shared.global.push(vec![Arc::clone(task)]);
                return Back::Lost;
            };
            self.pen.syscall_end(&proc, task);
            if !shared.ending() {
                return Back::Runs(proc, owner);
            }
            let code = shared.env.code;
            self.pen
                .stop(&proc, task, owner, code, StopReason::Preempted);
            shared.global.push(vec![Arc::clone(task)]);
            Back::Stopped(proc)
        })
    }
}
