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
use crate::sys::{self, Backing};

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

    pub(crate) fn generation(&self) -> u64 {
        // Relaxed: as in `set_generation`.
        self.generation.load(Ordering::Relaxed)
    }

    /// What the block says it is, for assertions: `None` if it is no block.
    pub(crate) fn kind(&self) -> Option<Kind> {
        (self.magic == MAGIC).then_some(self.kind)
    }
}

/// Where blocks come from: the system, up to a limit.
///
/// A part of the limit, the *headroom*, is kept for what finishes a generation.
#[derive(Debug)]
pub struct Pages {
    mapped: AtomicUsize,
    limit: AtomicUsize,
    headroom: AtomicUsize,
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
                mapped: AtomicUsize::new(0),
                limit: AtomicUsize::new(limit),
                headroom: AtomicUsize::new(0),
            }
        }
    }

    /// Changes the limit, and gives the one before. Blocks mapped already stay.
    pub fn set_limit(&self, bytes: usize) -> usize {
        // Relaxed: a number that guards nothing but itself.
        self.limit.swap(bytes, Ordering::Relaxed)
    }

    /// Changes how much of the limit is kept for what finishes a generation.
    pub(crate) fn set_headroom(&self, bytes: usize) {
        // Relaxed: as above.
        self.headroom.store(bytes, Ordering::Relaxed);
    }

    /// Bytes mapped now, in whole pages: where those are larger than a block, each
    /// block counts for a page.
    pub fn mapped(&self) -> usize {
        // Relaxed: a figure for people.
        self.mapped.load(Ordering::Relaxed)
    }

    /// Maps a block, if all that is mapped stays within `limit`. The count never
    /// goes beyond it, not even for a moment.
    fn map_within(&self, limit: usize, backing: Backing) -> Result<NonNull<u8>, NoMemory> {
        let size = sys::taken_by(BLOCK_SIZE);
        let add = |mapped: usize| mapped.checked_add(size).filter(|sum| *sum <= limit);
        // Relaxed, both: the sum is only compared with the limit; it orders
        // nothing.
        self.mapped
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add)
            .map_err(|_| NoMemory::Limit)?;
        sys::map(BLOCK_SIZE, backing).ok_or_else(|| {
            // Relaxed: takes back what was added above.
            self.mapped.fetch_sub(size, Ordering::Relaxed);
            NoMemory::System
        })
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
        let size = sys::taken_by(BLOCK_SIZE);
        // Relaxed: as in `map_within`.
        self.mapped.fetch_sub(size, Ordering::Relaxed);
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

    /// Maps a block of zeroed bytes (not zeroed if pages come from the heap).
    pub(crate) fn map(&self, backing: Backing) -> Result<NonNull<u8>, NoMemory> {
        self.pages.map_within(self.limit(), backing)
    }

    /// How many bytes may still be mapped, unless somebody else does.
    pub(crate) fn left(&self) -> usize {
        self.limit().saturating_sub(self.pages.mapped())
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

    #[test]
    fn the_limit_holds_and_is_given_back() {
        let pages = Pages::new(3 * BLOCK_SIZE + 1);
        pages.set_headroom(BLOCK_SIZE);
        let held = Held::new();
        let env = Env::new(&pages, &held);
        let one = env.map(Backing::Now).unwrap();
        let two = env.map(Backing::Later).unwrap();
        assert_eq!(env.map(Backing::Now), Err(NoMemory::Limit));
        assert_eq!(pages.mapped(), 2 * BLOCK_SIZE);
        let three = env.finishing().map(Backing::Now).unwrap();
        assert_eq!(env.finishing().map(Backing::Now), Err(NoMemory::Limit));
        for block in [one, two, three] {
            // SAFETY: each block is given back once and never read again.
            unsafe { pages.unmap(block) };
        }
        assert_eq!(pages.mapped(), 0);
    }
}
