//! Recording traces of a run into files: one thread takes requests to start and
//! stop, and moves the generations on; while there is a trace, another one pulls
//! what the tracer has and has it written (`sink.rs`).
//!
//! ```text
//!  requests ──► serve ─ Start ─► record ── start · advance · stop ──► Tracer
//!                 ▲                │ Stop, End                          │
//!                 └──── report ────┴──────── drain ◄─────── chunks ─────┘
//! ```
//!
//! A trace that has to end early goes on in another file:
//!
//! ```text
//!  file 1: recorded │ on its way out │ pause │ file 2: recorded │ … │ pause × 2 │ …
//!                   └─ nothing is recorded ─┘
//! ```
//!
//! The tracer has its memory back when all of the file before has been taken.
//! The pauses grow, so that a run that is overloaded all the time gets few files,
//! and not all at its beginning.

use std::fs::File;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use runtime_trace::{AdvanceError, Config, StartError, StopError, Version};

use super::host::SchedulerHost;
use super::sink::{Closing, STACK, Sink, Written, drain};
use crate::control::{Answer, Request, TraceControl, TraceRequests};
use crate::error::VmError;
use crate::options::{TraceFile, TraceOptions, TraceVersion};
use crate::recorded::{FileReport, Gap, MAX_TRACE_FILES, NotResumed, TraceReport};
use crate::sched::Shared;

/// How often somebody looks whether a generation is due.
const TICK: Duration = Duration::from_millis(5);

/// Runs `program` beside a thread that records what it is asked to; `first`,
/// if there is one, from before the program's start. Gives back the report of
/// the trace that was being recorded when the program ended.
///
/// Trouble with a file does not touch the program; the report tells of it.
///
/// # Errors
/// If the first trace or one of its threads cannot start; then `program` has
/// not run.
pub(crate) fn run_recorded<T>(
    shared: &Shared<'_>,
    workers: u32,
    first: Option<TraceOptions>,
    requests: TraceRequests,
    program: impl FnOnce() -> T,
) -> Result<(T, Option<TraceReport>), VmError> {
    thread::scope(|scope| {
        let ending = EndWhenDropped(requests.control);
        let requests = requests.requests;
        let (answer, started) = channel();
        let first = first.map(|options| Request::Start(options, answer));
        let recorder = thread::Builder::new()
            .name("trace recorder".to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, move || serve(shared, workers, first, &requests))
            .map_err(VmError::Thread)?;
        // No answer: there is no first trace, or that thread has panicked, and
        // the report says so.
        started.recv().unwrap_or(Ok(()))?;
        let result = program();
        drop(ending);
        let trace = recorder.join().unwrap_or_else(|_| {
            let why = "its recorder has panicked; this is a fault of the virtual machine";
            Some(report_of_panic(shared, why))
        });
        Ok((result, trace))
    })
}

/// Lets the recorder end on every way out, since the scope waits for it.
struct EndWhenDropped(TraceControl);

impl Drop for EndWhenDropped {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Carries out requests until the program has ended.
fn serve(
    shared: &Shared<'_>,
    workers: u32,
    mut first: Option<Request>,
    requests: &Receiver<Request>,
) -> Option<TraceReport> {
    loop {
        let request = match first.take() {
            Some(request) => request,
            None => requests.recv().unwrap_or(Request::End),
        };
        match request {
            Request::Start(options, answer) => {
                let started = || tell(&answer, Ok(()));
                match record(shared, workers, options, requests, started) {
                    Ok((report, Until::Stop(answer))) => tell(&answer, Ok(report)),
                    Ok((report, Until::End)) => return Some(report),
                    Err(error) => tell(&answer, Err(error)),
                }
            }
            Request::Stop(answer) => tell(&answer, Err(VmError::NotTracing)),
            Request::End => return None,
        }
    }
}

/// Answers a request.
fn tell<T>(answer: &Answer<T>, result: Result<T, VmError>) {
    // Whoever has gone away does not want to know.
    let _ = answer.send(result);
}

/// Who wanted a trace to stop.
enum Until {
    /// Somebody who waits for its report.
    Stop(Answer<TraceReport>),
    /// The program has ended.
    End,
}

/// What is known of a trace whose recorder has panicked.
fn report_of_panic(shared: &Shared<'_>, why: &str) -> TraceReport {
    let stats = shared.tracing.tracer.stats();
    let file = FileReport {
        events: stats.events,
        bytes: 0,
        generations: stats.generations,
        losses: stats.losses,
        file_error: None,
        incomplete: Some(why.to_owned()),
        began: Duration::ZERO,
        gap: None,
    };
    TraceReport { files: vec![file] }
}

/// Records one trace. Calls `started` once it is on.
///
/// # Errors
/// If it cannot start. Nothing is written then.
fn record(
    shared: &Shared<'_>,
    workers: u32,
    options: TraceOptions,
    requests: &Receiver<Request>,
    started: impl FnOnce(),
) -> Result<(TraceReport, Until), VmError> {
    let mut config = Config::new(workers);
    config.version = match options.version {
        TraceVersion::Go125 => Version::Go125,
        TraceVersion::Go126 => Version::Go126,
    };
    config.period = options.period;
    config.memory_limit = options.memory_limit;
    let Ok(pen) = shared.tracing.recorder() else {
        return Err(VmError::TraceStart(StartError::NoMemory));
    };
    let host = SchedulerHost { shared, pen: &pen };
    let recording = Recording {
        host: &host,
        config,
        requests,
    };
    // Another program that wants to record into this file is refused until all is over.
    let _held = options.file.hold();
    let (mut last, mut until) = recording.file(|| Ok(options.file), started)?;
    let mut next_file = options.next_file;
    let mut pause = options.pause;
    let mut files = Vec::new();
    loop {
        let number = files.len() as u32 + 2;
        let mut next = Err(NotResumed::Over);
        let was_over = until.is_some();
        if !was_over {
            next = match &mut next_file {
                _ if last.file_error.is_some() => Err(NotResumed::Unwritten),
                None => Err(NotResumed::NoFile),
                Some(_) if number > MAX_TRACE_FILES => Err(NotResumed::TooMany),
                Some(open) => recording.resume(&mut pause, &mut until, || open(number)),
            };
        }
        let gap = last.gap.as_mut();
        match next {
            Ok((file, over)) => {
                if let Some(gap) = gap {
                    gap.to = file.began;
                    gap.last = None;
                }
                files.push(std::mem::replace(&mut last, file));
                until = over;
            }
            Err(why) => {
                let until = until.unwrap_or_else(|| recording.wait());
                if let Some(gap) = gap {
                    if !was_over {
                        gap.to = recording.now();
                    }
                    gap.last = Some(why);
                }
                files.push(last);
                return Ok((TraceReport { files }, until));
            }
        }
    }
}

/// What all files of a trace have in common.
struct Recording<'a, 's> {
    host: &'a SchedulerHost<'a, 's>,
    config: Config,
    requests: &'a Receiver<Request>,
}

/// A file's report, and who wanted the trace to stop, if that is why the file is
/// over. A gap behind it ends with that, or its end is not known yet.
type Filed = (FileReport, Option<Until>);

/// Why a file is over.
enum Over {
    /// Somebody wants the trace to stop.
    Asked(Until),
    /// The trace had to end.
    Early(AdvanceError),
}

impl Recording<'_, '_> {
    /// Since the program's start.
    fn now(&self) -> Duration {
        self.host.shared.env.epoch.elapsed()
    }

    /// Waits for somebody who wants the trace to stop.
    fn wait(&self) -> Until {
        loop {
            if let Some(until) = self.asked(Duration::MAX) {
                return until;
            }
        }
    }

    /// Carries out requests for so long, or until the trace is to stop.
    fn asked(&self, within: Duration) -> Option<Until> {
        let begun = self.now();
        loop {
            let left = within.saturating_sub(self.now() - begun);
            match self.requests.recv_timeout(left) {
                Ok(Request::Start(_, answer)) => {
                    let error = VmError::TraceStart(StartError::AlreadyTracing);
                    tell(&answer, Err(error));
                }
                Ok(Request::Stop(answer)) => return Some(Until::Stop(answer)),
                Ok(Request::End) | Err(RecvTimeoutError::Disconnected) => {
                    return Some(Until::End);
                }
                Err(RecvTimeoutError::Timeout) => return None,
            }
        }
    }

    /// Records another file after a pause, if the trace is not to stop before.
    fn resume(
        &self,
        pause: &mut Duration,
        until: &mut Option<Until>,
        mut open: impl FnMut() -> io::Result<File>,
    ) -> Result<Filed, NotResumed> {
        loop {
            *until = self.asked(*pause);
            if until.is_some() {
                return Err(NotResumed::Over);
            }
            *pause = pause.saturating_mul(2);
            match self.file(|| open().map(TraceFile::from), || {}) {
                // The memory is not back yet.
                Err(VmError::TraceStart(_)) => {}
                result => return result.map_err(NotResumed::Failed),
            }
        }
    }

    /// Records one file, which is opened only when the tracer is on.
    ///
    /// # Errors
    /// If it cannot be begun; then nothing is written to it.
    fn file(
        &self,
        open: impl FnOnce() -> io::Result<TraceFile>,
        started: impl FnOnce(),
    ) -> Result<Filed, VmError> {
        let host = self.host;
        let tracer = &host.shared.tracing.tracer;
        let closing = &Closing::new(host.shared.interrupt());
        let began = self.now();
        let mut ended = began;
        let mut over = began;
        let mut incomplete = None;
        let (early, written, until) = thread::scope(|scope| {
            // Dropped without a word, it tells that there is no file.
            let (begin, begun) = channel();
            let drained = thread::Builder::new()
                .name("trace writer".to_owned())
                .stack_size(STACK)
                .spawn_scoped(scope, move || drain(tracer, &begun, closing))
                .map_err(VmError::Thread)?;
            tracer
                .start(&self.config, host)
                .map_err(VmError::TraceStart)?;
            let mut stopper = Stopper {
                host,
                stopped: None,
            };
            let file = open().map_err(VmError::TraceFile)?;
            let sink = Sink::new(file).map_err(VmError::Thread)?;
            // The writer is there; were it not, joining it would say so.
            let _ = begin.send(sink);
            host.shared.heap.show_again();
            started();
            let why = self.advance_all(&mut ended);
            let on = tracer.enabled();
            if on {
                ended = self.now();
            }
            let stopped = stopper.stop();
            incomplete = match (&why, stopped) {
                // The file's error says it.
                (Over::Early(AdvanceError::SinkFailed), _) => None,
                (Over::Early(error), _) => Some(error.to_string()),
                (Over::Asked(_), Ok(()) | Err(StopError::SinkFailed)) => None,
                (Over::Asked(_), Err(error)) => Some(error.to_string()),
            };
            let mut until = match why {
                Over::Asked(until) => Some(until),
                Over::Early(_) => None,
            };
            let early = !on || until.is_none() || stopped == Err(StopError::EndedEarly);
            while until.is_none() && !drained.is_finished() {
                until = self.asked(TICK);
            }
            over = self.now();
            closing.begin();
            let written = drained.join().unwrap_or_else(|_| Written {
                bytes: 0,
                result: Err(io::Error::other("the trace's writer has panicked")),
            });
            Ok((early, written, until))
        })?;
        let stats = tracer.stats();
        let gap = Gap {
            from: ended,
            to: over,
            last: None,
        };
        let report = FileReport {
            events: stats.events,
            bytes: written.bytes,
            generations: stats.generations,
            losses: stats.losses,
            file_error: written.result.err(),
            incomplete,
            began,
            gap: early.then_some(gap),
        };
        Ok((report, until))
    }

    /// Begins generations when they are due, until the file is over. Keeps in
    /// `on` when the tracer was last seen to be so.
    fn advance_all(&self, on: &mut Duration) -> Over {
        let shared = self.host.shared;
        let tracer = &shared.tracing.tracer;
        loop {
            if let Some(until) = self.asked(TICK) {
                return Over::Asked(until);
            }
            // Asked first, so that it is no later than the answer.
            let now = self.now();
            if tracer.enabled() {
                *on = now;
            }
            tracer.write_stacks(self.host);
            if !tracer.advance_due() {
                continue;
            }
            match tracer.advance(self.host) {
                Ok(()) => shared.heap.show_again(),
                // This generation goes on; the next tick tries again.
                Err(AdvanceError::ReaderBehind | AdvanceError::Busy | AdvanceError::NoMemory) => {}
                Err(error) => return Over::Early(error),
            }
        }
    }
}

/// Stops tracing, at the latest when it is dropped, so that the writer comes to
/// an end.
struct Stopper<'a, 's> {
    host: &'a SchedulerHost<'a, 's>,
    stopped: Option<Result<(), StopError>>,
}

impl Stopper<'_, '_> {
    fn stop(&mut self) -> Result<(), StopError> {
        *self
            .stopped
            .get_or_insert_with(|| self.host.shared.tracing.tracer.stop(self.host))
    }
}

impl Drop for Stopper<'_, '_> {
    fn drop(&mut self) {
        // Whoever wanted the result has asked for it.
        let _ = self.stop();
    }
}
