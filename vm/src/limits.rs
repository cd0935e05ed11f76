//! What the system lets this process have, and how to do with little.
//!
//! The allocator of glibc keeps an arena for each thread and takes 64 MiB of
//! address space for one, of which most is never used. Where the address space
//! is limited, the arenas of the threads that a trace needs could leave the
//! program without memory that it has untraced. There all threads share one, and
//! a trace has a part of what there is.

use std::mem::MaybeUninit;

use vm::DEFAULT_TRACE_MEMORY;

/// A trace has so much of a limited address space at most, unless it is told
/// otherwise: one part of so many.
const PART: usize = 8;

/// To be called while there is one thread.
pub(crate) fn adapt() {
    if address_space().is_some() {
        allocator::share();
    }
}

/// How much memory a trace may use if nobody says.
pub(crate) fn trace_memory() -> usize {
    part(address_space())
}

fn part(limit: Option<usize>) -> usize {
    limit.map_or(DEFAULT_TRACE_MEMORY, |limit| {
        (limit / PART).clamp(crate::size::LEAST, DEFAULT_TRACE_MEMORY)
    })
}

/// How many bytes of addresses there may be, if there is a limit.
fn address_space() -> Option<usize> {
    let mut limit = MaybeUninit::<libc::rlimit>::uninit();
    // SAFETY: the pointer is to room for one of these.
    if unsafe { libc::getrlimit(libc::RLIMIT_AS, limit.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: the call has filled it in.
    let limit = unsafe { limit.assume_init() }.rlim_cur;
    (limit != libc::RLIM_INFINITY).then(|| usize::try_from(limit).unwrap_or(usize::MAX))
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod allocator {
    /// Has all threads share one arena, also those that are still to come.
    pub(super) fn share() {
        // SAFETY: it is one number for another, at a time when nobody allocates.
        // Should it fail, all is as it was.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod allocator {
    /// Others have no arenas, or no way to say it.
    pub(super) fn share() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_leaves_most_of_a_limited_address_space() {
        for (limit, part_of_it) in [
            (None, DEFAULT_TRACE_MEMORY),
            (Some(usize::MAX), DEFAULT_TRACE_MEMORY),
            (Some(200 << 20), 25 << 20),
            (Some(0), 1 << 20),
        ] {
            assert_eq!(part(limit), part_of_it, "{limit:?}");
        }
    }
}
