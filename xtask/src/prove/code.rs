//! The code that a check covers, as a number that changes with it.
//!
//! What counts are the files that git tracks or would, by what is in them: not
//! where the checkout is, when a file was written, or how its lines end. Of a
//! Rust file what the compiler reads counts (`words.rs`).

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::words::words;
use crate::error::XtaskError;
use crate::process::capture;

/// Stands at the end of a path for whatever a name goes on with.
const ANY: char = '*';

/// Stands before a path that is left out of the others.
const NOT: char = '!';

/// The files of a tree, each with the number of what is in it.
#[derive(Debug)]
pub(super) struct Tree(BTreeMap<String, u64>);

/// What the files under some paths are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Code(u64);

/// Twelve digits are enough to tell a file from what it was before.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}", self.0 >> 16)
    }
}

impl Code {
    #[cfg(test)]
    pub(super) fn of_digits(digits: u64) -> Self {
        Self(digits << 16)
    }
}

impl Tree {
    /// Reads all files below `root` that are covered by any of these paths.
    ///
    /// # Errors
    ///
    /// If git does not list them, or one cannot be read.
    pub(super) fn read(root: &Path, paths: &[String]) -> Result<Self, XtaskError> {
        let mut git = Command::new("git");
        git.args(["ls-files", "-z", "--cached", "--others"])
            .arg("--exclude-standard")
            .current_dir(root);
        let listed = capture(&mut git, "git ls-files")?;
        let mut files = BTreeMap::new();
        for name in String::from_utf8_lossy(&listed).split_terminator('\0') {
            let path = root.join(name);
            // Listed files may have been deleted.
            if !paths.iter().any(|covered| is_under(name, covered)) || !path.is_file() {
                continue;
            }
            let bytes = fs::read(&path).map_err(XtaskError::file("cannot read", &path))?;
            files.insert(name.to_owned(), what_counts(name, &bytes));
        }
        Ok(Self(files))
    }

    /// What these paths cover.
    pub(super) fn code(&self, paths: &[String]) -> Code {
        let mut number = Number::new();
        for (name, inside) in &self.0 {
            if is_covered(name, paths) {
                number.take(name.as_bytes());
                number.take(&[0]);
                number.take(&inside.to_le_bytes());
            }
        }
        Code(number.0)
    }

    /// The files, by their paths from the root.
    #[cfg(test)]
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// Whether these paths cover a file.
pub(super) fn is_covered(file: &str, paths: &[String]) -> bool {
    let is_left_out = |path: &String| path.strip_prefix(NOT).is_some_and(|it| is_under(file, it));
    paths.iter().any(|path| is_under(file, path)) && !paths.iter().any(is_left_out)
}

/// Whether a file is the path, or below it, or begins with it if it ends in
/// [`ANY`].
fn is_under(file: &str, path: &str) -> bool {
    match path.strip_suffix(ANY) {
        Some(begin) => file.starts_with(begin),
        None => file
            .strip_prefix(path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
    }
}

fn what_counts(name: &str, bytes: &[u8]) -> u64 {
    let mut number = Number::new();
    let bytes = with_plain_ends(bytes);
    match name.ends_with(".rs") {
        true => number.take(&words(&bytes)),
        false => number.take(&bytes),
    }
    number.0
}

/// The same with `\n` at the end of each line.
fn with_plain_ends(bytes: &[u8]) -> Vec<u8> {
    let next = bytes.iter().skip(1).map(Some).chain([None]);
    let both = bytes.iter().zip(next);
    let kept = both.filter(|both| !matches!(both, (b'\r', Some(b'\n'))));
    kept.map(|(byte, _)| *byte).collect()
}

/// FNV-1a, which is the same with every compiler and on every machine. Nobody
/// has a reason to look for two trees that it takes for one.
struct Number(u64);

impl Number {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn take(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
