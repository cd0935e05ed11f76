//! The scheduler: many tasks on a few workers.
//!
//! ```text
//!   task ──ready──► next slot, ring of the proc ──┐
//!                        │ overflow   ▲ steal     ├─ pick ─► run ─► block, yield, preempt, end
//!                        ▼            │ half      │
//!                   global queue ─────┴───────────┘           rest: proc to the idle ones,
//!           timers of a proc ──due──► ring of any                   worker to the parked ones
//! ```
//!
//! A *proc* is the right to run: a [`Proc`] is a value of which there are as
//! many as `--workers`, and a thread runs tasks only while it has one. Idle
//! procs and parked threads are kept apart, so that a proc can go to another
//! thread than the one that gave it up.

mod calls;
pub(crate) mod effects;
mod global;
mod idle;
mod marks;
mod park;
#[allow(unsafe_code, reason = "thieves take what an owner may take as well")]
mod queue;
mod registry;
mod select;
mod syscall;
mod timers;
mod worker;

use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::thread;
use std::time::Duration;

use crate::builtins::Env;
use crate::error::VmError;
use crate::files::Files;
use crate::gauge::Gauge;
use crate::interrupt::Interrupt;
use crate::outcome::End;
use crate::output::Output;
use crate::report;
use crate::sync::lock;
use crate::task::Task;
use crate::trace::{ProcTrace, Recorder, Tracing};

use calls::Calls;
use global::Global;
use idle::{Idle, Launch};
use queue::{Owner, Queue};
pub(crate) use registry::Registry as Tasks;
pub(crate) use syscall::Done;
use syscall::{GRACE, LONG, Look};
use timers::{Clock, Timers};
use worker::Worker;

/// How many safepoints a task passes between two looks at the world.
const FUEL: u32 = 256;

/// How many such looks a time slice lasts.
const SLICE: u32 = 256;

/// How often somebody looks whether the program is to be interrupted.
const TICK: Duration = Duration::from_millis(20);

/// What everybody may see of a proc. Alone in its cache lines, since its owner
/// writes to it all the time.
#[repr(align(128))]
pub(crate) struct ProcCore {
    trace: ProcTrace,
    queue: Queue<Task>,
    /// Who went to sleep while it ran here.
    timers: Timers,
    /// The last checkpoint that its holder has passed; [`NOBODY`] while it has
    /// none.
    passed: AtomicU64,
}

/// A proc without a holder has passed all checkpoints.
const NOBODY: u64 = u64::MAX;

/// The right to run tasks, with what belongs to its holder alone.
pub(crate) struct Proc<'s> {
    core: &'s ProcCore,
    queue: Owner<'s, Task>,
    /// The task that became ready last. It runs next, in the same time slice,
    /// since it most likely has what the one before has just left in the cache.
    next: Option<Arc<Task>>,
    /// Safepoints until the next look at the world; at least 1.
    fuel: u32,
    /// Such looks until the end of the time slice; at least 1.
    slice: u32,
    /// Counts what was picked, so that the global queue has its turn.
    picks: u32,
    /// The other proc whose sleepers are looked at next.
    neighbour: usize,
}

/// What all workers share.
pub(crate) struct Shared<'s> {
    pub(crate) env: Env<'s>,
    pub(crate) tracing: &'s Tracing,
    pub(crate) tasks: Tasks,
    pub(crate) idle: Idle<'s>,
    pub(crate) heap: Gauge,
    procs: &'s [ProcCore],
    global: Global,
    clock: Clock,
    syscalls: Calls<'s, Task>,
    files: Files,
    out: Output<'s>,
    interrupt: Option<&'s Interrupt>,
    /// The number of checkpoints that all workers were asked to pass.
    checkpoint: AtomicU64,
    /// Set once the program has ended; workers look at it where they poll.
    ending: AtomicBool,
    end: Mutex<Option<End>>,
}

impl ProcCore {
    pub(crate) fn new(id: u32) -> Self {
        ProcCore {
            trace: ProcTrace::new(id),
            queue: Queue::new(),
            timers: Timers::new(id),
            passed: AtomicU64::new(NOBODY),
        }
    }

    /// The proc itself, the first time.
    fn proc(&self) -> Option<Proc<'_>> {
        let queue = self.queue.owner()?;
        Some(Proc {
            core: self,
            queue,
            next: None,
            fuel: FUEL,
            slice: SLICE,
            picks: 0,
            neighbour: 0,
        })
    }
}

impl<'s> Proc<'s> {
    /// What the tracer keeps of it.
    pub(crate) fn trace(&self) -> &'s ProcTrace {
        &self.core.trace
    }

    /// A thread takes it, and has yet to pass a checkpoint.
    fn taken(&self) {
        // SeqCst: with the load in `checkpoint_all`: if that still sees NOBODY,
        // this comes after it in the one order of all these.
        self.core.passed.store(0, Ordering::SeqCst);
    }

    /// Nobody has it any more.
    fn given_up(&self) {
        // SeqCst: as in `taken`; and as a Release it lets `checkpoint_all` see
        // all that the holder has done.
        self.core.passed.store(NOBODY, Ordering::SeqCst);
    }
}

impl Drop for Proc<'_> {
    fn drop(&mut self) {
        // A worker that panics takes its proc along; nobody waits for that.
        self.given_up();
    }
}

impl<'s> Shared<'s> {
    pub(crate) fn new(
        env: Env<'s>,
        tracing: &'s Tracing,
        procs: &'s [ProcCore],
        out: Output<'s>,
        interrupt: Option<&'s Interrupt>,
    ) -> Self {
        Shared {
            env,
            tracing,
            tasks: Tasks::new(),
            idle: Idle::new(procs.iter().filter_map(ProcCore::proc).collect()),
            heap: Gauge::new(),
            procs,
            global: Global::new(),
            clock: Clock::new(env.epoch),
            syscalls: Calls::new(),
            files: Files::default(),
            out,
            interrupt,
            checkpoint: AtomicU64::new(0),
            ending: AtomicBool::new(false),
            end: Mutex::new(None),
        }
    }

    /// What stops the program from outside.
    pub(crate) fn interrupt(&self) -> Option<&'s Interrupt> {
        self.interrupt
    }

    /// Runs the program to its end, on threads that are started as they are
    /// needed. The calling thread starts them, and looks after system calls and
    /// interrupts.
    ///
    /// # Errors
    /// If there is not even one thread.
    pub(crate) fn run(&self) -> Result<End, VmError> {
        let Ok(pen) = self.tracing.recorder() else {
            return Ok(End::NoMemory);
        };
        thread::scope(|scope| {
            let mut threads = 0;
            let mut nap = GRACE;
            self.idle.launch_first();
            loop {
                if let Some(signal) = self.interrupt.and_then(Interrupt::raised) {
                    self.finish(End::Interrupted(signal));
                }
                let tick = self.interrupt.map(|_| TICK);
                match self.idle.launched(nap, tick) {
                    Launch::Thread => {}
                    Launch::Tick => continue,
                    Launch::Watch => {
                        nap = self.watch(&pen, nap);
                        continue;
                    }
                    Launch::Over => break,
                }
                let boot = threads == 0;
                let spawned = thread::Builder::new()
                    .name(format!("worker {threads}"))
                    .spawn_scoped(scope, move || Worker::work(self, boot));
                match spawned {
                    Ok(_) => threads += 1,
                    Err(error) if boot => return Err(VmError::Thread(error)),
                    Err(_) => self.idle.refuse(),
                }
            }
            Ok(())
        })?;
        if let Err(error) = self.out.flush() {
            self.output_error(error);
        }
        // A program that has ended has said how; nothing else ends the loop.
        Ok(lock(&self.end).take().unwrap_or(End::Panicked))
    }

    /// Looks after system calls. Returns how long to wait until the next time,
    /// which is longer the longer nobody was in need of it.
    fn watch(&self, pen: &Recorder<'s>, nap: Duration) -> Duration {
        match self.look_after_syscalls(pen) {
            Look::Stole => GRACE,
            Look::Nothing if nap >= LONG => {
                self.idle.watch_no_more();
                // One that has come just before that has woken nobody.
                if self.look_after_syscalls(pen) != Look::Nothing {
                    self.idle.watch();
                }
                GRACE
            }
            Look::Nothing | Look::Some => (nap * 2).min(LONG),
        }
    }

    /// Ends the program. Only the first end counts.
    fn finish(&self, end: End) {
        lock(&self.end).get_or_insert(end);
        // SeqCst: before the parked workers are told, for those about to park.
        self.ending.store(true, Ordering::SeqCst);
        self.files.end();
        self.idle.end();
    }

    /// Ends the program because of its output, which counts more than that all
    /// went well otherwise.
    fn output_error(&self, error: io::Error) {
        let end = match (error.kind(), self.interrupt.and_then(Interrupt::raised)) {
            // Also where a terminal is gone, which is what SIGHUP tells.
            (_, Some(signal)) => End::Interrupted(signal),
            (io::ErrorKind::BrokenPipe, _) => End::OutputClosed,
            _ => End::OutputFailed(error),
        };
        lock(&self.end).take_if(|end| matches!(end, End::Returned));
        self.finish(end);
    }

    /// Whether the program has ended.
    fn ending(&self) -> bool {
        // Relaxed: a worker that sees it late does a little more.
        self.ending.load(Ordering::Relaxed)
    }

    /// Every task waits, and nothing is left that could wake one.
    fn deadlock(&self) {
        self.finish(End::Deadlock(report::deadlock(&self.tasks, self.env.code)));
    }

    /// Returns once every worker that holds a proc has mentioned in the trace
    /// what it holds, or has been without a proc. Workers in system calls lose
    /// theirs.
    pub(crate) fn checkpoint_all(&self, pen: &Recorder<'s>) {
        // SeqCst: see `Proc::taken`. As a Release it shows who polls what the
        // tracer has done before.
        let wanted = self.checkpoint.fetch_add(1, Ordering::SeqCst) + 1;
        for core in self.procs {
            let mut nap = Duration::from_micros(20);
            // SeqCst: see `Proc::taken`; as an Acquire it pairs with the store
            // in `Worker::poll`.
            while core.passed.load(Ordering::SeqCst) < wanted {
                self.retake(pen, |proc| std::ptr::eq(proc.core, core));
                thread::sleep(nap);
                nap = (nap * 2).min(Duration::from_millis(1));
            }
        }
    }

    /// Whether some queue had something in it a moment ago.
    fn any_work(&self) -> bool {
        // SeqCst: see the head of `idle`.
        fence(Ordering::SeqCst);
        !self.global.is_empty() || self.procs.iter().any(|core| !core.queue.is_empty())
    }

    /// Gives back what tasks that will never run again hold, also from each
    /// other.
    pub(crate) fn clear(&self) {
        for task in self.tasks.drain() {
            if let Some(mut held) = task.body.hold_still() {
                *held.get_mut() = Default::default();
            }
        }
    }
}
