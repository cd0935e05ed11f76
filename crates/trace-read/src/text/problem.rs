//! What can be wrong with the text of a trace.

use std::fmt;

use trace_format::version::HeaderError;

/// Why a text is not a trace's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextProblem {
    /// The text does not start with a header.
    NoHeader,
    /// The header names a version that cannot be read.
    Version(HeaderError),
    /// There is no event of this name.
    UnknownEvent {
        /// The name.
        name: String,
    },
    /// An argument is missing, or there is another one in its place.
    Argument {
        /// The name of the argument that should stand here.
        expected: String,
        /// What stands here; empty at the end of the line.
        found: String,
    },
    /// The value of an argument is not a number from 0 to 2⁶⁴ − 1.
    Number {
        /// The value.
        found: String,
    },
    /// The number of an experiment takes more than a byte.
    Experiment {
        /// The number.
        id: u64,
    },
    /// Something follows where the line should end.
    Trailing {
        /// What follows.
        found: String,
    },
    /// A line with an event's data should stand here.
    NoData,
    /// A line with a frame of a stack should stand here.
    NoFrame {
        /// The stack's ID.
        id: u64,
        /// Which frame, from 1.
        frame: u64,
        /// How many the stack has.
        frames: u64,
    },
    /// A string does not start with a quotation mark.
    NotQuoted,
    /// A string does not end in its line.
    Unterminated,
    /// There is no such escape sequence in a string.
    Escape,
}

impl fmt::Display for TextProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHeader => {
                f.write_str("the text of a trace starts with a line \"Trace Go1.NN\"")
            }
            Self::Version(error) => error.fmt(f),
            Self::UnknownEvent { name } => write!(f, "there is no event {name:?}"),
            Self::Argument { expected, found } => match found.is_empty() {
                true => write!(f, "the argument {expected}=… is missing"),
                false => write!(f, "the argument {expected}=… should stand here, not {found:?}"),
            },
            Self::Number { found } => write!(
                f,
                "{found:?} is not a number from 0 to {}, written in decimal digits",
                u64::MAX
            ),
            Self::Experiment { id } => {
                write!(f, "there is no experiment {id}: the largest number is 255")
            }
            Self::Trailing { found } => {
                write!(f, "{found:?} is too much: the line should end before it")
            }
            Self::NoData => f.write_str("a line data=\"…\" should stand here"),
            Self::NoFrame { id, frame, frames } => write!(
                f,
                "a line with frame {frame} of the {frames} of stack {id} should stand here"
            ),
            Self::NotQuoted => f.write_str("a string in quotation marks should stand here"),
            Self::Unterminated => f.write_str("the string has no closing quotation mark"),
            Self::Escape => f.write_str(
                "no such escape sequence: there are \\a \\b \\f \\n \\r \\t \\v \\\\ \\\" \\123 \\x1b \\u00e9 \\U0001f600",
            ),
        }
    }
}
