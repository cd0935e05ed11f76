//! What can go wrong with a tool.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use trace_read::ReadError;

use crate::escape;
use crate::memory;

use crate::rest::Rest;

/// Why a tool could not finish, or finished with only a part of the trace.
#[derive(Debug)]
pub enum ToolError {
    /// The file cannot be opened.
    Open {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The trace, or a part of it, could not be read. What was readable has
    /// been handled all the same.
    Trace {
        /// The first thing wrong with it.
        first: ReadError,
        /// How many further errors there were.
        more: u64,
    },
    /// The trace is damaged or cut off. What was before has been handled.
    Damaged {
        /// What is wrong with it.
        error: Box<ReadError>,
        /// How many events were there before.
        events: u64,
        /// How many of these are from the generation that is not whole.
        salvaged: u64,
        /// What is left of that one.
        rest: Box<Rest>,
    },
    /// The output could not be written.
    Output(io::Error),
    /// A text that should name a moment and does not.
    Moment {
        /// The text.
        text: Box<str>,
    },
    /// A name that should be that of a kind of event and is not.
    Kind {
        /// The name.
        name: Box<str>,
        /// The names that there are.
        known: Vec<&'static str>,
    },
    /// One of several traces has this problem.
    Of {
        /// Which one.
        path: PathBuf,
        /// What the problem is.
        error: Box<ToolError>,
    },
    /// The file for the output could not be made.
    OutputFile {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl ToolError {
    /// Whether the reader of the output has gone away, which is no failure: it
    /// has seen all that it wanted to see.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The same, with the name of the trace.
    #[must_use]
    pub fn of(self, path: &Path) -> Self {
        match self {
            named @ (Self::Open { .. } | Self::Of { .. }) => named,
            error => Self::Of {
                path: path.to_path_buf(),
                error: Box::new(error),
            },
        }
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
            Self::Open { path, error } => write!(f, "cannot open {}: {error}", escape::file(path)),
            Self::Trace { first, more: 0 } => first.fmt(f),
            Self::Trace { first, more } => write!(f, "{first} (and {more} more errors)"),
            Self::Damaged { error, events, .. } if matches!(**error, ReadError::Memory { .. }) => {
                write!(f, "{error}")?;
                if let Some(allowed) = memory::allowed() {
                    let megabytes = allowed as f64 / 1e6;
                    write!(f, ", of which {megabytes:.1} MB are allowed (--max-memory)")?;
                }
                write!(f, "; {events} events were read before")
            }
            Self::Damaged {
                error,
                events,
                salvaged,
                rest,
            } => write!(
                f,
                "{error}; {events} events were read, {salvaged} of them from the broken \
                 generation{rest}"
            ),
            Self::Output(error) => write!(f, "cannot write the output: {error}"),
            Self::Moment { text } => write!(
                f,
                "{text:?} is no moment: give a time since the start of the trace, with its unit, \
                 as in 1.5ms or 2s (ns, us, ms, s, m, h), or nanoseconds as dumps show them"
            ),
            Self::Kind { name, known } => {
                write!(f, "no kind of event is called {name:?}; there are ")?;
                f.write_str(&known.join(", "))
            }
            Self::Of { path, error } => write!(f, "{}: {error}", escape::file(path)),
            Self::OutputFile { path, error } => {
                write!(f, "cannot write {}: {error}", escape::file(path))
            }
        }
    }
}

impl std::error::Error for ToolError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Trace { first, .. } => Some(first),
            Self::Damaged { error, .. } => Some(&**error),
            Self::Open { error, .. } | Self::Output(error) | Self::OutputFile { error, .. } => {
                Some(error)
            }
            Self::Of { error, .. } => Some(error),
            Self::Moment { .. } | Self::Kind { .. } => None,
        }
    }
}
