//! Where output goes: standard output, or a file that is there only when it is
//! complete.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use trace_tools::ToolError;
use trace_tools::input::STDIN;

use crate::cli::unfinished::Unfinished;
use crate::cli::{Stdout, meter, output, system};

/// The path that stands for standard output.
const STDOUT: &str = "-";

/// Takes output. A file is written under another name beside it and gets its own
/// only by [`Sink::finish`]: what an error or a signal cuts off never looks
/// whole.
pub(super) enum Sink {
    Stdout(Stdout),
    File(Unfinished),
}

impl Sink {
    /// Output to this file, or to standard output if there is none.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, ToolError> {
        match path {
            Some(path) if !is_stdout(path) => Unfinished::create(path).map(Self::File),
            _ => Ok(Self::Stdout(output())),
        }
    }

    /// Whether somebody looks at it as it comes.
    pub(super) fn is_terminal(&self) -> bool {
        match self {
            Self::Stdout(_) => io::stdout().is_terminal(),
            Self::File(file) => file.is_terminal(),
        }
    }

    /// All has been written.
    pub(super) fn finish(self) -> Result<(), ToolError> {
        match self {
            Self::Stdout(mut out) => out.flush().map_err(ToolError::Output),
            Self::File(file) => file.finish(),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(out) => out.write(bytes),
            Self::File(file) => {
                let written = file.write(bytes)?;
                meter::written(written);
                Ok(written)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::File(file) => file.flush(),
        }
    }
}

/// Sees to it that no output goes into a file that is read, by whatever name: not a
/// byte of it may be lost. To be asked before anything is opened for writing.
pub(super) fn apart(output: Option<&Path>, inputs: &[&Path]) -> Result<(), ToolError> {
    let (name, output) = match output {
        Some(path) if !is_stdout(path) => (path, fs::metadata(path)),
        _ => (Path::new("standard output"), system::stdout()),
    };
    // What cannot be looked at is not there, or fails when it is opened.
    let Some(output) = output.ok().as_ref().and_then(system::id) else {
        return Ok(());
    };
    for &path in inputs {
        let input = match path == Path::new(STDIN) {
            true => system::stdin(),
            false => fs::metadata(path),
        };
        if input.ok().as_ref().and_then(system::id) == Some(output) {
            return Err(ToolError::OutputFile {
                path: name.to_path_buf(),
                error: io::Error::other("it is read as well"),
            });
        }
    }
    Ok(())
}

/// Whether this stands for standard output. What that is may be a file, which is
/// then not replaced but goes on.
fn is_stdout(path: &Path) -> bool {
    [STDOUT, "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"]
        .iter()
        .any(|name| path == Path::new(name))
}
