//! Starting and stopping traces from outside, while a program runs.
//!
//! ```text
//!  any thread                                 the run's recording thread
//!  TraceControl ── Start, Stop ──► TraceRequests   (trace/file.rs)
//!               ◄───── answer ────
//! ```
//!
//! Each request carries the way back for its answer. Once the run is over the
//! receiving end is gone, and every request, also one on its way, is answered
//! by that.

use std::sync::mpsc::{Receiver, Sender, channel};

use crate::error::VmError;
use crate::options::TraceOptions;
use crate::recorded::TraceReport;

/// Starts and stops traces of one run, from any thread.
#[derive(Clone, Debug)]
pub struct TraceControl(Sender<Request>);

/// What [`Options::control`](crate::Options::control) wants: the run's end of a
/// [`TraceControl`].
#[derive(Debug)]
pub struct TraceRequests {
    pub(crate) requests: Receiver<Request>,
    /// Keeps the requests open when nobody else can make any.
    pub(crate) control: TraceControl,
}

/// A request to the thread that records.
#[derive(Debug)]
pub(crate) enum Request {
    Start(TraceOptions, Answer<()>),
    Stop(Answer<TraceReport>),
    /// The program has ended.
    End,
}

/// The way back for what has come of a request. Whoever asked may be gone.
pub(crate) type Answer<T> = Sender<Result<T, VmError>>;

/// Makes a control for a run that is to begin: the control for the caller, the
/// other end for [`Options::control`](crate::Options::control).
pub fn trace_control() -> (TraceControl, TraceRequests) {
    let (sender, requests) = channel();
    let control = TraceControl(sender);
    (control.clone(), TraceRequests { requests, control })
}

impl TraceControl {
    /// Starts a trace into another file. When it returns, what happens in the
    /// program from then on is in the trace. If the run has not begun yet,
    /// waits for that.
    ///
    /// The trace lasts until [`stop`](Self::stop), or until the program ends;
    /// then the [outcome](crate::Outcome::trace) has its report. That goes for
    /// one that has had to end early as well, whether it goes on in another file
    /// or not.
    ///
    /// # Errors
    /// - [`VmError::TraceStart`] if a trace is being recorded already
    ///   ([`AlreadyTracing`](crate::StartError::AlreadyTracing)), which goes on,
    ///   or if there is no memory.
    /// - [`VmError::Thread`] if there is no thread to write the file.
    /// - [`VmError::Ended`] if the program has ended.
    ///
    /// After an error the file is as it was.
    pub fn start(&self, options: TraceOptions) -> Result<(), VmError> {
        self.ask(|answer| Request::Start(options, answer))
    }

    /// Stops the trace. When it returns, the file is complete, or, if it is
    /// stuck, given up; see [`TraceOptions`].
    ///
    /// # Errors
    /// - [`VmError::NotTracing`] if no trace is being recorded.
    /// - [`VmError::Ended`] if the program has ended, and with it the trace.
    pub fn stop(&self) -> Result<TraceReport, VmError> {
        self.ask(Request::Stop)
    }

    /// Says that the program has ended.
    pub(crate) fn end(&self) {
        // Who records may be gone already, after a panic.
        let _ = self.0.send(Request::End);
    }

    fn ask<T>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Result<T, VmError> {
        let (answer, answered) = channel();
        self.0.send(request(answer)).map_err(|_| VmError::Ended)?;
        answered.recv().unwrap_or(Err(VmError::Ended))
    }
}
