//! A file that gets its name only when it is complete, and takes the place of what
//! was there.
//!
//! ```text
//! create: a new file beside it (nobody else's, no link) ──► written
//!                                                            │ all of it: rename
//!              an error, a signal: removed ◄─────────────────┘
//! ```
//!
//! Invariants:
//!
//! 1. A file that is there is replaced at once and as a whole, or not at all. It
//!    keeps its mode and its owner, or is not replaced.
//! 2. A symbolic link is not followed, and not replaced: who can make links in that
//!    folder must not choose what is overwritten. What a link to a device or a pipe
//!    leads to (`/dev/stdout`) holds nothing that could be lost.
//! 3. While `PENDING` is locked the file is being made or is getting its name, and
//!    a signal waits.

use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use trace_tools::ToolError;

use crate::cli::system;

/// Most names that are tried for a new file. They are ours, so others are there
/// only by malice.
const TRIES: u32 = 100;

/// The file that a signal has to remove.
static PENDING: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Whether signals are waited for.
static WATCHED: OnceLock<()> = OnceLock::new();

/// A panic while it was locked leaves a path, or none, as before.
fn pending() -> MutexGuard<'static, Option<PathBuf>> {
    PENDING.lock().unwrap_or_else(PoisonError::into_inner)
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
    pub(super) fn create(path: &Path) -> Result<Self, ToolError> {
        Self::open(path).map_err(|error| failed(path, error))
    }

    fn open(path: &Path) -> io::Result<Self> {
        let link = metadata(fs::symlink_metadata(path))?;
        let there = metadata(fs::metadata(path))?;
        let is_link = link.is_some_and(|link| link.is_symlink());
        let (out, temporary) = match there {
            Some(there) if there.is_dir() => return Err(ErrorKind::IsADirectory.into()),
            Some(there) if !there.is_file() => (File::options().write(true).open(path)?, None),
            _ if is_link => {
                return Err(io::Error::other(
                    "it is a symbolic link; name the file that it leads to",
                ));
            }
            there => {
                let (file, temporary) = new_beside(path, there.as_ref())?;
                (file, Some(temporary))
            }
        };
        Ok(Self {
            out: BufWriter::new(out),
            path: path.to_path_buf(),
            temporary,
        })
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.out.get_ref().is_terminal()
    }

    pub(super) fn finish(mut self) -> Result<(), ToolError> {
        self.named().map_err(|error| failed(&self.path, error))
    }

    fn named(&mut self) -> io::Result<()> {
        self.out.flush()?;
        let mut pending = pending();
        if let Some(temporary) = &self.temporary {
            fs::rename(temporary, &self.path)?;
            self.temporary = None;
            *pending = None;
        }
        Ok(())
    }
}

impl Write for Unfinished {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // There is nobody to tell, and an error has been told already.
            let _ = fs::remove_file(temporary);
            *pending() = None;
        }
    }
}

/// What is known of a file, if there is one.
fn metadata(asked: io::Result<Metadata>) -> io::Result<Option<Metadata>> {
    match asked {
        Ok(there) => Ok(Some(there)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A new file in the same folder, which is as whatever it will replace. Its name
/// is short, however long the other is.
fn new_beside(path: &Path, there: Option<&Metadata>) -> io::Result<(File, PathBuf)> {
    if WATCHED.get().is_none() {
        system::when_ended(|| {
            if let Some(temporary) = pending().take() {
                let _ = fs::remove_file(temporary);
            }
        })?;
        // Two that come here at once would both watch, and do the same.
        let _ = WATCHED.set(());
    }
    let mut pending = pending();
    let mut tries = 0..TRIES;
    let (file, temporary) = loop {
        let number = tries.next().ok_or(ErrorKind::AlreadyExists)?;
        let name = format!(".rtrace-{}-{number}.tmp", std::process::id());
        let temporary = path.with_file_name(name);
        match system::create_new(&temporary, there.is_some()) {
            Ok(file) => break (file, temporary),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    };
    if let Some(there) = there
        && let Err(error) = system::make_alike(&file, there)
    {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    *pending = Some(temporary.clone());
    Ok((file, temporary))
}

fn failed(path: &Path, error: io::Error) -> ToolError {
    ToolError::OutputFile {
        path: path.to_path_buf(),
        error,
    }
}
