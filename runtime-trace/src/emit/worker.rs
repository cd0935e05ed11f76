//! A thread's handle, and what it needs to begin an emission.

use core::cell::Cell;

use super::Emit;
use super::now::Now;
use super::pen::Pen;
use super::recent::Recent;
use crate::clock::OwnClock;
use crate::generation::WorkerError;
use crate::lock::Held;
use crate::loss::Loss;
use crate::shared::{End, Shared};
use crate::stacks::Pcs;
use crate::status::{ProcTrace, TaskTrace};
use crate::sync::{AtomicU64, Fence, Ordering, OwnFence};
use crate::thread::Slot;

/// A thread's handle on the tracer.
///
/// Dropping it, also by unwinding, ends in the trace the task that the thread
/// still runs and stops the proc that it still holds, and hands its events in.
/// The embedder does not mention that task again. If the task is in a system
/// call, only the task ends: the proc, unless it has been stolen, is still to be
/// ([`Emit::proc_steal`]). A thread that goes without having emitted anything in
/// this file leaves nothing behind: a task that is in a system call since before
/// is ended by [`Emit::task_end_in_syscall`], or not at all.
#[derive(Debug)]
pub struct Worker<'t> {
    /// The epoch in force, 0 when tracing is off.
    epoch: &'t AtomicU64,
    pub(super) shared: &'t Shared,
    pub(super) slot: &'t Slot,
    pub(super) held: Held,
    /// The thread that fences as this one enters: the thread itself, until it has been in
    /// an epoch that began after that was changed.
    pub(super) fence: OwnFence,
    /// Names that it had last.
    pub(super) names: Recent<64>,
    /// Stacks that it had last.
    pub(super) stacks: Recent<1024>,
    /// The time of its latest event, and of the next.
    pub(super) clock: OwnClock,
    pub(super) now: Now<'t>,
    /// The epoch in which a status of an event to come could not be written, and
    /// why: the event is lost for that.
    pub(super) statusless: Cell<(u64, Loss)>,
    /// The epoch in which something was lost without which the trace is not true. The
    /// thread writes nothing more into it, also where there is room.
    pub(super) over: Cell<u64>,
}

impl<'t> Worker<'t> {
    /// Registers the calling thread.
    pub(crate) fn register(shared: &'t Shared) -> Result<Self, WorkerError> {
        if shared.switch.is_forked() {
            return Err(WorkerError::Forked);
        }
        let held = Held::new();
        shared
            .switch
            .map(&shared.env(&held))
            .map_err(|_| WorkerError::NoMemory)?;
        // What is kept for names as well: of many hosts a thread that cannot be
        // traced cannot run.
        let slot = shared
            .threads
            .claim(&shared.env(&held).finishing())
            .map_err(|_| WorkerError::NoMemory)?;
        Ok(Self {
            epoch: shared.switch.epoch(),
            shared,
            slot,
            held,
            fence: OwnFence::new(Fence::Own),
            names: Recent::new(),
            stacks: Recent::new(),
            clock: OwnClock::new(),
            now: Now::new(),
            statusless: Cell::new((0, Loss::AfterEnd)),
            over: Cell::new(0),
        })
    }

    /// The thread's ID in the trace, from 1.
    pub fn id(&self) -> u64 {
        self.slot.id()
    }

    /// Begins to emit events, if tracing is on.
    ///
    /// `proc` and `task` are what this thread holds at this moment, before the
    /// events that follow; a task without a proc is in a system call. If either
    /// has not been mentioned in the generation, its status is written first.
    #[inline]
    pub fn acquire<'e>(
        &'e self,
        proc: Option<&'t ProcTrace>,
        task: Option<&'e TaskTrace>,
    ) -> Option<Emit<'e, 't>> {
        // Relaxed: looked at again in `enter`. Here already, so that nothing else
        // is fetched while tracing is off.
        let seen = self.epoch.load(Ordering::Relaxed);
        if seen == 0 {
            return None;
        }
        let busy = |epoch| self.lose_reentrant(epoch);
        let epoch = self.slot.enter(self.epoch, seen, &self.fence, busy)?;
        Some(Emit {
            pen: Pen {
                worker: self,
                epoch,
            },
            proc: Cell::new(proc),
            task: Cell::new(task),
        })
    }

    #[cold]
    fn lose_reentrant(&self, epoch: u64) {
        self.shared.lose(epoch, Loss::Reentrant, 1);
    }

    /// Makes sure that the generation mentions what this thread holds: see
    /// [`Host::checkpoint`](crate::Host::checkpoint).
    ///
    /// `stack` is asked for the running task's stack, leaf first, only if it is
    /// needed.
    pub fn checkpoint(
        &self,
        proc: Option<&'t ProcTrace>,
        task: Option<&TaskTrace>,
        stack: impl FnOnce(&mut Pcs),
    ) {
        if let Some(emit) = self.acquire(proc, task) {
            // A status that is lost here belongs to no event.
            emit.pen.checkpoint(proc, task, stack);
            emit.write_notes();
        }
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        if let Some(epoch) = self.slot.is_writing() {
            // An `Emit` was forgotten. It is known no better what this thread
            // holds, so the trace can only end.
            self.shared.end_early(epoch, End::Stuck);
            self.slot.leave();
            self.slot.give_up();
            return;
        }
        let (told, proc, task) = self.now.told();
        if let Some(emit) = self.acquire(None, None) {
            // Relaxed: written before the epoch that `acquire` has acquired.
            let first = self.shared.first_epoch.load(Ordering::Relaxed);
            // What an earlier file was told goes with it, and what was entered
            // in it was left untraced.
            if told >= first {
                // A task without a proc is in one, whether that was said or not.
                let in_syscall = self.now.is_in_syscall(first) || proc.is_none();
                let stops = !in_syscall || self.now.keeps_proc_in_syscall(first);
                emit.proc.set(proc.filter(|_| stops));
                emit.close(task.map(|id| (id, told)), in_syscall);
            }
            let out = self
                .shared
                .out(emit.pen.epoch, &self.shared.env(&self.held));
            self.now.forget();
            // SAFETY: this is the slot's thread, within `emit`, and no other
            // use of the buffer is in progress.
            unsafe {
                self.slot
                    .hand_in(emit.pen.epoch, |batch| out.push_full(batch))
            };
        }
        self.slot.give_up();
    }
}
