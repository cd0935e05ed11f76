//! Which files of a storm stay, for Go's reader to judge, and where.

use std::fs;
use std::io;
use std::path::PathBuf;

/// The folder that tests keep traces in, if any.
const KEEP_DIR: &str = "TRACE_KEEP_DIR";

/// What becomes of files when they have been judged.
#[derive(Debug)]
pub struct Keep {
    folder: Option<PathBuf>,
    /// One in so many stays.
    every: u64,
    seen: u64,
    kept: u64,
}

/// How a file ends, which is in its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileEnd {
    /// It is whole: `.trace`.
    Whole,
    /// It ended early and need not mention everything: `.trace.early`.
    Early,
    /// Every reader sees that it is cut off: `.trace.cut`.
    Cut,
}

impl Keep {
    /// Keeps one in `every` files in a folder, if there is one.
    pub fn new(folder: Option<PathBuf>, every: u64) -> Self {
        Self {
            folder,
            every: every.max(1),
            seen: 0,
            kept: 0,
        }
    }

    /// Keeps all files in the folder that the environment names for tests.
    pub fn of_tests() -> Self {
        Self::new(std::env::var_os(KEEP_DIR).map(PathBuf::from), 1)
    }

    /// How many stayed.
    pub fn kept(&self) -> u64 {
        self.kept
    }

    /// Keeps this file of this name, if it is its turn.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn file(&mut self, name: &str, end: FileEnd, bytes: &[u8]) -> io::Result<()> {
        let turn = self.seen.is_multiple_of(self.every);
        self.seen += 1;
        if turn && let Some(folder) = &self.folder {
            write(folder.clone(), name, end, bytes)?;
            self.kept += 1;
        }
        Ok(())
    }

    /// Writes a file that has something wrong, whether others stay or not:
    /// where it is.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn evidence(&self, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
        let folder = self.folder.clone().unwrap_or_else(std::env::temp_dir);
        write(folder, &format!("failed-{name}"), FileEnd::Cut, bytes)
    }
}

fn write(folder: PathBuf, name: &str, end: FileEnd, bytes: &[u8]) -> io::Result<PathBuf> {
    let extension = match end {
        FileEnd::Whole => "trace",
        FileEnd::Early => "trace.early",
        FileEnd::Cut => "trace.cut",
    };
    fs::create_dir_all(&folder)?;
    let path = folder.join(format!("e2e-{name}.{extension}"));
    fs::write(&path, bytes)?;
    Ok(path)
}
