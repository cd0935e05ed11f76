//! A generation in memory: each worker's batches, still encoded, and what they
//! refer to.

use std::num::NonZeroU32;

use trace_format::Version;

use crate::clock::Clock;
use crate::error::ReadError;
use crate::ids::SlotMap;
use crate::raw::{BatchHead, Quick, TIMED};
use crate::tables::Tables;

mod build;

pub(crate) use build::Builder;

/// A generation. Made by [`Builder`]; its memory is used again.
#[derive(Debug)]
pub(crate) struct Generation {
    pub number: u64,
    pub version: Version,
    /// The batches of events, one after another, headers included.
    pub bytes: Vec<u8>,
    /// One for each of them.
    pub batches: Vec<EventBatch>,
    /// The workers in the order of their first batches.
    pub lanes: Vec<Lane>,
    /// CPU samples by time.
    pub samples: Vec<Sample>,
    pub tables: Tables,
    pub clock: Clock,
    /// The earliest time of a batch.
    pub start: i64,
    /// Which events may be in a batch.
    pub rows: &'static Quick,
    /// Where in the file reading has got to.
    pub end: u64,
    /// Why there is not more of it, or not all is right with it.
    pub broken: Option<ReadError>,
    /// From a worker's ID to its lane.
    lane_of: SlotMap,
}

/// A batch of events.
#[derive(Debug)]
pub(crate) struct EventBatch {
    pub head: BatchHead,
    /// Where in the generation's bytes it starts.
    pub start: usize,
    /// The worker's next batch. Never the first of all.
    pub next: Option<NonZeroU32>,
}

impl EventBatch {
    /// Where in the generation's bytes the payload starts.
    pub fn payload(&self) -> usize {
        self.start + (self.head.payload_offset() - self.head.offset) as usize
    }
}

/// A worker's batches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lane {
    /// The worker, or [`NO_THREAD`](trace_format::limits::NO_THREAD).
    pub id: u64,
    pub first: u32,
    last: u32,
}

/// A CPU sample.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// First in clock units, then in nanoseconds.
    pub time: i64,
    pub worker: u64,
    pub proc: u64,
    pub task: u64,
    pub stack: u64,
    /// Where in the file it stands.
    pub offset: u64,
}

impl Generation {
    pub fn new(version: Version) -> Self {
        Self {
            number: 0,
            version,
            bytes: Vec::new(),
            batches: Vec::new(),
            lanes: Vec::new(),
            samples: Vec::new(),
            tables: Tables::default(),
            clock: Clock::default(),
            start: 0,
            rows: &TIMED,
            end: 0,
            broken: None,
            lane_of: SlotMap::default(),
        }
    }

    /// Whether nothing can be read from it.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.samples.is_empty()
    }

    /// Bytes that it takes.
    pub fn held(&self) -> usize {
        self.bytes.len()
            + size_of_val(&self.batches[..])
            + size_of_val(&self.lanes[..])
            + size_of_val(&self.samples[..])
            + self.tables.held()
    }

    /// Makes it the one with this number, with nothing in it.
    fn begin(&mut self, number: u64) {
        self.number = number;
        self.bytes.clear();
        self.batches.clear();
        self.lanes.clear();
        self.samples.clear();
        self.tables.clear();
        self.start = 0;
        self.broken = None;
        self.lane_of.clear();
    }

    /// Adds the batch of events whose bytes are the last ones, from `start`.
    fn add_events(&mut self, head: BatchHead, start: usize) {
        // A batch has a header of several bytes, so memory ends before numbers.
        let at = self.batches.len() as u32;
        let next = None;
        self.batches.push(EventBatch { head, start, next });
        let id = head.header.thread;
        let fresh = self.lanes.len() as u32;
        let lane = *self.lane_of.entry(id).or_insert(fresh);
        if lane == fresh {
            let (first, last) = (at, at);
            self.lanes.push(Lane { id, first, last });
            return;
        }
        let lane = &mut self.lanes[lane as usize];
        self.batches[lane.last as usize].next = NonZeroU32::new(at);
        lane.last = at;
    }
}
