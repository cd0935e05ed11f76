//! `cargo xtask bench limits`: instructions of the hot paths, against recorded
//! limits.
//!
//! Times swing with the machine; instructions do not. So what was won is kept by
//! counting: `bench/limits.txt` says how many instructions each case took when
//! it was last recorded, and one that takes more than 3 % above that fails. They
//! say nothing about fences, contention and cache misses.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use clap::Args;

use crate::bench::contest::{build, count_ours};
use crate::error::XtaskError;
use crate::root::root;

/// What to do with the limits.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Write down what is counted now as the new limits.
    #[arg(long)]
    record: bool,
}

/// How much more than the limit is taken for chance: maps draw their hashes at
/// random.
const SLACK: f64 = 0.03;

/// A line of the file: `180.4 map hit ours key=32 …`.
struct Limit {
    instructions: f64,
    case: String,
}

pub(super) fn run(options: &Options) -> Result<(), XtaskError> {
    let path = root().join("bench/limits.txt");
    let text = fs::read_to_string(&path).map_err(XtaskError::file("cannot read", &path))?;
    let program = build(&["--no-default-features"], "bench-ours")?;
    let mut recorded = String::new();
    let mut above = 0;
    println!("instructions an operation: limit, now, change");
    for line in text.lines() {
        let Some(limit) = limit(line) else {
            // A comment.
            recorded.push_str(line);
            recorded.push('\n');
            continue;
        };
        let now = count(&program, &limit.case)?;
        let change = now / limit.instructions - 1.0;
        let verdict = match change {
            change if change > SLACK => "ABOVE",
            change if change < -SLACK => "below: record it",
            _ => "",
        };
        above += usize::from(change > SLACK);
        println!(
            "{:8.1} {now:8.1} {:+6.1} %  {} {verdict}",
            limit.instructions,
            change * 100.0,
            limit.case
        );
        // Writing to a string never fails.
        let _ = writeln!(recorded, "{now:.1} {}", limit.case);
    }
    if options.record {
        fs::write(&path, recorded).map_err(XtaskError::file("cannot write", &path))?;
        return Ok(());
    }
    match above {
        0 => Ok(()),
        _ => Err(XtaskError::AboveLimit { cases: above }),
    }
}

fn limit(line: &str) -> Option<Limit> {
    let (instructions, case) = line.split_once(' ')?;
    Some(Limit {
        instructions: instructions.parse().ok()?,
        case: case.to_owned(),
    })
}

fn count(program: &Path, case: &str) -> Result<f64, XtaskError> {
    count_ours(program, case).ok_or_else(|| XtaskError::NoFigure {
        request: format!("count the instructions of {case}"),
        answer: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let one = limit("180.4 map hit ours key=32").unwrap();
        assert_eq!(
            (one.instructions, &*one.case),
            (180.4, "map hit ours key=32")
        );
        assert!(limit("# a comment").is_none());
        assert!(limit("").is_none());
    }
}
