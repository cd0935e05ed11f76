//! System calls: a task in one keeps its worker and may lose its proc.

use trace_format::{EventKind, ProcStatus};

use crate::contradiction::Contradiction;
use crate::cursor::Timed;
use crate::event::{ProcId, ProcState, TaskId, TaskState};
use crate::order::workers::{Worker, refused};
use crate::order::{Order, Outcome};
use crate::step::{NONE, What};

impl Order {
    /// The running task enters a system call.
    pub(super) fn syscall_begin(&mut self, event: &Timed, w: u32) -> Outcome {
        let worker = self.workers.at(w);
        worker.on_task()?;
        let task = self.current_task(worker, TaskState::Running)?;
        let [number, stack, ..] = event.args;
        let sequence = self.sequence(number);
        let proc = &mut self.procs[worker.proc.slot];
        // The proc is this worker's, so that nothing can come before.
        if !proc.sequence.is_followed_by(sequence) {
            return Err(refused(Contradiction::ProcSequence {
                proc: ProcId(worker.proc.id),
                number,
                before: proc.sequence.number,
            }));
        }
        proc.sequence = sequence;
        proc.status = Some(ProcStatus::Syscall);
        self.tasks[task].status = TaskState::Syscall;
        let stack = self.stack(event, worker, stack);
        let (from, to) = (TaskState::Running, TaskState::Syscall);
        let what = transition(worker, from, to, stack);
        self.emit_as(event, worker, event.kind, stack, what);
        Ok(true)
    }

    /// The task leaves the system call with the proc it went in with.
    pub(super) fn syscall_end(&mut self, event: &Timed, w: u32) -> Outcome {
        let worker = self.workers.at(w);
        worker.on_task()?;
        let task = self.current_task(worker, TaskState::Syscall)?;
        let proc = &mut self.procs[worker.proc.slot];
        if proc.status != Some(ProcStatus::Syscall) {
            return Err(self.proc_is_not(worker, "in a system call"));
        }
        proc.status = Some(ProcStatus::Running);
        self.tasks[task].status = TaskState::Running;
        let what = transition(worker, TaskState::Syscall, TaskState::Running, 0);
        self.emit_as(event, worker, event.kind, 0, what);
        Ok(true)
    }

    /// The task leaves the system call having lost its proc.
    ///
    /// It cannot have left while the proc is still the one of the system call:
    /// whatever takes that away comes first.
    pub(super) fn syscall_end_blocked(&mut self, event: &Timed, w: u32) -> Outcome {
        let worker = self.workers.at(w);
        if worker.proc.id != NONE
            && self.procs[worker.proc.slot].status == Some(ProcStatus::Syscall)
        {
            return Ok(false);
        }
        has_task(worker)?;
        let task = self.current_task(worker, TaskState::Syscall)?;
        self.tasks[task].status = TaskState::Runnable;
        let what = transition(worker, TaskState::Syscall, TaskState::Runnable, 0);
        self.emit_as(event, worker, event.kind, 0, what);
        self.workers.leave_task(w);
        Ok(true)
    }

    /// Foreign code calls back: a task appears inside a system call.
    pub(super) fn syscall_create(&mut self, event: &Timed, w: u32) -> Outcome {
        let worker = self.workers.at(w);
        worker.on_worker()?;
        worker.without_task()?;
        let id = event.args[0];
        let sequence = self.sequence(0);
        let Some(slot) = self.tasks.insert(id, TaskState::Syscall, sequence) else {
            return Err(refused(Contradiction::TaskExists { task: TaskId(id) }));
        };
        let what = What::Task {
            task: id,
            from: TaskState::NotExist,
            to: TaskState::Syscall,
            reason: 0,
            stack: 0,
        };
        self.emit_as(event, worker, event.kind, 0, what);
        self.workers.run(w, id, slot);
        Ok(true)
    }

    /// The task of a call back from foreign code ends, still in its system call.
    ///
    /// The worker loses its proc with it, since its ID may be given to another
    /// thread. The proc will be stolen later, or never.
    pub(super) fn syscall_destroy(&mut self, event: &Timed, w: u32) -> Outcome {
        let worker = self.workers.at(w);
        has_task(worker)?;
        let task = self.current_task(worker, TaskState::Syscall)?;
        let ends = transition(worker, TaskState::Syscall, TaskState::NotExist, 0);
        if worker.proc.id == NONE {
            self.emit_as(event, worker, event.kind, 0, ends);
        } else {
            let proc = &mut self.procs[worker.proc.slot];
            if proc.status != Some(ProcStatus::Syscall) {
                return Err(self.proc_is_not(worker, "in a system call"));
            }
            proc.status = Some(ProcStatus::SyscallAbandoned);
            let what = What::Proc {
                proc: worker.proc.id,
                from: ProcState::Running,
                to: ProcState::Idle,
            };
            self.emit_as(event, worker, EventKind::ProcSteal, 0, what);
            self.emit_as(event, worker, event.kind, 0, ends);
        }
        self.tasks.remove(task);
        self.workers.leave_task(w);
        self.workers.leave_proc(w);
        Ok(true)
    }
}

/// The transition of the worker's task.
fn transition(worker: Worker, from: TaskState, to: TaskState, stack: u32) -> What {
    What::Task {
        task: worker.task.id,
        from,
        to,
        reason: 0,
        stack,
    }
}

/// What an event needs that the worker's task makes, with or without a proc.
fn has_task(worker: Worker) -> Result<(), Box<Contradiction>> {
    worker.on_worker()?;
    match worker.task.id {
        NONE => Err(refused(Contradiction::NoTask)),
        _ => Ok(()),
    }
}
