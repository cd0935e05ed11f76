//! Models of what the scheduler's threads share: the ring, the mailbox, who is
//! idle, and the word that says who may touch a task.
//!
//! They are built from the scheduler's own files, with loom's atomics and locks
//! in the place of `crate::sync`. Run by `cargo xtask loom`; without `--cfg
//! loom` this file is empty.

#![cfg(loom)]
#![allow(
    dead_code,
    unreachable_pub,
    reason = "a model uses a part of each file"
)]

#[path = "../src/sched/idle.rs"]
mod idle;
#[path = "../src/sched/park.rs"]
mod park;
#[path = "../src/sched/queue.rs"]
mod queue;
#[path = "../src/state.rs"]
mod state;
#[path = "support/loom_sync.rs"]
mod sync;

use std::sync::Arc;

use idle::{Idle, Launch, Woken};
use loom::cell::UnsafeCell;
use loom::thread;
use park::Parker;
use queue::{CAPACITY, Queue};
use state::{Next, Owned};
use sync::atomic::{Ordering, fence};

/// In the place of the scheduler's, for `idle`.
struct Proc<'s>(std::marker::PhantomData<&'s ()>);

impl Proc<'_> {
    fn taken(&self) {}
    fn given_up(&self) {}
}

fn sorted(mut items: Vec<u32>) -> Vec<u32> {
    items.sort_unstable();
    items
}

/// What a thief gets that goes to `victim` once.
fn steal(victim: &Queue<u32>) -> Vec<u32> {
    let own = Queue::new();
    let mut owner = own.owner().expect("the first time");
    let mut got = Vec::new();
    got.extend(owner.steal(victim).map(|item: Arc<u32>| *item));
    while let Some(item) = owner.pop() {
        got.push(*item);
    }
    got
}

/// An owner pushes and pops beside a thief: each item comes out once.
#[test]
fn ring_with_a_thief() {
    loom::model(|| {
        let queue = Arc::new(Queue::new());
        let thief = thread::spawn({
            let queue = Arc::clone(&queue);
            move || steal(&queue)
        });
        let mut owner = queue.owner().expect("the first time");
        let mut got = Vec::new();
        for i in 0..3 {
            owner.push(Arc::new(i), |_| panic!("there is room"));
        }
        got.extend(owner.pop().map(|item| *item));
        got.extend(thief.join().expect("no panic"));
        while let Some(item) = owner.pop() {
            got.push(*item);
        }
        assert_eq!(sorted(got), [0, 1, 2]);
    });
}

/// The ring overflows, and wraps around, beside a thief.
#[test]
fn ring_that_overflows() {
    loom::model(|| {
        let queue = Arc::new(Queue::new());
        let mut owner = queue.owner().expect("the first time");
        for i in 0..CAPACITY {
            owner.push(Arc::new(i), |_| panic!("there is room"));
        }
        let thief = thread::spawn({
            let queue = Arc::clone(&queue);
            move || steal(&queue)
        });
        let mut got = Vec::new();
        owner.push(Arc::new(CAPACITY), |half| {
            got.extend(half.iter().map(|item| **item))
        });
        got.extend(thief.join().expect("no panic"));
        while let Some(item) = owner.pop() {
            got.push(*item);
        }
        assert_eq!(sorted(got), (0..=CAPACITY).collect::<Vec<_>>());
    });
}

/// Mail comes before or while the worker waits.
#[test]
fn mailbox() {
    loom::model(|| {
        let parker = Arc::new(Parker::new());
        let worker = thread::spawn({
            let parker = Arc::clone(&parker);
            move || parker.wait(None)
        });
        parker.post(7);
        assert_eq!(worker.join().expect("no panic"), Some(7));
    });
}

/// One worker goes idle while another makes a task ready and then never looks
/// again: the task runs. Without the second look of the one that goes idle, it
/// would not.
fn going_idle(looks_again: bool) {
    loom::model(move || {
        let idle = Arc::new(Idle::new(vec![Proc(std::marker::PhantomData)]));
        idle.launch_first();
        let asked = idle.launched(std::time::Duration::ZERO, None);
        assert_eq!(asked, Launch::Thread);
        let Some(Woken::Wanted(proc)) = idle.arrive() else {
            panic!("a proc is launched first");
        };
        // Not dropped: a model that fails cannot run destructors that load.
        let queue: &'static Queue<u32> = Box::leak(Box::new(Queue::new()));
        let worker = thread::spawn({
            let idle = Arc::clone(&idle);
            move || {
                let own: &'static Queue<u32> = Box::leak(Box::new(Queue::new()));
                let mut owner = own.owner().expect("the first time");
                let mut proc = Some(proc);
                let mut spins = true;
                loop {
                    if let Some(item) = owner.steal(queue) {
                        return *item;
                    }
                    // As `Worker::rest`.
                    if let Some(proc) = proc.take() {
                        idle.give_up(proc, |_| {}, || true);
                    }
                    if std::mem::take(&mut spins) {
                        idle.end_spin();
                    }
                    fence(Ordering::SeqCst);
                    if looks_again && !queue.is_empty() {
                        proc = idle.take();
                        if proc.is_some() {
                            continue;
                        }
                    }
                    match idle.park(&Arc::new(Parker::new()), None) {
                        Woken::Wanted(woken) => {
                            spins = true;
                            proc = Some(woken);
                        }
                        Woken::Free(_) | Woken::Over => panic!("no timer, and no end"),
                    }
                }
            }
        });
        let mut owner = queue.owner().expect("the first time");
        owner.push(Arc::new(7), |_| panic!("there is room"));
        idle.wake_one();
        assert_eq!(worker.join().expect("no panic"), 7);
    });
}

#[test]
fn no_wake_up_is_lost() {
    going_idle(true);
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_lost_wake_up_is_found() {
    going_idle(false);
}

/// A value of which loom sees who touches it.
struct Tracked(UnsafeCell<u32>);

impl Tracked {
    fn add(&self) {
        // SAFETY: that nobody else is here is what the model is to show; loom
        // panics otherwise.
        self.0.with_mut(|value| unsafe { *value += 1 });
    }

    fn get(&self) -> u32 {
        // SAFETY: as in `add`.
        self.0.with(|value| unsafe { *value })
    }
}

/// A task blocks, is woken, and runs on another worker, beside a visitor.
#[test]
fn the_word_hands_a_task_on() {
    loom::model(|| {
        let task = Arc::new(Owned::new(Tracked(UnsafeCell::new(0))));
        task.publish();
        let runner = task.claim();
        let visitor = thread::spawn({
            let task = Arc::clone(&task);
            move || task.hold_still().map(|held| held.get().get())
        });
        let waker = thread::spawn({
            let task = Arc::clone(&task);
            move || {
                let held = task.hold_waiting();
                held.get().add();
                held.wake();
                let owner = task.claim();
                owner.get().add();
                owner.release(Next::Waiting);
            }
        });
        runner.get().add();
        runner.release(Next::Waiting);
        waker.join().expect("no panic");
        let seen = visitor.join().expect("no panic");
        assert!(seen.is_none_or(|seen| (1..=3).contains(&seen)), "{seen:?}");
        assert_eq!(task.hold_waiting().get().get(), 3);
    });
}

/// A task in a system call is visited while it comes back.
#[test]
fn a_visitor_of_a_system_call() {
    loom::model(|| {
        let task = Arc::new(Owned::new(Tracked(UnsafeCell::new(0))));
        task.publish();
        let visitor = thread::spawn({
            let task = Arc::clone(&task);
            move || task.hold_still().map(|held| held.get().get())
        });
        let owner = task.claim();
        owner.get().add();
        owner.release(Next::Syscall);
        let owner = task.come_back();
        owner.get().add();
        owner.release(Next::Runnable);
        let seen = visitor.join().expect("no panic");
        assert!(seen.is_none_or(|seen| seen <= 2), "{seen:?}");
    });
}
