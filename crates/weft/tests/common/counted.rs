//! How much memory a piece of work takes at most: what it asks of the allocator,
//! on its own thread. A block that grows counts twice while it may be copied.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    /// Bytes that this thread has allocated and not freed, and the most there
    /// were. Below zero is what it has freed for others.
    static NOW: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

impl Counting {
    /// Neither variable has a destructor, so that they can be reached as long as
    /// the thread runs.
    fn add(bytes: isize) {
        let now = NOW.get() + bytes;
        NOW.set(now);
        MOST.set(MOST.get().max(now));
    }
}

// SAFETY: all is left to `System`, which keeps the contract; counting does not
// allocate and does not panic.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::add(layout.size() as isize);
        // SAFETY: the caller keeps to `alloc`'s contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::add(layout.size() as isize);
        // SAFETY: as in `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        Self::add(-(layout.size() as isize));
        // SAFETY: `block` is from `System`, as all blocks are, with this layout.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::add(size as isize);
        // SAFETY: as in `dealloc`, and the caller answers for `size`.
        let grown = unsafe { System.realloc(block, layout, size) };
        Self::add(-(layout.size() as isize));
        grown
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Does the work, and says how much was allocated at most, beyond what was before.
pub fn peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = NOW.get();
    MOST.set(before);
    let done = work();
    (done, MOST.get().abs_diff(before))
}
