//! Every example and every test program does what the comments at its head
//! say, with any number of workers, traced or not:
//!
//! ```text
//! // expect: a line of its output, in this order; these are all
//! // error: a line (or the beginning of one) of what it says on stderr
//! // status: 2 (otherwise 1 if there is an `error:`, else 0)
//! // args: its arguments
//! ```

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::{How, run};
use vm::TraceVersion;

#[test]
fn examples_with_1_worker() {
    check_folder("examples", 1);
}

#[test]
fn examples_with_2_workers() {
    check_folder("examples", 2);
}

#[test]
fn examples_with_8_workers() {
    check_folder("examples", 8);
}

#[test]
fn examples_with_64_workers() {
    check_folder("examples", 64);
}

#[test]
fn programs_with_1_worker() {
    check_folder("tests/programs", 1);
}

#[test]
fn programs_with_2_workers() {
    check_folder("tests/programs", 2);
}

#[test]
fn programs_with_8_workers() {
    check_folder("tests/programs", 8);
}

#[test]
fn programs_with_64_workers() {
    check_folder("tests/programs", 64);
}

struct Expected {
    output: String,
    errors: Vec<String>,
    status: u8,
    args: Vec<String>,
}

impl Expected {
    fn of(source: &str) -> Expected {
        let notes = |key: &str| {
            let start = format!("// {key}: ");
            source
                .lines()
                .filter_map(|line| line.strip_prefix(&start))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let errors = notes("error");
        let status = notes("status")
            .first()
            .map_or(u8::from(!errors.is_empty()), |s| {
                s.parse().expect("a status")
            });
        let args = notes("args")
            .iter()
            .flat_map(|line| line.split(' '))
            .map(str::to_owned)
            .collect();
        let output = notes("expect")
            .iter()
            .map(|line| format!("{line}\n"))
            .collect();
        Expected {
            output,
            errors,
            status,
            args,
        }
    }
}

fn check_folder(folder: &str, workers: u32) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
        .join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(&root)
        .unwrap_or_else(|error| panic!("{}: {error}", root.display()))
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "weft")
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no program in {}", root.display());
    let failures: Vec<String> = files.iter().flat_map(|file| check(file, workers)).collect();
    assert!(
        failures.is_empty(),
        "{} failures:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

/// Runs a program untraced and traced, and says what is not as it should be.
fn check(file: &Path, workers: u32) -> Vec<String> {
    let name = file
        .file_name()
        .expect("a file")
        .to_string_lossy()
        .into_owned();
    let source = fs::read_to_string(file).expect("a readable program");
    let expected = Expected::of(&source);
    let trace = format!("{}-w{workers}", name.trim_end_matches(".weft"));
    let versions = [
        None,
        Some(if workers == 2 {
            TraceVersion::Go125
        } else {
            TraceVersion::Go126
        }),
    ];
    let mut failures = Vec::new();
    for version in versions {
        let ran = run(
            &name,
            &source,
            How {
                args: expected.args.clone(),
                trace: version.map(|_| &*trace),
                version: version.unwrap_or_default(),
                ..How::workers(workers)
            },
        );
        let as_said = ran.output == expected.output
            && ran.status == expected.status
            && expected.errors.is_empty() == ran.message.is_empty()
            && expected
                .errors
                .iter()
                .all(|error| ran.message.contains(error));
        if !as_said {
            failures.push(format!(
                "{name}, {workers} workers, trace {version:?}: status {} not {}\n--- printed\n{}--- expected\n{}--- message\n{}--- to contain\n{}",
                ran.status,
                expected.status,
                ran.output,
                expected.output,
                ran.message,
                expected.errors.join("\n"),
            ));
        }
    }
    failures
}
