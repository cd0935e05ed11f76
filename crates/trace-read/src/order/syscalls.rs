//! System calls: a task in one keeps its worker and may lose its proc.

use trace_format::{EventKind, ProcStatus};

use crate::contradiction::Contradiction;
use crate::cursor::Timed;
use crate::event::{ProcId, ProcState, TaskId, TaskState};
use crate::order::tasks::{RUNNABLE, RUNNING, SYSCALL};
use crate::order::workers::refused;
use crate::order::{Order, Outcome, Sequence};
use crate::step::{NONE, What};

impl Order {
    /// The running task enters a system call.
    pub(super) fn syscall_begin(&mut self, event: &Timed, w: u32) -> Outcome {
        self.workers.on_task(w)?;
        let task = self.current_task(w, RUNNING)?;
        let [number, stack, ..] = event.args;
        let sequence = self.sequence(number);
        let slot = self.current_proc(w)?;
        let proc = &mut self.procs[slot];
        // The proc is this worker's, so that nothing can come before.
        if !proc.sequence.is_followed_by(sequence) {
            return Err(refused(Contradiction::ProcSequence {
                proc: ProcId(self.workers.proc(w).id),
                number,
                before: proc.sequence.number,
            }));
        }
        proc.sequence = sequence;
        proc.status = Some(ProcStatus::Syscall);
        self.tasks[task].status = SYSCALL;
        self.emit_syscall(event, w, TaskState::Running, TaskState::Syscall, stack);
        Ok(true)
    }

    /// The task leaves the system call with the proc it went in with.
    pub(super) fn syscall_end(&mut self, event: &Timed, w: u32) -> Outcome {
        self.workers.on_task(w)?;
        let task = self.current_task(w, SYSCALL)?;
        let slot = self.current_proc(w)?;
        let proc = &mut self.procs[slot];
        if proc.status != Some(ProcStatus::Syscall) {
            return Err(self.proc_is_not(w, "in a system call"));
        }
        proc.status = Some(ProcStatus::Running);
        self.tasks[task].status = RUNNING;
        self.emit_syscall(event, w, TaskState::Syscall, TaskState::Running, 0);
        Ok(true)
    }

    /// The task leaves the system call having lost its proc.
    ///
    /// It cannot have left while the proc is still the one of the system call:
    /// whatever takes that away comes first.
    pub(super) fn syscall_end_blocked(&mut self, event: &Timed, w: u32) -> Outcome {
        if self.workers.proc(w).id != NONE {
            let slot = self.current_proc(w)?;
            if self.procs[slot].status == Some(ProcStatus::Syscall) {
                return Ok(false);
            }
        }
        self.has_task(w)?;
        let task = self.current_task(w, SYSCALL)?;
        self.tasks[task].status = RUNNABLE;
        self.emit_syscall(event, w, TaskState::Syscall, TaskState::Runnable, 0);
        self.workers.leave_task(w);
        Ok(true)
    }

    /// Foreign code calls back: a task appears inside a system call.
    pub(super) fn syscall_create(&mut self, event: &Timed, w: u32) -> Outcome {
        self.workers.on_worker(w)?;
        self.workers.without_task(w)?;
        let id = event.args[0];
        let sequence = Sequence::start(self.generation);
        let Some(slot) = self.tasks.insert(id, SYSCALL, sequence) else {
            return Err(refused(Contradiction::TaskExists { task: TaskId(id) }));
        };
        let what = What::Task {
            task: id,
            from: TaskState::NotExist,
            to: TaskState::Syscall,
            reason: 0,
            stack: 0,
        };
        self.emit(event, w, 0, what);
        self.workers.run(w, id, slot);
        Ok(true)
    }

    /// The task of a call back from foreign code ends, still in its system call.
    ///
    /// The worker loses its proc with it, since its ID may be given to another
    /// thread. The proc will be stolen later, or never.
    pub(super) fn syscall_destroy(&mut self, event: &Timed, w: u32) -> Outcome {
        self.has_task(w)?;
        let task = self.current_task(w, SYSCALL)?;
        let context = self.workers.context(w);
        if context.proc != NONE {
            let slot = self.current_proc(w)?;
            let proc = &mut self.procs[slot];
            if proc.status != Some(ProcStatus::Syscall) {
                return Err(self.proc_is_not(w, "in a system call"));
            }
            proc.status = Some(ProcStatus::SyscallAbandoned);
            let what = What::Proc {
                proc: context.proc,
                from: ProcState::Running,
                to: ProcState::Idle,
            };
            self.emit_as(event, context, EventKind::ProcSteal, 0, what);
        }
        self.emit_syscall(event, w, TaskState::Syscall, TaskState::NotExist, 0);
        self.tasks.remove(task);
        self.workers.leave_task(w);
        self.workers.leave_proc(w);
        Ok(true)
    }

    /// Makes a step of the transition of the worker's task.
    fn emit_syscall(&mut self, event: &Timed, w: u32, from: TaskState, to: TaskState, stack: u64) {
        let what = What::Task {
            task: self.workers.task(w).id,
            from,
            to,
            reason: 0,
            stack,
        };
        self.emit(event, w, stack, what);
    }

    /// What an event needs that the worker's task makes, with or without a proc.
    fn has_task(&self, w: u32) -> Result<(), Box<Contradiction>> {
        self.workers.on_worker(w)?;
        match self.workers.task(w).id {
            NONE => Err(refused(Contradiction::NoTask)),
            _ => Ok(()),
        }
    }
}
