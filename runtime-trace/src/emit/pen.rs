//! Writing one thread's events into one generation, when it is not as usual.
//!
//! What happens nearly always is inlined into the scheduler: one look each at
//! whether the thread knows the epoch, whether it holds what it held, and whether
//! the batch has room ([`Now`](super::now::Now)), and then the bytes. All else is
//! here, out of the way, in functions that take a [`Pen`] by value, so that nothing
//! of an emission needs to be in memory.

use core::cell::Cell;

use trace_format::{EventKind, ProcStatus, TaskStatus};

use super::Worker;
use super::recent::mix;
use crate::clock::Moment;
use crate::loss::{Loss, Text};
use crate::map::{Id, Vacant};
use crate::pages::NoMemory;
use crate::queue::parity;
use crate::shared::End;
use crate::stacks::Pcs;
use crate::status::{ProcTrace, TaskTrace};
use crate::strings::StringTable;
use crate::sync::Ordering;
use crate::thread::Stream;

/// A thread between `enter` and `leave`, and the epoch that it may write into.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pen<'e, 't> {
    pub(super) worker: &'e Worker<'t>,
    pub(super) epoch: u64,
}

/// Interning.
impl Pen<'_, '_> {
    /// The ID of a stack. Without memory for it, no stack, which is counted.
    #[inline]
    pub(super) fn stack(self, pcs: &Pcs) -> Id {
        if pcs.is_empty() {
            return Id::EMPTY;
        }
        // SAFETY: the caller writes into this epoch, and whatever is kept here is
        // of its stack table.
        let recent = unsafe { self.worker.stacks.id(self.epoch, pcs.mix(), pcs.as_bytes()) };
        match recent {
            Some(id) => id,
            None => self.find_stack(pcs),
        }
    }

    #[inline(never)]
    fn find_stack(self, pcs: &Pcs) -> Id {
        let stacks = &self.worker.shared.tables(self.epoch).stacks;
        match stacks.find(pcs) {
            // SAFETY: the node is of this epoch's stack table, into which the caller
            // may write.
            Ok(node) => unsafe { self.worker.stacks.keep(self.epoch, pcs.mix(), node) },
            Err(vacant) => self.new_stack(vacant, pcs),
        }
    }

    #[cold]
    fn new_stack(self, vacant: Vacant<'_>, pcs: &Pcs) -> Id {
        let shared = self.worker.shared;
        let out = shared.out(self.epoch, &shared.env(&self.worker.held));
        match shared.tables(self.epoch).stacks.add(vacant, pcs, &out) {
            Ok(id) => id,
            Err(_) => {
                shared.lose(self.epoch, Loss::Stack, 1);
                Id::EMPTY
            }
        }
    }

    /// Counts a stack that is not of this generation, and gives the number of none.
    #[cold]
    pub(super) fn refuse_stack(self) -> u64 {
        self.worker.shared.lose(self.epoch, Loss::ForeignStack, 1);
        Id::EMPTY.0
    }

    /// The ID of a string that is likely to come again, as a name. Longer ones
    /// than 1,024 bytes are cut.
    #[inline]
    pub(super) fn put_string(self, text: &str) -> Result<Id, NoMemory> {
        let names = &self.worker.names;
        // SAFETY: the caller writes into this epoch, and whatever is kept here is
        // of its string table.
        match unsafe { names.id(self.epoch, mix(text), text.as_bytes()) } {
            Some(id) => Ok(id),
            None => self.find_string(text),
        }
    }

    #[inline(never)]
    fn find_string(self, text: &str) -> Result<Id, NoMemory> {
        let shared = self.worker.shared;
        let strings = &shared.tables(self.epoch).strings;
        let text = StringTable::cut(text);
        match strings.find(text) {
            // SAFETY: the node is of this epoch's string table, into which the caller
            // may write.
            Ok(node) => Ok(unsafe { self.worker.names.keep(self.epoch, mix(text), node) }),
            Err(vacant) => {
                let out = shared.out(self.epoch, &shared.env(&self.worker.held));
                strings.add(vacant, text, &out)
            }
        }
    }

    /// The ID of a string that is unlikely to come again, as a message. It is
    /// written out and not kept.
    pub(super) fn emit_string(self, text: &str) -> Result<Id, NoMemory> {
        let shared = self.worker.shared;
        let out = shared.out(self.epoch, &shared.env(&self.worker.held));
        shared.tables(self.epoch).strings.emit(text, &out)
    }
}

/// Statuses and notes.
impl<'t> Pen<'_, 't> {
    /// Writes the statuses of what the thread holds, if the generation has not got
    /// them: these, or those that follow from what it holds and has said.
    #[inline(always)]
    pub(super) fn mention(
        self,
        proc: Option<&'t ProcTrace>,
        task: Option<&TaskTrace>,
        statuses: Option<(ProcStatus, TaskStatus)>,
    ) {
        if !self.knows(proc, task) {
            self.tell(proc, task, statuses);
        }
    }

    /// As [`mention`](Self::mention), for a thread that is about to hold a task.
    #[inline(always)]
    pub(super) fn mention_before_task(self, proc: Option<&'t ProcTrace>) {
        let now = &self.worker.now;
        if now.is_usual(self.epoch) && now.holds_proc(proc) {
            debug_assert!(proc.is_none_or(|p| p.latest_mention() == self.epoch));
        } else {
            self.tell_before_task(proc);
        }
    }

    /// Whether an event that needs a running task, or a proc at least, may be
    /// written; the generation has the statuses then. If not, it is counted as lost.
    #[inline(always)]
    pub(super) fn may_annotate(
        self,
        proc: Option<&'t ProcTrace>,
        task: Option<&TaskTrace>,
        needs_task: bool,
    ) -> bool {
        // Invariant 4 of `Now`: the task is in no system call.
        let usual = proc.is_some() && (task.is_some() || !needs_task) && self.knows(proc, task);
        usual || self.may_annotate_after_all(proc, task, needs_task)
    }

    #[cold]
    fn may_annotate_after_all(
        self,
        proc: Option<&'t ProcTrace>,
        task: Option<&TaskTrace>,
        needs_task: bool,
    ) -> bool {
        let in_syscall = self.worker.now.is_in_syscall(self.first_epoch());
        let may = proc.is_some() && (task.is_some() || !needs_task) && !in_syscall;
        if may {
            self.tell(proc, task, None);
        } else {
            self.worker.shared.lose(self.epoch, Loss::NoTask, 1);
        }
        may
    }

    /// Whether what the usual event looks at is known, and the thread holds these.
    /// Then the generation has their statuses (Invariant 3 of `Now`).
    #[inline(always)]
    fn knows(self, proc: Option<&ProcTrace>, task: Option<&TaskTrace>) -> bool {
        let now = &self.worker.now;
        let knows = now.is_usual(self.epoch) && now.holds(proc, task);
        debug_assert!(!knows || self.has_statuses(proc, task));
        knows
    }

    /// Whether the generation has the statuses of these.
    fn has_statuses(self, proc: Option<&ProcTrace>, task: Option<&TaskTrace>) -> bool {
        proc.is_none_or(|proc| proc.latest_mention() == self.epoch)
            && task.is_none_or(|task| task.latest_mention() == self.epoch)
    }

    #[cold]
    fn tell_before_task(self, proc: Option<&'t ProcTrace>) {
        // Whatever was said of a system call, or was not said of its end.
        self.worker.now.leave_syscall();
        self.tell(proc, None, None);
    }

    #[cold]
    fn tell(
        self,
        proc: Option<&'t ProcTrace>,
        task: Option<&TaskTrace>,
        statuses: Option<(ProcStatus, TaskStatus)>,
    ) {
        let now = &self.worker.now;
        if now.is(self.epoch) && now.holds(proc, task) {
            debug_assert!(self.has_statuses(proc, task));
            return;
        }
        let statuses = statuses.unwrap_or_else(|| now.statuses(self.first_epoch(), proc.is_some()));
        if let Some(proc) = proc {
            self.mention_proc(proc, statuses.0);
        }
        if let Some(task) = task {
            self.mention_task(task, statuses.1, |_| {});
        }
        now.tell(self.epoch, proc, task);
    }

    /// As a thread passes a checkpoint; `stack` is the running task's.
    pub(super) fn checkpoint(
        self,
        proc: Option<&'t ProcTrace>,
        task: Option<&TaskTrace>,
        stack: impl FnOnce(&mut Pcs),
    ) {
        let now = &self.worker.now;
        let statuses = now.statuses(self.first_epoch(), proc.is_some());
        if let Some(proc) = proc {
            self.mention_proc(proc, statuses.0);
        }
        if let Some(task) = task {
            self.mention_task(task, statuses.1, stack);
        }
        now.tell(self.epoch, proc, task);
    }

    fn first_epoch(self) -> u64 {
        // Relaxed: written before the epoch that `enter` has acquired.
        self.worker.shared.first_epoch.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn mention_proc(self, proc: &ProcTrace, status: ProcStatus) {
        if proc.latest_mention() != self.epoch {
            self.first_mention_of_proc(proc, status);
        }
    }

    #[cold]
    fn first_mention_of_proc(self, proc: &ProcTrace, status: ProcStatus) {
        proc.mention(self.epoch);
        self.own(
            EventKind::ProcStatus,
            &[u64::from(proc.id()), status as u64],
        );
    }

    #[inline]
    pub(super) fn mention_task(
        self,
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
        self,
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
        let args = [task.id(), thread, status as u64];
        match self.stack(&pcs) {
            Id::EMPTY => self.own(EventKind::GoStatus, &args),
            Id(stack) => self.own(
                EventKind::GoStatusStack,
                &[args[0], args[1], args[2], stack],
            ),
        }
    }

    /// Writes what the generation has yet to say from a running task: how many
    /// procs there are, and what was lost. `runs` says whether one runs here.
    #[inline]
    pub(super) fn write_notes(self, runs: bool) {
        // Relaxed: the thread that finds the note due takes it, once; there is nothing
        // behind it but figures.
        if self.worker.shared.notes_due.load(Ordering::Relaxed) == self.epoch {
            self.write_due_notes(runs);
        }
    }

    #[cold]
    fn write_due_notes(self, runs: bool) {
        let shared = self.worker.shared;
        if !runs
            || self.worker.now.is_in_syscall(self.first_epoch())
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
        let _ = self.write(EventKind::ProcsChange, Moment::NONE, &[u64::from(procs), 0]);
        if let Some(losses) = shared.untold(self.epoch)
            && let Ok(message) = self.emit_string(<Text>::of(&losses).as_str())
        {
            // Relaxed: written before the epoch that `enter` has acquired.
            let category = shared.note_category.load(Ordering::Relaxed);
            let note = [0, category, message.0, 0];
            if self.write(EventKind::UserLog, Moment::NONE, &note).is_ok() {
                shared.generation_losses[parity(self.epoch)].tell(losses.total());
            }
        }
    }
}

/// Events.
impl Pen<'_, '_> {
    /// Writes what the tracer says by itself: if it cannot be written, the event
    /// that needs it is what is lost.
    pub(super) fn own(self, kind: EventKind, args: &[u64]) {
        if let Err(refused) = self.write(kind, Moment::NONE, args) {
            self.lose_status(refused);
        }
    }

    /// Writes an event, whatever the case: the system has the clock; or it is the
    /// first one in an epoch or a batch, has a large number, or time stood still.
    /// `now` is what the thread's clock says, if it was asked.
    #[cold]
    #[inline(never)]
    pub(super) fn write(self, kind: EventKind, now: Moment, args: &[u64]) -> Result<(), NoMemory> {
        let worker = self.worker;
        if worker.over.get() == self.epoch {
            return Err(NoMemory::System); // Why is asked of the trace, which has ended.
        }
        let clock = worker.shared.clock(self.epoch);
        let now = match now {
            Moment::NONE => clock.now(),
            now => worker.clock.time(now),
        };
        let latest = worker.clock.latest();
        if worker.now.is(self.epoch)
            && let Some(since) = now.checked_sub(latest)
            // SAFETY: as in `Emit::write`.
            && unsafe { worker.now.batch().append_timed(kind, since, args) }
        {
            worker.clock.set_latest(now);
            worker.slot.count_event();
            return Ok(());
        }
        worker.fence.set(worker.shared.threads.fence());
        worker.now.forget();
        let latest = Cell::new(latest);
        let stream = Stream {
            shared: worker.shared,
            env: worker.shared.env(&worker.held),
            epoch: self.epoch,
            thread: worker.slot.id(),
            offer: Some(worker.slot.offer(self.epoch)),
            latest: &latest,
        };
        // SAFETY: this is the slot's thread (`Worker` is not `Sync`), between
        // `enter`, which returned this epoch, and `leave`; and writing an event
        // does not come back here.
        unsafe {
            worker.slot.with_buffer(self.epoch, |buffer| {
                stream.write(buffer, kind, now, args)?;
                worker.clock.set_latest(latest.get());
                let counted = worker.clock.follow(clock);
                if let Some(batch) = buffer {
                    worker.now.learn(self.epoch, batch.lend(), counted);
                }
                Ok(())
            })?;
        }
        worker.slot.count_event();
        Ok(())
    }

    /// Invariant 1 of `Now`. (So models see that the fast way is to the buffer, too.)
    pub(super) fn knows_batch(self) -> bool {
        let known = self.worker.now.batch();
        // SAFETY: as in `write`.
        unsafe {
            self.worker.slot.with_buffer(self.epoch, |buffer| {
                buffer.as_ref().is_some_and(|own| own.lend() == known)
            })
        }
    }

    #[cold]
    pub(super) fn end_early(self, refused: NoMemory) {
        self.lose(refused);
        self.is_over();
    }

    /// The trace ends here. What this thread still says in its emission follows from
    /// what was lost.
    fn is_over(self) {
        self.worker.over.set(self.epoch);
        self.worker.now.forget();
        self.worker.shared.end_early(self.epoch, End::Memory);
    }

    /// Counts an event that is lost.
    #[cold]
    pub(super) fn lose(self, refused: NoMemory) {
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
    fn lose_status(self, refused: NoMemory) {
        let worker = self.worker;
        let shared = worker.shared;
        if !shared.has_ended_early(self.epoch) {
            let cause = shared.why_lost(self.epoch, refused, &shared.env(&worker.held));
            worker.statusless.set((self.epoch, cause));
        }
        self.is_over();
    }
}
