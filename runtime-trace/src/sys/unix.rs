//! Clocks, randomness and yielding, through libc.

use core::mem::MaybeUninit;

fn read_clock(clock: libc::clockid_t) -> libc::timespec {
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: the pointer is to a timespec of ours. A failure (an unknown clock)
    // leaves it zero, which is a time too.
    unsafe {
        libc::clock_gettime(clock, time.as_mut_ptr());
        time.assume_init()
    }
}

/// Nanoseconds on a clock that never steps back, from an arbitrary start.
#[inline]
pub(crate) fn monotonic_ns() -> u64 {
    let time = read_clock(libc::CLOCK_MONOTONIC);
    (time.tv_sec as u64)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(time.tv_nsec as u64)
}

/// Seconds and nanoseconds since 1970, as the system believes them to be.
pub(crate) fn wall_clock() -> (u64, u32) {
    let time = read_clock(libc::CLOCK_REALTIME);
    (time.tv_sec as u64, time.tv_nsec as u32)
}

/// A number that an outsider cannot guess; never zero.
///
/// Where the system gives no randomness at once (early boot, an old kernel, a
/// sandbox), the clock and an address have to do: a weaker seed costs speed
/// under attack, never correctness. (Models are the same in every execution.)
#[cfg(not(loom))]
pub(crate) fn random_seed() -> u64 {
    let mut seed = 0u64;
    // SAFETY: the buffer is eight bytes of ours.
    let got = unsafe {
        libc::getrandom(
            (&raw mut seed).cast(),
            size_of::<u64>(),
            libc::GRND_NONBLOCK,
        )
    };
    if got != size_of::<u64>() as isize {
        let (sec, nsec) = wall_clock();
        seed ^= monotonic_ns().rotate_left(32) ^ sec ^ u64::from(nsec);
        seed ^= (&raw const seed).addr() as u64;
    }
    seed | 1
}

/// Lets another thread run. (Models have a way of their own.)
#[cfg(not(loom))]
pub(crate) fn yield_thread() {
    // SAFETY: sched_yield has no preconditions.
    unsafe { libc::sched_yield() };
}
