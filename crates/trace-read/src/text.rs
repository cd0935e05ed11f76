//! The text form of raw events, so that traces can be written and read by hand.
//!
//! It is the form that Go's tools have for raw events, line by line: a header, then
//! an event a line, its arguments by name in the order of the file. Bytes that
//! follow an event, and the frames of a stack, have lines of their own. `#`
//! starts a comment, and blank lines mean nothing.
//!
//! ```
//! use trace_read::raw::{Item, RawReader};
//! use trace_read::text;
//!
//! # fn main() -> Result<(), trace_read::ReadError> {
//! let bytes = text::to_bytes(r#"
//! Trace Go1.26
//! EventBatch gen=1 m=7 time=1000
//! GoBlock dt=5 reason_string=1 stack=1    # blocks for good
//! EventBatch gen=1 m=18446744073709551615 time=1000
//! Strings
//! String id=1
//!     data="chan receive"
//! EventBatch gen=1 m=18446744073709551615 time=1000
//! Stacks
//! Stack id=1 nframes=1
//!     pc=4096 func=0 file=0 line=3
//! EndOfGeneration
//! "#)?;
//! let mut reader = RawReader::new(&bytes[..])?;
//! let Some(Item::Batch(batch)) = reader.next_item()? else { panic!() };
//! assert_eq!(batch.events().count(), 1);
//!
//! let text = text::from_bytes(&bytes)?;
//! assert!(text.starts_with("Trace Go1.26\nEventBatch gen=1 m=7 time=1000 size=4\n"));
//! assert_eq!(text::to_bytes(&text)?, bytes);
//! # Ok(())
//! # }
//! ```
//!
//! What the form leaves out: numbers that a writer padded come back as short as
//! they can be. Everything else is the same after a round trip.
//!
//! An `EventBatch` may say how large it is, as its last argument, `size`. What it
//! says is written even if it is wrong. Without it, the size is computed: the
//! batch goes on to the next one, or to the end of the generation or the file.
//!
//! [`to_bytes`] checks how the text is spelled and nothing else: events that the
//! version does not have or that stand where they may not, impossible sizes and
//! numbers are all written, since tests of readers need files that are wrong. Go
//! writes the number of an experiment from 128 so that its own reader cannot read
//! it; here it is written as that reader wants it.

mod names;
mod problem;
mod quote;
mod reader;
mod writer;

pub use names::suffix;
pub use problem::TextProblem;
pub use reader::to_bytes;
pub use writer::{from_bytes, write_header, write_item};
