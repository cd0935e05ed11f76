//! What can be wrong with a trace, and where.

use std::fmt;
use std::io;

use trace_format::limits::{MAX_BATCH_SIZE, MAX_FRAMES_PER_STACK, MAX_STRING_SIZE, NO_THREAD};
use trace_format::version::HeaderError;
use trace_format::{EventKind, Version};

use crate::contradiction::Contradiction;
use crate::raw::Section;
use crate::text::TextProblem;

/// A place in a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Bytes from the start of the file.
    pub offset: u64,
    /// The generation there, if it is known.
    pub generation: Option<u64>,
    /// The thread whose batch it is in, if it is known.
    pub thread: Option<u64>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}", self.offset)?;
        if let Some(generation) = self.generation {
            write!(f, ", generation {generation}")?;
        }
        match self.thread {
            Some(NO_THREAD) => f.write_str(", no thread"),
            Some(thread) => write!(f, ", thread {thread}"),
            None => Ok(()),
        }
    }
}

/// What a file that is cut off ends in the middle of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutIn {
    /// The file's header.
    Header,
    /// The header of a batch.
    BatchHeader,
    /// A batch, after its header.
    Payload,
}

impl fmt::Display for CutIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "the file header",
            Self::BatchHeader => "the header of a batch",
            Self::Payload => "a batch",
        })
    }
}

/// Why a trace, or the rest of one, cannot be read.
///
/// `at` is where the offending bytes start; for a file that ends too early it
/// is the file's end.
#[derive(Debug)]
pub enum ReadError {
    /// The file does not start as a readable trace does.
    Header(HeaderError),
    /// The file ends in the middle of something.
    CutOff {
        /// The file's end.
        at: Place,
        /// What it ends in.
        inside: CutIn,
    },
    /// The file ends before the generation's end-of-generation mark.
    MissingEnd {
        /// The file's end.
        at: Place,
    },
    /// A batch should start here and does not.
    NotABatch {
        /// The byte instead.
        at: Place,
        /// Its value.
        code: u8,
    },
    /// A batch is larger than the format allows.
    BatchTooLarge {
        /// The batch.
        at: Place,
        /// Its size, bytes.
        size: u64,
    },
    /// A batch claims generation 0, which no batch may.
    GenerationZero {
        /// The batch.
        at: Place,
    },
    /// A batch's generation neither continues the one before nor follows it.
    GenerationOrder {
        /// The batch.
        at: Place,
        /// The generation of the batch before.
        before: u64,
    },
    /// A batch of another generation, and the one before has no end mark yet.
    GenerationNotEnded {
        /// The batch.
        at: Place,
        /// The generation of the batch before.
        before: u64,
    },
    /// An end-of-generation mark without a batch before it.
    EmptyGeneration {
        /// The mark.
        at: Place,
    },
    /// A byte that no version of the format has as an event.
    UnknownEvent {
        /// The byte.
        at: Place,
        /// Its value.
        code: u8,
    },
    /// An event that the file's version does not have.
    NotInVersion {
        /// The event.
        at: Place,
        /// Its kind.
        kind: EventKind,
        /// The file's version.
        version: Version,
    },
    /// An event that may not stand in this kind of batch.
    Misplaced {
        /// The event.
        at: Place,
        /// Its kind.
        kind: EventKind,
        /// What the batch holds.
        section: Section,
    },
    /// An event that runs past the end of its batch.
    PastBatchEnd {
        /// The event.
        at: Place,
        /// Its kind.
        kind: EventKind,
    },
    /// A number that does not fit in 64 bits.
    NumberTooLarge {
        /// The number.
        at: Place,
    },
    /// A string that is longer than the format allows.
    StringTooLong {
        /// The string's entry.
        at: Place,
        /// Its string ID.
        id: u64,
        /// Its length, bytes.
        size: u64,
    },
    /// A stack that has more frames than the format allows.
    TooManyFrames {
        /// The stack's entry.
        at: Place,
        /// Its stack ID.
        id: u64,
        /// How many frames it claims.
        frames: u64,
    },
    /// A string has the number of another one of its generation, or 0, which is
    /// the empty one.
    DuplicateString {
        /// The string's entry.
        at: Place,
        /// Its string ID.
        id: u64,
    },
    /// A stack has the number of another one of its generation, or 0, which is
    /// the empty one.
    DuplicateStack {
        /// The stack's entry.
        at: Place,
        /// Its stack ID.
        id: u64,
    },
    /// A generation says twice how fast its clock is.
    SecondFrequency {
        /// The second time.
        at: Place,
    },
    /// A generation has two clock snapshots.
    SecondClock {
        /// The second one.
        at: Place,
    },
    /// A generation does not say how fast its clock is.
    MissingFrequency {
        /// Where it ends.
        at: Place,
    },
    /// A generation has no clock snapshot, which its version must have.
    MissingClock {
        /// Where it ends.
        at: Place,
    },
    /// A string ID that is not in the generation's table.
    UnknownString {
        /// The event or the stack.
        at: Place,
        /// Its kind.
        kind: EventKind,
        /// The string ID.
        id: u64,
    },
    /// A stack ID that is not in the generation's table.
    UnknownStack {
        /// The event.
        at: Place,
        /// Its kind.
        kind: EventKind,
        /// The stack ID.
        id: u64,
    },
    /// An event whose turn came and that cannot have happened.
    Impossible {
        /// The event.
        at: Place,
        /// Its kind.
        kind: EventKind,
        /// Why not.
        what: Box<Contradiction>,
    },
    /// Every worker's next event waits for another event that does not come.
    Stuck {
        /// The earliest of them.
        at: Place,
        /// Its kind.
        kind: EventKind,
        /// How many workers have one.
        workers: u64,
    },
    /// In a generation that is cut off, so many events were tried before those that
    /// they wait for that to go on would take too long. No tracer writes such a trace.
    Tangled {
        /// The earliest event that waits.
        at: Place,
        /// Its kind.
        kind: EventKind,
        /// How many workers have events.
        workers: u64,
    },
    /// To read on takes memory that is not there, or that
    /// [`Reader::within`](crate::Reader::within) does not allow.
    Memory {
        /// How far reading got.
        at: Place,
    },
    /// The text of a trace is spelled wrongly.
    Text {
        /// The offending part, in bytes of the text.
        at: Place,
        /// Its line, from 1.
        line: u64,
        /// Where in the line it starts, in characters, from 1.
        column: u64,
        /// What is wrong.
        problem: TextProblem,
    },
    /// The file could not be read.
    Io {
        /// How far reading got.
        at: Place,
        /// What the system said.
        error: io::Error,
    },
}

impl ReadError {
    /// Where the trouble is.
    pub fn place(&self) -> Place {
        match self {
            Self::Header(_) => Place::default(),
            Self::CutOff { at, .. }
            | Self::MissingEnd { at }
            | Self::NotABatch { at, .. }
            | Self::BatchTooLarge { at, .. }
            | Self::GenerationZero { at }
            | Self::GenerationOrder { at, .. }
            | Self::GenerationNotEnded { at, .. }
            | Self::EmptyGeneration { at }
            | Self::UnknownEvent { at, .. }
            | Self::NotInVersion { at, .. }
            | Self::Misplaced { at, .. }
            | Self::PastBatchEnd { at, .. }
            | Self::NumberTooLarge { at }
            | Self::StringTooLong { at, .. }
            | Self::TooManyFrames { at, .. }
            | Self::DuplicateString { at, .. }
            | Self::DuplicateStack { at, .. }
            | Self::SecondFrequency { at }
            | Self::SecondClock { at }
            | Self::MissingFrequency { at }
            | Self::MissingClock { at }
            | Self::UnknownString { at, .. }
            | Self::UnknownStack { at, .. }
            | Self::Impossible { at, .. }
            | Self::Stuck { at, .. }
            | Self::Tangled { at, .. }
            | Self::Memory { at }
            | Self::Text { at, .. }
            | Self::Io { at, .. } => *at,
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { line, column, .. } => write!(f, "line {line}, column {column}: ")?,
            _ => write!(f, "{}: ", self.place())?,
        }
        match self {
            Self::Header(error) => error.fmt(f),
            Self::CutOff { inside, .. } => {
                write!(f, "the file is cut off: it ends inside {inside}")
            }
            Self::MissingEnd { .. } => f.write_str(
                "the file is cut off: it ends without the mark that ends the generation",
            ),
            Self::NotABatch { code, .. } => match EventKind::from_code(*code) {
                Some(kind) => write!(
                    f,
                    "a batch should start here, not the event {}",
                    kind.name()
                ),
                None => write!(f, "a batch should start here, not the byte {code:#04x}"),
            },
            Self::BatchTooLarge { size, .. } => write!(
                f,
                "a batch of {size} bytes: at most {MAX_BATCH_SIZE} are allowed"
            ),
            Self::GenerationZero { .. } => {
                f.write_str("a batch of generation 0: generations count from 1")
            }
            Self::GenerationOrder { before, .. } => write!(
                f,
                "a batch out of order: the one before is of generation {before}"
            ),
            Self::GenerationNotEnded { before, .. } => write!(
                f,
                "a batch out of order: generation {before} has not been ended yet"
            ),
            Self::EmptyGeneration { .. } => {
                f.write_str("a generation ends here without having a single batch")
            }
            Self::UnknownEvent { code, .. } => {
                write!(f, "no event has the code {code:#04x}")
            }
            Self::NotInVersion { kind, version, .. } => write!(
                f,
                "the event {} came with {}; this file says it is {version}",
                kind.name(),
                kind.since()
            ),
            Self::Misplaced { kind, section, .. } => write!(
                f,
                "the event {} may not stand in a batch of {section}",
                kind.name()
            ),
            Self::PastBatchEnd { kind, .. } => write!(
                f,
                "the event {} does not end before its batch does",
                kind.name()
            ),
            Self::NumberTooLarge { .. } => f.write_str("a number that does not fit in 64 bits"),
            Self::StringTooLong { id, size, .. } => write!(
                f,
                "string {id} has {size} bytes: at most {MAX_STRING_SIZE} are allowed"
            ),
            Self::TooManyFrames { id, frames, .. } => write!(
                f,
                "stack {id} has {frames} frames: at most {MAX_FRAMES_PER_STACK} are allowed"
            ),
            Self::DuplicateString { id: 0, .. } => {
                f.write_str("a string with the ID 0, which is the empty string's")
            }
            Self::DuplicateString { id, .. } => {
                write!(f, "a second string with the ID {id} in the generation")
            }
            Self::DuplicateStack { id: 0, .. } => {
                f.write_str("a stack with the ID 0, which is the empty stack's")
            }
            Self::DuplicateStack { id, .. } => {
                write!(f, "a second stack with the ID {id} in the generation")
            }
            Self::SecondFrequency { .. } => {
                f.write_str("the clock's frequency is given twice in the generation")
            }
            Self::SecondClock { .. } => f.write_str("a second clock snapshot in the generation"),
            Self::MissingFrequency { .. } => f.write_str(
                "the generation ends without the clock's frequency: its times mean nothing",
            ),
            Self::MissingClock { .. } => {
                f.write_str("the generation ends without a clock snapshot")
            }
            Self::UnknownString { kind, id, .. } => write!(
                f,
                "the event {} refers to string {id}, which the generation does not have",
                kind.name()
            ),
            Self::UnknownStack { kind, id, .. } => write!(
                f,
                "the event {} refers to stack {id}, which the generation does not have",
                kind.name()
            ),
            Self::Impossible { kind, what, .. } => {
                write!(f, "the event {} cannot have happened: {what}", kind.name())
            }
            Self::Stuck { kind, workers, .. } => {
                write!(f, "the order of events cannot be found: ")?;
                match workers {
                    1 => write!(f, "the event {} waits", kind.name())?,
                    _ => write!(
                        f,
                        "{workers} workers' next events, of which {} is the first, wait",
                        kind.name()
                    )?,
                }
                f.write_str(" for events that the generation does not have")
            }
            Self::Tangled { kind, workers, .. } => write!(
                f,
                "the order of events would take too long to find: {} is the earliest of {workers} \
                 workers' next events, and most of the time nearly all of these wait for others; \
                 the raw events can be read",
                kind.name()
            ),
            Self::Memory { .. } => f.write_str("to read on would take too much memory"),
            Self::Text { problem, .. } => problem.fmt(f),
            Self::Io { error, .. } => write!(f, "cannot read on: {error}"),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Header(error) => Some(error),
            Self::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}
