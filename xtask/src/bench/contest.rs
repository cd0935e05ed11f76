//! Contenders take turns at the same operations, and what each took is told
//! beside what ours took in the same round.
//!
//! Two programs do the work: ours with its Rust peers (the folder `bench`), and
//! one in Go (`xtask/go/tracebench`). Both run all the time and answer requests,
//! so that a round is a few milliseconds of each contender, one after the other,
//! and a machine that slows down does so for all.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use clap::Args;

use crate::bench::figures::Spread;
use crate::bench::lttng::Session;
use crate::bench::measure::{instructions, instructions_within};
use crate::error::XtaskError;
use crate::go::{self, Toolchain};
use crate::process::{cargo, show, start};
use crate::root::{root, target};

/// How to measure.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// How many rounds each figure is made of.
    #[arg(long, default_value_t = 31, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// About how long a contender's turn is, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..))]
    turn: u64,
    /// Only the tables, or programs, whose title contains this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Count instructions as well, with callgrind; takes minutes.
    #[arg(long)]
    instructions: bool,
}

impl Options {
    pub(super) fn rounds(&self) -> u32 {
        self.rounds
    }

    /// Whether what has this title was asked for.
    pub(super) fn wants(&self, title: &str) -> bool {
        title.contains(&self.only)
    }
}

/// One table: columns of figures, a line for each contender.
pub(super) struct Table {
    pub(super) title: String,
    pub(super) columns: Vec<Column>,
}

/// One column: what is done, and who does it, ours first.
pub(super) struct Column {
    pub(super) label: String,
    /// Before the contender's name, as in "map hit".
    pub(super) what: String,
    /// After it, as in "key=32".
    pub(super) settings: String,
    pub(super) contenders: Vec<&'static str>,
    /// Whether this is small enough to be run under callgrind.
    pub(super) countable: bool,
}

/// Whose name is first; the others are compared with it.
pub(super) const OURS: &str = "ours";

/// The contender that the Go program plays.
pub(super) const GO: &str = "go";

/// The contender that needs a daemon, which is not everywhere.
pub(super) const LTTNG: &str = "lttng";

/// Most operations under callgrind.
const COUNTED: u64 = 50_000;

/// Most operations of a turn, whatever they take.
const MOST: u64 = 1 << 26;

/// What a contender made of a column.
struct Outcome {
    name: &'static str,
    /// Nanoseconds an operation, round by round.
    times: Vec<f64>,
    instructions: Option<f64>,
    /// Bytes for an entry beyond its key.
    bytes: Option<f64>,
}

/// Both programs, and how to measure with them.
pub(super) struct Contest {
    options: Options,
    programs: Programs,
    ours: Server,
    go: Server,
    /// LTTng's program and its session, where there can be one.
    lttng: Option<(Server, Session)>,
}

/// Where both programs are.
struct Programs {
    ours: PathBuf,
    go: PathBuf,
}

impl Contest {
    /// Builds and starts both programs.
    pub(super) fn new(options: &Options, toolchain: &Toolchain) -> Result<Self, XtaskError> {
        let programs = Programs {
            ours: build(&[], "bench-peers")?,
            go: go::bencher(toolchain)?,
        };
        Ok(Self {
            options: options.clone(),
            ours: Server::start(Command::new(&programs.ours).arg("serve"))?,
            go: Server::start(Command::new(&programs.go).arg("serve"))?,
            programs,
            lttng: None,
        })
    }

    /// Lets LTTng take part, if it can.
    pub(super) fn invite_lttng(&mut self) -> Result<(), XtaskError> {
        match Session::new() {
            Ok(session) => {
                session.record(true)?;
                let server = Server::start(&mut session.command())?;
                self.lttng = Some((server, session));
            }
            Err(error) => println!("- LTTng takes no part: {error}"),
        }
        Ok(())
    }

    /// Measures a table and prints it, unless it was not asked for.
    pub(super) fn table(&mut self, table: &Table) -> Result<(), XtaskError> {
        if !self.options.wants(&table.title) {
            return Ok(());
        }
        let columns = table
            .columns
            .iter()
            .map(|column| self.column(column))
            .collect::<Result<Vec<_>, _>>()?;
        print(table, &columns);
        Ok(())
    }

    fn column(&mut self, column: &Column) -> Result<Vec<Outcome>, XtaskError> {
        let mut results = Vec::new();
        let mut turns = Vec::new();
        for &name in &column.contenders {
            if name == LTTNG && self.lttng.is_none() {
                continue;
            }
            let case = column.case(name);
            let server = self.server(name);
            let (id, bytes) = server.open(&case)?;
            turns.push((id, self.calibrate(name, id)?));
            results.push(Outcome {
                name,
                times: Vec::new(),
                instructions: None,
                bytes,
            });
        }
        let count = results.len();
        for round in 0..self.options.rounds as usize {
            for at in 0..count {
                // Each is first once, so that nobody always follows the same.
                let at = (at + round) % count;
                let (id, operations) = turns[at];
                let (ran, time) = self.server(results[at].name).run(id, operations)?;
                results[at].times.push(time.as_nanos() as f64 / ran as f64);
            }
        }
        for (result, (id, _)) in results.iter_mut().zip(turns) {
            self.server(result.name).close(id)?;
            if self.options.instructions && column.countable && result.name != LTTNG {
                result.instructions = self.programs.count(result.name, &column.case(result.name));
            }
        }
        Ok(results)
    }

    /// How many operations a turn needs.
    fn calibrate(&mut self, name: &str, id: u64) -> Result<u64, XtaskError> {
        let turn = Duration::from_millis(self.options.turn);
        let mut operations = 1000;
        loop {
            let (ran, time) = self.server(name).run(id, operations)?;
            if time >= turn / 2 || ran >= MOST {
                let each = time.as_nanos() as f64 / ran as f64;
                let fitting = turn.as_nanos() as f64 / each.max(0.01);
                return Ok((fitting as u64).clamp(1, MOST));
            }
            operations = ran.max(operations) * 4;
        }
    }

    fn server(&mut self, name: &str) -> &mut Server {
        match (name, &mut self.lttng) {
            (GO, _) => &mut self.go,
            (LTTNG, Some((lttng, _))) => lttng,
            _ => &mut self.ours,
        }
    }
}

impl Column {
    fn case(&self, name: &str) -> String {
        format!("{} {name} {}", self.what, self.settings)
    }
}

impl Programs {
    /// Instructions an operation, if callgrind can run it.
    ///
    /// In our program those within the function that is timed. In Go callgrind
    /// loses track of functions as stacks are switched, so there it is the
    /// difference between a run and one of twice its length.
    fn count(&self, name: &str, case: &str) -> Option<f64> {
        if name != GO {
            return count_ours(&self.ours, case);
        }
        let short = instructions(&counting(&self.go, COUNTED, case))?;
        let long = instructions(&counting(&self.go, 2 * COUNTED, case))?;
        Some(long.saturating_sub(short) as f64 / COUNTED as f64)
    }
}

/// The program with our tracer, and its Rust peers unless the options say
/// otherwise, built if need be in a folder of this name.
pub(super) fn build(options: &[&str], folder: &str) -> Result<PathBuf, XtaskError> {
    let folder = target().join(folder);
    show(
        cargo()
            .args([
                "build",
                "--quiet",
                "--release",
                "--locked",
                "--manifest-path",
            ])
            .arg(root().join("bench/Cargo.toml"))
            .args(options)
            .arg("--target-dir")
            .arg(&folder),
        "building the bench program",
    )?;
    Ok(folder.join("release/bench"))
}

/// Instructions an operation in our program, if callgrind can run it.
pub(super) fn count_ours(program: &Path, case: &str) -> Option<f64> {
    let (count, said) = instructions_within(&counting(program, COUNTED, case), "*timed_here*")?;
    Some(count as f64 / ran(said.trim())?.0 as f64)
}

fn counting(program: &Path, operations: u64, case: &str) -> Command {
    let mut command = Command::new(program);
    command
        .args(["count", &operations.to_string()])
        .args(case.split_whitespace());
    command
}

/// A program that answers requests.
struct Server {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Server {
    fn start(command: &mut Command) -> Result<Self, XtaskError> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| start(command, error))?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(requests), Some(answers)) => Ok(Self {
                child,
                requests,
                answers: BufReader::new(answers),
            }),
            _ => Err(start(command, std::io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// What it answers to a line, taken apart.
    fn ask<R>(
        &mut self,
        request: &str,
        take: impl FnOnce(&str) -> Option<R>,
    ) -> Result<R, XtaskError> {
        let mut answer = String::new();
        // Whatever goes wrong here, it has ended, and there is no answer.
        let _ =
            writeln!(self.requests, "{request}").and_then(|()| self.answers.read_line(&mut answer));
        take(answer.trim()).ok_or(XtaskError::NoFigure {
            request: request.to_owned(),
            answer,
        })
    }

    fn open(&mut self, case: &str) -> Result<(u64, Option<f64>), XtaskError> {
        self.ask(&format!("open {case}"), |answer| {
            let mut words = answer.strip_prefix("opened ")?.split(' ');
            let id = words.next()?.parse().ok()?;
            Some((id, words.next().and_then(|bytes| bytes.parse().ok())))
        })
    }

    fn run(&mut self, id: u64, operations: u64) -> Result<(u64, Duration), XtaskError> {
        self.ask(&format!("run {id} {operations}"), ran)
    }

    fn close(&mut self, id: u64) -> Result<(), XtaskError> {
        self.ask(&format!("close {id}"), |answer| {
            (answer == "closed").then_some(())
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// "ran OPERATIONS NANOSECONDS"
fn ran(answer: &str) -> Option<(u64, Duration)> {
    let (operations, time) = answer.strip_prefix("ran ")?.split_once(' ')?;
    let operations = operations.parse().ok().filter(|count| *count > 0)?;
    Some((operations, Duration::from_nanos(time.parse().ok()?)))
}

/// Prints a table as Markdown.
fn print(table: &Table, columns: &[Vec<Outcome>]) {
    let mut names: Vec<&str> = Vec::new();
    for result in columns.iter().flatten() {
        if !names.contains(&result.name) {
            names.push(result.name);
        }
    }
    println!("\n### {}\n", table.title);
    let labels: Vec<&str> = table.columns.iter().map(|column| &*column.label).collect();
    println!("| | {} |", labels.join(" | "));
    println!("| --- |{}", " ---: |".repeat(labels.len()));
    let line = |head: String, cell: &dyn Fn(&[Outcome]) -> Option<String>| {
        let cells: Vec<String> = columns
            .iter()
            .map(|results| cell(results).unwrap_or_default())
            .collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            println!("| {head} | {} |", cells.join(" | "));
        }
    };
    let find = |results: &[Outcome], name: &str| results.iter().position(|it| it.name == name);
    for name in &names {
        line(format!("{name}, ns"), &|results| {
            let times = &results[find(results, name)?].times;
            Some(format!("{:.1}", Spread::of(times.iter().copied())))
        });
    }
    for name in names.iter().filter(|name| **name != OURS) {
        line(format!("ours ÷ {name}"), &|results| {
            let ours = &results[find(results, OURS)?].times;
            let theirs = &results[find(results, name)?].times;
            let pairs = ours.iter().zip(theirs);
            let ratios = Spread::of(pairs.map(|(our, their)| our / their));
            let best = |times: &[f64]| Spread::of(times.iter().copied()).min;
            Some(format!(
                "{ratios:.2}, best {:.2}",
                best(ours) / best(theirs)
            ))
        });
    }
    for name in &names {
        line(format!("{name}, instructions"), &|results| {
            let count = results[find(results, name)?].instructions?;
            Some(format!("{count:.0}"))
        });
    }
    for name in &names {
        line(format!("{name}, bytes an entry"), &|results| {
            let bytes = results[find(results, name)?].bytes?;
            Some(format!("{bytes:.0}"))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let (operations, time) = ran("ran 1000 2500").unwrap();
        assert_eq!((operations, time.as_nanos()), (1000, 2500));
        for answer in ["", "ran", "ran 5", "ran 0 5", "ran five 5", "ran 5 5 5"] {
            assert!(ran(answer).is_none(), "{answer}");
        }
    }
}
