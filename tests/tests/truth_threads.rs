//! Threads that go, in traces derived by hand: whatever a thread still has when
//! its handle is dropped ends in the trace there, and is free for others.

use e2e::hands::{Play, Still, at, waits};
use e2e::kept::Recorder;
use e2e::truth::{BEGUN, IDLE, NOTHING, Truth, begin};
use runtime_trace::{Config, StackId, SweptState};

const TWO_THREADS: Truth<'_> = Truth {
    name: "",
    procs: 1,
    tasks: 2,
    threads: 2,
    first: NOTHING,
    last: IDLE,
};

/// Thread 1 takes the proc that was left, runs a task of its own, and ends it.
const SUCCESSOR: &str = "
    m2
      ProcStart p0 #2
      GoCreate g2 [task] []
      GoStart g2 #1
      GoDestroy
      ProcStop
";

fn succeed(play: &Play<'_>) {
    play.on(1, |w, s| {
        let emit = w.acquire(None, None).unwrap();
        emit.proc_start(s.proc(0));
        emit.task_create(s.task(2), emit.stack(&at("task")), StackId::NONE);
        emit.task_start(s.task(2));
        emit.task_end();
        emit.proc_stop();
    });
}

#[test]
fn it_goes_while_it_runs_a_task() {
    let truth = Truth {
        name: "leaves-running",
        ..TWO_THREADS
    };
    truth.says(
        |play, _| {
            begin(play);
            play.leaves(0);
            succeed(play);
        },
        &format!("{BEGUN} GoDestroy\n ProcStop\n {SUCCESSOR}"),
    );
}

/// The generation in which it goes has not heard of it before.
#[test]
fn it_goes_after_a_generation_without_an_event() {
    let truth = Truth {
        name: "leaves-later",
        ..TWO_THREADS
    };
    truth.says(
        |play, recorder| {
            begin(play);
            recorder.pump();
            let still = Still {
                running: &[(0, 0, Some(1), "main")],
                ..Still::default()
            };
            play.advance(still).expect("it advances");
            play.leaves(0);
        },
        &format!(
            "{BEGUN}
            generation 2
              m1
                ProcStatus p0 Running
                GoStatus g1 m1 Running
                GoDestroy
                ProcStop"
        ),
    );
}

#[test]
fn it_goes_with_a_proc_and_no_task() {
    let truth = Truth {
        name: "leaves-with-proc",
        ..TWO_THREADS
    };
    truth.says(
        |play, _| {
            begin(play);
            play.on(0, |w, s| {
                let emit = w.acquire(Some(s.proc(0)), Some(s.task(1))).unwrap();
                emit.task_end();
            });
            play.leaves(0);
            succeed(play);
        },
        &format!("{BEGUN} GoDestroy\n ProcStop\n {SUCCESSOR}"),
    );
}

#[test]
fn it_goes_with_nothing() {
    let truth = Truth {
        name: "leaves-with-nothing",
        ..TWO_THREADS
    };
    truth.says(
        |play, _| {
            begin(play);
            play.on(0, |w, s| {
                let emit = w.acquire(Some(s.proc(0)), Some(s.task(1))).unwrap();
                emit.task_end();
                emit.proc_stop();
            });
            play.leaves(0);
            succeed(play);
        },
        &format!("{BEGUN} GoDestroy\n ProcStop\n {SUCCESSOR}"),
    );
}

/// What it was before tracing started is not in the trace, and what it is when
/// tracing is off neither.
#[test]
fn it_goes_unseen() {
    let truth = Truth {
        name: "leaves-unseen",
        ..TWO_THREADS
    };
    let succeeds_first =
        SUCCESSOR.replace("ProcStart p0 #2", "ProcStatus p0 Idle\nProcStart p0 #1");
    truth.after(
        |play| {
            begin(play);
            play.leaves(0);
        },
        |play, _| succeed(play),
        &format!(
            "generation 1 {}",
            succeeds_first.replace("GoStart g2 #1", "GoStart g2 #1\nProcsChange 1 []")
        ),
    );
}

/// The thread goes in the middle of a system call. Its task ends there; its proc
/// is left for somebody to take.
#[test]
fn it_goes_in_a_system_call() {
    let truth = Truth {
        name: "leaves-in-syscall",
        ..TWO_THREADS
    };
    truth.says(
        |play, _| {
            begin(play);
            play.on(0, |w, s| {
                let emit = w.acquire(Some(s.proc(0)), Some(s.task(1))).unwrap();
                emit.syscall_begin(emit.stack(&at("read<main")));
            });
            play.leaves(0);
            play.on(1, |w, s| {
                w.acquire(None, None).unwrap().proc_steal(s.proc(0), 1);
            });
            succeed(play);
        },
        &format!(
            "{BEGUN}
                GoSyscallBegin #2 [read<main]
                GoDestroySyscall
              m2
                ProcSteal p0 #3 m1
                {}",
            SUCCESSOR.replace("m2", "").replace("#2", "#4")
        ),
    );
}

/// As above, and the proc was taken before, in an earlier generation even.
#[test]
fn it_goes_in_a_system_call_without_its_proc() {
    let truth = Truth {
        name: "leaves-in-syscall-stolen",
        ..TWO_THREADS
    };
    truth.says(
        |play, recorder| {
            begin(play);
            play.on(0, |w, s| {
                let emit = w.acquire(Some(s.proc(0)), Some(s.task(1))).unwrap();
                emit.syscall_begin(emit.stack(&at("read<main")));
            });
            recorder.pump();
            let stolen = Still {
                tasks: &[(1, SweptState::Syscall { worker: 1 }, "read<main")],
                idle: &[0],
                steals: Some((1, 0, 1)),
                ..Still::default()
            };
            play.advance(stolen).expect("it advances");
            play.leaves(0);
        },
        &format!(
            "{BEGUN}
                GoSyscallBegin #2 [read<main]
              m2
                ProcSteal p0 #3 m1
            generation 2
              m1
                GoStatus g1 m1 Syscall
                GoDestroySyscall
              nobody
                ProcStatus p0 Idle"
        ),
    );
}

/// It has been in one since before the trace, without its proc, and woke a task there.
#[test]
fn it_goes_in_a_system_call_that_nobody_spoke_of() {
    let truth = Truth {
        name: "leaves-in-old-syscall",
        last: IDLE,
        ..TWO_THREADS
    };
    truth.says(
        |play, _| {
            play.on(0, |w, s| {
                let emit = w.acquire(None, Some(s.task(1))).unwrap();
                emit.task_unblock(s.task(2), waits("read<main"), StackId::NONE);
            });
            play.leaves(0);
        },
        "
        generation 1
          m1
            GoStatusStack g2 no thread Waiting [read<main]
            GoStatus g1 m1 Syscall
            GoUnblock g2 #1 []
            GoDestroySyscall
          nobody
            ProcStatus p0 Idle
        ",
    );
}

/// In one with a proc that it has taken: that is no proc of the call's, and stops.
#[test]
fn it_goes_in_a_system_call_with_a_proc_of_its_own() {
    let truth = Truth {
        name: "leaves-in-syscall-with-proc",
        ..TWO_THREADS
    };
    truth.says(
        |play, _| {
            play.on(0, |w, s| {
                w.acquire(None, None).unwrap().proc_start(s.proc(0));
                let emit = w.acquire(Some(s.proc(0)), None).unwrap();
                emit.task_create_in_syscall(s.task(1));
            });
            play.leaves(0);
            succeed(play);
        },
        &format!(
            "
            generation 1
              m1
                ProcStatus p0 Idle
                ProcStart p0 #1
                GoCreateSyscall g1
                ProcStop
                GoDestroySyscall
              {}",
            SUCCESSOR.replace("GoDestroy", "ProcsChange 1 []\n GoDestroy")
        ),
    );
}

/// It was in a system call when an earlier trace stopped, came back while nobody
/// looked, and goes as in [`it_goes_while_it_runs_a_task`].
#[test]
fn it_goes_long_after_a_system_call() {
    let truth = Truth {
        name: "leaves-after-syscall",
        ..TWO_THREADS
    };
    truth.after(
        |play| {
            let config = Config::new(1);
            let script = |_: &mut Recorder<'_>| {
                begin(play);
                play.on(0, |w, s| {
                    let emit = w.acquire(Some(s.proc(0)), Some(s.task(1))).unwrap();
                    emit.syscall_begin(emit.stack(&at("read<main")));
                });
            };
            let last = Still {
                idle: &[0],
                steals: Some((1, 0, 1)),
                ..Still::default()
            };
            play.record(
                "truth-leaves-after-syscall-before",
                &config,
                NOTHING,
                script,
                last,
            );
        },
        |play, _| {
            // It has its proc again, and runs.
            play.on(0, |w, s| {
                w.checkpoint(Some(s.proc(0)), Some(s.task(1)), waits("main"));
            });
            play.leaves(0);
            succeed(play);
        },
        &format!(
            "generation 1
              m1
                ProcStatus p0 Running
                GoStatusStack g1 m1 Running [main]
                ProcsChange 1 []
                GoDestroy
                ProcStop
              {}",
            SUCCESSOR.replace("#2", "#1")
        ),
    );
}

/// The note of a loss when nobody runs any more uses a proc that never was,
/// even if there were more procs once.
#[test]
fn a_note_uses_no_proc_of_the_program() {
    let truth = Truth {
        name: "note-after-fewer-procs",
        procs: 2,
        last: Still {
            running: &[(0, 0, Some(1), "main"), (1, 1, None, "")],
            ..Still::default()
        },
        ..TWO_THREADS
    };
    truth.says(
        |play, _| {
            begin(play);
            play.on(1, |w, s| {
                w.acquire(None, None).unwrap().proc_start(s.proc(1));
            });
            play.stage.tracer.set_procs(1);
            play.on(0, |w, s| {
                w.checkpoint(Some(s.proc(0)), Some(s.task(1)), waits("main"));
                let emit = w.acquire(Some(s.proc(0)), Some(s.task(1)));
                assert!(w.acquire(Some(s.proc(0)), Some(s.task(1))).is_none());
                drop(emit);
            });
        },
        &format!(
            r#"{}
                ProcsChange 1 []
              m2
                ProcStatus p1 Idle
                ProcStart p1 #1
              the last notes
                ProcStatus p2 Idle
                ProcStart p2 #1
                GoCreate g9223372036854775807 [] []
                GoStart g9223372036854775807 #1
                UserLog u0 "runtime-trace" "1 events lost (re-entrant: 1)" []
                UserLog u0 "runtime-trace" "tracing stopped" []
                GoDestroy
                ProcStop"#,
            BEGUN.replace("ProcsChange 1", "ProcsChange 2"),
        ),
    );
}
