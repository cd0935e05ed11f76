//! The files of a trace: their names, and what is said of them in the end.

use std::fmt::Write;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use vm::{FileReport, NextFile, VmError};

use crate::timed::Traced;

/// The name of a trace's file of this number, from 2: the number goes before
/// the extension, or to the end if there is none.
pub(crate) fn name(first: &Path, number: u32) -> PathBuf {
    let mut name = first.file_stem().unwrap_or_default().to_owned();
    name.push(format!(".{number}"));
    if let Some(extension) = first.extension() {
        name.push(".");
        name.push(extension);
    }
    first.with_file_name(name)
}

/// How the second and later files are opened. Only what goes into a regular
/// file goes on in another one: beside a pipe or a device there is no place.
pub(crate) fn next(path: &Path, first: &File) -> Option<NextFile> {
    let path = path.to_owned();
    first
        .metadata()
        .is_ok_and(|found| found.is_file())
        .then(|| -> NextFile { Box::new(move |number| File::create(name(&path, number))) })
}

/// What is to be said of a trace. What was created for nothing is removed.
pub(crate) fn close(path: &Path, traced: &Traced) -> String {
    let mut said = String::new();
    let mut say = |line: std::fmt::Arguments<'_>| {
        // A string takes everything.
        let _ = writeln!(said, "{line}");
    };
    match traced {
        Err(error) => {
            // An empty file would look like a trace that went wrong. What is
            // no file, as a pipe, stays.
            let is_file = fs::symlink_metadata(path).is_ok_and(|found| found.is_file());
            if is_file && let Err(error) = fs::remove_file(path) {
                let name = path.display();
                say(format_args!(
                    "warning: cannot remove the empty {name}: {error}"
                ));
            }
            let why = match error {
                VmError::Ended => "the program ended before it was to begin".to_owned(),
                error => error.to_string(),
            };
            say(format_args!(
                "trace: {}: nothing recorded: {why}",
                path.display()
            ));
        }
        Ok(report) => {
            for (number, file) in (1..).zip(&report.files) {
                let name = match number {
                    1 => path.to_owned(),
                    number => name(path, number),
                };
                close_file(&name, file, &mut say);
            }
        }
    }
    said
}

fn close_file(name: &Path, file: &FileReport, say: &mut dyn FnMut(std::fmt::Arguments<'_>)) {
    let name = name.display();
    if let Some(error) = &file.file_error {
        say(format_args!(
            "warning: the trace in {name} is not whole: {error}"
        ));
    }
    if let Some(reason) = &file.incomplete {
        say(format_args!(
            "warning: the trace in {name} ends before it was to: {reason}"
        ));
    }
    say(format_args!("trace: {name}: {file}"));
    if let Some(gap) = &file.gap {
        say(format_args!("trace: {gap}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (first, second, last) in [
            ("out.trace", "out.2.trace", "out.16.trace"),
            ("out", "out.2", "out.16"),
            ("a.b/out", "a.b/out.2", "a.b/out.16"),
            ("/x/my.old.trace", "/x/my.old.2.trace", "/x/my.old.16.trace"),
            (".trace", ".trace.2", ".trace.16"),
            ("out.", "out.2.", "out.16."),
            ("../out.trace", "../out.2.trace", "../out.16.trace"),
        ] {
            assert_eq!(name(Path::new(first), 2), Path::new(second));
            assert_eq!(name(Path::new(first), 16), Path::new(last));
        }
    }
}
