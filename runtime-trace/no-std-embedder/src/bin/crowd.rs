//! A crowd of threads on one tracer, without `std` and without a heap.
//!
//! `main.rs` shows how little an embedder needs. This one is for tools that look
//! for data races and misused memory: no common lock keeps its threads apart.
//!
//! ```text
//!  6 seats, in each one thread after the other: register, emit, leave
//!  director: starts, advances, stops a trace per file; fills the seats
//!  clock:    advances too, whenever it is due; asks for figures all the time
//!  main:     reads, and writes the files
//! ```
//!
//! Its exit status is not 0 if anything goes wrong, with a line on standard
//! error; else there is a line of figures on standard output.

#![no_std]
#![no_main]

use core::ffi::{CStr, c_char, c_int, c_void};
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use no_std_embedder::checkpoints::Checkpoints;
use no_std_embedder::posix::{self, File, Mutex, Thread};
use runtime_trace::{
    AdvanceError, BlockReason, Chunk, Config, Emit, Frame, Host, Pcs, ProcTrace, Reader,
    StartError, StopError, StopReason, Sweep, SweptState, Symbolizer, TaskTrace, Tracer, Worker,
    WorkerError,
};

/// Threads that emit at once.
const SEATS: usize = 6;
/// Tasks that live at once.
const TASKS: usize = 24;
/// What a thread does before it leaves its seat to another.
const STEPS: u32 = 400;
/// How deep stacks are, and how many program counters there are.
const DEPTH: u64 = 12;
const PLACES: u64 = 40;

/// What can go wrong.
enum Failure {
    Usage,
    Open,
    Write,
    Thread,
    Reader,
    Worker(WorkerError),
    Start(StartError),
    Advance(AdvanceError),
    Stop(StopError),
    Lost(u64),
    /// Another thread has said why.
    Other,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage => f.write_str("usage: crowd EVENTS FILE..."),
            Self::Open => f.write_str("cannot create a file"),
            Self::Write => f.write_str("cannot write"),
            Self::Thread => f.write_str("cannot start a thread, or one failed"),
            Self::Reader => f.write_str("the trace has a reader already"),
            Self::Worker(error) => write!(f, "a thread cannot be traced: {error}"),
            Self::Start(error) => write!(f, "tracing does not start: {error}"),
            Self::Advance(error) => write!(f, "the generation does not end: {error}"),
            Self::Stop(error) => write!(f, "tracing does not stop: {error}"),
            Self::Lost(events) => write!(f, "{events} events were lost"),
            Self::Other => f.write_str("not all files were written"),
        }
    }
}

/// Everything there is.
struct Program {
    tracer: Tracer,
    procs: [ProcTrace; SEATS],
    /// Whether a thread has the seat's proc; a sweep holds it still.
    taken: [Mutex<bool>; SEATS],
    /// Who has a task's lock runs it, wakes it or holds it still.
    tasks: [Mutex<Task>; TASKS],
    next_task: AtomicU64,
    checkpoints: Checkpoints<SEATS>,
    /// Says to whoever waits for an empty seat that there is one.
    left: [AtomicBool; SEATS],
    /// What the director was told, and whether all threads are to end.
    wanted: Mutex<Wanted>,
    closing: AtomicBool,
    tally: Mutex<Tally>,
}

struct Task {
    trace: TaskTrace,
    state: State,
}

enum State {
    Free,
    Ready,
    Blocked,
}

#[derive(Clone, Copy)]
struct Wanted {
    /// Events in each file, at least, and how many files.
    events: u64,
    files: u64,
}

/// What came of it.
#[derive(Clone, Copy)]
struct Tally {
    threads: u64,
    files: u64,
    generations: u64,
    events: u64,
}

static PROGRAM: Program = Program {
    tracer: Tracer::new(),
    procs: {
        let mut procs = [const { ProcTrace::new(0) }; SEATS];
        let mut at = 1;
        while at < SEATS {
            procs[at] = ProcTrace::new(at as u32);
            at += 1;
        }
        procs
    },
    taken: [const { Mutex::new(false) }; SEATS],
    tasks: [const {
        Mutex::new(Task {
            trace: TaskTrace::new(0),
            state: State::Free,
        })
    }; TASKS],
    next_task: AtomicU64::new(1),
    checkpoints: Checkpoints::new(),
    left: [const { AtomicBool::new(false) }; SEATS],
    wanted: Mutex::new(Wanted {
        events: 0,
        files: 0,
    }),
    closing: AtomicBool::new(false),
    tally: Mutex::new(Tally {
        threads: 0,
        files: 0,
        generations: 0,
        events: 0,
    }),
};

impl Program {
    fn is_closing(&self) -> bool {
        // Acquire: pairs with the store in `close`: what was stopped is seen to
        // be.
        self.closing.load(Ordering::Acquire)
    }

    fn close(&self) {
        // Release: pairs with the load in `is_closing`.
        self.closing.store(true, Ordering::Release);
    }
}

/// The program, as it answers the tracer.
struct Scheduler(&'static Program);

impl Symbolizer for Scheduler {
    fn frames(&self, pc: usize, visit: &mut dyn FnMut(Frame<'_>)) {
        let mut name = Text::default();
        // It has room for this.
        let _ = write!(name, "place{pc}");
        visit(Frame {
            function: name.as_str(),
            file: "crowd.rs",
            line: pc as u32,
        });
    }
}

impl Host for Scheduler {
    fn checkpoint(&self) {
        self.0.checkpoints.ask();
    }

    fn sweep(&self, sweep: &Sweep<'_>) {
        for task in &self.0.tasks {
            task.with(|task| match task.state {
                State::Free => {}
                State::Ready => sweep.task(&task.trace, SweptState::Runnable, |pcs| pcs.push(1)),
                State::Blocked => sweep.task(&task.trace, SweptState::Waiting, |pcs| pcs.push(2)),
            });
        }
        for (proc, taken) in self.0.procs.iter().zip(&self.0.taken) {
            taken.with(|taken| {
                if !*taken {
                    sweep.proc_idle(proc);
                }
            });
        }
    }
}

/// A short text without a heap.
#[derive(Default)]
struct Text {
    bytes: [u8; 32],
    len: usize,
}

impl Text {
    fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        let room = self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// Numbers that look random (xorshift, by Marsaglia).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// Some stack, often one that others have as well.
fn somewhere(dice: &mut Dice) -> Pcs {
    let mut pcs = Pcs::logical();
    for _ in 0..=dice.below(DEPTH) {
        pcs.push(1 + dice.below(PLACES) as usize);
    }
    pcs
}

/// The thread in a seat, as the tracer knows it.
struct Seat {
    worker: Worker<'static>,
    proc: &'static ProcTrace,
    dice: Dice,
}

impl Seat {
    /// Does whatever is to be done for some task, unless somebody else does.
    fn step(&mut self) {
        let at = self.dice.below(TASKS as u64) as usize;
        PROGRAM.tasks[at].try_with(|task| match task.state {
            State::Free => {
                // Relaxed: only distinctness matters.
                let id = PROGRAM.next_task.fetch_add(1, Ordering::Relaxed);
                task.trace = TaskTrace::new(id);
                let (entry, here) = (somewhere(&mut self.dice), somewhere(&mut self.dice));
                let emit = self.worker.acquire(Some(self.proc), None);
                task.state = State::Ready;
                if let Some(emit) = emit {
                    emit.task_create(&task.trace, emit.stack(&entry), emit.stack(&here));
                }
            }
            State::Blocked => {
                let here = somewhere(&mut self.dice);
                let emit = self.worker.acquire(Some(self.proc), None);
                task.state = State::Ready;
                if let Some(emit) = emit {
                    emit.task_unblock(&task.trace, |pcs| pcs.push(2), emit.stack(&here));
                }
            }
            State::Ready => self.run(task),
        });
    }

    /// Runs a task until it yields, blocks or ends.
    fn run(&mut self, task: &mut Task) {
        if let Some(emit) = self.worker.acquire(Some(self.proc), None) {
            emit.task_start(&task.trace);
        }
        for _ in 0..self.dice.below(5) {
            let here = somewhere(&mut self.dice);
            let choice = self.dice.below(4);
            let number = self.dice.below(1000);
            if let Some(emit) = self.worker.acquire(Some(self.proc), Some(&task.trace)) {
                annotate(&emit, choice, number, &here);
            }
            if choice == 0 {
                posix::yield_thread(); // The generation may change meanwhile.
            }
        }
        let here = somewhere(&mut self.dice);
        let choice = self.dice.below(3);
        let emit = self.worker.acquire(Some(self.proc), Some(&task.trace));
        match choice {
            0 => {
                task.state = State::Ready;
                emit.inspect(|emit| emit.task_stop(StopReason::Yield, emit.stack(&here)));
            }
            1 => {
                task.state = State::Blocked;
                emit.inspect(|emit| emit.task_block(BlockReason::Sync, emit.stack(&here)));
            }
            _ => {
                task.state = State::Free;
                emit.inspect(Emit::task_end);
            }
        }
    }
}

/// One of the things that a running task may tell the trace.
fn annotate(emit: &Emit<'_, '_>, choice: u64, number: u64, here: &Pcs) {
    let mut text = Text::default();
    // It has room for this.
    let _ = write!(text, "number {number}");
    match choice {
        0 => emit.log(0, "crowd", "said by everybody", emit.stack(here)),
        1 => emit.log(0, "crowd", text.as_str(), emit.stack(here)),
        2 => {
            emit.region_begin(0, text.as_str(), emit.stack(here));
            emit.region_end(0, text.as_str(), emit.stack(here));
        }
        _ => emit.heap_alloc(number),
    }
}

/// What a thread does in its seat.
fn sit(number: usize) -> Result<(), Failure> {
    let proc = &PROGRAM.procs[number];
    let worker = PROGRAM.tracer.worker().map_err(Failure::Worker)?;
    let dice = Dice(0x9e37_79b9 * (worker.id() + 1));
    let mut seat = Seat { worker, proc, dice };
    PROGRAM.taken[number].with(|taken| *taken = true);
    if let Some(emit) = seat.worker.acquire(None, None) {
        emit.proc_start(proc);
    }
    for _ in 0..STEPS {
        let worker = &seat.worker;
        PROGRAM
            .checkpoints
            .pass(number, || worker.checkpoint(Some(proc), None, |_| {}));
        seat.step();
        if PROGRAM.is_closing() {
            break;
        }
    }
    PROGRAM.taken[number].with(|taken| {
        let emit = seat.worker.acquire(Some(proc), None);
        *taken = false;
        emit.inspect(Emit::proc_stop);
    });
    Ok(())
}

extern "C" fn seat(number: *mut c_void) -> *mut c_void {
    let number = number.addr();
    let result = sit(number);
    PROGRAM.checkpoints.leave(number);
    // Relaxed: the thread is joined then.
    PROGRAM.left[number].store(true, Ordering::Relaxed);
    finish(result)
}

/// What a thread returns: null if all is well.
fn finish(result: Result<(), Failure>) -> *mut c_void {
    match result {
        Ok(()) => core::ptr::null_mut(),
        Err(failure) => {
            posix::complain(&failure);
            PROGRAM.close();
            core::ptr::without_provenance_mut(1)
        }
    }
}

/// The threads in the seats.
struct Seats([Option<Thread>; SEATS]);

impl Seats {
    /// Puts a thread into every seat that is empty or was left.
    fn fill(&mut self) -> Result<(), Failure> {
        for (number, thread) in self.0.iter_mut().enumerate() {
            // Relaxed: see `seat`.
            if PROGRAM.left[number].swap(false, Ordering::Relaxed)
                && let Some(thread) = thread.take()
            {
                thread.join().map_err(|_| Failure::Thread)?;
            }
            if thread.is_none() {
                PROGRAM.checkpoints.join(number);
                *thread = Some(Thread::start(seat, number).map_err(|_| Failure::Thread)?);
                PROGRAM.tally.with(|tally| tally.threads += 1);
            }
        }
        Ok(())
    }

    fn empty(&mut self) -> Result<(), Failure> {
        for thread in self.0.iter_mut().filter_map(Option::take) {
            thread.join().map_err(|_| Failure::Thread)?;
        }
        Ok(())
    }
}

/// Does as told by `wanted`, whatever becomes of it.
extern "C" fn director(_: *mut c_void) -> *mut c_void {
    let mut seats = Seats([const { None }; SEATS]);
    let wanted = PROGRAM.wanted.with(|wanted| *wanted);
    let result = (0..wanted.files).try_for_each(|_| direct(&mut seats, wanted.events));
    PROGRAM.close();
    finish(result.and(seats.empty()))
}

/// One trace, while threads come and go.
fn direct(seats: &mut Seats, events: u64) -> Result<(), Failure> {
    let (tracer, scheduler) = (&PROGRAM.tracer, Scheduler(&PROGRAM));
    let mut config = Config::new(SEATS as u32);
    config.generation_bytes = 64 << 10; // So that the clock has something to do.
    loop {
        seats.fill()?;
        match tracer.start(&config, &scheduler) {
            Ok(()) => break,
            Err(StartError::StillReading | StartError::Busy) => posix::sleep_us(100),
            Err(error) => return Err(Failure::Start(error)),
        }
    }
    for until in [events / 2, events] {
        while tracer.stats().events < until {
            if PROGRAM.is_closing() {
                return Err(Failure::Other);
            }
            seats.fill()?;
            posix::sleep_us(200);
        }
        advance(&scheduler)?;
    }
    loop {
        match tracer.stop(&scheduler) {
            Ok(()) => break,
            Err(StopError::Busy) => posix::yield_thread(),
            Err(error) => return Err(Failure::Stop(error)),
        }
    }
    let stats = tracer.stats();
    PROGRAM.tally.with(|tally| {
        tally.files += 1;
        tally.generations += stats.generations;
        tally.events += stats.events;
    });
    match stats.losses.total() {
        0 => Ok(()),
        lost => Err(Failure::Lost(lost)),
    }
}

/// Advances, unless somebody else does or there is nothing to do.
fn advance(scheduler: &Scheduler) -> Result<(), Failure> {
    match scheduler.0.tracer.advance(scheduler) {
        Ok(()) => Ok(()),
        Err(AdvanceError::Busy | AdvanceError::NotTracing | AdvanceError::ReaderBehind) => Ok(()),
        Err(error) => Err(Failure::Advance(error)),
    }
}

/// Advances whenever it is due, and asks for figures meanwhile.
extern "C" fn clock(_: *mut c_void) -> *mut c_void {
    let (tracer, scheduler) = (&PROGRAM.tracer, Scheduler(&PROGRAM));
    while !PROGRAM.is_closing() {
        let stats = tracer.stats();
        if tracer.enabled()
            && stats.mapped > 0
            && tracer.advance_due()
            && let Err(failure) = advance(&scheduler)
        {
            return finish(Err(failure));
        }
        posix::sleep_us(500);
    }
    finish(Ok(()))
}

/// Reads one trace into a file.
fn write_out(reader: &mut Reader<'_>, path: &CStr) -> Result<(), Failure> {
    let file = File::create(path).map_err(|_| Failure::Open)?;
    let mut begun = false;
    loop {
        let closing = PROGRAM.is_closing();
        match reader.next() {
            Chunk::Data(bytes) => {
                begun = true;
                file.write(bytes).map_err(|_| Failure::Write)?;
            }
            Chunk::End if begun => return Ok(()),
            // The director has gone without starting or stopping this one.
            Chunk::Pending | Chunk::End if closing => return Err(Failure::Other),
            Chunk::Pending | Chunk::End => posix::sleep_us(200),
        }
    }
}

fn run(events: Option<u64>, paths: &[*const c_char]) -> Result<(), Failure> {
    let events = events.filter(|_| !paths.is_empty()).ok_or(Failure::Usage)?;
    let files = paths.len() as u64;
    PROGRAM
        .wanted
        .with(|wanted| *wanted = Wanted { events, files });
    let mut reader = PROGRAM.tracer.reader().ok_or(Failure::Reader)?;
    let clock = Thread::start(clock, 0).map_err(|_| Failure::Thread)?;
    let director = Thread::start(director, 0).map_err(|_| Failure::Thread)?;
    for &path in paths {
        // SAFETY: an argument of the program, which stays as long as it runs.
        write_out(&mut reader, unsafe { CStr::from_ptr(path) })?;
    }
    let joined = [director.join(), clock.join()];
    joined
        .into_iter()
        .collect::<Result<(), _>>()
        .map_err(|_| Failure::Thread)?;
    let tally = PROGRAM.tally.with(|tally| *tally);
    let Tally {
        threads,
        files,
        generations,
        events,
    } = tally;
    posix::say(&format_args!(
        "threads {threads} files {files} generations {generations} events {events}"
    ))
    .map_err(|_| Failure::Write)
}

/// Where the C library starts.
///
/// # Safety
///
/// `argv` points to `argc` pointers to C strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    let count = usize::try_from(argc).unwrap_or(0);
    // SAFETY: there are as many pointers.
    let arguments = unsafe { core::slice::from_raw_parts(argv, count) };
    let events = arguments.get(1).and_then(|&argument| {
        // SAFETY: an argument of the program.
        let text = unsafe { CStr::from_ptr(argument) };
        text.to_str().ok()?.parse().ok()
    });
    match run(events, arguments.get(2..).unwrap_or_default()) {
        Ok(()) => 0,
        Err(failure) => {
            posix::complain(&failure);
            1
        }
    }
}
