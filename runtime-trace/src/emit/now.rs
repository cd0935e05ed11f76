//! What a thread knows of the epoch that it writes into, so that an event asks
//! for none of it again: which batch is its own, what its clock says, and that the
//! generation has the statuses of what the thread holds.
//!
//! # Invariants
//!
//! While a thread writes into an epoch, and `epoch` here is the same:
//!
//! 1. `batch` is the one in the slot's buffer of that epoch. A function that changes
//!    the buffer calls [`Now::forget`] first. (Those who take a batch away from a thread
//!    that is out have ended the epoch before, and none comes twice.)
//! 2. The worker's clock follows that epoch's.
//! 3. What the thread holds was told in that epoch (`told`), and its statuses are
//!    there: [`Now::tell`] is called behind the statuses, never before. (An
//!    emission that relies on this checks it, in debug builds.)
//! 4. `usual` is 0 while the thread's task is in a system call. So whatever may
//!    depend on that is decided out of the usual way.

use core::cell::Cell;
use core::ptr;

use trace_format::{ProcStatus, TaskStatus};

use crate::batch::Lent;
use crate::status::{ProcTrace, TaskTrace};

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Now<'t> {
    /// 0 if nothing is known of any.
    epoch: Cell<u64>,
    /// The same, or 0 if the system has to be asked for the time, or the thread's
    /// task is in a system call. The one word that the usual event looks at.
    usual: Cell<u64>,
    /// Whether the thread's own clock tells the time in `epoch`.
    counted: Cell<bool>,
    batch: Cell<Lent>,
    /// The epoch in which the trace was told last what the thread holds; 0 if it
    /// never was.
    told: Cell<u64>,
    proc: Cell<Option<&'t ProcTrace>>,
    /// The task's address, 0 if there is none, and its ID. Its state may be gone by
    /// the time that this is needed.
    task_at: Cell<usize>,
    task: Cell<u64>,
    /// The system call that the thread's task is in, as far as was said.
    syscall: Cell<Option<Syscall>>,
}

/// A system call that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Syscall {
    /// The epoch in which it was last said that the task is in it.
    said: u64,
    /// The status of a proc that the thread holds meanwhile.
    proc: ProcStatus,
}

impl<'t> Now<'t> {
    pub(super) const fn new() -> Self {
        Self {
            epoch: Cell::new(0),
            usual: Cell::new(0),
            counted: Cell::new(false),
            batch: Cell::new(Lent::NONE),
            told: Cell::new(0),
            proc: Cell::new(None),
            task_at: Cell::new(0),
            task: Cell::new(0),
            syscall: Cell::new(None),
        }
    }

    /// Whether this is about `epoch`, and the thread's own clock tells the time.
    #[inline(always)]
    pub(super) fn is_usual(&self, epoch: u64) -> bool {
        self.usual.get() == epoch
    }

    /// Whether this is about `epoch`.
    pub(super) fn is(&self, epoch: u64) -> bool {
        self.epoch.get() == epoch
    }

    #[inline(always)]
    pub(super) fn batch(&self) -> Lent {
        self.batch.get()
    }

    /// Knows this batch of `epoch`, unless what the thread holds is yet to be told.
    /// `counted` says whether the thread's own clock tells the time.
    pub(super) fn learn(&self, epoch: u64, batch: Lent, counted: bool) {
        if self.told.get() == epoch {
            self.epoch.set(epoch);
            self.counted.set(counted);
            self.batch.set(batch);
            self.set_usual();
        }
    }

    fn set_usual(&self) {
        let usual = self.counted.get() && self.syscall.get().is_none();
        self.usual.set(if usual { self.epoch.get() } else { 0 });
    }

    pub(super) fn forget(&self) {
        self.epoch.set(0);
        self.usual.set(0);
    }

    /// Whether the thread holds these, by what was told last.
    #[inline(always)]
    pub(super) fn holds(&self, proc: Option<&ProcTrace>, task: Option<&TaskTrace>) -> bool {
        self.holds_proc(proc) && self.task_at.get() == address(task)
    }

    /// As [`holds`](Self::holds), for the proc alone.
    #[inline(always)]
    pub(super) fn holds_proc(&self, proc: Option<&ProcTrace>) -> bool {
        address(self.proc.get()) == address(proc)
    }

    /// The thread holds these, which the generation of `epoch` has the statuses of.
    pub(super) fn tell(&self, epoch: u64, proc: Option<&'t ProcTrace>, task: Option<&TaskTrace>) {
        self.told.set(epoch);
        self.set_proc(proc);
        self.set_task(task);
    }

    /// The proc is another now, mentioned in the same epoch.
    #[inline(always)]
    pub(super) fn set_proc(&self, proc: Option<&'t ProcTrace>) {
        self.proc.set(proc);
    }

    /// The task is another now, mentioned in the same epoch.
    #[inline(always)]
    pub(super) fn set_task(&self, task: Option<&TaskTrace>) {
        self.task_at.set(address(task));
        if let Some(task) = task {
            self.task.set(task.id());
        }
    }

    /// The task of this thread is in a system call, as was said in `epoch`. A proc
    /// that the thread holds meanwhile has this status.
    pub(super) fn enter_syscall(&self, epoch: u64, proc: ProcStatus) {
        self.syscall.set(Some(Syscall { said: epoch, proc }));
        self.set_usual();
    }

    /// It is in none any more.
    pub(super) fn leave_syscall(&self) {
        self.syscall.set(None);
        self.set_usual();
    }

    /// Whether the thread's task is in a system call, by what was said since the
    /// epoch `first`: what an earlier file was told says nothing of now.
    pub(super) fn is_in_syscall(&self, first: u64) -> bool {
        self.syscall.get().is_some_and(|call| call.said >= first)
    }

    /// Whether the thread's task is in a system call in which the thread has a proc that
    /// nobody can steal, by what was said since the epoch `first`.
    pub(super) fn keeps_proc_in_syscall(&self, first: u64) -> bool {
        let call = self.syscall.get().filter(|call| call.said >= first);
        call.is_some_and(|call| call.proc == ProcStatus::Running)
    }

    /// The statuses of a proc and of a task that this thread holds now, by what was
    /// said since the epoch `first`. A task without a proc is in a system call.
    pub(super) fn statuses(&self, first: u64, has_proc: bool) -> (ProcStatus, TaskStatus) {
        match self.syscall.get() {
            Some(call) if call.said >= first => (call.proc, TaskStatus::Syscall),
            _ if has_proc => (ProcStatus::Running, TaskStatus::Running),
            _ => (ProcStatus::Running, TaskStatus::Syscall),
        }
    }

    /// When the trace was told what the thread holds, and what: the proc and the
    /// task's ID.
    pub(super) fn told(&self) -> (u64, Option<&'t ProcTrace>, Option<u64>) {
        let task = (self.task_at.get() != 0).then(|| self.task.get());
        (self.told.get(), self.proc.get(), task)
    }
}

fn address<T>(of: Option<&T>) -> usize {
    of.map_or(ptr::null(), ptr::from_ref).addr()
}
