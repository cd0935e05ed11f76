//! Where output goes: standard output, or a file that is there only when it is
//! complete.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use trace_tools::ToolError;

use crate::cli::{Stdout, meter, output};

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
            Some(path) if path != Path::new(STDOUT) => Unfinished::create(path).map(Self::File),
            _ => Ok(Self::Stdout(output())),
        }
    }

    /// Whether somebody looks at it as it comes.
    pub(super) fn is_terminal(&self) -> bool {
        match self {
            Self::Stdout(_) => io::stdout().is_terminal(),
            Self::File(file) => file.out.get_ref().is_terminal(),
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
                let written = file.out.write(bytes)?;
                meter::written(written);
                Ok(written)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::File(file) => file.out.flush(),
        }
    }
}

/// A file that is being written.
pub(super) struct Unfinished {
    out: BufWriter<File>,
    path: PathBuf,
    /// The name that it has meanwhile, if there is to be a file of that name. A
    /// device or a pipe is written to as it is.
    temporary: Option<PathBuf>,
}

impl Unfinished {
    fn create(path: &Path) -> Result<Self, ToolError> {
        let failed = |error| failed(path, error);
        let there = fs::metadata(path).ok();
        let (path, temporary) = match there {
            Some(there) if there.is_dir() => {
                return Err(failed(io::ErrorKind::IsADirectory.into()));
            }
            Some(there) if !there.is_file() => (path.to_path_buf(), None),
            // Where a link leads to, so that the link stays.
            Some(_) => {
                let path = fs::canonicalize(path).map_err(failed)?;
                let temporary = beside(&path);
                (path, Some(temporary))
            }
            None => (path.to_path_buf(), Some(beside(path))),
        };
        let file = match &temporary {
            Some(temporary) => File::create(temporary),
            None => File::options().write(true).open(&path),
        };
        Ok(Unfinished {
            out: BufWriter::new(file.map_err(failed)?),
            path,
            temporary,
        })
    }

    fn finish(mut self) -> Result<(), ToolError> {
        self.out
            .flush()
            .map_err(|error| failed(&self.path, error))?;
        if let Some(temporary) = self.temporary.take() {
            fs::rename(&temporary, &self.path).map_err(|error| {
                // Otherwise it would stay for ever.
                let _ = fs::remove_file(&temporary);
                failed(&self.path, error)
            })?;
        }
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // There is nobody to tell, and an error has been told already.
            let _ = fs::remove_file(temporary);
        }
    }
}

/// A name for the time being.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}

fn failed(path: &Path, error: io::Error) -> ToolError {
    ToolError::OutputFile {
        path: path.to_path_buf(),
        error,
    }
}
