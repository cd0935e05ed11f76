//! Recording a run into a file: one thread pulls what the tracer has and writes
//! it, another moves the generations on.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use runtime_trace::{AdvanceError, Chunk, Config, StartError, StopError, Tracer, Version};

use super::host::SchedulerHost;
use crate::error::VmError;
use crate::options::{TraceOptions, TraceVersion};
use crate::outcome::TraceReport;
use crate::sched::Shared;

/// How often the advancer looks whether a generation is due.
const TICK: Duration = Duration::from_millis(5);

/// How long the writer waits when there is nothing to write.
const NAP: Duration = Duration::from_millis(2);

/// Runs `program` with tracing on from before its start until after its end.
///
/// Trouble with the file does not touch the program; the report tells of it.
///
/// # Errors
/// If tracing or one of its threads cannot start; then `program` has not run.
pub(crate) fn record(
    shared: &Shared<'_>,
    options: TraceOptions,
    workers: u32,
    program: impl FnOnce(),
) -> Result<TraceReport, VmError> {
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
    tracer.start(&config, &host).map_err(VmError::TraceStart)?;
    shared.tracing.new_generation();
    shared.heap.show_again();
    let over = AtomicBool::new(false);
    let (stopped, advanced, written) = thread::scope(|scope| {
        // Ends the trace on every way out, and with it both threads.
        let mut stopper = Stopper {
            host: &host,
            over: &over,
            stopped: None,
        };
        let spawn = |name: &str| thread::Builder::new().name(name.to_owned());
        let writer = spawn("trace writer")
            .spawn_scoped(scope, || write_all(tracer, options.file))
            .map_err(VmError::Thread)?;
        let advancer = spawn("trace advancer")
            .spawn_scoped(scope, || advance_all(shared, &over))
            .map_err(VmError::Thread)?;
        program();
        let stopped = stopper.stop();
        let advanced = advancer.join().unwrap_or(Ok(()));
        let written = writer
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the trace's writer has panicked")));
        Ok((stopped, advanced, written))
    })?;
    let stats = tracer.stats();
    Ok(TraceReport {
        events: stats.events,
        bytes: stats.bytes,
        generations: stats.generations,
        lost: stats.losses.events(),
        losses: stats.losses.to_string(),
        file_error: written.err(),
        incomplete: advanced
            .err()
            .map(|e| e.to_string())
            .or_else(|| stopped.err().map(|e| e.to_string())),
    })
}

/// Stops tracing, at the latest when it is dropped.
struct Stopper<'a, 's> {
    host: &'a SchedulerHost<'a, 's>,
    over: &'a AtomicBool,
    stopped: Option<Result<(), StopError>>,
}

impl Stopper<'_, '_> {
    fn stop(&mut self) -> Result<(), StopError> {
        *self.stopped.get_or_insert_with(|| {
            // Relaxed: it only ends a loop.
            self.over.store(true, Ordering::Relaxed);
            loop {
                match self.host.shared.tracing.tracer.stop(self.host) {
                    // The advancer is at work for the last time.
                    Err(StopError::Busy) => thread::sleep(Duration::from_millis(1)),
                    result => return result,
                }
            }
        })
    }
}

impl Drop for Stopper<'_, '_> {
    fn drop(&mut self) {
        // Whoever wanted the result has asked for it.
        let _ = self.stop();
    }
}

/// Begins generations when they are due, until tracing is over.
fn advance_all(shared: &Shared<'_>, over: &AtomicBool) -> Result<(), AdvanceError> {
    let tracer = &shared.tracing.tracer;
    let Ok(pen) = shared.tracing.recorder() else {
        return Err(AdvanceError::NoMemory);
    };
    let host = SchedulerHost { shared, pen: &pen };
    // Relaxed: nothing is read because of it.
    while !over.load(Ordering::Relaxed) {
        thread::sleep(TICK);
        if !tracer.advance_due() {
            continue;
        }
        match tracer.advance(&host) {
            Ok(()) => {
                shared.tracing.new_generation();
                shared.heap.show_again();
            }
            // This generation goes on; the next tick tries again.
            Err(AdvanceError::ReaderBehind | AdvanceError::Busy | AdvanceError::NoMemory) => {}
            Err(AdvanceError::NotTracing) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
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
