//! `cargo xtask bench reader`: reading all events of a trace, ours beside Go's.
//!
//! Ours is `rtrace check`, which besides reading counts by kind, tasks and
//! stacks; Go's is a program that reads and counts (`xtask/go/traceread`). Both
//! order and validate. They take turns on the same file, so that both see the
//! same noise: on one core, where events per second count, and on all of them.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use clap::Args;

use crate::bench::figures::Spread;
use crate::bench::measure::{Run, floor, instructions, on_one_core, run as measure};
use crate::bench::synthetic::{self, GENERATION};
use crate::error::XtaskError;
use crate::go::{self, Toolchain};
use crate::process::{capture, release};
use crate::root::{root, target};

/// Up to how many events a file has for which instructions are counted: under
/// callgrind a program takes some fifty times as long.
const COUNTED_EVENTS: u64 = 4_000_000;

/// What to measure with.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The traces; by default some are recorded, by Weft programs and Go
    /// programs.
    files: Vec<PathBuf>,
    /// How often each is read.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Also read a trace of so many megabytes, which is made up.
    #[arg(long, value_name = "MB")]
    large: Option<u64>,
}

/// What all runs of one reader on one file took.
struct Runs {
    runs: Vec<Run>,
    events: u64,
}

impl Runs {
    fn new() -> Self {
        Runs {
            runs: Vec::new(),
            events: 0,
        }
    }

    fn add(&mut self, (run, events): (Run, u64)) {
        self.runs.push(run);
        self.events = events;
    }

    /// Millions of events a second.
    fn rate(&self) -> Spread {
        let events = self.events as f64;
        Spread::of(
            self.runs
                .iter()
                .map(|run| events / run.wall.as_secs_f64() / 1e6),
        )
    }

    /// Nanoseconds of processor time per event.
    fn cpu(&self) -> Spread {
        let events = self.events as f64;
        Spread::of(
            self.runs
                .iter()
                .map(|run| run.cpu.as_secs_f64() * 1e9 / events),
        )
    }

    /// The most memory, MiB.
    fn peak(&self) -> f64 {
        mebibytes(self.runs.iter().map(|run| run.peak).max().unwrap_or(0))
    }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

pub(super) fn run(options: &Options) -> Result<(), XtaskError> {
    let toolchain = Toolchain::find()?;
    let theirs = go::reader(&toolchain)?;
    let ours = release("trace-tools", "rtrace")?;
    let recorded;
    let files = match options.files.is_empty() {
        false => &options.files,
        true => {
            recorded = prepare(&toolchain, options.large)?;
            &recorded
        }
    };
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
    println!(
        "rtrace check beside {}'s internal/trace, {} runs each in turns, {cores} cores\n\
         rates: million events a second, cpu: nanoseconds an event, each min / median / max; \
         memory: the most of all runs, and no less than {:.1} MiB",
        toolchain.version(),
        options.runs,
        mebibytes(floor()?)
    );
    for file in files {
        compare(file, &ours, &theirs, options.runs)?;
    }
    Ok(())
}

fn compare(file: &Path, ours: &Path, theirs: &Path, runs: u32) -> Result<(), XtaskError> {
    let size = fs::metadata(file)
        .map_err(XtaskError::file("cannot read", file))?
        .len();
    let mut check = Command::new(ours);
    check.arg("check").arg("--json").arg(file);
    let mut read = Command::new(theirs);
    read.arg(file);
    println!("\n{}, {:.1} MB", file.display(), size as f64 / 1e6);
    let mut events = 0;
    for one in [true, false] {
        let (mut check, mut read) = match one {
            true => (on_one_core(&check)?, on_one_core(&read)?),
            false => (again(&check), again(&read)),
        };
        let (mut our, mut their) = (Runs::new(), Runs::new());
        for _ in 0..runs {
            our.add(checked(&mut check)?);
            their.add(counted(&mut read)?);
        }
        if our.events != their.events {
            return Err(XtaskError::Disagree {
                path: file.to_path_buf(),
                ours: our.events,
                theirs: their.events,
            });
        }
        events = our.events;
        let pairs = our.runs.iter().zip(&their.runs);
        let ratio =
            Spread::of(pairs.map(|(our, their)| their.wall.as_secs_f64() / our.wall.as_secs_f64()));
        println!("  {}", if one { "one core" } else { "all cores" });
        for (name, runs) in [("rtrace", &our), ("Go", &their)] {
            println!(
                "    {name:<7} {:>26.2} M/s {:>26.1} ns {:>9.1} MiB",
                runs.rate(),
                runs.cpu(),
                runs.peak()
            );
        }
        println!("    ratio   {ratio:>26.1} times Go's rate, pair by pair");
    }
    println!("  {events} events");
    if events <= COUNTED_EVENTS {
        let each = |count: Option<u64>| match count {
            Some(count) => format!("{:.1}", count as f64 / events as f64),
            None => "not countable".to_owned(),
        };
        println!(
            "  instructions an event: rtrace {}, Go {}",
            each(instructions(&check)),
            each(instructions(&read))
        );
    }
    Ok(())
}

fn again(command: &Command) -> Command {
    let mut same = Command::new(command.get_program());
    same.args(command.get_args());
    same
}

/// Runs `rtrace check --json`.
fn checked(command: &mut Command) -> Result<(Run, u64), XtaskError> {
    let (run, said) = measure(command)?;
    let json: serde_json::Value =
        serde_json::from_str(&said).map_err(|error| XtaskError::Json {
            what: "rtrace check",
            error,
        })?;
    Ok((run, json["events"].as_u64().unwrap_or(0)))
}

/// Runs the program that reads with Go's reader.
fn counted(command: &mut Command) -> Result<(Run, u64), XtaskError> {
    let (run, said) = measure(command)?;
    Ok((run, said.trim().parse().unwrap_or(0)))
}

/// Records the traces, unless they were recorded before.
fn prepare(toolchain: &Toolchain, large: Option<u64>) -> Result<Vec<PathBuf>, XtaskError> {
    let weft = release("vm", "weft")?;
    let folder = target().join("bench");
    fs::create_dir_all(&folder).map_err(XtaskError::file("cannot create", &folder))?;
    let mut files = Vec::new();
    // Each round of ping-pong is about six events of 5.7 bytes.
    let programs = [
        ("pingpong", "15000"),
        ("pingpong", "500000"),
        ("skynet", "200000"),
        ("pipeline", "20000"),
    ];
    for (program, size) in programs {
        let file = folder.join(format!("weft-{program}-{size}.trace"));
        let source = root().join("examples").join(program).with_extension("weft");
        let mut command = Command::new(&weft);
        command.arg("run").arg(&source).arg("--trace");
        once(&file, |new| {
            command.arg(new).arg("--").arg(size);
            capture(&mut command, "recording with weft").map(drop)
        })?;
        files.push(file);
    }
    for size in ["20000", "500000"] {
        let file = folder.join(format!("go-pingpong-{size}.trace"));
        once(&file, |new| {
            let mut command = toolchain.command();
            command
                .arg("run")
                .arg(root().join("xtask/go/pingpong/main.go"))
                .arg(new)
                .arg(size);
            capture(&mut command, "recording with Go").map(drop)
        })?;
        files.push(file);
    }
    if let Some(megabytes) = large {
        let file = folder.join(format!("made-up-{megabytes}.trace"));
        once(&file, |new| {
            let out = File::create(new).map_err(XtaskError::file("cannot create", new))?;
            synthetic::write(BufWriter::new(out), megabytes * 1_000_000, GENERATION)
                .map_err(XtaskError::file("cannot write", new))
        })?;
        files.push(file);
    }
    Ok(files)
}

/// Makes a file, unless it is there. One that is only half made gets no name.
fn once(file: &Path, make: impl FnOnce(&Path) -> Result<(), XtaskError>) -> Result<(), XtaskError> {
    if file.is_file() {
        return Ok(());
    }
    eprintln!("recording {}", file.display());
    let new = file.with_extension("new");
    make(&new)?;
    fs::rename(&new, file).map_err(XtaskError::file("cannot rename", &new))
}
