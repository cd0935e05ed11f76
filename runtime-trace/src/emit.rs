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
//!    before the events that follow.
//! 5. An [`Emit`] is short: nothing blocks or waits while it lives. Whoever ends
//!    a generation waits for it, with the patience of [`Config::patience`].
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

use core::cell::Cell;

use trace_format::{BlockReason, EventKind, ProcStatus, StopReason, TaskStatus};

use crate::lock::Held;
use crate::loss::{Loss, Text};
use crate::map::Id;
use crate::pages::NoMemory;
use crate::region::AllocError;
use crate::shared::{End, Shared};
use crate::stacks::Pcs;
use crate::status::{ProcTrace, TaskTrace};
use crate::strings::StringTable;
use crate::sync::{AtomicU64, Ordering};
use crate::thread::{Slot, Stream};

/// What a thread holds, as the trace knows it.
#[derive(Clone, Copy, Debug)]
struct Bound<'t> {
    /// The epoch that was told; 0 if none was.
    epoch: u64,
    proc: Option<&'t ProcTrace>,
    /// The task's ID, 0 if there is none, and the epoch of its latest mention.
    /// Its state may be gone by the time that this is needed.
    task: u64,
    mentioned: u64,
}

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
    shared: &'t Shared,
    slot: &'t Slot,
    held: Held,
    /// Time of this thread's latest event.
    latest: Cell<u64>,
    bound: Cell<Bound<'t>>,
    /// The epoch in which this thread's task entered the system call that it is
    /// in; 0 if it is in none.
    in_syscall: Cell<u64>,
    /// The epoch in which a status of an event to come could not be written, and
    /// why: the event is lost for that.
    statusless: Cell<(u64, Loss)>,
}

impl<'t> Worker<'t> {
    /// Registers the calling thread.
    pub(crate) fn register(shared: &'t Shared) -> Result<Self, NoMemory> {
        if shared.switch.is_forked() {
            return Err(NoMemory::System);
        }
        let held = Held::new();
        shared.switch.map(&shared.env(&held))?;
        let slot = shared
            .threads
            .claim(&shared.env(&held))
            .map_err(AllocError::memory)?;
        Ok(Self {
            epoch: shared.switch.epoch(),
            shared,
            slot,
            held,
            latest: Cell::new(0),
            bound: Cell::new(Bound {
                epoch: 0,
                proc: None,
                task: 0,
                mentioned: 0,
            }),
            in_syscall: Cell::new(0),
            statusless: Cell::new((0, Loss::AfterEnd)),
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
        // Relaxed: an early way out; `enter` looks again behind its fence.
        if self.epoch.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.acquire_enabled(proc, task)
    }

    #[inline]
    fn acquire_enabled<'e>(
        &'e self,
        proc: Option<&'t ProcTrace>,
        task: Option<&'e TaskTrace>,
    ) -> Option<Emit<'e, 't>> {
        if let Some(epoch) = self.slot.is_writing() {
            self.lose_reentrant(epoch);
            return None;
        }
        let epoch = self.slot.enter(self.epoch)?;
        Some(Emit {
            worker: self,
            epoch,
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
            emit.mention_proc(ProcStatus::Running);
            emit.mention_task(TaskStatus::Running, stack);
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
        let bound = self.bound.get();
        if let Some(emit) = self.acquire(None, None) {
            // Relaxed: written before the epoch that `acquire` has acquired.
            let first = self.shared.first_epoch.load(Ordering::Relaxed);
            // What an earlier file was told goes with it, and what was entered
            // in it was left untraced.
            if bound.epoch >= first {
                let in_syscall = self.in_syscall.get() >= first;
                emit.proc.set(bound.proc.filter(|_| !in_syscall));
                let task = (bound.task != 0).then_some((bound.task, bound.mentioned));
                emit.close(task, in_syscall);
            }
            let out = self.shared.out(emit.epoch, &self.shared.env(&self.held));
            // SAFETY: this is the slot's thread, within `emit`, and no other
            // use of the buffer is in progress.
            unsafe { self.slot.hand_in(emit.epoch, |batch| out.push_full(batch)) };
        }
        self.slot.give_up();
    }
}

/// A stack's ID, good for the [`Emit`] that gave it.
#[derive(Clone, Copy, Debug)]
pub struct StackId<'i>(Id, core::marker::PhantomData<&'i ()>);

impl StackId<'_> {
    /// No stack.
    pub const NONE: Self = Self(Id::EMPTY, core::marker::PhantomData);
}

/// The right to emit events into one generation. While it lives the generation
/// does not end, so keep it short; dropping it releases.
#[derive(Debug)]
pub struct Emit<'e, 't> {
    worker: &'e Worker<'t>,
    epoch: u64,
    proc: Cell<Option<&'t ProcTrace>>,
    task: Cell<Option<&'e TaskTrace>>,
}

impl Drop for Emit<'_, '_> {
    #[inline]
    fn drop(&mut self) {
        let task = self.task.get();
        let (task, mentioned) = task.map_or((0, 0), |task| (task.id(), task.latest_mention()));
        self.worker.bound.set(Bound {
            epoch: self.epoch,
            proc: self.proc.get(),
            task,
            mentioned,
        });
        self.worker.slot.leave();
    }
}

impl Emit<'_, '_> {
    /// Which generation the events go to: a number that is never used twice in
    /// the life of a tracer, and never 0.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }
}

/// Interning.
impl Emit<'_, '_> {
    /// The ID of a stack. Without memory for it, no stack, which is counted.
    #[inline]
    pub fn stack(&self, pcs: &Pcs) -> StackId<'_> {
        let tables = self.worker.shared.tables(self.epoch);
        let hash = tables.stacks.hash(pcs);
        match tables.stacks.get(pcs, hash) {
            Some(id) => StackId(id, core::marker::PhantomData),
            None => self.new_stack(pcs, hash),
        }
    }

    #[cold]
    fn new_stack(&self, pcs: &Pcs, hash: u64) -> StackId<'_> {
        let shared = self.worker.shared;
        let out = shared.out(self.epoch, &shared.env(&self.worker.held));
        match shared.tables(self.epoch).stacks.put(pcs, hash, &out) {
            Ok(id) => StackId(id, core::marker::PhantomData),
            Err(_) => {
                shared.lose(self.epoch, Loss::Stack, 1);
                StackId::NONE
            }
        }
    }

    /// The ID of a string that is likely to come again, as a name. Longer ones
    /// than 1,024 bytes are cut.
    #[inline]
    fn put_string(&self, text: &str) -> Result<Id, NoMemory> {
        let strings = &self.worker.shared.tables(self.epoch).strings;
        let text = StringTable::cut(text);
        let hash = strings.hash(text);
        match strings.get(text, hash) {
            Some(id) => Ok(id),
            None => self.new_string(text, hash),
        }
    }

    #[cold]
    fn new_string(&self, text: &str, hash: u64) -> Result<Id, NoMemory> {
        let shared = self.worker.shared;
        let out = shared.out(self.epoch, &shared.env(&self.worker.held));
        shared.tables(self.epoch).strings.put(text, hash, &out)
    }

    /// The ID of a string that is unlikely to come again, as a message. It is
    /// written out and not kept.
    fn emit_string(&self, text: &str) -> Result<Id, NoMemory> {
        let shared = self.worker.shared;
        let out = shared.out(self.epoch, &shared.env(&self.worker.held));
        shared.tables(self.epoch).strings.emit(text, &out)
    }
}

/// Procs.
impl<'t> Emit<'_, 't> {
    /// The thread has taken an idle proc.
    pub fn proc_start(&self, proc: &'t ProcTrace) {
        // A thread that takes a proc while it has a task is in a system call.
        self.set_in_syscall(self.task.get().is_some());
        self.mention(TaskStatus::Syscall, ProcStatus::Running);
        self.mention_this_proc(proc, ProcStatus::Idle);
        self.transition(
            EventKind::ProcStart,
            &[u64::from(proc.id()), proc.next_sequence()],
        );
        self.proc.set(Some(proc));
    }

    /// The thread is giving up its proc.
    pub fn proc_stop(&self) {
        self.mention(TaskStatus::Syscall, ProcStatus::Running);
        self.transition(EventKind::ProcStop, &[]);
        self.proc.set(None);
    }

    /// The thread has taken a proc away from the worker with the ID
    /// `from_worker`, whose task is in a system call. The proc is idle then.
    pub fn proc_steal(&self, proc: &'t ProcTrace, from_worker: u64) {
        self.mention_this_proc(proc, ProcStatus::SyscallAbandoned);
        self.mention(TaskStatus::Running, ProcStatus::Running);
        self.transition(
            EventKind::ProcSteal,
            &[u64::from(proc.id()), proc.next_sequence(), from_worker],
        );
    }
}

/// Tasks.
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
        self.mention_running();
        new.mention(self.epoch); // Its creation is its first mention.
        self.transition(kind, &[new.id(), entry.0.0, stack.0.0]);
    }

    /// A runnable task has started to run on this thread's proc.
    #[inline]
    pub fn task_start(&self, task: &'e TaskTrace) {
        self.mention_proc(ProcStatus::Running);
        self.mention_this_task(task, TaskStatus::Runnable, |_| {});
        self.transition(EventKind::GoStart, &[task.id(), task.next_sequence()]);
        self.set_in_syscall(false);
        self.task.set(Some(task));
        self.write_notes();
    }

    /// The running task gives up its proc and stays runnable.
    #[inline]
    pub fn task_stop(&self, reason: StopReason, stack: StackId<'_>) {
        self.mention_running();
        let reason = self.worker.shared.tables(self.epoch).stop_reason(reason);
        self.transition(EventKind::GoStop, &[reason.0, stack.0.0]);
        self.task.set(None);
    }

    /// The running task blocks.
    #[inline]
    pub fn task_block(&self, reason: BlockReason, stack: StackId<'_>) {
        self.mention_running();
        let reason = self.worker.shared.tables(self.epoch).block_reason(reason);
        self.transition(EventKind::GoBlock, &[reason.0, stack.0.0]);
        self.task.set(None);
    }

    /// A blocked task becomes runnable. `waits_at` is asked for its stack, leaf
    /// first, if this is its first mention in the generation; `stack` is the
    /// waker's.
    #[inline]
    pub fn task_unblock(
        &self,
        task: &TaskTrace,
        waits_at: impl FnOnce(&mut Pcs),
        stack: StackId<'_>,
    ) {
        self.mention_this_task(task, TaskStatus::Waiting, waits_at);
        self.mention_running();
        self.transition(
            EventKind::GoUnblock,
            &[task.id(), task.next_sequence(), stack.0.0],
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
        self.mention_this_task(next, TaskStatus::Waiting, waits_at);
        self.mention_running();
        self.transition(kind, &[next.id(), next.next_sequence()]);
        self.task.set(Some(next));
    }

    /// The running task ends.
    #[inline]
    pub fn task_end(&self) {
        self.mention_running();
        self.transition(EventKind::GoDestroy, &[]);
        self.task.set(None);
    }
}

/// System calls.
impl<'e> Emit<'e, '_> {
    /// The running task enters a system call, with its proc. Without a proc
    /// nothing is written: the rules exclude it.
    #[inline]
    pub fn syscall_begin(&self, stack: StackId<'_>) {
        self.mention_running();
        if let Some(proc) = self.proc.get() {
            self.transition(
                EventKind::GoSyscallBegin,
                &[proc.next_sequence(), stack.0.0],
            );
            self.set_in_syscall(true);
        }
    }

    /// The task leaves the system call with the proc it went in with.
    #[inline]
    pub fn syscall_end(&self) {
        self.mention(TaskStatus::Syscall, ProcStatus::Syscall);
        self.transition(EventKind::GoSyscallEnd, &[]);
        self.set_in_syscall(false);
    }

    /// The task leaves the system call, in which it has lost its proc. It is
    /// runnable. (If the thread holds a proc now, it was started before.)
    ///
    /// The task's status may be written by this, so the thread holds it before
    /// [`acquire`](Worker::acquire): no sweep visits it meanwhile.
    pub fn syscall_end_blocked(&self) {
        self.mention(TaskStatus::Syscall, ProcStatus::Running);
        self.transition(EventKind::GoSyscallEndBlocked, &[]);
        self.set_in_syscall(false);
        self.task.set(None);
    }

    /// A task appears in a system call, as when foreign code calls in.
    pub fn task_create_in_syscall(&self, new: &'e TaskTrace) {
        new.mention(self.epoch);
        self.transition(EventKind::GoCreateSyscall, &[new.id()]);
        self.set_in_syscall(true);
        self.task.set(Some(new));
    }

    /// The task that is in a system call ends, and the thread's proc, if it
    /// still had one, is up for stealing.
    pub fn task_end_in_syscall(&self) {
        self.mention_task(TaskStatus::Syscall, |_| {});
        self.transition(EventKind::GoDestroySyscall, &[]);
        self.set_in_syscall(false);
        self.task.set(None);
        self.proc.set(None);
    }

    #[inline]
    fn set_in_syscall(&self, is: bool) {
        self.worker.in_syscall.set(if is { self.epoch } else { 0 });
    }

    /// The thread is gone: ends its task, whose ID and latest mention are known,
    /// and stops its proc. From a system call only the task goes.
    fn close(&self, task: Option<(u64, u64)>, in_syscall: bool) {
        self.mention_proc(ProcStatus::Running);
        if let Some((id, mentioned)) = task {
            let (status, end) = if in_syscall {
                (TaskStatus::Syscall, EventKind::GoDestroySyscall)
            } else {
                (TaskStatus::Running, EventKind::GoDestroy)
            };
            if mentioned != self.epoch {
                let args = [id, self.worker.id(), status as u64];
                self.own(EventKind::GoStatus, &args);
            }
            self.own(end, &[]);
        }
        if self.proc.take().is_some() {
            self.own(EventKind::ProcStop, &[]);
        }
    }
}

/// Writing.
impl<'e, 't> Emit<'e, 't> {
    #[inline]
    fn mention_running(&self) {
        self.mention(TaskStatus::Running, ProcStatus::Running);
    }

    /// Writes the statuses of what this thread holds, if the generation has
    /// not got them.
    #[inline]
    fn mention(&self, task: TaskStatus, proc: ProcStatus) {
        self.mention_proc(proc);
        self.mention_task(task, |_| {});
    }

    #[inline]
    fn mention_proc(&self, status: ProcStatus) {
        if let Some(proc) = self.proc.get() {
            self.mention_this_proc(proc, status);
        }
    }

    #[inline]
    fn mention_task(&self, status: TaskStatus, stack: impl FnOnce(&mut Pcs)) {
        if let Some(task) = self.task.get() {
            self.mention_this_task(task, status, stack);
        }
    }

    #[inline]
    fn mention_this_proc(&self, proc: &ProcTrace, status: ProcStatus) {
        if proc.latest_mention() != self.epoch {
            self.first_mention_of_proc(proc, status);
        }
    }

    #[cold]
    fn first_mention_of_proc(&self, proc: &ProcTrace, status: ProcStatus) {
        proc.mention(self.epoch);
        self.own(
            EventKind::ProcStatus,
            &[u64::from(proc.id()), status as u64],
        );
    }

    #[inline]
    fn mention_this_task(
        &self,
        task: &TaskTrace,
        status: TaskStatus,
        stack: impl FnOnce(&mut Pcs),
    ) {
        if task.latest_mention() != self.epoch {
            self.first_mention_of_task(task, status, stack);
        }
    }

    #[cold]
    fn first_mention_of_task(
        &self,
        task: &TaskTrace,
        status: TaskStatus,
        stack: impl FnOnce(&mut Pcs),
    ) {
        // Asked before anything is noted, since it may unwind.
        let mut pcs = Pcs::logical();
        stack(&mut pcs);
        task.mention(self.epoch);
        let thread = match status {
            TaskStatus::Running | TaskStatus::Syscall => self.worker.id(),
            TaskStatus::Runnable | TaskStatus::Waiting => trace_format::limits::NO_THREAD,
        };
        let args = [task.id(), thread, status as u64, self.stack(&pcs).0.0];
        match args[3] {
            0 => self.own(EventKind::GoStatus, &args[..3]),
            _ => self.own(EventKind::GoStatusStack, &args),
        }
    }

    /// Writes what the generation has yet to say from a running task: how many
    /// procs there are, and what was lost.
    #[inline]
    fn write_notes(&self) {
        // Relaxed: whoever finds the note due takes it, once; there is nothing
        // behind it but figures.
        if self.worker.shared.notes_due.load(Ordering::Relaxed) == self.epoch {
            self.write_due_notes();
        }
    }

    #[cold]
    fn write_due_notes(&self) {
        let shared = self.worker.shared;
        if self.proc.get().is_none()
            || self.task.get().is_none()
            || shared
                .notes_due
                // Relaxed: as above.
                .compare_exchange(self.epoch, 0, Ordering::Relaxed, Ordering::Relaxed)
                .is_err()
        {
            return;
        }
        // Relaxed: a figure.
        let procs = shared.procs.load(Ordering::Relaxed);
        // If these cannot be written, the figures are still in the API.
        let _ = self.write(EventKind::ProcsChange, &[u64::from(procs), 0]);
        if let Some(losses) = shared.losses.take_unreported()
            && let Ok(message) = self.emit_string(<Text>::of(&losses).as_str())
        {
            // Relaxed: written before the epoch that `enter` has acquired.
            let category = shared.note_category.load(Ordering::Relaxed);
            let _ = self.write(EventKind::UserLog, &[0, category, message.0, 0]);
        }
    }

    /// Writes an event without which the trace would not be true.
    #[inline(always)]
    fn transition(&self, kind: EventKind, args: &[u64]) {
        if let Err(refused) = self.write(kind, args) {
            self.end_early(refused);
        }
    }

    /// As [`transition`](Self::transition), for what the tracer says by itself:
    /// if it cannot be written, the event that needs it is what is lost.
    #[inline(always)]
    fn own(&self, kind: EventKind, args: &[u64]) {
        if let Err(refused) = self.write(kind, args) {
            self.lose_status(refused);
        }
    }

    /// Writes an event without which the trace is still true.
    #[inline(always)]
    fn droppable(&self, kind: EventKind, args: &[u64]) {
        if let Err(refused) = self.write(kind, args) {
            self.lose(refused);
        }
    }

    #[inline(always)]
    fn write(&self, kind: EventKind, args: &[u64]) -> Result<(), NoMemory> {
        let worker = self.worker;
        let latest = worker.latest.get();
        let time = worker.shared.clock(self.epoch).now().max(latest);
        // SAFETY: this is the slot's thread (`Worker` is not `Sync`), between
        // `enter`, which returned this epoch, and `leave`; and writing an event
        // does not come back here.
        let written = unsafe {
            worker.slot.with_buffer(self.epoch, |buffer| match buffer {
                Some(batch) => batch.append_timed(kind, time - latest, args),
                None => false,
            })
        };
        if !written {
            self.write_first(kind, time, args)?;
        }
        worker.latest.set(time);
        worker.slot.count_event();
        Ok(())
    }

    /// Writes the first event of another batch.
    #[cold]
    fn write_first(&self, kind: EventKind, time: u64, args: &[u64]) -> Result<(), NoMemory> {
        let worker = self.worker;
        let stream = Stream {
            shared: worker.shared,
            env: worker.shared.env(&worker.held),
            epoch: self.epoch,
            thread: worker.slot.id(),
            offer: Some(worker.slot.offer(self.epoch)),
            latest: &worker.latest,
        };
        // SAFETY: as in `write`.
        unsafe {
            worker.slot.with_buffer(self.epoch, |buffer| {
                stream.write_first(buffer, kind, time, args)
            })
        }
    }

    #[cold]
    fn end_early(&self, refused: NoMemory) {
        self.lose(refused);
        self.worker.shared.end_early(self.epoch, End::Memory);
    }

    /// Counts an event that is lost.
    #[cold]
    fn lose(&self, refused: NoMemory) {
        let worker = self.worker;
        match worker.statusless.replace((0, Loss::AfterEnd)) {
            (epoch, cause) if epoch == self.epoch => worker.shared.lose(epoch, cause, 1),
            _ => worker
                .shared
                .lose_event(self.epoch, refused, &worker.shared.env(&worker.held)),
        }
    }

    /// Ends the trace where a status cannot be written.
    #[cold]
    fn lose_status(&self, refused: NoMemory) {
        let worker = self.worker;
        let shared = worker.shared;
        if !shared.has_ended_early(self.epoch) {
            let cause = shared.why_lost(self.epoch, refused, &shared.env(&worker.held));
            worker.statusless.set((self.epoch, cause));
        }
        shared.end_early(self.epoch, End::Memory);
    }
}
