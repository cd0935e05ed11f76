//! Where recorded traces go.
//!
//! Every test writes its trace to a real file and reads it back. When the
//! variable `TRACE_KEEP_DIR` names a folder the file stays there, under a name
//! that says what it is, for Go's reader to judge; otherwise it goes with the
//! [`Kept`] that stands for it.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use runtime_trace::{Chunk, Reader, Tracer};

use crate::wire::Trace;

/// The folder to keep traces in, if any.
const KEEP_DIR: &str = "TRACE_KEEP_DIR";

/// The seed of random scripts, another of which gives other traces.
const SEED: &str = "TRACE_SEED";

/// The seed that tests add their own numbers to: `TRACE_SEED`, or 1.
///
/// # Panics
///
/// If the variable is no number.
pub fn seed() -> u64 {
    match std::env::var(SEED) {
        Ok(text) => text.parse().expect("TRACE_SEED is a number"),
        Err(_) => 1,
    }
}

/// Chooses tests' long forms, if it is set.
const LONG: &str = "TRACE_LONG";

/// Whether tests are to run their long forms, as `cargo xtask prove` has them do.
pub fn long() -> bool {
    std::env::var_os(LONG).is_some()
}

/// A trace file.
#[derive(Debug)]
pub struct Kept {
    path: PathBuf,
    stays: bool,
}

impl Kept {
    /// A place for a trace called `name`, which no other test uses.
    ///
    /// # Errors
    ///
    /// If the folder cannot be made.
    pub fn place(name: &str) -> io::Result<Self> {
        let file = format!("e2e-{name}.trace");
        match std::env::var_os(KEEP_DIR) {
            Some(folder) => {
                let folder = PathBuf::from(folder);
                fs::create_dir_all(&folder)?;
                Ok(Self {
                    path: folder.join(file),
                    stays: true,
                })
            }
            // Other processes may run the same test.
            None => Ok(Self {
                path: std::env::temp_dir().join(format!("{}-{file}", std::process::id())),
                stays: false,
            }),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the file another name, which no longer ends in `.trace`: it ended
    /// early, so its last generation need not mention everything, and strict
    /// judges of all traces in a folder are to leave it alone.
    ///
    /// # Panics
    ///
    /// If that fails.
    pub fn set_aside(&mut self) {
        self.rename("trace.early");
    }

    /// The same for one that is cut off, as every reader sees: no judge gets it.
    ///
    /// # Panics
    ///
    /// If that fails.
    pub fn set_aside_cut_off(&mut self) {
        self.rename("trace.cut");
    }

    fn rename(&mut self, extension: &str) {
        let aside = self.path.with_extension(extension);
        fs::rename(&self.path, &aside).expect("a trace can be renamed");
        self.path = aside;
    }

    /// Reads it.
    ///
    /// # Panics
    ///
    /// If there is no such file, or its framing, strings or stacks are wrong.
    pub fn read(&self) -> Trace {
        let file = File::open(&self.path).expect("the trace was recorded");
        match Trace::read(BufReader::new(file)) {
            Ok(trace) => trace,
            Err(fault) => panic!("{}: {fault}", self.path.display()),
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if !self.stays {
            // What cannot be removed from the temporary folder stays there.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Writes what a tracer gives into a file, piece by piece.
#[derive(Debug)]
pub struct Recorder<'t> {
    reader: Reader<'t>,
    file: BufWriter<File>,
    kept: Kept,
}

impl<'t> Recorder<'t> {
    /// Records the trace that was started into a file of this name.
    ///
    /// # Panics
    ///
    /// If the tracer has a reader, or the file cannot be made.
    pub fn new(tracer: &'t Tracer, name: &str) -> Self {
        let kept = Kept::place(name).expect("the folder for traces can be made");
        let file = File::create(kept.path()).expect("a trace can be created");
        Self {
            reader: tracer.reader().expect("there is one reader"),
            file: BufWriter::new(file),
            kept,
        }
    }

    /// Writes what there is now: whether the trace is at its end.
    ///
    /// # Panics
    ///
    /// If the file cannot be written.
    pub fn pump(&mut self) -> bool {
        pump(&mut self.reader, &mut self.file)
    }

    /// Writes the rest of a trace that was stopped.
    ///
    /// # Panics
    ///
    /// If it was not stopped, or the file cannot be written.
    pub fn finish(mut self) -> Kept {
        assert!(self.pump(), "the trace was stopped and has no end");
        self.file.flush().expect("a trace can be written");
        self.kept
    }
}

/// Writes what there is to read of a trace: whether it has ended.
///
/// # Panics
///
/// If it cannot be written.
pub fn pump(reader: &mut Reader<'_>, file: &mut impl Write) -> bool {
    loop {
        match reader.next() {
            Chunk::Data(bytes) => file.write_all(bytes).expect("a trace can be written"),
            Chunk::Pending => return false,
            Chunk::End => return true,
        }
    }
}
