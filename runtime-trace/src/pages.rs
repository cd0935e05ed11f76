//! Blocks: pages with a header that says what they are, under one budget.
//!
//! Everything the tracer stores lies in blocks of one size. Region blocks and
//! batches differ in what follows the header. The header alone tells what a
//! block is, to whom it belongs in time and how much of it counts, so that a
//! block found in a file or a dump needs nobody to explain it.
//!
//! ```text
//! 0      4      8            16      24
//! │magic │kind  │generation  │used   │ … contents, `used` bytes of them valid
//! ```
//!
//! # Blocks that are kept
//!
//! Each generation needs about as many blocks as the one before. To map one, have
//! its pages zeroed and give it back costs more than to fill it, so some of those
//! that come back are kept for whoever asks next, for a table or for a batch.
//!
//! ```text
//!             take: out + 1, kept - 1, then out of a place
//!           ┌──────────────────────────────────────────────┐
//!         kept ◄─────────────────────────────────────────► out ──────► the system
//!           │   give_back: into a place, then kept + 1, out - 1  unmap:    ▲
//!           │                                                    out - 1   │
//!           └── unmap_kept, when tracing stops ────────────────────────────┘
//! ```
//!
//! Their contents are what the last user left.
//!
//! # Invariants
//!
//! 1. `out + kept` blocks are mapped, and the sum is within the limit, unless
//!    that was lowered since. Those *out* alone are held against the limit by
//!    whoever wants one more: there is a kept one for it, or room to map one.
//! 2. A kept block is in one place, and nobody refers into it.
//! 3. There are at least as many blocks in places as are counted as kept, and as
//!    threads that have counted one out and not yet found it. So who looks on
//!    finds one: it misses one only while others put in and take out.
//!
//! # Memory orderings
//!
//! | operation | ordering | pairs with |
//! | --- | --- | --- |
//! | a place's exchange in `give_back` | Release | the swap in `find`: what the last user did is done |
//! | a place's swap in `find` | Acquire | the above |
//! | `count` addition in `give_back` | Release | the exchange in `take_within` and `unmap_kept`: the block is in its place (Invariant 3) |
//! | `count` exchange there | Acquire | the above |
//! | `count` elsewhere | Relaxed | nothing: figures |

use core::ptr::{self, NonNull};

use crate::lock::Held;
use crate::sync::{
    AtomicPtr, AtomicU64, AtomicUsize, Ordering, UnsafeCell, atomic_array, const_unless_loom,
};
use crate::sys;

pub use crate::sys::Backing;

/// Size of a block, header included. Small in models, so that they reach a
/// full block in a few steps.
#[cfg(not(loom))]
pub const BLOCK_SIZE: usize = 64 << 10;
/// Size of a block, header included, in models.
#[cfg(loom)]
pub const BLOCK_SIZE: usize = 512;

/// First four bytes of a block: "rtb1" when read as bytes.
const MAGIC: u32 = u32::from_le_bytes(*b"rtb1");

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Kind {
    /// Bump-allocated nodes of a map, or workers' slots.
    Region = 1,
    /// A batch of the trace.
    Batch = 2,
}

/// The start of every block.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct BlockHeader {
    magic: u32,
    kind: Kind,
    /// The generation number, as in the file, that the contents belong to; 0
    /// for what outlives generations.
    generation: AtomicU64,
    /// Bytes of the contents handed out or written. In a region it may exceed
    /// the capacity (see `region.rs`): whoever reads it takes the minimum.
    pub(crate) used: AtomicUsize,
    /// Stands for everything in the block as it changes hands, so that models
    /// see it.
    all: UnsafeCell<()>,
}

#[cfg(not(loom))]
static_assertions::const_assert_eq!(size_of::<BlockHeader>(), 24);

impl BlockHeader {
    const_unless_loom! {
        /// A header for an empty block.
        pub(crate) fn new(kind: Kind) -> Self {
            Self {
                magic: MAGIC,
                kind,
                generation: AtomicU64::new(0),
                used: AtomicUsize::new(0),
                all: UnsafeCell::new(()),
            }
        }
    }

    /// Says which generation the block's contents belong to.
    pub(crate) fn set_generation(&self, generation: u64) {
        // Relaxed: written by the block's only user; whoever gets the block
        // later gets it through a lock or a published pointer.
        self.generation.store(generation, Ordering::Relaxed);
    }

    pub(crate) fn generation(&self) -> u64 {
        // Relaxed: as in `set_generation`.
        self.generation.load(Ordering::Relaxed)
    }

    /// What the block says it is, for assertions: `None` if it is no block.
    pub(crate) fn kind(&self) -> Option<Kind> {
        (self.magic == MAGIC).then_some(self.kind)
    }
}

/// Most blocks that are kept: 2 MiB. It is what a generation of thousands of stacks
/// and strings has in its tables, and as much as a host is left with until its
/// trace has been read to the end.
#[cfg(not(any(loom, heap_pages)))]
pub(crate) const MAX_KEPT: usize = 32;
/// Two, so that models get past the first.
#[cfg(loom)]
pub(crate) const MAX_KEPT: usize = 2;
/// None, so that tools that look for misused memory see where a block's use ends.
#[cfg(all(heap_pages, not(loom)))]
pub(crate) const MAX_KEPT: usize = 0;

/// Where blocks come from: the system, up to a limit, and those that are kept.
///
/// A part of the limit, the *headroom*, is kept for what finishes a generation.
#[derive(Debug)]
pub struct Pages {
    /// Blocks out and blocks kept, as [`Count`] has them. One word, so that the
    /// limit holds at every moment.
    count: AtomicU64,
    /// Places, each null or with a kept block.
    kept: [AtomicPtr<BlockHeader>; MAX_KEPT],
    limit: AtomicUsize,
    headroom: AtomicUsize,
}

/// How many blocks there are, 32 bits each.
#[derive(Clone, Copy)]
struct Count {
    out: u32,
    kept: u32,
}

/// One block out, as it is counted.
const OUT: u64 = 1;
/// One block kept, as it is counted.
const KEPT: u64 = 1 << 32;

impl Count {
    fn of(word: u64) -> Self {
        Self {
            out: (word % KEPT) as u32,
            kept: (word / KEPT) as u32,
        }
    }
}

/// There is no block to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoMemory {
    /// The system refused pages.
    System,
    /// The memory limit is reached.
    Limit,
}

impl core::fmt::Display for NoMemory {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::System => "no memory for the tracer: the system refused pages",
            Self::Limit => "no memory for the tracer: the memory limit is reached",
        })
    }
}

impl core::error::Error for NoMemory {}

impl Pages {
    const_unless_loom! {
        /// Blocks up to `limit` bytes in all.
        pub fn new(limit: usize) -> Self {
            Self {
                count: AtomicU64::new(0),
                kept: atomic_array![AtomicPtr::new(ptr::null_mut()); MAX_KEPT],
                limit: AtomicUsize::new(limit),
                headroom: AtomicUsize::new(0),
            }
        }
    }

    /// Changes the limit, and gives the one before. Blocks that are out stay;
    /// those that are kept, which a lower limit might not have room for, go.
    pub fn set_limit(&self, bytes: usize) -> usize {
        // Relaxed: a number that guards nothing but itself.
        let before = self.limit.swap(bytes, Ordering::Relaxed);
        self.unmap_kept();
        before
    }

    /// Changes how much of the limit is kept for what finishes a generation.
    pub(crate) fn set_headroom(&self, bytes: usize) {
        // Relaxed: as above.
        self.headroom.store(bytes, Ordering::Relaxed);
    }

    /// Bytes mapped now, in whole pages: where those are larger than a block, each
    /// block counts for a page. Blocks that are kept are among them.
    pub fn mapped(&self) -> usize {
        // Relaxed: a figure for people.
        let Count { out, kept } = Count::of(self.count.load(Ordering::Relaxed));
        (out as usize + kept as usize) * sys::taken_by(BLOCK_SIZE)
    }

    /// Bytes of the blocks that are out, likewise.
    fn out(&self) -> usize {
        // Relaxed: a wrong guess costs no more than that.
        let Count { out, .. } = Count::of(self.count.load(Ordering::Relaxed));
        out as usize * sys::taken_by(BLOCK_SIZE)
    }

    /// Takes a kept block or maps one, if all that are out stay within `limit`.
    /// The count never goes beyond it, not even for a moment.
    fn take_within(&self, limit: usize, backing: Backing) -> Result<NonNull<u8>, NoMemory> {
        let size = sys::taken_by(BLOCK_SIZE);
        let take = |word| {
            let Count { out, kept } = Count::of(word);
            let after = (out.checked_add(1)? as usize).checked_mul(size)?;
            (after <= limit).then(|| word + OUT - KEPT * u64::from(kept > 0))
        };
        let before = self
            .count
            // Acquire: pairs with the Release addition in `give_back`. Relaxed on
            // failure: it is tried again.
            // mutant: models run exchanges one after the other, so the block is in
            // its place all the same.
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, take)
            .map_err(|_| NoMemory::Limit)?;
        if let Count { kept: 1.., .. } = Count::of(before)
            && let Some(block) = self.find(before)
        {
            return Ok(block);
        }
        sys::map(BLOCK_SIZE, backing).ok_or_else(|| {
            // Relaxed: takes back what was added above.
            self.count.fetch_sub(OUT, Ordering::Relaxed);
            NoMemory::System
        })
    }

    /// Finds a kept block for who has counted it out, when there were `before`.
    /// There is one (Invariant 3); if there are no places, there is none.
    fn find(&self, before: u64) -> Option<NonNull<u8>> {
        // It is last in first out as long as nobody else is about: what was used
        // last is still in a cache.
        let free = MAX_KEPT.saturating_sub(Count::of(before).kept as usize);
        let places = self.kept.iter().rev().cycle().skip(free);
        for place in places {
            // Acquire: pairs with the Release exchange in `give_back`.
            let block = place.swap(ptr::null_mut(), Ordering::Acquire);
            if let Some(block) = NonNull::new(block) {
                // SAFETY: Invariant 2, and it begins with a header, as `give_back`
                // was told. The cell is only for models.
                unsafe { block.as_ref() }.all.with_mut(|_| ());
                return Some(block.cast());
            }
        }
        None
    }

    /// Takes a block back, and keeps it if there is a place.
    ///
    /// Who calls this sees to it that [`unmap_kept`](Self::unmap_kept) is called
    /// after tracing.
    ///
    /// # Safety
    ///
    /// `block` came from this `Pages`, begins with its header, was not given
    /// back, and nothing refers into it any more.
    pub(crate) unsafe fn give_back(&self, block: NonNull<u8>) {
        // Relaxed: a guess at a place that is free.
        let kept = Count::of(self.count.load(Ordering::Relaxed)).kept as usize;
        let block = block.cast::<BlockHeader>();
        // SAFETY: the caller's word. The cell is only for models.
        unsafe { block.as_ref() }.all.with_mut(|_| ());
        let places = if kept < MAX_KEPT { MAX_KEPT } else { 0 };
        for place in self.kept.iter().cycle().skip(kept).take(places) {
            // Release: pairs with the Acquire swap in `find`. Relaxed on failure:
            // another place is tried.
            let put = place.compare_exchange(
                ptr::null_mut(),
                block.as_ptr(),
                Ordering::Release,
                Ordering::Relaxed,
            );
            if put.is_ok() {
                // Release: pairs with the Acquire exchange of who counts it out.
                // mutant: as in `take_within`.
                self.count.fetch_add(KEPT - OUT, Ordering::Release);
                return;
            }
        }
        // SAFETY: the caller's word, passed on.
        unsafe { self.unmap(block.cast()) };
    }

    /// Gives a block back to the system.
    ///
    /// # Safety
    ///
    /// `block` came from this `Pages`, was not given back, and nothing refers
    /// into it any more.
    pub(crate) unsafe fn unmap(&self, block: NonNull<u8>) {
        // SAFETY: the caller's word, passed on; every block has this length.
        unsafe { sys::unmap(block, BLOCK_SIZE) };
        // Relaxed: a number.
        self.count.fetch_sub(OUT, Ordering::Relaxed);
    }

    /// Gives the blocks that are kept back to the system.
    pub fn unmap_kept(&self) {
        let take = |word: u64| word.checked_sub(KEPT).map(|less| less + OUT);
        // As many as there may be now: others may go on to keep some.
        for _ in 0..MAX_KEPT {
            let Ok(before) = self
                .count
                // Acquire, Relaxed: as in `take_within`.
                // mutant: as there.
                .fetch_update(Ordering::Acquire, Ordering::Relaxed, take)
            else {
                return;
            };
            if let Some(block) = self.find(before) {
                // SAFETY: from a place: Invariant 2.
                unsafe { self.unmap(block) };
            }
        }
    }
}

impl Drop for Pages {
    /// In a fork of the process as well: a block is in a place or it is not, and
    /// what is mapped there is the fork's own.
    fn drop(&mut self) {
        self.unmap_kept();
    }
}

/// What an operation needs from whoever calls it: where memory comes from, and
/// which locks the calling thread holds.
#[derive(Clone, Copy, Debug)]
pub struct Env<'a> {
    pub(crate) pages: &'a Pages,
    pub(crate) held: &'a Held,
    /// Whether this finishes a generation, which may use the headroom.
    finishing: bool,
}

impl<'a> Env<'a> {
    /// Blocks from `pages`, for the thread that holds the ranks in `held`.
    pub const fn new(pages: &'a Pages, held: &'a Held) -> Self {
        Self {
            pages,
            held,
            finishing: false,
        }
    }

    /// The same for what finishes a generation: the whole limit is its.
    pub(crate) const fn finishing(self) -> Self {
        Self {
            finishing: true,
            ..self
        }
    }

    /// Whether this finishes a generation.
    pub(crate) const fn is_finishing(&self) -> bool {
        self.finishing
    }

    /// Takes a block, of which nothing is known: a kept one, or a new one that is
    /// backed as asked for.
    pub(crate) fn take(&self, backing: Backing) -> Result<NonNull<u8>, NoMemory> {
        self.pages.take_within(self.limit(), backing)
    }

    /// How many bytes may still be taken, unless somebody else does.
    pub(crate) fn left(&self) -> usize {
        self.limit().saturating_sub(self.pages.out())
    }

    /// Whether so much is taken that only what is needed should take more.
    pub(crate) fn is_tight(&self) -> bool {
        self.left() < self.limit() / 2
    }

    fn limit(&self) -> usize {
        // Relaxed, both: as in `set_limit`.
        let limit = self.pages.limit.load(Ordering::Relaxed);
        let kept = match self.finishing {
            true => 0,
            false => self.pages.headroom.load(Ordering::Relaxed),
        };
        limit.saturating_sub(kept)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn the_limit_holds_and_is_given_back() {
        let pages = Pages::new(3 * BLOCK_SIZE + 1);
        pages.set_headroom(BLOCK_SIZE);
        let held = Held::new();
        let env = Env::new(&pages, &held);
        let one = env.take(Backing::Now).unwrap();
        let two = env.take(Backing::Later).unwrap();
        assert_eq!(env.take(Backing::Now), Err(NoMemory::Limit));
        assert_eq!(pages.mapped(), 2 * BLOCK_SIZE);
        let three = env.finishing().take(Backing::Now).unwrap();
        assert_eq!(env.finishing().take(Backing::Now), Err(NoMemory::Limit));
        for block in [one, two, three] {
            // SAFETY: each block is given back once and never read again.
            unsafe { pages.unmap(block) };
        }
        assert_eq!(pages.mapped(), 0);
    }

    /// Blocks, or as many as there may be.
    fn take(env: &Env<'_>, count: usize) -> Vec<NonNull<u8>> {
        let taken = core::iter::from_fn(|| env.take(Backing::Later).ok());
        let with_header = |block: NonNull<u8>| {
            // SAFETY: the block is ours, and large enough.
            unsafe { block.cast().write(BlockHeader::new(Kind::Region)) };
            block
        };
        taken.take(count).map(with_header).collect()
    }

    fn give_back(pages: &Pages, blocks: Vec<NonNull<u8>>) {
        for block in blocks {
            // SAFETY: from `take`, and nobody looks at it again.
            unsafe { pages.give_back(block) };
        }
    }

    #[test]
    fn what_comes_back_is_kept_and_goes_out_first() {
        let pages = Pages::new(usize::MAX);
        let held = Held::new();
        let env = Env::new(&pages, &held);
        let blocks = take(&env, MAX_KEPT + 5);
        give_back(&pages, blocks.clone());
        assert_eq!(pages.mapped(), MAX_KEPT * BLOCK_SIZE, "as many as are kept");
        // The last one first.
        let mut again = take(&env, MAX_KEPT);
        again.reverse();
        assert_eq!(again, blocks[..MAX_KEPT]);
        assert_eq!(pages.mapped(), MAX_KEPT * BLOCK_SIZE);
        let more = take(&env, 1);
        assert_eq!(pages.mapped(), (MAX_KEPT + 1) * BLOCK_SIZE);
        give_back(&pages, more);
        give_back(&pages, again);
        pages.unmap_kept();
        assert_eq!(pages.mapped(), 0);
    }

    /// Blocks that are kept are in nobody's way: neither below the limit nor below
    /// the headroom, which is as large as before.
    #[test]
    fn kept_blocks_count_once() {
        let pages = Pages::new(8 * BLOCK_SIZE);
        pages.set_headroom(2 * BLOCK_SIZE);
        let held = Held::new();
        let env = Env::new(&pages, &held);
        for _ in 0..3 {
            let mut all = take(&env, 100);
            assert_eq!((all.len(), env.left()), (6, 0));
            all.extend(take(&env.finishing(), 100));
            assert_eq!(all.len(), 8);
            give_back(&pages, all);
            assert_eq!(env.left(), 6 * BLOCK_SIZE);
            assert_eq!(pages.mapped(), MAX_KEPT.min(8) * BLOCK_SIZE);
        }
        // A limit that they would exceed gets rid of them, and of no others.
        let one = take(&env, 1);
        pages.set_limit(4 * BLOCK_SIZE);
        assert_eq!((pages.mapped(), env.left()), (BLOCK_SIZE, BLOCK_SIZE));
        give_back(&pages, one);
    }

    /// No block is out twice, none is lost, and the limit holds.
    #[test]
    fn threads_that_take_and_give_back() {
        const LIMIT: usize = 20;
        let pages = Pages::new(LIMIT * BLOCK_SIZE);
        std::thread::scope(|scope| {
            for thread in 1..=4 {
                let pages = &pages;
                scope.spawn(move || {
                    let held = Held::new();
                    let env = Env::new(pages, &held);
                    for round in 0..2000 {
                        let blocks = take(&env, 1 + (round * thread) % 7);
                        assert!(pages.mapped() <= LIMIT * BLOCK_SIZE);
                        let mark = |block: &NonNull<u8>| {
                            // SAFETY: our block is larger than that.
                            unsafe { block.add(size_of::<BlockHeader>()) }.cast::<usize>()
                        };
                        for block in &blocks {
                            // SAFETY: as above.
                            unsafe { mark(block).write(thread) };
                        }
                        for block in &blocks {
                            // SAFETY: as above.
                            let there = unsafe { mark(block).read() };
                            assert_eq!(there, thread, "two have it");
                        }
                        give_back(pages, blocks);
                    }
                });
            }
        });
        assert_eq!(pages.out(), 0);
        let held = Held::new();
        assert_eq!(take(&Env::new(&pages, &held), 100).len(), LIMIT);
    }
}
