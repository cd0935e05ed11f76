//! Ctrl-C, SIGTERM and SIGHUP: the first one raises a flag, so that the program
//! stops and its trace is finished.
//!
//! ```text
//!  first signal ──► program stops, trace is finished ──► status 128 + its number
//!     │   │ again within SAME_WISH: nothing
//!     │   └ again later ─────────────────────────────► ends at once, by that signal
//!     └──── after FINISHED_WITHIN ───────────────────► ends at once, by the first
//! ```
//!
//! A wish that a process end often comes twice: `timeout` sends it to the process and
//! to its group, a terminal's driver and the shell each send one. Only a signal that
//! comes a while later wants something else.
//!
//! A signal that the parent has us ignore stays ignored: SIGHUP below `nohup`,
//! SIGINT behind a shell's `&`.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use vm::Interrupt;

/// For so long after the first signal others say the same.
const SAME_WISH: Duration = Duration::from_secs(1);

/// How long the program and its trace have to end. The trace's file alone is
/// given up sooner, so that something can still be said of it.
const FINISHED_WITHIN: Duration = Duration::from_secs(10);

/// Raised by the handler.
pub(crate) static INTERRUPT: Interrupt = Interrupt::new();

/// When the first signal came, in nanoseconds of the system's steady clock; 0
/// if none has.
static FIRST: AtomicU64 = AtomicU64::new(0);

/// Takes over the signals that are not ignored.
///
/// # Errors
/// If the system refuses; then nothing is lost but the end of the trace.
pub(crate) fn catch() -> io::Result<()> {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        let mut before = MaybeUninit::<libc::sigaction>::uninit();
        // SAFETY: the pointer is to room for one of these, and nothing is set.
        if unsafe { libc::sigaction(signal, ptr::null(), before.as_mut_ptr()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call has filled it in.
        if unsafe { before.assume_init() }.sa_sigaction == libc::SIG_IGN {
            continue;
        }
        let handler: extern "C" fn(libc::c_int) = asked;
        set(signal, handler as libc::sighandler_t)?;
    }
    // A parent that blocks this one means an alarm of its own.
    let mut alarm = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the first call initialises the set, which the others only use; the
    // signal is known; and a thread may change its own mask.
    unsafe {
        libc::sigemptyset(alarm.as_mut_ptr());
        libc::sigaddset(alarm.as_mut_ptr(), libc::SIGALRM);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, alarm.as_ptr(), ptr::null_mut());
    }
    Ok(())
}

/// Says what a signal does from now on. Handlers may call this.
fn set(signal: libc::c_int, handler: libc::sighandler_t) -> io::Result<()> {
    // SAFETY: all zeros is a value of this C struct.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = handler;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: `action` is initialised, its mask by the first call; the handlers
    // do nothing but what a handler may: atomic operations, and calls that the
    // system lists as safe there.
    let result = unsafe {
        libc::sigemptyset(&mut action.sa_mask);
        libc::sigaction(signal, &action, ptr::null_mut())
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Somebody wants us to end.
extern "C" fn asked(signal: libc::c_int) {
    let now = now();
    // Relaxed, both: the number is all that there is to see.
    match FIRST.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => {
            INTERRUPT.raise(signal);
            let handler: extern "C" fn(libc::c_int) = too_late;
            if set(libc::SIGALRM, handler as libc::sighandler_t).is_ok() {
                // SAFETY: it only asks for a signal, which is handled.
                unsafe { libc::alarm(FINISHED_WITHIN.as_secs() as libc::c_uint) };
            }
        }
        Err(first) if u128::from(now.saturating_sub(first)) < SAME_WISH.as_nanos() => {}
        Err(_) => end_by(signal),
    }
}

/// We have not ended in time.
extern "C" fn too_late(_: libc::c_int) {
    end_by(INTERRUPT.raised().unwrap_or(libc::SIGALRM));
}

/// Ends the process by a signal: at once, or as soon as the handler that calls
/// this returns, if it is that signal's own.
fn end_by(signal: libc::c_int) {
    // It cannot fail: the signal is one that may be set, and was.
    let _ = set(signal, libc::SIG_DFL);
    // SAFETY: it only sends a signal, to the calling thread.
    unsafe { libc::raise(signal) };
}

/// Nanoseconds of the system's steady clock, at least 1.
fn now() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to one of these.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    let [seconds, rest] = [time.tv_sec, time.tv_nsec].map(|part| u64::try_from(part).unwrap_or(0));
    (seconds * 1_000_000_000 + rest).max(1)
}
