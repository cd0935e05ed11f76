//! Looks at execution traces: reads events, analyses them, prints the outcome.
//!
//! ```text
//! trace-read ──► walk ──► analysis (Summary) ──► renderer ──► io::Write
//! ```
//!
//! An analysis gathers numbers and prints nothing; a renderer is a small
//! function that prints an analysis, or the events as they pass, and computes
//! nothing. [`dump`] is the first tool made of them.

pub mod dump;
mod error;
mod summary;
mod walk;

pub use error::ToolError;
pub use summary::{Loss, Summary};
