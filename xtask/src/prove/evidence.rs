//! `docs/evidence.md`: made from the claims, with the results that it had.
//!
//! The document itself is the only record of results: they are read back from
//! its table. A result belongs to the command beside it; if a check's command
//! has changed since, its result is dropped.

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{Check, Section};
use crate::error::XtaskError;
use crate::process::capture;
use crate::root::root;

/// Where it is, from the project's root.
pub(super) const DOCUMENT: &str = "docs/evidence.md";

const HEAD: &str = "\
# Evidence

What is claimed of the tracer, how each claim is checked, and what came of it when
the check last ran. `cargo xtask prove` writes this file: `cargo xtask prove NAME…`
runs the checks of these names and rewrites their rows, without names all of them.
A result has the day (UTC), the commit that the check ran on, with a `+` if
there were changes that were not committed, and how long it took with all that had
to be built. A check that fails leaves **FAILED** here. `TRACE_LONG=1` chooses the long form of a test whose
short one is part of `cargo xtask test`.
";

const COLUMNS: &str = "\
| check | claim | how | command | last result |
| --- | --- | --- | --- | --- |
";

const NOT_RUN: &str = "not run yet";

/// What came of a check.
pub(super) enum Outcome {
    Passed(String),
    Failed(String),
}

/// A run of a check.
pub(super) struct Run {
    pub(super) outcome: Outcome,
    pub(super) commit: String,
    pub(super) date: String,
    pub(super) time: Duration,
}

/// As it stands in the table.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, said) = match &self.outcome {
            Outcome::Passed(figures) => ("ok", figures),
            Outcome::Failed(why) => ("**FAILED**", why),
        };
        let Run { date, commit, .. } = self;
        let seconds = self.time.as_secs_f64().ceil();
        write!(f, "{word}, {date}, {commit}, {seconds} s: ")?;
        // What programs say has lines, and may have many.
        let mut said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        const MOST: usize = 1000;
        if said.len() > MOST {
            said.truncate(said.floor_char_boundary(MOST));
            said.push('…');
        }
        f.write_str(&said)
    }
}

/// The results in a document, by check and commands.
pub(super) struct Results(HashMap<(String, String), String>);

/// Reads the results back.
pub(super) fn results(text: &str) -> Results {
    let mut results = HashMap::new();
    for line in text.lines() {
        let row = line
            .strip_prefix("| `")
            .and_then(|row| row.strip_suffix(" |"));
        // A bar inside of a cell has no blanks around it, see `cell`.
        let cells: Vec<_> = row.iter().flat_map(|row| row.split(" | ")).collect();
        if let [name, _, _, commands, result] = cells[..]
            && let Some(name) = name.strip_suffix('`')
            && result != NOT_RUN
        {
            results.insert((name.to_owned(), commands.to_owned()), result.to_owned());
        }
    }
    Results(results)
}

/// The whole document.
pub(super) fn render(sections: &[Section], results: &Results) -> String {
    let mut text = HEAD.to_owned();
    for Section { title, checks } in sections {
        // A string takes everything.
        let _ = write!(text, "\n## {title}\n\n{COLUMNS}");
        for check in *checks {
            let (key, row) = (key(check), (cell(check.claim), cell(check.how)));
            let result = results.0.get(&key).map_or(NOT_RUN, String::as_str);
            let ((name, commands), (claim, how)) = (key, row);
            let _ = writeln!(
                text,
                "| `{name}` | {claim} | {how} | {commands} | {result} |"
            );
        }
    }
    text
}

/// By what a result is found: the check's name and its commands' cell.
fn key(check: &Check) -> (String, String) {
    let commands = check.commands();
    let commands = commands
        .iter()
        .map(|command| format!("`{}`", cell(command)));
    let commands = commands.collect::<Vec<_>>().join("<br>");
    (check.name.to_owned(), commands)
}

/// A text as a cell of the table: a bar would end it.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Writes a check's result into its row.
///
/// # Errors
///
/// If the document cannot be read or written. It is never half written.
pub(super) fn record(
    document: &Path,
    sections: &[Section],
    check: &Check,
    run: &Run,
) -> Result<(), XtaskError> {
    let text = match fs::read_to_string(document) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(XtaskError::file("cannot read", document)(error)),
    };
    let mut results = results(&text);
    results.0.insert(key(check), cell(&run.to_string()));
    let fresh = document.with_extension(format!("{}.tmp", std::process::id()));
    fs::write(&fresh, render(sections, &results))
        .map_err(XtaskError::file("cannot write", &fresh))?;
    fs::rename(&fresh, document).map_err(XtaskError::file("cannot write", document))
}

/// The commit that is checked out, with a `+` if something is changed but for
/// the document itself.
///
/// # Errors
///
/// If git does not say.
pub(super) fn commit() -> Result<String, XtaskError> {
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        let said = capture(git.args(arguments).current_dir(root()), "git")?;
        Ok(String::from_utf8_lossy(&said).trim().to_owned())
    };
    let mut commit = git(&["rev-parse", "--short=9", "HEAD"])?;
    let but_for_it = format!(":!{DOCUMENT}");
    if !git(&["status", "--porcelain", "--", ".", &but_for_it])?.is_empty() {
        commit.push('+');
    }
    Ok(commit)
}

/// The day, as `2026-01-31`, UTC.
///
/// # Errors
///
/// If the system does not say.
pub(super) fn today() -> Result<String, XtaskError> {
    let said = capture(Command::new("date").args(["-u", "+%F"]), "date")?;
    Ok(String::from_utf8_lossy(&said).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::{Proof, Slice};
    use super::*;

    const fn check(commands: &'static [&'static str]) -> Check {
        Check {
            name: "things",
            claim: "Either | or.",
            how: "by trying",
            proof: Proof::Here {
                commands,
                full: || Ok(String::new()),
                slice: Slice::Nothing("too short"),
            },
        }
    }

    const OLD: &[Section] = &[Section {
        title: "All",
        checks: &[check(&["a | b", "c"])],
    }];
    const NEW: &[Section] = &[Section {
        title: "All",
        checks: &[check(&["a | b", "d"])],
    }];

    /// What is written is read back; a result of another command is not kept.
    #[test]
    fn results_belong_to_their_command() {
        let run = Run {
            outcome: Outcome::Passed("1 | 2\n 3".to_owned()),
            commit: "123456789".to_owned(),
            date: "2026-01-31".to_owned(),
            time: Duration::from_millis(1001),
        };
        let file = format!("xtask-evidence-{}.md", std::process::id());
        let document = std::env::temp_dir().join(file);
        record(&document, OLD, &OLD[0].checks[0], &run).unwrap();
        let text = fs::read_to_string(&document).unwrap();
        fs::remove_file(&document).unwrap();
        let row = r"| `things` | Either \| or. | by trying | `a \| b`<br>`c` | ok, 2026-01-31, 123456789, 2 s: 1 \| 2 3 |";
        assert_eq!(text.lines().last(), Some(row));
        assert_eq!(render(OLD, &results(&text)), text);
        let other = render(NEW, &results(&text));
        assert!(other.ends_with("`a \\| b`<br>`d` | not run yet |\n"));
    }
}
