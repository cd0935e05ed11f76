//! A program made up from bytes does the same with a trace as without, and the
//! trace is true and says what the program has said.
//!
//! The fuzzer calls this with bytes of its own, `tests/fuzzed.rs` with a fixed
//! choice. It panics if something does not hold.

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use trace_format::EventKind;
use trace_format::end::LAST_NOTE;
use trace_read::event::{Kind, TaskState};
use trace_read::raw::{Item, RawReader};
use trace_read::{Event, ReadError, Reader, WorkerId};
use vm::{Options, Outcome, StartError, TraceOptions, TraceReport, TraceVersion, VmError};

#[path = "../../../vm/tests/support/generated.rs"]
mod generated;

use generated::{Choices, LEFT, Program, Said};

/// So many steps a program takes at most, about. With a trace, few milliseconds.
const STEPS: i64 = 1_000;

/// How a program is run.
#[derive(Clone, Copy, Debug)]
struct How {
    workers: u32,
    version: TraceVersion,
    period: Duration,
    /// What the tracer may use; with little, it may have to end the trace early.
    memory: Option<usize>,
    recorded: Recorded,
}

/// When it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recorded {
    Always,
    /// From time to time.
    Sometimes,
}

impl How {
    fn chosen(choices: &mut Choices<'_>) -> Self {
        How {
            workers: choices.of(1, 4) as u32,
            version: choices.pick(&[TraceVersion::Go126, TraceVersion::Go125]),
            period: Duration::from_micros(choices.pick(&[1_000_000, 2_000, 500, 100])),
            memory: choices.pick(&[None, None, Some(1 << 20), Some(400 << 10)]),
            recorded: choices.pick(&[Recorded::Always, Recorded::Always, Recorded::Sometimes]),
        }
    }

    fn trace(&self, file: File) -> TraceOptions {
        let mut options = TraceOptions {
            version: self.version,
            period: self.period,
            pause: Duration::from_micros(100),
            ..TraceOptions::new(file)
        };
        options.memory_limit = self.memory.unwrap_or(options.memory_limit);
        options
    }
}

/// Runs the program that these choices make, without a trace and with one.
pub fn programs(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let how = How::chosen(&mut choices);
    let program = generated::program(&mut choices, STEPS);
    let code = weft::compile("made.weft", &program.source)
        .unwrap_or_else(|errors| panic!("{errors}\n{}", program.source));
    run(&program, &code, &how, Options::new(how.workers));
    match how.recorded {
        Recorded::Always => record(&program, &code, &how),
        Recorded::Sometimes => record_sometimes(&program, &code, &how),
    }
}

/// Runs it; nothing comes of it if there is too little memory to begin a trace.
fn run(program: &Program, code: &weft::Program, how: &How, options: Options) -> Option<Outcome> {
    let mut output = Vec::new();
    let outcome = match vm::run(code, options, &mut output) {
        Err(VmError::TraceStart(StartError::NoMemory)) if how.memory.is_some() => return None,
        outcome => outcome.expect("the program can be started"),
    };
    let output = String::from_utf8(output).expect("programs print UTF-8");
    assert_eq!(
        (&*output, outcome.end.status()),
        (&*program.output, program.status),
        "{how:?}: {}\n{}",
        outcome.end,
        program.source
    );
    Some(outcome)
}

fn record(program: &Program, code: &weft::Program, how: &How) {
    let mut files = vec![memory_file().expect("there is memory")];
    let (sender, further) = channel();
    let mut options = Options::new(how.workers);
    options.trace = Some(TraceOptions {
        next_file: Some(Box::new(move |_| {
            let file = memory_file()?;
            // Nobody reads it if the test has failed.
            let _ = sender.send(file.try_clone()?);
            Ok(file)
        })),
        ..how.trace(files[0].try_clone().expect("a file can be shared"))
    });
    let Some(outcome) = run(program, code, how, options) else {
        return;
    };
    let report = outcome.trace.expect("it was traced");
    files.extend(further.try_iter());
    let counted = read_all(program, how, files, &report);
    if how.memory.is_some() && !report.is_whole() {
        return;
    }
    assert!(report.is_whole(), "{how:?}: {report:?}");
    let mut wanted = program.said;
    wanted.tasks += 1; // `main`
    assert_eq!(
        (counted.said, counted.ended),
        (wanted, wanted.regions),
        "{how:?}\n{}",
        program.source
    );
}

/// Starts and stops traces of the same run, one after the other.
fn record_sometimes(program: &Program, code: &weft::Program, how: &How) {
    let mut options = Options::new(how.workers);
    let (control, requests) = vm::trace_control();
    options.control = Some(requests);
    thread::scope(|scope| {
        let recording = scope.spawn(|| {
            for pause in [0, 50, 300, 1_000, 3_000].map(Duration::from_micros) {
                let file = memory_file().expect("there is memory");
                let shared = file.try_clone().expect("a file can be shared");
                match control.start(how.trace(shared)) {
                    Ok(()) => thread::sleep(pause),
                    Err(VmError::TraceStart(StartError::NoMemory)) if how.memory.is_some() => {
                        continue;
                    }
                    Err(VmError::Ended) => return None,
                    Err(error) => panic!("{how:?}: {error}"),
                }
                match control.stop() {
                    Ok(report) => drop(read_all(program, how, vec![file], &report)),
                    // The outcome has its report.
                    Err(VmError::Ended) => return Some(file),
                    Err(error) => panic!("{how:?}: {error}"),
                }
            }
            None
        });
        let outcome = run(program, code, how, options).expect("there is no trace at first");
        let last = recording.join().expect("the panic was told");
        assert_eq!(last.is_some(), outcome.trace.is_some());
        if let (Some(file), Some(report)) = (last, outcome.trace) {
            read_all(program, how, vec![file], &report);
        }
    });
}

/// Reads each file to its end, and counts what they say.
fn read_all(program: &Program, how: &How, files: Vec<File>, report: &TraceReport) -> Counted {
    assert_eq!(files.len(), report.files.len(), "{how:?}: {report:?}");
    let mut counted = Counted::default();
    for (mut file, told) in files.into_iter().zip(&report.files) {
        let mut trace = Vec::new();
        file.rewind().expect("a file in memory");
        file.read_to_end(&mut trace).expect("a file in memory");
        assert_eq!(trace.len() as u64, told.bytes, "{how:?}: {told:?}");
        if let Err(error) = counted.read(&trace) {
            // A race may not show itself a second time, but here is what it left.
            let path = std::env::temp_dir().join(format!("false-{}.trace", std::process::id()));
            let kept = fs::write(&path, &trace).map(|()| path);
            panic!("{how:?}: {error}: {kept:?}\n{told:?}\n{}", program.source);
        }
        let events = timed(&trace).expect("it has been read");
        assert_eq!(events, told.events, "{how:?}: {told:?}");
    }
    counted
}

/// How many timed events there are in a trace, other than those of its clock.
fn timed(trace: &[u8]) -> Result<u64, ReadError> {
    let mut reader = RawReader::new(trace)?;
    let mut count = 0;
    while let Some(item) = reader.next_item()? {
        let Item::Batch(batch) = item else {
            continue;
        };
        for event in batch.events() {
            let kind = event?.kind;
            count += u64::from(kind.is_timed() && kind != EventKind::ClockSnapshot);
        }
    }
    Ok(count)
}

/// What a trace says, regions called [`LEFT`] left out.
#[derive(Debug, Default)]
struct Counted {
    said: Said,
    /// Regions that end.
    ended: u64,
}

impl Counted {
    fn read(&mut self, trace: &[u8]) -> Result<(), ReadError> {
        let mut reader = Reader::new(trace)?;
        while let Some(event) = reader.next_event()? {
            self.count(&event);
        }
        Ok(())
    }

    fn count(&mut self, event: &Event<'_>) {
        if event.worker == Some(WorkerId(LAST_NOTE)) {
            return;
        }
        match &event.kind {
            Kind::Task(change) if change.from == TaskState::NotExist => self.said.tasks += 1,
            Kind::UserRegionBegin(region) if region.name != LEFT => self.said.regions += 1,
            Kind::UserRegionEnd(region) if region.name != LEFT => self.ended += 1,
            Kind::UserTaskBegin(_) => self.said.user_tasks += 1,
            Kind::Log(_) => self.said.logs += 1,
            _ => {}
        }
    }
}

/// An empty file that is nowhere but in memory.
fn memory_file() -> io::Result<File> {
    // SAFETY: the name is a C string that lives through the call.
    let file = unsafe { libc::memfd_create(c"trace".as_ptr(), 0) };
    if file == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was opened just now, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(file) }.into())
}
