//! `docs/evidence.md`: made from the claims, with the results that it had.
//!
//! The document itself is the only record of results: they are read back from
//! its table. A result belongs to the command beside it; if a check's command
//! has changed since, its result is dropped. It belongs to the code that the check
//! covers, too: if that has changed, the result stays and is marked as stale.

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::code::{Code, Tree};
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
there were changes that were not committed, how long it took with all that had
to be built, and a number for the code that the check covers. A check that fails
leaves **FAILED** here. A result is **stale** once the code that it was of has changed:
`cargo xtask tidy` marks it, `cargo xtask prove --stale` runs what is stale.
`TRACE_LONG=1` chooses the long form of a test whose short one is part of
`cargo xtask test`.
";

const COLUMNS: &str = "\
| check | claim | how | command | last result |
| --- | --- | --- | --- | --- |
";

const NOT_RUN: &str = "not run yet";

/// What a result begins with if it is of other code than today's.
const STALE: &str = "**stale**, ";

const OK: &str = "ok";
const FAILED: &str = "**FAILED**";

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
    /// What the check covered when it began.
    pub(super) code: Code,
}

/// As it stands in the table.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, said) = match &self.outcome {
            Outcome::Passed(figures) => (OK, figures),
            Outcome::Failed(why) => (FAILED, why),
        };
        let Run {
            date, commit, code, ..
        } = self;
        let seconds = self.time.as_secs_f64().ceil();
        write!(f, "{word}, {date}, {commit}, {seconds} s, code {code}: ")?;
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

/// What a row's result is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    NeverRun,
    Failed,
    /// It is of other code than today's.
    Stale,
    /// It is of today's code, and good.
    Holds,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NeverRun => "never run",
            Self::Failed => "failed",
            Self::Stale => "its code has changed",
            Self::Holds => "holds",
        })
    }
}

/// What the document says of a check.
pub(super) struct Row {
    pub(super) check: &'static Check,
    pub(super) state: State,
    /// How long it took.
    pub(super) time: Option<Duration>,
}

/// The document of some claims.
#[derive(Clone, Copy)]
pub(super) struct Book<'b> {
    /// The document.
    pub(super) path: &'b Path,
    pub(super) sections: &'static [Section],
    /// The tree that the claims are about.
    pub(super) root: &'b Path,
}

impl Book<'_> {
    /// All checks, in the document's order.
    pub(super) fn checks(&self) -> impl Iterator<Item = &'static Check> + use<> {
        self.sections.iter().flat_map(|section| section.checks)
    }

    /// The code that each check covers as it is now, by the check's name.
    ///
    /// # Errors
    ///
    /// If the tree cannot be read.
    fn code(&self) -> Result<Codes, XtaskError> {
        let paths: Vec<_> = self.checks().map(Check::paths).collect();
        let tree = Tree::read(self.root, &paths.concat())?;
        let codes = self.checks().zip(&paths);
        Ok(codes
            .map(|(check, paths)| (check.name, tree.code(paths)))
            .collect())
    }

    /// The code that a check covers as it is now.
    ///
    /// # Errors
    ///
    /// If the tree cannot be read.
    pub(super) fn code_of(&self, check: &Check) -> Result<Code, XtaskError> {
        let paths = check.paths();
        Ok(Tree::read(self.root, &paths)?.code(&paths))
    }

    /// What it says of each check, held against the tree.
    ///
    /// # Errors
    ///
    /// If the document or the tree cannot be read.
    pub(super) fn rows(&self) -> Result<Vec<Row>, XtaskError> {
        let (results, codes) = (results(&self.text()?), self.code()?);
        let row = |check| {
            let result = results.0.get(&key(check)).map(String::as_str);
            Row {
                check,
                state: state(result, codes.get(check.name)),
                time: result.and_then(time),
            }
        };
        Ok(self.checks().map(row).collect())
    }

    /// Writes a check's result into its row, and the marks of the others.
    ///
    /// # Errors
    ///
    /// If the document or the tree cannot be read or written. The document is never
    /// half written.
    pub(super) fn record(&self, check: &Check, run: &Run) -> Result<(), XtaskError> {
        let mut results = results(&self.text()?);
        results.0.insert(key(check), cell(&run.to_string()));
        self.write(&render(self.sections, &results, &self.code()?))
    }

    /// Writes the document as it must be by the claims and the tree; says of which
    /// checks the rows were otherwise.
    ///
    /// # Errors
    ///
    /// As [`record`](Self::record).
    pub(super) fn mark(&self) -> Result<Vec<String>, XtaskError> {
        let (text, due) = self.due()?;
        let lies = differing(&text, &due);
        if text != due {
            self.write(&due)?;
        }
        Ok(lies)
    }

    /// What is not as it must be by the claims and the tree.
    ///
    /// # Errors
    ///
    /// If the document or the tree cannot be read.
    pub(super) fn lies(&self) -> Result<Vec<String>, XtaskError> {
        let (text, due) = self.due()?;
        Ok(differing(&text, &due))
    }

    /// The document as it is, and as it must be.
    fn due(&self) -> Result<(String, String), XtaskError> {
        let text = self.text()?;
        let due = render(self.sections, &results(&text), &self.code()?);
        Ok((text, due))
    }

    fn text(&self) -> Result<String, XtaskError> {
        match fs::read_to_string(self.path) {
            Ok(text) => Ok(text.replace("\r\n", "\n")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(XtaskError::file("cannot read", self.path)(error)),
        }
    }

    fn write(&self, text: &str) -> Result<(), XtaskError> {
        let fresh = (self.path).with_extension(format!("{}.tmp", std::process::id()));
        fs::write(&fresh, text).map_err(XtaskError::file("cannot write", &fresh))?;
        fs::rename(&fresh, self.path).map_err(XtaskError::file("cannot write", self.path))
    }
}

/// Where a document is not as it must be: the checks whose rows differ, and how.
fn differing(text: &str, due: &str) -> Vec<String> {
    let row = |line: &str| {
        let name = line.strip_prefix("| `")?.split('`').next()?;
        Some((name.to_owned(), line.to_owned()))
    };
    let rows: HashMap<_, _> = text.lines().filter_map(row).collect();
    let is_stale = |row: &str| row.contains(&format!("| {STALE}"));
    let mut lies = Vec::new();
    for (name, must) in due.lines().filter_map(row) {
        let lie = match rows.get(&name) {
            Some(is) if *is == must => continue,
            Some(_) if must.ends_with(&format!("| {NOT_RUN} |")) => "has not run as it is now",
            Some(is) if !is_stale(is) && is_stale(&must) => "its code has changed since",
            Some(is) if is_stale(is) && !is_stale(&must) => "is marked as stale and is not",
            _ => "the row is not as the claims have it",
        };
        lies.push(format!("{name}: {lie}"));
    }
    if lies.is_empty() && text != due {
        lies.push("what stands around the rows is not as the claims have it".to_owned());
    }
    lies
}

/// The code that checks cover, by their names.
type Codes = HashMap<&'static str, Code>;

/// The results in a document, by check and commands, without their marks.
struct Results(HashMap<(String, String), String>);

/// Reads the results back.
fn results(text: &str) -> Results {
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
            let result = result.strip_prefix(STALE).unwrap_or(result);
            results.insert((name.to_owned(), commands.to_owned()), result.to_owned());
        }
    }
    Results(results)
}

/// What stands before a result's figures: how it ended, day, commit, time, code.
fn about(result: &str) -> impl Iterator<Item = &str> {
    let about = result.split_once(": ").map_or(result, |(about, _)| about);
    about.split(", ")
}

fn state(result: Option<&str>, code: Option<&Code>) -> State {
    let Some(result) = result else {
        return State::NeverRun;
    };
    let today = code.map(|code| format!("code {code}"));
    match about(result).find(|it| it.starts_with("code ")) {
        of if of != today.as_deref() => State::Stale,
        _ if about(result).next() == Some(OK) => State::Holds,
        _ => State::Failed,
    }
}

/// How long the run took that a result is of.
fn time(result: &str) -> Option<Duration> {
    let mut seconds = about(result).filter_map(|it| it.strip_suffix(" s")?.parse().ok());
    seconds.next().map(Duration::from_secs)
}

/// The whole document.
fn render(sections: &[Section], results: &Results, codes: &Codes) -> String {
    let mut text = HEAD.to_owned();
    for Section { title, checks } in sections {
        // A string takes everything.
        let _ = write!(text, "\n## {title}\n\n{COLUMNS}");
        for check in *checks {
            let (key, row) = (key(check), (cell(check.claim), cell(check.how)));
            let result = results.0.get(&key).map(String::as_str);
            let mark = match state(result, codes.get(check.name)) {
                State::Stale => STALE,
                _ => "",
            };
            let result = result.unwrap_or(NOT_RUN);
            let ((name, commands), (claim, how)) = (key, row);
            let _ = writeln!(
                text,
                "| `{name}` | {claim} | {how} | {commands} | {mark}{result} |"
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
    use super::*;

    /// A result whose figures look like what stands before them is not mistaken.
    #[test]
    fn what_a_result_is_of() {
        let result = "ok, 2026-01-31, 123456789, 12 s, code 0123456789ab: 3 s, code x";
        assert_eq!(time(result), Some(Duration::from_secs(12)));
        let code = |digits| Code::of_digits(digits);
        assert_eq!(
            state(Some(result), Some(&code(0x0123_4567_89ab))),
            State::Holds
        );
        assert_eq!(
            state(Some(result), Some(&code(0x1123_4567_89ab))),
            State::Stale
        );
        assert_eq!(state(Some(result), None), State::Stale);
        let failed = result.replace("ok", FAILED);
        assert_eq!(
            state(Some(&failed), Some(&code(0x0123_4567_89ab))),
            State::Failed
        );
        let of_old = "ok, 2026-01-31, 123456789, 12 s: 3 tests";
        assert_eq!(time(of_old), Some(Duration::from_secs(12)));
        assert_eq!(state(Some(of_old), Some(&code(0))), State::Stale);
        assert_eq!(state(None, Some(&code(0))), State::NeverRun);
    }
}
