//! Why a program could not be run at all. What goes wrong while it runs is part
//! of its [`Outcome`](crate::Outcome).

use std::fmt;
use std::io;

use crate::options::MAX_WORKERS;
use crate::trace::StartError;

/// Why a program could not be run.
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
        }
    }
}

impl std::error::Error for VmError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            VmError::Workers(_) => None,
            VmError::BadCode(error) => Some(error),
            VmError::Thread(error) => Some(error),
            VmError::TraceStart(error) => Some(error),
        }
    }
}
