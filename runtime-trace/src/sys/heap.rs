//! A stand-in for `mmap` in models: pages from the heap.

use core::ptr::NonNull;
use std::alloc::{Layout, alloc_zeroed, dealloc};

fn layout(len: usize) -> Option<Layout> {
    Layout::from_size_align(len, 4096).ok()
}

/// As `mmap.rs`: `len` zeroed bytes, or `None`.
pub(crate) fn map(len: usize) -> Option<NonNull<u8>> {
    let layout = layout(len).filter(|layout| layout.size() > 0)?;
    // SAFETY: the layout's size is not zero.
    NonNull::new(unsafe { alloc_zeroed(layout) })
}

/// As `mmap.rs`.
///
/// # Safety
///
/// `at` and `len` are those of one call of [`map`], not given back before, and
/// nothing refers into these bytes any more.
pub(crate) unsafe fn unmap(at: NonNull<u8>, len: usize) {
    if let Some(layout) = layout(len) {
        // SAFETY: the caller passes what `map` made with this very layout.
        unsafe { dealloc(at.as_ptr(), layout) };
    }
}
