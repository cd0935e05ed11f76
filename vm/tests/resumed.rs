//! Traces whose memory runs out: they end there, and go on in other files.

mod support;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use support::{Pipes, TraceFile, generations, open};
use vm::{MAX_TRACE_FILES, NotResumed, Options, TraceOptions, TraceReport, VmError};

/// Much work, then whatever is in the pipe, then a little work.
const ONCE: &str = "
    fn work(n) { for i in 0..n { yield() } }
    fn main() {
      let tasks = [spawn work(200000), spawn work(200000)]
      for t in tasks { join(t) }
      print(read_file(args()[0]))
      work(1000)
    }";

/// More memory than this is needed for the first part.
const LITTLE: usize = 1 << 20;

/// Runs [`ONCE`] with little memory and a trace into a pipe, which is read only
/// after the first part. `beside` goes on from there, until the program does.
fn run_once(
    next_file: impl FnMut(u32) -> io::Result<File> + Send + 'static,
    beside: impl FnOnce() + Send,
) -> (TraceReport, Vec<u8>) {
    let pipes = Pipes::new("resumed", 1);
    let program = weft::compile("once.weft", ONCE).expect("it compiles");
    let (mut from, into) = io::pipe().expect("a pipe");
    let mut options = Options::new(2);
    options.args = pipes.paths.clone();
    options.trace = Some(TraceOptions {
        period: Duration::from_millis(10),
        memory_limit: LITTLE,
        next_file: Some(Box::new(next_file)),
        ..TraceOptions::new(File::from(OwnedFd::from(into)))
    });
    let (mut output, mut arrived) = (Vec::new(), Vec::new());
    let outcome = thread::scope(|scope| {
        scope.spawn(|| {
            let mut pipe = open(&pipes.paths[0]);
            from.read_to_end(&mut arrived).expect("it can be read");
            beside();
            write!(pipe, "read").expect("the program reads it");
        });
        vm::run(&program, options, &mut output).expect("it starts")
    });
    assert_eq!(outcome.end.status(), 0, "{}", outcome.end);
    assert_eq!(output, b"read\n");
    let report = outcome.trace.expect("it was traced");
    // What was recorded of the first part is whole, and in the first file.
    let first = &report.files[0];
    assert!(
        first.file_error.is_none() && first.incomplete.is_some(),
        "{first:?}"
    );
    assert!(first.losses.events() > 0, "{first:?}");
    assert_eq!(first.bytes, arrived.len() as u64);
    let ended = generations(&arrived).map(|n| n as u64);
    assert_eq!(ended, Some(first.generations));
    (report, arrived)
}

#[test]
fn a_trace_goes_on_in_another_file_when_its_memory_is_back() {
    let files = [1, 2].map(|n| TraceFile::new(&format!("resumed-{n}")));
    let second = files[1].path.clone();
    let (asked, opened) = channel();
    let (report, arrived) = run_once(
        move |number| {
            let file = File::create(&second);
            asked.send(number).expect("somebody wants to know");
            file
        },
        move || assert_eq!(opened.recv(), Ok(2)),
    );
    fs::write(&files[0].path, arrived).expect("the folder can be written to");
    let [first, last] = &report.files[..] else {
        panic!("{report:?}");
    };
    let gap = first.gap.as_ref().expect("there is one");
    assert!(gap.last.is_none(), "{gap:?}");
    assert!(first.began < gap.from && gap.from < gap.to, "{report:?}");
    assert_eq!(gap.to, last.began);
    // All of the second part is in it.
    assert!(last.is_whole() && last.events > 1000, "{last:?}");
    let bytes = fs::read(&files[1].path).expect("it is there");
    assert_eq!(last.bytes, bytes.len() as u64);
    assert_eq!(
        generations(&bytes).map(|n| n as u64),
        Some(last.generations)
    );
}

#[test]
fn without_another_file_the_trace_is_over() {
    let (asked, opened) = channel();
    let (report, _) = run_once(
        move |number| {
            asked.send(number).expect("somebody wants to know");
            File::create("no/such/folder/out.trace")
        },
        move || assert_eq!(opened.recv(), Ok(2)),
    );
    let [only] = &report.files[..] else {
        panic!("{report:?}");
    };
    let gap = only.gap.as_ref().expect("there is one");
    assert!(
        matches!(gap.last, Some(NotResumed::Failed(VmError::TraceFile(_)))),
        "{gap:?}"
    );
}

/// More workers that spin than there is memory for: each needs a batch.
const ALWAYS: &str = "
    fn spin() { while true {} }
    fn main() {
      for i in 0..24 { spawn spin() }
      print(read_file(args()[0]))
    }";

/// Waits until a trace is complete.
fn wait_until_complete(path: &Path) {
    while !fs::read(path).is_ok_and(|bytes| generations(&bytes).is_some()) {
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_trace_without_end_of_trouble_has_so_many_files_and_no_more() {
    let pipes = Pipes::new("many", 1);
    let program = weft::compile("always.weft", ALWAYS).expect("it compiles");
    let paths: Vec<PathBuf> = (1..=MAX_TRACE_FILES)
        .map(|n| pipes.folder.join(format!("{n}.trace")))
        .collect();
    let mut options = Options::new(24);
    options.args = pipes.paths.clone();
    let further = paths.clone();
    let first = File::create(&paths[0]).expect("the folder can be written to");
    options.trace = Some(TraceOptions {
        memory_limit: LITTLE,
        pause: Duration::from_micros(1),
        next_file: Some(Box::new(move |number| {
            File::create(&further[number as usize - 1])
        })),
        ..TraceOptions::new(first)
    });
    let mut output = Vec::new();
    let outcome = thread::scope(|scope| {
        scope.spawn(|| {
            let mut pipe = open(&pipes.paths[0]);
            wait_until_complete(paths.last().expect("there are some"));
            write!(pipe, "read").expect("the program reads it");
        });
        vm::run(&program, options, &mut output).expect("it starts")
    });
    assert_eq!(output, b"read\n");
    let report = outcome.trace.expect("it was traced");
    assert_eq!(report.files.len(), MAX_TRACE_FILES as usize);
    let (last, others) = report.files.split_last().expect("there are some");
    for (file, next) in others.iter().zip(&report.files[1..]) {
        let gap = file.gap.as_ref().expect("there is one");
        assert!(file.incomplete.is_some() && gap.last.is_none(), "{file:?}");
        assert_eq!(gap.to, next.began);
    }
    let gap = last.gap.as_ref().expect("there is one");
    assert!(
        matches!(gap.last, Some(NotResumed::TooMany | NotResumed::Over)),
        "{gap:?}"
    );
}

#[test]
fn the_command_line_names_each_file() {
    let pipes = Pipes::new("named", 1);
    let program = pipes.folder.join("always.weft");
    fs::write(&program, ALWAYS).expect("the folder can be written to");
    let trace = pipes.folder.join("out.trace");
    let second = pipes.folder.join("out.2.trace");
    let child = support::weft()
        .args([
            "run",
            "--workers",
            "24",
            "--trace-memory",
            "1MiB",
            "--trace",
        ])
        .args([&trace, &program])
        .args(&pipes.paths)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("weft runs");
    let mut pipe = open(&pipes.paths[0]);
    wait_until_complete(&second);
    // The first file is still taken, though nothing is written to it any more.
    let other = pipes.folder.join("other.weft");
    fs::write(&other, "fn main() {}").expect("the folder can be written to");
    let other = support::weft()
        .args(["run", "--trace"])
        .args([&trace, &other])
        .output()
        .expect("weft runs");
    let refused = String::from_utf8(other.stderr).expect("UTF-8");
    assert!(refused.contains("another program is"), "{refused}");
    assert_eq!(other.status.code(), Some(64), "{refused}");
    write!(pipe, "read").expect("the program reads it");
    drop(pipe);
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(output.stdout, b"read\n");
    let lines: Vec<&str> = said.lines().collect();
    let [trace, second] = [trace, second].map(|path| path.display().to_string());
    let begins = [
        format!("warning: the trace in {trace} ends before it was to: "),
        format!("trace: {trace}: "),
        "trace: nothing was recorded from ".to_owned(),
        format!("warning: the trace in {second} ends before it was to: "),
        format!("trace: {second}: "),
        "trace: nothing was recorded from ".to_owned(),
    ];
    for (line, begin) in lines.iter().zip(&begins) {
        assert!(line.starts_with(begin), "{line}, not {begin}");
    }
    assert!(lines.len() >= begins.len(), "{said}");
    assert!(!lines[2].contains("the end"), "{said}");
}
