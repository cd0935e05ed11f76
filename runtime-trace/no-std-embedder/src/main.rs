//! A traced program without `std` and without a heap.
//!
//! Two threads run a handful of tasks; a third, the one that starts, writes the
//! trace to the file that the first argument names. It uses nothing but `libc`
//! and the tracer, so that linking it proves what the tracer needs.
//!
//! Its exit status is not 0 if anything goes wrong, with a line on standard
//! error.

#![no_std]
#![no_main]

use core::ffi::{CStr, c_char, c_int, c_void};
use core::fmt;

use runtime_trace::{
    AdvanceError, BlockReason, Chunk, Config, Frame, Host, Pcs, ProcTrace, Reader, StartError,
    StopError, StopReason, Sweep, SweptState, Symbolizer, TaskTrace, Tracer, WorkerError,
};

use no_std_embedder::checkpoints::Checkpoints;
use no_std_embedder::posix::{self, File, Mutex, Thread};

/// How often each task runs.
const SLICES: u32 = 50;

/// What can go wrong.
enum Failure {
    Usage,
    Open,
    Write,
    Thread,
    Worker(WorkerError),
    Start(StartError),
    Reader,
    Advance(AdvanceError),
    Stop(StopError),
    NoEnd,
    Lost,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage => f.write_str("usage: no-std-embedder FILE"),
            Self::Open => f.write_str("cannot create the file"),
            Self::Write => f.write_str("cannot write to the file"),
            Self::Thread => f.write_str("cannot start a thread"),
            Self::Worker(error) => write!(f, "a thread cannot be traced: {error}"),
            Self::Start(error) => write!(f, "tracing does not start: {error}"),
            Self::Reader => f.write_str("the trace has a reader already"),
            Self::Advance(error) => write!(f, "the generation does not end: {error}"),
            Self::Stop(error) => write!(f, "tracing does not stop: {error}"),
            Self::NoEnd => f.write_str("the trace was stopped and has no end"),
            Self::Lost => f.write_str("events were lost"),
        }
    }
}

/// Everything there is.
struct Program {
    tracer: Tracer,
    procs: [ProcTrace; 2],
    tasks: [TaskTrace; 6],
    /// Every transition is made and emitted under this lock, so whoever has it
    /// holds all tasks still.
    tasks_now: Mutex<Tasks>,
    checkpoints: Checkpoints<2>,
}

/// What each task does, and how often it has run.
struct Tasks {
    states: [State; 6],
    slices: [u32; 6],
    /// Where to look for a ready task first.
    next: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Ready,
    Running,
    Blocked,
    Ended,
}

static PROGRAM: Program = Program {
    tracer: Tracer::new(),
    procs: [ProcTrace::new(0), ProcTrace::new(1)],
    tasks: [
        TaskTrace::new(1),
        TaskTrace::new(2),
        TaskTrace::new(3),
        TaskTrace::new(4),
        TaskTrace::new(5),
        TaskTrace::new(6),
    ],
    tasks_now: Mutex::new(Tasks {
        states: [State::New; 6],
        slices: [0; 6],
        next: 0,
    }),
    checkpoints: Checkpoints::new(),
};

impl Tasks {
    /// A task in this state, looking round from where it was found last.
    fn find(&mut self, state: State) -> Option<usize> {
        let count = self.states.len();
        let from = self.next;
        let found = (0..count)
            .map(|step| (from + step) % count)
            .find(|&task| self.states[task] == state)?;
        self.next = found + 1;
        Some(found)
    }

    fn all_ended(&self) -> bool {
        self.states.iter().all(|&state| state == State::Ended)
    }
}

/// Where tasks are: program counters, numbered from 1.
const PLACES: [&str; 5] = ["task", "spawn", "park", "wake", "yield"];
const TASK: usize = 1;
const SPAWN: usize = 2;
const PARK: usize = 3;
const WAKE: usize = 4;
const YIELD: usize = 5;

/// The stack of a task that is at `pc`.
fn at(pc: usize) -> Pcs {
    let mut pcs = Pcs::logical();
    push(&mut pcs, pc);
    pcs
}

fn push(pcs: &mut Pcs, pc: usize) {
    pcs.push(pc);
    if pc != TASK {
        pcs.push(TASK);
    }
}

/// The program, as it answers the tracer.
struct Scheduler(&'static Program);

impl Symbolizer for Scheduler {
    fn frames(&self, pc: usize, visit: &mut dyn FnMut(Frame<'_>)) {
        visit(Frame {
            function: PLACES.get(pc.wrapping_sub(1)).copied().unwrap_or("?"),
            file: "main.rs",
            line: pc as u32,
        });
    }
}

impl Host for Scheduler {
    fn checkpoint(&self) {
        self.0.checkpoints.ask();
    }

    fn sweep(&self, sweep: &Sweep<'_>) {
        self.0.tasks_now.with(|now| {
            for (task, state) in self.0.tasks.iter().zip(now.states) {
                match state {
                    State::Ready => sweep.task(task, SweptState::Runnable, |pcs| push(pcs, YIELD)),
                    State::Blocked => sweep.task(task, SweptState::Waiting, |pcs| push(pcs, PARK)),
                    State::New | State::Running | State::Ended => {}
                }
            }
        });
        for (number, proc) in self.0.procs.iter().enumerate() {
            if self.0.checkpoints.is_gone(number) {
                sweep.proc_idle(proc);
            }
        }
    }
}

/// What each thread does: takes its proc, and runs tasks as long as any live.
fn work(program: &'static Program, number: usize) -> Result<(), Failure> {
    let worker = program.tracer.worker().map_err(Failure::Worker)?;
    let proc = &program.procs[number];
    if let Some(emit) = worker.acquire(None, None) {
        emit.proc_start(proc);
    }
    let mut goes_on = true;
    while goes_on {
        program
            .checkpoints
            .pass(number, || worker.checkpoint(Some(proc), None, |_| {}));

        let task = program.tasks_now.with(|now| {
            // The first thread creates the tasks.
            if number == 0
                && let Some(new) = now.find(State::New)
            {
                if let Some(emit) = worker.acquire(Some(proc), None) {
                    let (entry, stack) = (emit.stack(&at(TASK)), emit.stack(&at(SPAWN)));
                    emit.task_create(&program.tasks[new], entry, stack);
                }
                now.states[new] = State::Ready;
            }
            goes_on = !now.all_ended();
            let task = now.find(State::Ready)?;
            now.states[task] = State::Running;
            if let Some(emit) = worker.acquire(Some(proc), None) {
                emit.task_start(&program.tasks[task]);
            }
            Some(task)
        });
        let Some(task) = task else {
            posix::yield_thread();
            continue;
        };
        posix::sleep_us(20); // The task's work.
        program.tasks_now.with(|now| {
            now.slices[task] += 1;
            let trace = &program.tasks[task];
            let emit = worker.acquire(Some(proc), Some(trace));
            if let Some(other) = now.find(State::Blocked) {
                if let Some(emit) = &emit {
                    let waits_at = |pcs: &mut Pcs| push(pcs, PARK);
                    emit.task_unblock(&program.tasks[other], waits_at, emit.stack(&at(WAKE)));
                }
                now.states[other] = State::Ready;
            }
            // One that is alone has nobody to wake it.
            let alone = !now.states.contains(&State::Ready);
            now.states[task] = if now.slices[task] == SLICES {
                emit.inspect(|emit| emit.task_end());
                State::Ended
            } else if now.slices[task] % 3 == 0 && !alone {
                emit.inspect(|emit| emit.task_block(BlockReason::Sync, emit.stack(&at(PARK))));
                State::Blocked
            } else {
                emit.inspect(|emit| emit.task_stop(StopReason::Yield, emit.stack(&at(YIELD))));
                State::Ready
            };
        });
    }
    if let Some(emit) = worker.acquire(Some(proc), None) {
        emit.proc_stop();
    }
    drop(worker);
    Ok(())
}

/// A thread's first function; its argument is its number.
extern "C" fn thread(number: *mut c_void) -> *mut c_void {
    let number = number.addr();
    let result = work(&PROGRAM, number);
    PROGRAM.checkpoints.leave(number);
    match result {
        Ok(()) => core::ptr::null_mut(),
        Err(failure) => {
            posix::complain(&failure);
            core::ptr::without_provenance_mut(1)
        }
    }
}

/// Writes what there is now: whether the trace is at its end.
fn pump(reader: &mut Reader<'_>, file: &File) -> Result<bool, Failure> {
    loop {
        match reader.next() {
            Chunk::Data(bytes) => file.write(bytes).map_err(|_| Failure::Write)?,
            Chunk::Pending => return Ok(false),
            Chunk::End => return Ok(true),
        }
    }
}

fn run(path: Option<&CStr>) -> Result<(), Failure> {
    let file = File::create(path.ok_or(Failure::Usage)?).map_err(|_| Failure::Open)?;
    let tracer = &PROGRAM.tracer;
    let scheduler = Scheduler(&PROGRAM);
    // No thread yet: none has to pass a checkpoint.
    tracer
        .start(&Config::new(2), &scheduler)
        .map_err(Failure::Start)?;
    let mut reader = tracer.reader().ok_or(Failure::Reader)?;
    let [one, two] = [0, 1].map(|number| {
        PROGRAM.checkpoints.join(number);
        Thread::start(thread, number)
    });
    // Without one of them the other still ends, once all tasks have.
    let threads = [
        one.map_err(|_| Failure::Thread)?,
        two.map_err(|_| Failure::Thread)?,
    ];

    let slices = || PROGRAM.tasks_now.with(|now| now.slices.iter().sum::<u32>());
    while slices() < 3 * SLICES {
        posix::sleep_us(200);
        pump(&mut reader, &file)?;
    }
    tracer.advance(&scheduler).map_err(Failure::Advance)?;
    for thread in threads {
        thread.join().map_err(|_| Failure::Thread)?;
    }
    tracer.stop(&scheduler).map_err(Failure::Stop)?;
    if !pump(&mut reader, &file)? {
        return Err(Failure::NoEnd);
    }
    match tracer.stats().losses.total() {
        0 => Ok(()),
        _ => Err(Failure::Lost),
    }
}

/// Where the C library starts.
///
/// # Safety
///
/// `argv` points to `argc` pointers to C strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    let path = (argc == 2).then(|| {
        // SAFETY: there are two arguments, so the second one is a C string, and
        // it stays as long as the program runs.
        unsafe { CStr::from_ptr(*argv.add(1)) }
    });
    match run(path) {
        Ok(()) => 0,
        Err(failure) => {
            posix::complain(&failure);
            1
        }
    }
}
