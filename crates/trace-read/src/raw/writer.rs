//! Back to bytes: a trace is written batch by batch, as read or newly made.
//!
//! Nothing is checked here, as nothing is interpreted on the way in: whoever
//! tests a reader needs files that are wrong.

use std::io::{self, Write};

use trace_format::{BatchHeader, EventKind, Shape, Version, varint};

use crate::raw::batch::Item;
use crate::raw::event::{RawEvent, StackFrame};

/// Writes a trace.
///
/// What [`RawReader`](crate::raw::RawReader) has read is written byte for byte
/// as it was with [`Self::item`]. A new batch is made from a [`Payload`], with
/// all its numbers as short as they can be.
///
/// The writer does not buffer.
#[derive(Debug)]
pub struct RawWriter<W> {
    output: W,
    version: Version,
}

impl<W: Write> RawWriter<W> {
    /// Writes the file's header.
    ///
    /// # Errors
    ///
    /// Whatever `output` says, as for all methods here.
    pub fn new(mut output: W, version: Version) -> io::Result<Self> {
        output.write_all(&version.header())?;
        Ok(Self { output, version })
    }

    /// The file's version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Writes a batch or a mark as it was read.
    ///
    /// # Errors
    ///
    /// Whatever the output says.
    pub fn item(&mut self, item: &Item<'_>) -> io::Result<()> {
        match item {
            Item::Batch(batch) => self.output.write_all(batch.bytes()),
            Item::EndOfGeneration(_) => self.end_of_generation(),
        }
    }

    /// Writes a batch of events.
    ///
    /// # Errors
    ///
    /// Whatever the output says.
    pub fn batch(&mut self, header: &BatchHeader, payload: &Payload) -> io::Result<()> {
        let mut head = vec![EventKind::EventBatch as u8];
        self.framed(&mut head, header, payload.bytes())
    }

    /// Writes a batch of an experiment's data.
    ///
    /// # Errors
    ///
    /// Whatever the output says.
    pub fn experiment(
        &mut self,
        experiment: u8,
        header: &BatchHeader,
        data: &[u8],
    ) -> io::Result<()> {
        let mut head = vec![EventKind::ExperimentalBatch as u8, experiment];
        self.framed(&mut head, header, data)
    }

    /// Writes the mark that ends a generation. Only versions from 1.26 have it.
    ///
    /// # Errors
    ///
    /// Whatever the output says.
    pub fn end_of_generation(&mut self) -> io::Result<()> {
        self.output.write_all(&[EventKind::EndOfGeneration as u8])
    }

    /// The output. Nothing is left to be written.
    pub fn into_inner(self) -> W {
        self.output
    }

    fn framed(&mut self, head: &mut Vec<u8>, header: &BatchHeader, data: &[u8]) -> io::Result<()> {
        let size = data.len() as u64;
        for number in [header.generation, header.thread, header.time, size] {
            push(head, number);
        }
        self.output.write_all(head)?;
        self.output.write_all(data)
    }
}

/// What a batch holds, under construction: encoded events, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload(Vec<u8>);

impl Payload {
    /// A payload without events.
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes so far.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Adds an event that is nothing but its numbers. A timed event's time
    /// difference comes first, then the arguments that [`EventKind::args`] lists.
    ///
    /// # Panics
    ///
    /// If there are more or fewer numbers, or something has to follow them:
    /// [`Self::string`] and [`Self::stack`] add those, and the others frame
    /// batches.
    pub fn event(&mut self, kind: EventKind, numbers: &[u64]) -> &mut Self {
        assert!(
            matches!(kind.shape(), Shape::Section | Shape::Timed | Shape::Plain),
            "{} is not an event of numbers alone",
            kind.name()
        );
        assert_eq!(
            numbers.len(),
            kind.args().len() + usize::from(kind.is_timed()),
            "numbers of {}",
            kind.name()
        );
        self.numbers(kind, numbers.iter().copied())
    }

    /// Adds an entry of the string table.
    pub fn string(&mut self, id: u64, text: &[u8]) -> &mut Self {
        self.numbers(EventKind::String, [id, text.len() as u64]);
        self.0.extend_from_slice(text);
        self
    }

    /// Adds an entry of the stack table, innermost frame first.
    pub fn stack(&mut self, id: u64, frames: &[StackFrame]) -> &mut Self {
        self.numbers(EventKind::Stack, [id, frames.len() as u64]);
        for number in frames.iter().flat_map(StackFrame::numbers) {
            push(&mut self.0, number);
        }
        self
    }

    /// Adds an event as it was read, byte for byte.
    pub fn copy(&mut self, event: &RawEvent<'_>) -> &mut Self {
        self.0.extend_from_slice(event.bytes);
        self
    }

    fn numbers(&mut self, kind: EventKind, numbers: impl IntoIterator<Item = u64>) -> &mut Self {
        self.0.push(kind as u8);
        for number in numbers {
            push(&mut self.0, number);
        }
        self
    }
}

/// Appends a number, as short as it can be.
pub(crate) fn push(out: &mut Vec<u8>, number: u64) {
    let mut encoded = [0; varint::MAX_LEN];
    let used = varint::encode(number, &mut encoded);
    out.extend_from_slice(&encoded[..used]);
}
