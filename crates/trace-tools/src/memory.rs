//! How much memory this process has, and how much it may have.
//!
//! What a trace takes is up to whoever has made it, and an allocation that fails
//! ends the process. So reading stops before: an allocator that counts, as `rtrace`
//! has one, says here what it gives out, and whoever reads or prints asks whether
//! there is enough left. To read on there has to be room for the largest block once
//! more: a table that grows needs twice its room, with the old one beside it, so that
//! for a moment there can be half as much again as is allowed, and no more. Without
//! such an allocator there is always enough.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that are given out.
static USED: AtomicUsize = AtomicUsize::new(0);
/// Bytes of the largest block, about: that of the largest one that was given out since
/// one as large was given back.
static LARGEST: AtomicUsize = AtomicUsize::new(0);
/// Most bytes that are to be given out.
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Blocks smaller than this are never the largest one that matters.
const SMALL: usize = 1 << 16;

// Relaxed throughout: these are counters that guard no other memory, and a sum that
// is late by an allocation is as good.

/// The allocator has given out a block.
#[inline]
pub fn taken(bytes: usize) {
    USED.fetch_add(bytes, Ordering::Relaxed); // Relaxed: as above.
    if bytes > SMALL {
        LARGEST.fetch_max(bytes, Ordering::Relaxed); // Relaxed: as above.
    }
}

/// The allocator has been given a block back.
#[inline]
pub fn returned(bytes: usize) {
    USED.fetch_sub(bytes, Ordering::Relaxed); // Relaxed: as above.
    // Relaxed, twice: as above. What the largest one is then is not known.
    if bytes > SMALL && bytes >= LARGEST.load(Ordering::Relaxed) {
        LARGEST.store(bytes / 2, Ordering::Relaxed);
    }
}

/// From now on no more is to be given out than so many bytes.
pub fn limit(bytes: usize) {
    LIMIT.store(bytes, Ordering::Relaxed); // Relaxed: as above.
}

/// How much there may be, if there is a limit.
pub fn allowed() -> Option<usize> {
    // Relaxed: as above.
    Some(LIMIT.load(Ordering::Relaxed)).filter(|&limit| limit < usize::MAX)
}

/// Whether there is enough left to read on.
#[inline]
pub fn is_enough() -> bool {
    // Relaxed, three times: as above.
    let used = USED.load(Ordering::Relaxed);
    let largest = LARGEST.load(Ordering::Relaxed);
    used.saturating_add(largest) <= LIMIT.load(Ordering::Relaxed)
}

/// Whether more is taken than is allowed, while something is made to be printed.
///
/// # Errors
///
/// If so.
pub fn check() -> io::Result<()> {
    // Relaxed, twice: as above.
    match USED.load(Ordering::Relaxed) <= LIMIT.load(Ordering::Relaxed) {
        true => Ok(()),
        false => Err(io::Error::new(
            io::ErrorKind::OutOfMemory,
            "it takes more memory than is allowed, see --max-memory",
        )),
    }
}
