//! From a batch's bytes to its events.

use trace_format::limits::{MAX_FRAMES_PER_STACK, MAX_STRING_SIZE, MAX_TIMED_ARGS};
use trace_format::varint::{self, VarintError};
use trace_format::{Arg, EventKind, Shape};

use crate::error::ReadError;
use crate::raw::batch::{BatchHead, Section};

/// Most arguments that any event has, a timed event's difference not counted.
const MAX_ARGS: usize = MAX_TIMED_ARGS;

const _: () = {
    let mut at = 0;
    while at < EventKind::ALL.len() {
        assert!(EventKind::ALL[at].args().len() <= MAX_ARGS);
        at += 1;
    }
};

/// Numbers that describe one frame of a stack: PC, function, file and line.
const FRAME_NUMBERS: usize = 4;

/// An event as it stands in its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawEvent<'a> {
    /// Where in the file the event starts.
    pub offset: u64,
    /// What it says.
    pub kind: EventKind,
    /// Its bytes, from its kind to its last argument or the end of its data.
    pub bytes: &'a [u8],
    args: [u64; MAX_ARGS],
    dt: u64,
    time: u64,
    data: &'a [u8],
}

impl<'a> RawEvent<'a> {
    /// The arguments, as many as [`EventKind::args`] lists.
    #[inline]
    pub fn args(&self) -> &[u64] {
        &self.args[..self.kind.args().len()]
    }

    /// The arguments with what the table says about each.
    pub fn named_args(&self) -> impl Iterator<Item = (Arg, u64)> + use<> {
        self.kind.args().iter().copied().zip(self.args)
    }

    /// A timed event's distance from the event before it in its batch, or from
    /// the batch's time, in clock units.
    pub fn dt(&self) -> Option<u64> {
        self.kind.is_timed().then_some(self.dt)
    }

    /// When it happened, in clock units, for a timed event or a CPU sample.
    ///
    /// Differences are added as wrapping numbers: a sum that makes no sense is
    /// for the layer that orders events to refuse.
    #[inline]
    pub fn time(&self) -> Option<u64> {
        match self.kind {
            EventKind::CPUSample => Some(self.args[0]),
            kind => kind.is_timed().then_some(self.time),
        }
    }

    /// The bytes of a string table's entry; empty for any other event.
    pub fn text(&self) -> &'a [u8] {
        match self.kind.shape() {
            Shape::Data => self.data,
            _ => &[],
        }
    }

    /// The frames of a stack table's entry, innermost first; none for any other
    /// event.
    pub fn frames(&self) -> Frames<'a> {
        Frames(match self.kind.shape() {
            Shape::Stack => self.data,
            _ => &[],
        })
    }
}

/// A frame of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StackFrame {
    /// The program counter.
    pub pc: u64,
    /// String ID of the function's name.
    pub function: u64,
    /// String ID of the file's name.
    pub file: u64,
    /// The line, from 1.
    pub line: u64,
}

/// Iterator over the frames of a stack, from [`RawEvent::frames`].
#[derive(Clone, Debug)]
pub struct Frames<'a>(&'a [u8]);

impl Iterator for Frames<'_> {
    type Item = StackFrame;

    fn next(&mut self) -> Option<StackFrame> {
        if self.0.is_empty() {
            return None;
        }
        let mut numbers = [0; FRAME_NUMBERS];
        for number in &mut numbers {
            // The bytes were decoded once already, when the event was found.
            let (value, used) = varint::decode(self.0).ok()?;
            *number = value;
            self.0 = &self.0[used..];
        }
        let [pc, function, file, line] = numbers;
        Some(StackFrame {
            pc,
            function,
            file,
            line,
        })
    }
}

/// Iterator over the events of a batch.
///
/// It ends with the batch or with the first error. In a batch that the file's
/// end cut off it ends without an error before the event that is not whole: the
/// reader reports the cut.
#[derive(Clone, Debug)]
pub struct RawEvents<'a> {
    head: BatchHead,
    payload: &'a [u8],
    at: usize,
    time: u64,
}

impl<'a> RawEvents<'a> {
    pub(super) fn new(head: BatchHead, payload: &'a [u8]) -> Self {
        Self {
            head,
            payload,
            at: match head.section {
                Section::Experiment => payload.len(),
                _ => 0,
            },
            time: head.header.time,
        }
    }
}

impl<'a> Iterator for RawEvents<'a> {
    type Item = Result<RawEvent<'a>, ReadError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let &code = self.payload.get(self.at)?;
        let mut cursor = Cursor {
            head: &self.head,
            payload: self.payload,
            at: self.at,
        };
        match cursor.event(code, self.time) {
            Ok(event) => {
                self.at = cursor.at;
                self.time = event.time;
                Some(Ok(event))
            }
            Err(error) => {
                self.at = self.payload.len();
                let cut = self.head.missing > 0;
                match error {
                    ReadError::PastBatchEnd { .. } if cut => None,
                    error => Some(Err(error)),
                }
            }
        }
    }
}

/// A position in a payload while one event is decoded.
struct Cursor<'h, 'a> {
    head: &'h BatchHead,
    payload: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'_, 'a> {
    /// Decodes the event that starts here with `code`; `time` is that of the
    /// event before.
    #[inline]
    fn event(&mut self, code: u8, time: u64) -> Result<RawEvent<'a>, ReadError> {
        let start = self.at;
        let place = |at: usize| self.head.place(self.head.payload_offset() + at as u64);
        let version = self.head.version;
        let Some(kind) = EventKind::from_code(code) else {
            return Err(ReadError::UnknownEvent {
                at: place(start),
                code,
            });
        };
        if kind.since() > version {
            return Err(ReadError::NotInVersion {
                at: place(start),
                kind,
                version,
            });
        }
        if !self.head.section.allows(kind, start == 0, version) {
            return Err(ReadError::Misplaced {
                at: place(start),
                kind,
                section: self.head.section,
            });
        }

        self.at += 1;
        let dt = match kind.is_timed() {
            true => self.number(start, kind)?,
            false => 0,
        };
        let mut args = [0; MAX_ARGS];
        for arg in &mut args[..kind.args().len()] {
            *arg = self.number(start, kind)?;
        }
        let data = match kind.shape() {
            Shape::Data => self.string(start, kind, args[0])?,
            Shape::Stack => self.stack(start, kind, args[0], args[1])?,
            _ => &[],
        };
        Ok(RawEvent {
            offset: self.head.payload_offset() + start as u64,
            kind,
            bytes: &self.payload[start..self.at],
            args,
            dt,
            time: time.wrapping_add(dt),
            data,
        })
    }

    /// The text of a string's entry: its length, then as many bytes.
    fn string(&mut self, start: usize, kind: EventKind, id: u64) -> Result<&'a [u8], ReadError> {
        let size = self.number(start, kind)?;
        let Some(len) = usize::try_from(size).ok().filter(|&n| n <= MAX_STRING_SIZE) else {
            let at = self.head.place(self.head.payload_offset() + start as u64);
            return Err(ReadError::StringTooLong { at, id, size });
        };
        let rest = &self.payload[self.at..];
        let text = rest.get(..len).ok_or_else(|| self.past_end(start, kind))?;
        self.at += len;
        Ok(text)
    }

    /// The frames of a stack's entry, still encoded.
    fn stack(
        &mut self,
        start: usize,
        kind: EventKind,
        id: u64,
        frames: u64,
    ) -> Result<&'a [u8], ReadError> {
        if frames > MAX_FRAMES_PER_STACK as u64 {
            let at = self.head.place(self.head.payload_offset() + start as u64);
            return Err(ReadError::TooManyFrames { at, id, frames });
        }
        let first = self.at;
        for _ in 0..frames as usize * FRAME_NUMBERS {
            self.number(start, kind)?;
        }
        Ok(&self.payload[first..self.at])
    }

    /// The number here, part of the event of `kind` that starts at `start`.
    #[inline]
    fn number(&mut self, start: usize, kind: EventKind) -> Result<u64, ReadError> {
        match varint::decode(&self.payload[self.at..]) {
            Ok((value, used)) => {
                self.at += used;
                Ok(value)
            }
            Err(VarintError::Truncated) => Err(self.past_end(start, kind)),
            Err(VarintError::Overflow) => Err(ReadError::NumberTooLarge {
                at: self.head.place(self.head.payload_offset() + self.at as u64),
            }),
        }
    }

    fn past_end(&self, start: usize, kind: EventKind) -> ReadError {
        ReadError::PastBatchEnd {
            at: self.head.place(self.head.payload_offset() + start as u64),
            kind,
        }
    }
}
