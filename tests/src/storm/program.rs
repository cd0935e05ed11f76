//! A storm over programs in the virtual machine: threads beside a generated
//! program start and stop traces at random, in generations as short as can be,
//! into files, slow pipes and devices that are full.
//!
//! The program must do what it does untraced, and each file must be what its
//! report says.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread::{self, Scope};
use std::time::Duration;

use runtime_trace::{Loss, pages};
use vm::{
    FileReport, Options, Outcome, StartError, TraceControl, TraceOptions, TraceReport,
    TraceVersion, VmError, trace_control,
};
use weft::Program;

use crate::check::Ends;
use crate::rng::Rng;
use crate::storm::judge::{Accepted, accept};
use crate::storm::keep::{FileEnd, Keep};
use crate::storm::pulse::Pulse;
use crate::storm::source::{FILE, Last, Source};
use crate::storm::{Damage, Figures, Size};
use crate::wire::Trace;

/// Storms over a program with this seed, and judges what comes of it.
///
/// # Errors
///
/// [`Damage`], and where the file is that it is about.
///
/// # Panics
///
/// If a thread does.
pub fn storm(seed: u64, size: Size, pulse: &Pulse, keep: &mut Keep) -> Result<Figures, Damage> {
    let mut rng = Rng::new(seed, 0x3e4f);
    let source = Source::new(&mut rng, size.rounds);
    let program = weft::compile("storm.weft", &source.text).map_err(|error| Damage::Refused {
        what: "the compiler",
        error: format!("{error}\n{}", source.text),
    })?;
    let place = Place::new(seed)?;
    let workers = rng.of(&[1, 2, 3, 4, 8]);
    let plain = run(&program, &place, workers, None)?;
    source.is_done(&plain.0, &plain.1)?;
    pulse.beat();

    let storm = Storm {
        place: &place,
        pulse,
        tight: rng.one_in(3),
        fails: rng.one_in(3),
        slow: rng.one_in(3),
        pause: Duration::from_micros(rng.of(&[0, 300, 3000, 20_000])),
        log: Mutex::default(),
    };
    let (control, requests) = trace_control();
    let stormed = thread::scope(|scope| {
        let storm = &storm;
        let threads: Vec<_> = (0..1 + rng.below(3) as u64)
            .map(|thread| {
                let control = control.clone();
                let rng = Rng::new(seed, thread);
                scope.spawn(move || storm.strikes(scope, &control, rng))
            })
            .collect();
        let ran = run(&program, &place, workers, Some(requests));
        drop(control);
        for thread in threads {
            match thread.join() {
                Ok(struck) => struck?,
                Err(panicked) => std::panic::resume_unwind(panicked),
            }
        }
        ran
    })?;
    let (outcome, output) = stormed;
    source.is_done(&outcome, &output)?;
    if source.last != Last::Deadlock {
        // (Which task has which number is by chance.)
        same(
            "message",
            &plain.0.end.to_string(),
            &outcome.end.to_string(),
        )?;
    }
    let mut log = storm.log.into_inner().expect("no thread panicked");
    log.reports.extend(outcome.trace);
    judge(seed, &place, log, keep)
}

impl Source {
    /// Whether a run did what the program does.
    fn is_done(&self, outcome: &Outcome, output: &str) -> Result<(), Damage> {
        let status = |status: u8, message: &str| format!("status {status} {message}");
        let end = &outcome.end;
        let found = match end.status() == self.last.status() {
            true => status(end.status(), ""),
            false => status(end.status(), &format!("{end}\n{}", self.text)),
        };
        same("status", &status(self.last.status(), ""), &found)?;
        same("output", &self.output, output)
    }
}

fn same(what: &'static str, expected: &str, found: &str) -> Result<(), Damage> {
    if expected == found {
        return Ok(());
    }
    Err(Damage::Program {
        what,
        expected: expected.to_owned(),
        found: found.to_owned(),
    })
}

fn run(
    program: &Program,
    place: &Place,
    workers: u32,
    control: Option<vm::TraceRequests>,
) -> Result<(Outcome, String), Damage> {
    let mut options = Options::new(workers);
    options.args = vec![place.0.join("short").display().to_string()];
    options.control = control;
    let mut output = Vec::new();
    let refused = |error: &dyn std::fmt::Display| Damage::Refused {
        what: "the run",
        error: error.to_string(),
    };
    let outcome = vm::run(program, options, &mut output).map_err(|error| refused(&error))?;
    let output = String::from_utf8(output).map_err(|error| refused(&error))?;
    Ok((outcome, output))
}

/// A folder for what a storm needs, which goes away with this.
struct Place(PathBuf);

impl Place {
    fn new(seed: u64) -> io::Result<Self> {
        let name = format!("storm-{}-{seed}", std::process::id());
        let place = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(place.traces())?;
        fs::write(place.0.join("short"), FILE)?;
        Ok(place)
    }

    /// Where traces go.
    fn traces(&self) -> PathBuf {
        self.0.join("traces")
    }
}

/// The name of a trace's file, which tells whether it has little memory.
fn name(number: usize, file: u32, tight: bool) -> String {
    let kind = if tight { TIGHT } else { "roomy" };
    format!("{number:04}.{file}.{kind}")
}

const TIGHT: &str = "tight";

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed from the temporary folder stays there.
        let _ = fs::remove_dir_all(&self.0);
    }
}

struct Storm<'a> {
    place: &'a Place,
    pulse: &'a Pulse,
    /// Whether some traces have little memory.
    tight: bool,
    /// Whether some files are full.
    fails: bool,
    /// Whether some files are slow.
    slow: bool,
    /// How long threads pause at most.
    pause: Duration,
    log: Mutex<Log>,
}

/// What came of starts and stops.
#[derive(Default)]
struct Log {
    attempts: usize,
    starts: u64,
    stops: u64,
    refused: u64,
    /// Traces into what is full.
    failing: usize,
    reports: Vec<TraceReport>,
}

impl Storm<'_> {
    fn log<T>(&self, note: impl FnOnce(&mut Log) -> T) -> T {
        self.pulse.beat();
        note(&mut self.log.lock().expect("no thread panicked"))
    }

    /// Starts and stops traces until the program has ended.
    fn strikes<'scope>(
        &self,
        scope: &'scope Scope<'scope, '_>,
        control: &TraceControl,
        mut rng: Rng,
    ) -> Result<(), Damage> {
        loop {
            let pause = self.pause.as_micros() as usize;
            thread::sleep(Duration::from_micros(rng.below(pause + 1) as u64));
            let over = match rng.one_in(2) {
                true => self.starts(scope, control, &mut rng)?,
                false => self.stops(control)?,
            };
            if over {
                return Ok(());
            }
        }
    }

    /// Stops a trace, if there is one: whether the program is over.
    fn stops(&self, control: &TraceControl) -> Result<bool, Damage> {
        match control.stop() {
            Ok(report) => self.log(|log| {
                log.stops += 1;
                log.reports.push(report);
            }),
            Err(VmError::NotTracing) => self.log(|log| log.refused += 1),
            Err(VmError::Ended) => return Ok(true),
            Err(error) => {
                let error = error.to_string();
                return Err(Damage::Refused {
                    what: "stop",
                    error,
                });
            }
        }
        Ok(false)
    }

    /// Starts a trace, if there is none: whether the program is over.
    fn starts<'scope>(
        &self,
        scope: &'scope Scope<'scope, '_>,
        control: &TraceControl,
        rng: &mut Rng,
    ) -> Result<bool, Damage> {
        let number = self.log(|log| {
            log.attempts += 1;
            log.attempts
        });
        let tight = self.tight && rng.one_in(2);
        let fails = self.fails && rng.one_in(4);
        let path = self.place.traces().join(name(number, 1, tight));
        let file = if fails {
            File::options().write(true).open("/dev/full")?
        } else if self.slow && rng.one_in(4) {
            let (from, into) = io::pipe()?;
            let (path, rng) = (path.clone(), rng.clone());
            scope.spawn(move || trickles(from, &path, rng));
            OwnedFd::from(into).into()
        } else {
            File::create(&path)?
        };
        let version = rng.of(&[TraceVersion::Go126, TraceVersion::Go125]);
        let mut options = TraceOptions {
            version,
            period: Duration::from_millis(rng.of(&[0, 1, 3, 1000])),
            pause: Duration::from_millis(1),
            ..TraceOptions::new(file)
        };
        if tight {
            options.memory_limit = (10 + rng.below(50)) * pages::BLOCK_SIZE;
            let folder = self.place.traces();
            options.next_file = Some(Box::new(move |file| {
                File::create(folder.join(name(number, file, tight)))
            }));
        }
        match control.start(options) {
            Ok(()) => self.log(|log| {
                log.starts += 1;
                log.failing += usize::from(fails);
            }),
            Err(VmError::Ended) => return Ok(true),
            Err(VmError::TraceStart(StartError::AlreadyTracing)) => {
                self.log(|log| log.refused += 1);
            }
            Err(VmError::TraceStart(StartError::NoMemory)) if tight => {
                self.log(|log| log.refused += 1);
            }
            Err(error) => {
                let error = error.to_string();
                return Err(Damage::Refused {
                    what: "start",
                    error,
                });
            }
        }
        Ok(false)
    }
}

/// Reads a pipe as slowly as a busy reader does, into a file.
fn trickles(mut from: io::PipeReader, path: &Path, mut rng: Rng) {
    let mut all = Vec::new();
    let mut piece = vec![0; 8 << 10];
    while let Ok(count) = from.read(&mut piece)
        && count > 0
    {
        all.extend_from_slice(&piece[..count]);
        thread::sleep(Duration::from_micros(rng.below(500) as u64));
    }
    // If it cannot be written there is a file less than reports.
    let _ = fs::write(path, all);
}

/// Judges the files, each by its report.
fn judge(seed: u64, place: &Place, log: Log, keep: &mut Keep) -> Result<Figures, Damage> {
    let mut figures = Figures {
        storms: 1,
        moves: [log.starts, 0, log.stops],
        refused: log.refused,
        ..Figures::default()
    };
    let mut reports: Vec<FileReport> = log.reports.into_iter().flat_map(|it| it.files).collect();
    // What did not reach its file is on no disk.
    let all = reports.len();
    reports.retain(|report| report.file_error.is_none());
    if all - reports.len() > log.failing {
        return Err(Damage::Reports {
            files: log.failing,
            reports: all - reports.len(),
        });
    }
    reports.sort_by_key(|report| report.began);
    let mut files = Vec::new();
    for entry in fs::read_dir(place.traces())? {
        let path = entry?.path();
        let bytes = fs::read(&path)?;
        // Some were opened for nothing.
        if !bytes.is_empty() {
            let began = Trace::read(&bytes[..])
                .map_err(|fault| blame(seed, &path, &bytes, keep, None, fault.into()))?
                .generations
                .first()
                .map_or(0, |generation| generation.began);
            files.push((began, path, bytes));
        }
    }
    // Traces follow each other, so files and reports are in the same order.
    files.sort_by_key(|(began, ..)| *began);
    if files.len() != reports.len() {
        return Err(Damage::Reports {
            files: files.len(),
            reports: reports.len(),
        });
    }
    for (at, ((_, path, bytes), report)) in files.iter().zip(&reports).enumerate() {
        let tight = path.extension().is_some_and(|kind| kind == TIGHT);
        let its = fits(path, bytes, report, tight)
            .map_err(|damage| blame(seed, path, bytes, keep, Some(report), damage))?;
        figures.add(&its);
        let end = match report.incomplete {
            Some(_) => FileEnd::Early,
            None => FileEnd::Whole,
        };
        keep.file(&format!("storm-program-{seed}-{at:03}"), end, bytes)?;
    }
    Ok(figures)
}

fn blame(
    seed: u64,
    path: &Path,
    bytes: &[u8],
    keep: &Keep,
    report: Option<&FileReport>,
    damage: Damage,
) -> Damage {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let place = keep.evidence(&format!("storm-program-{seed}-{name}"), bytes);
    let about = match report {
        Some(report) => format!("{name}, of which was reported: {report:?}"),
        None => name.into_owned(),
    };
    Damage::In {
        place,
        about,
        damage: Box::new(damage),
    }
}

/// Whether a file is true, and what its report says.
fn fits(path: &Path, bytes: &[u8], report: &FileReport, tight: bool) -> Result<Figures, Damage> {
    let early = report.incomplete.is_some();
    let ends = if early { Ends::Early } else { Ends::Whole };
    let Accepted { trace, checked } = accept(bytes, ends)?;
    let events: u64 = checked.counts.values().sum();
    let generations = trace.generations.len() as u64;
    let lost = report.losses.total();
    // Of one that ended early the last generation may not be in the file.
    let counted =
        report.generations == generations || early && report.generations == generations + 1;
    let fits = report.bytes == bytes.len() as u64
        && report.events == events
        && counted
        && (tight || report.is_whole())
        && (!early || report.gap.is_some())
        && generations > 0;
    if !fits {
        return Err(Damage::Report {
            report: format!("{report:?}; found {events} events, {generations} generations"),
            file: path.to_owned(),
        });
    }
    let mut figures = Figures {
        files: 1,
        early: u64::from(early),
        exact: u64::from(lost == 0),
        events,
        bytes: report.bytes,
        moves: [0, generations - 1, 0],
        ..Figures::default()
    };
    for (sum, cause) in figures.lost.iter_mut().zip(Loss::ALL) {
        *sum = report.losses.count(*cause);
    }
    Ok(figures)
}
