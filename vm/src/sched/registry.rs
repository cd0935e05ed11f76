//! All live tasks, for whoever has to visit every one: the tracer when a
//! generation ends, and the report of a deadlock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::sync::lock;
use crate::task::Task;

/// How many parts there are, each behind a lock of its own; a power of two.
const SHARDS: usize = 64;

/// The live tasks, in parts by their number.
pub(crate) struct Registry {
    shards: [Shard; SHARDS],
    last_id: AtomicU64,
}

/// Alone in its cache lines, since workers spawn at the same time.
#[derive(Default)]
#[repr(align(128))]
struct Shard(Mutex<Slots>);

#[derive(Default)]
struct Slots {
    tasks: Vec<Option<Arc<Task>>>,
    free: Vec<u32>,
}

impl Registry {
    pub(crate) fn new() -> Self {
        Registry {
            shards: std::array::from_fn(|_| Shard::default()),
            last_id: AtomicU64::new(0),
        }
    }

    /// A number that no task has had, from 1 on.
    pub(crate) fn new_id(&self) -> u64 {
        // Relaxed: it only has to be unique.
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Adds a task, before anybody else knows it.
    pub(crate) fn add(&self, task: &Arc<Task>) {
        let mut slots = lock(&self.shard(task).0);
        let slot = match slots.free.pop() {
            Some(slot) => {
                slots.tasks[slot as usize] = Some(Arc::clone(task));
                slot
            }
            None => {
                slots.tasks.push(Some(Arc::clone(task)));
                u32::try_from(slots.tasks.len() - 1).expect("fewer than 2^32 tasks in a shard")
            }
        };
        // Relaxed: read under the same lock.
        task.slot.store(slot, Ordering::Relaxed);
    }

    /// Removes a task that has ended.
    pub(crate) fn remove(&self, task: &Task) {
        let mut slots = lock(&self.shard(task).0);
        // Relaxed: written under the same lock.
        let slot = task.slot.load(Ordering::Relaxed);
        slots.free.push(slot);
        let removed = slots.tasks[slot as usize].take();
        drop(slots);
        // The last reference may free a lot, and does so outside the lock.
        drop(removed);
    }

    /// Visits every task, with the lock of its part held.
    pub(crate) fn each(&self, mut visit: impl FnMut(&Task)) {
        for shard in &self.shards {
            lock(&shard.0)
                .tasks
                .iter()
                .flatten()
                .for_each(|task| visit(task));
        }
    }

    /// Takes all tasks out.
    pub(crate) fn drain(&self) -> impl Iterator<Item = Arc<Task>> {
        self.shards
            .iter()
            .flat_map(|shard| std::mem::take(&mut *lock(&shard.0)).tasks)
            .flatten()
    }

    fn shard(&self, task: &Task) -> &Shard {
        &self.shards[task.id as usize % SHARDS]
    }
}
