//! The tests, watched: those that can be under a sanitizer. (Valgrind would need
//! hours, and sees no more in them than AddressSanitizer.)

use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;

use super::tool::{Std, Tool, watch};
use crate::error::XtaskError;
use crate::process::{capture, messages};

/// What was run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tests {
    pub(super) programs: usize,
    tests: u64,
}

impl fmt::Display for Tests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tests in {} programs", self.tests, self.programs)
    }
}

/// A file of tests: its package, and its name below `tests/`, or `lib` for the
/// tests inside of the library.
type Suite = (&'static str, &'static str);

const LIB: &str = "lib";

/// Those of the tracer, of the simulator and of the scheduler. Not `fork` and
/// `no_pages`, since pages come from the heap.
const ADDRESS: &[Suite] = &[
    ("runtime-trace", LIB),
    ("runtime-trace", "generations"),
    ("e2e", "annotations"),
    ("e2e", "conservation"),
    ("e2e", "extremes"),
    ("e2e", "limits"),
    ("e2e", "midrun"),
    ("e2e", "reentrant"),
    ("e2e", "restarts"),
    ("e2e", "scheduler"),
    ("e2e", "signals"),
    ("e2e", "stuck"),
    ("e2e", "truth"),
    ("e2e", "truth_threads"),
    ("vm", LIB),
    ("vm", "resumed"),
    ("vm", "sinks"),
    ("vm", "stress"),
];

/// Those in which nothing depends on an order that `std` makes out of our sight.
/// In the VM and in the simulator everything does: their locks are `std`'s, and
/// are waited for.
const THREAD: &[Suite] = &[
    ("runtime-trace", LIB),
    ("runtime-trace", "generations"),
    ("e2e", "extremes"),
    ("e2e", "reentrant"),
];

/// Tests that mean something else, or nothing, under AddressSanitizer.
const NOT_UNDER_ADDRESS: &[&str] = &[
    // Counts mappings, of which there are none if pages come from the heap.
    "the_limit_holds_to_the_byte",
    // Ends a thread behind the C library's back, after which the sanitizer takes
    // the next one that gets its memory for the same.
    "a_thread_that_dies_between_two_events",
];

/// Runs a tool's tests. What it finds is shown and counted.
///
/// # Errors
///
/// If they cannot be built or started, or one of the programs is not there or
/// runs no test.
pub(super) fn run(tool: Tool, findings: &mut usize) -> Result<Tests, XtaskError> {
    let suites = match tool {
        Tool::Address => ADDRESS,
        Tool::Thread => THREAD,
        Tool::Memcheck | Tool::Helgrind | Tool::Drd => return Ok(Tests::default()),
    };
    let programs = build(tool, suites)?;
    let mut ran = Tests::default();
    for &(package, file) in suites {
        let name = format!("{package}::{file}");
        let program = programs.iter().find(|program| program.name == name);
        let missing = || XtaskError::NoTests { name: name.clone() };
        let program = program.ok_or_else(missing)?;
        let begin = Instant::now();
        let mut command = tool.start(&program.path, Std::With);
        command.current_dir(&program.package);
        if tool == Tool::Address {
            for test in NOT_UNDER_ADDRESS {
                command.args(["--skip", test]);
            }
        }
        let what = format!("{name} under {}", tool.name());
        let Some(said) = watch(&mut command, &what)? else {
            *findings += 1;
            continue;
        };
        let tests = passed(&said)
            .filter(|&tests| tests > 0)
            .ok_or_else(missing)?;
        println!(
            "{:<9} {name}: {tests} tests, {:.1} s",
            tool.name(),
            begin.elapsed().as_secs_f64()
        );
        ran.programs += 1;
        ran.tests += tests;
    }
    Ok(ran)
}

/// A program with tests.
#[derive(Debug, PartialEq, Eq)]
struct Program {
    name: String,
    path: PathBuf,
    /// The package's folder, in which tests run.
    package: PathBuf,
}

fn build(tool: Tool, suites: &[Suite]) -> Result<Vec<Program>, XtaskError> {
    let mut cargo = tool.cargo("test", Std::With);
    cargo
        .args(["--no-run", "--message-format", "json-render-diagnostics"])
        .arg("--target-dir")
        .arg(tool.target())
        .stderr(Stdio::inherit());
    let mut packages: Vec<&str> = suites.iter().map(|&(package, _)| package).collect();
    packages.dedup();
    for package in packages {
        cargo.args(["--package", package]);
    }
    cargo.arg("--lib");
    for &(_, file) in suites.iter().filter(|(_, file)| *file != LIB) {
        cargo.args(["--test", file]);
    }
    let said = capture(&mut cargo, "building the tests")?;
    programs(&String::from_utf8_lossy(&said))
}

/// The programs that cargo says it built, one JSON object a line.
fn programs(said: &str) -> Result<Vec<Program>, XtaskError> {
    let mut programs = Vec::new();
    for message in messages(said)? {
        let (Some(path), Some(manifest)) = (
            message["executable"].as_str(),
            message["manifest_path"].as_str(),
        ) else {
            continue;
        };
        let package = PathBuf::from(manifest)
            .parent()
            .map(PathBuf::from)
            .unwrap_or_default();
        let target = &message["target"];
        let file = match target["kind"][0].as_str() {
            Some("lib") => LIB,
            Some("test") => target["name"].as_str().unwrap_or_default(),
            // The package's own programs are built beside its tests.
            _ => continue,
        };
        let id = message["package_id"].as_str().unwrap_or_default();
        programs.push(Program {
            name: format!("{}::{file}", package_name(id)),
            path: path.into(),
            package,
        });
    }
    Ok(programs)
}

/// The package's name in cargo's ID of it: `path+file:///…/vm#0.1.0`, or
/// `path+file:///…/tests#e2e@0.1.0` where the folder is called otherwise.
fn package_name(id: &str) -> &str {
    let (place, version) = id.rsplit_once('#').unwrap_or((id, ""));
    match version.split_once('@') {
        Some((name, _)) => name,
        None => place.rsplit('/').next().unwrap_or(place),
    }
}

/// How many tests passed, by the harness's last word.
fn passed(said: &str) -> Option<u64> {
    let (_, rest) = said.rsplit_once("test result: ok. ")?;
    rest.split_once(" passed")?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_what_cargo_says() {
        let said = r#"{"reason":"compiler-artifact","executable":null}
{"package_id":"path+file:///p/vm#0.1.0","manifest_path":"/p/vm/Cargo.toml","target":{"kind":["lib"],"name":"vm"},"executable":"/t/vm-1"}
{"package_id":"path+file:///p/vm#0.1.0","manifest_path":"/p/vm/Cargo.toml","target":{"kind":["bin"],"name":"weft"},"executable":"/t/weft"}
{"package_id":"path+file:///p/tests#e2e@0.1.0","manifest_path":"/p/tests/Cargo.toml","target":{"kind":["test"],"name":"stuck"},"executable":"/t/stuck-1"}
{"reason":"build-finished","success":true}"#;
        let program = |name: &str, path: &str, package: &str| Program {
            name: name.into(),
            path: path.into(),
            package: package.into(),
        };
        assert_eq!(
            programs(said).unwrap(),
            [
                program("vm::lib", "/t/vm-1", "/p/vm"),
                program("e2e::stuck", "/t/stuck-1", "/p/tests"),
            ]
        );
        assert!(programs("not json").is_err());
    }

    #[test]
    fn tests_are_counted() {
        let said = "x\ntest result: ok. 12 passed; 0 failed; 0 ignored\n\n";
        assert_eq!(passed(said), Some(12));
        assert_eq!(passed("test result: FAILED. 12 passed"), None);
        assert_eq!(passed(""), None);
    }
}
