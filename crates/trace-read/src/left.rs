//! What is left of a generation that is cut off.
//!
//! A program that is killed leaves a generation in which batches, strings and
//! stacks are missing that it still had in memory. A worker's events are told up to
//! the first that would need one of the missing ones to come before. It and those
//! behind it are what is left of the worker's.

use trace_format::EventKind;

use crate::event::WorkerId;

/// A worker's events that could not be put in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// The worker. `None` for the events of no worker.
    pub worker: Option<WorkerId>,
    /// How many events of it there are.
    pub events: u64,
    /// When the first of them was, nanoseconds of the trace's clock.
    pub from: u64,
    /// The kind of the first.
    pub kind: EventKind,
    /// Where in the file it starts.
    pub offset: u64,
}

/// How many strings and stacks are referred to that are not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Strings, by ID.
    pub strings: u64,
    /// Stacks, by ID.
    pub stacks: u64,
}
