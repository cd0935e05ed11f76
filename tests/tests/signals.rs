//! Signals that come at any moment, also in the middle of an emission, and whose
//! handler emits: it is let in or refused, and nothing else happens.
//!
//! What may be called from a handler is said at the head of
//! `runtime_trace::emit`.

#![cfg(target_os = "linux")]

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use e2e::check::{Ends, check};
use e2e::kept::Recorder;
use e2e::lone::{Lone, Silent, said_in};
use runtime_trace::{Config, Loss, Pcs, ProcTrace, StackId, TaskTrace, Tracer};

thread_local! {
    /// The thread that the handler emits for, once it may.
    static INTERRUPTED: Cell<*const Lone<'static>> = const { Cell::new(ptr::null()) };
}

/// Emissions of handlers that were let in, and that were refused.
static EMITTED: AtomicU64 = AtomicU64::new(0);
static REFUSED: AtomicU64 = AtomicU64::new(0);

extern "C" fn handler(_: libc::c_int) {
    let lone = INTERRUPTED.get();
    if lone.is_null() {
        return;
    }
    // SAFETY: the thread put it there and takes it away before it goes.
    let lone = unsafe { &*lone };
    let mut pcs = Pcs::logical();
    pcs.push(99);
    // Relaxed: figures.
    match lone.acquires() {
        Some(emit) => {
            emit.log(0, "signal", "a string of its own", emit.stack(&pcs));
            EMITTED.fetch_add(1, Ordering::Relaxed);
        }
        None => {
            REFUSED.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Sends the calling thread a signal every so often, until it is dropped.
struct Storm(libc::timer_t);

impl Storm {
    fn begin(nanoseconds: i64) -> Self {
        // SAFETY: all arguments are ours and initialised; the handler calls
        // only what may be called in one.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as *const () as usize;
            action.sa_flags = libc::SA_RESTART;
            assert_eq!(
                libc::sigaction(libc::SIGUSR1, &raw const action, ptr::null_mut()),
                0
            );
            let mut event: libc::sigevent = std::mem::zeroed();
            event.sigev_notify = libc::SIGEV_THREAD_ID;
            event.sigev_signo = libc::SIGUSR1;
            event.sigev_notify_thread_id = libc::syscall(libc::SYS_gettid) as i32;
            let mut timer = ptr::null_mut();
            let made = libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer);
            assert_eq!(made, 0);
            let every = libc::timespec {
                tv_sec: 0,
                tv_nsec: nanoseconds,
            };
            let when = libc::itimerspec {
                it_interval: every,
                it_value: every,
            };
            assert_eq!(
                libc::timer_settime(timer, 0, &raw const when, ptr::null_mut()),
                0
            );
            Self(timer)
        }
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        // SAFETY: it was made, and is deleted once.
        unsafe { libc::timer_delete(self.0) };
    }
}

const THREADS: usize = 3;

#[test]
fn a_storm_of_signals_whose_handlers_emit() {
    let tracer: &'static Tracer = Box::leak(Box::new(Tracer::new()));
    tracer
        .start(&Config::new(THREADS as u32), &Silent)
        .expect("it starts");
    let mut recorder = Recorder::new(tracer, "signals");
    let enough = AtomicBool::new(false);
    let mut said = 0;
    thread::scope(|scope| {
        let enough = &enough;
        let threads: Vec<_> = (0..THREADS)
            .map(|number| {
                scope.spawn(move || {
                    let proc = Box::leak(Box::new(ProcTrace::new(number as u32)));
                    let task = Box::leak(Box::new(TaskTrace::new(1 + number as u64)));
                    let lone: &'static Lone<'static> =
                        Box::leak(Box::new(Lone::new(tracer, proc, task)));
                    lone.begins();
                    INTERRUPTED.set(lone);
                    let storm = Storm::begin(20_000 + 1000 * number as i64);
                    let mut round = 0;
                    // Relaxed: a message.
                    while !enough.load(Ordering::Relaxed) {
                        round += 1;
                        lone.emits(|emit| {
                            let mut pcs = Pcs::logical();
                            pcs.push(1 + round % 1000);
                            emit.region_begin(0, "region", StackId::NONE);
                            emit.log(0, "thread", &format!("{round}"), emit.stack(&pcs));
                            emit.region_end(0, "region", StackId::NONE);
                            3
                        });
                    }
                    drop(storm);
                    INTERRUPTED.set(ptr::null());
                    lone.ends();
                    lone.said()
                })
            })
            .collect();
        // Until enough signals came at each kind of moment.
        while EMITTED.load(Ordering::Relaxed) < 2000 || REFUSED.load(Ordering::Relaxed) < 2000 {
            recorder.pump();
            thread::yield_now();
        }
        enough.store(true, Ordering::Relaxed);
        for thread in threads {
            said += thread.join().expect("it ends");
        }
    });
    assert_eq!(tracer.stop(&Silent), Ok(()));
    let losses = tracer.stats().losses;
    let trace = recorder.finish().read();
    if let Err(fault) = check(&trace, Ends::Whole) {
        panic!("{fault}");
    }
    let (emitted, refused) = (
        EMITTED.load(Ordering::Relaxed),
        REFUSED.load(Ordering::Relaxed),
    );
    assert_eq!(losses.count(Loss::Reentrant), refused);
    assert_eq!(losses.total(), refused, "{losses}");
    assert_eq!(said_in(&trace), said + emitted);
}
