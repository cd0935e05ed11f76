//! `cargo xtask loom`: runs the models of the tracer's and the scheduler's
//! concurrent parts.
//!
//! Models are the tests in `runtime-trace/tests/loom_*.rs` and
//! `vm/tests/loom_*.rs`. They are built with
//! `--cfg loom`, in a target folder of their own, and run one a process, so that
//! each can be timed and one that fails does not hide the others.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::XtaskError;
use crate::process::{capture, cargo, collect};
use crate::root::{root, target};

/// The packages that have models.
const PACKAGES: [&str; 2] = ["runtime-trace", "vm"];

/// How often loom interrupts a thread that could go on, unless the user says
/// otherwise: more finds hardly more and takes much longer.
const PREEMPTIONS: &str = "2";

/// Runs the models whose name contains `filter`.
///
/// # Errors
///
/// If one fails, none has such a name, or they do not build.
pub(crate) fn run(filter: Option<&str>) -> Result<(), XtaskError> {
    let mut programs = Vec::new();
    for package in PACKAGES {
        let files = model_files(&root().join(package).join("tests"))?;
        if !files.is_empty() {
            programs.extend(build(package, &files)?);
        }
    }
    let mut ran = 0;
    let mut failed = 0;
    println!("{:<52} {:>12} {:>10}", "model", "executions", "time");
    for (file, program) in programs {
        for test in models(&program)? {
            let name = format!("{file}::{test}");
            if filter.is_some_and(|part| !name.contains(part)) {
                continue;
            }
            ran += 1;
            let outcome = run_model(&program, &test)?;
            println!("{}", outcome.line(&name));
            if let Some(output) = outcome.failure {
                failed += 1;
                eprintln!("{output}");
            }
        }
    }
    match (ran, failed) {
        (0, _) => Err(XtaskError::NoModels),
        (_, 0) => Ok(()),
        (_, failed) => Err(XtaskError::Models { failed }),
    }
}

/// The names of the test files that hold models.
fn model_files(folder: &Path) -> Result<Vec<String>, XtaskError> {
    let cannot = || XtaskError::file("cannot list", folder);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot())? {
        let path = entry.map_err(cannot())?.path();
        let name = path.file_stem().map(|stem| stem.to_string_lossy());
        if let Some(name) = name
            && name.starts_with("loom_")
            && path.extension().is_some_and(|extension| extension == "rs")
        {
            names.push(name.into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Builds a package's test files and returns each file's name with its program.
fn build(package: &str, files: &[String]) -> Result<Vec<(String, PathBuf)>, XtaskError> {
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    let mut command = cargo();
    command
        .args(["test", "--release", "--no-run", "--package", package])
        .args(["--message-format", "json-render-diagnostics"])
        .env("RUSTFLAGS", format!("{flags} --cfg loom").trim_start())
        .env("CARGO_TARGET_DIR", target().join("loom"))
        .stderr(Stdio::inherit())
        .current_dir(root());
    for file in files {
        command.args(["--test", file]);
    }
    let said = capture(&mut command, "building the models")?;
    programs(&String::from_utf8_lossy(&said))
}

/// The programs that cargo says it built, one JSON object a line.
fn programs(said: &str) -> Result<Vec<(String, PathBuf)>, XtaskError> {
    let mut programs = Vec::new();
    for line in said.lines() {
        let message: serde_json::Value =
            serde_json::from_str(line).map_err(|error| XtaskError::Json {
                what: "cargo test",
                error,
            })?;
        // The package's own programs are built beside its tests.
        let is_test = message["target"]["kind"][0] == "test";
        if let Some(program) = message["executable"].as_str().filter(|_| is_test) {
            let name = message["target"]["name"].as_str().unwrap_or_default();
            programs.push((name.to_owned(), PathBuf::from(program)));
        }
    }
    Ok(programs)
}

/// The names of the models in a program.
fn models(program: &Path) -> Result<Vec<String>, XtaskError> {
    let mut command = Command::new(program);
    let said = capture(
        command.args(["--list", "--format", "terse"]),
        "listing the models",
    )?;
    Ok(String::from_utf8_lossy(&said)
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .map(str::to_owned)
        .collect())
}

/// How a model went.
struct Outcome {
    /// Executions that loom explored, if it says.
    executions: Option<u64>,
    time: Duration,
    /// What it said, if it failed.
    failure: Option<String>,
}

impl Outcome {
    fn line(&self, name: &str) -> String {
        let executions = match self.executions {
            Some(executions) => executions.to_string(),
            None => "-".to_owned(),
        };
        let verdict = match self.failure {
            Some(_) => "  FAILED",
            None => "",
        };
        let seconds = self.time.as_secs_f64();
        format!("{name:<52} {executions:>12} {seconds:>8.2} s{verdict}")
    }
}

fn run_model(program: &Path, name: &str) -> Result<Outcome, XtaskError> {
    let mut command = Command::new(program);
    command
        .args(["--exact", name, "--nocapture", "--test-threads", "1"])
        .current_dir(root());
    for (variable, value) in [("LOOM_MAX_PREEMPTIONS", PREEMPTIONS), ("LOOM_LOG", "info")] {
        if std::env::var_os(variable).is_none() {
            command.env(variable, value);
        }
    }
    let begin = Instant::now();
    let output = collect(&mut command)?;
    let time = begin.elapsed();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    Ok(Outcome {
        executions: executions(&said),
        time,
        failure: (!output.status.success()).then(|| said.into_owned()),
    })
}

/// The sum of what loom says at the end of each exploration.
fn executions(said: &str) -> Option<u64> {
    said.split("Completed in ")
        .skip(1)
        .filter_map(|rest| rest.split(" iterations").next()?.parse().ok())
        .reduce(|sum: u64, one| sum + one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executions_are_summed() {
        assert_eq!(executions("test a ... ok"), None);
        assert_eq!(
            executions(
                "INFO loom::model: Completed in 12 iterations\nok\nCompleted in 30 iterations"
            ),
            Some(42)
        );
    }

    #[test]
    fn programs_are_found_in_what_cargo_says() {
        let said = r#"{"reason":"compiler-artifact","executable":null}
{"reason":"compiler-artifact","target":{"kind":["test"],"name":"loom_map"},"executable":"/somewhere/loom_map-1"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(
            programs(said).unwrap(),
            [(
                "loom_map".to_owned(),
                PathBuf::from("/somewhere/loom_map-1")
            )]
        );
        assert!(programs("not json").is_err());
    }

    #[test]
    fn a_line_says_what_happened() {
        let mut outcome = Outcome {
            executions: Some(7),
            time: Duration::from_millis(1250),
            failure: None,
        };
        assert!(outcome.line("two_puts").ends_with(" 7     1.25 s"));
        outcome.executions = None;
        outcome.failure = Some(String::new());
        assert!(outcome.line("two_puts").ends_with(" -     1.25 s  FAILED"));
    }
}
