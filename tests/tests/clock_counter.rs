//! The processor's counter steps back, and is at 0 now and then: time in the trace
//! stands still until it has caught up, thread by thread, and never wraps.
//!
//! The counter is the test's own: reading the processor's is forbidden to the
//! thread, and code that does it all the same gets the test's from a signal's handler.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::arch::x86_64::__cpuid;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use e2e::kept::Recorder;
use e2e::lone::{Lone, Running, said_in};
use runtime_trace::{Config, ProcTrace, TaskTrace, Tracer};

/// Ticks from one reading to the next: 10 µs at 2.5 GHz.
const TICKS: u64 = 25_000;
const HOUR: u64 = 3600 * 2_500_000_000;

/// What the counter shows next. It began long before the system's clock did.
static COUNTER: AtomicU64 = AtomicU64::new(1000 * HOUR);
/// Whether it steps back.
static STEPS: AtomicBool = AtomicBool::new(false);
/// How often it was read.
static READ: AtomicU64 = AtomicU64::new(0);

/// The counter in the place of the processor's.
extern "C" fn read_counter(_: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    const RDTSC: [u8; 2] = [0x0f, 0x31];
    // SAFETY: the system hands a handler of this kind such a context.
    let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let at = registers[libc::REG_RIP as usize];
    let instruction = ptr::with_exposed_provenance::<[u8; 2]>(at as usize);
    // SAFETY: the processor has just read its instruction there.
    if unsafe { instruction.read_unaligned() } != RDTSC {
        // SAFETY: as documented; whatever it is happens again and ends the process.
        unsafe { libc::signal(libc::SIGSEGV, libc::SIG_DFL) };
        return;
    }
    // Relaxed, all of them: one thread reads the counter.
    let step = READ.fetch_add(1, Ordering::Relaxed);
    let now = COUNTER.fetch_add(TICKS, Ordering::Relaxed);
    // Every third time it is back by up to an hour; now and then it is 0.
    let now = match step % 30 {
        _ if !STEPS.load(Ordering::Relaxed) => now,
        29 => 0,
        _ if step % 3 == 2 => now - (step % 7) * (HOUR / 6),
        _ => now,
    };
    registers[libc::REG_RAX as usize] = (now & 0xffff_ffff) as i64;
    registers[libc::REG_RDX as usize] = (now >> 32) as i64;
    registers[libc::REG_RIP as usize] += RDTSC.len() as i64;
}

/// Whether this thread may read the processor's counter.
fn set_readable(readable: bool) -> bool {
    let how = match readable {
        true => libc::PR_TSC_ENABLE,
        false => libc::PR_TSC_SIGSEGV,
    };
    // SAFETY: as documented.
    unsafe { libc::prctl(libc::PR_SET_TSC, how) == 0 }
}

/// The program's own comes before the C library's when the tracer is linked: it
/// says that the system goes by the counter.
///
/// # Safety
///
/// As the system's.
#[unsafe(no_mangle)]
unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int {
    // SAFETY: the caller's path.
    let name = unsafe { CStr::from_ptr(path) }.to_bytes();
    if !name.ends_with(b"/current_clocksource") {
        // SAFETY: the caller's arguments, passed on.
        return unsafe { libc::syscall(libc::SYS_open, path, flags, mode) as c_int };
    }
    let mut ends = [0; 2];
    // SAFETY: two places for descriptors, the one of which is closed here once, and
    // four bytes.
    unsafe {
        assert_eq!(libc::pipe(ends.as_mut_ptr()), 0);
        assert_eq!(libc::write(ends[1], c"tsc\n".as_ptr().cast(), 4), 4);
        libc::close(ends[1]);
    }
    ends[0]
}

/// Asks the system, since what the C library has reads the processor's counter.
///
/// # Safety
///
/// As the system's.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    // SAFETY: the caller's arguments, passed on.
    unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) as c_int }
}

#[test]
fn time_never_steps_back() {
    const POWER: u32 = 0x8000_0007;
    const INVARIANT: u32 = 1 << 8;
    if __cpuid(POWER).edx & INVARIANT == 0 {
        println!("skipped: the processor says that its counter is not steady");
        return;
    }
    // SAFETY: a zeroed action is an empty one.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = read_counter as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO;
    // SAFETY: an action of ours; the handler does nothing that one may not.
    let set = unsafe { libc::sigaction(libc::SIGSEGV, &action, ptr::null_mut()) };
    if set != 0 || !set_readable(false) {
        println!("skipped: the system does not keep a thread from the counter");
        return;
    }
    let (tracer, proc) = (Tracer::new(), ProcTrace::new(0));
    let task = TaskTrace::new(1);
    let lone = Lone::new(&tracer, &proc, &task);
    let host = Running(&lone);
    let begin = monotonic();
    tracer.start(&Config::new(1), &host).expect("it starts");
    let mut recorder = Recorder::new(&tracer, "clock-counter");
    lone.begins();
    STEPS.store(true, Ordering::Relaxed);
    for _ in 0..10 {
        for _ in 0..1000 {
            lone.logs("tick");
        }
        recorder.pump();
        tracer.advance(&host).expect("it advances");
    }
    lone.ends();
    tracer.stop(&host).expect("it stops");
    assert!(set_readable(true));
    assert!(
        READ.load(Ordering::Relaxed) > 5_000,
        "the counter is not asked"
    );
    // Reading checks that no thread's time steps back.
    let trace = recorder.finish().read();
    assert_eq!(trace.generations.len(), 11);
    assert_eq!(said_in(&trace), lone.said());
    // What is made of the counter's rate and of the clock's may differ by any factor
    // up to that of a tick and a unit, 160, for an hour in each generation.
    let most = (begin + 2 * 160 * 11 * 3_600_000_000_000) / 64;
    let times = trace
        .generations
        .iter()
        .flat_map(|g| g.streams.values().flatten());
    for event in times {
        assert!(
            event.time <= most,
            "{} after {begin}: {event:?}",
            event.time
        );
    }
}

/// The system's clock, nanoseconds.
fn monotonic() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: a place for a time.
    let got = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    assert_eq!(got, 0);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
