//! The files of a trace: their names, and what is said of them in the end.

use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

use vm::{FileReport, NextFile, VmError};

use crate::opened::{self, Identity, Opened};
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

/// A file's name for a message: on one line, and with nothing in it that a terminal
/// would obey.
pub(crate) fn shown(path: &Path) -> String {
    let mut shown = String::new();
    for c in path.to_string_lossy().chars() {
        match c {
            '\'' | '"' | '\\' => shown.push(c),
            c => shown.extend(c.escape_debug()),
        }
    }
    shown
}

/// How the second and later files are opened. Only what goes into a regular
/// file goes on in another one: beside a pipe or a device there is no place.
pub(crate) fn next(path: &Path, first: &Opened) -> Option<NextFile> {
    first.named?;
    let path = path.to_owned();
    Some(Box::new(move |number| {
        let name = name(&path, number);
        opened::open_regular(&name)
            .map_err(|why| io::Error::other(format!("{}: {why}", shown(&name))))
    }))
}

/// Removes the file of a trace that was not begun: empty, it would look like one
/// that went wrong. What is no file, as a pipe, stays. Gives back what is to be
/// said.
pub(crate) fn discard(path: &Path, named: Option<Identity>) -> String {
    match named.map(|identity| opened::remove_empty(path, identity)) {
        Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => {
            let name = shown(path);
            format!("warning: cannot remove the empty {name}: {error}\n")
        }
        _ => String::new(),
    }
}

/// What is to be said of a trace. What was created for nothing is removed.
pub(crate) fn close(path: &Path, named: Option<Identity>, traced: &Traced) -> String {
    let mut said = match traced {
        Err(_) => discard(path, named),
        Ok(_) => String::new(),
    };
    let mut say = |line: std::fmt::Arguments<'_>| {
        // A string takes everything.
        let _ = writeln!(said, "{line}");
    };
    match traced {
        Err(error) => {
            let why = match error {
                VmError::Ended => "the program ended before it was to begin".to_owned(),
                error => error.to_string(),
            };
            let name = shown(path);
            say(format_args!("trace: {name}: nothing recorded: {why}"));
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
    let name = shown(name);
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
    use std::fs;
    use std::os::unix::fs::symlink;

    /// A folder that goes away with this.
    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_is_beside_a_trace_is_not_destroyed() {
        let name = format!("weft-beside-{}", std::process::id());
        let folder = Folder(std::env::temp_dir().join(name));
        fs::create_dir(&folder.0).expect("the temporary folder can be written to");
        let path = |name: &str| folder.0.join(name);
        let victim = b"go 1.26 trace\0\0\0and more";
        for name in ["victim", "out.4.trace"] {
            fs::write(path(name), victim).expect("the folder can be written to");
        }
        symlink(path("victim"), path("out.2.trace")).expect("it can be linked");
        symlink("missing", path("out.3.trace")).expect("it can be linked");
        fs::write(path("out.5.trace"), "a letter").expect("the folder can be written to");
        let first = opened::open(&path("out.trace")).expect("it can be opened");
        let mut next = next(&path("out.trace"), &first).expect("it is a file");
        for (number, why) in [
            (2, Some("it is a link")),
            (3, Some("it is a link")),
            (4, None),
            (5, Some("what is in it is no trace")),
            (6, None),
        ] {
            let opened = next(number).err().map(|error| error.to_string());
            let said = format!("{}: ", path(&format!("out.{number}.trace")).display());
            match (opened, why) {
                (None, None) => {}
                (Some(error), Some(why)) => {
                    assert!(error.starts_with(&(said + why)), "{number}: {error}");
                }
                other => panic!("{number}: {other:?}"),
            }
        }
        let read = |name| fs::read(path(name)).expect("it is there");
        assert_eq!(read("victim"), victim);
        assert!(!path("missing").exists());
        assert_eq!(read("out.4.trace"), b"");
        assert_eq!(read("out.5.trace"), b"a letter");
        assert_eq!(read("out.6.trace"), b"");
    }

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
