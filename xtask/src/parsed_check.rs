//! Is each event, in words, what Go's reader makes of it? Compares the text of
//! `rtrace dump --mode parsed` with that of `go tool trace -d=parsed`, line by
//! line: order, times, states, names and stacks.

use std::path::{Path, PathBuf};
use std::process::Command;

use trace_tools::{ToolError, dump, input};

use crate::error::XtaskError;
use crate::go::{self, Toolchain};
use crate::process::capture;

/// Compares all of these traces, and gives the number of lines.
///
/// # Errors
///
/// [`XtaskError::Differences`] after all if one differs, or whatever kept a
/// reader from reading one.
pub(crate) fn check(toolchain: &Toolchain, traces: &[PathBuf]) -> Result<usize, XtaskError> {
    let viewer = go::viewer(toolchain)?;
    let mut lines = 0;
    let mut findings = 0;
    for trace in traces {
        let ours = ours(trace).map_err(|error| XtaskError::Dump {
            path: trace.clone(),
            error: Box::new(error),
        })?;
        let mut command = Command::new(&viewer);
        // It prints wall time in the zone it is in, and we in UTC.
        command.arg("-d=parsed").arg(trace).env("TZ", "UTC");
        let theirs = capture(&mut command, "Go's dump")?;
        lines += theirs.split(|&byte| byte == b'\n').count();
        if let Some((line, [our, their])) = difference(&ours, &theirs) {
            findings += 1;
            println!(
                "{}: line {line}\n  ours: {our}\n  Go's: {their}",
                trace.display()
            );
        }
    }
    match findings {
        0 => Ok(lines),
        findings => Err(XtaskError::Differences { findings }),
    }
}

fn ours(trace: &Path) -> Result<Vec<u8>, ToolError> {
    let mut text = Vec::new();
    let trace = input::open(trace, ())?;
    dump::parsed(trace, &mut text, dump::Form::Text, &dump::Filter::default())?;
    Ok(text)
}

/// The number of the first line that differs, from 1, and what it is in each.
fn difference(a: &[u8], b: &[u8]) -> Option<(usize, [String; 2])> {
    if a == b {
        return None;
    }
    let (mut a, mut b) = (a.split(|&c| c == b'\n'), b.split(|&c| c == b'\n'));
    let mut number = 1;
    loop {
        match (a.next(), b.next()) {
            (Some(a), Some(b)) if a == b => number += 1,
            (a, b) => {
                let text = |line: Option<&[u8]>| match line {
                    Some(line) => String::from_utf8_lossy(line).into_owned(),
                    None => "(the end)".to_owned(),
                };
                return Some((number, [text(a), text(b)]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_found() {
        let found = |a: &str, b: &str| difference(a.as_bytes(), b.as_bytes());
        let pair = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        assert_eq!(found("a\nb\n", "a\nb\n"), None);
        assert_eq!(found("a\nb\n", "a\nc\n"), Some((2, pair("b", "c"))));
        assert_eq!(found("a", "a\nc"), Some((2, pair("(the end)", "c"))));
    }
}
