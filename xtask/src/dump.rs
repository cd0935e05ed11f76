//! `cargo xtask dump`: prints a trace through `trace-tools`.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;

use trace_tools::dump::{Mode, dump};

use crate::error::XtaskError;

/// Prints a trace to standard output.
///
/// # Errors
///
/// If the file cannot be read or, after printing, if it is damaged.
pub(crate) fn run(path: &Path, mode: Mode) -> Result<(), XtaskError> {
    let file = File::open(path).map_err(XtaskError::file("cannot open", path))?;
    let mut out = BufWriter::new(io::stdout().lock());
    dump(file, &mut out, mode).map_err(|error| XtaskError::Dump {
        path: path.to_path_buf(),
        error,
    })
}
