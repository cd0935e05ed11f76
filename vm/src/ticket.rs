//! Tasks in queues, also in several at once.
//!
//! A task that waits in a `select` is in a queue of each of its channels and
//! perhaps among the sleepers. All these entries share one [`Ticket`], and
//! whoever takes an entry out must claim the ticket before it may wake the task:
//! one of them wins, the others pass the entry over. The winner takes the rest
//! of the entries out before the task runs again, so that no queue grows by
//! what waits no more.
//!
//! # Invariants
//!
//! 1. The task is marked as waiting before any of its entries can be taken out,
//!    since it keeps all the queues locked until then.
//! 2. A ticket is claimed once.

use std::sync::Arc;

use crate::channel::{Channel, Place};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::task::Task;
use crate::trace::Resume;

/// The right to wake a task that waits in several queues.
#[derive(Debug, Default)]
pub(crate) struct Ticket {
    claimed: AtomicBool,
}

/// A task in a queue.
pub(crate) struct Waiter {
    pub(crate) task: Arc<Task>,
    arm: Option<Arm>,
}

/// What an entry stands for, if the task is in other queues too.
#[derive(Clone)]
struct Arm {
    ticket: Arc<Ticket>,
    /// Where the task goes on if it is woken through this entry.
    resume: u32,
}

/// Where a task waits that is in a `select`.
#[derive(Debug)]
pub(crate) struct Selecting {
    /// Its places in the queues of channels.
    pub(crate) channels: Box<[(Arc<Channel>, Place)]>,
    /// Its place among the sleepers.
    pub(crate) timer: Option<(u64, u64)>,
}

impl Waiter {
    /// A task that waits in this queue alone.
    #[inline]
    pub(crate) fn alone(task: &Arc<Task>) -> Self {
        Waiter {
            task: Arc::clone(task),
            arm: None,
        }
    }

    /// A task that goes on at `resume` if it is woken through this entry.
    pub(crate) fn select(task: &Arc<Task>, ticket: &Arc<Ticket>, resume: u32) -> Self {
        Waiter {
            task: Arc::clone(task),
            arm: Some(Arm {
                ticket: Arc::clone(ticket),
                resume,
            }),
        }
    }

    /// Whether the caller, who has taken the entry out, is the one to wake the
    /// task. Asked once for an entry.
    #[inline]
    pub(crate) fn claim(&self) -> bool {
        // Relaxed: it picks one of several and orders nothing; the task's
        // memory goes by its state, the queues by their locks.
        self.arm
            .as_ref()
            .is_none_or(|arm| !arm.ticket.claimed.swap(true, Ordering::Relaxed))
    }

    /// Where the task goes on once the waker has done its instruction's work.
    #[inline]
    pub(crate) fn resume(&self) -> Resume {
        self.arm
            .as_ref()
            .map_or(Resume::After, |arm| Resume::At(arm.resume))
    }
}
