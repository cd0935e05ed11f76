//! A fork while tracing is on, from a program whose other threads emit: the
//! child finds tracing off, whatever it does, and the parent's file is its own.

#![cfg(target_os = "linux")]

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use e2e::check::{Ends, check};
use e2e::kept::Recorder;
use e2e::lone::{Lone, Silent, said_in};
use runtime_trace::{
    AdvanceError, Chunk, Config, ProcTrace, StartError, Stats, StopError, TaskTrace, Tracer,
    WorkerError,
};

/// What the child does before it exits; it says what went wrong by its status.
type Child = fn(&Tracer, &Lone<'_>) -> Result<(), i32>;

const CHILDREN: &[(&str, Child)] = &[
    ("exits", |_, _| Ok(())),
    ("executes", |_, _| {
        let arguments = [c"true".as_ptr(), std::ptr::null()];
        // SAFETY: the arguments end with null. It returns only if it fails.
        unsafe { libc::execvp(arguments[0], arguments.as_ptr()) };
        Err(1)
    }),
    ("goes on emitting", |tracer, lone| {
        for _ in 0..10_000 {
            if lone.logs("in the child") {
                return Err(2);
            }
        }
        if tracer.enabled() || tracer.advance_due() {
            return Err(3);
        }
        lone.checkpoint();
        Ok(())
    }),
    ("moves the trace", |tracer, _| {
        let refused = tracer.advance(&Silent) == Err(AdvanceError::NotTracing)
            && tracer.stop(&Silent) == Err(StopError::NotTracing)
            && tracer.start(&Config::new(1), &Silent) == Err(StartError::Forked)
            && matches!(tracer.worker(), Err(WorkerError::Forked))
            && tracer.stats() == Stats::default();
        if refused { Ok(()) } else { Err(4) }
    }),
    ("reads", |tracer, _| {
        // In the parent somebody does, so the place is taken.
        if tracer.reader().is_some() {
            Err(5)
        } else {
            Ok(())
        }
    }),
    ("traces by itself", |_, _| {
        let (tracer, proc, task) = (Tracer::new(), ProcTrace::new(0), TaskTrace::new(1));
        let config = Config::new(1);
        tracer.start(&config, &Silent).map_err(|_| 6)?;
        let lone = Lone::new(&tracer, &proc, &task);
        lone.begins();
        lone.ends();
        tracer.stop(&Silent).map_err(|_| 7)?;
        let mut reader = tracer.reader().ok_or(8)?;
        while let Chunk::Data(_) = reader.next() {}
        drop((reader, lone));
        drop(tracer);
        // And the copy of the parent's goes without a word.
        Ok(())
    }),
];

/// Has the other threads stop, also when the test fails.
struct Stops<'s>(&'s AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        // Relaxed: a message.
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn the_child_finds_tracing_off() {
    let tracer = Tracer::new();
    let procs: Vec<_> = (0..3).map(ProcTrace::new).collect();
    let tasks: Vec<_> = (1..=3).map(TaskTrace::new).collect();
    // A generation is due at once, and in a child all the same none is.
    let mut config = Config::new(3);
    config.period = Duration::ZERO;
    tracer.start(&config, &Silent).expect("it starts");
    assert!(tracer.advance_due());
    let mut recorder = Recorder::new(&tracer, "fork");
    let stop = AtomicBool::new(false);
    let (mut said, mut forks) = (0, 0);
    thread::scope(|scope| {
        let (tracer, stop) = (&tracer, &stop);
        let others: Vec<_> = [1, 2]
            .map(|number| {
                let (proc, task) = (&procs[number], &tasks[number]);
                scope.spawn(move || {
                    let lone = Lone::new(tracer, proc, task);
                    lone.begins();
                    // Relaxed: a message.
                    while !stop.load(Ordering::Relaxed) {
                        lone.logs("beside the fork");
                        thread::yield_now();
                    }
                    lone.ends();
                    lone.said()
                })
            })
            .into();
        let stops = Stops(stop);
        let lone = Lone::new(tracer, &procs[0], &tasks[0]);
        lone.begins();
        for round in 0..20 {
            for (name, child) in CHILDREN {
                lone.logs(name);
                // SAFETY: the child uses the tracer, which is what is tested,
                // and memory of this thread; it ends without unwinding. (Where
                // it allocates, glibc has made its allocator usable.)
                match unsafe { libc::fork() } {
                    0 => {
                        let status = child(tracer, &lone).err().unwrap_or(0);
                        // SAFETY: ends the process at once.
                        unsafe { libc::_exit(status) };
                    }
                    child => {
                        let mut status = 0;
                        // SAFETY: waits for the child just made.
                        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
                        assert_eq!(status, 0, "the child that {name}, round {round}");
                    }
                }
                forks += 1;
                lone.logs("the parent goes on");
                recorder.pump();
            }
        }
        lone.ends();
        drop(stops);
        said += lone.said();
        for other in others {
            said += other.join().expect("it ends");
        }
    });
    assert!(forks > 0);
    assert_eq!(tracer.stop(&Silent), Ok(()));
    let stats = tracer.stats();
    let trace = recorder.finish().read();
    if let Err(fault) = check(&trace, Ends::Whole) {
        panic!("{fault}");
    }
    assert_eq!((said_in(&trace), stats.losses.total()), (said, 0));
}

/// A reader in the child, copied with the thread that has it, gives nothing.
#[test]
fn a_copied_reader_gives_nothing() {
    let tracer = Tracer::new();
    tracer.start(&Config::new(1), &Silent).expect("it starts");
    let mut reader = tracer.reader().expect("there is one");
    // SAFETY: as above; the child allocates nothing.
    match unsafe { libc::fork() } {
        0 => {
            let gives = reader.next() != Chunk::End;
            reader.fail();
            drop(reader);
            drop(tracer);
            // SAFETY: ends the process at once.
            unsafe { libc::_exit(i32::from(gives)) };
        }
        child => {
            let mut status = 0;
            // SAFETY: waits for the child just made.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            assert_eq!(status, 0);
        }
    }
    assert!(
        matches!(reader.next(), Chunk::Data(_)),
        "the parent's goes on"
    );
    assert_eq!(tracer.stop(&Silent), Ok(()));
}

/// What other programs are started by shares memory for a moment; that is no
/// fork, and tracing stays on.
#[test]
fn starting_a_program_leaves_tracing_on() {
    let (tracer, proc, task) = (Tracer::new(), ProcTrace::new(0), TaskTrace::new(1));
    tracer.start(&Config::new(1), &Silent).expect("it starts");
    let lone = Lone::new(&tracer, &proc, &task);
    lone.begins();
    assert!(Command::new("true").status().expect("it runs").success());
    assert!(lone.logs("still here"));
    lone.ends();
    assert_eq!(tracer.stop(&Silent), Ok(()));
}
