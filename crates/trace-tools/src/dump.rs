//! Prints a trace: every raw event, or a page that sums it up.

mod page;
mod quote;
mod wire;

use std::io::{Read, Write};

use trace_read::raw::RawReader;

use crate::error::ToolError;
use crate::summary::Summary;

/// What a dump shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Every raw event in the order of the file, one a line.
    Wire,
    /// Counts, tables, losses and time of the whole trace.
    #[default]
    Summary,
}

/// Prints the trace in `input` to `out`, which should be buffered.
///
/// A trace that is damaged or cut off is printed as far as it can be read. That
/// whoever reads the output stops doing so is no error.
///
/// # Errors
///
/// [`ToolError::Trace`], after printing, if anything is wrong with the trace;
/// [`ToolError::Output`] if `out` fails.
pub fn dump(input: impl Read, out: &mut impl Write, mode: Mode) -> Result<(), ToolError> {
    let trace = RawReader::new(input)?;
    let done = match mode {
        Mode::Wire => wire::print(trace, out),
        Mode::Summary => {
            let (summary, read) = Summary::of(trace);
            let printed = page::print(&summary, out);
            printed.map_err(ToolError::from).and(read)
        }
    };
    // What is wrong with the trace matters more than a pipe closed late.
    let flushed = out.flush().map_err(ToolError::from);
    match done.and(flushed) {
        Err(error) if error.is_closed_pipe() => Ok(()),
        done => done,
    }
}
