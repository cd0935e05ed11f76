//! `cargo xtask dump`: prints a trace through `trace-tools`, as `rtrace` does.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use trace_tools::summary::Summary;
use trace_tools::{ToolError, dump, input};

use crate::DumpMode;
use crate::error::XtaskError;

/// How much a summary shows of what there may be much of.
const TOP: usize = 10;

/// Prints a trace to standard output.
///
/// # Errors
///
/// If the file cannot be read or, after printing, if it is damaged.
pub(crate) fn run(path: &Path, mode: DumpMode) -> Result<(), XtaskError> {
    match print(path, mode) {
        Err(error) if !error.is_closed_pipe() => Err(XtaskError::Dump {
            path: path.to_path_buf(),
            error: Box::new(error),
        }),
        _ => Ok(()),
    }
}

fn print(path: &Path, mode: DumpMode) -> Result<(), ToolError> {
    let trace = input::open(path, ())?;
    let mut out = BufWriter::new(io::stdout().lock());
    match mode {
        DumpMode::Wire => dump::wire(trace, &mut out, dump::Form::Text, None),
        DumpMode::Parsed => {
            dump::parsed(trace, &mut out, dump::Form::Text, &dump::Filter::default())
        }
        DumpMode::Summary => {
            let summary = Summary::of(trace)?;
            summary.print(TOP, &mut out)?;
            out.flush()?;
            summary.outcome.whole()
        }
    }
}
