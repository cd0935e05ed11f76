//! How much memory reading takes at most, for files made to take a lot of it.
//!
//! What is counted is what is asked of the allocator, and a block that grows is
//! counted twice while it may be copied. There is one test, so that nothing else
//! allocates beside it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Cursor;
use std::sync::atomic::{AtomicUsize, Ordering};

use trace_read::{Reader, text};

#[path = "support/hostile.rs"]
mod hostile;

/// What the crate's documentation promises: bytes of memory for a byte of input,
/// and besides.
const MULTIPLE: usize = 48;
const BESIDES: usize = 512 << 10;

/// How large the files are, about. A table that has just grown is what takes most,
/// so there are several sizes.
const SIZES: [usize; 2] = [40_000, 57_000];

struct Counting;

/// Bytes that are allocated now, and the most there were.
static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

impl Counting {
    fn more(bytes: usize) {
        // Relaxed: counters that guard nothing. Those of other threads are looked
        // at after these were joined.
        let now = NOW.fetch_add(bytes, Ordering::Relaxed) + bytes;
        MOST.fetch_max(now, Ordering::Relaxed); // Relaxed: as above.
    }

    fn less(bytes: usize) {
        NOW.fetch_sub(bytes, Ordering::Relaxed); // Relaxed: as above.
    }
}

// SAFETY: all is left to `System`, which keeps the contract; counting does not
// allocate and does not panic.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::more(layout.size());
        // SAFETY: the caller keeps to `alloc`'s contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::more(layout.size());
        // SAFETY: as in `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        Self::less(layout.size());
        // SAFETY: `block` is from `System`, as all blocks are, with this layout.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::more(size);
        // SAFETY: as in `dealloc`, and the caller answers for `size`.
        let grown = unsafe { System.realloc(block, layout, size) };
        Self::less(layout.size());
        grown
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most that is allocated while `work` is done, beyond what is now.
fn peak(work: impl FnOnce()) -> usize {
    // Relaxed, three times: only this thread runs here.
    let before = NOW.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    work();
    MOST.load(Ordering::Relaxed) - before
}

fn read<R: std::io::Read>(mut reader: Reader<R>) {
    loop {
        match reader.next_event() {
            Ok(Some(_)) => {}
            Ok(None) => return,
            // It is the last word.
            Err(_) => {}
        }
    }
}

#[test]
fn never_more_than_a_multiple_of_the_file() {
    let mut found = Vec::new();
    for size in SIZES {
        for (name, file) in hostile::files(size) {
            let here = peak(|| read(Reader::new(&file[..]).unwrap()));
            let copy = Cursor::new(file.clone());
            let ahead = peak(|| read(Reader::ahead(copy).unwrap()));
            let text = peak(|| drop(text::from_bytes(&file)));
            for (how, peak) in [("", here), (", ahead", ahead), (", as text", text)] {
                found.push((
                    peak.saturating_sub(BESIDES) / file.len(),
                    peak,
                    file.len(),
                    name,
                    how,
                ));
            }
        }
    }
    found.sort_unstable();
    for (times, peak, len, name, how) in &found {
        println!("{times:>3} times: {peak} bytes for {len} of {name}{how}");
    }
    let worst = found.last().unwrap();
    assert!(worst.0 < MULTIPLE, "{worst:?}");
}
