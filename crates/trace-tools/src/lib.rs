//! Looks at execution traces: reads events, analyses them, prints the outcome.
//! `rtrace` is the command line over it.
//!
//! ```text
//! input ──► trace-read ──► stream ──► intervals ──► summary, profile, diff, export
//!  files,     events         │         what tasks        │ numbers
//!  gz, zst                   │         did, how long     ▼
//!                            └──► check, dump ──► renderers ──► io::Write
//! ```
//!
//! An analysis gathers numbers and prints nothing; a renderer is a small
//! function that prints an analysis, or the events as they pass, and computes
//! nothing. Memory follows what is alive at a time and the distinct names and
//! stacks, never the length of a trace.

#![forbid(unsafe_code)]

pub mod account;
pub mod check;
pub mod diff;
pub mod dump;
mod error;
pub mod escape;
pub mod export;
pub mod input;
pub mod intervals;
pub mod loss;
pub mod memory;
pub mod notes;
pub mod paint;
pub mod profile;
pub mod reasons;
pub mod rest;
pub mod spread;
pub mod stacks;
pub mod stream;
pub mod summary;
mod table;
pub mod units;
mod walk;
mod wall;

pub use error::ToolError;
