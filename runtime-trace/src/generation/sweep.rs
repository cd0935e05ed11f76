//! Taking down, at a generation's end, what does not run.

use core::cell::{Cell, RefCell};

use trace_format::end::LAST_NOTE;
use trace_format::limits::NO_THREAD;
use trace_format::{EventKind, ProcStatus, TaskStatus};

use crate::batch::Batch;
use crate::loss::{Loss, Text};
use crate::map::Id;
use crate::pages::{Env, NoMemory};
use crate::shared::{End, Shared};
use crate::stacks::Pcs;
use crate::status::{ProcTrace, TaskTrace};
use crate::sync::Ordering;
use crate::thread::Stream;

/// What a swept task is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SweptState {
    /// Ready, in some queue.
    Runnable,
    /// Blocked.
    Waiting,
    /// In a system call, on the worker with this ID, and without a proc.
    Syscall {
        /// The worker's ID.
        worker: u64,
    },
}

/// Takes down the statuses that a [`Host`] reports in its
/// [`sweep`](crate::Host::sweep).
///
/// [`Host`]: crate::Host
pub struct Sweep<'a> {
    shared: &'a Shared,
    pub(super) epoch: u64,
    env: Env<'a>,
    latest: Cell<u64>,
    batch: RefCell<Option<Batch>>,
}

impl Drop for Sweep<'_> {
    /// Also when the host unwinds: what was mentioned must be in the file.
    fn drop(&mut self) {
        self.flush();
    }
}

impl<'a> Sweep<'a> {
    pub(super) fn new(shared: &'a Shared, epoch: u64, env: Env<'a>) -> Self {
        Self {
            shared,
            epoch,
            env,
            // Relaxed: the mover's.
            latest: Cell::new(shared.latest.load(Ordering::Relaxed)),
            batch: RefCell::new(None),
        }
    }

    /// Mentions a task that does not run, unless the generation has done so.
    ///
    /// `stack` is asked for the task's stack, leaf first, only if it is needed.
    pub fn task(&self, task: &TaskTrace, state: SweptState, stack: impl FnOnce(&mut Pcs)) {
        if task.latest_mention() == self.epoch || self.is_over() {
            return;
        }
        let (worker, status) = match state {
            SweptState::Runnable => (NO_THREAD, TaskStatus::Runnable),
            SweptState::Waiting => (NO_THREAD, TaskStatus::Waiting),
            SweptState::Syscall { worker } => (worker, TaskStatus::Syscall),
        };
        // Asked before anything is noted, since it may unwind.
        let mut pcs = Pcs::logical();
        stack(&mut pcs);
        task.mention(self.epoch);
        let out = self.shared.out(self.epoch, &self.env);
        let stack = self.shared.tables(self.epoch).stacks.put(&pcs, &out);
        let stack = stack.unwrap_or_else(|_| {
            self.shared.lose(self.epoch, Loss::Stack, 1);
            Id::EMPTY
        });
        let args = [task.id(), worker, status as u64, stack.0];
        match stack.0 {
            0 => self.status(EventKind::GoStatus, &args[..3]),
            _ => self.status(EventKind::GoStatusStack, &args),
        }
    }

    /// Mentions a proc that nobody holds, unless the generation has done so.
    pub fn proc_idle(&self, proc: &ProcTrace) {
        if !self.is_over() && proc.mention(self.epoch) {
            let args = [u64::from(proc.id()), ProcStatus::Idle as u64];
            self.status(EventKind::ProcStatus, &args);
        }
    }

    /// Whether the trace has ended early. What tasks and procs have done since is
    /// not in it, so what they are doing now must not be either.
    fn is_over(&self) -> bool {
        // Relaxed: who has done something untraced has found this word changed,
        // or changed it, before passing the task or proc on to who holds it
        // still now; so by coherence this load finds it changed as well.
        self.shared.switch.epoch().load(Ordering::Relaxed) != self.epoch
    }

    /// Writes a status. A task without one can have no event in this
    /// generation, so the trace ends where it cannot be written.
    fn status(&self, kind: EventKind, args: &[u64]) {
        if self.write(NO_THREAD, kind, args, self.env).is_err() {
            self.shared.end_early(self.epoch, End::Memory);
        }
    }

    fn write(
        &self,
        thread: u64,
        kind: EventKind,
        args: &[u64],
        env: Env<'a>,
    ) -> Result<(), NoMemory> {
        let stream = Stream {
            shared: self.shared,
            env,
            epoch: self.epoch,
            thread,
            offer: None,
            latest: &self.latest,
        };
        let now = self.shared.clock(self.epoch).now();
        stream.write(&mut self.batch.borrow_mut(), kind, now, args)?;
        // Relaxed: the mover's.
        self.shared
            .latest
            .store(self.latest.get(), Ordering::Relaxed);
        // Relaxed: a figure.
        self.shared.other_events.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Queues what was written.
    pub(super) fn flush(&self) {
        if let Some(batch) = self.batch.borrow_mut().take() {
            self.shared.out(self.epoch, &self.env).push_full(batch);
        }
    }

    /// Says in the trace that it ends here, and what was lost since it last said
    /// so, from a task, a proc and a thread that exist for this only: nobody else
    /// will run in this trace any more.
    pub(super) fn note_end(&self) {
        self.flush();
        let env = self.env.finishing();
        let out = self.shared.out(self.epoch, &env).last_resort();
        let strings = &self.shared.tables(self.epoch).strings;
        // Without memory for them: the API still has the figures.
        let message = |text: &str| strings.emit(text, &out).ok();
        let losses = self.shared.untold(self.epoch);
        let losses = losses.and_then(|losses| message(<Text>::of(&losses).as_str()));
        let messages = [losses, message(self.end().as_str())];
        if messages == [None; 2] {
            return;
        }
        // Relaxed: the mover's.
        let category = self.shared.note_category.load(Ordering::Relaxed);
        // A proc that never was. Go's viewer has a row for each up to the largest ID, so
        // it is a small one. Relaxed: a figure.
        let proc = u64::from(self.shared.most_procs.load(Ordering::Relaxed));
        let write = |kind, args: &[u64]| self.write(LAST_NOTE, kind, args, env).is_ok();
        let log = |message: &Id| write(EventKind::UserLog, &[0, category, message.0, 0]);
        // All fit into the batch that the first one begins, so this either
        // happens at once or not at all.
        let _ = write(EventKind::ProcStatus, &[proc, ProcStatus::Idle as u64])
            && write(EventKind::ProcStart, &[proc, 1])
            && write(EventKind::GoCreate, &[LAST_NOTE, 0, 0])
            && write(EventKind::GoStart, &[LAST_NOTE, 1])
            && messages.iter().flatten().all(log)
            && write(EventKind::GoDestroy, &[])
            && write(EventKind::ProcStop, &[]);
    }

    /// Why the trace ends, if it ends here.
    fn end(&self) -> trace_format::end::End {
        use trace_format::end::End as Said;
        match self.shared.has_ended_early(self.epoch) {
            false => Said::Stopped,
            true => match self.shared.ended_by() {
                End::Memory => Said::Memory,
                End::Stuck => Said::Stuck,
                End::Sink => Said::Sink,
                End::Host => Said::Host,
            },
        }
    }
}
