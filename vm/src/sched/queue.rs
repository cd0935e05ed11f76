//! The run queue of a proc: a ring of 256 tasks that its owner fills and
//! empties, and from which others steal half.
//!
//! The owner pushes at the tail and pops at the head, so tasks run in the order
//! in which they became ready. (The design is that of Go's scheduler, which
//! tokio has as well.)
//!
//! # Invariants
//!
//! 1. `tail` is changed by the owner alone; `head` by whoever takes tasks out,
//!    with a compare-and-swap that hands them to that thread alone.
//! 2. `tail - head` is at most [`CAPACITY`], with both counting on for ever and
//!    wrapping around.
//! 3. The slots from `head` up to `tail` hold one reference each, made by
//!    `Arc::into_raw`. Moving `head` past a slot moves its reference to who
//!    moved it.
//! 4. The owner writes a slot only after it has seen `head` past its old
//!    content, so a thief that has read a slot too late fails its swap.

use std::sync::Arc;

use crate::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};

/// How many tasks a ring holds; a power of two. Models fill it sooner.
pub(crate) const CAPACITY: u32 = if cfg!(loom) { 4 } else { 256 };

const _: () = assert!(CAPACITY.is_power_of_two());

/// A ring, as everybody sees it.
pub(crate) struct Queue<T> {
    head: AtomicU32,
    tail: AtomicU32,
    slots: [AtomicPtr<T>; CAPACITY as usize],
    /// Whether the owner's end has been given out.
    owned: AtomicBool,
    /// The queue holds `Arc<T>`s.
    _holds: std::marker::PhantomData<Arc<T>>,
}

/// The owner's end of a ring. There is only one.
pub(crate) struct Owner<'q, T> {
    queue: &'q Queue<T>,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        Queue {
            head: AtomicU32::new(0),
            tail: AtomicU32::new(0),
            slots: std::array::from_fn(|_| AtomicPtr::new(std::ptr::null_mut())),
            owned: AtomicBool::new(false),
            _holds: std::marker::PhantomData,
        }
    }

    /// The owner's end, the first time.
    pub(crate) fn owner(&self) -> Option<Owner<'_, T>> {
        // Relaxed: only one thread gets `false`; nothing else depends on it.
        (!self.owned.swap(true, Ordering::Relaxed)).then_some(Owner { queue: self })
    }

    /// Whether there was nothing in it a moment ago.
    pub(crate) fn is_empty(&self) -> bool {
        // Relaxed, both: whoever must not miss what others push has a fence
        // before this; see the head of `idle`.
        self.head.load(Ordering::Relaxed) == self.tail.load(Ordering::Relaxed)
    }

    fn slot(&self, index: u32) -> &AtomicPtr<T> {
        &self.slots[(index % CAPACITY) as usize]
    }

    /// Tries to move `head` past `count` slots, whose references are then the
    /// caller's.
    fn take(&self, head: u32, count: u32) -> bool {
        self.head
            .compare_exchange_weak(
                head,
                head.wrapping_add(count),
                // Release: pairs with the owner's Acquire load of `head` in
                // `push`, so that it overwrites the slots after our reads.
                Ordering::Release,
                // Relaxed: after a failure everything is read anew.
                Ordering::Relaxed,
            )
            .is_ok()
    }
}

impl<T> Owner<'_, T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Puts `item` at the end. If there is no room, half of the ring goes to
    /// `overflow`, oldest first, and then `item`.
    pub(crate) fn push(&mut self, item: Arc<T>, overflow: impl FnOnce(Vec<Arc<T>>)) {
        let queue = self.queue;
        // Relaxed: the owner's own writes.
        let tail = queue.tail.load(Ordering::Relaxed);
        let pointer = Arc::into_raw(item).cast_mut();
        loop {
            // Acquire: pairs with the Release in `take` (Invariant 4).
            let head = queue.head.load(Ordering::Acquire);
            if tail.wrapping_sub(head) < CAPACITY {
                // Relaxed: published by the store to `tail`.
                queue.slot(tail).store(pointer, Ordering::Relaxed);
                // Release: pairs with the thieves' Acquire load of `tail`, so
                // that they see the slot and what it points to.
                queue.tail.store(tail.wrapping_add(1), Ordering::Release);
                return;
            }
            const HALF: u32 = CAPACITY / 2;
            // Relaxed: the owner wrote these slots itself.
            let mut half: Vec<_> = (0..HALF)
                .map(|i| queue.slot(head.wrapping_add(i)).load(Ordering::Relaxed))
                .collect();
            if queue.take(head, HALF) {
                half.push(pointer);
                overflow(
                    half.into_iter()
                        // SAFETY: the pointers come from `Arc::into_raw`; by
                        // Invariant 3 those of the slots are ours now, and the
                        // last one has not been stored anywhere.
                        .map(|pointer| unsafe { Arc::from_raw(pointer) })
                        .collect(),
                );
                return;
            }
        }
    }

    /// Takes the oldest.
    pub(crate) fn pop(&mut self) -> Option<Arc<T>> {
        let queue = self.queue;
        loop {
            // Relaxed: `take` decides whether it was still right, and the slots
            // were written by this owner, or by the one before it, who has
            // handed over the owner's end.
            let head = queue.head.load(Ordering::Relaxed);
            // Relaxed: the owner's own writes.
            if head == queue.tail.load(Ordering::Relaxed) {
                return None;
            }
            // Relaxed: as for `head`.
            let pointer = queue.slot(head).load(Ordering::Relaxed);
            if queue.take(head, 1) {
                // SAFETY: from `Arc::into_raw`, and ours by Invariant 3.
                return Some(unsafe { Arc::from_raw(pointer) });
            }
        }
    }

    /// Takes half of what `victim` has, oldest first: one to run, the others go
    /// into this ring, which is empty.
    pub(crate) fn steal(&mut self, victim: &Queue<T>) -> Option<Arc<T>> {
        let own = self.queue;
        // Relaxed: the owner's own writes.
        let tail = own.tail.load(Ordering::Relaxed);
        // Acquire: as in `push`, before this ring's slots are overwritten.
        if tail != own.head.load(Ordering::Acquire) {
            return self.pop();
        }
        loop {
            // Acquire: pairs with the Release in `take`; with it the `tail`
            // below is not older than this head.
            let head = victim.head.load(Ordering::Acquire);
            // Acquire: pairs with the Release store of `tail` in `push`.
            let filled = victim.tail.load(Ordering::Acquire).wrapping_sub(head);
            let count = filled - filled / 2;
            if count == 0 {
                return None;
            }
            if count > CAPACITY / 2 {
                // `head` has moved between the two loads.
                continue;
            }
            // Relaxed: the loads of `tail` and `head` order these; a slot that
            // was overwritten meanwhile makes `take` fail.
            let first = victim.slot(head).load(Ordering::Relaxed);
            for i in 1..count {
                let pointer = victim.slot(head.wrapping_add(i)).load(Ordering::Relaxed);
                // Relaxed: published by the store to `tail` below.
                own.slot(tail.wrapping_add(i - 1))
                    .store(pointer, Ordering::Relaxed);
            }
            if victim.take(head, count) {
                // Release: as in `push`.
                own.tail
                    .store(tail.wrapping_add(count - 1), Ordering::Release);
                // SAFETY: from `Arc::into_raw`, and ours by Invariant 3.
                return Some(unsafe { Arc::from_raw(first) });
            }
        }
    }
}

impl<T> Drop for Queue<T> {
    fn drop(&mut self) {
        // Relaxed, all: the borrow is exclusive.
        let mut head = self.head.load(Ordering::Relaxed);
        while head != self.tail.load(Ordering::Relaxed) {
            let pointer = self.slot(head).load(Ordering::Relaxed);
            // SAFETY: from `Arc::into_raw`; the exclusive borrow makes all
            // references in the ring ours (Invariant 3).
            drop(unsafe { Arc::from_raw(pointer) });
            head = head.wrapping_add(1);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    fn no_overflow<T>(_: Vec<Arc<T>>) {
        panic!("there was room");
    }

    #[test]
    fn first_in_first_out_and_one_owner() {
        let queue = Queue::new();
        let mut owner = queue.owner().expect("the first time");
        assert!(queue.owner().is_none());
        for round in 0..3 {
            for i in 0..CAPACITY {
                owner.push(Arc::new(round * 1000 + i), no_overflow);
            }
            for i in 0..CAPACITY {
                assert_eq!(owner.pop().as_deref(), Some(&(round * 1000 + i)));
            }
            assert!(owner.pop().is_none() && queue.is_empty());
        }
    }

    #[test]
    fn overflow_gives_the_older_half_away() {
        let queue = Queue::new();
        let mut owner = queue.owner().expect("the first time");
        for i in 0..CAPACITY {
            owner.push(Arc::new(i), no_overflow);
        }
        let mut away = Vec::new();
        owner.push(Arc::new(CAPACITY), |half| away = half);
        let away: Vec<u32> = away.iter().map(|i| **i).collect();
        let want: Vec<u32> = (0..CAPACITY / 2).chain([CAPACITY]).collect();
        assert_eq!(away, want);
        assert_eq!(owner.pop().as_deref(), Some(&(CAPACITY / 2)));
    }

    #[test]
    fn a_thief_takes_the_older_half() {
        let (from, to) = (Queue::new(), Queue::new());
        let (mut a, mut b) = (from.owner().expect("first"), to.owner().expect("first"));
        for i in 0..5 {
            a.push(Arc::new(i), no_overflow);
        }
        assert_eq!(b.steal(&from).as_deref(), Some(&0));
        assert_eq!(
            [b.pop(), b.pop(), b.pop()].map(|i| i.as_deref().copied()),
            [Some(1), Some(2), None]
        );
        assert_eq!(
            [a.pop(), a.pop(), a.pop()].map(|i| i.as_deref().copied()),
            [Some(3), Some(4), None]
        );
        assert!(b.steal(&from).is_none());
    }

    #[test]
    fn what_is_left_is_dropped_with_the_queue() {
        let item = Arc::new(());
        let queue = Queue::new();
        queue
            .owner()
            .expect("first")
            .push(Arc::clone(&item), no_overflow);
        assert_eq!(Arc::strong_count(&item), 2);
        drop(queue);
        assert_eq!(Arc::strong_count(&item), 1);
    }

    #[test]
    fn nothing_is_lost_or_doubled_between_owner_and_thieves() {
        const ITEMS: u64 = 60_000;
        let queue = Queue::new();
        let (count, sum, done) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
        let got = |item: Arc<u64>| {
            // Relaxed: read after the threads have been joined.
            count.fetch_add(1, Ordering::Relaxed);
            sum.fetch_add(*item, Ordering::Relaxed);
        };
        std::thread::scope(|s| {
            for _ in 0..3 {
                s.spawn(|| {
                    let own = Queue::new();
                    let mut owner = own.owner().expect("first");
                    // Acquire: pairs with the Release below; then all is pushed.
                    while !done.load(Ordering::Acquire) || !queue.is_empty() {
                        owner.steal(&queue).map(got);
                        while let Some(item) = owner.pop() {
                            got(item);
                        }
                    }
                });
            }
            let mut owner = queue.owner().expect("first");
            for i in 0..ITEMS {
                owner.push(Arc::new(i), |half| half.into_iter().for_each(got));
                if i % 3 == 0 {
                    owner.pop().map(got);
                }
            }
            done.store(true, Ordering::Release);
        });
        assert_eq!(count.into_inner(), ITEMS);
        assert_eq!(sum.into_inner(), ITEMS * (ITEMS - 1) / 2);
    }
}
