//! How to run a program.

use std::fmt;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::control::TraceRequests;
use crate::interrupt::Interrupt;
use crate::trace::DEFAULT_TRACE_MEMORY;

/// How to run a program.
#[derive(Debug)]
pub struct Options {
    /// How many procs there are: 1 to [`MAX_WORKERS`].
    pub workers: u32,
    /// What `args()` gives.
    pub args: Vec<String>,
    /// Where to record a trace from before the start, if at all.
    pub trace: Option<TraceOptions>,
    /// What starts and stops traces while the program runs; made by
    /// [`trace_control`](crate::trace_control).
    pub control: Option<TraceRequests>,
    /// Whether output is flushed after each line, as for a terminal. Otherwise
    /// it is flushed when it has grown, when all tasks wait, and at the end.
    pub flush_lines: bool,
    /// What stops the program from outside.
    pub interrupt: Option<&'static Interrupt>,
}

/// How to record a trace.
///
/// The file may be anything that can be written to, and may be slow, full or
/// stuck: the program does not wait for it, nor does it fail with it. The first
/// one stays open until the trace is over, and with it a lock on it, if it is a
/// regular file. A file
/// that takes nothing for 5 s once the trace is to end is given up; the thread
/// that is stuck with it stays until the file takes or refuses what it was
/// given. So does one whose data is not on its disk 30 s after the last write,
/// and one that has not all of it 8 s after [`Options::interrupt`] was raised.
pub struct TraceOptions {
    /// The file it goes to.
    pub file: TraceFile,
    /// Opens the second, third, … file. One is needed when the trace has to end
    /// early, since there is no memory for what cannot be left out, and goes on
    /// later. Without this, it does not go on.
    ///
    /// It is called on a thread that records, at most until there are
    /// [`MAX_TRACE_FILES`](crate::MAX_TRACE_FILES).
    pub next_file: Option<NextFile>,
    /// How long to wait before the second file, once all of the first has been
    /// taken. Each further time it is twice as long, so that a run that is
    /// always short of memory gets few files, and not all at its beginning.
    pub pause: Duration,
    /// The version of the format.
    pub version: TraceVersion,
    /// How long a generation lasts.
    pub period: Duration,
    /// How much memory the tracer may use, bytes. Beside it, there is a copy of
    /// what is being written, some 64 KiB.
    pub memory_limit: usize,
}

/// What a trace goes to: a file that is open for writing, or is so later.
pub struct TraceFile(pub(crate) FileState);

pub(crate) enum FileState {
    Open(Arc<File>),
    Later(OpenLater),
}

/// Opens a file, or says that it cannot be opened yet.
pub(crate) type OpenLater = Box<dyn FnMut() -> io::Result<Option<File>> + Send>;

impl TraceFile {
    /// A file that cannot be opened yet, such as a named pipe that nobody reads.
    /// `open` is asked again every few milliseconds, on a thread of the trace's,
    /// until it gives a file or fails. The trace is recorded meanwhile.
    pub fn later(open: impl FnMut() -> io::Result<Option<File>> + Send + 'static) -> Self {
        TraceFile(FileState::Later(Box::new(open)))
    }

    /// A regular file, to be kept open: a lock on it lasts as long. (Who reads
    /// from anything else waits for its end.)
    pub(crate) fn hold(&self) -> Option<Arc<File>> {
        match &self.0 {
            FileState::Open(file) if file.metadata().is_ok_and(|found| found.is_file()) => {
                Some(Arc::clone(file))
            }
            _ => None,
        }
    }
}

impl From<File> for TraceFile {
    fn from(file: File) -> Self {
        TraceFile(FileState::Open(Arc::new(file)))
    }
}

impl fmt::Debug for TraceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            FileState::Open(file) => file.fmt(f),
            FileState::Later(_) => f.write_str("Later"),
        }
    }
}

/// Opens the file of this number of a trace; the first one is number 1, and
/// opened already.
pub type NextFile = Box<dyn FnMut(u32) -> io::Result<File> + Send>;

impl TraceOptions {
    /// The defaults, for a trace into this file only: format 1.26, generations
    /// of one second, [`DEFAULT_TRACE_MEMORY`], a first pause of 100 ms.
    pub fn new(file: impl Into<TraceFile>) -> Self {
        TraceOptions {
            file: file.into(),
            next_file: None,
            pause: Duration::from_millis(100),
            version: TraceVersion::default(),
            period: Duration::from_secs(1),
            memory_limit: DEFAULT_TRACE_MEMORY,
        }
    }
}

impl fmt::Debug for TraceOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceOptions")
            .field("file", &self.file)
            .field("pause", &self.pause)
            .field("version", &self.version)
            .field("period", &self.period)
            .field("memory_limit", &self.memory_limit)
            .finish_non_exhaustive()
    }
}

/// A version of the trace format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TraceVersion {
    /// As Go 1.25 writes it.
    Go125,
    /// As Go 1.26 writes it: the end of each generation is marked.
    #[default]
    Go126,
}

/// The most workers a program can have.
pub const MAX_WORKERS: u32 = 256;

impl Options {
    /// The defaults, for so many workers: no arguments, no trace.
    pub fn new(workers: u32) -> Self {
        Options {
            workers,
            args: Vec::new(),
            trace: None,
            control: None,
            flush_lines: false,
            interrupt: None,
        }
    }
}
