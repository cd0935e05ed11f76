//! `cargo xtask bench overhead` and `size`: whole programs, traced and not, in
//! Weft and in Go; and how large their traces are.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::Command;

use trace_read::raw::{Item, RawReader, Section};

use crate::bench::contest::Options;
use crate::bench::figures::Spread;
use crate::bench::measure::{Run, run as measure};
use crate::error::XtaskError;
use crate::go::{self, Toolchain};
use crate::process::release;
use crate::root::{root, target};

/// A program with its source, and how much it does: in Weft, and in Go. Each of
/// them takes some tenths of a second untraced, far more than its start.
struct Program {
    name: &'static str,
    source: &'static str,
    sizes: [u32; 2],
}

const PROGRAMS: [Program; 6] = [
    Program {
        name: "pingpong",
        source: "examples/pingpong.weft",
        sizes: [200_000, 200_000],
    },
    Program {
        name: "spawn",
        source: "bench/programs/spawn.weft",
        sizes: [200_000, 200_000],
    },
    Program {
        name: "sieve",
        source: "examples/sieve.weft",
        sizes: [1_500, 1_500],
    },
    Program {
        name: "skynet",
        source: "examples/skynet.weft",
        sizes: [100_000, 100_000],
    },
    Program {
        name: "fib",
        source: "examples/fib.weft",
        sizes: [34, 40],
    },
    Program {
        name: "mixed",
        source: "bench/programs/mixed.weft",
        sizes: [5_000, 100_000],
    },
];

/// Both sides of every comparison.
const SIDES: [&str; 2] = ["Weft", "Go"];

/// With fewer events than this, what one adds is lost in the noise.
const FEW: f64 = 10_000.0;

/// What is needed to run programs.
pub(super) struct Programs {
    weft: PathBuf,
    go: PathBuf,
    folder: PathBuf,
}

impl Programs {
    /// Builds what runs them.
    pub(super) fn new(toolchain: &Toolchain) -> Result<Self, XtaskError> {
        let folder = target().join("bench");
        fs::create_dir_all(&folder).map_err(XtaskError::file("cannot create", &folder))?;
        Ok(Self {
            weft: release("vm", "weft")?,
            go: go::bencher(toolchain)?,
            folder,
        })
    }

    /// Where the trace of a program lies.
    fn trace(&self, program: &Program, side: usize) -> PathBuf {
        let name = format!("overhead-{}-{}.trace", SIDES[side], program.name);
        self.folder.join(name)
    }

    fn run(&self, program: &Program, side: usize, traced: bool) -> Result<Run, XtaskError> {
        let size = program.sizes[side].to_string();
        let trace = self.trace(program, side);
        let mut command;
        if side == 0 {
            command = Command::new(&self.weft);
            command.arg("run");
            if traced {
                command.arg("--trace").arg(trace);
            }
            command.arg(root().join(program.source)).arg("--").arg(size);
        } else {
            command = Command::new(&self.go);
            command.args(["program", program.name]).arg(size);
            if traced {
                command.arg(trace);
            }
        }
        measure(&mut command).map(|(run, _)| run)
    }
}

/// Prints how much longer programs take when they are traced.
pub(super) fn overhead(programs: &Programs, options: &Options) -> Result<(), XtaskError> {
    println!(
        "\n### overhead: time traced ÷ untraced, and what an event adds\n\n\
         | program | side | untraced, ms | time, traced ÷ untraced | processor time, the same | \
         events | added ns an event | of processor time |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    );
    for program in PROGRAMS.iter().filter(|it| options.wants(it.name)) {
        let mut rounds = [[vec![], vec![]], [vec![], vec![]]];
        for _ in 0..options.rounds() {
            for (side, runs) in rounds.iter_mut().enumerate() {
                for (traced, runs) in [false, true].into_iter().zip(runs) {
                    runs.push(programs.run(program, side, traced)?);
                }
            }
        }
        for (side, [plain, traced]) in rounds.iter().enumerate() {
            let events = Parts::of(&programs.trace(program, side))?.events as f64;
            let wall = |run: &Run| run.wall.as_secs_f64();
            let cpu = |run: &Run| run.cpu.as_secs_f64();
            let pairs = || plain.iter().zip(traced);
            let added = |of: &dyn Fn(&Run) -> f64| match events {
                few if few < FEW => String::new(),
                _ => {
                    let more = pairs().map(|(plain, traced)| of(traced) - of(plain));
                    format!("{:.0}", Spread::of(more.map(|more| more * 1e9 / events)))
                }
            };
            println!(
                "| {} | {} | {:.0} | {:.2} | {:.2} | {events} | {} | {} |",
                program.name,
                SIDES[side],
                Spread::of(plain.iter().map(|run| wall(run) * 1e3)),
                Spread::of(pairs().map(|(plain, traced)| wall(traced) / wall(plain))),
                Spread::of(pairs().map(|(plain, traced)| cpu(traced) / cpu(plain))),
                added(&wall),
                added(&cpu),
            );
        }
    }
    Ok(())
}

/// Prints how large traces are.
pub(super) fn size(programs: &Programs, options: &Options) -> Result<(), XtaskError> {
    println!(
        "\n### size: bytes an event\n\n\
         | program | side | events | all of the file | events alone | stacks and strings |\n\
         | --- | --- | ---: | ---: | ---: | ---: |"
    );
    for program in PROGRAMS.iter().filter(|it| options.wants(it.name)) {
        for (side, name) in SIDES.iter().enumerate() {
            programs.run(program, side, true)?;
            let trace = programs.trace(program, side);
            let size = fs::metadata(&trace).map_err(XtaskError::file("cannot read", &trace))?;
            let parts = Parts::of(&trace)?;
            let each = |bytes: u64| bytes as f64 / parts.events as f64;
            println!(
                "| {} | {name} | {} | {:.2} | {:.2} | {:.2} |",
                program.name,
                parts.events,
                each(size.len()),
                each(parts.event_bytes),
                each(parts.table_bytes),
            );
        }
    }
    Ok(())
}

/// What a trace is made of.
#[derive(Default)]
struct Parts {
    /// Timed events.
    events: u64,
    /// Bytes of the batches that hold these.
    event_bytes: u64,
    /// Bytes of the batches of stacks and strings.
    table_bytes: u64,
}

impl Parts {
    fn of(trace: &Path) -> Result<Self, XtaskError> {
        let file = File::open(trace).map_err(XtaskError::file("cannot open", trace))?;
        let bad = |error: trace_read::ReadError| XtaskError::Dump {
            path: trace.to_path_buf(),
            error: Box::new(error.into()),
        };
        let mut reader = RawReader::new(BufReader::new(file)).map_err(bad)?;
        let mut parts = Self::default();
        while let Some(item) = reader.next_item().map_err(bad)? {
            let Item::Batch(batch) = item else {
                continue;
            };
            let bytes = batch.bytes().len() as u64;
            match batch.head().section {
                Section::Events => {
                    parts.event_bytes += bytes;
                    for event in batch.events() {
                        event.map_err(bad)?;
                        parts.events += 1;
                    }
                }
                Section::Stacks | Section::Strings => parts.table_bytes += bytes,
                _ => {}
            }
        }
        Ok(parts)
    }
}
