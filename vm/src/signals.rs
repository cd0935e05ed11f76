//! Ctrl-C and SIGTERM: the first of each raises a flag, so that the program
//! stops and its trace is finished; a second one ends the process at once.

use std::io;
use std::mem::MaybeUninit;

use vm::Interrupt;

/// Raised by the handler.
pub(crate) static INTERRUPT: Interrupt = Interrupt::new();

/// Takes over both signals.
///
/// # Errors
/// If the system refuses; then nothing is lost but the end of the trace.
pub(crate) fn catch() -> io::Result<()> {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let handler: extern "C" fn(libc::c_int) = raise;
        // SAFETY: all zeros is a value of this C struct.
        let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
        action.sa_sigaction = handler as libc::sighandler_t;
        // RESETHAND is what lets the second one end the process.
        action.sa_flags = libc::SA_RESTART | libc::SA_RESETHAND;
        // SAFETY: `action` is initialised, its mask by the first call; the
        // handler does nothing but an atomic operation, which a handler may.
        let result = unsafe {
            libc::sigemptyset(&mut action.sa_mask);
            libc::sigaction(signal, &action, std::ptr::null_mut())
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

extern "C" fn raise(signal: libc::c_int) {
    INTERRUPT.raise(signal);
}
