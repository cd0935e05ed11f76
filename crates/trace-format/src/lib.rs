//! The Go execution trace v2 wire format, stated once.
//!
//! The writer (`runtime-trace`) and the reader (`trace-read`) both build on
//! these tables, so they cannot disagree about a code, an argument or a limit.
//! The format has no specification besides the Go sources; `docs/format.md`
//! describes the bytes in words, with worked examples.
//!
//! ```text
//! file       = header  generation*
//! header     = "go 1.26 trace" 00 00 00                       version.rs
//! generation = batch+ [EndOfGeneration]                       (the mark since 1.26)
//! batch      = EventBatch  gen  thread  time  size  payload   batch.rs
//! payload    = event+  |  Stacks stack*  |  Strings string*  |  Sync ...
//! event      = kind  dt  argument*                            event.rs
//! ```
//!
//! Every number is an unsigned LEB128 [`varint`]. The crate is `no_std`, has no
//! dependencies and allocates nothing.

#![forbid(unsafe_code)]
#![no_std]

pub mod batch;
pub mod end;
pub mod event;
pub mod limits;
pub mod loss;
pub mod reason;
pub mod status;
pub mod varint;
pub mod version;

pub use batch::BatchHeader;
pub use event::{Arg, ArgKind, EventKind, Shape};
pub use reason::{BlockReason, StopReason};
pub use status::{ProcStatus, TaskStatus};
pub use version::Version;
