//! Trace time: the monotonic clock in units of 64 ns.
//!
//! The unit is Go's: a scheduler's events lie further apart than that, and the
//! difference between two events then mostly fits one byte of varint.

use crate::sys;

/// Nanoseconds in a unit of trace time.
const NS_PER_UNIT: u64 = 64;

/// Units in a second, as the sync batch states them.
pub(crate) const UNITS_PER_SECOND: u64 = 1_000_000_000 / NS_PER_UNIT;

/// Now, in units.
#[inline]
pub(crate) fn now() -> u64 {
    sys::monotonic_ns() / NS_PER_UNIT
}

/// One moment on the three clocks that a sync batch ties together.
pub(crate) struct Snapshot {
    /// Trace time, units.
    pub(crate) trace: u64,
    /// The monotonic clock, nanoseconds.
    pub(crate) mono: u64,
    /// The wall clock: seconds since 1970, nanoseconds.
    pub(crate) wall: (u64, u32),
}

/// Reads the three clocks as close together as can be.
pub(crate) fn snapshot() -> Snapshot {
    let wall = sys::wall_clock();
    let mono = sys::monotonic_ns();
    Snapshot {
        trace: mono / NS_PER_UNIT,
        mono,
        wall,
    }
}
