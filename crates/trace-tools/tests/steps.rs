//! Time follows the size of a trace, whatever is in it: of files made to take long,
//! one of four times the size takes about four times as many instructions. Valgrind
//! counts them, so that a busy machine makes no difference.

#[path = "../../trace-read/tests/support/hostile.rs"]
mod hostile;

#[path = "../../trace-read/tests/support/slow.rs"]
mod slow;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

/// What a file's name stands for.
const FILE: &str = "FILE";

/// The commands, with all that does not end soon if a file is large.
const COMMANDS: [&[&str]; 13] = [
    &["check", FILE],
    &["summary", FILE],
    &["summary", "--json", "--top", "1000000", FILE],
    &["diff", "--top", "1000000", FILE, FILE],
    &["dump", FILE],
    &["dump", "--json", FILE],
    &["dump", "--mode", "wire", FILE],
    &[
        "export", "--format", "perfetto", "-o", "-", "--tasks", "all", FILE,
    ],
    &["export", "--format", "chrome", "--tasks", "all", FILE],
    &["export", "--format", "csv", FILE],
    &[
        "profile",
        "--kind",
        "block",
        "--all-reasons",
        "--format",
        "svg",
        FILE,
    ],
    &["profile", "--kind", "running", "--format", "pprof", FILE],
    &[
        "profile",
        "--kind",
        "sched",
        "--from-creation",
        "--format",
        "text",
        FILE,
    ],
];

/// What has once taken a time that grew with the square of the size.
const ONCE: [(&str, &str); 7] = [
    ("abandoned procs, workers", "check"),
    ("stops of the world", "check"),
    ("assists, stops of the world", "check"),
    ("reasons, the other way round", "summary"),
    ("generations after frames", "check"),
    ("marks, the other way round", "check"),
    ("steals of a proc, the other way round", "check"),
];

/// What takes a file of four times the size may take so many times as long: a bit
/// more than four times for the logarithms, and for tables that have just grown.
const MOST: f64 = 6.5;

/// The instructions that a command takes.
fn steps(command: &[&str], file: &Path) -> u64 {
    let mut counted = Command::new("valgrind");
    counted
        .args([
            "--tool=cachegrind",
            "--cache-sim=no",
            "--cachegrind-out-file=/dev/null",
        ])
        .arg(env!("CARGO_BIN_EXE_rtrace"));
    for &word in command {
        match word {
            FILE => counted.arg(file),
            word => counted.arg(word),
        };
    }
    let ran = counted.stdout(Stdio::null()).output().unwrap();
    // "==123== I   refs:      45,678"
    let said = String::from_utf8_lossy(&ran.stderr);
    let number = said.lines().find_map(|line| line.split_once("refs:"));
    let (_, number) = number.unwrap_or_else(|| panic!("{counted:?}: {said}"));
    number.replace(',', "").trim().parse().unwrap()
}

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("steps");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A file of this name and size.
fn file(name: &str, size: usize, bytes: &[u8]) -> PathBuf {
    let path = folder().join(format!("{}.{size}", name.replace([' ', ','], "_")));
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn time_follows_the_size() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("skipped: there is no valgrind to count instructions with");
        return;
    }
    let long = std::env::var_os("TRACE_LONG").is_some();
    let small = if long { 100_000 } else { 25_000 };
    let made = |size| hostile::files(size).into_iter().chain(slow::slow(size));
    let none = file("none", 0, &hostile::File::new().ended());
    let mut cases = Vec::new();
    for ((name, few), (_, many)) in made(small).zip(made(4 * small)) {
        let files = (file(name, small, &few), file(name, 4 * small, &many));
        for command in COMMANDS {
            if long || ONCE.contains(&(name, command[0])) {
                cases.push((name, command, files.clone()));
            }
        }
    }
    assert!(cases.len() >= ONCE.len());

    let (cases, found) = (Mutex::new(cases.into_iter()), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let case = cases.lock().unwrap().next();
            let Some((name, command, (few, many))) = case else {
                return;
            };
            let base = steps(command, &none);
            let count = |file| steps(command, file).saturating_sub(base).max(1);
            let (few, many) = (count(&few), count(&many));
            // What is next to nothing need not be four times that.
            let times = many as f64 / few.max(100_000) as f64;
            let row = (
                times,
                format!("{name}: {}: {few}, {many}", command.join(" ")),
            );
            found.lock().unwrap().push(row);
        }
    };
    thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    let mut found = found.into_inner().unwrap();
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (times, what) in &found {
        println!("{times:.2} times: {what}");
    }
    let (worst, what) = found.last().unwrap();
    assert!(*worst < MOST, "{worst:.2} times: {what}");
    if long {
        println!(
            "evidence: {} commands and files, at most {worst:.1} times the instructions",
            found.len()
        );
    }
}
