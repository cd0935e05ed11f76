//! No file of the project names a place that exists on one machine only.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::error::XtaskError;
use crate::process::collect;
use crate::tidy::Finding;
use crate::tidy::packages::Package;

/// Folders below which people and build machines keep their own things. Written
/// in two parts, so that this file passes.
const PLACES: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("C:\\Us", "ers\\"),
];

/// Finds lines that name such a place, in every file that git tracks or would.
///
/// Without git there is nothing to go by, and nothing is found.
pub(super) fn check(root: &Path, _: &[Package]) -> Result<Vec<Finding>, XtaskError> {
    let mut git = Command::new("git");
    git.args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ])
    .current_dir(root);
    let listed = match collect(&mut git) {
        Ok(output) if output.status.success() => output.stdout,
        _ => return Ok(Vec::new()),
    };
    let mut findings = Vec::new();
    for name in String::from_utf8_lossy(&listed).split_terminator('\0') {
        let path = root.join(name);
        // Listed files may have been deleted. What is no text, as a recording, may
        // hold names all the same.
        let Ok(bytes) = fs::read(&path) else {
            continue;
        };
        for (line, place) in places(&String::from_utf8_lossy(&bytes)) {
            findings.push(format!(
                "{name}:{line}: names {place}, which is one machine's"
            ));
        }
    }
    Ok(findings)
}

/// The lines, from 1, that name a place of one machine.
fn places(text: &str) -> impl Iterator<Item = (usize, &'static str)> {
    text.lines().enumerate().filter_map(|(at, line)| {
        let place = PLACES.iter().find(|place| begins_at_place(line, place))?;
        Some((at + 1, *place))
    })
}

/// Whether the place occurs as the start of a path, not in the middle of one.
fn begins_at_place(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let text = format!(
            "fine\nsee {}somebody/file\nrelative/{}x\nhttps://host{}page\n{}",
            PLACES[2],
            &PLACES[0][1..],
            PLACES[2],
            PLACES[1]
        );
        let found: Vec<_> = places(&text).collect();
        assert_eq!(found, [(2, PLACES[2]), (5, PLACES[1])]);
    }
}
