//! `cargo xtask fuzz`: runs the targets of `fuzz/` through cargo-fuzz, one after
//! the other, each from its committed corpus on.
//!
//! What is found on the way stays in `target/fuzz`, so that a further run goes on
//! from there; the committed corpus is as it was. An input that brings a target
//! down is named, with what replays it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use clap::Args;

use crate::error::XtaskError;
use crate::process::{collect, show};
use crate::root::{root, target};

/// An input may take so long, seconds. The slowest takes a tenth of one.
const PATIENCE: u32 = 30;

/// So much memory a target may take in all, MiB.
const MEMORY: u32 = 2048;

/// What to fuzz.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The target, by the name of its file in fuzz/fuzz_targets; all if there is
    /// none.
    pub(crate) target: Option<String>,
    /// How long each is run, seconds.
    #[arg(long, default_value_t = 60)]
    pub(crate) seconds: u64,
    /// What else watches over it: none, or address, which is slow.
    #[arg(long, default_value = "none")]
    pub(crate) sanitizer: String,
}

/// How a target fared.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) target: String,
    /// Inputs that were tried, those of the corpus included.
    pub(crate) executions: u64,
    pub(crate) time: Duration,
    /// Places in the code that were reached, as libFuzzer counts them.
    pub(crate) coverage: u64,
    /// Inputs that brought it down, took too long or too much memory. It ends
    /// with the first.
    pub(crate) crashes: Vec<PathBuf>,
}

/// Runs the command.
///
/// # Errors
///
/// If a target crashed, does not build or there is none of this name, and if
/// nightly Rust or cargo-fuzz are missing.
pub(crate) fn run(options: &Options) -> Result<Vec<Ran>, XtaskError> {
    let targets = targets(&root().join("fuzz/fuzz_targets"))?;
    let chosen: Vec<&String> = targets
        .iter()
        .filter(|name| options.target.as_ref().is_none_or(|only| only == *name))
        .collect();
    if chosen.is_empty() {
        return Err(XtaskError::NoFuzzTarget { known: targets });
    }
    find_fuzzer()?;
    let mut build = fuzzer("build", &options.sanitizer);
    if let Some(only) = &options.target {
        build.arg(only);
    }
    show(&mut build, "building the fuzz targets")?;

    println!(
        "{:<12} {:>12} {:>8} {:>9} {:>8}",
        "target", "executions", "seconds", "coverage", "crashes"
    );
    let mut all = Vec::new();
    for name in chosen {
        let ran = fuzz(name, options)?;
        println!("{}", ran.line());
        for crash in &ran.crashes {
            eprintln!("{}", advice(name, crash, &options.sanitizer));
        }
        all.push(ran);
    }
    match all.iter().map(|ran| ran.crashes.len()).sum() {
        0 => Ok(all),
        crashes => Err(XtaskError::Crashes { crashes }),
    }
}

/// The names of the targets.
fn targets(folder: &Path) -> Result<Vec<String>, XtaskError> {
    let cannot = || XtaskError::file("cannot list", folder);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot())? {
        let path = entry.map_err(cannot())?.path();
        if path.extension().is_some_and(|extension| extension == "rs")
            && let Some(name) = path.file_stem()
        {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Cargo of nightly Rust, which alone can instrument code for the fuzzer.
fn nightly() -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo"]);
    command.current_dir(root());
    command
}

/// A command of cargo-fuzz. What it builds is kept apart by sanitizer, since one
/// build would replace the other.
fn fuzzer(command: &str, sanitizer: &str) -> Command {
    let mut fuzzer = nightly();
    fuzzer
        .args(["fuzz", command, "--sanitizer", sanitizer, "--target-dir"])
        .arg(target().join("fuzz").join(sanitizer));
    fuzzer
}

fn find_fuzzer() -> Result<(), XtaskError> {
    let reason = match collect(nightly().args(["fuzz", "--version"])) {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    let reason = reason.lines().next().unwrap_or_default().to_owned();
    Err(XtaskError::NoFuzzer { reason })
}

/// Runs a target for its time, or until it crashes.
fn fuzz(name: &str, options: &Options) -> Result<Ran, XtaskError> {
    let folder = root().join("fuzz");
    let (found, crashed) = (
        target().join("fuzz/corpus").join(name),
        target().join("fuzz/crashes").join(name),
    );
    for folder in [&found, &crashed] {
        fs::create_dir_all(folder).map_err(XtaskError::file("cannot make", folder))?;
    }
    let mut command = fuzzer("run", &options.sanitizer);
    command
        .arg(name)
        // New inputs go to the first.
        .args([&found, &folder.join("corpus").join(name)])
        .arg("--")
        .arg(format!("-max_total_time={}", options.seconds))
        .arg(format!("-timeout={PATIENCE}"))
        .arg(format!("-rss_limit_mb={MEMORY}"))
        .arg(format!("-artifact_prefix={}/", crashed.display()))
        // A thread that reads ahead may outlive its reader by a moment.
        .args(["-print_final_stats=1", "-detect_leaks=0"]);
    let words = folder.join(format!("{name}.dict"));
    if words.exists() {
        command.arg(format!("-dict={}", words.display()));
    }
    let began = Instant::now();
    let output = collect(&mut command)?;
    let said = String::from_utf8_lossy(&output.stderr);
    let ran = Ran {
        target: name.to_owned(),
        executions: number_after(&said, "stat::number_of_executed_units:"),
        time: began.elapsed(),
        coverage: number_after(&said, " cov:"),
        crashes: match output.status.success() {
            true => Vec::new(),
            false => crashes(&said),
        },
    };
    match output.status.success() || !ran.crashes.is_empty() {
        true => Ok(ran),
        // It did not get as far as that.
        false => Err(XtaskError::Failed {
            what: format!("fuzzing {name}"),
            status: output.status,
            output: said.into_owned(),
        }),
    }
}

/// The number after the last of these words; 0 if there is none.
fn number_after(said: &str, words: &str) -> u64 {
    let rest = said.rsplit_once(words).map_or("", |(_, rest)| rest);
    let number = rest.split_whitespace().next();
    number.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The inputs that libFuzzer has written down, but for those that were only slow.
fn crashes(said: &str) -> Vec<PathBuf> {
    said.lines()
        .filter_map(|line| line.split_once("Test unit written to "))
        .map(|(_, path)| PathBuf::from(path.trim()))
        .filter(|path| {
            let name = path.file_name().map(|name| name.to_string_lossy());
            !name.is_some_and(|name| name.starts_with("slow-unit"))
        })
        .collect()
}

/// What to do about a crash.
fn advice(name: &str, crash: &Path, sanitizer: &str) -> String {
    let crash = crash.display();
    format!(
        "{name} crashes with {crash}\n\
         to see it:      cargo +nightly fuzz run -s {sanitizer} {name} {crash}\n\
         to shorten it:  cargo +nightly fuzz tmin -s {sanitizer} {name} {crash}\n\
         to keep it as a test: copy it into fuzz/corpus/{name}/"
    )
}

impl Ran {
    fn line(&self) -> String {
        format!(
            "{:<12} {:>12} {:>8} {:>9} {:>8}",
            self.target,
            self.executions,
            self.time.as_secs(),
            self.coverage,
            self.crashes.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\
INFO: seed corpus: files: 5 min: 1b max: 20b total: 60b rss: 34Mb
#6	INITED cov: 812 ft: 1204 corp: 5/60b exec/s: 0 rss: 35Mb
Test unit written to target/fuzz/crashes/raw/slow-unit-77
#90112	NEW    cov: 1377 ft: 3001 corp: 9/112b lim: 43 exec/s: 45056 rss: 40Mb L: 9/20 MS: 2
artifact_prefix='target/fuzz/crashes/raw/'; Test unit written to target/fuzz/crashes/raw/crash-0a
stat::number_of_executed_units: 90113
stat::average_exec_per_sec:     45056
";

    #[test]
    fn what_the_fuzzer_says_is_understood() {
        assert_eq!(number_after(SAID, " cov:"), 1377);
        assert_eq!(
            number_after(SAID, "stat::number_of_executed_units:"),
            90_113
        );
        assert_eq!(number_after("error: nothing", " cov:"), 0);
        let wanted = PathBuf::from("target/fuzz/crashes/raw/crash-0a");
        assert_eq!(crashes(SAID), [wanted]);
    }

    #[test]
    fn each_target_has_a_corpus_and_each_dictionary_a_target() {
        let folder = root().join("fuzz");
        let names = targets(&folder.join("fuzz_targets")).unwrap();
        assert!(names.len() >= 8, "{names:?}");
        for name in &names {
            let corpus = folder.join("corpus").join(name);
            let mut inputs = fs::read_dir(&corpus).expect(name);
            assert!(inputs.next().is_some(), "{} is empty", corpus.display());
        }
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "dict")
            {
                let name = path.file_stem().unwrap().to_string_lossy().into_owned();
                assert!(names.contains(&name), "{name}.dict is of no target");
            }
        }
    }
}
