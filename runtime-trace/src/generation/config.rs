//! What an embedder says and is told when a generation moves: how to trace, what
//! it answers for its scheduler, and why something did not work.

use core::time::Duration;

use trace_format::Version;

use super::Sweep;
use crate::stacks::Symbolizer;

/// How to trace.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The format to write: 1.26 (the default) or 1.25.
    pub version: Version,
    /// How many procs there are.
    pub procs: u32,
    /// How long a generation lasts before [`Tracer::advance_due`] says so;
    /// 1 s by default.
    ///
    /// [`Tracer::advance_due`]: crate::Tracer::advance_due
    pub period: Duration,
    /// How many bytes a generation has before `advance_due` says so; 16 MiB by
    /// default.
    pub generation_bytes: u64,
    /// How long what is emitted may wait before a reader that has caught up gets it,
    /// full batch or not; 50 ms by default. So much of a trace is lost if the process is
    /// killed. What is read early is copied, and is a small batch of its own in the
    /// file. At zero every call that finds no full batch looks, and as long as threads
    /// emit it may always find something.
    pub latency: Duration,
    /// How much memory the tracer may map, bytes, all included; 256 MiB by
    /// default. An eighth of it is kept for names at a generation's end.
    pub memory_limit: usize,
    /// How long a generation's end waits for a thread that is inside an
    /// [`Emit`](crate::Emit); 5 s by default. A thread that takes longer is
    /// taken for dead, and the trace ends: see [`AdvanceError::ThreadStuck`].
    pub patience: Duration,
    /// Whether events are timed by the processor's counter where that is steady,
    /// which is much the faster way, or by the system's monotonic clock alone;
    /// true by default. Time is the same in the end.
    pub counter: bool,
}

impl Config {
    /// The defaults, for so many procs.
    pub const fn new(procs: u32) -> Self {
        Self {
            version: Version::Go126,
            procs,
            period: Duration::from_secs(1),
            generation_bytes: 16 << 20,
            latency: Duration::from_millis(50),
            memory_limit: 256 << 20,
            patience: Duration::from_secs(5),
            counter: true,
        }
    }
}

/// The scheduler, as the tracer sees it: asked when a generation moves.
///
/// Both methods are called on the thread that moves the generation, with no
/// lock of the tracer's held.
pub trait Host: Symbolizer {
    /// Returns once every worker that holds a proc has called
    /// [`Worker::checkpoint`](crate::Worker::checkpoint) since this call began,
    /// or has been without a proc since.
    fn checkpoint(&self);

    /// Calls [`Sweep::task`] for every live task that is not running, and
    /// [`Sweep::proc_idle`] for every proc that no worker holds, each held
    /// still during its visit: it does not change its state, and nobody is
    /// between changing its state and emitting the event that says so.
    ///
    /// That goes for tasks in system calls as well: a worker that comes back
    /// from one holds its task before it emits anything. And a proc whose task
    /// is in a system call is stolen first ([`Emit::proc_steal`]), or its worker
    /// passes the checkpoint.
    ///
    /// [`Emit::proc_steal`]: crate::Emit::proc_steal
    ///
    /// Tasks that are created or end meanwhile need not be visited, nor those
    /// that run.
    fn sweep(&self, sweep: &Sweep<'_>);
}

/// Why a thread was not registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerError {
    /// There is no memory for the thread's state. It can run untraced, and try again
    /// later.
    NoMemory,
    /// This process is a fork of the one that traced: it never will be. Another
    /// tracer works here.
    Forked,
}

/// Why tracing did not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartError {
    /// It is on already.
    AlreadyTracing,
    /// The file before has not been read to its end.
    StillReading,
    /// Another thread is starting, advancing, stopping or writing stacks at this
    /// moment; or this thread is, and the host has come back in its midst.
    Busy,
    /// Versions other than 1.25 and 1.26 are not written.
    Version(Version),
    /// There was no memory to begin.
    NoMemory,
    /// A thread is still inside an [`Emit`](crate::Emit) of a trace that has
    /// ended without it. If it is dead there will be no other trace from this
    /// tracer.
    ThreadStuck,
    /// This process is a fork of the one that traced; another tracer can be
    /// started here.
    Forked,
    /// The process has started 16,777,215 tracers, and there is no number for
    /// another. Those that were started before can be started again.
    TooManyTracers,
}

/// Why the next generation did not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdvanceError {
    /// Tracing is off.
    NotTracing,
    /// The reader is still at the generation before: this one goes on. Try
    /// again later.
    ReaderBehind,
    /// Another thread is starting, advancing, stopping or writing stacks at this
    /// moment; or this thread is, and the host has come back in its midst.
    Busy,
    /// There was no memory to begin the next generation: this one goes on.
    NoMemory,
    /// The trace had to end, because an event that may not be dropped could not
    /// be written. The file ends there; what it holds is complete. Tracing can
    /// be started again, into another file.
    EndedEarly,
    /// As [`EndedEarly`](Self::EndedEarly), because a thread did not leave its
    /// [`Emit`](crate::Emit) within [`Config::patience`]: what it had emitted is
    /// in the file. Until it leaves, the memory that it may write to stays
    /// mapped and [`StartError::ThreadStuck`] keeps other traces from starting.
    ThreadStuck,
    /// As [`EndedEarly`](Self::EndedEarly), because of
    /// [`Reader::fail`](crate::Reader::fail).
    SinkFailed,
    /// As [`EndedEarly`](Self::EndedEarly), because [`Host::checkpoint`] unwound out
    /// of [`Tracer::start`](crate::Tracer::start), so that some threads may not have
    /// learnt that tracing is on.
    HostUnwound,
    /// The generation could not be finished: the file is cut off where it began,
    /// and tracing is off.
    Unfinished,
}

/// Why tracing did not stop as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopError {
    /// It was off.
    NotTracing,
    /// Another thread is starting, advancing, stopping or writing stacks at this
    /// moment; or this thread is, and the host has come back in its midst.
    Busy,
    /// It is off, but had ended before: see [`AdvanceError::EndedEarly`].
    EndedEarly,
    /// It is off, but see [`AdvanceError::ThreadStuck`].
    ThreadStuck,
    /// It is off, but see [`AdvanceError::SinkFailed`].
    SinkFailed,
    /// It is off, but see [`AdvanceError::HostUnwound`].
    HostUnwound,
    /// It is off, but see [`AdvanceError::Unfinished`].
    Unfinished,
}

macro_rules! display {
    ($($error:ident { $($pattern:pat => $text:expr,)* })*) => {$(
        impl core::fmt::Display for $error {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self { $($pattern => write!(f, "{}", $text),)* }
            }
        }

        impl core::error::Error for $error {}
    )*};
}

const BUSY: &str = "another thread is moving the trace's generation, or writing its stacks";
const EARLY: &str =
    "the trace ended early, because there was no memory for an event that may not be dropped";
const STUCK: &str = "the trace ended early, because a thread did not leave an emission";
const SINK: &str = "the trace ended early, because what was read could not be written";
const UNWOUND: &str = "the trace ended early, because the host's checkpoint panicked at its start";
const UNFINISHED: &str = "the trace's last generation could not be finished and is cut off";
const NO_MEMORY: &str =
    "no memory for the tracer: the system refused pages or the memory limit is reached";

const FORKED: &str = "this process is a fork of the one that traced";

display! {
    WorkerError {
        Self::NoMemory => NO_MEMORY,
        Self::Forked => FORKED,
    }
    StartError {
        Self::AlreadyTracing => "tracing is on already",
        Self::StillReading => "the trace before has not been read to its end",
        Self::Busy => BUSY,
        Self::Version(_) => "only versions 1.25 and 1.26 of the format can be written",
        Self::NoMemory => NO_MEMORY,
        Self::ThreadStuck => "a thread has not left an emission of a trace that has ended",
        Self::Forked => FORKED,
        Self::TooManyTracers => "the process has started too many tracers",
    }
    AdvanceError {
        Self::NotTracing => "tracing is off",
        Self::ReaderBehind => "the generation before has not been read yet",
        Self::Busy => BUSY,
        Self::NoMemory => NO_MEMORY,
        Self::EndedEarly => EARLY,
        Self::ThreadStuck => STUCK,
        Self::SinkFailed => SINK,
        Self::HostUnwound => UNWOUND,
        Self::Unfinished => UNFINISHED,
    }
    StopError {
        Self::NotTracing => "tracing is off",
        Self::Busy => BUSY,
        Self::EndedEarly => EARLY,
        Self::ThreadStuck => STUCK,
        Self::SinkFailed => SINK,
        Self::HostUnwound => UNWOUND,
        Self::Unfinished => UNFINISHED,
    }
}
