//! System calls, in traces derived by hand.

use e2e::hands::{Play, Still, at};
use e2e::truth::{BEGUN, IDLE, NOTHING, Truth, begin};
use runtime_trace::SweptState;

fn enter(play: &Play<'_>) {
    play.on(0, |w, s| {
        if let Some(emit) = w.acquire(Some(s.proc(0)), Some(s.task(1))) {
            emit.syscall_begin(emit.stack(&at("read<main")));
        }
    });
}

/// Task 1 leaves a system call without a proc, takes the idle one, and ends.
fn leave_and_end(play: &Play<'_>) {
    play.on(0, |w, s| {
        let emit = w.acquire(None, Some(s.task(1))).unwrap();
        emit.proc_start(s.proc(0));
        emit.syscall_end_blocked();
        emit.task_start(s.task(1));
        emit.task_end();
        emit.proc_stop();
    });
}

/// The proc of a task in a system call, taken by thread 1 in a sweep.
const STOLEN: Still<'_> = Still {
    tasks: &[(1, SweptState::Syscall { worker: 1 }, "read<main")],
    idle: &[0],
    running: &[],
    steals: Some((1, 0, 1)),
};

/// Nothing is left to take.
const GONE: Still<'_> = Still {
    steals: None,
    ..STOLEN
};

#[test]
fn a_short_one_keeps_its_proc() {
    let truth = Truth {
        name: "syscall-short",
        procs: 1,
        tasks: 1,
        threads: 1,
        first: NOTHING,
        last: IDLE,
    };
    truth.says(
        |play, _| {
            begin(play);
            for _ in 0..2 {
                enter(play);
                play.on(0, |w, s| {
                    let emit = w.acquire(Some(s.proc(0)), Some(s.task(1))).unwrap();
                    emit.syscall_end();
                });
            }
            play.on(0, |w, s| {
                let emit = w.acquire(Some(s.proc(0)), Some(s.task(1))).unwrap();
                emit.task_end();
                emit.proc_stop();
            });
        },
        &format!(
            "{BEGUN}
                GoSyscallBegin #2 [read<main]
                GoSyscallEnd
                GoSyscallBegin #3 [read<main]
                GoSyscallEnd
                GoDestroy
                ProcStop"
        ),
    );
}

/// The call outlasts a whole generation, in which nothing else happens.
#[test]
fn a_long_one_spans_generations() {
    let truth = Truth {
        name: "syscall-over-generations",
        procs: 1,
        tasks: 1,
        threads: 2,
        first: NOTHING,
        last: IDLE,
    };
    truth.says(
        |play, recorder| {
            begin(play);
            enter(play);
            for still in [STOLEN, GONE] {
                recorder.pump();
                play.advance(still).expect("it advances");
            }
            leave_and_end(play);
        },
        &format!(
            "{BEGUN}
                GoSyscallBegin #2 [read<main]
              m2
                ProcSteal p0 #3 m1
            generation 2
              nobody
                GoStatusStack g1 m1 Syscall [read<main]
                ProcStatus p0 Idle
            generation 3
              m1
                GoStatus g1 m1 Syscall
                ProcStatus p0 Idle
                ProcStart p0 #1
                GoSyscallEndBlocked
                GoStart g1 #1
                ProcsChange 1 []
                GoDestroy
                ProcStop"
        ),
    );
}

/// The proc is taken in the generation after the one in which the call began.
#[test]
fn a_proc_stolen_a_generation_later() {
    let truth = Truth {
        name: "syscall-stolen-later",
        procs: 1,
        tasks: 1,
        threads: 2,
        first: NOTHING,
        last: IDLE,
    };
    truth.says(
        |play, recorder| {
            begin(play);
            recorder.pump();
            // The call begins after its thread has passed the checkpoint.
            let running = Still {
                running: &[(0, 0, Some(1), "main")],
                ..Still::default()
            };
            play.advance(running).expect("it advances");
            play.on(0, |w, s| {
                let emit = w.acquire(Some(s.proc(0)), Some(s.task(1))).unwrap();
                emit.syscall_begin(emit.stack(&at("read<main")));
            });
            recorder.pump();
            play.advance(Still::default()).expect("it advances");
            play.on(1, |w, s| {
                w.acquire(None, None).unwrap().proc_steal(s.proc(0), 1);
            });
            leave_and_end(play);
        },
        &format!(
            "{BEGUN}
            generation 2
              m1
                ProcStatus p0 Running
                GoStatus g1 m1 Running
                GoSyscallBegin #1 [read<main]
            generation 3
              m1
                GoStatus g1 m1 Syscall
                ProcStart p0 #2
                GoSyscallEndBlocked
                GoStart g1 #1
                ProcsChange 1 []
                GoDestroy
                ProcStop
              m2
                ProcStatus p0 SyscallAbandoned
                ProcSteal p0 #1 m1"
        ),
    );
}

/// The task is in the call, without its proc, since before tracing started.
#[test]
fn one_begun_before_the_trace() {
    let truth = Truth {
        name: "syscall-before-trace",
        procs: 1,
        tasks: 1,
        threads: 2,
        first: NOTHING,
        last: IDLE,
    };
    truth.after(
        |play| {
            begin(play);
            enter(play);
        },
        |play, _| leave_and_end(play),
        "
        generation 1
          m1
            GoStatus g1 m1 Syscall
            ProcStatus p0 Idle
            ProcStart p0 #1
            GoSyscallEndBlocked
            GoStart g1 #1
            ProcsChange 1 []
            GoDestroy
            ProcStop
        ",
    );
}

/// As above, and the thread still has its proc.
#[test]
fn one_begun_before_the_trace_with_its_proc() {
    let truth = Truth {
        name: "syscall-before-trace-with-proc",
        procs: 1,
        tasks: 1,
        threads: 1,
        first: NOTHING,
        last: IDLE,
    };
    truth.after(
        |play| {
            begin(play);
            enter(play);
        },
        |play, _| {
            play.on(0, |w, s| {
                let emit = w.acquire(Some(s.proc(0)), Some(s.task(1))).unwrap();
                emit.syscall_end();
                emit.task_end();
                emit.proc_stop();
            });
        },
        "
        generation 1
          m1
            ProcStatus p0 Syscall
            GoStatus g1 m1 Syscall
            GoSyscallEnd
            GoDestroy
            ProcStop
        ",
    );
}

/// As above, and the proc is taken from it while tracing is on. Nobody knows who
/// had it.
#[test]
fn one_begun_before_the_trace_and_stolen_in_it() {
    let truth = Truth {
        name: "syscall-before-trace-stolen",
        procs: 1,
        tasks: 1,
        threads: 2,
        first: NOTHING,
        last: GONE,
    };
    truth.after(
        |play| {
            begin(play);
            enter(play);
        },
        |play, _| {
            play.on(1, |w, s| {
                w.acquire(None, None).unwrap().proc_steal(s.proc(0), 1);
            });
        },
        "
        generation 1
          m2
            ProcStatus p0 SyscallAbandoned
            ProcSteal p0 #1 m1
          nobody
            GoStatusStack g1 m1 Syscall [read<main]
        ",
    );
}

/// Foreign code calls in, its task comes to run, and goes again in the call.
#[test]
fn a_task_that_appears_in_a_call() {
    let truth = Truth {
        name: "syscall-foreign",
        procs: 1,
        tasks: 1,
        threads: 2,
        first: NOTHING,
        last: IDLE,
    };
    truth.says(
        |play, _| {
            play.on(0, |w, s| {
                let emit = w.acquire(None, None).unwrap();
                emit.task_create_in_syscall(s.task(1));
            });
            play.on(0, |w, s| {
                let emit = w.acquire(None, Some(s.task(1))).unwrap();
                emit.proc_start(s.proc(0));
                emit.syscall_end_blocked();
                emit.task_start(s.task(1));
            });
            enter(play);
            play.on(0, |w, s| {
                let emit = w.acquire(Some(s.proc(0)), Some(s.task(1))).unwrap();
                emit.task_end_in_syscall();
            });
            play.on(1, |w, s| {
                w.acquire(None, None).unwrap().proc_steal(s.proc(0), 1);
            });
        },
        "
        generation 1
          m1
            GoCreateSyscall g1
            ProcStatus p0 Idle
            ProcStart p0 #1
            GoSyscallEndBlocked
            GoStart g1 #1
            ProcsChange 1 []
            GoSyscallBegin #2 [read<main]
            GoDestroySyscall
          m2
            ProcSteal p0 #3 m1
        ",
    );
}
