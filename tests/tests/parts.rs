//! What threads have emitted is read soon, however little it is: at any moment the
//! file has all of it, each event once, with its names.

use std::time::Duration;

use e2e::check::{Ends, check};
use e2e::kept::pump;
use e2e::lone::{Lone, Silent};
use e2e::sim::said::by_itself;
use e2e::wire::Trace;
use proptest::collection::vec;
use proptest::prelude::*;
use runtime_trace::{
    Chunk, Config, Emit, Frame, Host, Pcs, ProcTrace, StackId, Sweep, Symbolizer, TaskTrace,
    Tracer, Worker,
};
use trace_format::EventKind;

/// Threads, each with a proc and a task that runs on it.
const THREADS: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A thread logs so many messages, each with a name and a stack of this number.
    Logs(usize, usize, u8),
    /// A thread passes its proc on to another worker of the same thread.
    Leaves(usize),
    /// All that there is is read.
    Reads,
    /// The generation ends.
    Advances,
}

fn step() -> impl Strategy<Value = Step> {
    let thread = || 0..THREADS;
    prop_oneof![
        6 => (thread(), 1..6usize, any::<u8>()).prop_map(|(t, n, name)| Step::Logs(t, n, name)),
        // More than a batch.
        1 => (thread(), 2500..4000usize, any::<u8>())
            .prop_map(|(t, n, name)| Step::Logs(t, n, name)),
        1 => thread().prop_map(Step::Leaves),
        4 => Just(Step::Reads),
        1 => Just(Step::Advances),
    ]
}

struct Thread<'t> {
    worker: Option<Worker<'t>>,
    proc: &'t ProcTrace,
    task: &'t TaskTrace,
    number: u64,
    /// The numbers that were logged in this generation.
    said: Vec<u64>,
}

impl<'t> Thread<'t> {
    fn emits(&self, emit: impl FnOnce(&Emit<'_, 't>)) {
        let worker = self.worker.as_ref().expect("it has its handle");
        emit(
            &worker
                .acquire(Some(self.proc), Some(self.task))
                .expect("it is on"),
        );
    }

    fn checkpoint(&self) {
        let worker = self.worker.as_ref().expect("it has its handle");
        worker.checkpoint(Some(self.proc), Some(self.task), |_| {});
    }

    fn begins(&mut self, tracer: &'t Tracer) {
        let worker = self
            .worker
            .insert(tracer.worker().expect("memory for a worker"));
        let emit = worker.acquire(None, None).expect("it is on");
        emit.proc_start(self.proc);
        emit.task_create(self.task, StackId::NONE, StackId::NONE);
        emit.task_start(self.task);
    }

    fn logs(&mut self, count: usize, name: u8) {
        for _ in 0..count {
            let number = self.said.len() as u64;
            self.said.push(number);
            let mut pcs = Pcs::logical();
            pcs.push(usize::from(name) + 1);
            pcs.push(number as usize % 50 + 1000);
            let category = format!("category {name}");
            let id = self.number << 32 | number;
            self.emits(|emit| emit.log(id, &category, "message", emit.stack(&pcs)));
        }
    }
}

/// What the file has of the generation that is written, against what was said.
fn compare(file: &[u8], threads: &[Thread<'_>]) -> Result<(), TestCaseError> {
    let trace = Trace::read(file).map_err(|fault| TestCaseError::fail(fault.to_string()))?;
    let generation = trace.generations.last().expect("it is begun");
    let mut found = vec![Vec::new(); THREADS];
    for event in generation.streams.values().flatten() {
        if event.kind == EventKind::UserLog && !by_itself(event, generation) {
            let [task, category, message, stack] = event.args;
            let names = [category, message].map(|id| generation.string(id));
            prop_assert!(names[0].is_some_and(|name| name.starts_with("category ")));
            prop_assert_eq!(names[1], Some("message"));
            prop_assert!(generation.stacks.contains_key(&stack));
            // A user task's ID stands for the thread and the number.
            found[(task >> 32) as usize].push(task & u64::from(u32::MAX));
        }
    }
    for (found, thread) in found.iter().zip(threads) {
        prop_assert_eq!(found, &thread.said);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(20)
    })]

    #[test]
    fn the_file_has_what_was_emitted(steps in vec(step(), 0..40)) {
        let tracer = Tracer::new();
        let procs: Vec<_> = (0..THREADS as u32).map(ProcTrace::new).collect();
        let tasks: Vec<_> = (1..1000).map(TaskTrace::new).collect();
        let mut tasks = tasks.iter();
        let mut config = Config::new(THREADS as u32);
        config.latency = Duration::ZERO;
        tracer.start(&config, &Silent).expect("it starts");
        let mut reader = tracer.reader().expect("there is one");
        let mut file = Vec::new();
        let mut threads: Vec<_> = procs.iter().map(|proc| Thread {
            number: proc.id().into(),
            worker: None,
            proc,
            task: tasks.next().expect("there are enough"),
            said: Vec::new(),
        }).collect();
        threads.iter_mut().for_each(|thread| thread.begins(&tracer));
        for step in steps {
            match step {
                Step::Logs(thread, count, name) => threads[thread].logs(count, name),
                Step::Leaves(thread) => {
                    // The tracer ends its task, so there is another.
                    threads[thread].worker = None;
                    threads[thread].task = tasks.next().expect("there are enough");
                    threads[thread].begins(&tracer);
                }
                Step::Reads => {
                    tracer.write_stacks(&Silent);
                    prop_assert!(!pump(&mut reader, &mut file));
                    // As if the generation ended here.
                    let mut so_far = file.clone();
                    so_far.push(EventKind::EndOfGeneration as u8);
                    compare(&so_far, &threads)?;
                }
                Step::Advances => {
                    prop_assert!(!pump(&mut reader, &mut file));
                    threads.iter().for_each(Thread::checkpoint);
                    tracer.advance(&Silent).expect("all of it was read");
                    pump(&mut reader, &mut file);
                    threads.iter_mut().for_each(|thread| thread.said.clear());
                }
            }
        }
        threads.iter().for_each(Thread::checkpoint);
        tracer.stop(&Silent).expect("it stops");
        prop_assert!(pump(&mut reader, &mut file));
        compare(&file, &threads)?;
        prop_assert_eq!(tracer.stats().bytes, file.len() as u64 - overhead(&file)?);
        let trace = Trace::read(&file[..]).map_err(|fault| TestCaseError::fail(fault.to_string()))?;
        if let Err(fault) = check(&trace, Ends::Whole) {
            return Err(TestCaseError::fail(fault.to_string()));
        }
    }
}

/// Bytes of a file that are in no batch: its header, and a mark a generation.
fn overhead(file: &[u8]) -> Result<u64, TestCaseError> {
    let trace = Trace::read(file).map_err(|fault| TestCaseError::fail(fault.to_string()))?;
    Ok(16 + trace.generations.len() as u64)
}

/// A tracer that hands out at once what is emitted, within so many bytes.
fn at_once(memory_limit: usize) -> Config {
    let mut config = Config::new(1);
    config.latency = Duration::ZERO;
    config.memory_limit = memory_limit;
    config
}

/// What was read in part is not counted again when its batch is pushed.
#[test]
fn bytes_are_counted_once() {
    let (tracer, proc, task) = (Tracer::new(), ProcTrace::new(0), TaskTrace::new(1));
    let mut config = at_once(64 << 20);
    config.generation_bytes = 20_000;
    tracer.start(&config, &Silent).expect("it starts");
    let mut reader = tracer.reader().expect("there is one");
    let mut file = Vec::new();
    let lone = Lone::new(&tracer, &proc, &task);
    lone.begins();
    for _ in 0..4000 {
        lone.emits(|emit| {
            emit.label("label");
            1
        });
    }
    assert!(!pump(&mut reader, &mut file));
    let read = tracer.stats().bytes;
    assert_eq!(read, file.len() as u64 - 16);
    lone.ends();
    drop(lone);
    let rest = tracer.stats().bytes - read;
    assert!(rest < 100, "{rest} bytes for the end of a task");
    assert!(!tracer.advance_due());
    tracer.stop(&Silent).expect("it stops");
    assert!(pump(&mut reader, &mut file));
    assert_eq!(tracer.stats().bytes, file.len() as u64 - 17);
}

/// Names are read although full batches wait all the time.
#[test]
fn names_come_before_what_waits() {
    let (tracer, proc, task) = (Tracer::new(), ProcTrace::new(0), TaskTrace::new(1));
    tracer
        .start(&at_once(64 << 20), &Silent)
        .expect("it starts");
    let mut reader = tracer.reader().expect("there is one");
    let mut file = Vec::new();
    let lone = Lone::new(&tracer, &proc, &task);
    lone.begins();
    for _ in 0..5 {
        // More than a batch for each that is read.
        for _ in 0..30_000 {
            lone.emits(|emit| {
                emit.label("label");
                1
            });
        }
        match reader.next() {
            Chunk::Data(bytes) => file.extend_from_slice(bytes),
            other => panic!("{other:?}"),
        }
    }
    file.push(EventKind::EndOfGeneration as u8);
    let trace = Trace::read(&file[..]).expect("it can be read");
    let strings = &trace.generations[0].strings;
    assert!(strings.values().any(|name| name == "label"), "{strings:?}");
}

/// Names that are written early leave events their memory.
#[test]
fn names_do_not_crowd_events_out() {
    struct Long;
    impl Symbolizer for Long {
        fn frames(&self, pc: usize, visit: &mut dyn FnMut(Frame<'_>)) {
            visit(Frame {
                function: &format!("{pc}{}", "f".repeat(1000)),
                file: "long.weft",
                line: 1,
            });
        }
    }
    impl Host for Long {
        fn checkpoint(&self) {}
        fn sweep(&self, _: &Sweep<'_>) {}
    }
    let (tracer, proc, task) = (Tracer::new(), ProcTrace::new(0), TaskTrace::new(1));
    tracer.start(&at_once(4 << 20), &Long).expect("it starts");
    let mut reader = tracer.reader().expect("there is one");
    let mut file = Vec::new();
    let lone = Lone::new(&tracer, &proc, &task);
    lone.begins();
    for round in 0..60 {
        for at in 0..3000 {
            lone.emits(|emit| {
                let mut pcs = Pcs::logical();
                if at < 50 {
                    pcs.push(1 + 50 * round + at);
                }
                emit.region_begin(0, "region", emit.stack(&pcs));
                emit.region_end(0, "region", StackId::NONE);
                2
            });
        }
        tracer.write_stacks(&Long);
        pump(&mut reader, &mut file);
    }
    lone.ends();
    assert_eq!(tracer.stop(&Long), Ok(()));
    pump(&mut reader, &mut file);
    assert_eq!(tracer.stats().losses.events(), 0);
    let trace = Trace::read(&file[..]).expect("it can be read");
    if let Err(fault) = check(&trace, Ends::Whole) {
        panic!("{fault}");
    }
}

/// A reader that says twice that a piece could not be written has lost it once.
#[test]
fn a_piece_is_lost_once() {
    let (tracer, proc, task) = (Tracer::new(), ProcTrace::new(0), TaskTrace::new(1));
    tracer
        .start(&at_once(64 << 20), &Silent)
        .expect("it starts");
    let mut reader = tracer.reader().expect("there is one");
    let lone = Lone::new(&tracer, &proc, &task);
    lone.begins();
    lone.logs("message");
    // Header, clocks, strings, and then what the thread has written.
    for _ in 0..4 {
        assert!(matches!(reader.next(), Chunk::Data(_)));
    }
    reader.fail();
    let lost = tracer.stats().losses.total();
    assert_eq!(lost, lone.said());
    reader.fail();
    assert_eq!(tracer.stats().losses.total(), lost);
}
