//! The string table: bytes to string IDs, each string written out once.
//!
//! A new string goes into the trace the moment it is first seen, so the table
//! needs no dump: the last batch is flushed now and then, and when the generation
//! ends.
//!
//! # Invariants
//!
//! 1. A string is in the map only if it is in a batch of the same generation:
//!    room in the batch is made first, then the key is added, then the record
//!    is written, all under the table's lock. So an ID that anybody can see
//!    stands in the file, even when memory runs out.
//! 2. Strings in the trace are at most [`MAX_STRING_SIZE`] bytes long and valid
//!    UTF-8.
//!
//! A string that is there already is found without the lock.

use trace_format::limits::{MAX_STRING_SIZE, NO_THREAD};
use trace_format::{BatchHeader, EventKind, varint};

use crate::batch::Batch;
use crate::clock;
use crate::lock::{Rank, RankedLock};
use crate::map::{Id, TraceMap, Vacant};
use crate::node::Found;
use crate::pages::{Env, NoMemory};
use crate::queue::Out;
use crate::region::AllocError;
use crate::sync::const_unless_loom;

/// One generation's strings.
#[derive(Debug)]
pub(crate) struct StringTable {
    map: TraceMap,
    batch: RankedLock<Option<Batch>>,
}

impl StringTable {
    const_unless_loom! {
        /// An empty table.
        pub(crate) fn new() -> Self {
            Self {
                map: TraceMap::new(Rank::StringRegion),
                batch: RankedLock::new(Rank::Strings, None),
            }
        }
    }

    /// What is kept of `text`: all up to the limit, and a whole number of
    /// characters.
    #[inline]
    pub(crate) fn cut(text: &str) -> &str {
        match text.len() {
            0..=MAX_STRING_SIZE => text,
            _ => cut_end(text, MAX_STRING_SIZE),
        }
    }

    /// The node of a text that was cut, if it has been written out, or where it would
    /// go. An empty one never is.
    #[inline]
    pub(crate) fn find(&self, text: &str) -> Result<Found<'_>, Vacant<'_>> {
        self.map.find(text.as_bytes())
    }

    /// The ID of `text`, which is written out if it is new.
    pub(crate) fn put(&self, text: &str, out: &Out<'_>) -> Result<Id, NoMemory> {
        let text = Self::cut(text);
        match self.find(text) {
            Ok(node) => Ok(node.id()),
            Err(vacant) => self.add(vacant, text, out),
        }
    }

    /// The ID of a text that was cut, and not found a moment ago: `vacant` is where.
    pub(crate) fn add(
        &self,
        vacant: Vacant<'_>,
        text: &str,
        out: &Out<'_>,
    ) -> Result<Id, NoMemory> {
        if text.is_empty() {
            return Ok(Id::EMPTY);
        }
        self.write(text, out, || {
            self.map
                .add(vacant, text.as_bytes(), &out.env)
                // Too large is out of the question after the cut, and nobody
                // releases the table while it is written to.
                .map_err(AllocError::memory)
        })
    }

    /// Writes `text` out under an ID of its own, without keeping it: for what
    /// is unlikely to come again.
    pub(crate) fn emit(&self, text: &str, out: &Out<'_>) -> Result<Id, NoMemory> {
        if text.is_empty() {
            return Ok(Id::EMPTY);
        }
        let text = Self::cut(text);
        self.write(text, out, || Ok((self.map.steal_id(), true)))
    }

    /// Leaves all pages to the system, as [`Region::forget`].
    ///
    /// [`Region::forget`]: crate::region::Region::forget
    pub(crate) fn forget(&mut self) {
        self.map.forget();
    }

    /// Makes room, asks for the ID, and writes the record if it is due.
    fn write(
        &self,
        text: &str,
        out: &Out<'_>,
        id: impl FnOnce() -> Result<(Id, bool), NoMemory>,
    ) -> Result<Id, NoMemory> {
        let size = 1 + 2 * varint::MAX_LEN + text.len();
        let mut current = self.batch.lock(out.env.held);
        let batch = section(&mut current, EventKind::Strings, size, out)?;
        let (id, due) = id()?;
        if due {
            batch.append(size, |to| {
                to[0] = EventKind::String as u8;
                let mut at = 1 + varint::encode(id.0, &mut to[1..]);
                at += varint::encode(text.len() as u64, &mut to[at..]);
                to[at..at + text.len()].copy_from_slice(text.as_bytes());
                at + text.len()
            });
        }
        Ok(id)
    }

    /// Queues what has been written and was not queued: whether there is anything.
    pub(crate) fn flush(&self, out: &Out<'_>) -> bool {
        let rest = self.batch.lock(out.env.held).take();
        match rest {
            Some(batch) => {
                out.push_full(batch);
                true
            }
            None => false,
        }
    }

    /// Forgets everything.
    ///
    /// # Safety
    ///
    /// Until it returns nobody else uses the table, and `env` is of the pages that
    /// served it.
    pub(crate) unsafe fn reset(&self, env: &Env<'_>) {
        let rest = self.batch.lock(env.held).take();
        if let Some(batch) = rest {
            batch.unmap(env.pages);
        }
        // SAFETY: the caller's word, passed on.
        unsafe { self.map.reset(env) };
    }
}

/// A batch of `kind` records with room for `size` more bytes: the current one,
/// or a new one after queueing that.
pub(crate) fn section<'b>(
    current: &'b mut Option<Batch>,
    kind: EventKind,
    size: usize,
    out: &Out<'_>,
) -> Result<&'b mut Batch, NoMemory> {
    if !current.as_ref().is_some_and(|batch| batch.has_room(size)) {
        let mut fresh = out.take_empty()?;
        fresh.begin(&BatchHeader {
            generation: out.generation,
            thread: NO_THREAD,
            time: clock::coarse(),
        });
        fresh.append(1, |to| {
            to[0] = kind as u8;
            1
        });
        if let Some(full) = current.replace(fresh) {
            out.push_full(full);
        }
    }
    // There is one: this never fails.
    current.as_mut().ok_or(NoMemory::System)
}

/// The longest start of `text` that has at most `max` bytes.
fn cut_end(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

/// The longest end of `text` that has at most `max` bytes.
pub(crate) fn cut_start(text: &str, max: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(max))..]
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn cuts_fall_between_characters() {
        let text = "aé€😀"; // 1 + 2 + 3 + 4 bytes
        for (max, start, end) in [
            (0, "", ""),
            (1, "a", ""),
            (2, "a", ""),
            (3, "aé", ""),
            (4, "aé", "😀"),
            (6, "aé€", "😀"),
            (7, "aé€", "€😀"),
            (10, text, text),
            (11, text, text),
        ] {
            assert_eq!(cut_end(text, max), start, "{max}");
            assert_eq!(cut_start(text, max), end, "{max}");
        }
    }
}
