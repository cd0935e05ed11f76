//! How to run a program.

use std::fs::File;
use std::time::Duration;

use crate::control::TraceRequests;
use crate::interrupt::Interrupt;

/// How to run a program.
#[derive(Debug)]
pub struct Options {
    /// How many procs there are: 1 to [`MAX_WORKERS`].
    pub workers: u32,
    /// What `args()` gives.
    pub args: Vec<String>,
    /// Where to record a trace from before the start, if at all.
    pub trace: Option<TraceOptions>,
    /// What starts and stops traces while the program runs; made by
    /// [`trace_control`](crate::trace_control).
    pub control: Option<TraceRequests>,
    /// Whether output is flushed after each line, as for a terminal. Otherwise
    /// it is flushed when it has grown, when all tasks wait, and at the end.
    pub flush_lines: bool,
    /// What stops the program from outside.
    pub interrupt: Option<&'static Interrupt>,
}

/// How to record a trace.
#[derive(Debug)]
pub struct TraceOptions {
    /// The file it goes to, open for writing.
    pub file: File,
    /// The version of the format.
    pub version: TraceVersion,
    /// How long a generation lasts.
    pub period: Duration,
}

/// A version of the trace format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TraceVersion {
    /// As Go 1.25 writes it.
    Go125,
    /// As Go 1.26 writes it: the end of each generation is marked.
    #[default]
    Go126,
}

/// The most workers a program can have.
pub const MAX_WORKERS: u32 = 256;

impl Options {
    /// The defaults, for so many workers: no arguments, no trace.
    pub fn new(workers: u32) -> Self {
        Options {
            workers,
            args: Vec::new(),
            trace: None,
            control: None,
            flush_lines: false,
            interrupt: None,
        }
    }
}
