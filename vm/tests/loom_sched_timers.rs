//! Models of workers that rest while tasks sleep: whatever they do meanwhile, one
//! of them wakes in time for each sleeper.
//!
//! They are built from the scheduler's own files, with loom's atomics and locks
//! in the place of `crate::sync`. Time is a number, which whoever sleeps until
//! some time moves on to it: all of it has passed on the system's clock, so that
//! nobody really waits. A sleeper that is forgotten is a deadlock; one that is
//! woken too late is not found.
//!
//! # Bounds
//!
//! Two workers, one or two procs, up to two sleepers, each worker's first rests.
//!
//! Run by `cargo xtask loom`; without `--cfg loom` this file is empty.

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
#[path = "support/loom_sync.rs"]
mod sync;
#[path = "../src/ticket.rs"]
mod ticket;
#[path = "../src/sched/timers.rs"]
mod timers;

/// Nothing is sent here.
mod channel {
    #[derive(Debug)]
    pub(crate) struct Channel;
    #[derive(Debug)]
    pub(crate) struct Place;
}

mod task {
    /// A task, which has nothing that matters here.
    pub(crate) struct Task;
}

mod trace {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Resume {
        After,
        At(u32),
    }
}

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use idle::{Idle, Woken};
use loom::thread;
use park::Parker;
use sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use task::Task;
use timers::{Clock, Timers};

/// In the place of the scheduler's.
struct Proc<'s>(usize, PhantomData<&'s ()>);

impl Proc<'_> {
    fn taken(&self) {}
    fn given_up(&self) {}
}

struct ProcCore {
    timers: Timers,
}

/// What all workers share; the rest of it is in `timers.rs`.
struct Shared<'s> {
    procs: Vec<ProcCore>,
    clock: Clock,
    idle: Idle<'s>,
    /// In the place of the clock, for who looks.
    now: AtomicU64,
    /// Who is to be woken still.
    asleep: AtomicUsize,
}

impl Shared<'static> {
    fn new(procs: usize, sleepers: usize) -> Arc<Self> {
        let past = Instant::now().checked_sub(Duration::from_secs(1));
        Arc::new(Shared {
            procs: (0..procs as u32)
                .map(|id| ProcCore {
                    timers: Timers::new(id),
                })
                .collect(),
            clock: Clock::new(past.expect("the machine has been on for so long")),
            idle: Idle::new((0..procs).map(|id| Proc(id, PhantomData)).collect()),
            now: AtomicU64::new(0),
            asleep: AtomicUsize::new(sleepers),
        })
    }

    /// What a worker does from here on, which has a proc or not.
    fn work(&self, mut proc: Option<Proc<'static>>) {
        let parker = Arc::new(Parker::new());
        let mut spins = false;
        loop {
            if let Some(proc) = proc.take() {
                self.wake_sleepers();
                // As `Worker::rest`.
                self.idle.give_up(proc, |_| {}, || true);
                if std::mem::take(&mut spins) {
                    self.idle.end_spin();
                }
            }
            let time = self.first_sleeper();
            match self.idle.park(&parker, self.next_sleeper()) {
                Woken::Wanted(wanted) => {
                    spins = true;
                    proc = Some(wanted);
                }
                Woken::Free(free) => {
                    // Relaxed: each worker goes by its own view of it.
                    self.now.fetch_max(time, Ordering::Relaxed);
                    proc = Some(free);
                }
                Woken::Over => return,
            }
        }
    }

    /// As the worker's, of all procs.
    fn wake_sleepers(&self) {
        // Relaxed: see above.
        let now = self.now.load(Ordering::Relaxed);
        for core in &self.procs {
            let mut due = Vec::new();
            if core.timers.next() <= now {
                core.timers.take_due(now, &mut due);
            }
            for _ in due {
                // Relaxed: it only counts.
                if self.asleep.fetch_sub(1, Ordering::Relaxed) == 1 {
                    self.idle.end();
                }
                // It is in a queue now.
                self.idle.wake_one();
            }
        }
    }

    /// A task goes to sleep on this proc until some time.
    fn sleep(&self, proc: &Proc<'_>, until: u64) {
        // A clock on which it is 0.
        let still = Clock::new(Instant::now() + Duration::from_secs(1_000_000));
        let sleep = Duration::from_nanos(until);
        let timers = &self.procs[proc.0].timers;
        drop(timers.add(&still, &Arc::new(Task), sleep));
    }
}

/// One worker rests that has put somebody to sleep, while another one without a
/// proc does, and perhaps wakes too early.
#[test]
fn a_sleeper_is_woken_by_one_of_two_workers() {
    loom::model(|| {
        let shared = Shared::new(1, 1);
        let proc = shared.idle.take().expect("idle");
        let other = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.work(None)
        });
        shared.sleep(&proc, 1);
        shared.work(Some(proc));
        other.join().expect("no panic");
    });
}

/// A worker rests that has put somebody to sleep, and is woken in vain by another
/// one, which then relies on it.
#[test]
fn a_sleeper_is_woken_by_who_was_woken_in_vain() {
    loom::model(|| {
        let shared = Shared::new(2, 1);
        let [proc, others] = [(); 2].map(|()| shared.idle.take().expect("idle"));
        let other = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                // For a task that it then runs itself.
                shared.idle.wake_one();
                shared.work(Some(others));
            }
        });
        shared.sleep(&proc, 1);
        shared.work(Some(proc));
        other.join().expect("no panic");
    });
}

/// Two workers rest that have put somebody to sleep, and each may rely on the
/// other.
#[test]
fn two_sleepers_are_woken_by_two_workers() {
    loom::model(|| {
        let shared = Shared::new(2, 2);
        let [proc, others] = [(); 2].map(|()| shared.idle.take().expect("idle"));
        let other = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                shared.sleep(&others, 1);
                shared.work(Some(others));
            }
        });
        shared.sleep(&proc, 2);
        shared.work(Some(proc));
        other.join().expect("no panic");
    });
}
