//! Traces that can be derived by hand, and are, event by event.
//!
//! In each test one thing happens after the other, on threads that do as they
//! are told; what the file must say follows from the steps. Both versions say
//! the same.

use std::thread::sleep;
use std::time::Duration;

use e2e::hands::{Play, Still, at, waits};
use e2e::truth::{BEGUN, IDLE, NOTHING, Truth, begin};
use runtime_trace::{AdvanceError, BlockReason, StopReason, SweptState};
use trace_format::EventKind;
use trace_format::end::LAST_NOTE;

#[test]
fn spawn_block_unblock() {
    let truth = Truth {
        name: "spawn-block-unblock",
        procs: 1,
        tasks: 2,
        threads: 1,
        first: NOTHING,
        last: IDLE,
    };
    truth.says(
        |play, _| {
            begin(play);
            play.on(0, |w, s| {
                let emit = w.acquire(Some(s.proc(0)), Some(s.task(1))).unwrap();
                let (entry, stack) = (emit.stack(&at("task")), emit.stack(&at("spawn<main")));
                emit.task_create(s.task(2), entry, stack);
            });
            play.on(0, |w, s| {
                let emit = w.acquire(Some(s.proc(0)), Some(s.task(1))).unwrap();
                emit.task_block(BlockReason::ChanReceive, emit.stack(&at("park<main")));
                emit.task_start(s.task(2));
            });
            play.on(0, |w, s| {
                let emit = w.acquire(Some(s.proc(0)), Some(s.task(2))).unwrap();
                let woken = emit.stack(&at("wake<task"));
                emit.task_unblock(s.task(1), waits("park<main"), woken);
            });
            play.on(0, |w, s| {
                let emit = w.acquire(Some(s.proc(0)), Some(s.task(2))).unwrap();
                emit.task_stop(StopReason::Yield, emit.stack(&at("yield<task")));
                emit.task_start(s.task(1));
                emit.task_end();
                emit.task_start(s.task(2));
                emit.task_end();
                emit.proc_stop();
            });
        },
        r#"
        generation 1
          m1
            ProcStatus p0 Idle
            ProcStart p0 #1
            GoCreate g1 [main] [spawn]
            GoStart g1 #1
            ProcsChange 1 []
            GoCreate g2 [task] [spawn<main]
            GoBlock "chan receive" [park<main]
            GoStart g2 #1
            GoUnblock g1 #2 [wake<task]
            GoStop "runtime.Gosched" [yield<task]
            GoStart g1 #3
            GoDestroy
            GoStart g2 #2
            GoDestroy
            ProcStop
        "#,
    );
}

/// Two tasks, each on a thread of its own, and both older than the trace.
#[test]
fn ping_pong() {
    let truth = Truth {
        name: "ping-pong",
        procs: 2,
        tasks: 2,
        threads: 2,
        first: NOTHING,
        last: Still {
            idle: &[0, 1],
            ..Still::default()
        },
    };
    let wakes_and_waits = |play: &Play<'_>, thread: usize, other: usize, name: &'static str| {
        play.on(thread, move |w, s| {
            let (proc, me) = (s.proc(thread), s.task(thread + 1));
            let emit = w.acquire(Some(proc), Some(me)).unwrap();
            let stack = emit.stack(&at(&format!("wake<{name}")));
            emit.task_unblock(s.task(other), |_| unreachable!("it is known"), stack);
            let stack = emit.stack(&at(&format!("park<{name}")));
            emit.task_block(BlockReason::ChanReceive, stack);
        });
    };
    let runs = |play: &Play<'_>, thread: usize| {
        play.on(thread, move |w, s| {
            let emit = w.acquire(Some(s.proc(thread)), None).unwrap();
            emit.task_start(s.task(thread + 1));
        });
    };
    let (_, checked) = truth.says(
        |play, _| {
            for thread in 0..2 {
                play.on(thread, move |w, s| {
                    w.acquire(None, None).unwrap().proc_start(s.proc(thread));
                });
                runs(play, thread);
            }
            play.on(0, |w, s| {
                let emit = w.acquire(Some(s.proc(0)), Some(s.task(1))).unwrap();
                emit.task_block(BlockReason::ChanReceive, emit.stack(&at("park<ping")));
            });
            wakes_and_waits(play, 1, 1, "pong");
            runs(play, 0);
            wakes_and_waits(play, 0, 2, "ping");
            runs(play, 1);
            for thread in [1, 0] {
                play.on(thread, move |w, s| {
                    let (proc, me) = (s.proc(thread), s.task(thread + 1));
                    let emit = w.acquire(Some(proc), Some(me)).unwrap();
                    if thread == 1 {
                        let stack = emit.stack(&at("wake<pong"));
                        emit.task_unblock(s.task(1), |_| unreachable!("it is known"), stack);
                    }
                    emit.task_end();
                    emit.proc_stop();
                });
                if thread == 1 {
                    runs(play, 0);
                }
            }
        },
        r#"
        generation 1
          m1
            ProcStatus p0 Idle
            ProcStart p0 #1
            GoStatus g1 no thread Runnable
            GoStart g1 #1
            ProcsChange 2 []
            GoBlock "chan receive" [park<ping]
            GoStart g1 #3
            GoUnblock g2 #2 [wake<ping]
            GoBlock "chan receive" [park<ping]
            GoStart g1 #5
            GoDestroy
            ProcStop
          m2
            ProcStatus p1 Idle
            ProcStart p1 #1
            GoStatus g2 no thread Runnable
            GoStart g2 #1
            GoUnblock g1 #2 [wake<pong]
            GoBlock "chan receive" [park<pong]
            GoStart g2 #3
            GoUnblock g1 #4 [wake<pong]
            GoDestroy
            ProcStop
        "#,
    );
    // The order across threads is that of the steps.
    let steps = checked.steps.iter().filter_map(|step| {
        let task = step.task.unwrap_or(0);
        let other = step.event.args[0];
        match step.event.kind {
            _ if step.thread == LAST_NOTE => None,
            EventKind::GoStart => Some(format!("{other} runs")),
            EventKind::GoBlock => Some(format!("{task} blocks")),
            EventKind::GoUnblock => Some(format!("{task} wakes {other}")),
            EventKind::GoDestroy => Some(format!("{task} ends")),
            _ => None,
        }
    });
    let steps: Vec<_> = steps.collect();
    let expected = "1 runs, 2 runs, 1 blocks, 2 wakes 1, 2 blocks, 1 runs, 1 wakes 2, 1 blocks, \
                    2 runs, 2 wakes 1, 2 ends, 1 runs, 1 ends";
    assert_eq!(steps.join(", "), expected);
}

/// A task runs when tracing starts, and another waits. The one that runs is in
/// the trace before `start` returns; the other one when it is swept.
#[test]
fn what_was_before() {
    let truth = Truth {
        name: "before",
        procs: 2,
        tasks: 2,
        threads: 1,
        first: Still {
            running: &[(0, 0, Some(1), "note<main")],
            ..NOTHING
        },
        last: Still {
            tasks: &[(2, SweptState::Waiting, "park<task")],
            idle: &[1],
            running: &[(0, 0, Some(1), "main")],
            ..NOTHING
        },
    };
    truth.after(
        begin,
        |_, _| {},
        "
        generation 1
          m1
            ProcStatus p0 Running
            GoStatusStack g1 m1 Running [note<main]
            ProcsChange 2 []
          nobody
            GoStatusStack g2 no thread Waiting [park<task]
            ProcStatus p1 Idle
        ",
    );
}

/// Two generations end between a block and its unblock. In the second nothing
/// happens at all: it says what is, with stacks.
#[test]
fn a_block_over_generations() {
    let truth = Truth {
        name: "block-over-generations",
        procs: 1,
        tasks: 2,
        threads: 1,
        first: NOTHING,
        last: IDLE,
    };
    let between = Still {
        tasks: &[(1, SweptState::Waiting, "park<main")],
        running: &[(0, 0, Some(2), "note<task")],
        ..Still::default()
    };
    truth.says(
        |play, recorder| {
            begin(play);
            play.on(0, |w, s| {
                let emit = w.acquire(Some(s.proc(0)), Some(s.task(1))).unwrap();
                let (entry, stack) = (emit.stack(&at("task")), emit.stack(&at("spawn<main")));
                emit.task_create(s.task(2), entry, stack);
                emit.task_block(BlockReason::Sync, emit.stack(&at("park<main")));
                emit.task_start(s.task(2));
            });
            for _ in 0..2 {
                recorder.pump();
                play.advance(between).expect("it advances");
            }
            play.on(0, |w, s| {
                let emit = w.acquire(Some(s.proc(0)), Some(s.task(2))).unwrap();
                let stack = emit.stack(&at("wake<task"));
                emit.task_unblock(s.task(1), waits("park<main"), stack);
                emit.task_end();
                emit.task_start(s.task(1));
                emit.task_end();
                emit.proc_stop();
            });
        },
        r#"
        generation 1
          m1
            ProcStatus p0 Idle
            ProcStart p0 #1
            GoCreate g1 [main] [spawn]
            GoStart g1 #1
            ProcsChange 1 []
            GoCreate g2 [task] [spawn<main]
            GoBlock "sync" [park<main]
            GoStart g2 #1
        generation 2
          m1
            ProcStatus p0 Running
            GoStatusStack g2 m1 Running [note<task]
            ProcsChange 1 []
          nobody
            GoStatusStack g1 no thread Waiting [park<main]
        generation 3
          m1
            GoStatusStack g1 no thread Waiting [park<main]
            ProcStatus p0 Running
            GoStatus g2 m1 Running
            GoUnblock g1 #1 [wake<task]
            GoDestroy
            GoStart g1 #2
            ProcsChange 1 []
            GoDestroy
            ProcStop
        "#,
    );
}

/// A file that nobody writes makes generations longer, not more.
#[test]
fn the_reader_may_lag() {
    let truth = Truth {
        name: "lag",
        procs: 1,
        tasks: 1,
        threads: 1,
        first: NOTHING,
        last: IDLE,
    };
    let running = Still {
        running: &[(0, 0, Some(1), "main")],
        ..NOTHING
    };
    truth.says(
        |play, recorder| {
            begin(play);
            // Two generations may be on their way.
            play.advance(running).expect("it advances");
            for note in ["one", "two"] {
                let behind = play.advance(running);
                assert_eq!(behind, Err(AdvanceError::ReaderBehind));
                play.on(0, move |w, s| {
                    let emit = w.acquire(Some(s.proc(0)), Some(s.task(1))).unwrap();
                    emit.label(note);
                });
            }
            recorder.pump();
            play.advance(running).expect("it advances");
            play.on(0, |w, s| {
                let emit = w.acquire(Some(s.proc(0)), Some(s.task(1))).unwrap();
                emit.task_end();
                emit.proc_stop();
            });
        },
        &format!(
            r#"{BEGUN}
            generation 2
              m1
                ProcStatus p0 Running
                GoStatus g1 m1 Running
                GoLabel "one"
                GoLabel "two"
                ProcsChange 1 []
            generation 3
              m1
                ProcStatus p0 Running
                GoStatus g1 m1 Running
                GoDestroy
                ProcStop"#
        ),
    );
}

/// The task that blocks or ends hands its proc over to a blocked one.
#[test]
fn switches() {
    let truth = Truth {
        name: "switches",
        procs: 1,
        tasks: 2,
        threads: 1,
        first: NOTHING,
        last: IDLE,
    };
    truth.says(
        |play, _| {
            begin(play);
            play.on(0, |w, s| {
                let emit = w.acquire(Some(s.proc(0)), Some(s.task(1))).unwrap();
                let (entry, stack) = (emit.stack(&at("task")), emit.stack(&at("spawn<main")));
                emit.task_create_blocked(s.task(2), entry, stack);
            });
            play.on(0, |w, s| {
                let emit = w.acquire(Some(s.proc(0)), Some(s.task(1))).unwrap();
                emit.task_switch(s.task(2), |_| unreachable!("it is known"));
                emit.log(7, "who", "runs", emit.stack(&at("note<task")));
            });
            play.on(0, |w, s| {
                let emit = w.acquire(Some(s.proc(0)), Some(s.task(2))).unwrap();
                emit.task_switch_end(s.task(1), |_| unreachable!("it is known"));
                emit.region_begin(0, "alone", emit.stack(&at("note<main")));
                emit.region_end(0, "alone", emit.stack(&at("note<main")));
                emit.task_end();
                emit.proc_stop();
            });
        },
        r#"
        generation 1
          m1
            ProcStatus p0 Idle
            ProcStart p0 #1
            GoCreate g1 [main] [spawn]
            GoStart g1 #1
            ProcsChange 1 []
            GoCreateBlocked g2 [task] [spawn<main]
            GoSwitch g2 #1
            UserLog u7 "who" "runs" [note<task]
            GoSwitchDestroy g1 #2
            UserRegionBegin u0 "alone" [note<main]
            UserRegionEnd u0 "alone" [note<main]
            GoDestroy
            ProcStop
        "#,
    );
}

/// A block lasts as long as the task waited.
#[test]
fn a_block_lasts_as_long_as_it_did() {
    const WAITED: Duration = Duration::from_millis(20);
    let truth = Truth {
        name: "sleep",
        procs: 1,
        tasks: 1,
        threads: 2,
        first: NOTHING,
        last: IDLE,
    };
    let (trace, checked) = truth.says(
        |play, _| {
            begin(play);
            play.on(0, |w, s| {
                let emit = w.acquire(Some(s.proc(0)), Some(s.task(1))).unwrap();
                emit.task_block(BlockReason::Sleep, emit.stack(&at("park<main")));
            });
            sleep(WAITED);
            // A timer wakes it, on a thread without a proc.
            play.on(1, |w, s| {
                let emit = w.acquire(None, None).unwrap();
                let stack = runtime_trace::StackId::NONE;
                emit.task_unblock(s.task(1), |_| unreachable!("it is known"), stack);
            });
            play.on(0, |w, s| {
                let emit = w.acquire(Some(s.proc(0)), None).unwrap();
                emit.task_start(s.task(1));
                emit.task_end();
                emit.proc_stop();
            });
        },
        r#"
        generation 1
          m1
            ProcStatus p0 Idle
            ProcStart p0 #1
            GoCreate g1 [main] [spawn]
            GoStart g1 #1
            ProcsChange 1 []
            GoBlock "sleep" [park<main]
            GoStart g1 #3
            GoDestroy
            ProcStop
          m2
            GoUnblock g1 #2 []
        "#,
    );
    let time = |kind| {
        let mut steps = checked.steps.iter();
        let step = steps.find(|step| step.event.kind == kind);
        step.expect("it is there").event.time
    };
    let units = time(EventKind::GoUnblock) - time(EventKind::GoBlock);
    let lasted = Duration::from_secs(units).as_secs_f64() / trace.generations[0].frequency as f64;
    // It cannot be shorter but by a unit of the clock. How much longer it is
    // depends on the machine: this only says that the unit is right.
    assert!(lasted >= 0.0199, "{lasted} s");
    assert!(lasted < 10.0, "{lasted} s");
}
