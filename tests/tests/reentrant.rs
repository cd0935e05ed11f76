//! Emission from inside an emission is refused, counted and told; emission from
//! wherever the tracer calls out works or is refused. Nothing hangs.

use std::cell::Cell;

use e2e::check::{Ends, check};
use e2e::hands::{Still, at, waits};
use e2e::kept::Recorder;
use e2e::truth::{BEGUN, IDLE, NOTHING, Truth, begin};
use runtime_trace::{
    AdvanceError, BlockReason, Config, Frame, Host, Loss, Pcs, ProcTrace, StackId, StartError,
    StopError, Sweep, Symbolizer, TaskTrace, Tracer, Worker,
};
use trace_format::EventKind;

const ONE_THREAD: Truth<'_> = Truth {
    name: "",
    procs: 1,
    tasks: 2,
    threads: 1,
    first: NOTHING,
    last: IDLE,
};

/// The emission within is lost; the one around it is whole. The next running
/// task of the next generation tells.
#[test]
fn it_is_told_by_the_next_running_task() {
    let truth = Truth {
        name: "reentrant",
        ..ONE_THREAD
    };
    truth.says(
        |play, recorder| {
            begin(play);
            play.on(0, |w, s| {
                let (proc, task) = (Some(s.proc(0)), Some(s.task(1)));
                let emit = w.acquire(proc, task).unwrap();
                emit.log(0, "outer", "before", StackId::NONE);
                // What a signal handler might do.
                assert!(w.acquire(proc, task).is_none());
                w.checkpoint(proc, task, |_| unreachable!("it is refused"));
                emit.log(0, "outer", "after", StackId::NONE);
            });
            let losses = play.stage.tracer.stats().losses;
            assert_eq!((losses.count(Loss::Reentrant), losses.total()), (2, 2));
            recorder.pump();
            let running = Still {
                running: &[(0, 0, Some(1), "main")],
                ..Still::default()
            };
            play.advance(running).expect("it advances");
            play.on(0, |w, s| {
                w.checkpoint(Some(s.proc(0)), Some(s.task(1)), waits("main"));
                let emit = w.acquire(Some(s.proc(0)), Some(s.task(1))).unwrap();
                emit.task_end();
                emit.proc_stop();
            });
        },
        &format!(
            r#"{BEGUN}
                UserLog u0 "outer" "before" []
                UserLog u0 "outer" "after" []
            generation 2
              m1
                ProcStatus p0 Running
                GoStatusStack g1 m1 Running [main]
                ProcsChange 1 []
                UserLog u0 "runtime-trace" "2 events lost (re-entrant: 2)" []
                GoDestroy
                ProcStop"#
        ),
    );
}

/// Nobody runs any more when it is to be told, so somebody is made up who does.
#[test]
fn it_is_told_when_nobody_runs() {
    let truth = Truth {
        name: "reentrant-last",
        ..ONE_THREAD
    };
    let (trace, _) = truth.says(
        |play, _| {
            begin(play);
            play.on(0, |w, s| {
                let emit = w.acquire(Some(s.proc(0)), Some(s.task(1))).unwrap();
                assert!(w.acquire(Some(s.proc(0)), Some(s.task(1))).is_none());
                emit.task_end();
                emit.proc_stop();
            });
        },
        &format!(
            r#"{BEGUN}
                GoDestroy
                ProcStop
              the last notes
                ProcStatus p1 Idle
                ProcStart p1 #1
                GoCreate g9223372036854775807 [] []
                GoStart g9223372036854775807 #1
                UserLog u0 "runtime-trace" "1 events lost (re-entrant: 1)" []
                UserLog u0 "runtime-trace" "tracing stopped" []
                GoDestroy
                ProcStop"#
        ),
    );
    assert_eq!(trace.generations.len(), 1);
}

/// A host that is asked for a stack in the middle of an emission must not emit.
#[test]
fn it_is_refused_to_who_is_asked_for_a_stack() {
    let truth = Truth {
        name: "reentrant-stack",
        ..ONE_THREAD
    };
    truth.says(
        |play, recorder| {
            begin(play);
            play.on(0, |w, s| {
                let emit = w.acquire(Some(s.proc(0)), Some(s.task(1))).unwrap();
                emit.task_create(s.task(2), emit.stack(&at("task")), StackId::NONE);
                emit.task_block(BlockReason::Select, emit.stack(&at("park<main")));
                emit.task_start(s.task(2));
            });
            recorder.pump();
            play.advance(Still::default()).expect("it advances");
            play.on(0, |w, s| {
                let emit = w.acquire(Some(s.proc(0)), Some(s.task(2))).unwrap();
                let waits_at = |pcs: &mut Pcs| {
                    assert!(w.acquire(None, None).is_none());
                    waits("park<main")(pcs);
                };
                emit.task_unblock(s.task(1), waits_at, emit.stack(&at("wake<task")));
                emit.task_end();
                emit.task_start(s.task(1));
                emit.task_end();
                emit.proc_stop();
            });
        },
        &format!(
            r#"{BEGUN}
                GoCreate g2 [task] []
                GoBlock "select" [park<main]
                GoStart g2 #1
            generation 2
              m1
                GoStatusStack g1 no thread Waiting [park<main]
                ProcStatus p0 Running
                GoStatus g2 m1 Running
                GoUnblock g1 #1 [wake<task]
                GoDestroy
                GoStart g1 #2
                ProcsChange 1 []
                UserLog u0 "runtime-trace" "1 events lost (re-entrant: 1)" []
                GoDestroy
                ProcStop"#
        ),
    );
}

/// A running task that starts, advances and stops the trace itself, and a
/// symbolizer that emits on its behalf whenever it is asked for a frame.
struct Chatty<'t> {
    tracer: &'t Tracer,
    worker: Worker<'t>,
    proc: &'t ProcTrace,
    task: &'t TaskTrace,
    emitted: Cell<u64>,
    refused: Cell<u64>,
}

impl Chatty<'_> {
    fn chat(&self) {
        match self.worker.acquire(Some(self.proc), Some(self.task)) {
            Some(emit) => {
                let mut pcs = Pcs::logical();
                pcs.push(2);
                emit.log(0, "symbolizer", "asked", emit.stack(&pcs));
                self.emitted.set(self.emitted.get() + 1);
            }
            None => self.refused.set(self.refused.get() + 1),
        }
    }
}

impl Symbolizer for Chatty<'_> {
    fn frames(&self, pc: usize, visit: &mut dyn FnMut(Frame<'_>)) {
        self.chat();
        // The thread that moves generations is not to be interrupted.
        assert_eq!(self.tracer.advance(self), Err(AdvanceError::Busy));
        assert_eq!(self.tracer.stop(self), Err(StopError::Busy));
        let config = Config::new(1);
        assert_eq!(self.tracer.start(&config, self), Err(StartError::Busy));
        let mut frame = |function| {
            visit(Frame {
                function,
                file: "chatty.weft",
                line: 1,
            });
        };
        frame(if pc == 1 { "main" } else { "log" });
        self.chat();
    }
}

impl Host for Chatty<'_> {
    fn checkpoint(&self) {
        self.chat();
        self.worker
            .checkpoint(Some(self.proc), Some(self.task), |pcs| pcs.push(1));
    }

    fn sweep(&self, _: &Sweep<'_>) {
        self.chat();
    }
}

#[test]
fn the_host_may_emit_whenever_it_is_asked() {
    let tracer = Tracer::new();
    let (proc, task) = (ProcTrace::new(0), TaskTrace::new(1));
    let host = Chatty {
        tracer: &tracer,
        worker: tracer.worker().expect("memory for a worker"),
        proc: &proc,
        task: &task,
        emitted: Cell::new(0),
        refused: Cell::new(0),
    };
    tracer.start(&Config::new(1), &host).expect("it starts");
    let mut recorder = Recorder::new(&tracer, "reentrant-host");
    for _ in 0..3 {
        recorder.pump();
        tracer.advance(&host).expect("it advances");
    }
    tracer.stop(&host).expect("it stops");
    // Tracing was off when the last generation was written out.
    assert!(
        host.refused.get() > 0,
        "the last symbols are asked for at the end"
    );
    assert_eq!(tracer.stats().losses.total(), 0, "nothing is lost by that");

    let trace = recorder.finish().read();
    let checked = match check(&trace, Ends::Whole) {
        Ok(checked) => checked,
        Err(fault) => panic!("{fault}"),
    };
    assert_eq!(trace.generations.len(), 4);
    // One log is the last note.
    assert_eq!(checked.counts[&EventKind::UserLog], host.emitted.get() + 1);
    assert!(host.emitted.get() >= 4 * 3);
}
