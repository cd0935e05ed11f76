//! A stand-in for `mmap`: pages from the C library's heap.
//!
//! Models use it to save a system call a block. And tools that look for misused
//! memory see into the tracer's only with it (`--cfg heap_pages`): they watch
//! what lies around an allocation and what is left of it, neither of which a
//! mapping has.

use core::ptr::{self, NonNull};

use super::Backing;

/// As `mmap.rs`, but nothing is zeroed: nobody wants zeroes, since a block that was
/// kept has none, and such tools see whether somebody does.
pub(crate) fn map(len: usize, _: Backing) -> Option<NonNull<u8>> {
    let mut at = ptr::null_mut();
    // SAFETY: the pointer is ours to be written to, and the alignment is a power
    // of two.
    let error = unsafe { libc::posix_memalign(&mut at, 4096, len) };
    match error {
        0 => NonNull::new(at.cast()),
        _ => None,
    }
}

/// As `mmap.rs`.
///
/// # Safety
///
/// `at` and `len` are those of one call of [`map`], not given back before, and
/// nothing refers into these bytes any more.
pub(crate) unsafe fn unmap(at: NonNull<u8>, _len: usize) {
    // SAFETY: the caller passes what `map` made.
    unsafe { libc::free(at.as_ptr().cast()) };
}

/// As `mmap.rs`; what the heap needs for itself is not counted.
pub(crate) fn taken_by(len: usize) -> usize {
    len
}
