//! The raw layer: bytes to batches to events, and nothing thrown away.
//!
//! ```text
//! Read ──► RawReader ──► Item::Batch(Batch) ──► RawEvents ──► RawEvent
//!              │              head + bytes         borrowing from the batch
//!              └───────► Item::EndOfGeneration(Mark)
//!
//! Write ◄── RawWriter ◄── Item, or a BatchHeader with a Payload of new events
//! ```
//!
//! [`RawReader`] holds one batch at a time, at most 64 KiB, whatever the size
//! of the file. A layer that needs several batches at once has them appended to
//! a buffer of its own with [`RawReader::read_into`] and keeps the [`BatchHead`]s.
//!
//! Nothing is lost: a file is its header, then the [`bytes`](Batch::bytes) of
//! its batches and one byte a mark, and a batch is its header's bytes, then the
//! [`bytes`](RawEvent::bytes) of its events (or, for an experiment's batch, its
//! data). Numbers that a writer padded are seen there as it wrote them.
//!
//! What is checked here is only what is needed to find the next event: framing,
//! limits, the order of generations, that the file's version has the event, and
//! that it may stand in such a batch.

mod batch;
mod decode;
mod event;
mod number;
mod reader;
mod writer;

pub use batch::{Batch, BatchHead, Head, Item, Mark, Section};
pub use decode::RawEvents;
pub(crate) use decode::{TIMED, WINDOW};
pub use event::{Frames, RawEvent, StackFrame};
pub(crate) use number::quick as quick_number;
pub use reader::RawReader;
pub use writer::{Payload, RawWriter};

pub(crate) use writer::push;
