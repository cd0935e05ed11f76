//! The header of a batch: a stretch of one thread's events in one generation.

use crate::event::EventKind;
use crate::varint;

/// A batch's header.
///
/// On the wire: the byte [`EventKind::EventBatch`], then `generation`,
/// `thread`, `time` and the payload's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// The generation the batch belongs to, from 1.
    pub generation: u64,
    /// The thread whose events these are, or [`NO_THREAD`](crate::limits::NO_THREAD).
    pub thread: u64,
    /// The time that the first event's difference counts from, in clock units.
    pub time: u64,
}

impl BatchHeader {
    /// Most bytes that a header takes, the size included.
    pub const MAX_LEN: usize = 1 + 4 * varint::MAX_LEN;

    /// Writes the header with a padded place for the size.
    ///
    /// Returns the bytes written and where in them the size's
    /// [`varint::MAX_LEN`] bytes stand; fill them with
    /// [`varint::encode_padded`] once the payload is complete.
    ///
    /// # Panics
    ///
    /// If `out` is shorter than [`Self::MAX_LEN`].
    pub fn encode(&self, out: &mut [u8]) -> (usize, usize) {
        out[0] = EventKind::EventBatch as u8;
        let mut at = 1;
        for value in [self.generation, self.thread, self.time] {
            at += varint::encode(value, &mut out[at..]);
        }
        let size_at = at;
        out[at..at + varint::MAX_LEN].copy_from_slice(&varint::encode_padded(0));
        (at + varint::MAX_LEN, size_at)
    }
}
