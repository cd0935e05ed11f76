//! The generation layer: each worker's batches, still encoded, and what they
//! refer to.
//!
//! ```text
//! Read ──► Generations ──► Generation ──► workers ──► raw::Batch ──► raw::RawEvent
//!             (raw)            └────────► tables, samples, clock
//! ```
//!
//! A generation is the least that can be made sense of by itself: its strings and
//! stacks may come last, so all of it is read before any of it is handed out. What
//! its events mean, and in which order they come, is not looked at here; that is
//! done by [`order`](crate::order).
//!
//! ```
//! use trace_read::generation::Generations;
//! use trace_read::{ReadError, text};
//!
//! # fn main() -> Result<(), ReadError> {
//! let file = text::to_bytes(r#"
//! Trace Go1.22
//! EventBatch gen=1 m=7 time=1000
//! GoBlock dt=5 reason_string=1 stack=0
//! EventBatch gen=1 m=18446744073709551615 time=1000
//! Strings
//! String id=1
//!     data="chan receive"
//! EventBatch gen=1 m=18446744073709551615 time=1000
//! Frequency freq=1000000
//! "#)?;
//! for generation in Generations::new(&file[..])? {
//!     for worker in generation.workers() {
//!         for batch in generation.batches(worker) {
//!             let mut time = generation.nanos(batch.head().header.time);
//!             for event in batch.events() {
//!                 let event = event?;
//!                 let dt = generation.nanos(event.dt().unwrap_or(0));
//!                 time = time.wrapping_add(dt);
//!                 let reason = generation.tables().string(event.args()[0]);
//!                 assert_eq!((time, reason), (1_005_000, Some("chan receive")));
//!             }
//!         }
//!     }
//!     if let Some(error) = generation.into_broken() {
//!         return Err(error);
//!     }
//! }
//! # Ok(())
//! # }
//! ```

use std::num::NonZeroU32;

use trace_format::Version;

use crate::clock::Clock;
use crate::error::ReadError;
use crate::event::{ClockSnapshot, ProcId, TaskId, WorkerId};
use crate::ids::{SlotMap, empty};
use crate::raw::{Batch, BatchHead};
use crate::reader::Allow;
use crate::step::{NONE, known};
use crate::tables::Tables;

mod build;

pub use build::Generations;

/// A generation in memory. Made by [`Generations`].
#[derive(Debug)]
pub struct Generation {
    pub(crate) number: u64,
    pub(crate) version: Version,
    /// The batches of events, one after another, headers included.
    pub(crate) bytes: Vec<u8>,
    /// One for each of them.
    pub(crate) batches: Vec<EventBatch>,
    /// The workers in the order of their first batches.
    pub(crate) lanes: Vec<Lane>,
    /// CPU samples by time.
    pub(crate) samples: Vec<Sample>,
    pub(crate) tables: Tables,
    pub(crate) clock: Clock,
    /// The earliest time of a batch.
    pub(crate) start: i64,
    /// Where in the file reading has got to.
    pub(crate) end: u64,
    /// Whether its end was not seen, so that there may be more of it.
    pub(crate) is_cut: bool,
    /// Why there is not more of it, or not all is right with it.
    pub(crate) broken: Option<ReadError>,
    /// Whether there is memory to put its events in order with.
    pub(crate) allow: Allow,
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

/// A CPU sample: a task was running there, by the sampler's clock.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// First in clock units, then in nanoseconds.
    pub(crate) time: i64,
    pub(crate) worker: u64,
    pub(crate) proc: u64,
    pub(crate) task: u64,
    pub(crate) stack: u64,
    /// Where in the file it stands.
    pub(crate) offset: u64,
}

impl Generation {
    /// Its number, from 1. 0 if the file ends before its first batch.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The file's version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Its strings, stacks and data of experiments.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// So many units of its clock in nanoseconds, a fraction dropped.
    ///
    /// An event's time is that of its batch and all differences up to its own, each
    /// converted by itself and added as wrapping numbers: so Go's reader has it, and
    /// so has ours. What does not fit into 63 bits is 2⁶³.
    pub fn nanos(&self, units: u64) -> u64 {
        self.clock.time(units) as u64
    }

    /// The time of its earliest batch, nanoseconds of the trace's clock.
    pub fn start(&self) -> u64 {
        self.start as u64
    }

    /// All clocks at one moment of the generation. Since 1.25.
    pub fn snapshot(&self) -> Option<ClockSnapshot> {
        self.tables.clock
    }

    /// Its CPU samples by time.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// The workers that have events, in the order of their first batches. Among
    /// them is `None` if there are batches of no worker.
    pub fn workers(&self) -> impl ExactSizeIterator<Item = Option<WorkerId>> {
        self.lanes.iter().map(|lane| known(lane.id).map(WorkerId))
    }

    /// A worker's batches of events in the order of the file, without empty ones.
    /// Those of no worker for `None`.
    pub fn batches(&self, worker: Option<WorkerId>) -> impl Iterator<Item = Batch<'_>> {
        let id = worker.map_or(NONE, |worker| worker.0);
        let lane = self.lane_of.get(&id);
        let first = lane.map(|&lane| self.lanes[lane as usize].first);
        let mut next = first.map(|first| &self.batches[first as usize]);
        std::iter::from_fn(move || {
            let entry = next?;
            next = entry.next.map(|next| &self.batches[next.get() as usize]);
            let end = entry.start + entry.head.len();
            Some(entry.head.with_bytes(&self.bytes[entry.start..end]))
        })
    }

    /// The first thing that was wrong when it was read. What is there of it can be
    /// used as far as it goes; names and stacks may be missing.
    pub fn broken(&self) -> Option<&ReadError> {
        self.broken.as_ref()
    }

    /// As [`broken`](Self::broken), to be passed on.
    pub fn into_broken(self) -> Option<ReadError> {
        self.broken
    }

    /// Whether its end was not seen: the file ends in it, or what follows cannot be
    /// read. Then there may be events that are not here, and strings and stacks.
    ///
    /// Before 1.26 the last generation of a file has no end that could be seen.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Bytes that it takes in memory.
    pub fn held(&self) -> usize {
        self.bytes.len()
            + size_of_val(&self.batches[..])
            + size_of_val(&self.lanes[..])
            + size_of_val(&self.samples[..])
            + self.tables.held()
    }

    /// An empty one.
    pub(crate) fn new(version: Version) -> Self {
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
            end: 0,
            is_cut: true,
            broken: None,
            allow: || true,
            lane_of: SlotMap::default(),
        }
    }

    /// Whether nothing can be read from it.
    pub(crate) fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.samples.is_empty()
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
        self.is_cut = true;
        self.broken = None;
        empty(&mut self.lane_of);
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

impl Sample {
    /// When, in nanoseconds of the trace's clock.
    pub fn time(&self) -> u64 {
        self.time as u64
    }

    /// The worker that was interrupted.
    pub fn worker(&self) -> Option<WorkerId> {
        known(self.worker).map(WorkerId)
    }

    /// The proc which it held.
    pub fn proc(&self) -> Option<ProcId> {
        known(self.proc).map(ProcId)
    }

    /// The task which it ran.
    pub fn task(&self) -> Option<TaskId> {
        known(self.task).map(TaskId)
    }

    /// Where it was: the ID of a stack, for [`Tables::stack`]. 0 for none.
    pub fn stack_id(&self) -> u64 {
        self.stack
    }

    /// Where in the file the sample stands.
    pub fn offset(&self) -> u64 {
        self.offset
    }
}
