//! The processor's own count of time, where it is one.

#[cfg(not(all(target_arch = "x86_64", target_os = "linux", not(loom))))]
pub(crate) use self::none::{counter, counter_is_steady};
#[cfg(all(target_arch = "x86_64", target_os = "linux", not(loom)))]
pub(crate) use self::tsc::{counter, counter_is_steady};

#[cfg(all(target_arch = "x86_64", target_os = "linux", not(loom)))]
mod tsc {
    use core::arch::x86_64::{__cpuid, _rdtsc};

    /// Where Linux says which clock it goes by itself.
    const CLOCK_SOURCE: &core::ffi::CStr =
        c"/sys/devices/system/clocksource/clocksource0/current_clocksource";

    /// Ticks since some time. Only if the counter is steady they mean anything.
    #[inline(always)]
    pub(crate) fn counter() -> u64 {
        // SAFETY: every x86-64 processor has it, and Linux lets programs use it
        // unless one asks to be killed for it (`PR_SET_TSC`).
        unsafe { _rdtsc() }
    }

    /// Whether it ticks at one rate, and alike on all cores: the processor says
    /// the one, and the other the system, which has watched it and would go by
    /// another clock if it did not.
    pub(crate) fn counter_is_steady() -> bool {
        const EXTENDED: u32 = 0x8000_0000;
        const POWER: u32 = 0x8000_0007;
        const INVARIANT: u32 = 1 << 8;
        __cpuid(EXTENDED).eax >= POWER && __cpuid(POWER).edx & INVARIANT != 0 && system_goes_by_it()
    }

    fn system_goes_by_it() -> bool {
        let mut name = [0u8; 8];
        // SAFETY: the path ends in a zero byte, the buffer is ours and as long
        // as said, and the descriptor is closed once.
        let len = unsafe {
            let file = libc::open(CLOCK_SOURCE.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
            if file < 0 {
                return false;
            }
            let len = libc::read(file, name.as_mut_ptr().cast(), name.len());
            libc::close(file);
            len
        };
        len == 4 && name.starts_with(b"tsc\n")
    }
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux", not(loom))))]
mod none {
    /// Nothing: it is not steady.
    #[inline(always)]
    pub(crate) fn counter() -> u64 {
        0
    }

    /// There is none, or none that we know to be.
    pub(crate) fn counter_is_steady() -> bool {
        false
    }
}
