//! What can go wrong in a running program: one variant for each runtime error
//! of the language.

use std::fmt;

/// A runtime error, without its place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// An integer result beyond 64 bits.
    Overflow,
    /// An integer divided by zero, or its remainder.
    DivisionByZero,
    /// An operator on types that it does not take.
    Operands {
        /// The operator.
        operator: &'static str,
        /// The type on its left.
        left: &'static str,
        /// The type on its right.
        right: &'static str,
    },
    /// A value of the wrong type.
    Type {
        /// What needs it: an operator, a statement or a function.
        place: &'static str,
        /// What it needs.
        wants: &'static str,
        /// What it got.
        found: &'static str,
    },
    /// A number that the place does not take.
    Range {
        /// What needs it.
        place: &'static str,
        /// What it needs.
        wants: &'static str,
        /// What it got.
        found: String,
    },
    /// An index of no element.
    Index {
        /// The index.
        index: i64,
        /// How many elements there are.
        length: usize,
    },
    /// Bounds of a slice that are no part of what is cut.
    Slice {
        /// The first bound.
        from: i64,
        /// The second.
        to: i64,
        /// How many elements there are.
        length: usize,
    },
    /// Text that spells no integer.
    NotAnInteger(String),
    /// A call of what is no function.
    NotCallable(&'static str),
    /// A call with the wrong number of arguments.
    Arguments {
        /// The function.
        function: String,
        /// How many it takes.
        wants: u8,
        /// How many it got.
        found: u8,
    },
    /// Calls nest too deeply.
    StackOverflow,
    /// A send on a closed channel.
    SendOnClosed,
    /// A channel closed twice.
    CloseOfClosed,
    /// A file that cannot be read.
    CannotRead {
        /// The file.
        path: String,
        /// What the system says.
        reason: String,
    },
    /// A file that is no UTF-8.
    NotText {
        /// The file.
        path: String,
        /// How many bytes of it are good.
        at: usize,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Overflow => f.write_str("integer overflow: the result does not fit 64 bits"),
            Fault::DivisionByZero => f.write_str("division by zero"),
            Fault::Operands {
                operator,
                left,
                right,
            } => {
                write!(f, "cannot apply `{operator}` to {left} and {right}")
            }
            Fault::Type {
                place,
                wants,
                found,
            } => write!(f, "{place} needs {wants}, not {found}"),
            Fault::Range {
                place,
                wants,
                found,
            } => write!(f, "{place} needs {wants}, not {found}"),
            Fault::Index { index, length } => {
                write!(f, "index {index} is out of range: the length is {length}")
            }
            Fault::Slice { from, to, length } => {
                write!(
                    f,
                    "slice {from}..{to} is out of range: the length is {length}"
                )
            }
            Fault::NotAnInteger(text) => write!(f, "{text:?} does not spell an integer of 64 bits"),
            Fault::NotCallable(found) => write!(f, "cannot call {found}: it is not a function"),
            Fault::Arguments {
                function,
                wants,
                found,
            } => {
                write!(
                    f,
                    "`{function}` takes {wants} argument{}, not {found}",
                    plural(usize::from(*wants))
                )
            }
            Fault::StackOverflow => f.write_str("stack overflow: calls nest too deeply"),
            Fault::SendOnClosed => f.write_str("send on a closed channel"),
            Fault::CloseOfClosed => f.write_str("close of a closed channel"),
            Fault::CannotRead { path, reason } => write!(f, "cannot read {path:?}: {reason}"),
            Fault::NotText { path, at } => {
                write!(
                    f,
                    "cannot read {path:?} as text: it is no UTF-8 at byte {at}"
                )
            }
        }
    }
}

/// The ending of a noun that is counted.
pub(crate) fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
