//! Reads Go execution traces of the v2 format, ours and Go's.
//!
//! The crate is a stack of layers, each usable by itself:
//!
//! ```text
//! bytes ◄──► raw ──► batches and raw events, nothing interpreted, nothing lost
//!  text ◄──►  │                                 raw::RawReader, text::to_bytes
//!             ▼
//!         generation   each worker's batches, strings, stacks, samples, clock
//!             │        generation::Generations, generation::Generation, Tables
//!             ▼
//!           order      workers merged by sequence numbers and a state machine
//!             │                                                 order::Ordered
//!             ▼
//!           event      typed events with names and stacks        Reader, Event
//! ```
//!
//! [`raw`] knows how bytes are framed and which event may stand where, and no
//! more; [`text`] is the same in a form for people. [`generation`] has what events
//! refer to by number, and [`order`] puts the events of generations in order.
//! [`Reader`] is all of them together, over a file. It says what happened, in an
//! order in which it can have happened: one [`Event`] after the other, whatever the
//! size of the file, with one generation in memory at a time. [`Reader::events`] is
//! an iterator of events that may be kept, and [`Reader::ahead`] has a thread read
//! ahead.
//!
//! ```
//! use std::{collections::HashMap, io::Read};
//! use trace_read::{Kind, ReadError, Reader, event::{TaskId, TaskState}};
//!
//! /// The longest time that a task was ready and waited to run, nanoseconds.
//! fn longest_wait(file: impl Read) -> Result<Option<(u64, TaskId)>, ReadError> {
//!     let mut reader = Reader::new(file)?;
//!     let mut ready = HashMap::new();
//!     let mut longest = None;
//!     while let Some(event) = reader.next_event()? {
//!         if let Kind::Task(change) = event.kind {
//!             if change.to == TaskState::Runnable {
//!                 ready.entry(change.task).or_insert(event.time);
//!             } else if let Some(since) = ready.remove(&change.task) {
//!                 longest = longest.max(Some((event.time - since, change.task)));
//!             }
//!         }
//!     }
//!     Ok(longest)
//! }
//! # let trace = trace_read::text::to_bytes(r#"
//! # Trace Go1.22
//! # EventBatch gen=1 m=1 time=0
//! # Frequency freq=1000000000
//! # EventBatch gen=1 m=1 time=0
//! # ProcStatus dt=1 p=0 pstatus=1
//! # GoStatus dt=1 g=1 m=1 gstatus=2
//! # GoCreate dt=8 new_g=2 new_stack=0 stack=0
//! # GoStop dt=5 reason_string=0 stack=0
//! # GoStart dt=20 g=2 g_seq=1
//! # GoDestroy dt=5
//! # GoStart dt=10 g=1 g_seq=1
//! # "#).unwrap();
//! # assert_eq!(longest_wait(&trace[..]).unwrap(), Some((35, TaskId(1))));
//! ```
//!
//! Whatever a file says wrong is a [`ReadError`] with its [`Place`]: byte,
//! generation, worker, and the event where there is one. Before the error comes
//! everything that could be read in spite of it, see [`Reader`].
//!
//! # Memory
//!
//! Reading takes at most 48 bytes of memory for each byte of the file, and half a
//! MiB besides, whatever the bytes are: `tests/memory.rs` holds it to that with
//! files made to take much. The worst is a file of workers with one event each. A
//! usual one takes its largest generation, once more if read
//! [`ahead`](Reader::ahead), and about a hundred bytes for each task that lives.

#![forbid(unsafe_code)]

// The tests' own modules name the crate as those outside do.
#[cfg(test)]
extern crate self as trace_read;

mod clock;
mod contradiction;
mod cursor;
mod error;
pub mod event;
mod frontier;
pub mod generation;
mod ids;
mod left;
mod merge;
pub mod order;
pub mod raw;
mod reader;
mod step;
mod steps;
pub mod tables;
pub mod text;

pub use contradiction::Contradiction;
pub use error::{CutIn, Place, ReadError};
pub use event::{
    ClockSnapshot, Event, Kind, Metric, ProcId, ProcState, ProcTransition, Scope, TaskId,
    TaskState, TaskTransition, UserTaskId, WorkerId,
};
pub use left::{Left, Missing};
pub use reader::{Allow, Events, Observer, OwnedEvent, Reader};
pub use tables::{Frame, Stack, Tables};
