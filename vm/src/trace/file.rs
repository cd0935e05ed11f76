//! Recording traces of a run into files: one thread takes requests to start and
//! stop, and moves the generations on; while there is a trace, another one pulls
//! what the tracer has and writes it.
//!
//! ```text
//!  requests ──► serve ─ Start ─► record ── start · advance · stop ──► Tracer
//!                 ▲                │ Stop, End                          │
//!                 └──── report ────┴──── writer thread ◄──── chunks ────┘
//! ```

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use runtime_trace::{AdvanceError, Chunk, Config, StartError, StopError, Tracer, Version};

use super::host::SchedulerHost;
use crate::control::{Answer, Request, TraceControl, TraceRequests};
use crate::error::VmError;
use crate::options::{TraceOptions, TraceVersion};
use crate::outcome::TraceReport;
use crate::sched::Shared;

/// How often somebody looks whether a generation is due.
const TICK: Duration = Duration::from_millis(5);

/// How long the writer waits when there is nothing to write.
const NAP: Duration = Duration::from_millis(2);

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
            .spawn_scoped(scope, move || serve(shared, workers, first, &requests))
            .map_err(VmError::Thread)?;
        // No answer: there is no first trace, or that thread has panicked, and
        // the report says so.
        started.recv().unwrap_or(Ok(()))?;
        let result = program();
        drop(ending);
        let trace = recorder.join().unwrap_or_else(|_| {
            let why = "its recorder has panicked; this is a fault of the virtual machine";
            Some(report(&shared.tracing.tracer, Ok(()), Some(why.to_owned())))
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
    let tracer = &shared.tracing.tracer;
    let mut config = Config::new(workers);
    config.version = match options.version {
        TraceVersion::Go125 => Version::Go125,
        TraceVersion::Go126 => Version::Go126,
    };
    config.period = options.period;
    let Ok(pen) = shared.tracing.recorder() else {
        return Err(VmError::TraceStart(StartError::NoMemory));
    };
    let host = SchedulerHost { shared, pen: &pen };
    let (incomplete, written, until) = thread::scope(|scope| {
        // Dropped without a word, it tells the writer that there is nothing.
        let (begin, begun) = channel();
        let writer = thread::Builder::new()
            .name("trace writer".to_owned())
            .spawn_scoped(scope, move || match begun.recv() {
                Ok(()) => write_all(tracer, options.file),
                Err(_) => Ok(()),
            })
            .map_err(VmError::Thread)?;
        tracer.start(&config, &host).map_err(VmError::TraceStart)?;
        let mut stopper = Stopper {
            host: &host,
            stopped: None,
        };
        // The writer is there; were it not, joining it would say so.
        let _ = begin.send(());
        shared.heap.show_again();
        started();
        let (advanced, until) = advance_all(&host, requests);
        let stopped = stopper.stop();
        let incomplete = match (advanced, stopped) {
            (Err(error), _) => Some(error.to_string()),
            (Ok(()), Err(error)) => Some(error.to_string()),
            (Ok(()), Ok(())) => None,
        };
        let written = writer
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the trace's writer has panicked")));
        Ok((incomplete, written, until))
    })?;
    Ok((report(tracer, written, incomplete), until))
}

/// What became of the trace that was recorded last.
fn report(tracer: &Tracer, written: io::Result<()>, incomplete: Option<String>) -> TraceReport {
    let stats = tracer.stats();
    TraceReport {
        events: stats.events,
        bytes: stats.bytes,
        generations: stats.generations,
        lost: stats.losses.events(),
        losses: stats.losses.to_string(),
        file_error: written.err(),
        incomplete,
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

/// Begins generations when they are due, until the trace is to stop.
fn advance_all(
    host: &SchedulerHost<'_, '_>,
    requests: &Receiver<Request>,
) -> (Result<(), AdvanceError>, Until) {
    let tracer = &host.shared.tracing.tracer;
    let mut advanced = Ok(());
    loop {
        match requests.recv_timeout(TICK) {
            Ok(Request::Start(_, answer)) => {
                let error = VmError::TraceStart(StartError::AlreadyTracing);
                tell(&answer, Err(error));
            }
            Ok(Request::Stop(answer)) => return (advanced, Until::Stop(answer)),
            Ok(Request::End) | Err(RecvTimeoutError::Disconnected) => {
                return (advanced, Until::End);
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        if advanced.is_err() || !tracer.advance_due() {
            continue;
        }
        match tracer.advance(host) {
            Ok(()) => host.shared.heap.show_again(),
            // This generation goes on; the next tick tries again.
            Err(AdvanceError::ReaderBehind | AdvanceError::Busy | AdvanceError::NoMemory) => {}
            Err(error) => advanced = Err(error),
        }
    }
}

/// Writes the trace to its end. After an error it goes on reading, since a
/// trace that nobody reads cannot advance.
fn write_all(tracer: &Tracer, mut file: File) -> io::Result<()> {
    let Some(mut reader) = tracer.reader() else {
        return Err(io::Error::other("somebody else reads the trace"));
    };
    let mut result = Ok(());
    loop {
        match reader.next() {
            Chunk::Data(bytes) if result.is_ok() => result = file.write_all(bytes),
            Chunk::Data(_) => {}
            Chunk::Pending => thread::sleep(NAP),
            Chunk::End => break,
        }
    }
    result.and_then(|()| match file.sync_all() {
        // A pipe or a device cannot be synced, and need not be.
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
        result => result,
    })
}
