//! The API that a scheduler calls as it goes: what happens to tasks and procs.
//!
//! ```text
//!  Tracer ──worker()──► Worker ──acquire(proc, task)──► Emit ── task_block(…), …
//!                                 None when off          dropping it releases
//! ```
//!
//! # Rules for the scheduler
//!
//! A trace is a claim about the order in which tasks and procs changed hands.
//! The tracer can only write down what it is told, so the scheduler keeps to
//! these rules (the first two and the last are those of Go's tracer):
//!
//! 1. A transition is emitted by the thread that owns the task or proc: that
//!    runs it, or has taken it exclusively in order to wake it.
//! 2. A transition other than into running changes the state and emits the
//!    event inside one [`Emit`], and a [`Host::sweep`] cannot visit the task
//!    from before the one until after the other.
//! 3. A transition into running is emitted after the fact, and a proc is taken
//!    before the [`Emit`] begins in which its start is emitted.
//! 4. `proc` and `task` of [`Worker::acquire`] are what the thread holds just
//!    before the events that follow. While its task is in a system call, that is
//!    the task alone: the proc may be taken away at any moment. With the proc come
//!    only the calls that begin and end the system call.
//! 5. An [`Emit`] is short: nothing blocks or waits while it lives. The thread that
//!    ends a generation waits for it, with the patience of [`Config::patience`].
//!
//! # Signals and forks
//!
//! A signal's handler may call [`Worker::acquire`] on the interrupted thread's
//! own handle, emit, and return. It is refused, and that is counted, if it
//! interrupted an emission. It must not come while the thread is in another call
//! of the tracer's (making or dropping a handle, moving or reading the trace),
//! whose locks an emission takes as well.
//!
//! The child of a fork finds tracing off (on Linux), and may go on as if nothing
//! were. A fork is not made while an [`Emit`] lives. See
//! `docs/decisions/0012-threads-that-do-not-leave.md`.
//!
//! # What needs a running task
//!
//! Readers refuse an annotation (a log, a label, a region, a user task, a stop of
//! the world) that comes from no running task: from a thread that has no proc or no
//! task, or whose task is in a system call. Such a call writes nothing and counts
//! as [`Loss::NoTask`](crate::Loss::NoTask). So does a figure of the heap from a
//! thread without a proc. Any thread may wake a task at any time.
//!
//! # Losses
//!
//! An event that cannot be written for want of memory is dropped and counted
//! if the trace stays true without it (a log, a metric, a label). Otherwise
//! the trace ends there, complete; see [`AdvanceError::EndedEarly`].
//!
//! [`AdvanceError::EndedEarly`]: crate::AdvanceError::EndedEarly
//! [`Config::patience`]: crate::Config::patience
//! [`Host::sweep`]: crate::Host::sweep

mod annotations;
mod now;
mod pen;
mod recent;
mod worker;

use core::cell::Cell;

use trace_format::{BlockReason, EventKind, ProcStatus, StopReason, TaskStatus};

use self::pen::Pen;
use crate::clock::Moment;
use crate::map::Id;
use crate::pages::NoMemory;
use crate::stacks::Pcs;
use crate::status::{ProcTrace, TaskTrace};

pub use self::worker::Worker;

/// A stack's ID, good for the [`Emit`] that gave it.
///
/// An [`Emit`] into another generation, or of another tracer, knows nothing of it:
/// its event is written without a stack, and that is counted
/// ([`Loss::ForeignStack`](crate::Loss::ForeignStack)).
#[derive(Clone, Copy, Debug)]
pub struct StackId<'i> {
    kept: KeptStack,
    emit: core::marker::PhantomData<&'i ()>,
}

impl StackId<'_> {
    /// No stack.
    pub const NONE: Self = Self::of(KeptStack::NONE);

    const fn of(kept: KeptStack) -> Self {
        Self {
            kept,
            emit: core::marker::PhantomData,
        }
    }
}

/// A stack's ID to be kept, for a host that can tell that a stack is the same as before
/// for less than it takes to write its counters down; see [`Emit::recall`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptStack {
    id: Id,
    epoch: u64,
}

impl KeptStack {
    /// None.
    pub const NONE: Self = Self {
        id: Id::EMPTY,
        epoch: 0,
    };
}

/// The right to emit events into one generation. While it lives the generation
/// does not end, so keep it short; dropping it releases.
#[derive(Debug)]
pub struct Emit<'e, 't> {
    pen: Pen<'e, 't>,
    proc: Cell<Option<&'t ProcTrace>>,
    task: Cell<Option<&'e TaskTrace>>,
}

impl Drop for Emit<'_, '_> {
    #[inline]
    fn drop(&mut self) {
        self.pen.worker.slot.leave();
    }
}

impl Emit<'_, '_> {
    /// Which generation the events go to: a number that no generation of any tracer
    /// has twice in the life of a process, and never 0. Those of one tracer follow one
    /// another, and count from 1 in their lower 40 bits.
    pub fn epoch(&self) -> u64 {
        self.pen.epoch
    }

    /// The ID of a stack. Without memory for it, no stack, which is counted.
    #[inline]
    pub fn stack(&self, pcs: &Pcs) -> StackId<'_> {
        StackId::of(KeptStack {
            id: self.pen.stack(pcs),
            epoch: self.pen.epoch,
        })
    }

    /// What [`recall`](Self::recall) makes this ID again of, as long as the
    /// generation lasts.
    #[inline]
    pub fn keep(&self, stack: StackId<'_>) -> KeptStack {
        stack.kept
    }

    /// The ID that was kept, if it is of this generation of this tracer.
    #[inline]
    pub fn recall(&self, kept: KeptStack) -> Option<StackId<'_>> {
        (kept.epoch == self.pen.epoch).then_some(StackId::of(kept))
    }

    /// The number that stands for a stack in an event: 0, for none, if it is not of
    /// this generation.
    #[inline(always)]
    fn at(&self, stack: StackId<'_>) -> u64 {
        let KeptStack { id, epoch } = stack.kept;
        if epoch == self.pen.epoch || id == Id::EMPTY {
            id.0
        } else {
            self.pen.refuse_stack()
        }
    }
}

/// Procs.
impl<'t> Emit<'_, 't> {
    /// The thread has taken an idle proc.
    pub fn proc_start(&self, proc: &'t ProcTrace) {
        self.mention_as(TaskStatus::Syscall, ProcStatus::Running);
        self.pen.mention_proc(proc, ProcStatus::Idle);
        // A thread that takes a proc while it has a task is in a system call.
        if self.task.get().is_some() {
            let now = &self.pen.worker.now;
            now.enter_syscall(self.pen.epoch, ProcStatus::Running);
        }
        self.transition(
            EventKind::ProcStart,
            [u64::from(proc.id()), proc.next_sequence()],
        );
        self.set_proc(Some(proc));
    }

    /// The thread is giving up its proc.
    pub fn proc_stop(&self) {
        self.mention_as(TaskStatus::Syscall, ProcStatus::Running);
        self.transition(EventKind::ProcStop, []);
        self.set_proc(None);
    }

    /// The thread has taken a proc away from the worker with the ID
    /// `from_worker`, whose task is in a system call. The proc is idle then.
    pub fn proc_steal(&self, proc: &'t ProcTrace, from_worker: u64) {
        self.pen.mention_proc(proc, ProcStatus::SyscallAbandoned);
        self.mention();
        self.transition(
            EventKind::ProcSteal,
            [u64::from(proc.id()), proc.next_sequence(), from_worker],
        );
    }
}

/// Tasks. (Where it says `always`, a compiler that has much to inline makes a call of
/// what a scheduler does most, and has the emission in memory for that.)
impl<'e> Emit<'e, '_> {
    /// The running task, or the proc itself, has created a runnable task whose
    /// first function is `entry`.
    #[inline]
    pub fn task_create(&self, new: &TaskTrace, entry: StackId<'_>, stack: StackId<'_>) {
        self.create(EventKind::GoCreate, new, entry, stack);
    }

    /// As [`task_create`](Self::task_create), for a task that starts blocked.
    #[inline]
    pub fn task_create_blocked(&self, new: &TaskTrace, entry: StackId<'_>, stack: StackId<'_>) {
        self.create(EventKind::GoCreateBlocked, new, entry, stack);
    }

    #[inline]
    fn create(&self, kind: EventKind, new: &TaskTrace, entry: StackId<'_>, stack: StackId<'_>) {
        self.mention();
        new.mention(self.pen.epoch); // Its creation is its first mention.
        self.transition(kind, [new.id(), self.at(entry), self.at(stack)]);
    }

    /// A runnable task has started to run on this thread's proc.
    #[inline(always)]
    pub fn task_start(&self, task: &'e TaskTrace) {
        self.pen.mention_before_task(self.proc.get());
        self.pen.mention_task(task, TaskStatus::Runnable, |_| {});
        self.transition(EventKind::GoStart, [task.id(), task.next_sequence()]);
        self.set_task(Some(task));
        self.write_notes();
    }

    /// The running task gives up its proc and stays runnable.
    #[inline(always)]
    pub fn task_stop(&self, reason: StopReason, stack: StackId<'_>) {
        self.mention();
        let reason = self
            .pen
            .worker
            .shared
            .tables(self.pen.epoch)
            .stop_reason(reason);
        self.transition(EventKind::GoStop, [reason.0, self.at(stack)]);
        self.set_task(None);
    }

    /// The running task blocks.
    #[inline(always)]
    pub fn task_block(&self, reason: BlockReason, stack: StackId<'_>) {
        self.mention();
        let reason = self
            .pen
            .worker
            .shared
            .tables(self.pen.epoch)
            .block_reason(reason);
        self.transition(EventKind::GoBlock, [reason.0, self.at(stack)]);
        self.set_task(None);
    }

    /// A blocked task becomes runnable. `waits_at` is asked for its stack, leaf
    /// first, if this is its first mention in the generation; `stack` is the
    /// waker's.
    #[inline(always)]
    pub fn task_unblock(
        &self,
        task: &TaskTrace,
        waits_at: impl FnOnce(&mut Pcs),
        stack: StackId<'_>,
    ) {
        self.pen.mention_task(task, TaskStatus::Waiting, waits_at);
        self.mention();
        self.transition(
            EventKind::GoUnblock,
            [task.id(), task.next_sequence(), self.at(stack)],
        );
    }

    /// The running task blocks and hands its proc over to a blocked one, which
    /// runs at once.
    #[inline]
    pub fn task_switch(&self, next: &'e TaskTrace, waits_at: impl FnOnce(&mut Pcs)) {
        self.switch(EventKind::GoSwitch, next, waits_at);
    }

    /// As [`task_switch`](Self::task_switch), and the running task ends.
    #[inline]
    pub fn task_switch_end(&self, next: &'e TaskTrace, waits_at: impl FnOnce(&mut Pcs)) {
        self.switch(EventKind::GoSwitchDestroy, next, waits_at);
    }

    #[inline]
    fn switch(&self, kind: EventKind, next: &'e TaskTrace, waits_at: impl FnOnce(&mut Pcs)) {
        self.pen.mention_task(next, TaskStatus::Waiting, waits_at);
        self.mention();
        self.transition(kind, [next.id(), next.next_sequence()]);
        self.set_task(Some(next));
    }

    /// The running task ends.
    #[inline]
    pub fn task_end(&self) {
        self.mention();
        self.transition(EventKind::GoDestroy, []);
        self.set_task(None);
    }
}

/// System calls.
impl<'e> Emit<'e, '_> {
    /// The running task enters a system call, with its proc. Without a proc
    /// nothing is written: the rules exclude it.
    #[inline]
    pub fn syscall_begin(&self, stack: StackId<'_>) {
        self.mention();
        if let Some(proc) = self.proc.get() {
            let args = [proc.next_sequence(), self.at(stack)];
            self.transition(EventKind::GoSyscallBegin, args);
            let now = &self.pen.worker.now;
            now.enter_syscall(self.pen.epoch, ProcStatus::Syscall);
        }
    }

    /// The task leaves the system call with the proc it went in with.
    #[inline]
    pub fn syscall_end(&self) {
        self.mention_as(TaskStatus::Syscall, ProcStatus::Syscall);
        self.transition(EventKind::GoSyscallEnd, []);
        self.pen.worker.now.leave_syscall();
    }

    /// The task leaves the system call, in which it has lost its proc. It is
    /// runnable. (If the thread holds a proc now, it was started before.)
    ///
    /// The task's status may be written by this, so the thread holds it before
    /// [`acquire`](Worker::acquire): no sweep visits it meanwhile.
    pub fn syscall_end_blocked(&self) {
        self.mention_as(TaskStatus::Syscall, ProcStatus::Running);
        self.transition(EventKind::GoSyscallEndBlocked, []);
        self.pen.worker.now.leave_syscall();
        self.set_task(None);
    }

    /// A task appears in a system call, as when foreign code calls in.
    ///
    /// No checkpoint waits for a thread without a proc, which may therefore find
    /// tracing off when it has been started already. So that the trace does not
    /// miss the task, a [`Host::sweep`](crate::Host::sweep) finds it from before
    /// [`acquire`](Worker::acquire) on, and waits until it is in the system call.
    pub fn task_create_in_syscall(&self, new: &'e TaskTrace) {
        // The thread has no task before, but perhaps a proc.
        self.mention();
        new.mention(self.pen.epoch);
        self.transition(EventKind::GoCreateSyscall, [new.id()]);
        let now = &self.pen.worker.now;
        now.enter_syscall(self.pen.epoch, ProcStatus::Running);
        self.set_task(Some(new));
    }

    /// The task that is in a system call ends, and the thread's proc, if it
    /// still had one, is up for stealing.
    pub fn task_end_in_syscall(&self) {
        if let Some(task) = self.task.get() {
            self.pen.mention_task(task, TaskStatus::Syscall, |_| {});
        }
        self.transition(EventKind::GoDestroySyscall, []);
        self.task.set(None);
        self.proc.set(None);
        let now = &self.pen.worker.now;
        now.leave_syscall();
        // The proc, if there was one, is perhaps not mentioned; but then it is not
        // this thread's any more.
        now.tell(self.pen.epoch, None, None);
    }

    /// The thread is gone: ends its task, whose ID and latest mention are known, and
    /// stops its proc, which comes first if the task is in a system call.
    fn close(&self, task: Option<(u64, u64)>, in_syscall: bool) {
        if let Some(proc) = self.proc.get() {
            self.pen.mention_proc(proc, ProcStatus::Running);
        }
        if in_syscall {
            self.close_proc();
        }
        if let Some((id, mentioned)) = task {
            let (status, end) = if in_syscall {
                (TaskStatus::Syscall, EventKind::GoDestroySyscall)
            } else {
                (TaskStatus::Running, EventKind::GoDestroy)
            };
            if mentioned != self.pen.epoch {
                let args = [id, self.pen.worker.id(), status as u64];
                self.pen.own(EventKind::GoStatus, &args);
            }
            self.pen.own(end, &[]);
        }
        self.close_proc();
    }

    fn close_proc(&self) {
        if self.proc.take().is_some() {
            self.pen.own(EventKind::ProcStop, &[]);
        }
    }
}

/// What this thread holds.
impl<'e, 't> Emit<'e, 't> {
    /// Writes the statuses of what this thread holds, if the generation has not
    /// got them: what they are follows from what it holds and has said.
    #[inline(always)]
    fn mention(&self) {
        self.pen.mention(self.proc.get(), self.task.get(), None);
    }

    /// As [`mention`](Self::mention), where the event to come says what they are.
    #[inline(always)]
    fn mention_as(&self, task: TaskStatus, proc: ProcStatus) {
        self.pen
            .mention(self.proc.get(), self.task.get(), Some((proc, task)));
    }

    /// The thread holds another proc than before, mentioned like all it holds.
    #[inline(always)]
    fn set_proc(&self, proc: Option<&'t ProcTrace>) {
        self.proc.set(proc);
        self.pen.worker.now.set_proc(proc);
    }

    /// The thread holds another task than before, mentioned like all it holds.
    #[inline(always)]
    fn set_task(&self, task: Option<&'e TaskTrace>) {
        self.task.set(task);
        self.pen.worker.now.set_task(task);
    }

    #[inline]
    fn write_notes(&self) {
        let runs = self.proc.get().is_some() && self.task.get().is_some();
        self.pen.write_notes(runs);
    }
}

/// Writing it down. Here is what is usual, the rest is the pen's.
impl Emit<'_, '_> {
    /// Writes an event without which the trace would not be true.
    #[inline(always)]
    fn transition<const N: usize>(&self, kind: EventKind, args: [u64; N]) {
        if let Err(refused) = self.write(kind, args) {
            self.pen.end_early(refused);
        }
    }

    /// Writes an event without which the trace is still true.
    #[inline(always)]
    fn droppable<const N: usize>(&self, kind: EventKind, args: [u64; N]) {
        if let Err(refused) = self.write(kind, args) {
            self.pen.lose(refused);
        }
    }

    #[inline(always)]
    fn write<const N: usize>(&self, kind: EventKind, args: [u64; N]) -> Result<(), NoMemory> {
        let worker = self.pen.worker;
        let mut now = Moment::NONE;
        if worker.now.is_usual(self.pen.epoch) {
            debug_assert!(self.pen.knows_batch());
            now = worker.clock.now();
            if let Some(since) = worker.clock.since_latest(now)
                // SAFETY: Invariant 1 of `Now`, and this is the slot's thread
                // (`Worker` is not `Sync`), between `enter`, which returned this
                // epoch, and `leave`: nobody else uses the buffer.
                && unsafe { worker.now.batch().append_short(kind, since, &args) }
            {
                worker.clock.set(now);
                worker.slot.count_event();
                return Ok(());
            }
        }
        // A copy, so that the numbers are put into memory for this alone.
        let copy = args;
        self.pen.write(kind, now, &copy)
    }
}
