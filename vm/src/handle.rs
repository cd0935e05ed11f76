//! What remains of a task once it has ended: its result, for as long as
//! somebody can ask for it.
//!
//! A handle holds nothing of the task's own memory, so a task that ends gives
//! that back even if its handle is kept.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::bury::bury;
use crate::channel::Receiver;
use crate::copy::Message;
use crate::sync::{Mutex, MutexGuard, lock};
use crate::task::Task;
use crate::ticket::Waiter;

/// A task as other tasks know it.
pub(crate) struct Handle {
    task_id: u64,
    result: OnceLock<Message>,
    /// The tasks that wait for the result. Once there is one, nobody waits any
    /// more: both change under this lock.
    waiting: Mutex<Vec<Receiver>>,
}

/// What became of a join.
pub(crate) enum Joined<'h> {
    /// The result, to be copied.
    Result(&'h Message),
    /// The task is among those that wait. Once it is marked as waiting, the
    /// lock is given back.
    Wait(MutexGuard<'h, Vec<Receiver>>),
}

impl Handle {
    pub(crate) fn new(task_id: u64) -> Self {
        Handle {
            task_id,
            result: OnceLock::new(),
            waiting: Mutex::default(),
        }
    }

    pub(crate) fn task_id(&self) -> u64 {
        self.task_id
    }

    /// The result, if there is one already.
    pub(crate) fn result(&self) -> Option<&Message> {
        self.result.get()
    }

    /// Joins for `task`, into a register if it has to wait.
    pub(crate) fn join(&self, task: &Arc<Task>, into: u8) -> Joined<'_> {
        if let Some(result) = self.result.get() {
            return Joined::Result(result);
        }
        let mut waiting = lock(&self.waiting);
        match self.result.get() {
            Some(result) => Joined::Result(result),
            None => {
                waiting.push(Receiver {
                    waiter: Waiter::alone(task),
                    into,
                });
                Joined::Wait(waiting)
            }
        }
    }

    /// Sets the result and gives back all that waited for it, in their order;
    /// the caller hands each its copy and wakes it. Called once, by the task.
    pub(crate) fn finish(&self, result: Message) -> Vec<Receiver> {
        let mut waiting = lock(&self.waiting);
        let first = self.result.set(result).is_ok();
        debug_assert!(first, "a task ends once");
        std::mem::take(&mut waiting)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        bury(self.result.take());
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("task_id", &self.task_id)
            .finish_non_exhaustive()
    }
}
