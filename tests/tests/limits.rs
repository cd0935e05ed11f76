//! Too little memory: the trace ends early and is true as far as it goes, the
//! program goes on, and can be traced again.

use std::sync::mpsc::channel;
use std::thread::yield_now;
use std::time::Duration;

use e2e::check::{Ends, check};
use e2e::kept::{Recorder, seed};
use e2e::lone::{Lone, Silent, said_in};
use e2e::sim::Setup;
use e2e::sim::control::simulate;
use runtime_trace::{
    AdvanceError, Config, Frame, Host, Loss, ProcTrace, StackId, StartError, StopError, Sweep,
    SweptState, Symbolizer, TaskTrace, Tracer, Version, Worker,
};

const BLOCK: usize = 64 << 10;

/// From a limit that tracing cannot even start with up to one that lasts a
/// while, so that memory runs out in the middle of everything.
#[test]
fn the_trace_ends_and_the_program_goes_on() {
    let setup = Setup {
        seed: seed(),
        procs: 3,
        threads: 5,
        boot: 50,
        live: 200,
    };
    let (mut refused, mut early) = (0, 0);
    simulate(&setup, |control| {
        control.boot();
        for blocks in 1..=24 {
            let mut config = Config::new(setup.procs);
            config.memory_limit = blocks * BLOCK;
            if blocks % 2 == 0 {
                config.version = Version::Go125;
            }
            let name = format!("limit-{blocks}-blocks-seed-{}", setup.seed);
            match control.start(&config, &name) {
                Ok(()) => {}
                Err(error) => {
                    assert_eq!(error, StartError::NoMemory);
                    refused += 1;
                    continue;
                }
            }
            let tracer = &control.sim().tracer;
            let mut ended = false;
            for round in 0..40 {
                if !tracer.enabled() {
                    break;
                }
                control.runs_unread(20);
                if round % 10 == 9 {
                    match control.advance() {
                        Ok(()) | Err(AdvanceError::NoMemory) => {}
                        Err(error) => {
                            assert_eq!(error, AdvanceError::EndedEarly);
                            ended = true;
                            break;
                        }
                    }
                }
            }
            ended |= !tracer.enabled();
            let recording = control.stop();
            // It may also have ended while it was being stopped.
            assert!(recording.ends == Ends::Early || !ended);
            recording.judge();
            early += usize::from(recording.ends == Ends::Early);
            control.runs(20);
        }
        assert!(refused > 0, "some limit is too small to start with");
        assert!(early > 0, "some limit is too small to go on with");

        let name = format!("limit-none-seed-{}", setup.seed);
        let config = Config::new(setup.procs);
        control.start(&config, &name).expect("it starts again");
        control.runs(100);
        let recording = control.stop();
        recording.judge();
        assert_eq!(recording.stats.losses.total(), 0);
    });
}

/// Memory runs out in two generations at once: one thread is still at its last
/// event of the old generation, another at its first of the new one. What the
/// old one lacks the new one must not build on.
#[test]
fn it_ends_in_two_generations_at_once() {
    let tracer = Tracer::new();
    let procs = [ProcTrace::new(0), ProcTrace::new(1)];
    let tasks = [TaskTrace::new(1), TaskTrace::new(2)];
    let mut config = Config::new(2);
    config.memory_limit = 32 * BLOCK;
    // However slow the machine: this is not about threads that do not leave.
    config.patience = Duration::from_secs(600);
    tracer.start(&config, &Silent).expect("it starts");
    let mut recorder = Recorder::new(&tracer, "limit-two-generations");

    let (tracer, procs, tasks) = (&tracer, &procs, &tasks);
    std::thread::scope(|scope| {
        let (old_is_in, wait_for_old) = channel();
        let (fill_old, old_may_fill) = channel();
        let (fill_new, new_may_fill) = channel();
        let (release_old, old_may_go) = channel();
        scope.spawn(move || {
            let worker = tracer.worker().expect("memory for a worker");
            let emit = worker.acquire(None, None).expect("tracing is on");
            emit.proc_start(&procs[0]);
            emit.task_create(&tasks[0], StackId::NONE, StackId::NONE);
            emit.task_start(&tasks[0]);
            old_is_in.send(()).expect("somebody waits");
            old_may_fill
                .recv()
                .expect("the other is in the new generation");
            while tracer.enabled() {
                emit.region_begin(0, "fill", StackId::NONE);
                emit.region_end(0, "fill", StackId::NONE);
            }
            fill_new.send(()).expect("somebody waits");
            old_may_go.recv().expect("the other has failed");
        });
        wait_for_old.recv().expect("it starts");
        recorder.pump();
        scope.spawn(move || {
            let worker = tracer.worker().expect("memory for a worker");
            while tracer.stats().generations < 2 {
                yield_now();
            }
            let emit = worker.acquire(None, None).expect("tracing is on");
            emit.proc_start(&procs[1]);
            emit.task_create(&tasks[1], StackId::NONE, StackId::NONE);
            emit.task_start(&tasks[1]);
            fill_old.send(()).expect("somebody waits");
            new_may_fill.recv().expect("the other has failed");
            let lost = || tracer.stats().losses.events();
            let before = lost();
            while lost() < before + 10 {
                emit.region_begin(0, "fill", StackId::NONE);
                emit.region_end(0, "fill", StackId::NONE);
            }
            release_old.send(()).expect("somebody waits");
        });
        // It begins the next generation, and waits for the old one's writer.
        let advanced = tracer.advance(&Silent);
        assert_eq!(advanced, Err(AdvanceError::EndedEarly));
    });
    assert!(tracer.stats().losses.count(Loss::AfterEnd) > 0);
    let trace = recorder.finish().read();
    assert_eq!(trace.generations.len(), 1, "the second is not in the file");
    if let Err(fault) = check(&trace, Ends::Early) {
        panic!("{fault}");
    }
}

/// A host in whose sweep the trace ends, and a task blocks unseen.
struct Filling<'w, 't> {
    tracer: &'t Tracer,
    worker: &'w Worker<'t>,
    proc: &'t ProcTrace,
    task: &'t TaskTrace,
    waits: &'t TaskTrace,
    blocks: &'t TaskTrace,
}

impl Symbolizer for Filling<'_, '_> {
    fn frames(&self, _: usize, _: &mut dyn FnMut(Frame<'_>)) {}
}

impl Host for Filling<'_, '_> {
    fn checkpoint(&self) {}

    fn sweep(&self, sweep: &Sweep<'_>) {
        sweep.task(self.waits, SweptState::Waiting, |_| {});
        let emit = self.worker.acquire(Some(self.proc), Some(self.task));
        let emit = emit.expect("tracing is on");
        while self.tracer.enabled() {
            emit.region_begin(0, "fill", StackId::NONE);
            emit.region_end(0, "fill", StackId::NONE);
        }
        drop(emit);
        sweep.task(self.blocks, SweptState::Waiting, |_| {});
    }
}

/// The trace ends while tasks are taken down that do not run. What one of them
/// does from then on nobody hears of, so it is not taken down either.
#[test]
fn what_happens_after_the_end_is_not_taken_down() {
    let tracer = Tracer::new();
    let procs = [0, 1].map(ProcTrace::new);
    let tasks = [1, 2, 3].map(TaskTrace::new);
    let mut config = Config::new(2);
    config.memory_limit = 32 * BLOCK;
    tracer.start(&config, &Silent).expect("it starts");
    let mut recorder = Recorder::new(&tracer, "limit-sweep");
    let workers = [0, 1].map(|_| tracer.worker().expect("memory for a worker"));
    for (at, worker) in workers.iter().enumerate() {
        let emit = worker.acquire(None, None).expect("tracing is on");
        emit.proc_start(&procs[at]);
        emit.task_create(&tasks[at], StackId::NONE, StackId::NONE);
        emit.task_start(&tasks[at]);
        if at == 0 {
            emit.task_create_blocked(&tasks[2], StackId::NONE, StackId::NONE);
        }
    }
    recorder.pump();
    tracer.advance(&Silent).expect("all of it is mentioned");
    let host = Filling {
        tracer: &tracer,
        worker: &workers[1],
        proc: &procs[1],
        task: &tasks[1],
        waits: &tasks[2],
        blocks: &tasks[0],
    };
    assert_eq!(tracer.stop(&host), Err(StopError::EndedEarly));
    let mut kept = recorder.finish();
    kept.set_aside();
    let trace = kept.read();
    assert_eq!(trace.generations.len(), 2);
    if let Err(fault) = check(&trace, Ends::Early) {
        panic!("{fault}");
    }
}

/// What a thread says after an event of its own was lost, in the same emission, is lost
/// as well, although it would fit: here a stop of the world whose name finds no memory,
/// and its end, which needs none.
#[test]
fn nothing_follows_what_was_lost() {
    let mut early = 0;
    for blocks in 9..=20 {
        let (tracer, proc, task) = (Tracer::new(), ProcTrace::new(0), TaskTrace::new(1));
        let mut config = Config::new(1);
        config.memory_limit = blocks * BLOCK;
        if tracer.start(&config, &Silent).is_err() {
            continue;
        }
        let recorder = Recorder::new(&tracer, &format!("follows-{blocks}"));
        let lone = Lone::new(&tracer, &proc, &task);
        lone.begins();
        for number in 0..10_000 {
            let name = format!("{number:0800}");
            lone.emits(|emit| {
                emit.stop_the_world_begin(&name, StackId::NONE);
                emit.stop_the_world_end();
                2
            });
        }
        assert_eq!(tracer.stop(&Silent), Err(StopError::EndedEarly));
        let losses = tracer.stats().losses;
        let (kept, said) = (recorder.finish(), lone.said());
        drop(lone);
        let trace = kept.read();
        match check(&trace, Ends::Early) {
            Ok(_) => assert_eq!(said_in(&trace) + losses.events(), said, "{losses}"),
            Err(fault) => panic!("{blocks} blocks: {fault}"),
        }
        early += 1;
    }
    assert!(early > 5, "{early} traces ended early");
}
