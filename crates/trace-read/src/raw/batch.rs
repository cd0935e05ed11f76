//! A batch as it lies in the file, and what kinds of batches there are.

use std::fmt;

use trace_format::{BatchHeader, EventKind, Version};

use crate::error::Place;
use crate::raw::decode::RawEvents;

/// What a batch holds, as its header and first byte say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Section {
    /// A thread's events.
    Events,
    /// Entries of the stack table.
    Stacks,
    /// Entries of the string table.
    Strings,
    /// CPU samples.
    CpuSamples,
    /// The clock's frequency and, since 1.25, a snapshot of the clocks.
    Sync,
    /// Data of an experiment, not made of events.
    Experiment,
}

impl Section {
    /// What a batch with this experiment and first byte holds.
    ///
    /// Go's reader takes experiment 0 for no experiment, and so do we.
    pub(super) fn of(experiment: Option<u8>, first: Option<u8>, version: Version) -> Self {
        if experiment.is_some_and(|id| id != 0) {
            return Self::Experiment;
        }
        match first.and_then(EventKind::from_code) {
            Some(EventKind::Stacks) => Self::Stacks,
            Some(EventKind::Strings) => Self::Strings,
            Some(EventKind::CPUSamples) => Self::CpuSamples,
            Some(EventKind::Sync) if version.has_sync_batch() => Self::Sync,
            Some(EventKind::Frequency) if !version.has_sync_batch() => Self::Sync,
            _ => Self::Events,
        }
    }

    /// Whether an event of this kind may stand here.
    ///
    /// `first` says that it is the batch's first event. A section that has a
    /// marker starts with it and has no second one.
    pub(super) const fn allows(self, kind: EventKind, first: bool, version: Version) -> bool {
        match (self, kind) {
            (Self::Events, EventKind::ClockSnapshot) => false,
            (Self::Events, _) => kind.is_timed(),
            (Self::Stacks, EventKind::Stacks)
            | (Self::Strings, EventKind::Strings)
            | (Self::CpuSamples, EventKind::CPUSamples)
            | (Self::Sync, EventKind::Sync) => first,
            (Self::Stacks, EventKind::Stack)
            | (Self::Strings, EventKind::String)
            | (Self::CpuSamples, EventKind::CPUSample)
            | (Self::Sync, EventKind::Frequency) => true,
            (Self::Sync, EventKind::ClockSnapshot) => version.has_sync_batch(),
            _ => false,
        }
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Events => "events",
            Self::Stacks => "stacks",
            Self::Strings => "strings",
            Self::CpuSamples => "CPU samples",
            Self::Sync => "clock data",
            Self::Experiment => "an experiment",
        })
    }
}

/// A batch without its bytes: what is needed to read them later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHead {
    /// Where in the file the batch starts.
    pub offset: u64,
    /// Generation, thread and base time.
    pub header: BatchHeader,
    /// The experiment's number, if the batch is framed as an experiment's.
    pub experiment: Option<u8>,
    /// What it holds.
    pub section: Section,
    /// The file's version, which decides about events.
    pub version: Version,
    /// Bytes of the payload that the file, being cut off, does not have. The
    /// batch is then shorter than its header says, and the reader reports the
    /// cut right after it.
    pub missing: u32,
    pub(super) header_len: u32,
    pub(super) payload_len: u32,
}

impl BatchHead {
    /// Length of the batch, its header included, bytes.
    #[expect(clippy::len_without_is_empty, reason = "a batch has a header")]
    pub fn len(&self) -> usize {
        (self.header_len + self.payload_len) as usize
    }

    /// Where in the file the payload starts.
    pub fn payload_offset(&self) -> u64 {
        self.offset + u64::from(self.header_len)
    }

    /// Joins the head with the bytes that were read with it.
    ///
    /// # Panics
    ///
    /// If there are not [`len`](Self::len) bytes.
    pub fn with_bytes(self, bytes: &[u8]) -> Batch<'_> {
        assert_eq!(bytes.len(), self.len(), "bytes of another batch");
        Batch { head: self, bytes }
    }

    /// The place `offset` bytes from the start of the file, in this batch.
    pub(super) fn place(&self, offset: u64) -> Place {
        Place {
            offset,
            generation: Some(self.header.generation),
            thread: Some(self.header.thread),
        }
    }
}

/// A batch, with its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    head: BatchHead,
    bytes: &'a [u8],
}

impl<'a> Batch<'a> {
    /// Everything but the bytes.
    pub fn head(&self) -> &BatchHead {
        &self.head
    }

    /// The batch as it stands in the file, header included.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// What follows the header.
    pub fn payload(&self) -> &'a [u8] {
        &self.bytes[self.head.header_len as usize..]
    }

    /// The events in it, none for an experiment's batch.
    pub fn events(&self) -> RawEvents<'a> {
        RawEvents::new(self.head, self.payload())
    }
}

/// The mark that ends a generation, one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Where in the file it stands.
    pub offset: u64,
    /// The generation that it ends.
    pub generation: u64,
}

/// What a file is made of after its header, without the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// A batch.
    Batch(BatchHead),
    /// The end of a generation. Only since 1.26.
    EndOfGeneration(Mark),
}

/// What a file is made of after its header.
#[derive(Clone, Copy, Debug)]
pub enum Item<'a> {
    /// A batch.
    Batch(Batch<'a>),
    /// The end of a generation. Only since 1.26.
    EndOfGeneration(Mark),
}
