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
//! 5. An [`Emit`] is short: nothing blocks or waits while it lives.
//!
//! An event that cannot be written for want of memory is dropped and counted
//! if the trace stays true without it (a log, a metric, a label). Otherwise
//! the trace ends there, complete; see [`AdvanceError::EndedEarly`].
//!
//! [`AdvanceError::EndedEarly`]: crate::AdvanceError::EndedEarly
//! [`Host::sweep`]: crate::Host::sweep

use core::cell::Cell;

use trace_format::{BlockReason, EventKind, ProcStatus, StopReason, TaskStatus, loss};

use crate::lock::Held;
use crate::loss::{Loss, Text};
use crate::map::Id;
use crate::pages::NoMemory;
use crate::shared::Shared;
use crate::stacks::Pcs;
use crate::status::{ProcTrace, TaskTrace};
use crate::sync::Ordering;
use crate::thread::{Slot, Stream};

/// What a thread holds, as the trace knows it.
#[derive(Clone, Copy, Debug)]
struct Bound<'t> {
    /// The first epoch of the file that knows it.
    file: u64,
    proc: Option<&'t ProcTrace>,
    /// The task's ID, and the epoch of its latest mention. Its state may be
    /// gone by the time that this is needed.
    task: Option<(u64, u64)>,
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
    shared: &'t Shared,
    slot: &'t Slot,
    held: Held,
    /// Time of this thread's latest event.
    latest: Cell<u64>,
    bound: Cell<Bound<'t>>,
    /// The first epoch of the file in which this thread's task entered the
    /// system call that it is in; 0 if it is in none.
    in_syscall: Cell<u64>,
}

impl<'t> Worker<'t> {
    /// Registers the calling thread.
    pub(crate) fn register(shared: &'t Shared) -> Result<Self, NoMemory> {
        let held = Held::new();
        let slot = shared
            .threads
            .claim(&shared.env(&held))
            .map_err(|_| NoMemory)?;
        Ok(Self {
            shared,
            slot,
            held,
            latest: Cell::new(0),
            bound: Cell::new(Bound {
                file: 0,
                proc: None,
                task: None,
            }),
            in_syscall: Cell::new(0),
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
        if self.shared.epoch.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.acquire_enabled(proc, task)
    }

    fn acquire_enabled<'e>(
        &'e self,
        proc: Option<&'t ProcTrace>,
        task: Option<&'e TaskTrace>,
    ) -> Option<Emit<'e, 't>> {
        if self.slot.is_writing() {
            self.shared.losses.add(Loss::Reentrant);
            return None;
        }
        let epoch = self.slot.enter(&self.shared.epoch)?;
        Some(Emit {
            worker: self,
            epoch,
            proc: Cell::new(proc),
            task: Cell::new(task),
        })
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
            emit.mention_proc(ProcStatus::Running);
            emit.mention_task(TaskStatus::Running, stack);
            emit.write_notes();
        }
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        let bound = self.bound.get();
        // What was entered in an earlier file was left untraced.
        let in_syscall = self.in_syscall.get() == bound.file && bound.file != 0;
        let proc = bound.proc.filter(|_| !in_syscall);
        if let Some(emit) = self.acquire(proc, None) {
            // Relaxed: written before the epoch that `acquire` has acquired.
            if bound.file == self.shared.first_epoch.load(Ordering::Relaxed) {
                emit.close(bound.task, in_syscall);
            }
            let out = self.shared.out(emit.epoch, &self.shared.env(&self.held));
            // SAFETY: this is the slot's thread, within `emit`, and no other
            // use of the buffer is in progress.
            let left = unsafe { self.slot.with_buffer(emit.epoch, Option::take) };
            if let Some(batch) = left {
                out.push_full(batch);
            }
        }
        self.slot.give_up();
    }
}

/// A stack's ID, good for the [`Emit`] that gave it.
#[derive(Clone, Copy, Debug)]
pub struct StackId<'i>(Id, core::marker::PhantomData<&'i ()>);

/// A string's ID, good for the [`Emit`] that gave it.
#[derive(Clone, Copy, Debug)]
pub struct StringId<'i>(Id, core::marker::PhantomData<&'i ()>);

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
    fn drop(&mut self) {
        self.worker.bound.set(Bound {
            // Relaxed: written before the epoch that `enter` has acquired.
            file: self.worker.shared.first_epoch.load(Ordering::Relaxed),
            proc: self.proc.get(),
            task: self
                .task
                .get()
                .map(|task| (task.id(), task.latest_mention())),
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
    pub fn stack(&self, pcs: &Pcs) -> StackId<'_> {
        let shared = self.worker.shared;
        let env = shared.env(&self.worker.held);
        match shared.tables(self.epoch).stacks.put(pcs, &env) {
            Ok(id) => StackId(id, core::marker::PhantomData),
            Err(_) => {
                shared.losses.add(Loss::Stack);
                StackId::NONE
            }
        }
    }

    /// The ID of a string that is likely to come again, as a name. Longer ones
    /// than 1,024 bytes are cut. `None` without memory for it.
    pub fn string(&self, text: &str) -> Option<StringId<'_>> {
        let shared = self.worker.shared;
        let out = shared.out(self.epoch, &shared.env(&self.worker.held));
        let id = shared.tables(self.epoch).strings.put(text, &out).ok()?;
        Some(StringId(id, core::marker::PhantomData))
    }

    /// The ID of a string that is unlikely to come again, as a message. It is
    /// written out and not kept.
    pub fn unique_string(&self, text: &str) -> Option<StringId<'_>> {
        let shared = self.worker.shared;
        let out = shared.out(self.epoch, &shared.env(&self.worker.held));
        let id = shared.tables(self.epoch).strings.emit(text, &out).ok()?;
        Some(StringId(id, core::marker::PhantomData))
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
    pub fn task_create(&self, new: &TaskTrace, entry: StackId<'_>, stack: StackId<'_>) {
        self.create(EventKind::GoCreate, new, entry, stack);
    }

    /// As [`task_create`](Self::task_create), for a task that starts blocked.
    pub fn task_create_blocked(&self, new: &TaskTrace, entry: StackId<'_>, stack: StackId<'_>) {
        self.create(EventKind::GoCreateBlocked, new, entry, stack);
    }

    fn create(&self, kind: EventKind, new: &TaskTrace, entry: StackId<'_>, stack: StackId<'_>) {
        self.mention_running();
        new.mention(self.epoch); // Its creation is its first mention.
        self.transition(kind, &[new.id(), entry.0.0, stack.0.0]);
    }

    /// A runnable task has started to run on this thread's proc.
    pub fn task_start(&self, task: &'e TaskTrace) {
        self.mention_proc(ProcStatus::Running);
        self.mention_this_task(task, TaskStatus::Runnable, |_| {});
        self.transition(EventKind::GoStart, &[task.id(), task.next_sequence()]);
        self.set_in_syscall(false);
        self.task.set(Some(task));
        self.write_notes();
    }

    /// The running task gives up its proc and stays runnable.
    pub fn task_stop(&self, reason: StopReason, stack: StackId<'_>) {
        self.mention_running();
        let reason = self.worker.shared.tables(self.epoch).stop_reason(reason);
        self.transition(EventKind::GoStop, &[reason.0, stack.0.0]);
        self.task.set(None);
    }

    /// The running task blocks.
    pub fn task_block(&self, reason: BlockReason, stack: StackId<'_>) {
        self.mention_running();
        let reason = self.worker.shared.tables(self.epoch).block_reason(reason);
        self.transition(EventKind::GoBlock, &[reason.0, stack.0.0]);
        self.task.set(None);
    }

    /// A blocked task becomes runnable. `waits_at` is asked for its stack, leaf
    /// first, if this is its first mention in the generation; `stack` is the
    /// waker's.
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
    pub fn task_switch(&self, next: &'e TaskTrace, waits_at: impl FnOnce(&mut Pcs)) {
        self.switch(EventKind::GoSwitch, next, waits_at);
    }

    /// As [`task_switch`](Self::task_switch), and the running task ends.
    pub fn task_switch_end(&self, next: &'e TaskTrace, waits_at: impl FnOnce(&mut Pcs)) {
        self.switch(EventKind::GoSwitchDestroy, next, waits_at);
    }

    fn switch(&self, kind: EventKind, next: &'e TaskTrace, waits_at: impl FnOnce(&mut Pcs)) {
        self.mention_this_task(next, TaskStatus::Waiting, waits_at);
        self.mention_running();
        self.transition(kind, &[next.id(), next.next_sequence()]);
        self.task.set(Some(next));
    }

    /// The running task ends.
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

    fn set_in_syscall(&self, is: bool) {
        let worker = self.worker;
        // Relaxed: written before the epoch that `enter` has acquired.
        let file = worker.shared.first_epoch.load(Ordering::Relaxed);
        worker.in_syscall.set(if is { file } else { 0 });
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
                self.transition(EventKind::GoStatus, &args);
            }
            self.transition(end, &[]);
        }
        if self.proc.take().is_some() {
            self.transition(EventKind::ProcStop, &[]);
        }
    }
}

/// Annotations and figures.
impl Emit<'_, '_> {
    /// The running task enters a region; `user_task` is 0 for none.
    pub fn region_begin(&self, user_task: u64, name: &str, stack: StackId<'_>) {
        self.region(EventKind::UserRegionBegin, user_task, name, stack);
    }

    /// The running task leaves the region that it entered last.
    pub fn region_end(&self, user_task: u64, name: &str, stack: StackId<'_>) {
        self.region(EventKind::UserRegionEnd, user_task, name, stack);
    }

    fn region(&self, kind: EventKind, user_task: u64, name: &str, stack: StackId<'_>) {
        self.mention_running();
        // A region's begin and end must agree, so neither is dropped singly.
        match self.string(name) {
            Some(name) => self.transition(kind, &[user_task, name.0.0, stack.0.0]),
            None => self.end_early(),
        }
    }

    /// A user task begins. `id` is 1 or more, and used once; `parent` is 0 for
    /// none.
    pub fn user_task_begin(&self, id: u64, parent: u64, name: &str, stack: StackId<'_>) {
        self.mention_running();
        match self.string(name) {
            Some(name) => {
                self.transition(EventKind::UserTaskBegin, &[id, parent, name.0.0, stack.0.0])
            }
            None => self.end_early(),
        }
    }

    /// A user task ends.
    pub fn user_task_end(&self, id: u64, stack: StackId<'_>) {
        self.mention_running();
        self.transition(EventKind::UserTaskEnd, &[id, stack.0.0]);
    }

    /// The running task logs a message, for a user task or for none (0).
    pub fn log(&self, user_task: u64, category: &str, message: &str, stack: StackId<'_>) {
        self.mention_running();
        match (self.string(category), self.unique_string(message)) {
            (Some(category), Some(message)) => self.droppable(
                EventKind::UserLog,
                &[user_task, category.0.0, message.0.0, stack.0.0],
            ),
            _ => self.worker.shared.losses.add(Loss::NoMemory),
        }
    }

    /// Labels the running task.
    pub fn label(&self, label: &str) {
        self.mention_running();
        match self.string(label) {
            Some(label) => self.droppable(EventKind::GoLabel, &[label.0.0]),
            None => self.worker.shared.losses.add(Loss::NoMemory),
        }
    }

    /// Bytes live on the heap. Needs a proc.
    pub fn heap_alloc(&self, bytes: u64) {
        self.mention_running();
        self.droppable(EventKind::HeapAlloc, &[bytes]);
    }

    /// Bytes at which the next collection is due. Needs a proc.
    pub fn heap_goal(&self, bytes: u64) {
        self.mention_running();
        self.droppable(EventKind::HeapGoal, &[bytes]);
    }

    /// The running task has stopped the world; `kind` says what for.
    ///
    /// Tracing does not start between this and
    /// [`stop_the_world_end`](Self::stop_the_world_end): readers refuse an end
    /// whose begin they have not seen.
    pub fn stop_the_world_begin(&self, kind: &str, stack: StackId<'_>) {
        self.mention_running();
        match self.string(kind) {
            Some(kind) => self.transition(EventKind::STWBegin, &[kind.0.0, stack.0.0]),
            None => self.end_early(),
        }
    }

    /// The world goes on.
    pub fn stop_the_world_end(&self) {
        self.mention_running();
        self.transition(EventKind::STWEnd, &[]);
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
        if proc.mention(self.epoch) {
            self.transition(
                EventKind::ProcStatus,
                &[u64::from(proc.id()), status as u64],
            );
        }
    }

    #[inline]
    fn mention_this_task(
        &self,
        task: &TaskTrace,
        status: TaskStatus,
        stack: impl FnOnce(&mut Pcs),
    ) {
        if !task.mention(self.epoch) {
            return;
        }
        let mut pcs = Pcs::logical();
        stack(&mut pcs);
        let thread = match status {
            TaskStatus::Running | TaskStatus::Syscall => self.worker.id(),
            TaskStatus::Runnable | TaskStatus::Waiting => trace_format::limits::NO_THREAD,
        };
        let args = [task.id(), thread, status as u64, self.stack(&pcs).0.0];
        match args[3] {
            0 => self.transition(EventKind::GoStatus, &args[..3]),
            _ => self.transition(EventKind::GoStatusStack, &args),
        }
    }

    /// Writes what the generation has yet to say from a running task: how many
    /// procs there are, and what was lost.
    fn write_notes(&self) {
        let shared = self.worker.shared;
        // Relaxed: whoever finds the note due takes it, once; there is nothing
        // behind it but figures.
        if shared.notes_due.load(Ordering::Relaxed) != self.epoch
            || self.proc.get().is_none()
            || self.task.get().is_none()
            || shared
                .notes_due
                .compare_exchange(self.epoch, 0, Ordering::Relaxed, Ordering::Relaxed)
                .is_err()
        {
            return;
        }
        // Relaxed: a figure.
        let procs = shared.procs.load(Ordering::Relaxed);
        self.droppable(EventKind::ProcsChange, &[u64::from(procs), 0]);
        if let Some(losses) = shared.losses.take_unreported() {
            let text = Text::<256>::of(&losses);
            self.log(0, loss::CATEGORY, text.as_str(), StackId::NONE);
        }
    }

    /// Writes an event without which the trace would not be true.
    #[inline]
    fn transition(&self, kind: EventKind, args: &[u64]) {
        if self.write(kind, args).is_err() {
            self.end_early();
        }
    }

    /// Writes an event without which the trace is still true.
    #[inline]
    fn droppable(&self, kind: EventKind, args: &[u64]) {
        if self.write(kind, args).is_err() {
            self.count_lost();
        }
    }

    #[inline]
    fn write(&self, kind: EventKind, args: &[u64]) -> Result<(), NoMemory> {
        let worker = self.worker;
        let stream = Stream {
            shared: worker.shared,
            env: worker.shared.env(&worker.held),
            epoch: self.epoch,
            thread: worker.slot.id(),
            latest: &worker.latest,
        };
        // SAFETY: this is the slot's thread (`Worker` is not `Sync`), between
        // `enter`, which returned this epoch, and `leave`; and writing an event
        // does not come back here.
        let written = unsafe {
            worker
                .slot
                .with_buffer(self.epoch, |buffer| stream.write(buffer, kind, args))
        };
        if written.is_ok() {
            worker.slot.count_event();
        }
        written
    }

    #[cold]
    fn end_early(&self) {
        self.count_lost();
        self.worker.shared.end_early(self.epoch);
    }

    #[cold]
    fn count_lost(&self) {
        let shared = self.worker.shared;
        shared.losses.add(if shared.has_ended_early(self.epoch) {
            Loss::AfterEnd
        } else {
            Loss::NoMemory
        });
    }
}
