//! Traces of a part of a run: a thread that starts one after a while, and stops
//! it after a while, unless the program ends first.

use std::convert::Infallible;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use vm::{End, Options, Outcome, TraceControl, TraceOptions, TraceReport, VmError, trace_control};

/// What the thread has for a stack, bytes: it calls little.
const STACK: usize = 256 << 10;

/// Which part of a run is traced.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    /// How long after the program's start the trace begins.
    pub(crate) after: Duration,
    /// How long it lasts at most.
    pub(crate) length: Option<Duration>,
}

/// What has become of a trace: [`VmError::Ended`] if the program ended before
/// it began.
pub(crate) type Traced = Result<TraceReport, VmError>;

impl Part {
    /// Runs a program and traces this part of it, if there is to be a trace.
    /// `run` is [`vm::run`].
    ///
    /// # Errors
    /// Those of `run`; and if there is no thread for this.
    pub(crate) fn record(
        self,
        trace: Option<TraceOptions>,
        mut options: Options,
        run: impl FnOnce(Options) -> Result<Outcome, VmError>,
    ) -> Result<(End, Option<Traced>), VmError> {
        let Some(trace) = trace else {
            return run(options).map(|outcome| (outcome.end, None));
        };
        if self.after.is_zero() && self.length.is_none() {
            options.trace = Some(trace);
            return run(options).map(|outcome| {
                let traced = outcome.trace.ok_or(VmError::Ended);
                (outcome.end, Some(traced))
            });
        }
        let (control, requests) = trace_control();
        options.control = Some(requests);
        let later = if self.after.is_zero() {
            options.trace = Some(trace);
            None
        } else {
            Some(trace)
        };
        thread::scope(|scope| {
            // Dropped on every way out, which ends the other thread's waiting.
            let (running, ended) = channel();
            let timer = thread::Builder::new()
                .name("trace timer".to_owned())
                .stack_size(STACK)
                .spawn_scoped(scope, move || self.keep(&control, later, &ended))
                .map_err(VmError::Thread)?;
            let outcome = run(options);
            drop(running);
            // A panic there is a fault of ours, and has been reported.
            let stopped = timer.join().unwrap_or(Ok(None));
            let Outcome { end, trace } = outcome?;
            let traced = stopped.and_then(|report| report.or(trace).ok_or(VmError::Ended));
            Ok((end, Some(traced)))
        })
    }

    /// Starts and stops the trace in time. Gives back its report if it was
    /// stopped; otherwise the run has it.
    fn keep(
        self,
        control: &TraceControl,
        trace: Option<TraceOptions>,
        ended: &Receiver<Infallible>,
    ) -> Result<Option<TraceReport>, VmError> {
        let ends_within = |time| {
            matches!(
                ended.recv_timeout(time),
                Err(RecvTimeoutError::Disconnected)
            )
        };
        if let Some(trace) = trace {
            if ends_within(self.after) {
                return Err(VmError::Ended);
            }
            control.start(trace)?;
        }
        match self.length {
            // Where the end was faster, the trace has ended with the program.
            Some(length) if !ends_within(length) => Ok(control.stop().ok()),
            _ => Ok(None),
        }
    }
}
