//! What can go wrong with a tool.

use std::fmt;
use std::io;

use trace_read::ReadError;

/// Why a tool could not finish, or finished with only a part of the trace.
#[derive(Debug)]
pub enum ToolError {
    /// The trace, or a part of it, could not be read. What was readable has
    /// been handled all the same.
    Trace {
        /// The first thing wrong with it.
        first: ReadError,
        /// How many further errors there were.
        more: u64,
    },
    /// The output could not be written.
    Output(io::Error),
}

impl ToolError {
    /// Whether the reader of the output has gone away, which is no failure: it
    /// has seen all that it wanted to see.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl From<ReadError> for ToolError {
    fn from(first: ReadError) -> Self {
        Self::Trace { first, more: 0 }
    }
}

impl From<io::Error> for ToolError {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trace { first, more: 0 } => first.fmt(f),
            Self::Trace { first, more } => write!(f, "{first} (and {more} more errors)"),
            Self::Output(error) => write!(f, "cannot write the output: {error}"),
        }
    }
}

impl std::error::Error for ToolError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Trace { first, .. } => Some(first),
            Self::Output(error) => Some(error),
        }
    }
}
