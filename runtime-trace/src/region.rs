//! A bump allocator whose memory is freed all at once.
//!
//! # Why
//!
//! A generation's tables only grow and then die together, so nothing needs to
//! be freed singly, and an allocation can be one atomic addition. The design is
//! that of the Go runtime's `traceRegionAlloc` after "runtime: rewrite traceMap
//! to scale better"; unlike it, running out of memory or asking for too much is
//! an error for the caller, not the end of the process, and pages are mapped
//! outside the lock.
//!
//! # States
//!
//! ```text
//!               ┌───────────────────────── current ──► Block │used──►│ free │
//!   alloc ──────┤ fits: used += n, done                  │ full
//!               │ does not fit:                          ▼
//!               │   lock ── look again ── spare? ──► install it, old one to `full`
//!               │             │             │ none
//!               │             ▼             ▼
//!               │           done      unlock, map a block, lock, look again:
//!               │                       still full ──► install the new block
//!               │                       fits now   ──► keep the new block as a spare
//!   release ────┴─ give back current, full, spares
//! ```
//!
//! # Invariants
//!
//! 1. `current` is null or points to a block of this region whose header is
//!    initialised; it changes only under the lock, and only to another such
//!    block or, in `release`, to null.
//! 2. The ranges handed out of a block are disjoint: each is the interval that
//!    one atomic addition to `used` passed over, and only intervals within the
//!    capacity are handed out. A block's `used` may end beyond its capacity, by
//!    the requests that did not fit.
//! 3. Blocks are given back only by `release`, whose caller vouches that nobody
//!    allocates or holds an allocation and that these are the pages they came from,
//!    and by `Drop`, to the system.
//! 4. Every allocation is aligned to 8 bytes: blocks are page-aligned, the data
//!    starts at a multiple of 8, and sizes are rounded up to multiples of 8.
//!
//! # Memory orderings
//!
//! | operation | ordering | pairs with |
//! | --- | --- | --- |
//! | `current` load in `alloc` | Acquire | the store that installs a block: its header is seen |
//! | `current` store in `alloc` | Release | the above, and the one below |
//! | `current` swap in `release` | Acquire | the above: also if a promise is broken, a block is given back as one |
//! | `used` addition | Relaxed | nothing: atomicity alone makes ranges disjoint (Invariant 2) |
//! | `dropping` | Relaxed | nothing: it catches a broken promise, it does not repair one |
//!
//! What is written into an allocation is published by whoever allocated it.

use core::ptr::{self, NonNull};

use crate::lock::{Rank, RankedLock};
use crate::pages::{BLOCK_SIZE, Backing, BlockHeader, Env, Kind, NoMemory};
use crate::sync::{AtomicBool, AtomicPtr, Ordering, const_unless_loom};

/// Alignment of every allocation, bytes.
pub const ALIGN: usize = 8;

/// Largest allocation, bytes.
pub const MAX_ALLOC: usize = BLOCK_SIZE - DATA_AT;

const DATA_AT: usize = size_of::<Block>().next_multiple_of(ALIGN);

/// Start of a block; `MAX_ALLOC` bytes of data follow at `DATA_AT`.
#[repr(C)]
struct Block {
    header: BlockHeader,
    /// Next in the list of full or spare blocks; guarded by the region's lock.
    next: *mut Block,
}

static_assertions::const_assert!(BLOCK_SIZE.is_multiple_of(ALIGN) && align_of::<Block>() <= 4096);

/// Why an allocation was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllocError {
    /// More than [`MAX_ALLOC`] bytes were asked for.
    TooLarge,
    /// No block could be had.
    NoMemory(NoMemory),
    /// The region is being released: the caller broke its promise.
    Dropping,
}

impl From<NoMemory> for AllocError {
    fn from(error: NoMemory) -> Self {
        Self::NoMemory(error)
    }
}

impl core::fmt::Display for AllocError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::TooLarge => write!(f, "allocation of more than {MAX_ALLOC} bytes"),
            Self::NoMemory(error) => error.fmt(f),
            Self::Dropping => f.write_str("allocation while the region is being released"),
        }
    }
}

impl AllocError {
    /// Why, where the size is known to be right and nobody releases.
    pub(crate) fn memory(self) -> NoMemory {
        match self {
            Self::NoMemory(error) => error,
            Self::TooLarge | Self::Dropping => NoMemory::Limit,
        }
    }
}

impl core::error::Error for AllocError {}

/// The lists that only change when a block is installed.
#[derive(Debug)]
struct Blocks {
    full: *mut Block,
    spare: *mut Block,
}

// SAFETY: the pointers own the blocks they lead to (Invariant 3), and blocks
// are not tied to a thread.
unsafe impl Send for Blocks {}

/// A thread-safe bump allocator; see the module's documentation.
///
/// One that is dropped unmaps its blocks without crediting the budget that they came
/// from, so where that goes on to be used, the region is [released](Self::release)
/// before.
#[derive(Debug)]
pub struct Region {
    current: AtomicPtr<Block>,
    dropping: AtomicBool,
    backing: Backing,
    blocks: RankedLock<Blocks>,
}

static_assertions::assert_impl_all!(Region: Send, Sync);

impl Region {
    const_unless_loom! {
        /// An empty region whose lock has this rank. Maps nothing yet; what it
        /// will map is to be backed like this.
        pub fn new(rank: Rank, backing: Backing) -> Self {
            Self {
                current: AtomicPtr::new(ptr::null_mut()),
                dropping: AtomicBool::new(false),
                backing,
                blocks: RankedLock::new(rank, Blocks { full: ptr::null_mut(), spare: ptr::null_mut() }),
            }
        }
    }

    /// Allocates `size` bytes, aligned to [`ALIGN`], with anything in them. Never
    /// blocks longer than it takes to install a block.
    ///
    /// The bytes stay valid until [`release`](Self::release) or the region's
    /// end, and are the caller's alone until the caller shares them.
    ///
    /// # Errors
    ///
    /// See [`AllocError`]; nothing was allocated then.
    pub fn alloc(&self, size: usize, env: &Env<'_>) -> Result<NonNull<u8>, AllocError> {
        if size > MAX_ALLOC {
            return Err(AllocError::TooLarge);
        }
        let size = size.next_multiple_of(ALIGN);
        // Relaxed: whoever releases has already promised that nobody is here.
        if self.dropping.load(Ordering::Relaxed) {
            return Err(AllocError::Dropping);
        }
        match self.bump(size) {
            Some(at) => Ok(at),
            None => self.alloc_in_new_block(size, env),
        }
    }

    /// Takes `size` bytes from the current block, if there is one and they fit.
    fn bump(&self, size: usize) -> Option<NonNull<u8>> {
        // Acquire: pairs with the Release store in `install`.
        let block = NonNull::new(self.current.load(Ordering::Acquire))?;
        // SAFETY: Invariants 1 and 3: the block is initialised and mapped. Only
        // its header is borrowed, which nobody borrows exclusively.
        let used = unsafe { &(*block.as_ptr()).header.used };
        // Relaxed: Invariant 2 rests on the addition's atomicity alone.
        let start = used.fetch_add(size, Ordering::Relaxed);
        if start > MAX_ALLOC - size {
            return None;
        }
        // SAFETY: DATA_AT + start + size <= BLOCK_SIZE, so the address lies
        // within the block's mapping.
        Some(unsafe { block.cast::<u8>().add(DATA_AT + start) })
    }

    #[cold]
    fn alloc_in_new_block(&self, size: usize, env: &Env<'_>) -> Result<NonNull<u8>, AllocError> {
        let mut blocks = self.blocks.lock(env.held);
        // Somebody may have been here first.
        if let Some(at) = self.bump(size) {
            return Ok(at);
        }
        if let Some(spare) = NonNull::new(blocks.spare) {
            // SAFETY: a spare is an initialised block of ours, on no other list.
            blocks.spare = unsafe { (*spare.as_ptr()).next };
            return Ok(self.install(&mut blocks, spare, size));
        }
        drop(blocks);

        // Mapping may be a system call, so it is done without the lock.
        let mapped = self.new_block(env)?;
        let mut blocks = self.blocks.lock(env.held);
        if let Some(at) = self.bump(size) {
            // Somebody else installed a block meanwhile: keep ours for the next.
            // SAFETY: the block is ours alone until it is on the list.
            unsafe { (*mapped.as_ptr()).next = blocks.spare };
            blocks.spare = mapped.as_ptr();
            return Ok(at);
        }
        Ok(self.install(&mut blocks, mapped, size))
    }

    /// Makes `block`, which is ours alone and empty, the current one, with its
    /// first `size` bytes taken for the caller, so that every caller gets on.
    fn install(&self, blocks: &mut Blocks, block: NonNull<Block>, size: usize) -> NonNull<u8> {
        // Relaxed: `current` only changes under the lock, which we hold.
        let old = self.current.load(Ordering::Relaxed);
        if !old.is_null() {
            // SAFETY: Invariant 1; `next` belongs to the lock's holder.
            unsafe { (*old).next = blocks.full };
            blocks.full = old;
        }
        // SAFETY: the block is initialised and not yet visible to others.
        let header = unsafe { &(*block.as_ptr()).header };
        // Relaxed: published by the store below.
        header.used.store(size, Ordering::Relaxed);
        // Release: pairs with the Acquire load in `bump`.
        self.current.store(block.as_ptr(), Ordering::Release);
        // SAFETY: size <= MAX_ALLOC, so the data's start is within the block.
        unsafe { block.cast::<u8>().add(DATA_AT) }
    }

    /// Gives all blocks back, some of which are kept for reuse, and leaves the
    /// region empty, ready for use again. An empty region is left as it is.
    ///
    /// # Safety
    ///
    /// Until it returns nobody allocates from this region or releases it, and
    /// nobody uses an allocation of it any more. (An `alloc` that breaks this
    /// promise is refused where it is noticed.)
    ///
    /// `env` is of the same [`Pages`] as that of every [`alloc`](Self::alloc) since the
    /// region was empty: the blocks go back to the budget that they came from.
    ///
    /// [`Pages`]: crate::pages::Pages
    pub unsafe fn release(&self, env: &Env<'_>) {
        // Relaxed: see `alloc`.
        self.dropping.store(true, Ordering::Relaxed);
        let (full, spare) = {
            let mut blocks = self.blocks.lock(env.held);
            let lists = (blocks.full, blocks.spare);
            *blocks = Blocks {
                full: ptr::null_mut(),
                spare: ptr::null_mut(),
            };
            lists
        };
        // Acquire: pairs with the Release store in `install`. The caller vouches
        // that every allocation comes before; were one to come beside this, then
        // at least the block that others get is one.
        let current = self.current.swap(ptr::null_mut(), Ordering::Acquire);
        if !current.is_null() {
            // SAFETY: Invariant 1, and the caller vouches that it is unused. It
            // was on no list, and its link is ours to set.
            unsafe { (*current).next = ptr::null_mut() };
        }
        for list in [current, full, spare] {
            each_block(list, |block| {
                // SAFETY: each block of this region is on one list once, and the
                // caller vouches that nobody refers into it (Invariant 3) and that
                // it is of these pages.
                unsafe { env.pages.give_back(block.cast()) };
            });
        }
        // Relaxed: see `alloc`.
        self.dropping.store(false, Ordering::Relaxed);
    }

    /// Takes a block and writes its header.
    fn new_block(&self, env: &Env<'_>) -> Result<NonNull<Block>, NoMemory> {
        let block = env.take(self.backing)?.cast::<Block>();
        // SAFETY: the block is ours alone, large enough and page-aligned.
        unsafe {
            block.write(Block {
                header: BlockHeader::new(Kind::Region),
                next: ptr::null_mut(),
            });
        }
        Ok(block)
    }
}

impl Region {
    /// Leaves all blocks to the system, which a forked child does: it may have
    /// been in the middle of a change when it was made.
    pub(crate) fn forget(&mut self) {
        // Relaxed: exclusive access.
        self.current.store(ptr::null_mut(), Ordering::Relaxed);
        let blocks = self.blocks.get_mut();
        (blocks.full, blocks.spare) = (ptr::null_mut(), ptr::null_mut());
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // Relaxed: exclusive access.
        let current = self.current.load(Ordering::Relaxed);
        if !current.is_null() {
            // SAFETY: Invariant 1; exclusive access.
            unsafe { (*current).next = ptr::null_mut() };
        }
        let blocks = self.blocks.get_mut();
        for list in [current, blocks.full, blocks.spare] {
            each_block(list, |block| {
                // SAFETY: each block of this region is on one list once, and was
                // mapped with this size. Allocations borrow the region or are raw
                // pointers, good until its end, so none is in use. (The tracer's
                // budget ends with its regions, so none is left uncredited.)
                unsafe { crate::sys::unmap(block.cast(), BLOCK_SIZE) };
            });
        }
    }
}

/// Calls `visit` for each block of a list, reading the link before the visit.
fn each_block(mut list: *mut Block, mut visit: impl FnMut(NonNull<Block>)) {
    while let Some(block) = NonNull::new(list) {
        // SAFETY: blocks on a list are initialised and mapped; `header.kind`
        // and `next` are read by the list's only owner.
        unsafe {
            debug_assert_eq!((*list).header.kind(), Some(Kind::Region));
            list = (*list).next;
        }
        visit(block);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::lock::Held;
    use crate::pages::{MAX_KEPT, Pages};
    use std::vec::Vec;

    fn with_region(limit: usize, test: impl FnOnce(&Region, &Pages)) {
        let pages = Pages::new(limit);
        test(&Region::new(Rank::StackRegion, Backing::Now), &pages);
    }

    #[test]
    fn sizes_and_alignment() {
        with_region(usize::MAX, |region, pages| {
            let held = Held::new();
            let env = Env::new(pages, &held);
            for size in [0, 1, 7, 8, 9, 1000, MAX_ALLOC - 1, MAX_ALLOC] {
                let at = region.alloc(size, &env).unwrap();
                assert_eq!(at.as_ptr().addr() % ALIGN, 0, "{size}");
                // SAFETY: `size` bytes of ours.
                unsafe { at.as_ptr().write_bytes(0xaa, size) };
            }
            for size in [MAX_ALLOC + 1, usize::MAX] {
                assert_eq!(region.alloc(size, &env), Err(AllocError::TooLarge));
            }
        });
    }

    #[test]
    fn full_blocks_are_kept_and_all_are_given_back() {
        with_region(usize::MAX, |region, pages| {
            let held = Held::new();
            let env = Env::new(pages, &held);
            for _ in 0..3 {
                let kept: Vec<_> = (0..5u8)
                    .map(|fill| {
                        let at = region.alloc(MAX_ALLOC / 2 + 8, &env).unwrap();
                        // SAFETY: half a block of ours.
                        unsafe { at.as_ptr().write_bytes(fill, MAX_ALLOC / 2) };
                        (at, fill)
                    })
                    .collect();
                assert_eq!(pages.mapped(), 5 * BLOCK_SIZE);
                for (at, fill) in kept {
                    // SAFETY: written above, and nothing was released.
                    assert_eq!(unsafe { *at.as_ptr().add(MAX_ALLOC / 2 - 1) }, fill);
                }
                // SAFETY: this thread alone uses the region, and is done with it.
                unsafe { region.release(&env) };
                assert_eq!(pages.mapped(), MAX_KEPT.min(5) * BLOCK_SIZE);
            }
            pages.unmap_kept();
            assert_eq!(pages.mapped(), 0);
            // Releasing an empty region is no trouble.
            // SAFETY: nothing is allocated.
            unsafe { region.release(&env) };
        });
    }

    #[test]
    fn out_of_memory_is_an_error_and_not_the_end() {
        with_region(BLOCK_SIZE, |region, pages| {
            let held = Held::new();
            let env = Env::new(pages, &held);
            region.alloc(MAX_ALLOC, &env).unwrap();
            let refused = AllocError::NoMemory(NoMemory::Limit);
            assert_eq!(region.alloc(8, &env), Err(refused));
            pages.set_limit(2 * BLOCK_SIZE);
            region.alloc(8, &env).unwrap();
        });
    }

    #[test]
    fn allocation_during_release_is_noticed() {
        with_region(usize::MAX, |region, pages| {
            let held = Held::new();
            let env = Env::new(pages, &held);
            region.dropping.store(true, Ordering::Relaxed);
            assert_eq!(region.alloc(8, &env), Err(AllocError::Dropping));
        });
    }

    #[test]
    fn threads_get_disjoint_ranges() {
        const SIZE: usize = 1000;
        with_region(usize::MAX, |region, pages| {
            let mut ranges: Vec<usize> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4)
                    .map(|_| {
                        scope.spawn(|| {
                            let held = Held::new();
                            let env = Env::new(pages, &held);
                            (0..500)
                                .map(|_| region.alloc(SIZE, &env).unwrap().as_ptr().addr())
                                .collect::<Vec<_>>()
                        })
                    })
                    .collect();
                threads
                    .into_iter()
                    .flat_map(|t| t.join().unwrap())
                    .collect()
            });
            ranges.sort_unstable();
            assert!(ranges.windows(2).all(|pair| pair[1] - pair[0] >= SIZE));
        });
    }
}
