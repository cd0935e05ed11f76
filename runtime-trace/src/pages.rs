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

use core::ptr::NonNull;

use crate::lock::Held;
use crate::sync::{AtomicU64, AtomicUsize, Ordering, const_unless_loom};
use crate::sys;

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
            }
        }
    }

    /// Says which generation the block's contents belong to.
    pub(crate) fn set_generation(&self, generation: u64) {
        // Relaxed: written by the block's only user; whoever gets the block
        // later gets it through a lock or a published pointer.
        self.generation.store(generation, Ordering::Relaxed);
    }

    /// What the block says it is, for assertions: `None` if it is no block.
    pub(crate) fn kind(&self) -> Option<Kind> {
        (self.magic == MAGIC).then_some(self.kind)
    }
}

/// Where blocks come from: the system, up to a limit.
#[derive(Debug)]
pub struct Pages {
    mapped: AtomicUsize,
    limit: AtomicUsize,
}

/// The system, or the budget, has no block to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMemory;

impl core::fmt::Display for NoMemory {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(
            "no memory for the tracer: the system refused pages or the memory limit is reached",
        )
    }
}

impl core::error::Error for NoMemory {}

impl Pages {
    const_unless_loom! {
        /// Blocks up to `limit` bytes in all.
        pub fn new(limit: usize) -> Self {
            Self {
                mapped: AtomicUsize::new(0),
                limit: AtomicUsize::new(limit),
            }
        }
    }

    /// Changes the limit. Blocks mapped already stay.
    pub fn set_limit(&self, bytes: usize) {
        // Relaxed: a number that guards nothing but itself.
        self.limit.store(bytes, Ordering::Relaxed);
    }

    /// Bytes mapped now.
    pub fn mapped(&self) -> usize {
        // Relaxed: a figure for people.
        self.mapped.load(Ordering::Relaxed)
    }

    fn map_within(&self, limit: usize) -> Result<NonNull<u8>, NoMemory> {
        // Relaxed: the sum is only compared with the limit; it orders nothing.
        let before = self.mapped.fetch_add(BLOCK_SIZE, Ordering::Relaxed);
        if before.saturating_add(BLOCK_SIZE) <= limit
            && let Some(block) = sys::map(BLOCK_SIZE)
        {
            return Ok(block);
        }
        // Relaxed: takes back what was added above.
        self.mapped.fetch_sub(BLOCK_SIZE, Ordering::Relaxed);
        Err(NoMemory)
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
        // Relaxed: as in `map_within`.
        self.mapped.fetch_sub(BLOCK_SIZE, Ordering::Relaxed);
    }
}

/// What an operation needs from whoever calls it: where memory comes from, and
/// which locks the calling thread holds.
#[derive(Clone, Copy, Debug)]
pub struct Env<'a> {
    pub(crate) pages: &'a Pages,
    pub(crate) held: &'a Held,
    /// Whether the limit is lifted.
    unlimited: bool,
}

impl<'a> Env<'a> {
    /// Blocks from `pages`, for the thread that holds the ranks in `held`.
    pub const fn new(pages: &'a Pages, held: &'a Held) -> Self {
        Self {
            pages,
            held,
            unlimited: false,
        }
    }

    /// The same without the limit: for what finishes a generation, whose size
    /// is bounded by what was recorded within the limit.
    pub(crate) const fn unlimited(self) -> Self {
        Self {
            unlimited: true,
            ..self
        }
    }

    /// Whether the limit is lifted.
    pub(crate) const fn is_unlimited(&self) -> bool {
        self.unlimited
    }

    /// Maps a block of zeroed bytes.
    pub(crate) fn map(&self) -> Result<NonNull<u8>, NoMemory> {
        self.pages.map_within(if self.unlimited {
            usize::MAX
        } else {
            // Relaxed: as in `set_limit`.
            self.pages.limit.load(Ordering::Relaxed)
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_limit_holds_and_is_given_back() {
        let pages = Pages::new(2 * BLOCK_SIZE);
        let held = Held::new();
        let env = Env::new(&pages, &held);
        let one = env.map().unwrap();
        let two = env.map().unwrap();
        assert_eq!(env.map(), Err(NoMemory));
        assert_eq!(pages.mapped(), 2 * BLOCK_SIZE);
        let three = env.unlimited().map().unwrap();
        for block in [one, two, three] {
            // SAFETY: each block is given back once and never read again.
            unsafe { pages.unmap(block) };
        }
        assert_eq!(pages.mapped(), 0);
    }
}
