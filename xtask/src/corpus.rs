//! `cargo xtask corpus`: the test data of Go's own reader, read by ours.
//!
//! Go's tree has traces as text, each with the verdict that Go's reader must come
//! to, and a corpus of its fuzzer. Nothing of that is copied: it is read where
//! the toolchain has it. A text must become the same bytes as by Go's raw tools,
//! the bytes the same text, and our reader must accept what Go's does, with as
//! many events, and refuse what Go's refuses.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use trace_read::raw::RawReader;
use trace_read::{ReadError, Reader, text};

use crate::error::XtaskError;
use crate::go::{self, Toolchain};
use crate::process::{capture, collect};
use crate::root::target;

/// Where the test data is in Go's tree.
const DATA: &str = "src/internal/trace/testdata";

/// Something that is not as Go has it, for a person to read.
type Finding = String;

/// Reads everything and prints what differs.
///
/// # Errors
///
/// [`XtaskError::Corpus`] if anything does, or whatever kept Go from working.
pub(crate) fn run(toolchain: &Toolchain) -> Result<(), XtaskError> {
    let data = toolchain.goroot().join(DATA);
    let texts = files(&data.join("tests"))?;
    let fuzzed = files(&data.join("fuzz/FuzzReader"))?;
    let folder = target().join("corpus");
    fs::create_dir_all(&folder).map_err(XtaskError::file("cannot create", &folder))?;
    let mut convert = Command::new(go::converter(toolchain)?);
    convert.arg(&folder).args(texts.iter().chain(&fuzzed));
    capture(&mut convert, "conversion by Go")?;
    let made = |file: &Path, extension: &str| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        folder.join(format!("{name}.{extension}"))
    };
    let both = || texts.iter().chain(&fuzzed);
    let traces: Vec<PathBuf> = both().map(|file| made(file, "trace")).collect();
    let mut check = Command::new(go::checker(toolchain)?);
    // It fails if Go's reader refuses a trace, as some of these have to be.
    let said = collect(check.arg("--").args(&traces))?.stdout;
    let said = String::from_utf8_lossy(&said);

    let mut findings = 0;
    for (file, trace) in both().zip(&traces) {
        let bytes = read(trace)?;
        let verdict = Verdict::in_report(&said, trace);
        let mut found = compare(verdict, &bytes);
        if texts.contains(file) {
            let by_go = read(&made(file, "text"))?;
            let test = String::from_utf8_lossy(&read(file)?).into_owned();
            found.extend(compare_text(&test, verdict, &bytes, &by_go));
        }
        for finding in &found {
            println!("{}: {finding}", file.display());
        }
        findings += found.len();
    }
    match findings {
        0 => {
            println!(
                "test data of Go's reader: {} texts, {} fuzzed files, all as Go has it",
                texts.len(),
                fuzzed.len()
            );
            Ok(())
        }
        findings => Err(XtaskError::Corpus { findings }),
    }
}

/// The files in a folder, by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>, XtaskError> {
    let cannot = || XtaskError::file("cannot list", folder);
    let listing = fs::read_dir(folder).map_err(cannot())?;
    let mut files = Vec::new();
    for entry in listing {
        files.push(entry.map_err(cannot())?.path());
    }
    files.sort();
    match files.is_empty() {
        true => Err(XtaskError::NoCorpus {
            folder: folder.to_path_buf(),
        }),
        false => Ok(files),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, XtaskError> {
    fs::read(file).map_err(XtaskError::file("cannot read", file))
}

/// What a reader says about a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It has so many events.
    Accepted(u64),
    Refused,
}

impl Verdict {
    /// What Go's reader says, out of the checker's report. `None` if it says
    /// nothing about this trace.
    fn in_report(report: &str, trace: &Path) -> Option<Self> {
        let (ok, error) = (
            format!("ok {} events=", trace.display()),
            format!("error {}: ", trace.display()),
        );
        report
            .lines()
            .find_map(|line| match line.strip_prefix(&ok) {
                Some(rest) => Some(Self::Accepted(rest.split(' ').next()?.parse().ok()?)),
                None => line.starts_with(&error).then_some(Self::Refused),
            })
    }

    /// What a test in Go's tree says that its reader says.
    fn in_test(expectation: &str) -> Option<bool> {
        match expectation.split_whitespace().next() {
            Some("SUCCESS") => Some(true),
            Some("FAILURE") => Some(false),
            _ => None,
        }
    }
}

/// Holds our reader's verdict against Go's.
fn compare(by_go: Option<Verdict>, bytes: &[u8]) -> Vec<Finding> {
    let (ours, why) = match ours(bytes) {
        Ok(events) => (Verdict::Accepted(events), String::new()),
        Err(error) => (Verdict::Refused, format!(" ({error})")),
    };
    match by_go {
        Some(by_go) if by_go == ours => Vec::new(),
        Some(by_go) => vec![format!("Go's reader says {by_go:?}, ours {ours:?}{why}")],
        None => vec!["Go's reader says nothing about it".to_owned()],
    }
}

/// How many events our reader delivers.
fn ours(bytes: &[u8]) -> Result<u64, ReadError> {
    let mut reader = Reader::new(bytes)?;
    let mut events = 0;
    while reader.next_event()?.is_some() {
        events += 1;
    }
    Ok(events)
}

/// Holds the text of a test against the bytes and the text that Go makes of it.
fn compare_text(test: &str, verdict: Option<Verdict>, bytes: &[u8], by_go: &[u8]) -> Vec<Finding> {
    let Some((expectation, trace)) = split(test) else {
        return vec!["not a test with an expectation and a trace".to_owned()];
    };
    let mut findings = Vec::new();
    let accepted = matches!(verdict, Some(Verdict::Accepted(_)));
    if Verdict::in_test(expectation) != Some(accepted) {
        findings.push(format!(
            "Go's reader says {verdict:?}, and its test wants {expectation:?}"
        ));
    }
    match text::to_bytes(trace) {
        Ok(ours) if ours == bytes => {}
        Ok(ours) => findings.push(format!(
            "our bytes of the text differ from Go's at byte {}",
            differs(&ours, bytes)
        )),
        Err(error) => findings.push(format!("we do not read its text: {error}")),
    }
    let (ours, error) = text_of(bytes);
    if ours.as_bytes() != by_go {
        findings.push(format!(
            "our text of the bytes differs from Go's at byte {}",
            differs(ours.as_bytes(), by_go)
        ));
    }
    // Go's raw tools do not look for what is wrong with a batch.
    if let (Some(error), true) = (error, accepted) {
        findings.push(format!("we do not write its text: {error}"));
    }
    findings
}

/// Our text of a trace, up to the first error.
fn text_of(bytes: &[u8]) -> (String, Option<ReadError>) {
    let mut text = String::new();
    let mut print = || {
        let mut reader = RawReader::new(bytes)?;
        text::write_header(reader.version(), &mut text);
        while let Some(item) = reader.next_item()? {
            text::write_item(&item, &mut text)?;
        }
        Ok(())
    };
    let error = print().err();
    (text, error)
}

/// Where two differ.
fn differs(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}

/// The expectation and the trace of a test, the two parts of a text archive.
fn split(test: &str) -> Option<(&str, &str)> {
    let rest = test.split_once("-- expect --\n")?.1;
    rest.split_once("-- trace --\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_and_tests() {
        let report = "error /a b/x.test.trace: after 3 events: why\n  not\n\
                      ok /a b/y.trace events=41 tasks=3 with_stack=25 generations=1\n";
        for (trace, verdict) in [
            ("/a b/x.test.trace", Some(Verdict::Refused)),
            ("/a b/y.trace", Some(Verdict::Accepted(41))),
            ("/a b/z.trace", None),
        ] {
            assert_eq!(Verdict::in_report(report, Path::new(trace)), verdict);
        }
        let test = "-- expect --\nFAILURE \".*\"\n-- trace --\nTrace Go1.22\n";
        let (expectation, trace) = split(test).unwrap();
        assert_eq!(Verdict::in_test(expectation), Some(false));
        assert_eq!(trace, "Trace Go1.22\n");
        assert_eq!(Verdict::in_test("SUCCESS\n"), Some(true));
        assert_eq!(Verdict::in_test("MAYBE\n"), None);
        assert_eq!(split("-- trace --\n-- expect --\n"), None);
    }

    #[test]
    fn what_differs_is_found() {
        let bytes = text::to_bytes("Trace Go1.22\nEventBatch gen=1 m=1 time=0").unwrap();
        let text = text::from_bytes(&bytes).unwrap();
        let test = format!("-- expect --\nFAILURE \"x\"\n-- trace --\n{text}");
        let refused = Some(Verdict::Refused);
        let found = |test: &str, verdict, bytes: &[u8], text: &str| {
            compare_text(test, verdict, bytes, text.as_bytes()).len()
        };
        assert_eq!(found(&test, refused, &bytes, &text), 0);
        assert_eq!(found(&test, None, &bytes, &text), 0);
        assert_eq!(found(&test, Some(Verdict::Accepted(1)), &bytes, &text), 1);
        assert_eq!(found(&test, refused, &bytes[1..], &text), 2);
        let cut = &bytes[..bytes.len() - 1];
        assert_eq!(found(&test, refused, cut, &text), 2);
        assert_eq!(found(&test, refused, &bytes, &text[1..]), 1);
        assert_eq!(found(&test.replace("gen", "g"), refused, &bytes, &text), 1);
        assert_eq!(found("", refused, &bytes, &text), 1);
        assert_eq!(compare(None, &bytes).len(), 1);
    }
}
