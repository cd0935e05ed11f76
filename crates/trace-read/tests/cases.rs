//! Small traces with what is to be read from them, in `traces/*.test`.
//!
//! A case is its name after `===`, a trace in the text form, `---`, and the lines
//! that [`support::lines`] makes of it: all events, and the error.
//!
//! In a trace, `@version V` comes first if it is not 1.26. `@gen N` starts a
//! generation with its clock, a nanosecond a unit, and ends the one before. `@m W
//! T` starts a batch of worker W at time T in it, and `@table` one of no worker.

mod support;

use std::path::Path;
use std::{env, fs};

use support::lines;
use trace_read::text;

#[test]
fn every_case() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/traces");
    let mut cases = 0;
    let mut wrong = String::new();
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "test"))
        .collect();
    files.sort();
    for path in files {
        let file = fs::read_to_string(&path).unwrap();
        for case in file.split("\n=== ").skip(1) {
            cases += 1;
            let (name, case) = case.split_once('\n').unwrap();
            let (trace, expected) = case.split_once("---\n").unwrap();
            let trace = expanded(trace);
            let bytes = match text::to_bytes(&trace) {
                Ok(bytes) => bytes,
                Err(error) => panic!("{name}: {error}\n{trace}"),
            };
            let found = lines::read(&bytes[..]).join("\n");
            if found != expected.trim() {
                let file = path.file_name().unwrap().display();
                wrong += &format!("{file}: {name}: found\n{found}\nexpected\n{expected}\n");
            }
        }
    }
    assert!(cases > 50, "only {cases} cases");
    assert!(wrong.is_empty(), "{wrong}");
}

/// The trace with its shorthands written out.
fn expanded(trace: &str) -> String {
    const NOBODY: u64 = u64::MAX;
    let mut lines = trace.lines().peekable();
    let version = match lines.next_if(|line| line.starts_with("@version ")) {
        Some(line) => line.trim_start_matches("@version "),
        None => "1.26",
    };
    let mut text = format!("Trace Go{version}\n");
    let mut generation = 0;
    for line in lines {
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            ["@gen", number] => {
                if generation != 0 && version == "1.26" {
                    text += "EndOfGeneration\n";
                }
                generation = number.parse().unwrap();
                let time = generation * 1000;
                text += &format!("EventBatch gen={number} m={NOBODY} time={time}\n");
                text += match version {
                    "1.22" | "1.23" => "Frequency freq=1000000000\n",
                    _ => {
                        "Sync\nFrequency freq=1000000000\n\
                         ClockSnapshot dt=1 mono=5 sec=6 nsec=7\n"
                    }
                };
            }
            ["@m", worker, time] => {
                text += &format!("EventBatch gen={generation} m={worker} time={time}\n");
            }
            ["@table"] => {
                text += &format!("EventBatch gen={generation} m={NOBODY} time=9999\n");
            }
            _ => {
                text += line;
                text += "\n";
            }
        }
    }
    if version == "1.26" && !trace.contains("@cut") {
        text += "EndOfGeneration\n";
    }
    text.replace("@cut\n", "")
}
