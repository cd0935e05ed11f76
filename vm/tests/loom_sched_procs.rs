//! Models of procs on their way between workers, system calls and the idle ones,
//! beside who moves the trace's generation, who steals, and who looks for a
//! deadlock.
//!
//! They are built from the scheduler's own files, with loom's atomics and locks
//! in the place of `crate::sync`. In the place of the tracer is a lock with the
//! number of the generation: an event, which takes it, is in one generation.
//!
//! # Bounds
//!
//! One or two procs, one system call, two advances, up to three threads.
//!
//! Run by `cargo xtask loom`; without `--cfg loom` this file is empty.

#![cfg(loom)]
#![allow(
    dead_code,
    unreachable_pub,
    reason = "a model uses a part of each file"
)]

#[path = "../src/sched/calls.rs"]
mod calls;
#[path = "../src/sched/idle.rs"]
mod idle;
#[path = "../src/sched/park.rs"]
mod park;
#[path = "support/loom_sync.rs"]
mod sync;

use std::marker::PhantomData;
use std::sync::Arc;

use calls::Calls;
use idle::{Idle, Quiet, Woken};
use loom::thread;
use sync::atomic::{AtomicU64, Ordering};
use sync::{Mutex, lock};

/// The checkpoint that a proc has passed which nobody has.
const NOBODY: u64 = u64::MAX;

/// In the place of the scheduler's.
struct Proc<'s> {
    number: usize,
    passed: Arc<AtomicU64>,
    _scheduler: PhantomData<&'s ()>,
}

impl Proc<'_> {
    // SeqCst, both: as in the scheduler's.
    fn taken(&self) {
        self.passed.store(0, Ordering::SeqCst);
    }

    fn given_up(&self) {
        self.passed.store(NOBODY, Ordering::SeqCst);
    }
}

/// A task, which has nothing that matters here.
struct Task;

/// What has been mentioned last in which generation.
struct Trace {
    generation: u64,
    procs: [u64; 2],
    task: u64,
    /// Whether the task is in its system call.
    calling: bool,
}

/// What all threads of a model share.
struct World {
    idle: Idle<'static>,
    calls: Calls<'static, Task>,
    task: Arc<Task>,
    /// Where a task goes that has lost its proc.
    global: Mutex<Vec<Arc<Task>>>,
    passed: Vec<Arc<AtomicU64>>,
    checkpoint: AtomicU64,
    trace: Mutex<Trace>,
}

impl World {
    fn new(procs: usize) -> Arc<World> {
        let passed: Vec<_> = (0..procs)
            .map(|_| Arc::new(AtomicU64::new(NOBODY)))
            .collect();
        let procs = passed.iter().enumerate().map(|(number, passed)| Proc {
            number,
            passed: Arc::clone(passed),
            _scheduler: PhantomData,
        });
        Arc::new(World {
            idle: Idle::new(procs.collect()),
            calls: Calls::new(),
            task: Arc::new(Task),
            global: Mutex::new(Vec::new()),
            passed,
            checkpoint: AtomicU64::new(0),
            trace: Mutex::new(Trace {
                generation: 1,
                procs: [1; 2],
                task: 1,
                calling: false,
            }),
        })
    }

    /// An event, or a mention, of this proc.
    fn say(&self, proc: &Proc<'_>) {
        let mut trace = lock(&self.trace);
        trace.procs[proc.number] = trace.generation;
    }

    /// As `Worker::poll`.
    fn poll(&self, proc: &Proc<'_>) {
        let wanted = self.checkpoint.load(Ordering::Acquire);
        if proc.passed.load(Ordering::Relaxed) < wanted {
            self.say(proc);
            proc.passed.store(wanted, Ordering::Release);
        }
    }

    fn enter(&self, proc: Proc<'static>) {
        self.calls.enter(1, &self.task, proc, |proc| {
            self.say(proc);
            let mut trace = lock(&self.trace);
            trace.task = trace.generation;
            trace.calling = true;
        });
    }

    fn leave(&self) -> Option<Proc<'static>> {
        self.calls.leave(&self.task, |proc| {
            match &proc {
                Some(proc) => self.say(proc),
                None => lock(&self.global).push(Arc::clone(&self.task)),
            }
            lock(&self.trace).calling = false;
            proc
        })
    }

    /// Steals what stands beside calls.
    fn retake(&self) {
        self.calls.retake(
            &self.idle,
            |_, _| true,
            |proc, from| {
                assert_eq!(from, 1);
                self.say(proc);
            },
            |_| !lock(&self.global).is_empty(),
        );
    }

    fn give_up(&self, proc: Proc<'static>) -> Quiet {
        let stop = |proc: &Proc<'_>| self.say(proc);
        self.idle.give_up(proc, stop, || {
            !self.calls.is_empty() || !lock(&self.global).is_empty()
        })
    }

    /// As `runtime_trace`'s, with the host's sweep and checkpoint.
    fn advance(&self) {
        self.retake();
        self.calls.each_without_proc(|_, _| {
            let mut trace = lock(&self.trace);
            trace.task = trace.generation;
        });
        self.idle.each_proc(|proc| self.say(proc));
        let wanted = self.checkpoint.fetch_add(1, Ordering::SeqCst) + 1;
        for passed in &self.passed {
            while passed.load(Ordering::SeqCst) < wanted {
                self.retake();
                thread::yield_now();
            }
        }
        let mut trace = lock(&self.trace);
        let generation = trace.generation;
        let procs = &trace.procs[..self.passed.len()];
        assert!(
            procs.iter().all(|&last| last == generation),
            "a proc is missing in generation {generation}"
        );
        assert!(
            !trace.calling || trace.task == generation,
            "a task is missing in generation {generation}"
        );
        trace.generation += 1;
    }
}

/// Where the events of a model are, by which it fails or not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    /// Where the scheduler has them: together with what they say.
    Together,
    /// Before it, in a lock of their own.
    Before,
}

/// While two generations end, a worker does this with the only proc.
fn while_two_generations_end(act: impl Fn(&World, Proc<'static>) + Copy + Send + Sync + 'static) {
    loom::model(move || {
        let world = World::new(1);
        let proc = world.idle.take().expect("idle");
        let worker = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                world.poll(&proc);
                act(&world, proc);
            }
        });
        world.advance();
        world.advance();
        worker.join().expect("no panic");
    });
}

/// A worker gives its proc up.
fn stopping(said: Said) {
    while_two_generations_end(move |world, proc| {
        match said {
            Said::Together => world.give_up(proc),
            Said::Before => {
                world.say(&proc);
                world.idle.give_up(proc, |_| {}, || true)
            }
        };
    });
}

#[test]
fn a_proc_that_is_given_up_is_in_every_generation() {
    stopping(Said::Together);
}

#[test]
#[should_panic(expected = "a proc is missing in generation 2")]
fn a_proc_that_is_given_up_too_late_is_found() {
    stopping(Said::Before);
}

/// A worker enters a system call, in which its proc is stolen.
fn stealing(said: Said) {
    while_two_generations_end(move |world, proc| {
        world.enter(proc);
        match said {
            Said::Together => world.retake(),
            // The call is over as well, which makes no difference.
            Said::Before => {
                if let Some(proc) = world.leave() {
                    world.idle.give_up_stolen(proc, |_| {}, |_| false);
                }
            }
        }
    });
}

#[test]
fn a_proc_that_is_stolen_is_in_every_generation() {
    stealing(Said::Together);
}

#[test]
#[should_panic(expected = "a proc is missing in generation 2")]
fn a_proc_that_is_given_up_by_its_thief_too_late_is_found() {
    stealing(Said::Before);
}

/// A worker enters a system call, and comes out of it.
#[test]
fn a_call_is_in_every_generation() {
    while_two_generations_end(|world, proc| {
        world.enter(proc);
        if let Some(proc) = world.leave() {
            world.give_up(proc);
        }
    });
}

/// A call ends while its proc is stolen: one of both has the proc, and the task
/// goes on with it or is in the queue.
#[test]
fn a_call_ends_while_its_proc_is_stolen() {
    loom::model(|| {
        let world = World::new(1);
        world.enter(world.idle.take().expect("idle"));
        let thieves = [(); 2].map(|()| {
            let world = Arc::clone(&world);
            thread::spawn(move || world.retake())
        });
        let kept = world.leave();
        assert!(world.calls.is_empty());
        for thief in thieves {
            thief.join().expect("no panic");
        }
        let stolen = world.idle.take();
        assert_ne!(kept.is_some(), stolen.is_some(), "one has the proc");
        let queued = lock(&world.global).len();
        assert_eq!(queued, usize::from(stolen.is_some()));
        if stolen.is_some() {
            // Nobody has been awake to take it.
            assert!(world.idle.come_back().is_none());
        }
    });
}

/// A worker comes out of a system call while its proc is stolen and another
/// worker rests. Who is the last to rest, and nobody before, says that nothing is
/// to come any more.
#[test]
fn a_deadlock_is_found_once() {
    loom::model(|| {
        let world = World::new(2);
        world.enter(world.idle.take().expect("idle"));
        let rests = world.idle.take().expect("idle");
        let monitor = thread::spawn({
            let world = Arc::clone(&world);
            move || world.retake()
        });
        let worker = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                let proc = world.leave().or_else(|| match world.idle.come_back()? {
                    Woken::Free(proc) | Woken::Wanted(proc) => Some(proc),
                    Woken::Over => panic!("it is not over"),
                });
                proc.map_or(Quiet::No, |proc| {
                    // The task runs, and ends.
                    lock(&world.global).clear();
                    world.give_up(proc)
                })
            }
        });
        let mut quiet = vec![world.give_up(rests)];
        monitor.join().expect("no panic");
        quiet.push(worker.join().expect("no panic"));
        let found = quiet.iter().filter(|&&q| q == Quiet::Forever).count();
        assert_eq!(found, 1, "{quiet:?}");
    });
}
