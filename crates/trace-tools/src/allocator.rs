//! The allocator of `rtrace`: that of the system, counted.
//!
//! If the system has no more memory all the same, the process ends with a message and
//! a status as after other errors. It would be aborted otherwise.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;

use trace_tools::memory;

/// Counts what is allocated.
struct Counted;

#[global_allocator]
static ALLOCATOR: Counted = Counted;

/// Ends the process: there is no memory for a block.
#[cold]
#[inline(never)]
fn exhausted() -> ! {
    // Standard error does not buffer, and this allocates nothing.
    let _ = std::io::stderr().write_all(
        b"rtrace: the system has no more memory; with --max-memory SIZE, reading stops before that\n",
    );
    std::process::exit(1)
}

// SAFETY: all is left to `System`, which keeps the contract; counting does not
// allocate and does not panic, nor does what ends the process.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps to `alloc`'s contract, which is the same.
        let block = unsafe { System.alloc(layout) };
        counted(block, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`.
        let block = unsafe { System.alloc_zeroed(layout) };
        counted(block, layout.size())
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        memory::returned(layout.size());
        // SAFETY: `block` is from `System`, as all blocks are, with this layout.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as in `dealloc`, and the caller answers for `size`.
        let grown = unsafe { System.realloc(block, layout, size) };
        if !grown.is_null() {
            memory::returned(layout.size());
        }
        counted(grown, size)
    }
}

/// Counts a block that was given out.
#[inline]
fn counted(block: *mut u8, size: usize) -> *mut u8 {
    match block.is_null() {
        false => memory::taken(size),
        true => exhausted(),
    }
    block
}
