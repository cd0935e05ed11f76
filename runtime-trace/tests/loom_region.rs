//! Models of the region: every interleaving of two threads.
//!
//! Run by `cargo xtask loom`; without `--cfg loom` this file is empty. Blocks
//! are 1 KiB here, and their memory comes from the heap.

#![cfg(loom)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loom::cell::UnsafeCell;
use runtime_trace::lock::{Held, Rank};
use runtime_trace::pages::{BLOCK_SIZE, Backing, Env, Pages};
use runtime_trace::region::{AllocError, MAX_ALLOC, Region};

struct Memory {
    region: Region,
    pages: Pages,
}

// SAFETY: test state; the region and the pages are `Sync`.
unsafe impl Sync for Memory {}

fn memory() -> Arc<Memory> {
    Arc::new(Memory {
        region: Region::new(Rank::StackRegion, Backing::Now),
        pages: Pages::new(usize::MAX),
    })
}

impl Memory {
    /// Allocates `size` bytes, constructs a tracked cell in the first of them
    /// and writes `value` to it: loom notices if two allocations overlap or if
    /// an access is not ordered. Returns the address.
    fn alloc(&self, size: usize, value: usize) -> usize {
        let held = Held::new();
        let env = Env::new(&self.pages, &held);
        let at = self.region.alloc(size, &env).expect("no limit is set");
        assert_eq!(at.as_ptr().addr() % 8, 0);
        let cell = at.cast::<UnsafeCell<usize>>();
        // SAFETY: the allocation is ours and large enough for the cell.
        unsafe {
            cell.write(UnsafeCell::new(0));
            cell.as_ref().with_mut(|it| *it = value);
        }
        at.as_ptr().expose_provenance()
    }

    fn read(at: usize) -> usize {
        let cell = std::ptr::with_exposed_provenance::<UnsafeCell<usize>>(at);
        // SAFETY: written by `alloc`, and the region has not been released.
        unsafe { (*cell).with(|it| *it) }
    }

    fn release(&self) {
        let held = Held::new();
        let env = Env::new(&self.pages, &held);
        // SAFETY: the threads have been joined and the cells are not used any more.
        unsafe { self.region.release(&env) };
        self.pages.unmap_kept();
        assert_eq!(self.pages.mapped(), 0, "pages left behind");
    }
}

/// Two threads allocate `sizes` each; the ranges must be disjoint.
fn two_threads(sizes: &'static [usize], expected_blocks: std::ops::RangeInclusive<usize>) {
    loom::model(move || {
        let memory = memory();
        let run = |memory: &Memory, tag: usize| -> Vec<(usize, usize, usize)> {
            let alloc = |(n, &size): (usize, &usize)| (memory.alloc(size, tag + n), size, tag + n);
            sizes.iter().enumerate().map(alloc).collect()
        };
        let other = loom::thread::spawn({
            let memory = memory.clone();
            move || run(&memory, 100)
        });
        let mut ranges = run(&memory, 200);
        ranges.extend(other.join().unwrap());
        for &(at, _, value) in &ranges {
            assert_eq!(Memory::read(at), value);
        }
        ranges.sort_unstable();
        for pair in ranges.windows(2) {
            assert!(pair[0].0 + pair[0].1 <= pair[1].0, "ranges overlap");
        }
        let blocks = memory.pages.mapped() / BLOCK_SIZE;
        assert!(expected_blocks.contains(&blocks), "{blocks} blocks");
        memory.release();
    });
}

/// Both bump within one block, and race to install the first.
#[test]
fn first_block() {
    two_threads(&[64, 64], 1..=2);
}

/// Half-full blocks: both meet at the end of a block, and one installs the next
/// for both, or each its own.
#[test]
fn rollover() {
    two_threads(&[MAX_ALLOC / 2 + 8], 2..=3);
}

/// Both find the block full at the same time, after one allocation each.
#[test]
fn two_meet_at_a_full_block() {
    two_threads(&[MAX_ALLOC - 64, 64], 2..=4);
}

/// A block that lost the race to be installed serves the next request.
#[test]
fn the_losers_block_is_kept() {
    loom::model(|| {
        let memory = memory();
        let other = loom::thread::spawn({
            let memory = memory.clone();
            move || memory.alloc(64, 1)
        });
        memory.alloc(64, 2);
        other.join().unwrap();
        let mapped = memory.pages.mapped();
        memory.alloc(MAX_ALLOC, 3);
        let grown = memory.pages.mapped() - mapped;
        // Either there was a spare, or a block had to be mapped; never both.
        assert!(grown == 0 || grown == BLOCK_SIZE, "grown by {grown}");
        assert_eq!(memory.pages.mapped(), 2 * BLOCK_SIZE);
        memory.release();
    });
}

/// An allocation while the region is released breaks the rules. Here it breaks
/// them without touching memory that is gone, since the region is empty at first:
/// it is refused in some executions and comes before or after the release in
/// others, and the region is of use afterwards. (Whether its block is given back
/// is not asked: loom lets an exchange and a store that race end in either
/// order, even where the exchange cannot have come last.)
#[test]
fn an_allocation_during_a_release_is_noticed() {
    static REFUSED: AtomicUsize = AtomicUsize::new(0);
    static SERVED: AtomicUsize = AtomicUsize::new(0);
    loom::model(|| {
        let memory = memory();
        let other = loom::thread::spawn({
            let memory = memory.clone();
            move || {
                let held = Held::new();
                let env = Env::new(&memory.pages, &held);
                memory.region.alloc(64, &env).map(drop)
            }
        });
        let held = Held::new();
        // SAFETY: not kept by the other thread; but it does not use what it
        // allocates, and the blocks that this gives back are not looked at by an
        // allocation that came so late.
        unsafe { memory.region.release(&Env::new(&memory.pages, &held)) };
        let counted = match other.join().unwrap() {
            Ok(()) => &SERVED,
            Err(AllocError::Dropping) => &REFUSED,
            Err(error) => panic!("{error}"),
        };
        counted.fetch_add(1, Ordering::Relaxed); // Counts, and no more.
        let at = memory.alloc(64, 8);
        assert_eq!(Memory::read(at), 8);
    });
    // Relaxed: the model is over.
    assert!(REFUSED.load(Ordering::Relaxed) > 0, "never noticed");
    assert!(SERVED.load(Ordering::Relaxed) > 0, "always refused");
}

/// A region that was released serves the next generation.
#[test]
fn release_and_use_again() {
    loom::model(|| {
        let memory = memory();
        let other = loom::thread::spawn({
            let memory = memory.clone();
            move || memory.alloc(64, 7)
        });
        other.join().unwrap();
        memory.release();
        let at = memory.alloc(64, 8);
        assert_eq!(Memory::read(at), 8);
        memory.release();
    });
}

/// Two regions that share what is kept.
struct Two {
    regions: [Region; 2],
    pages: Pages,
}

impl Two {
    /// Both have a block, and there are no more than those.
    fn new() -> Arc<Self> {
        let two = Self {
            regions: [(); 2].map(|()| Region::new(Rank::StackRegion, Backing::Now)),
            pages: Pages::new(2 * BLOCK_SIZE),
        };
        for region in 0..2 {
            two.alloc(region);
        }
        Arc::new(two)
    }

    fn alloc(&self, region: usize) -> usize {
        let held = Held::new();
        let env = Env::new(&self.pages, &held);
        let at = self.regions[region].alloc(8, &env);
        at.expect("two blocks are enough").as_ptr().addr()
    }

    fn release(&self, region: usize) {
        let held = Held::new();
        // SAFETY: only one thread uses the region, and nothing that it allocated.
        unsafe { self.regions[region].release(&Env::new(&self.pages, &held)) };
    }

    fn end(&self) {
        assert!(self.pages.mapped() <= 2 * BLOCK_SIZE);
        for region in 0..2 {
            self.release(region);
        }
        self.pages.unmap_kept();
        assert_eq!(self.pages.mapped(), 0, "pages left behind");
    }
}

/// A region takes the block that another gives back, if it comes late enough: then
/// it sees all that was done to it as done.
#[test]
fn a_block_goes_from_one_region_to_another() {
    loom::model(|| {
        let two = Two::new();
        two.release(1);
        two.pages.unmap_kept();
        let other = loom::thread::spawn({
            let two = two.clone();
            move || two.release(0)
        });
        two.alloc(1);
        other.join().unwrap();
        two.end();
    });
}

/// Two regions give their blocks back and take one again: none is refused, and
/// none gets what the other has.
#[test]
fn two_blocks_change_places() {
    loom::model(|| {
        let two = Two::new();
        let turn = |two: &Two, region| {
            two.release(region);
            two.alloc(region)
        };
        let other = loom::thread::spawn({
            let two = two.clone();
            move || turn(&two, 1)
        });
        let one = turn(&two, 0);
        assert_ne!(one, other.join().unwrap());
        two.end();
    });
}

/// What is kept goes to the system while a region takes a block of it.
#[test]
fn a_block_is_taken_or_unmapped() {
    loom::model(|| {
        let two = Two::new();
        for region in 0..2 {
            two.release(region);
        }
        let other = loom::thread::spawn({
            let two = two.clone();
            move || two.pages.unmap_kept()
        });
        // It may find both on their way to the system, and then there is none.
        let held = Held::new();
        let env = Env::new(&two.pages, &held);
        let taken = two.regions[0].alloc(8, &env).is_ok();
        other.join().unwrap();
        assert_eq!(two.pages.mapped(), usize::from(taken) * BLOCK_SIZE);
        two.end();
    });
}

#[test]
fn too_large_is_refused() {
    loom::model(|| {
        let memory = memory();
        let held = Held::new();
        let env = Env::new(&memory.pages, &held);
        let refused = memory.region.alloc(MAX_ALLOC + 1, &env);
        assert_eq!(refused, Err(AllocError::TooLarge));
    });
}
