//! A small runtime whose process is going to be killed: two threads run tasks all the
//! time, one now and then, and one is in system calls most of the time. The tasks are
//! common to all, so that what one thread does depends on what others did.
//!
//! What a thread says to the tracer it also notes in the [`Ledger`].

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use e2e::rng::Rng;
use runtime_trace::{
    BlockReason, Chunk, Config, Emit, Frame, Host, Pcs, ProcTrace, StackId, StopReason, Sweep,
    SweptState, Symbolizer, TaskTrace, Tracer, Worker,
};
use trace_format::EventKind;

use crate::ledger::{Ledger, Page, now};

/// How many threads run tasks. One more only moves the trace.
const THREADS: usize = 4;
/// The thread that is idle most of the time, and the one in system calls.
const IDLER: usize = 2;
const CALLER: usize = 3;
/// How many tasks there are at a time.
const TASKS: usize = 12;
/// How often a task runs.
const RUNS: u64 = 40;
/// How often the trace is moved and written.
const TICK: Duration = Duration::from_millis(5);
/// What is said only when no process was killed in time.
const LIFETIME: Duration = Duration::from_secs(100);

struct Task {
    trace: TaskTrace,
    runs: AtomicU64,
}

/// A task in a system call.
struct Call {
    task: Arc<Task>,
    /// Whether its proc has been stolen.
    stolen: bool,
}

struct World {
    ready: VecDeque<Arc<Task>>,
    blocked: VecDeque<Arc<Task>>,
    call: Option<Call>,
    /// Which procs are held by their threads.
    held: [bool; THREADS],
    live: usize,
    /// Tasks so far.
    tasks: u64,
}

struct Runtime<'t> {
    tracer: &'t Tracer,
    procs: &'t [ProcTrace; THREADS],
    ledger: Ledger,
    world: Mutex<World>,
    /// The checkpoint asked for, and the last that each thread with a proc has passed.
    wanted: AtomicU64,
    passed: [AtomicU64; THREADS],
}

impl Symbolizer for Runtime<'_> {
    fn frames(&self, pc: usize, visit: &mut dyn FnMut(Frame<'_>)) {
        visit(Frame {
            function: &format!("place {pc}"),
            file: "victim.rs",
            line: pc as u32,
        });
    }
}

/// Who moves the trace.
struct Mover<'a, 't> {
    runtime: &'a Runtime<'t>,
    worker: &'a Worker<'t>,
    page: Page,
}

impl Symbolizer for Mover<'_, '_> {
    fn frames(&self, pc: usize, visit: &mut dyn FnMut(Frame<'_>)) {
        self.runtime.frames(pc, visit);
    }
}

impl Host for Mover<'_, '_> {
    fn checkpoint(&self) {
        let runtime = self.runtime;
        let wanted = runtime.wanted.fetch_add(1, Ordering::SeqCst) + 1;
        let waits = |passed: &AtomicU64| passed.load(Ordering::SeqCst) < wanted;
        while runtime.passed.iter().any(waits) {
            self.steal(&mut runtime.world());
            thread::sleep(Duration::from_micros(100));
        }
    }

    fn sweep(&self, sweep: &Sweep<'_>) {
        let runtime = self.runtime;
        let mut world = runtime.world();
        self.steal(&mut world);
        for task in &world.ready {
            sweep.task(&task.trace, SweptState::Runnable, |pcs| pcs.push(2));
        }
        for task in &world.blocked {
            sweep.task(&task.trace, SweptState::Waiting, |pcs| pcs.push(3));
        }
        if let Some(call) = &world.call {
            let worker = runtime.ledger.thread(CALLER).worker();
            let state = SweptState::Syscall { worker };
            sweep.task(&call.task.trace, state, |pcs| pcs.push(4));
        }
        for (proc, held) in runtime.procs.iter().zip(world.held) {
            if !held {
                sweep.proc_idle(proc);
            }
        }
    }
}

impl Mover<'_, '_> {
    /// Takes the proc of the task in a system call away.
    fn steal(&self, world: &mut World) {
        let Some(call) = &mut world.call else { return };
        if call.stolen {
            return;
        }
        let runtime = self.runtime;
        call.stolen = true;
        world.held[CALLER] = false;
        let proc = &runtime.procs[CALLER];
        let from = runtime.ledger.thread(CALLER).worker();
        let emit = self.worker.acquire(None, None).expect("it traces");
        let id = u64::from(proc.id());
        self.page
            .says(EventKind::ProcSteal, id, || emit.proc_steal(proc, from));
        drop(emit);
        runtime.passed[CALLER].store(u64::MAX, Ordering::SeqCst);
    }
}

impl Runtime<'_> {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread that runs tasks.
struct Runner<'a, 't> {
    runtime: &'a Runtime<'t>,
    worker: Worker<'t>,
    number: usize,
    proc: &'t ProcTrace,
    page: Page,
    rng: Rng,
    turns: u64,
}

fn at(pc: u64) -> Pcs {
    let mut pcs = Pcs::logical();
    pcs.push(pc as usize);
    pcs.push(1);
    pcs
}

impl<'t> Runner<'_, 't> {
    fn emit<'e>(&'e self, task: Option<&'e Arc<Task>>) -> Emit<'e, 't> {
        let task = task.map(|task| &task.trace);
        let emit = self.worker.acquire(Some(self.proc), task);
        emit.expect("it traces")
    }

    /// The same without the proc.
    fn emit_without<'e>(&'e self, task: Option<&'e Arc<Task>>) -> Emit<'e, 't> {
        let emit = self.worker.acquire(None, task.map(|task| &task.trace));
        emit.expect("it traces")
    }

    /// Takes the proc, which nobody holds.
    fn take_proc(&self, world: &mut World) {
        world.held[self.number] = true;
        let emit = self.emit_without(None);
        let id = u64::from(self.proc.id());
        let start = || emit.proc_start(self.proc);
        self.page.says(EventKind::ProcStart, id, start);
        self.runtime.passed[self.number].store(0, Ordering::SeqCst);
    }

    fn leave_proc(&self) {
        let mut world = self.runtime.world();
        let emit = self.emit(None);
        let id = u64::from(self.proc.id());
        self.page.says(EventKind::ProcStop, id, || emit.proc_stop());
        drop(emit);
        world.held[self.number] = false;
        self.runtime.passed[self.number].store(u64::MAX, Ordering::SeqCst);
    }

    fn creates(&self, world: &mut World, emit: &Emit<'_, '_>) {
        while world.live < TASKS {
            world.live += 1;
            world.tasks += 1;
            let id = world.tasks;
            let task = Task {
                trace: TaskTrace::new(id),
                runs: AtomicU64::new(0),
            };
            let (entry, stack) = (emit.stack(&at(5)), emit.stack(&at(6 + self.turns % 50)));
            self.page.says(EventKind::GoCreate, id, || {
                emit.task_create(&task.trace, entry, stack);
            });
            world.ready.push_back(Arc::new(task));
        }
    }

    /// Runs a task once, if there is one.
    fn turn(&mut self) {
        self.turns += 1;
        let runtime = self.runtime;
        let wanted = runtime.wanted.load(Ordering::SeqCst);
        self.worker.checkpoint(Some(self.proc), None, |_| {});
        runtime.passed[self.number].store(wanted, Ordering::SeqCst);

        let mut world = runtime.world();
        let Some(task) = world.ready.pop_front() else {
            drop(world);
            thread::sleep(Duration::from_micros(200));
            return;
        };
        let id = task.trace.id();
        let emit = self.emit(None);
        self.page
            .says(EventKind::GoStart, id, || emit.task_start(&task.trace));
        drop(emit);
        drop(world);

        // Names and places that are new now and then.
        let name = format!("region {}", self.turns / 200 * 8 + self.number as u64);
        let place = 100 + self.turns / 200;
        let emit = self.emit(Some(&task));
        let stack = emit.stack(&at(place));
        self.page.says(EventKind::UserRegionBegin, 0, || {
            emit.region_begin(0, &name, stack);
        });
        drop(emit);
        thread::sleep(Duration::from_micros(100));
        let emit = self.emit(Some(&task));
        let stack = StackId::NONE;
        self.page.says(EventKind::UserRegionEnd, 0, || {
            emit.region_end(0, &name, stack);
        });
        drop(emit);
        if self.number == CALLER && !self.calls(&task) {
            return;
        }

        let may_block = self.rng.one_in(3);
        let mut world = runtime.world();
        let emit = self.emit(Some(&task));
        // Relaxed: its runner's alone.
        let runs = task.runs.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(other) = world.blocked.pop_front() {
            let (id, stack) = (other.trace.id(), emit.stack(&at(7)));
            self.page.says(EventKind::GoUnblock, id, || {
                emit.task_unblock(&other.trace, |pcs| pcs.push(3), stack);
            });
            world.ready.push_back(other);
        }
        self.creates(&mut world, &emit);
        if runs == RUNS {
            self.page.says(EventKind::GoDestroy, id, || emit.task_end());
            world.live -= 1;
        } else if may_block && !world.ready.is_empty() {
            let stack = emit.stack(&at(3));
            self.page.says(EventKind::GoBlock, id, || {
                emit.task_block(BlockReason::Sync, stack);
            });
            world.blocked.push_back(Arc::clone(&task));
        } else {
            let stack = emit.stack(&at(2));
            self.page.says(EventKind::GoStop, id, || {
                emit.task_stop(StopReason::Yield, stack);
            });
            world.ready.push_back(Arc::clone(&task));
        }
    }

    /// The task makes a system call. Whether it has its proc behind it, and runs.
    fn calls(&mut self, task: &Arc<Task>) -> bool {
        let runtime = self.runtime;
        let id = task.trace.id();
        let mut world = runtime.world();
        let emit = self.emit(Some(task));
        let stack = emit.stack(&at(4));
        self.page
            .says(EventKind::GoSyscallBegin, id, || emit.syscall_begin(stack));
        drop(emit);
        world.call = Some(Call {
            task: Arc::clone(task),
            stolen: false,
        });
        drop(world);
        let long = self.rng.of(&[1, 10, 300, 1500]);
        thread::sleep(Duration::from_millis(long));
        let mut world = runtime.world();
        let stolen = world.call.take().is_some_and(|call| call.stolen);
        if !stolen {
            let emit = self.emit(Some(task));
            self.page
                .says(EventKind::GoSyscallEnd, id, || emit.syscall_end());
            return true;
        }
        let emit = self.emit_without(Some(task));
        self.page.says(EventKind::GoSyscallEndBlocked, id, || {
            emit.syscall_end_blocked();
        });
        drop(emit);
        world.ready.push_back(Arc::clone(task));
        self.take_proc(&mut world);
        false
    }
}

fn runs(runtime: &Runtime<'_>, number: usize, seed: u64) {
    let worker = runtime.tracer.worker().expect("memory for a worker");
    let page = runtime.ledger.thread(number);
    page.belongs_to(worker.id());
    let mut runner = Runner {
        runtime,
        worker,
        number,
        proc: &runtime.procs[number],
        page,
        rng: Rng::new(seed, number as u64),
        turns: 0,
    };
    {
        let mut world = runtime.world();
        runner.take_proc(&mut world);
        let emit = runner.emit(None);
        runner.creates(&mut world, &emit);
    }
    loop {
        if number != IDLER {
            runner.turn();
            continue;
        }
        for _ in 0..runner.rng.below(40) {
            runner.turn();
        }
        runner.leave_proc();
        let long = runner.rng.below(1500) as u64;
        thread::sleep(Duration::from_millis(long));
        runner.take_proc(&mut runtime.world());
    }
}

/// What the child does: it traces into a file, with generations of this length, until
/// it is killed.
pub fn live(ledger: &Path, trace: &Path, period: Duration, seed: u64) -> ! {
    // SAFETY: asks for a signal when the parent dies, which may be at any time.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    let ledger = Ledger::at(ledger);
    let mut file = File::create(trace).expect("a trace can be created");
    let tracer: &'static Tracer = Box::leak(Box::new(Tracer::new()));
    let procs: &'static [ProcTrace; THREADS] =
        Box::leak(Box::new([0, 1, 2, 3].map(ProcTrace::new)));
    let runtime: &'static Runtime<'static> = Box::leak(Box::new(Runtime {
        tracer,
        procs,
        ledger,
        world: Mutex::new(World {
            ready: VecDeque::new(),
            blocked: VecDeque::new(),
            call: None,
            held: [false; THREADS],
            live: 0,
            tasks: 0,
        }),
        wanted: AtomicU64::new(0),
        passed: [const { AtomicU64::new(u64::MAX) }; THREADS],
    }));
    let worker = tracer.worker().expect("memory for a worker");
    let page = ledger.thread(THREADS);
    page.belongs_to(worker.id());
    let mover = Mover {
        runtime,
        worker: &worker,
        page,
    };
    let mut config = Config::new(THREADS as u32);
    config.period = period;
    tracer.start(&config, &mover).expect("it starts");
    let mut reader = tracer.reader().expect("there is one reader");
    for number in 0..THREADS {
        thread::spawn(move || runs(runtime, number, seed));
    }
    ledger.lives();
    let end = now() + LIFETIME.as_nanos() as u64;
    while now() < end {
        let began = now();
        tracer.write_stacks(&mover);
        if tracer.advance_due() {
            tracer.advance(&mover).expect("it advances");
        }
        while let Chunk::Data(bytes) = reader.next() {
            file.write_all(bytes).expect("a trace can be written");
        }
        ledger.wrote(began);
        thread::sleep(TICK);
    }
    panic!("nobody has killed it");
}
