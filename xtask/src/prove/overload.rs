//! `cargo xtask prove overload`: a program says ten times as much as is read, and
//! memory stays within the limit.
//!
//! `weft run` writes its trace into a pipe from which we read a tenth of what the
//! program was measured to produce. Its peak is compared with that of the same
//! program untraced: the difference may be the limit and [`APART`]. It must also
//! be most of the limit, or nothing was overloaded.
//!
//! Two programs: of ping-pong every event is needed, so that the trace ends when
//! memory does; the other one logs, and logs are lost one by one.

use std::fs::{self, File};
use std::io::{self, PipeReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use trace_tools::check::Check;
use trace_tools::input;

use super::Figures;
use crate::error::XtaskError;
use crate::go::Toolchain;
use crate::go_check;
use crate::process::{release, start};
use crate::root::{root, target};

/// What a traced run takes besides what the limit is about, at most: the stack
/// of the thread that writes, its copy of what it writes, and code that an
/// untraced run does not touch.
const APART: u64 = 1 << 20;

const MIB: u64 = 1 << 20;

/// How much slower the trace is read than it is written.
const SLOWER: f64 = 10.0;

/// The limits, each with its name on the command line.
const LIMITS: [(u64, &str); 3] = [(4 * MIB, "4MiB"), (16 * MIB, "16MiB"), (64 * MIB, "64MiB")];

/// How often each is run.
const RUNS: usize = 3;

/// A program, and how large it is when its rate is measured.
struct Program {
    name: &'static str,
    /// Its file below the root, or its text.
    source: Source,
    size: u64,
}

enum Source {
    File(&'static str),
    Text(&'static str),
}

const PROGRAMS: [Program; 2] = [
    Program {
        name: "ping-pong",
        source: Source::File("examples/pingpong.weft"),
        size: 200_000,
    },
    Program {
        name: "logs",
        source: Source::Text(
            "fn main() {\n  for i in 0..int(args()[0]) { log(\"overload\", \"again and again\") }\n}\n",
        ),
        size: 200_000,
    },
];

/// All limits, each several times.
pub(super) fn full() -> Figures {
    run(&LIMITS, RUNS)
}

/// The smallest limit, once.
pub(super) fn slice() -> Figures {
    run(&LIMITS[..1], 1)
}

fn run(limits: &[(u64, &str)], runs: usize) -> Figures {
    let weft = release("vm", "weft")?;
    let folder = target().join("overload");
    fs::create_dir_all(&folder).map_err(XtaskError::file("cannot create", &folder))?;
    let mut figures = Vec::new();
    let mut traces = Vec::new();
    for program in &PROGRAMS {
        let mut weft = Weft {
            weft: weft.clone(),
            file: program.file(&folder)?,
            out: folder.join("unlimited.trace"),
        };
        let untraced = weft.run(program.size, None)?.peak;
        let measured = weft.run(program.size, Some((None, "256MiB")))?;
        let rate = measured.bytes as f64 / measured.time.as_secs_f64();
        println!(
            "{}: {:.1} MB/s traced, {} KiB untraced",
            program.name,
            rate / 1e6,
            untraced >> 10
        );
        if measured.lost > 0 {
            return Err(unlike(
                program,
                "256MiB",
                format!("{} events lost", measured.lost),
            ));
        }
        for &(limit, name) in limits {
            let mut most = 0;
            let mut losses = Vec::new();
            // Twice the limit, all in all.
            let size = program.size * 2 * limit / measured.bytes.max(1) + program.size;
            for number in 1..=runs {
                weft.out = folder.join(format!("{}-{name}-{number}.trace", program.name));
                let ran = weft.run(size, Some((Some(rate / SLOWER), name)))?;
                let more = ran.peak.saturating_sub(untraced);
                println!(
                    "{} {name} {number}: {} KiB more than untraced, {} bytes, {} events lost",
                    program.name,
                    more >> 10,
                    ran.bytes,
                    ran.lost
                );
                if more > limit + APART {
                    return Err(unlike(
                        program,
                        name,
                        format!("{more} bytes more than untraced"),
                    ));
                }
                if more < limit / 2 || ran.lost == 0 {
                    let why = format!("no overload: {more} bytes more, {} lost", ran.lost);
                    return Err(unlike(program, name, why));
                }
                most = most.max(more);
                losses.push(ran.lost.to_string());
                traces.push(weft.out.clone());
            }
            figures.push(format!(
                "{} {name}: at most {:.2} MiB more than untraced, events lost {}",
                program.name,
                most as f64 / MIB as f64,
                losses.join(" / ")
            ));
        }
    }
    judge(&traces)?;
    figures.push(format!("{} traces valid for rtrace and Go", traces.len()));
    Ok(figures.join("; "))
}

fn unlike(program: &Program, limit: &str, why: String) -> XtaskError {
    XtaskError::Overload {
        run: format!("{} within {limit}", program.name),
        why,
    }
}

impl Program {
    fn file(&self, folder: &Path) -> Result<PathBuf, XtaskError> {
        match self.source {
            Source::File(path) => Ok(root().join(path)),
            Source::Text(text) => {
                let path = folder.join(format!("{}.weft", self.name));
                fs::write(&path, text).map_err(XtaskError::file("cannot write", &path))?;
                Ok(path)
            }
        }
    }
}

/// A program to be run.
struct Weft {
    weft: PathBuf,
    file: PathBuf,
    /// Where its trace is kept.
    out: PathBuf,
}

/// A run.
struct Ran {
    /// The most memory that it had, bytes.
    peak: u64,
    time: Duration,
    /// What came through the pipe.
    bytes: u64,
    /// What it says that it lost.
    lost: u64,
}

impl Weft {
    /// Runs it with an argument; traced within a limit, and read so many bytes a
    /// second.
    fn run(&self, size: u64, traced: Option<(Option<f64>, &str)>) -> Result<Ran, XtaskError> {
        let mut command = Command::new(&self.weft);
        command.args(["run", "--workers", "2"]);
        // By its end as standard input, the pipe has a name without being a
        // file, and closes when the program ends, however it does.
        let (from, into) =
            io::pipe().map_err(XtaskError::file("cannot make", Path::new("a pipe")))?;
        if let Some((_, limit)) = traced {
            command.args(["--trace", "/dev/stdin", "--trace-memory", limit]);
        }
        command
            .arg(&self.file)
            .arg(size.to_string())
            .stdin(into)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let begin = Instant::now();
        let mut child = command.spawn().map_err(|error| start(&command, error))?;
        let id = child.id().to_string();
        let said = child.stderr.take();
        // It holds our end of the pipe, too.
        drop(command);
        let ended = AtomicBool::new(false);
        let (peak, arrived) = thread::scope(|scope| {
            // Not what `wait4` says: there a child begins with its parent's peak.
            // This one begins anew with the program, and only grows.
            let sampler = scope.spawn(|| {
                let mut most = 0;
                // Relaxed: it says only when to stop.
                while !ended.load(Ordering::Relaxed) {
                    most = most.max(peak(&id).unwrap_or(0));
                    thread::sleep(Duration::from_millis(2));
                }
                most
            });
            let arrived = drain(from, &self.out, traced.and_then(|(rate, _)| rate));
            ended.store(true, Ordering::Relaxed);
            (sampler.join().unwrap_or(0), arrived)
        });
        let bytes = arrived?;
        let mut words = String::new();
        if let Some(mut said) = said {
            said.read_to_string(&mut words)
                .map_err(XtaskError::file("cannot read", &self.weft))?;
        }
        let status = child
            .wait()
            .map_err(XtaskError::file("cannot wait for", &self.weft))?;
        let time = begin.elapsed();
        if !status.success() {
            return Err(XtaskError::Failed {
                what: format!("{} {size}", self.file.display()),
                status,
                output: words,
            });
        }
        Ok(Ran {
            peak,
            time,
            bytes,
            lost: lost(&words),
        })
    }
}

/// The most memory that a process has had so far, bytes; nothing once it has
/// ended.
fn peak(process: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib << 10)
}

/// Reads to the end, at most so many bytes a second, into a file.
fn drain(mut from: PipeReader, out: &Path, rate: Option<f64>) -> Result<u64, XtaskError> {
    let cannot = || XtaskError::file("cannot write", out);
    let mut file = File::create(out).map_err(cannot())?;
    let mut piece = [0; 16 << 10];
    let mut taken = 0;
    let begin = Instant::now();
    loop {
        let count = from
            .read(&mut piece)
            .map_err(XtaskError::file("cannot read", Path::new("the pipe")))?;
        if count == 0 {
            return Ok(taken);
        }
        file.write_all(&piece[..count]).map_err(cannot())?;
        taken += count as u64;
        if let Some(rate) = rate {
            let due = Duration::from_secs_f64(taken as f64 / rate);
            thread::sleep(due.saturating_sub(begin.elapsed()));
        }
    }
}

/// How many events were lost, says the closing line.
fn lost(said: &str) -> u64 {
    let before = said.split_once(" events lost").map(|(before, _)| before);
    before
        .and_then(|before| before.rsplit(' ').next())
        .and_then(|count| count.parse().ok())
        .unwrap_or(0)
}

/// Our reader's judgement and Go's.
fn judge(traces: &[PathBuf]) -> Result<(), XtaskError> {
    for path in traces {
        let dump = |error| XtaskError::Dump {
            path: path.clone(),
            error: Box::new(error),
        };
        let check = input::open(path, ()).and_then(Check::of).map_err(dump)?;
        if !check.passed() {
            return Err(XtaskError::Overload {
                run: path.display().to_string(),
                why: check.findings().join("; "),
            });
        }
    }
    go_check::check(&Toolchain::find()?, traces, &["-quiet"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_read_from_the_closing_line() {
        let line = "trace: a b: 124707 events, 51 bytes, 1 generations, 217236 events lost (reader \
                    too slow: 217236)\ntrace: nothing was recorded from 1.009 s to 1.576 s\n";
        assert_eq!(lost(line), 217_236);
        assert_eq!(
            lost("trace: x: 1 events, 2 bytes, 1 generations, 0 events lost"),
            0
        );
        assert_eq!(lost(""), 0);
    }

    #[test]
    fn a_peak_is_known() {
        let peak = peak("self").expect("the system says");
        assert!(peak > 100_000, "{peak}");
    }
}
