//! Reads Go execution traces of the v2 format, ours and Go's.
//!
//! The crate is a stack of layers, each usable by itself. Today there is the
//! lowest one:
//!
//! ```text
//! bytes ──► raw ──► batches and raw events, nothing interpreted, nothing lost
//! ```
//!
//! [`raw`] knows how bytes are framed and which event may stand where, and no
//! more: that a string ID exists, that a task runs before it blocks, that
//! sequence numbers fit together is for layers above it to say. Whatever it
//! hands out carries the byte offset it was found at, and so does every
//! [`ReadError`].
//!
//! ```
//! use trace_read::raw::{Item, RawReader};
//!
//! fn count(file: impl std::io::Read) -> Result<u64, trace_read::ReadError> {
//!     let mut reader = RawReader::new(file)?;
//!     let mut events = 0;
//!     while let Some(item) = reader.next_item()? {
//!         if let Item::Batch(batch) = item {
//!             for event in batch.events() {
//!                 events += u64::from(event?.kind.is_timed());
//!             }
//!         }
//!     }
//!     Ok(events)
//! }
//! # let header = trace_format::Version::Go125.header();
//! # assert_eq!(count(&header[..]).unwrap(), 0);
//! ```

mod error;
pub mod raw;

pub use error::{CutIn, Place, ReadError};
