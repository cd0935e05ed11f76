//! Why a program could not be run at all, or its trace not be controlled. What
//! goes wrong in the program while it runs is part of its
//! [`Outcome`](crate::Outcome).

use std::fmt;
use std::io;

use crate::options::MAX_WORKERS;
use crate::trace::StartError;

/// Why a program could not be run, or a [`TraceControl`](crate::TraceControl)
/// not do what it was to.
#[derive(Debug)]
#[non_exhaustive]
pub enum VmError {
    /// The number of workers is not in 1..=256.
    Workers(u32),
    /// The program holds a word that is no instruction, so that it cannot be
    /// from the compiler.
    BadCode(weft::op::DecodeError),
    /// The system gives no thread.
    Thread(io::Error),
    /// Tracing cannot start.
    TraceStart(StartError),
    /// A further file of a trace cannot be opened.
    TraceFile(io::Error),
    /// No trace is being recorded that could be stopped.
    NotTracing,
    /// The program has ended, or was not run after all.
    Ended,
}

impl fmt::Display for VmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VmError::Workers(n) => write!(f, "{n} workers: there can be 1 to {MAX_WORKERS}"),
            VmError::BadCode(error) => write!(
                f,
                "the program's code is damaged: {error}; compile it again"
            ),
            VmError::Thread(error) => {
                write!(f, "cannot start a thread: {error}; try fewer --workers")
            }
            VmError::TraceStart(error) => write!(f, "cannot start the trace: {error}"),
            VmError::TraceFile(error) => write!(f, "cannot open another file: {error}"),
            VmError::NotTracing => write!(f, "no trace is being recorded; start one first"),
            VmError::Ended => write!(f, "the program has ended, and with it its traces"),
        }
    }
}

impl std::error::Error for VmError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            VmError::Workers(_) | VmError::NotTracing | VmError::Ended => None,
            VmError::BadCode(error) => Some(error),
            VmError::Thread(error) | VmError::TraceFile(error) => Some(error),
            VmError::TraceStart(error) => Some(error),
        }
    }
}
