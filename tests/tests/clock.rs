//! A clock that steps back: time in the trace stands still until it has caught
//! up, thread by thread, and never wraps.

#![cfg(target_os = "linux")]

use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use e2e::kept::Recorder;
use e2e::lone::{Lone, Silent, said_in};
use runtime_trace::{
    Config, Frame, Host, Pcs, ProcTrace, Sweep, SweptState, Symbolizer, TaskTrace, Tracer,
};

/// Whether the clock is the test's, and what it shows next, nanoseconds.
static OURS: AtomicBool = AtomicBool::new(false);
static NOW: AtomicU64 = AtomicU64::new(0);
/// How often it was asked, and stepped back.
static STEPS: AtomicU64 = AtomicU64::new(0);

/// The program's own comes before the C library's when the tracer is linked.
///
/// # Safety
///
/// As the system's.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    if clock == libc::CLOCK_MONOTONIC && OURS.load(Ordering::Relaxed) {
        let step = STEPS.fetch_add(1, Ordering::Relaxed);
        let now = NOW.fetch_add(10_000, Ordering::Relaxed);
        // Every third time it is back by up to an hour; now and then it is 0.
        let now = match step % 30 {
            29 => 0,
            _ if step % 3 == 2 => now - (step % 7) * 600_000_000_000,
            _ => now,
        };
        // SAFETY: the caller's place for a time.
        unsafe {
            (*time).tv_sec = (now / 1_000_000_000) as libc::time_t;
            (*time).tv_nsec = (now % 1_000_000_000) as libc::c_long;
        }
        return 0;
    }
    // SAFETY: the caller's arguments, passed on.
    unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) as c_int }
}

/// One running task, and others that wait.
struct Solo<'a, 't>(&'a Lone<'t>, &'a [TaskTrace]);

impl Symbolizer for Solo<'_, '_> {
    fn frames(&self, pc: usize, visit: &mut dyn FnMut(Frame<'_>)) {
        Silent.frames(pc, visit);
    }
}

impl Host for Solo<'_, '_> {
    fn checkpoint(&self) {
        self.0.checkpoint();
    }

    fn sweep(&self, sweep: &Sweep<'_>) {
        for task in self.1 {
            sweep.task(task, SweptState::Waiting, |pcs| pcs.push(1));
        }
    }
}

#[test]
fn time_never_steps_back() {
    NOW.store(10_000_000_000_000, Ordering::Relaxed);
    let (tracer, proc) = (Tracer::new(), ProcTrace::new(0));
    let tasks: Vec<_> = (1..=20).map(TaskTrace::new).collect();
    let lone = Lone::new(&tracer, &proc, &tasks[0]);
    let host = Solo(&lone, &tasks[1..]);
    OURS.store(true, Ordering::Relaxed);
    let none = Solo(&lone, &[]);
    let mut config = Config::new(1);
    config.counter = false;
    tracer.start(&config, &none).expect("it starts");
    let mut recorder = Recorder::new(&tracer, "clock");
    lone.begins();
    lone.emits(|emit| {
        for task in &tasks[1..] {
            let mut pcs = Pcs::logical();
            pcs.push(1);
            emit.task_create_blocked(task, emit.stack(&pcs), emit.stack(&pcs));
        }
        19
    });
    for _ in 0..10 {
        for _ in 0..1000 {
            lone.logs("tick");
        }
        recorder.pump();
        tracer.advance(&host).expect("it advances");
    }
    lone.ends();
    tracer.stop(&host).expect("it stops");
    OURS.store(false, Ordering::Relaxed);
    assert!(
        STEPS.load(Ordering::Relaxed) > 10_000,
        "the clock is not ours"
    );
    // Reading checks that no thread's time, nor that of nobody, steps back. (Of
    // two threads one may be ahead; readers order by sequence numbers.)
    let trace = recorder.finish().read();
    assert_eq!(trace.generations.len(), 11);
    assert_eq!(said_in(&trace), lone.said());
    let times = trace
        .generations
        .iter()
        .flat_map(|g| g.streams.values().flatten());
    // An hour and a half after the start at the most: nothing wrapped.
    let most = (10_000_000_000_000 + 5_400_000_000_000) / 64;
    assert!(times.map(|event| event.time).all(|time| time <= most));
}
