//! Epochs: numbers of generations, of which no process has one twice.
//!
//! A task and a proc carry the epoch that mentioned them last (`status.rs`), and may
//! come from one tracer to another. If both tracers counted from 1, the second would
//! find its own number there and leave the status out. So each tracer draws a number
//! of its own when it is first started, and its epochs follow one another below that:
//!
//! ```text
//!  63          40 39                    0
//! ┌──────────────┬───────────────────────┐
//! │ tracer, from 1│ generation, from 1   │   the lowest bit chooses between two
//! └──────────────┴───────────────────────┘   sets of tables and buffers
//! ```
//!
//! The lower part lasts for 34 years at a generation a millisecond.
//!
//! The count of tracers is the crate's only global. A child of a fork goes on with
//! its copy, so numbers differ from all that the child has inherited.

#[cfg(not(loom))]
use core::sync::atomic::{AtomicU64, Ordering};

/// How far a tracer's number is shifted.
const SHIFT: u32 = 40;

/// Tracers that were started in this process.
#[cfg(not(loom))]
static STARTED: AtomicU64 = AtomicU64::new(0);

/// The epoch before the first one of a tracer that has had none, unless the process
/// has run out of numbers.
#[cfg(not(loom))]
pub(super) fn draw() -> Option<u64> {
    // Relaxed: only distinctness matters. (It cannot come round: that would be 2⁶⁴
    // calls.)
    above(STARTED.fetch_add(1, Ordering::Relaxed))
}

/// A model has one tracer, and its runs are to be alike.
#[cfg(loom)]
pub(super) fn draw() -> Option<u64> {
    Some(0)
}

/// The same, after so many tracers.
#[cfg_attr(loom, expect(dead_code, reason = "models have one tracer"))]
fn above(started: u64) -> Option<u64> {
    let tracer = started.checked_add(1)?;
    (tracer < 1 << (u64::BITS - SHIFT)).then_some(tracer << SHIFT)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn numbers_differ_until_there_are_none() {
        let [one, two] = [draw(), draw()].map(Option::unwrap);
        assert_ne!(one, two);
        assert_eq!((one | two) & ((1 << SHIFT) - 1), 0, "room for generations");
        assert_eq!(above(0), Some(1 << 40), "none of them is 0");
        assert_eq!(above((1 << 24) - 2), Some(((1 << 24) - 1) << 40));
        assert_eq!(above((1 << 24) - 1), None);
        assert_eq!(above(u64::MAX), None);
    }
}
