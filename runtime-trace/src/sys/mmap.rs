//! Pages from anonymous, private `mmap`.

use core::ptr::{self, NonNull};

/// Maps `len` bytes, zeroed and readable and writable by this process only.
///
/// `len` is a multiple of the page size of every system this runs on (64 KiB
/// is). Returns `None` when the system has no memory to give.
pub(crate) fn map(len: usize) -> Option<NonNull<u8>> {
    // SAFETY: an anonymous private mapping at an address of the kernel's
    // choosing aliases no memory of this process, whatever `len` is.
    let at = unsafe {
        libc::mmap(
            ptr::null_mut(),
            len,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if at == libc::MAP_FAILED {
        return None;
    }
    NonNull::new(at.cast())
}

/// Has the system fill these bytes with zeroes in a child of `fork`, if it knows
/// how.
///
/// # Safety
///
/// `at` and `len` are those of one call of [`map`], not given back before, and
/// zeroes are a value of whatever lies there.
#[cfg(target_os = "linux")]
pub(crate) unsafe fn wipe_on_fork(at: NonNull<u8>, len: usize) {
    // SAFETY: the caller passes a private anonymous mapping of ours. An old
    // kernel refuses, and nothing changes.
    unsafe { libc::madvise(at.as_ptr().cast(), len, libc::MADV_WIPEONFORK) };
}

/// Gives back what [`map`] returned.
///
/// # Safety
///
/// `at` and `len` are those of one call of [`map`], not given back before, and
/// nothing refers into these bytes any more.
pub(crate) unsafe fn unmap(at: NonNull<u8>, len: usize) {
    // SAFETY: the caller passes a whole mapping of ours that nobody uses. The
    // only errors are bad arguments, which that excludes.
    unsafe { libc::munmap(at.as_ptr().cast(), len) };
}
