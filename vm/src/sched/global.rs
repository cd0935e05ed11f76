//! The queue that belongs to no proc: for what a proc's own has no room for.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::sync::lock;
use crate::task::Task;

/// A queue under a lock, with a look at its length without.
pub(crate) struct Global {
    length: AtomicUsize,
    queue: Mutex<VecDeque<Arc<Task>>>,
}

impl Global {
    pub(crate) fn new() -> Self {
        Global {
            length: AtomicUsize::new(0),
            queue: Mutex::default(),
        }
    }

    /// Whether there was nothing in it a moment ago.
    pub(crate) fn is_empty(&self) -> bool {
        // Relaxed: as for `Queue::is_empty`.
        self.length.load(Ordering::Relaxed) == 0
    }

    pub(crate) fn push(&self, tasks: Vec<Arc<Task>>) {
        let mut queue = lock(&self.queue);
        queue.extend(tasks);
        // Relaxed: as for `Queue::is_empty`; the lock orders the rest.
        self.length.store(queue.len(), Ordering::Relaxed);
    }

    /// Takes one to run, and `share` of what is left for a proc's own queue,
    /// which is called with the lock held.
    pub(crate) fn take(&self, share: Share, mut more: impl FnMut(Arc<Task>)) -> Option<Arc<Task>> {
        if self.is_empty() {
            return None;
        }
        let mut queue = lock(&self.queue);
        let first = queue.pop_front()?;
        let count = match share {
            Share::None => 0,
            Share::OneOf(procs) => {
                (queue.len() / procs.max(1)).min(super::queue::CAPACITY as usize / 2)
            }
        };
        queue.drain(..count).for_each(&mut more);
        // Relaxed: as for `Queue::is_empty`; the lock orders the rest.
        self.length.store(queue.len(), Ordering::Relaxed);
        Some(first)
    }
}

/// How much to take along.
#[derive(Clone, Copy)]
pub(crate) enum Share {
    None,
    /// What there is, divided by so many procs, but at most half a ring, so
    /// that an empty ring has room.
    OneOf(usize),
}
