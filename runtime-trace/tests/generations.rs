//! Starting, advancing and stopping, as an embedder meets them: what is
//! refused, and that a refusal changes nothing.

#![cfg(not(loom))]

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};

use runtime_trace::{
    AdvanceError, Chunk, Config, Frame, Host, Loss, Pcs, ProcTrace, StackId, StartError, StopError,
    Sweep, Symbolizer, TaskTrace, Tracer, Version, Worker,
};

/// What stays mapped while tracing is off: the workers' slots and, on Linux, the
/// switch, if pages can be wiped.
const IDLE: usize = runtime_trace::pages::BLOCK_SIZE
    * (1 + cfg!(all(target_os = "linux", not(heap_pages))) as usize);

/// A host without tasks, which may misbehave when it is called.
#[derive(Default)]
struct TestHost<'a> {
    in_sweep: RefCell<Option<Box<dyn FnOnce() + 'a>>>,
    in_frames: RefCell<Option<Box<dyn FnOnce() + 'a>>>,
}

impl Symbolizer for TestHost<'_> {
    fn frames(&self, pc: usize, visit: &mut dyn FnMut(Frame<'_>)) {
        if let Some(act) = self.in_frames.take() {
            act();
        }
        // A long name of its own for each counter but the first.
        let name = format!("f{pc}").repeat(if pc == 1 { 1 } else { 200 });
        visit(Frame {
            function: &name,
            file: "f.weft",
            line: 1,
        });
    }
}

impl Host for TestHost<'_> {
    fn checkpoint(&self) {}

    fn sweep(&self, _: &Sweep<'_>) {
        if let Some(act) = self.in_sweep.take() {
            act();
        }
    }
}

/// Reads what there is: the bytes, and whether the file has ended.
fn drain(tracer: &Tracer) -> (Vec<u8>, bool) {
    let mut reader = tracer.reader().expect("nobody else reads");
    let mut file = Vec::new();
    loop {
        match reader.next() {
            Chunk::Data(bytes) => file.extend_from_slice(bytes),
            Chunk::Pending => return (file, false),
            Chunk::End => return (file, true),
        }
    }
}

/// A task that starts, logs and ends, on a thread and a proc.
fn run_a_task<'t>(worker: &Worker<'t>, task: &TaskTrace, proc: &'t ProcTrace) {
    let mut pcs = Pcs::logical();
    pcs.push(1);
    if let Some(emit) = worker.acquire(None, None) {
        emit.proc_start(proc);
        emit.task_create(task, emit.stack(&pcs), emit.stack(&pcs));
        emit.task_start(task);
        emit.log(0, "category", "message", emit.stack(&pcs));
        emit.task_end();
        emit.proc_stop();
    }
}

#[test]
fn wrong_order_is_refused() {
    let (tracer, host) = (Tracer::new(), TestHost::default());
    let config = Config::new(1);
    assert_eq!(tracer.advance(&host), Err(AdvanceError::NotTracing));
    assert_eq!(tracer.stop(&host), Err(StopError::NotTracing));
    assert!(!tracer.advance_due());
    assert_eq!(drain(&tracer), (vec![], true));

    let mut old = config;
    old.version = Version::Go123;
    let refused = Err(StartError::Version(Version::Go123));
    assert_eq!(tracer.start(&old, &host), refused);
    assert!(!tracer.enabled());

    assert_eq!(tracer.start(&config, &host), Ok(()));
    assert!(tracer.enabled());
    assert_eq!(
        tracer.start(&config, &host),
        Err(StartError::AlreadyTracing)
    );
    assert_eq!(tracer.stop(&host), Ok(()));
    assert!(!tracer.enabled());
    assert_eq!(tracer.stop(&host), Err(StopError::NotTracing));
    assert_eq!(tracer.start(&config, &host), Err(StartError::StillReading));
    let (file, ended) = drain(&tracer);
    assert!(file.starts_with(b"go 1.26 trace\0\0\0") && ended);
    assert_eq!(tracer.start(&config, &host), Ok(()));
}

#[test]
fn a_reader_that_lags_makes_the_generation_longer() {
    let (tracer, host) = (Tracer::new(), TestHost::default());
    tracer.start(&Config::new(1), &host).unwrap();
    // The reader is at the first generation, as long as that is not complete.
    assert_eq!(tracer.advance(&host), Ok(()));
    for _ in 0..3 {
        assert_eq!(tracer.advance(&host), Err(AdvanceError::ReaderBehind));
    }
    assert_eq!(tracer.stats().generations, 2);
    assert!(!drain(&tracer).1);
    assert_eq!(tracer.advance(&host), Ok(()));
    assert_eq!(tracer.stats().generations, 3);
}

#[test]
fn there_is_one_reader() {
    let tracer = Tracer::new();
    let reader = tracer.reader().unwrap();
    assert!(tracer.reader().is_none());
    assert!(tracer.reader().is_none(), "a refusal let the next one in");
    drop(reader);
    assert!(tracer.reader().is_some());
}

#[test]
fn generations_move_one_at_a_time() {
    let tracer = Tracer::new();
    let idle = TestHost::default();
    tracer.start(&Config::new(1), &idle).unwrap();
    let host = TestHost::default();
    host.in_sweep.replace(Some(Box::new(|| {
        assert_eq!(tracer.advance(&idle), Err(AdvanceError::Busy));
        assert_eq!(tracer.stop(&idle), Err(StopError::Busy));
        assert_eq!(tracer.start(&Config::new(1), &idle), Err(StartError::Busy));
    })));
    assert_eq!(tracer.advance(&host), Ok(()));
    assert!(
        host.in_sweep.borrow().is_none(),
        "the sweep was not asked for"
    );
}

/// A symbolizer that traces itself neither deadlocks nor gets into the
/// generation that it is asked about.
#[test]
fn the_symbolizer_may_emit() {
    static PROCS: [ProcTrace; 2] = [ProcTrace::new(0), ProcTrace::new(1)];
    let tracer = Tracer::new();
    let idle = TestHost::default();
    tracer.start(&Config::new(2), &idle).unwrap();
    let (one, two) = (tracer.worker().unwrap(), tracer.worker().unwrap());
    run_a_task(&one, &TaskTrace::new(1), &PROCS[0]);
    let host = TestHost::default();
    host.in_frames.replace(Some(Box::new(|| {
        run_a_task(&two, &TaskTrace::new(2), &PROCS[1]);
    })));
    assert_eq!(tracer.advance(&host), Ok(()));
    assert!(host.in_frames.borrow().is_none(), "no stack was resolved");
    assert_eq!(tracer.stop(&idle), Ok(()));
    assert_eq!(tracer.stats().losses.total(), 0);
}

#[test]
fn emission_inside_an_emission_is_refused_and_counted() {
    static PROC: ProcTrace = ProcTrace::new(0);
    let (tracer, host) = (Tracer::new(), TestHost::default());
    tracer.start(&Config::new(1), &host).unwrap();
    let worker = tracer.worker().unwrap();
    let task = TaskTrace::new(1);
    let emit = worker.acquire(None, None).unwrap();
    emit.proc_start(&PROC);
    assert!(worker.acquire(Some(&PROC), Some(&task)).is_none());
    drop(emit);
    assert!(worker.acquire(Some(&PROC), None).is_some());
    let losses = tracer.stats().losses;
    assert_eq!((losses.events(), losses.count(Loss::Reentrant)), (1, 1));
}

/// Whatever the limit is, starting works or is refused, and everything comes
/// back.
#[test]
fn little_memory_refuses_to_start_or_ends_the_trace_early() {
    static PROC: ProcTrace = ProcTrace::new(0);
    const BLOCK: usize = runtime_trace::pages::BLOCK_SIZE;
    let (mut refused, mut early, mut whole) = (0, 0, 0);
    for blocks in 0..12 {
        let (tracer, host) = (Tracer::new(), TestHost::default());
        let mut config = Config::new(1);
        let worker = tracer.worker().unwrap();
        config.memory_limit = blocks * BLOCK;
        match tracer.start(&config, &host) {
            Ok(()) => {}
            Err(error) => {
                assert_eq!(error, StartError::NoMemory, "{blocks} blocks");
                assert_eq!(drain(&tracer), (vec![], true));
                assert_eq!(tracer.stats().mapped, IDLE, "{blocks} blocks");
                // Threads that come now are not held to that limit.
                let workers: Vec<_> = (0..1000).map(|_| tracer.worker()).collect();
                assert!(workers.iter().all(Result::is_ok), "{blocks} blocks");
                refused += 1;
                continue;
            }
        }
        run_a_task(&worker, &TaskTrace::new(1), &PROC);
        let result = tracer.stop(&host);
        let losses = tracer.stats().losses;
        match result {
            Ok(()) => whole += 1,
            Err(StopError::EndedEarly) => early += 1,
            Err(other) => panic!("{blocks} blocks: {other}"),
        }
        assert!(result.is_ok() || losses.events() > 0, "{blocks}: {losses}");
        assert_eq!(losses.count(Loss::NoMemory), 0, "the system refused none");
        let (file, ended) = drain(&tracer);
        assert!(
            ended && file.ends_with(&[52]),
            "{blocks} blocks: no end mark"
        );
        // Started again, with room.
        assert_eq!(tracer.start(&Config::new(1), &host), Ok(()));
        run_a_task(&worker, &TaskTrace::new(2), &PROC);
        assert_eq!(tracer.stop(&host), Ok(()));
        assert_eq!(tracer.stats().losses.total(), 0);
    }
    assert!(
        refused > 0 && early > 0 && whole > 0,
        "{refused} {early} {whole}"
    );
}

/// The stacks of a generation that ends for want of memory take more of it. What
/// they need at the least was set aside, and the rest is done without.
#[test]
fn a_trace_that_ends_early_is_whole() {
    static PROC: ProcTrace = ProcTrace::new(0);
    let (tracer, host) = (Tracer::new(), TestHost::default());
    let worker = tracer.worker().unwrap();
    let mut config = Config::new(1);
    let limit = 40 * runtime_trace::pages::BLOCK_SIZE;
    config.memory_limit = limit;
    tracer.start(&config, &host).unwrap();
    worker.acquire(None, None).unwrap().proc_start(&PROC);
    let mut created = 0;
    while let Some(emit) = worker.acquire(Some(&PROC), None) {
        created += 1;
        let mut pcs = Pcs::logical();
        pcs.push(1 + created);
        let task = TaskTrace::new(created as u64);
        emit.task_create(&task, emit.stack(&pcs), StackId::NONE);
    }
    assert!(tracer.advance_due(), "the end is not noticed");
    assert_eq!(tracer.advance(&host), Err(AdvanceError::EndedEarly));
    let losses = tracer.stats().losses;
    assert_eq!((losses.events(), losses.count(Loss::SlowReader)), (1, 1));
    let nameless = losses.count(Loss::Names);
    assert!(0 < nameless && nameless < created as u64, "{losses}");
    assert!(tracer.stats().mapped <= limit);
    let (file, ended) = drain(&tracer);
    assert!(ended && file.ends_with(&[52]));
    assert_eq!(tracer.stats().mapped, IDLE);
}

/// Threads come and go; IDs do not come again.
#[test]
fn worker_ids_are_never_reused() {
    let tracer = Tracer::new();
    let mut last = 0;
    for _ in 0..1000 {
        let (one, two) = (tracer.worker().unwrap(), tracer.worker().unwrap());
        assert!(last < one.id() && one.id() < two.id());
        last = two.id();
    }
    // Their slots do: all fit in one block.
    assert_eq!(tracer.stats().mapped, IDLE);
}

/// A checkpoint that panics in `start` is told as what it is.
#[test]
fn a_start_that_unwinds_ends_the_trace() {
    struct Unwinds;
    impl Symbolizer for Unwinds {
        fn frames(&self, _: usize, _: &mut dyn FnMut(Frame<'_>)) {}
    }
    impl Host for Unwinds {
        fn checkpoint(&self) {
            panic!("the host's own mistake");
        }
        fn sweep(&self, _: &Sweep<'_>) {}
    }
    let tracer = Tracer::new();
    let host = TestHost::default();
    for advances in [false, true] {
        let start = || tracer.start(&Config::new(1), &Unwinds);
        let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(start));
        assert!(unwound.is_err());
        assert!(!tracer.enabled());
        if advances {
            assert_eq!(tracer.advance(&host), Err(AdvanceError::HostUnwound));
            assert_eq!(tracer.stop(&host), Err(StopError::NotTracing));
        } else {
            assert_eq!(tracer.stop(&host), Err(StopError::HostUnwound));
        }
        assert!(drain(&tracer).1, "it can be read to its end");
    }
    assert_eq!(tracer.start(&Config::new(1), &host), Ok(()));
}

/// Figures that are asked for while traces begin and end are of what was written.
#[test]
fn figures_hold_beside_starts_and_stops() {
    const TRACES: u64 = 2_000;
    const TASKS: u64 = 20;
    let (tracer, host) = (Tracer::new(), TestHost::default());
    let proc = ProcTrace::new(0);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asks = scope.spawn(|| {
            let mut most = 0;
            // Relaxed: a message.
            while !over.load(Ordering::Relaxed) {
                most = most.max(tracer.stats().events);
            }
            most
        });
        let worker = tracer.worker().unwrap();
        for trace in 0..TRACES {
            tracer.start(&Config::new(1), &host).unwrap();
            for task in 0..TASKS {
                run_a_task(&worker, &TaskTrace::new(1 + trace * TASKS + task), &proc);
            }
            tracer.stop(&host).unwrap();
            drain(&tracer);
        }
        over.store(true, Ordering::Relaxed);
        let most = asks.join().unwrap();
        // The thread that asks may be held up over several traces.
        assert!(most <= TRACES * TASKS * 10, "{most} events");
    });
}
