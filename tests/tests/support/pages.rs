//! A system that refuses pages when told to, and counts what it has given.
//!
//! The program's own `mmap` comes before the C library's when the tracer is
//! linked, so this needs no seam in the tracer. Only the tracer maps blocks of
//! this size.

#![allow(dead_code, reason = "not every test asks for all of it")]

use std::ffi::{c_int, c_long, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

/// Size of the tracer's blocks.
pub const BLOCK: usize = 64 << 10;

/// Calls since `refuse`; which one is the first to be refused, and how many are.
static CALLS: AtomicUsize = AtomicUsize::new(0);
static FIRST: AtomicUsize = AtomicUsize::new(usize::MAX);
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// Bytes mapped, and the most there ever were.
static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

/// The system as one test has it.
pub struct System(MutexGuard<'static, ()>);

impl System {
    /// Waits until no other test has it.
    pub fn mine() -> Self {
        static ONE: Mutex<()> = Mutex::new(());
        let guard = ONE.lock().unwrap_or_else(|failed| failed.into_inner());
        HELD.store(0, Ordering::Relaxed);
        MOST.store(0, Ordering::Relaxed);
        let system = Self(guard);
        system.refuses(usize::MAX, 0);
        system
    }

    /// From now on, refuses `count` blocks from the `first` on, from 0.
    pub fn refuses(&self, first: usize, count: usize) {
        // Relaxed, here and below: tests say so before they begin.
        FIRST.store(first, Ordering::Relaxed);
        COUNT.store(count, Ordering::Relaxed);
        CALLS.store(0, Ordering::Relaxed);
    }

    /// How often it was asked since.
    pub fn calls(&self) -> usize {
        CALLS.load(Ordering::Relaxed)
    }

    /// Bytes held now.
    pub fn held(&self) -> usize {
        HELD.load(Ordering::Relaxed)
    }

    /// The most bytes ever held.
    pub fn most(&self) -> usize {
        MOST.load(Ordering::Relaxed)
    }
}

impl Drop for System {
    fn drop(&mut self) {
        self.refuses(usize::MAX, 0);
    }
}

fn refused() -> bool {
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    let since = call.checked_sub(FIRST.load(Ordering::Relaxed));
    since.is_some_and(|since| since < COUNT.load(Ordering::Relaxed))
}

/// # Safety
///
/// As the system's.
#[unsafe(no_mangle)]
unsafe extern "C" fn mmap(
    at: *mut c_void,
    len: usize,
    protection: c_int,
    flags: c_int,
    file: c_int,
    offset: i64,
) -> *mut c_void {
    let block = len == BLOCK && flags & libc::MAP_ANONYMOUS != 0;
    if block && refused() {
        // SAFETY: the address of this thread's error number.
        unsafe { *libc::__errno_location() = libc::ENOMEM };
        return libc::MAP_FAILED;
    }
    // SAFETY: the caller's arguments, passed on.
    let got = unsafe {
        libc::syscall(
            libc::SYS_mmap,
            at,
            len,
            protection as c_long,
            flags as c_long,
            file as c_long,
            offset,
        )
    };
    if block && got != -1 {
        let held = HELD.fetch_add(BLOCK, Ordering::Relaxed) + BLOCK;
        MOST.fetch_max(held, Ordering::Relaxed);
    }
    std::ptr::with_exposed_provenance_mut(got as usize)
}

/// # Safety
///
/// As the system's.
#[unsafe(no_mangle)]
unsafe extern "C" fn munmap(at: *mut c_void, len: usize) -> c_int {
    // SAFETY: the caller's arguments, passed on.
    let done = unsafe { libc::syscall(libc::SYS_munmap, at, len) };
    if len == BLOCK && done == 0 {
        HELD.fetch_sub(BLOCK, Ordering::Relaxed);
    }
    done as c_int
}
