//! A runtime in a hundred lines, traced: two threads, and a list of tasks that
//! run, yield, block and wake each other.
//!
//! `cargo run -p runtime-trace --example embedder -- out.trace`

#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use runtime_trace::{
    BlockReason, Chunk, Config, Frame, Host, Pcs, ProcTrace, StopReason, Sweep, SweptState,
    Symbolizer, TaskTrace, Tracer,
};

const TASKS: u64 = 20;
const SLICES: u64 = 200;

struct Runtime {
    tracer: Tracer,
    procs: [ProcTrace; 2],
    tasks: Vec<TaskTrace>,
    /// Every transition is made and emitted under this lock, so whoever has it
    /// holds all tasks still.
    lists: Mutex<Lists>,
    /// The checkpoint asked for, and the latest that each worker has passed.
    wanted: AtomicU64,
    passed: [AtomicU64; 2],
}

#[derive(Default)]
struct Lists {
    ready: VecDeque<usize>,
    blocked: VecDeque<usize>,
    slices: Vec<u64>,
    live: u64,
}

/// Program counters, here simply numbers of the lines below.
const PLACES: [(&str, u32); 4] = [("work", 1), ("work", 2), ("work", 3), ("boot", 1)];

impl Symbolizer for Runtime {
    fn frames(&self, pc: usize, visit: &mut dyn FnMut(Frame<'_>)) {
        let (function, line) = PLACES[pc - 1];
        let file = "embedder.rs";
        visit(Frame {
            function,
            file,
            line,
        });
    }
}

impl Host for Runtime {
    fn checkpoint(&self) {
        let wanted = self.wanted.fetch_add(1, SeqCst) + 1;
        while self
            .passed
            .iter()
            .any(|passed| passed.load(SeqCst) < wanted)
        {
            std::thread::yield_now();
        }
    }

    fn sweep(&self, sweep: &Sweep<'_>) {
        let lists = self.lists.lock().unwrap();
        for &task in &lists.ready {
            sweep.task(&self.tasks[task], SweptState::Runnable, |pcs| pcs.push(2));
        }
        for &task in &lists.blocked {
            sweep.task(&self.tasks[task], SweptState::Waiting, |pcs| pcs.push(3));
        }
    }
}

fn at(pc: usize) -> Pcs {
    let mut pcs = Pcs::logical();
    pcs.push(pc);
    pcs
}

/// What each thread does: takes a proc, and runs tasks as long as there are any.
fn work(runtime: &Runtime, number: usize) {
    let worker = runtime.tracer.worker().expect("no memory for a worker");
    let proc = &runtime.procs[number];
    if let Some(emit) = worker.acquire(None, None) {
        emit.proc_start(proc);
    }
    loop {
        let wanted = runtime.wanted.load(SeqCst);
        worker.checkpoint(Some(proc), None, |_| {});
        runtime.passed[number].store(wanted, SeqCst);

        let mut lists = runtime.lists.lock().unwrap();
        let Some(task) = lists.ready.pop_front() else {
            if lists.live == 0 {
                break;
            }
            continue;
        };
        let trace = &runtime.tasks[task];
        if let Some(emit) = worker.acquire(Some(proc), None) {
            emit.task_start(trace);
        }
        drop(lists);
        std::hint::black_box((0..20_000).sum::<u64>()); // The task's work.

        let mut lists = runtime.lists.lock().unwrap();
        lists.slices[task] += 1;
        let slices = lists.slices[task];
        let emit = worker.acquire(Some(proc), Some(trace));
        if let Some(other) = lists.blocked.pop_front() {
            if let Some(emit) = &emit {
                let waits_at = |pcs: &mut Pcs| pcs.push(3);
                emit.task_unblock(&runtime.tasks[other], waits_at, emit.stack(&at(1)));
            }
            lists.ready.push_back(other);
        }
        if slices == SLICES {
            emit.inspect(|emit| emit.task_end());
            lists.live -= 1;
        } else if slices.is_multiple_of(3) && !lists.ready.is_empty() {
            emit.inspect(|emit| emit.task_block(BlockReason::Sync, emit.stack(&at(3))));
            lists.blocked.push_back(task);
        } else {
            emit.inspect(|emit| emit.task_stop(StopReason::Yield, emit.stack(&at(2))));
            lists.ready.push_back(task);
        }
    }
    if let Some(emit) = worker.acquire(Some(proc), None) {
        emit.proc_stop();
    }
    runtime.passed[number].store(u64::MAX, SeqCst);
}

fn main() -> std::io::Result<()> {
    let path = std::env::args().nth(1).unwrap_or("embedder.trace".into());
    let mut file = std::fs::File::create(&path)?;
    let runtime = Runtime {
        tracer: Tracer::new(),
        procs: [ProcTrace::new(0), ProcTrace::new(1)],
        tasks: (1..=TASKS).map(TaskTrace::new).collect(),
        lists: Mutex::new(Lists {
            slices: vec![0; TASKS as usize],
            ready: (0..TASKS as usize).collect(),
            live: TASKS,
            ..Lists::default()
        }),
        wanted: AtomicU64::new(0),
        passed: [AtomicU64::new(u64::MAX), AtomicU64::new(u64::MAX)],
    };
    runtime
        .tracer
        .start(&Config::new(2), &runtime)
        .expect("tracing starts once");
    let mut reader = runtime.tracer.reader().expect("there is one reader");
    std::thread::scope(|scope| -> std::io::Result<()> {
        for number in 0..2 {
            runtime.passed[number].store(0, SeqCst);
            let runtime = &runtime;
            scope.spawn(move || work(runtime, number));
        }
        while runtime.lists.lock().unwrap().live > 0 {
            std::thread::sleep(std::time::Duration::from_millis(1));
            let _ = runtime.tracer.advance(&runtime); // Refused while the reader lags.
            while let Chunk::Data(bytes) = reader.next() {
                file.write_all(bytes)?;
            }
        }
        Ok(())
    })?;
    runtime.tracer.stop(&runtime).expect("tracing was on");
    while let Chunk::Data(bytes) = reader.next() {
        file.write_all(bytes)?;
    }
    let stats = runtime.tracer.stats();
    println!(
        "{path}: {} events, {} generations, {}",
        stats.events, stats.generations, stats.losses
    );
    Ok(())
}
