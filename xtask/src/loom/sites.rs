//! The places where an ordering, or a fence, says something about other memory.
//!
//! They are found by reading the source line by line, which is enough: rustfmt
//! has laid it out. Comments and tests are left out.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::XtaskError;

/// What an ordering can be weakened from.
const ORDERINGS: [&str; 4] = ["Acquire", "Release", "AcqRel", "SeqCst"];

/// What a comment says before the reason why no model notices.
const MARK: &str = "mutant:";

/// An ordering, or a fence.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Site {
    /// The file, below the source folder.
    pub(super) file: PathBuf,
    /// The line, from 1, and the byte in it where the word starts.
    pub(super) line: usize,
    at: usize,
    /// The ordering's name, or `fence`.
    word: &'static str,
    /// The function that it stands in.
    pub(super) function: String,
    /// Why it stays although no model notices, if that is written above it.
    pub(super) reason: Option<String>,
}

/// A way to weaken a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mutation {
    /// What the reader of the report is told.
    pub(super) what: &'static str,
    from: &'static str,
    to: &'static str,
}

const fn to_relaxed(what: &'static str, from: &'static str) -> Mutation {
    let to = "Relaxed";
    Mutation { what, from, to }
}

impl Site {
    /// Where it is, for people.
    pub(super) fn place(&self) -> String {
        format!("{}:{} {}", self.file.display(), self.line, self.function)
    }

    /// The ways to weaken it.
    pub(super) fn mutations(&self) -> &'static [Mutation] {
        match self.word {
            "Acquire" => &const { [to_relaxed("Acquire -> Relaxed", "Acquire")] },
            "Release" => &const { [to_relaxed("Release -> Relaxed", "Release")] },
            "AcqRel" => &const { [to_relaxed("AcqRel -> Relaxed", "AcqRel")] },
            "SeqCst" => &const { [to_relaxed("SeqCst -> Relaxed", "SeqCst")] },
            _ => &[
                Mutation {
                    what: "fence removed",
                    // Takes the same argument, and does nothing with it.
                    from: "fence",
                    to: "drop",
                },
                Mutation {
                    what: "fence SeqCst -> AcqRel",
                    from: "SeqCst",
                    to: "AcqRel",
                },
            ],
        }
    }

    /// The file's text with this site weakened; `None` if there is nothing to
    /// weaken in this way.
    pub(super) fn weaken(&self, text: &str, mutation: Mutation) -> Option<String> {
        let start: usize = text
            .split_inclusive('\n')
            .take(self.line - 1)
            .map(str::len)
            .sum();
        let (before, site) = text.split_at_checked(start + self.at)?;
        // A fence's argument may be on a line of its own.
        let statement = &site[..site.find(';').unwrap_or(site.len())];
        let found = statement.find(mutation.from)?;
        let after = &site[found + mutation.from.len()..];
        Some([before, &site[..found], mutation.to, after].concat())
    }
}

/// Every site in the files below `folder`, by file and line.
pub(super) fn find(folder: &Path) -> Result<Vec<Site>, XtaskError> {
    let mut sites = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(inner) = folders.pop() {
        let cannot = || XtaskError::file("cannot list", &inner);
        for entry in fs::read_dir(&inner).map_err(cannot())? {
            let path = entry.map_err(cannot())?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text =
                    fs::read_to_string(&path).map_err(XtaskError::file("cannot read", &path))?;
                let file = path.strip_prefix(folder).unwrap_or(&path);
                sites.extend(in_text(file, &text));
            }
        }
    }
    sites.sort_by(|a, b| (&a.file, a.line, a.at).cmp(&(&b.file, b.line, b.at)));
    Ok(sites)
}

fn in_text(file: &Path, text: &str) -> Vec<Site> {
    let mut sites = Vec::new();
    let mut function = String::new();
    // The comment lines directly above.
    let mut comment = String::new();
    // The last line was an attribute for tests only.
    let mut for_tests = false;
    // A fence whose argument is still to come.
    let mut in_fence = false;
    for (number, line) in (1..).zip(text.lines()) {
        let trimmed = line.trim_start();
        if let Some(words) = trimmed.strip_prefix("//") {
            comment.push_str(words.trim_start_matches(['/', '!']));
            continue;
        }
        // At the left margin: what comes after a file's tests is left out too.
        if for_tests && line.starts_with("mod ") && line.ends_with('{') {
            break;
        }
        for_tests = line.starts_with("#[cfg(") && line.contains("test");
        let code = &code_of(line);
        if let Some(name) = name_of_function(code) {
            function = name.to_owned();
        }
        for (at, word) in words(code) {
            let is_call = code[at + word.len()..].starts_with('(');
            let word = if word == "fence" && is_call {
                in_fence = true;
                "fence"
            } else if let Some(word) = ORDERINGS.iter().find(|it| **it == word)
                && !in_fence
            {
                word
            } else {
                continue;
            };
            sites.push(Site {
                file: file.to_path_buf(),
                line: number,
                at,
                word,
                function: function.clone(),
                reason: reason(&comment),
            });
        }
        in_fence &= !code.contains(';');
        comment.clear();
    }
    sites
}

/// The reason in a comment, if there is one.
fn reason(comment: &str) -> Option<String> {
    let (_, reason) = comment.split_once(MARK)?;
    let reason = reason.trim();
    (!reason.is_empty()).then(|| reason.to_owned())
}

/// A line without the comment at its end, and with blanks in its strings.
fn code_of(line: &str) -> String {
    let mut code = String::with_capacity(line.len());
    let mut in_string = false;
    let mut escaped = false;
    for byte in line.bytes() {
        match byte {
            b'"' if !escaped => in_string = !in_string,
            b'/' if !in_string && code.ends_with('/') => {
                code.pop();
                break;
            }
            _ => {}
        }
        escaped = byte == b'\\' && !escaped;
        // Words start at the same byte as in the line, whatever is between them.
        let plain = byte.is_ascii() && (!in_string || byte == b'"');
        code.push(if plain { char::from(byte) } else { ' ' });
    }
    code
}

/// The words of a line, each with the byte at which it starts.
fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut at = 0;
    std::iter::from_fn(move || {
        at += code[at..].find(is_word)?;
        let rest = &code[at..];
        let word = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
        let found = (at, word);
        at += word.len();
        Some(found)
    })
}

/// The name of the function that a line begins.
fn name_of_function(code: &str) -> Option<&str> {
    let mut words = words(code);
    words.find(|(_, word)| *word == "fn")?;
    words.next().map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r#"//! Ordering::Release is not code here.
use crate::sync::{Ordering, fence};

impl A {
    fn first(&self) {
        // Acquire: pairs with something.
        self.a.load(Ordering::Acquire); // Release
        say("// Ordering::SeqCst", Ordering::Relaxed);
        self.b.compare_exchange(
            1,
            // Release: publishes.
            // mutant: nobody looks,
            // or so it seems.
            Ordering::Release,
            Ordering::Acquire,
        );
    }

    pub(crate) const fn second() {
        fence(Ordering::SeqCst);
        fence(
            Ordering::SeqCst,
        );
        x.store(1, Ordering::SeqCst);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    fn third() {
        x.store(1, Ordering::Release);
    }
}
"#;

    #[test]
    fn sites_are_found_with_their_reasons() {
        let found: Vec<_> = in_text(Path::new("a.rs"), SOURCE)
            .into_iter()
            .map(|site| (site.place(), site.word, site.reason))
            .collect();
        let site = |place: &str, word, reason: Option<&str>| {
            (place.to_owned(), word, reason.map(str::to_owned))
        };
        assert_eq!(
            found,
            [
                site("a.rs:7 first", "Acquire", None),
                site(
                    "a.rs:14 first",
                    "Release",
                    Some("nobody looks, or so it seems.")
                ),
                site("a.rs:15 first", "Acquire", None),
                site("a.rs:20 second", "fence", None),
                site("a.rs:21 second", "fence", None),
                site("a.rs:24 second", "SeqCst", None),
            ]
        );
    }

    #[test]
    fn one_site_is_weakened_at_a_time() {
        let sites = in_text(Path::new("a.rs"), SOURCE);
        let changed = |site: &Site, mutation| {
            let weaker = site.weaken(SOURCE, mutation).expect("can be weakened");
            let lines = SOURCE.lines().zip(weaker.lines());
            let changed: Vec<_> = lines.filter(|(old, new)| old != new).collect();
            let [(_, new)] = changed[..] else {
                panic!("not one line was changed: {changed:?}");
            };
            new.trim().to_owned()
        };
        let all: Vec<_> = sites
            .iter()
            .flat_map(|site| site.mutations().iter().map(|&m| changed(site, m)))
            .collect();
        assert_eq!(
            all,
            [
                "self.a.load(Ordering::Relaxed); // Release",
                "Ordering::Relaxed,",
                "Ordering::Relaxed,",
                "drop(Ordering::SeqCst);",
                "fence(Ordering::AcqRel);",
                "drop(",
                "Ordering::AcqRel,",
                "x.store(1, Ordering::Relaxed);",
            ]
        );
    }
}
