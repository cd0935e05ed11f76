//! A fence that one thread makes for all others.
//!
//! Where a thread stores, then loads, very often, and another one does so
//! rarely, the rare one can pay for both: Linux (4.14) makes every processor that
//! runs this program pass a full fence. See `sync.rs`, `Fence`.

#[cfg(all(target_os = "linux", not(loom)))]
pub(crate) use self::membarrier::{barrier, prepare_barrier};
#[cfg(not(all(target_os = "linux", not(loom))))]
pub(crate) use self::none::{barrier, prepare_barrier};

#[cfg(all(target_os = "linux", not(loom)))]
mod membarrier {
    const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
    const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

    fn membarrier(command: libc::c_int) -> bool {
        // SAFETY: the call touches no memory of ours. A kernel or a sandbox that
        // does not have it refuses.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }

    /// Asks the system for [`barrier`]: whether it can be had. The first call of
    /// a process with several threads may take some milliseconds.
    pub(crate) fn prepare_barrier() -> bool {
        membarrier(REGISTER_PRIVATE_EXPEDITED)
    }

    /// Makes every other thread of this process pass a full fence, between some
    /// two of its instructions, while this one is in here: whether it did.
    pub(crate) fn barrier() -> bool {
        // It may lack the memory for a moment, and no longer be allowed.
        (0..8).any(|_| membarrier(PRIVATE_EXPEDITED))
    }
}

#[cfg(not(all(target_os = "linux", not(loom))))]
mod none {
    /// Cannot be had.
    pub(crate) fn prepare_barrier() -> bool {
        false
    }

    /// Does nothing.
    pub(crate) fn barrier() -> bool {
        false
    }
}
