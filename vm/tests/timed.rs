//! `--trace-after` and `--trace-for`: which part of a run is traced, and what is
//! said and left behind.

mod support;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};
use std::thread;
use std::time::Duration;

use support::{Pipes, TraceFile, generations, open};

/// Runs a program until it has read the pipe. `beside` is called while it does.
fn weft(program: &str, pipes: &Pipes, options: &[&str], beside: impl FnOnce()) -> Output {
    let file = pipes.folder.join("program.weft");
    fs::write(&file, program).expect("the folder can be written to");
    let child = support::weft()
        .arg("run")
        .args(["--workers", "2"])
        .args(options)
        .arg(&file)
        .args(&pipes.paths)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("weft runs");
    let mut pipe = open(&pipes.paths[0]);
    beside();
    write!(pipe, "read").expect("the program reads it");
    drop(pipe);
    child.wait_with_output().expect("it ends")
}

const PROGRAM: &str = "
    fn main() {
      print(read_file(args()[0]))
      for i in 0..1000 { yield() }
    }";

fn wait_until(path: &Path, done: impl Fn(&[u8]) -> bool) {
    while !fs::read(path).is_ok_and(|bytes| done(&bytes)) {
        thread::sleep(Duration::from_millis(1));
    }
}

/// The program has done what it does, and this stands in its closing line
/// behind the file's name.
#[track_caller]
fn said(output: &Output, trace: &TraceFile) -> String {
    assert_eq!(output.stdout, b"read\n");
    let said = std::str::from_utf8(&output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(0), "{said}");
    let line = said
        .strip_prefix(&format!("trace: {}: ", trace.path.display()))
        .and_then(|rest| rest.strip_suffix('\n'));
    let line = line.expect("the file's name first");
    assert!(!line.contains('\n'), "{line}");
    line.to_owned()
}

#[test]
fn a_trace_can_begin_after_the_start() {
    let pipes = Pipes::new("timed-after", 1);
    let trace = TraceFile::new("timed-after");
    let path = trace.path.to_str().expect("UTF-8");
    let options = ["--trace", path, "--trace-after", "1"];
    let output = weft(PROGRAM, &pipes, &options, || {
        wait_until(&trace.path, |bytes| !bytes.is_empty());
    });
    let said = said(&output, &trace);
    assert!(said.ends_with(" generations, 0 events lost"), "{said}");
    let bytes = fs::read(&trace.path).expect("the trace is there");
    assert!(bytes.starts_with(b"go 1.26 trace\0\0\0"));
}

#[test]
fn a_trace_can_end_before_the_end() {
    for after in [None, Some("0"), Some("1")] {
        let name = format!("timed-for-{}", after.unwrap_or("always"));
        let pipes = Pipes::new(&name, 1);
        let trace = TraceFile::new(&name);
        let path = trace.path.to_str().expect("UTF-8");
        let mut options = vec!["--trace", path, "--trace-for", "1"];
        options.extend(["--trace-period", "3600000"]);
        if let Some(after) = after {
            options.extend(["--trace-after", after]);
        }
        let mut length = 0;
        let output = weft(PROGRAM, &pipes, &options, || {
            wait_until(&trace.path, |bytes| generations(bytes) == Some(1));
            length = fs::read(&trace.path).expect("it is there").len();
        });
        let said = said(&output, &trace);
        assert!(said.ends_with(" 1 generations, 0 events lost"), "{said}");
        let at_end = fs::read(&trace.path).expect("it is there").len();
        assert_eq!(at_end, length, "what came later is not in it");
    }
}

#[test]
fn a_program_that_ends_first_leaves_no_trace() {
    let pipes = Pipes::new("timed-never", 1);
    let trace = TraceFile::new("timed-never");
    let path = trace.path.to_str().expect("UTF-8");
    let options = ["--trace", path, "--trace-after", "3600000"];
    let output = weft(PROGRAM, &pipes, &options, || {
        assert_eq!(fs::read(&trace.path).expect("it is there"), b"");
    });
    let said = said(&output, &trace);
    assert_eq!(
        said,
        "nothing recorded: the program ended before it was to begin"
    );
    assert!(!trace.path.exists());
    // What is no file stays.
    let options = ["--trace", "/dev/null", "--trace-after", "3600000"];
    let output = weft(PROGRAM, &pipes, &options, || {});
    assert_eq!(output.status.code(), Some(0));
    assert!(Path::new("/dev/null").exists());
}

#[test]
fn a_trace_longer_than_the_program_ends_with_it() {
    let pipes = Pipes::new("timed-long", 1);
    let trace = TraceFile::new("timed-long");
    let path = trace.path.to_str().expect("UTF-8");
    let options = ["--trace", path, "--trace-for", "3600000"];
    let output = weft(PROGRAM, &pipes, &options, || {});
    let said = said(&output, &trace);
    assert!(said.ends_with(" 1 generations, 0 events lost"), "{said}");
}

#[test]
fn parts_of_no_trace_are_refused() {
    for options in [
        &["--trace-after", "1"][..],
        &["--trace-for", "1"],
        &["--trace", "/dev/null", "--trace-for", "0"],
        &["--trace", "/dev/null", "--trace-after", "-1"],
    ] {
        let output = support::weft()
            .arg("run")
            .args(options)
            .arg("never.weft")
            .output()
            .expect("weft runs");
        assert_eq!(output.status.code(), Some(64), "{options:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
}
