//! From a batch's bytes to its events.
//!
//! Most of a trace is timed events of threads. They have a quick way of their
//! own: one look into a table says what an event's first byte means and how many
//! numbers follow, and [`number::quick`] reads those. All else, and whatever is wrong, goes through [`Cursor`], which asks
//! one question after the other and can say what the matter is.

use std::fmt;

use trace_format::limits::{MAX_FRAMES_PER_STACK, MAX_STRING_SIZE, MAX_TIMED_ARGS};
use trace_format::varint::VarintError;
use trace_format::{EventKind, Shape, Version};

use crate::error::{Place, ReadError};
use crate::raw::batch::{BatchHead, Section};
use crate::raw::event::{FRAME_NUMBERS, MAX_ARGS, RawEvent};
use crate::raw::number;

/// What has to be there of a batch for an event to be read the quick way: its
/// first byte and five numbers of up to eight bytes. With that, the compiler
/// knows where most numbers end and leaves the checks out. The last few events of
/// a batch go the other way.
pub(crate) const WINDOW: usize = 1 + MAX_TIMED_ARGS * 8;

/// Iterator over the events of a batch.
///
/// It ends with the batch or with the first error. In a batch that the file's
/// end cut off it ends without an error before the event that is not whole: the
/// reader reports the cut.
#[derive(Clone)]
pub struct RawEvents<'a> {
    head: BatchHead,
    quick: &'static Quick,
    /// What is left of the payload.
    rest: &'a [u8],
    /// Where in the file that is.
    offset: u64,
    time: u64,
}

impl<'a> RawEvents<'a> {
    pub(super) fn new(head: BatchHead, payload: &'a [u8]) -> Self {
        Self {
            head,
            quick: match head.section {
                Section::Events => &TIMED,
                _ => const { &NOTHING },
            },
            rest: match head.section {
                Section::Experiment => &[],
                _ => payload,
            },
            offset: head.payload_offset(),
            time: head.header.time,
        }
    }

    /// Leaves out the next `bytes` bytes, which are whole events.
    pub(crate) fn go_on_at(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or(&[]);
        self.offset += bytes as u64;
    }

    /// The next event, whatever it is, or what is wrong with it.
    #[inline(never)]
    fn any_event(&mut self, code: u8) -> Option<Result<RawEvent<'a>, ReadError>> {
        let mut cursor = Cursor {
            head: &self.head,
            offset: self.offset,
            bytes: self.rest,
            at: 0,
        };
        match cursor.event(code, self.time) {
            Ok(event) => {
                self.rest = &self.rest[cursor.at..];
                self.offset += cursor.at as u64;
                self.time = event.time;
                Some(Ok(event))
            }
            Err(error) => {
                self.rest = &[];
                let cut = self.head.missing > 0;
                match error {
                    ReadError::PastBatchEnd { .. } if cut => None,
                    error => Some(Err(error)),
                }
            }
        }
    }
}

impl<'a> Iterator for RawEvents<'a> {
    type Item = Result<RawEvent<'a>, ReadError>;

    // Where it is called, most of an event is never looked at, and need not be
    // put together then. That is more than half of the instructions.
    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest;
        let &code = rest.first()?;
        let row = self.quick[usize::from(code)];
        'quick: {
            if row.numbers == 0 {
                break 'quick;
            }
            let Some(window) = rest.first_chunk::<WINDOW>() else {
                break 'quick;
            };
            let mut at = 1;
            // The number `$n` from 1, or 0 if the event has fewer.
            macro_rules! number {
                ($n:literal) => {
                    match row.numbers >= $n {
                        true => match number::quick(window, &mut at) {
                            Some(value) => value,
                            None => break 'quick,
                        },
                        false => 0,
                    }
                };
            }
            let dt = number!(1);
            let args = [number!(2), number!(3), number!(4), number!(5), 0];
            let Some((bytes, rest)) = rest.split_at_checked(at) else {
                break 'quick;
            };
            let time = self.time.wrapping_add(dt);
            let offset = self.offset;
            self.rest = rest;
            self.offset = offset + at as u64;
            self.time = time;
            return Some(Ok(RawEvent {
                offset,
                kind: row.kind,
                count: row.numbers - 1,
                timed: true,
                data_at: 0,
                bytes,
                args,
                dt,
                time,
            }));
        }
        self.any_event(code)
    }
}

impl fmt::Debug for RawEvents<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawEvents")
            .field("head", &self.head)
            .field("offset", &self.offset)
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}

/// What the first byte of an event means, for events that have the quick way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub kind: EventKind,
    /// How many numbers follow, the time difference included; 0 if the byte is
    /// not such an event's.
    pub numbers: u8,
}

/// A row for each byte.
type Quick = [Row; 256];

/// No event has the quick way.
const NOTHING: Quick = [Row {
    kind: EventKind::EventBatch,
    numbers: 0,
}; 256];

/// The events that a thread's batch may hold, whatever the file's version: one
/// that is newer than that is taken all the same, as Go's reader takes it.
pub(crate) static TIMED: Quick = {
    let mut rows = NOTHING;
    let mut at = 0;
    while at < EventKind::ALL.len() {
        let kind = EventKind::ALL[at];
        if kind.is_timed() && Section::Events.allows(kind, false, Version::Go122) {
            let numbers = 1 + kind.args().len();
            assert!(numbers <= MAX_TIMED_ARGS);
            rows[kind as usize] = Row {
                kind,
                numbers: numbers as u8,
            };
        }
        at += 1;
    }
    rows
};

/// A position in an event while it is decoded.
struct Cursor<'h, 'a> {
    head: &'h BatchHead,
    /// Where in the file the event starts.
    offset: u64,
    /// The event, and what follows it in the batch.
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'_, 'a> {
    /// Decodes the event, which starts with `code`; `time` is that of the event
    /// before.
    fn event(&mut self, code: u8, time: u64) -> Result<RawEvent<'a>, ReadError> {
        let Some(kind) = EventKind::from_code(code) else {
            return Err(ReadError::UnknownEvent {
                at: self.start(),
                code,
            });
        };
        let first = self.offset == self.head.payload_offset();
        if !self.head.section.allows(kind, first, self.head.version) {
            return Err(ReadError::Misplaced {
                at: self.start(),
                kind,
                section: self.head.section,
            });
        }

        self.at = 1;
        let dt = match kind.is_timed() {
            true => self.number(kind)?,
            false => 0,
        };
        let count = kind.args().len();
        let mut args = [0; MAX_ARGS];
        for arg in &mut args[..count] {
            *arg = self.number(kind)?;
        }
        let data = match kind.shape() {
            Shape::Data => self.string(kind, args[0])?,
            Shape::Stack => self.stack(kind, args[0], args[1])?,
            _ => &[],
        };
        Ok(RawEvent {
            offset: self.offset,
            kind,
            count: count as u8,
            timed: kind.is_timed(),
            // At most the length of a batch.
            data_at: (self.at - data.len()) as u32,
            bytes: &self.bytes[..self.at],
            args,
            dt,
            time: time.wrapping_add(dt),
        })
    }

    /// The text of a string's entry: its length, then as many bytes.
    fn string(&mut self, kind: EventKind, id: u64) -> Result<&'a [u8], ReadError> {
        let size = self.number(kind)?;
        let Some(len) = usize::try_from(size).ok().filter(|&n| n <= MAX_STRING_SIZE) else {
            let at = self.start();
            return Err(ReadError::StringTooLong { at, id, size });
        };
        let rest = &self.bytes[self.at..];
        let text = rest.get(..len).ok_or_else(|| self.past_end(kind))?;
        self.at += len;
        Ok(text)
    }

    /// The frames of a stack's entry, still encoded.
    fn stack(&mut self, kind: EventKind, id: u64, frames: u64) -> Result<&'a [u8], ReadError> {
        if frames > MAX_FRAMES_PER_STACK as u64 {
            let at = self.start();
            return Err(ReadError::TooManyFrames { at, id, frames });
        }
        let first = self.at;
        for _ in 0..frames as usize * FRAME_NUMBERS {
            self.number(kind)?;
        }
        Ok(&self.bytes[first..self.at])
    }

    /// The number here, part of an event of `kind`.
    #[inline]
    fn number(&mut self, kind: EventKind) -> Result<u64, ReadError> {
        number::read(self.bytes, &mut self.at).map_err(|error| match error {
            VarintError::Truncated => self.past_end(kind),
            VarintError::Overflow => ReadError::NumberTooLarge {
                at: self.head.place(self.offset + self.at as u64),
            },
        })
    }

    #[cold]
    fn past_end(&self, kind: EventKind) -> ReadError {
        let at = self.start();
        ReadError::PastBatchEnd { at, kind }
    }

    /// The place where the event starts.
    fn start(&self) -> Place {
        self.head.place(self.offset)
    }
}
