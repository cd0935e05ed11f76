//! Several tracers in one process, whose tasks and procs go from one to another.

use e2e::check::{Ends, check};
use e2e::kept::Recorder;
use e2e::lone::Silent;
use e2e::wire::Trace;
use runtime_trace::{
    BlockReason, Config, Loss, Pcs, ProcTrace, StackId, StopReason, TaskTrace, Tracer, Worker,
};

/// What a tracer sees of a program that has been running for a while.
struct Program {
    proc: ProcTrace,
    main: TaskTrace,
    sleeper: TaskTrace,
}

impl Program {
    fn new() -> Self {
        Self {
            proc: ProcTrace::new(0),
            main: TaskTrace::new(1),
            sleeper: TaskTrace::new(2),
        }
    }

    /// The task that runs wakes the other, stops, and the other runs and blocks again.
    fn goes_on<'t>(&'t self, worker: &Worker<'t>) {
        let acquire = |task| worker.acquire(Some(&self.proc), task).expect("it is on");
        let emit = acquire(Some(&self.main));
        emit.task_unblock(&self.sleeper, |_| {}, StackId::NONE);
        emit.log(0, "program", "goes on", StackId::NONE);
        emit.task_stop(StopReason::Yield, StackId::NONE);
        emit.task_start(&self.sleeper);
        drop(emit);
        let emit = acquire(Some(&self.sleeper));
        emit.task_block(BlockReason::Sleep, StackId::NONE);
        emit.task_start(&self.main);
    }
}

/// The tasks and the proc that one tracer has mentioned are mentioned by the next one
/// as well, however many generations each of them has.
#[test]
fn tasks_go_from_one_tracer_to_another() {
    let program = Program::new();
    for (number, generations) in [3, 1, 2, 3].into_iter().enumerate() {
        let tracer = Tracer::new();
        tracer.start(&Config::new(1), &Silent).expect("it starts");
        let mut recorder = Recorder::new(&tracer, &format!("tracers-{number}"));
        let worker = tracer.worker().expect("memory for a worker");
        for generation in 1..=generations {
            program.goes_on(&worker);
            recorder.pump();
            if generation < generations {
                tracer.advance(&Silent).expect("the file has come this far");
            }
        }
        tracer.stop(&Silent).expect("it stops");
        judge(&recorder.finish().read(), number, generations);
    }
}

fn judge(trace: &Trace, number: usize, generations: usize) {
    assert_eq!(trace.generations.len(), generations, "tracer {number}");
    if let Err(fault) = check(trace, Ends::Whole) {
        panic!("tracer {number}: {fault}");
    }
}

/// A stack's ID means something to its own tracer only.
#[test]
fn a_stack_of_another_tracer_is_left_out() {
    let tracers = [Tracer::new(), Tracer::new()];
    let program = Program::new();
    for tracer in &tracers {
        tracer.start(&Config::new(1), &Silent).expect("it starts");
    }
    let workers = tracers
        .each_ref()
        .map(|tracer| tracer.worker().expect("memory for a worker"));
    let mut pcs = Pcs::logical();
    pcs.push(1);
    let other = workers[0].acquire(None, None).expect("it is on");
    let emit = workers[1]
        .acquire(Some(&program.proc), Some(&program.main))
        .expect("it is on");
    emit.log(0, "program", "its own", emit.stack(&pcs));
    emit.log(0, "program", "a stranger's", other.stack(&pcs));
    emit.log(0, "program", "none", StackId::NONE);
    assert!(emit.recall(other.keep(other.stack(&pcs))).is_none());
    drop((emit, other));
    let mut recorder = Recorder::new(&tracers[1], "tracers-stack");
    recorder.pump();
    tracers[1].stop(&Silent).expect("it stops");
    let losses = tracers[1].stats().losses;
    assert_eq!((losses.count(Loss::ForeignStack), losses.total()), (1, 1));
    assert_eq!(losses.events(), 0, "the event is there");
    let trace = recorder.finish().read();
    let logs = trace.generations[0].streams.values().flatten();
    let stacks: Vec<_> = logs
        .filter(|event| event.kind == trace_format::EventKind::UserLog)
        .map(|event| event.args[3] != 0)
        .collect();
    // The last two are the tracer's own, which say what was lost, and the end.
    assert_eq!(stacks, [true, false, false, false, false]);
}
