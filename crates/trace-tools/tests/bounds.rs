//! Memory is bounded, whatever the trace: reading stops before there is too much, and
//! what was read is put to use.

#[path = "../../trace-read/tests/support/hostile.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod hostile;

#[path = "../../trace-read/tests/support/slow.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod slow;

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::thread;

use hostile::File;
use trace_format::EventKind;
use trace_read::raw::Payload;

/// What a run has printed, and how it ended.
struct Ran {
    out: String,
    err: String,
    status: Option<i32>,
}

/// Runs `rtrace` in an address space of so many KiB. Its input is a start, and then a
/// piece over and over, as many MB as it takes.
fn rtrace(args: &[&str], space: u64, start: &[u8], piece: &[u8], megabytes: usize) -> Ran {
    let rtrace = env!("CARGO_BIN_EXE_rtrace");
    let script = format!("ulimit -v {space} && exec \"$0\" \"$@\"");
    let mut child = Command::new("sh")
        .args(["-c", &script, rtrace])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let (start, piece) = (start.to_vec(), piece.to_vec());
    let feeder = thread::spawn(move || {
        let mut written = stdin.write_all(&start);
        for _ in 0..megabytes * 1_000_000 / piece.len() {
            // Whoever does not want it all need not take it.
            written = written.and_then(|()| stdin.write_all(&piece));
        }
    });
    let (mut out, mut err) = (String::new(), String::new());
    let mut said = child.stderr.take().unwrap();
    let listener = thread::spawn(move || {
        said.read_to_string(&mut err).unwrap();
        err
    });
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut out)
        .unwrap();
    let err = listener.join().unwrap();
    let status = child.wait().unwrap().code();
    feeder.join().unwrap();
    Ran { out, err, status }
}

/// A generation of one task that runs, and the start of another one.
fn start() -> Vec<u8> {
    let mut file = File::new();
    let mut payload = Payload::new();
    payload
        .event(EventKind::ProcStatus, &[0, 0, 1])
        .event(EventKind::GoStatus, &[0, 1, 1, 2]);
    file.batch(1, &payload);
    file.end();
    file.clock();
    file.writer.into_inner()
}

/// A batch of the second generation, as large as batches get.
fn batch(fill: impl Fn(&mut Payload)) -> Vec<u8> {
    let mut file = File::new();
    file.end();
    let before = file.writer.into_inner().len();
    let mut file = File::new();
    file.end();
    let mut payload = Payload::new();
    while payload.bytes().len() < 65_000 {
        fill(&mut payload);
    }
    file.batch(1, &payload);
    file.writer.into_inner().split_off(before)
}

/// So much address space that half of it is a bound for memory, 102 MB.
const SPACE: u64 = 200_000;

/// A generation of 400 MB, in a process that cannot have as much: what is before it is
/// told, and why there is no more.
#[test]
fn a_generation_that_does_not_fit() {
    let piece = batch(|payload| {
        payload.event(EventKind::HeapAlloc, &[1, 1]);
    });
    for args in [
        &["summary", "-"][..],
        &["check", "-"],
        &["dump", "-"],
        &["export", "--format", "csv", "-"],
        &["profile", "--kind", "running", "--format", "svg", "-"],
    ] {
        let ran = rtrace(args, SPACE, &start(), &piece, 400);
        let said = format!("{args:?}: {:?}: {} {}", ran.status, ran.err, ran.out);
        assert_eq!(ran.status, Some(1), "{said}");
        assert!(said.contains("too much memory"), "{said}");
        // The first generation is there.
        let first = match args[0] {
            "summary" => "tasks        1",
            "check" => "not read to its end: go 1.26, 4 events in 1 generation",
            "dump" => "GoID=1 Undetermined->Running",
            "export" => "1,,Running,",
            _ => "</svg>",
        };
        assert!(ran.out.contains(first), "{said}");
    }
}

/// The same with what was asked for, where the process could have more.
#[test]
fn what_was_asked_for() {
    let piece = batch(|payload| {
        payload.event(EventKind::HeapAlloc, &[1, 1]);
    });
    let args = ["summary", "--max-memory", "20M", "-"];
    let ran = rtrace(&args, 4_000_000, &start(), &piece, 100);
    assert_eq!(ran.status, Some(1), "{}", ran.err);
    assert!(
        ran.err.contains("of which 21.0 MB are allowed"),
        "{}",
        ran.err
    );
    assert!(
        ran.err.contains("; 4 events were read before"),
        "{}",
        ran.err
    );
    let args = ["summary", "--max-memory", "400M", "-"];
    let ran = rtrace(&args, 4_000_000, &start(), &piece, 2);
    assert!(ran.err.contains("without the mark"), "{}", ran.err);
}

/// Generations that fit, with tasks that live on: what the analysis takes is bounded,
/// too.
#[test]
fn an_analysis_that_does_not_fit() {
    let mut file = File::new();
    let mut payload = Payload::new();
    payload
        .event(EventKind::ProcStatus, &[0, 0, 1])
        .event(EventKind::GoStatus, &[0, 1, 1, 2]);
    file.batch(1, &payload);
    let mut task = 2;
    for _ in 0..40 {
        let mut payload = Payload::new();
        while payload.bytes().len() < 60_000 {
            payload.event(EventKind::GoCreate, &[1, task, 0, 0]);
            task += 1;
        }
        file.batch(1, &payload);
    }
    let trace = file.ended();
    for args in [
        &["summary", "--max-memory", "50M", "-"][..],
        &["check", "--max-memory", "10M", "-"],
        &[
            "export",
            "--max-memory",
            "50M",
            "--format",
            "perfetto",
            "-o",
            "/dev/null",
            "-",
        ],
    ] {
        let ran = rtrace(args, 4_000_000, &trace, b"\0", 0);
        let said = format!("{args:?}: {:?}: {} {}", ran.status, ran.err, ran.out);
        assert_eq!(ran.status, Some(1), "{said}");
        assert!(said.contains("too much memory"), "{said}");
    }
}

/// A small trace of deep stacks, of which each event has one.
#[test]
fn an_output_that_is_far_larger_than_the_trace() {
    let deep = |size| {
        let files = slow::slow(size).into_iter();
        let mut deep = files.filter(|(name, _)| *name == "deep stacks, used");
        deep.next().unwrap().1
    };
    let trace = deep(18_200);
    for (args, times) in [(&["dump", "-"][..], 1), (&["summary", "-"], 0)] {
        let ran = rtrace(args, 4_000_000, &trace, b"\0", 0);
        assert_eq!(ran.status, Some(0), "{args:?}: {}", ran.err);
        let told = "more than 100 times as large";
        assert_eq!(
            ran.err.matches(told).count(),
            times,
            "{args:?}: {}",
            ran.err
        );
    }
}
