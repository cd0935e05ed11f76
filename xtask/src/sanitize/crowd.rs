//! The crowd of threads without `std`, watched.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use trace_tools::check::Check;
use trace_tools::input;

use super::tool::{Std, Tool, watch};
use crate::error::XtaskError;
use crate::process::capture;
use crate::root::{root, target};

/// Where the program is, in the project.
const PACKAGE: &str = "runtime-trace/no-std-embedder";
const PROGRAM: &str = "crowd";

/// What the crowd did, in all of its runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Crowd {
    runs: u64,
    threads: u64,
    files: u64,
    generations: u64,
    events: u64,
}

impl fmt::Display for Crowd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            runs,
            threads,
            files,
            generations,
            events,
        } = self;
        write!(
            f,
            "{runs} runs, {threads} threads, {files} traces read, {generations} generations, {events} events"
        )
    }
}

/// Runs it again and again for this time, at least once. What the tool finds is
/// shown and counted.
///
/// # Errors
///
/// If it cannot be built or started, or does not say what it did.
pub(super) fn run(tool: Tool, time: Duration, findings: &mut usize) -> Result<Crowd, XtaskError> {
    let program = build(tool, &root(), &tool.target())?;
    let files = traces(tool)?;
    let begin = Instant::now();
    let mut sum = Crowd::default();
    loop {
        let what = format!("{PROGRAM} under {}", tool.name());
        match watch(&mut command(tool, &program, &files), &what)? {
            None => *findings += 1,
            Some(said) => sum.add(&said, &files)?,
        }
        if begin.elapsed() >= time || *findings > 0 {
            return Ok(sum);
        }
    }
}

/// Builds it from the tree at `root` into the folder `target`.
pub(super) fn build(tool: Tool, root: &Path, target: &Path) -> Result<PathBuf, XtaskError> {
    let mut cargo = tool.cargo("build", Std::Without);
    cargo
        .args(["--locked", "--quiet", "--bin", PROGRAM, "--manifest-path"])
        .arg(root.join(PACKAGE).join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target);
    capture(
        &mut cargo,
        &format!("building {PROGRAM} for {}", tool.name()),
    )?;
    Ok(tool.built(target, PROGRAM))
}

/// It, under the tool.
pub(super) fn command(tool: Tool, program: &Path, files: &[PathBuf]) -> Command {
    // A few seconds each.
    let events = match tool {
        Tool::Address => 60_000,
        Tool::Thread => 20_000,
        Tool::Memcheck => 5_000,
        Tool::Helgrind | Tool::Drd => 3_000,
    };
    let mut command = tool.start(program, Std::Without);
    command.arg(events.to_string()).args(files);
    command
}

/// The files that it writes.
pub(super) fn traces(tool: Tool) -> Result<[PathBuf; 2], XtaskError> {
    let folder = target().join("sanitize").join("traces");
    fs::create_dir_all(&folder).map_err(XtaskError::file("cannot create", &folder))?;
    Ok([1, 2].map(|number| folder.join(format!("{}-{number}.trace", tool.name()))))
}

impl Crowd {
    /// Adds a run: what it said of itself, and whether its traces bear that out.
    fn add(&mut self, said: &str, files: &[PathBuf]) -> Result<(), XtaskError> {
        let run = parse(said).ok_or_else(|| XtaskError::NoFigures {
            what: PROGRAM.to_owned(),
        })?;
        let mut generations = 0;
        for path in files {
            let check =
                input::open(path, ())
                    .and_then(Check::of)
                    .map_err(|error| XtaskError::Dump {
                        path: path.clone(),
                        error: Box::new(error),
                    })?;
            if let Some(damage) = check.damage {
                return Err(XtaskError::Dump {
                    path: path.clone(),
                    error: Box::new(damage.into()),
                });
            }
            generations += check.generations;
        }
        if (run.files, run.generations) != (files.len() as u64, generations) {
            return Err(XtaskError::Disagree {
                path: files[0].clone(),
                ours: generations,
                theirs: run.generations,
            });
        }
        self.runs += 1;
        self.threads += run.threads;
        self.files += run.files;
        self.generations += run.generations;
        self.events += run.events;
        Ok(())
    }
}

/// What a run says of itself: names, each with a number behind it.
fn parse(said: &str) -> Option<Crowd> {
    let words: Vec<&str> = said.lines().last()?.split(' ').collect();
    let mut run = Crowd {
        runs: 1,
        ..Crowd::default()
    };
    let [
        "threads",
        threads,
        "files",
        files,
        "generations",
        generations,
        "events",
        events,
    ] = words[..]
    else {
        return None;
    };
    for (to, from) in [
        (&mut run.threads, threads),
        (&mut run.files, files),
        (&mut run.generations, generations),
        (&mut run.events, events),
    ] {
        *to = from.parse().ok()?;
    }
    // A run in which nothing happens proves nothing.
    (run.threads > 0 && run.events > 0).then_some(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures() {
        let said = "threads 9 files 2 generations 5 events 700\n";
        let run = Crowd {
            runs: 1,
            threads: 9,
            files: 2,
            generations: 5,
            events: 700,
        };
        assert_eq!(parse(said), Some(run));
        for bad in [
            "",
            "threads 9",
            "threads 9 files 2 generations 5 events x",
            "threads 9 files 2 generations 5 events 0",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
