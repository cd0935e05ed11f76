//! The binary, as its users meet it: what it prints, where, and its exit status.

#[path = "../../trace-read/tests/support/mod.rs"]
mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use expect_test::{Expect, expect, expect_file};
use flate2::Compression;
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde_json::Value;
use support::{Payload, Random, THREAD, Trace, sample};
use trace_format::{EventKind, Version};
use trace_read::text;

/// What a run has printed, and how it ended.
struct Ran {
    out: String,
    err: String,
    status: Option<i32>,
}

/// A command line with `input` as standard input.
fn rtrace_with(args: &[&str], input: &[u8]) -> Ran {
    let mut child = command(args).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = thread::spawn(move || {
        // Whoever does not want it all need not take it.
        let _ = stdin.write_all(&input);
    });
    let ran = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    Ran {
        out: String::from_utf8(ran.stdout).unwrap(),
        err: String::from_utf8(ran.stderr).unwrap(),
        status: ran.status.code(),
    }
}

fn rtrace(args: &[&str]) -> Ran {
    rtrace_with(args, b"")
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rtrace"));
    command
        .args(args)
        .env_remove("NO_COLOR")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A folder of this test's own.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("cli")
        .join(test);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A trace with events of every kind.
fn kinds() -> Vec<u8> {
    text::to_bytes(include_str!("traces/kinds.text")).unwrap()
}

/// A recording that Go made.
fn recording(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../trace-read/tests/traces")
        .join(name)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

/// A frame of zstd that carries other data.
const SKIPPABLE: &[u8] = b"\x5e\x2a\x4d\x18\x05\0\0\0other";

// What Go prints.

#[test]
fn parsed_is_what_go_prints() {
    let ran = rtrace_with(&["dump", "-"], &kinds());
    assert_eq!((ran.err.as_str(), ran.status), ("", Some(0)));
    expect_file!["traces/kinds.parsed"].assert_eq(&ran.out);

    let trace = recording("annotations.trace");
    let ran = rtrace(&["dump", "--mode", "parsed", trace.to_str().unwrap()]);
    assert_eq!((ran.err.as_str(), ran.status), ("", Some(0)));
    expect_file!["traces/annotations.parsed"].assert_eq(&ran.out);
}

/// Beside each recording lies what Go's reader counts in it.
#[test]
fn check_counts_as_go_does() {
    let mut recordings = 0;
    for entry in fs::read_dir(recording("")).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_none_or(|extension| extension != "trace")
        {
            continue;
        }
        recordings += 1;
        let ran = rtrace(&["check", "--json", path.to_str().unwrap()]);
        assert_eq!((ran.err.as_str(), ran.status), ("", Some(0)));
        let found: Value = serde_json::from_str(&ran.out).unwrap();
        let mut counts = String::new();
        for (kind, count) in found["by_kind"].as_object().unwrap() {
            counts += &format!("  {kind:<22} {count}\n");
        }
        counts += &format!(
            "{}: events={} goroutines={} with_stack={}\n",
            path.file_name().unwrap().display(),
            found["events"],
            found["tasks"],
            found["with_stack"]
        );
        let expected = fs::read_to_string(path.with_extension("counts")).unwrap();
        assert_eq!(counts, expected);
    }
    assert_eq!(recordings, 4);

    // A sample has a stack in Go's eyes even if it is the empty one.
    let ran = rtrace_with(&["check", "--json", "-"], &kinds());
    let found: Value = serde_json::from_str(&ran.out).unwrap();
    let parsed = include_str!("traces/kinds.parsed").lines();
    let stacks = parsed.filter(|&line| line == "Stack=").count();
    assert_eq!(found["with_stack"], stacks);
}

// Dumps.

/// The first words of what a dump of [`kinds`] prints, stacks left out.
fn check_dump(args: &[&str], expected: Expect) {
    let ran = rtrace_with(&[&["dump", "-"], args].concat(), &kinds());
    assert_eq!((ran.err.as_str(), ran.status), ("", Some(0)), "{args:?}");
    let lines = ran.out.lines().filter(|line| !line.is_empty());
    let lines: Vec<_> = lines
        .filter(|line| !line.starts_with('\t') && !line.ends_with("tack="))
        .collect();
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn filters() {
    check_dump(
        &["--kind", "goswitch,LOG"],
        expect![[r#"
        M=1 P=0 G=1 Log Time=1021 Task=5 Category="" Message="\u0085\u00a0\u00ad\u2028\ue000😀"
        M=1 P=0 G=1 StateTransition Time=1029 GoID=5 Waiting->Runnable Reason="""#]],
    );
    check_dump(
        &["--kind", "Log", "--kind", "StackSample"],
        expect![[r#"
        M=1 P=0 G=1 StackSample Time=1013
        M=1 P=-1 G=-1 StackSample Time=1015
        M=1 P=0 G=1 Log Time=1021 Task=5 Category="" Message="\u0085\u00a0\u00ad\u2028\ue000😀""#]],
    );
    check_dump(
        &["--task", "2"],
        expect![[r#"
        M=1 P=0 G=1 StateTransition Time=1004 GoID=2 Undetermined->Waiting Reason=""
        M=1 P=0 G=1 StateTransition Time=1035 GoID=2 Waiting->Runnable Reason="""#]],
    );
    check_dump(
        &["--task", "2", "--task", "3", "--kind", "GoStart"],
        expect![[r#"M=1 P=0 G=-1 StateTransition Time=1037 GoID=3 Runnable->Running Reason="""#]],
    );
    check_dump(
        &["--from", "3ns", "--to", "1005"],
        expect![[r#"
        M=1 P=0 G=-1 StateTransition Time=1003 GoID=1 Undetermined->Running Reason=""
        M=1 P=0 G=1 StateTransition Time=1004 GoID=2 Undetermined->Waiting Reason=""
        M=1 P=0 G=1 RangeActive Time=1005 Name="GC concurrent mark phase" Scope=None"#]],
    );
    check_dump(
        &["--from", "0.04us", "--kind", "StateTransition"],
        expect![[r#"
        M=1 P=0 G=3 StateTransition Time=1040 GoID=3 Running->Waiting Reason="chan receive"
        M=1 P=0 G=-1 StateTransition Time=1041 GoID=4 Runnable->Running Reason=""
        M=1 P=0 G=4 StateTransition Time=1042 GoID=4 Running->NotExist Reason=""
        M=1 P=0 G=-1 StateTransition Time=1043 ProcID=0 Running->Idle Reason="""#]],
    );
    check_dump(&["--to", "999"], expect![[r#""#]]);
    check_dump(&["--task", "77"], expect![[r#""#]]);
}

#[test]
fn wire_filters() {
    check_dump(
        &["--mode", "wire", "--kind", "gocreate,EndOfGeneration"],
        expect![[r#"
        Trace version="go 1.26" offset=0
        EventBatch offset=51 gen=1 m=1 time=1000 size=154
          GoCreate dt=1 time=1024 new_g=3 new_stack=0 stack=1
          GoCreate dt=1 time=1025 new_g=4 new_stack=1 stack=0
        EndOfGeneration offset=424 gen=1"#]],
    );
    check_dump(
        &["--mode", "wire", "--kind", "EventBatch"],
        expect![[r#"
        Trace version="go 1.26" offset=0
        EventBatch offset=16 gen=1 m=none time=1000 size=20
        EventBatch offset=51 gen=1 m=1 time=1000 size=154
        EventBatch offset=212 gen=1 m=none time=1000 size=118
        EventBatch offset=345 gen=1 m=none time=1000 size=25
        EventBatch offset=385 gen=1 m=none time=1000 size=24"#]],
    );
}

/// Each line is an object; fields do not change their names.
#[test]
fn json() {
    let ran = rtrace_with(&["dump", "-", "--json"], &kinds());
    assert_eq!((ran.err.as_str(), ran.status), ("", Some(0)));
    expect_file!["traces/kinds.json"].assert_eq(&ran.out);
    let text = rtrace_with(&["dump", "-"], &kinds()).out;
    let events = text.lines().filter(|line| line.starts_with("M=")).count();
    assert_eq!(ran.out.lines().count(), events);
    for line in ran.out.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        for field in ["time", "worker", "proc", "task", "kind", "wire", "stack"] {
            assert!(event.get(field).is_some(), "{field} in {line}");
        }
    }
}

#[test]
fn wire_json() {
    let args = ["dump", "-", "--json", "--mode", "wire"];
    let ran = rtrace_with(&args, &sample(Version::Go126));
    assert_eq!((ran.err.as_str(), ran.status), ("", Some(0)));
    for line in ran.out.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert!(
            event["kind"].is_string() && event["offset"].is_u64(),
            "{line}"
        );
    }
    let text = rtrace_with(&["dump", "-", "--mode", "wire"], &sample(Version::Go126)).out;
    let own = text
        .lines()
        .filter(|line| !line.starts_with("  data="))
        .count();
    assert_eq!(ran.out.lines().count(), own);
    let kinds = ["String", "Stack", "GoCreate", "ExperimentalBatch"];
    let some = ran.out.lines().take(30).filter(|line| {
        let named = |kind| line.starts_with(&format!("{{\"kind\":\"{kind}\""));
        kinds.into_iter().any(named)
    });
    expect![[r#"
        {"kind":"GoCreate","offset":81,"generation":1,"worker":7,"dt":5,"time":1000016,"args":{"new_g":2,"new_stack":1,"stack":1}}
        {"kind":"String","offset":147,"generation":1,"worker":null,"args":{"id":1},"data":"main"}
        {"kind":"String","offset":154,"generation":1,"worker":null,"args":{"id":2},"data":"main.weft"}
        {"kind":"String","offset":166,"generation":1,"worker":null,"args":{"id":3},"data":"chan receive"}
        {"kind":"String","offset":181,"generation":1,"worker":null,"args":{"id":4},"data":"runtime-trace"}
        {"kind":"String","offset":197,"generation":1,"worker":null,"args":{"id":5},"data":"3 events lost\n\"quoted\" é"}
        {"kind":"Stack","offset":251,"generation":1,"worker":null,"args":{"id":1,"nframes":2},"frames":[{"pc":16,"function":1,"file":2,"line":3},{"pc":8192,"function":1,"file":2,"line":300}]}
        {"kind":"Stack","offset":264,"generation":1,"worker":null,"args":{"id":2,"nframes":0},"frames":[]}
        {"kind":"ExperimentalBatch","offset":301,"generation":1,"worker":7,"time":1000000,"size":12,"experiment":1,"hex":"6e6f742000206576656e7473"}"#]].assert_eq(&some.collect::<Vec<_>>().join("\n"));
}

// Traces that are not as they should be.

/// What `check` says, and its exit status.
fn checked(input: &[u8]) -> String {
    let ran = rtrace_with(&["check", "-"], input);
    assert_eq!(ran.err, "");
    format!("{}{}", ran.out, ran.status.unwrap())
}

#[test]
fn findings() {
    let good = kinds();
    expect![[r#"
        -: note: nothing says that tracing stopped here: the trace may have been cut, behind a whole generation (Go's own tracer never says so)
        -: ok: go 1.26, 45 events in 1 generation, 4 tasks
        0"#]]
    .assert_eq(&checked(&good));
    expect![[r#"
        -: error: byte 424, generation 1: the file is cut off: it ends without the mark that ends the generation
        -: damaged: go 1.26, 45 events in 1 generation, 4 tasks, 43 events salvaged
        1"#]].assert_eq(&checked(&good[..good.len() - 1]));
    expect![[r#"
        -: error: byte 200, generation 1, thread 1: the file is cut off: it ends inside a batch
        -: note: 5 strings and 2 stacks that it refers to are missing
        -: damaged: go 1.26, 39 events in 1 generation, 3 tasks, 37 events salvaged
        1"#]]
    .assert_eq(&checked(&good[..200]));
    expect![[r#"
        -: error: byte 0: a trace of the v1 format (go 1.21): only v2 traces, go 1.22 and later, can be read; record it again with a newer Go
        1"#]].assert_eq(&checked(b"go 1.21 trace\0\0\0\x01\x02"));
    expect![[r#"
        -: error: byte 0: not an execution trace: the file does not start with "go 1.NN trace"
        1"#]]
    .assert_eq(&checked(b"just some text, not a trace"));
    expect![[r#"
        -: error: byte 0: the file is cut off: it ends inside the file header
        1"#]]
    .assert_eq(&checked(b""));
    expect![[r#"
        -: error: byte 100, generation 1: the file is cut off: it ends without the mark that ends the generation
        -: note: 4 events of 2 workers could not be put in order, since others are missing:
        -: note: worker 1: 3 events left, from 1005 ns on, first GoStart at byte 53
        -: note: worker 3: 1 event left, from 1013 ns on, first GoSyscallEndBlocked at byte 98
        -: note: 1 string and 2 stacks that it refers to are missing
        -: damaged: go 1.26, 8 events in 1 generation, 1 task, 6 events salvaged
        1"#]].assert_eq(&checked(&torn()));
    let tables =
        text::to_bytes("Trace Go1.26\nEventBatch gen=1 m=18446744073709551615 time=9\nStrings\n");
    let tables = tables.unwrap();
    // Nothing but the header, and then tables without events.
    expect![[r#"
        -: error: the file is cut off: there is no generation in it
        -: damaged: go 1.26, 1 event in 0 generations, 0 tasks
        1"#]]
    .assert_eq(&checked(&good[..16]));
    expect![[r#"
        -: error: the file is cut off: it ends inside a generation, before its events
        -: damaged: go 1.26, 1 event in 0 generations, 0 tasks
        1"#]]
    .assert_eq(&checked(&tables));
    let mut wrong = good;
    // The only label is of no known kind any more.
    let at = wrong
        .iter()
        .position(|&byte| byte == EventKind::GoLabel as u8);
    wrong[at.unwrap()] = 0x7f;
    expect![[r#"
        -: error: byte 120, generation 1, thread 1: no event has the code 0x7f
        -: damaged: go 1.26, 18 events in 1 generation, 1 task, 17 events salvaged
        1"#]]
    .assert_eq(&checked(&wrong));
    // Losses are told, and no finding.
    expect![[r#"
        -: note: nothing says that tracing stopped here: the trace may have been cut, behind a whole generation (Go's own tracer never says so)
        -: note: the tracer lost events, says its log at 1004 ns: "17 events lost\nby bad luck"
        -: ok: go 1.26, 6 events in 1 generation, 1 task, 17 events lost
        0"#]]
    .assert_eq(&checked(&lossy()));
}

/// A trace of a program that was killed: of three workers one lacks another's events,
/// and so does one of that.
fn torn() -> Vec<u8> {
    text::to_bytes(include_str!("traces/torn.text")).unwrap()
}

/// Whatever a command does with it, it says what is left.
#[test]
fn what_is_left_is_told() {
    for command in ["summary", "dump"] {
        let ran = rtrace_with(&[command, "-"], &torn());
        let told = "rtrace: byte 100, generation 1: the file is cut off: it ends without the mark \
                    that ends the generation; 8 events were read, 6 of them from the broken \
                    generation; 4 events of 2 workers could not be put in order, the first at \
                    1005 ns; 1 string and 2 stacks that it refers to are missing\n";
        assert_eq!(ran.err, told);
        assert_eq!(ran.status, Some(1));
    }
}

/// A trace whose tracer has lost something.
fn lossy() -> Vec<u8> {
    text::to_bytes(include_str!("traces/lossy.text")).unwrap()
}

/// A program that asks for JSON gets an object, whatever the file.
#[test]
fn findings_as_json() {
    let run = |input: &[u8]| {
        let ran = rtrace_with(&["check", "--json", "-"], input);
        assert_eq!(ran.err, "");
        assert_eq!(ran.out.lines().count(), 1);
        let mut found: Value = serde_json::from_str(&ran.out).unwrap();
        // How much memory a reader takes is not for this test to say.
        let held = found["largest_generation"].take();
        assert!(held.is_u64());
        format!("{found}\n{}", ran.status.unwrap())
    };
    expect![[r#"
        {"by_kind":{"Log":2,"StateTransition":2,"Sync":2},"end":null,"errors":[],"events":6,"generations":1,"largest_generation":null,"left":{"events":0,"missing_stacks":0,"missing_strings":0,"of_workers":0,"workers":[]},"lost":17,"notes":["nothing says that tracing stopped here: the trace may have been cut, behind a whole generation (Go's own tracer never says so)","the tracer lost events, says its log at 1004 ns: \"17 events lost\\nby bad luck\""],"salvaged":0,"tasks":1,"version":"go 1.26","with_stack":0}
        0"#]].assert_eq(&run(&lossy()));
    expect![[r#"
        {"by_kind":{"Experimental":1,"Label":1,"Log":1,"Metric":3,"RangeActive":2,"RangeBegin":2,"RangeEnd":4,"RegionBegin":1,"RegionEnd":1,"StateTransition":18,"Sync":2,"TaskBegin":1,"TaskEnd":2},"end":null,"errors":["byte 200, generation 1, thread 1: the file is cut off: it ends inside a batch"],"events":39,"generations":1,"largest_generation":null,"left":{"events":0,"missing_stacks":2,"missing_strings":5,"of_workers":0,"workers":[]},"lost":0,"notes":["5 strings and 2 stacks that it refers to are missing"],"salvaged":37,"tasks":3,"version":"go 1.26","with_stack":0}
        1"#]].assert_eq(&run(&kinds()[..200]));
    expect![[r#"
        {"by_kind":{"StateTransition":6,"Sync":2},"end":null,"errors":["byte 100, generation 1: the file is cut off: it ends without the mark that ends the generation"],"events":8,"generations":1,"largest_generation":null,"left":{"events":4,"missing_stacks":2,"missing_strings":1,"of_workers":2,"workers":[{"events":3,"first":"GoStart","from":1005,"offset":53,"worker":1},{"events":1,"first":"GoSyscallEndBlocked","from":1013,"offset":98,"worker":3}]},"lost":0,"notes":["4 events of 2 workers could not be put in order, since others are missing:","worker 1: 3 events left, from 1005 ns on, first GoStart at byte 53","worker 3: 1 event left, from 1013 ns on, first GoSyscallEndBlocked at byte 98","1 string and 2 stacks that it refers to are missing"],"salvaged":6,"tasks":1,"version":"go 1.26","with_stack":0}
        1"#]].assert_eq(&run(&torn()));
    expect![[r#"
        {"by_kind":{},"end":null,"errors":["byte 0: a trace of the v1 format (go 1.11): only v2 traces, go 1.22 and later, can be read; record it again with a newer Go"],"events":0,"generations":0,"largest_generation":null,"left":{"events":0,"missing_stacks":0,"missing_strings":0,"of_workers":0,"workers":[]},"lost":0,"notes":[],"salvaged":0,"tasks":0,"version":null,"with_stack":0}
        1"#]].assert_eq(&run(b"go 1.11 trace\0\0\0"));
}

/// All that can be read is printed, then the error, and the exit status is 1.
#[test]
fn damaged_dumps() {
    let good = kinds();
    let whole = rtrace_with(&["dump", "-"], &good).out;
    let ran = rtrace_with(&["dump", "-"], &good[..good.len() - 1]);
    assert_eq!(ran.status, Some(1));
    expect![[r#"
        rtrace: byte 424, generation 1: the file is cut off: it ends without the mark that ends the generation; 45 events were read, 43 of them from the broken generation
    "#]].assert_eq(&ran.err);
    assert_eq!(ran.out, whole);

    let ran = rtrace_with(&["dump", "-", "--mode", "wire"], &good[..good.len() - 1]);
    assert_eq!(ran.status, Some(1));
    expect![[r#"
        rtrace: byte 424, generation 1: the file is cut off: it ends without the mark that ends the generation
    "#]].assert_eq(&ran.err);
    let ran = rtrace_with(&["dump", "-"], b"go 1.9 trace\0\0\0\0");
    assert_eq!((ran.out.as_str(), ran.status), ("", Some(1)));
    expect![[r#"
        rtrace: byte 0: a trace of the v1 format (go 1.9): only v2 traces, go 1.22 and later, can be read; record it again with a newer Go
    "#]].assert_eq(&ran.err);
}

// Input.

#[test]
fn compressed() {
    let trace = kinds();
    let plain = rtrace_with(&["dump", "-"], &trace).out;
    let (a, b) = trace.split_at(100);
    let folder = folder("compressed");
    for (name, bytes) in [
        ("gzip", gzip(&trace)),
        ("two members", [gzip(a), gzip(b)].concat()),
        ("zstd", zstd(&trace)),
        ("two frames", [zstd(a), zstd(b)].concat()),
        ("skippable first", [SKIPPABLE, &zstd(&trace)].concat()),
        (
            "skippable between",
            [&zstd(a), SKIPPABLE, &zstd(b)].concat(),
        ),
        ("skippable last", [&zstd(&trace), SKIPPABLE].concat()),
    ] {
        // The name of a file says nothing.
        let path = folder.join(name);
        fs::write(&path, &bytes).unwrap();
        for ran in [
            rtrace(&["dump", path.to_str().unwrap()]),
            rtrace_with(&["dump", "-"], &bytes),
        ] {
            assert_eq!((ran.err.as_str(), ran.status), ("", Some(0)), "{name}");
            assert_eq!(ran.out, plain, "{name}");
        }
    }
}

/// How many events `check` finds, and what is wrong.
fn events_and_error(input: &[u8]) -> (u64, String) {
    let ran = rtrace_with(&["check", "--json", "-"], input);
    assert_eq!((ran.err.as_str(), ran.status), ("", Some(1)));
    let found: Value = serde_json::from_str(&ran.out).unwrap();
    let error = found["errors"][0].as_str().unwrap().to_owned();
    (found["events"].as_u64().unwrap(), error)
}

/// What was compressed before the damage is read like any trace that ends there.
#[test]
fn compressed_and_damaged() {
    let trace = kinds();
    let (a, b) = trace.split_at(trace.len() - 1);
    let (events, _) = events_and_error(a);
    assert!(events > 40);
    for (name, part) in [("gzip", gzip as fn(&[u8]) -> Vec<u8>), ("zstd", zstd)] {
        let mut bytes = [part(a), part(b)].concat();
        let last = part(a).len();
        bytes.truncate(last + 7);
        let cut = format!("cannot read on: the {name} data is cut off: it ends in the middle");
        let (found, error) = events_and_error(&bytes);
        assert!(error.ends_with(&cut), "{error}");
        assert_eq!(found, events, "{name}");

        let mut bytes = [part(a), part(b)].concat();
        bytes[last..].fill(0xee);
        let damaged = format!("cannot read on: the {name} data is damaged: ");
        let (found, error) = events_and_error(&bytes);
        assert!(error.contains(&damaged), "{error}");
        assert_eq!(found, events, "{name}");
    }
}

/// Every byte was there, but not as it was compressed.
#[test]
fn compressed_with_a_wrong_checksum() {
    let trace = kinds();
    let (gzip, zstd) = (gzip(&trace), zstd(&trace));
    // The checksum of gzip stands before the size.
    for (name, bytes, at) in [("gzip", &gzip, 8), ("zstd", &zstd, 4)] {
        let mut bytes = bytes.clone();
        let at = bytes.len() - at;
        bytes[at] ^= 1;
        let (_, error) = events_and_error(&bytes);
        let damaged = format!("the {name} data is damaged: ");
        assert!(error.contains(&damaged), "{error}");
        assert!(error.contains("checksum"), "{error}");
    }
}

/// A zstd decoder keeps back what later blocks may refer to. That must not be lost
/// with them.
#[test]
fn a_zstd_frame_that_is_cut_off() {
    let mut trace = Trace::new(Version::Go126);
    let mut random = Random(1);
    for time in 0..10_000 {
        let value = random.below(usize::MAX) as u64;
        let payload = Payload::new().event(EventKind::HeapAlloc, &[1, value]);
        trace.batch(1, THREAD, time, &payload);
    }
    let bytes = zstd(&trace.bytes);
    let cut = &bytes[..bytes.len() - 10];
    let ran = rtrace_with(&["dump", "-", "--mode", "wire"], cut);
    // All but the last block of 128 KiB.
    assert!(
        ran.out.lines().count() > 10_000,
        "{} lines",
        ran.out.lines().count()
    );
    assert!(ran.err.contains("the zstd data is cut off"), "{}", ran.err);
}

#[test]
fn what_cannot_be_opened() {
    let folder = folder("open");
    let missing = folder.join("missing");
    for command in ["check", "dump"] {
        for (path, why) in [(&folder, "Is a directory"), (&missing, "No such file")] {
            let path = path.to_str().unwrap();
            let ran = rtrace(&[command, path]);
            assert_eq!((ran.out.as_str(), ran.status), ("", Some(1)));
            let start = format!("rtrace: cannot open {path}: {why}");
            assert!(ran.err.starts_with(&start), "{}", ran.err);
        }
    }
}

// Output.

#[test]
fn a_pipe_that_closes() {
    // Far more than a pipe holds.
    let path = recording("futile-wakeup.trace");
    let path = path.to_str().unwrap();
    for args in [
        &["dump", path][..],
        &["dump", path, "--mode", "wire"],
        &["dump", path, "--json"],
    ] {
        let mut child = command(args).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut String::new()).unwrap();
        drop(out);
        let mut err = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut err)
            .unwrap();
        assert_eq!(
            (err.as_str(), child.wait().unwrap().code()),
            ("", Some(0)),
            "{args:?}"
        );
    }
    // An error that nobody can be told.
    let mut child = command(&["dump", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk() {
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let path = recording("stacks.trace");
    let mut command = command(&["dump", path.to_str().unwrap()]);
    let ran = command.stdout(full).output().unwrap();
    assert_eq!(ran.status.code(), Some(1));
    let err = String::from_utf8(ran.stderr).unwrap();
    assert!(
        err.starts_with("rtrace: cannot write the output: "),
        "{err}"
    );
}

/// Input that takes its time would bring up the bar, were there a terminal.
#[test]
fn no_progress_in_pipes() {
    let mut child = command(&["check", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = kinds();
    let (a, b) = input.split_at(300);
    stdin.write_all(a).unwrap();
    thread::sleep(Duration::from_millis(700));
    stdin.write_all(b).unwrap();
    drop(stdin);
    let ran = child.wait_with_output().unwrap();
    assert_eq!(
        (ran.stderr.as_slice(), ran.status.code()),
        (&b""[..], Some(0))
    );
}

// The command line itself.

#[test]
fn misuse() {
    for (args, why) in [
        (&[][..], "Usage: rtrace"),
        (&["frobnicate"], "unrecognized subcommand"),
        (&["dump"], "<FILE>"),
        (
            &["dump", "x", "--mode", "nothing"],
            "[possible values: wire, parsed]",
        ),
        (
            &["dump", "x", "--kind", "Foo"],
            "no kind of event is called \"Foo\"; there are Sync, ",
        ),
        (
            &["dump", "x", "--mode", "wire", "--kind", "Log"],
            "called \"Log\"; there are EventBatch, ",
        ),
        (
            &["dump", "x", "--mode", "wire", "--task", "1"],
            "--task cannot be used with --mode wire",
        ),
        (
            &["dump", "x", "--mode", "wire", "--to", "1s"],
            "--to cannot be used with --mode wire",
        ),
        (&["dump", "x", "--from", "soon"], "\"soon\" is no moment"),
        (
            &["dump", "x", "--task", "one"],
            "invalid value 'one' for '--task <N>'",
        ),
        (&["completions", "dos"], "[possible values: bash, "),
    ] {
        let ran = rtrace(args);
        assert_eq!((ran.out.as_str(), ran.status), ("", Some(2)), "{args:?}");
        assert!(ran.err.contains(why), "{args:?}: {}", ran.err);
    }
}

/// The commands, as the help lists them.
fn commands() -> Vec<String> {
    let help = rtrace(&["-h"]).out;
    let list = help.split("Commands:\n").nth(1).unwrap();
    let list = list.lines().take_while(|line| !line.is_empty());
    let names = list.filter_map(|line| line.split_whitespace().next());
    names
        .filter(|&name| name != "help")
        .map(str::to_owned)
        .collect()
}

#[test]
fn help() {
    let commands = commands();
    assert!(commands.len() >= 4, "{commands:?}");
    for command in &commands {
        for help in [&[command, "--help"][..], &["help", command]] {
            let ran = rtrace(help);
            assert_eq!((ran.err.as_str(), ran.status), ("", Some(0)));
            let example = format!("\n  rtrace {command} ");
            let examples = ran.out.split("Examples:").nth(1).unwrap_or_default();
            assert!(
                examples.contains(example.trim_end()) || examples.contains(command),
                "{}",
                ran.out
            );
        }
    }
    let version = concat!("rtrace ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(rtrace(&["--version"]).out, version);
}

#[test]
fn completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = rtrace(&["completions", shell]);
        assert_eq!((ran.err.as_str(), ran.status), ("", Some(0)));
        for word in commands() {
            assert!(ran.out.contains(&word), "{word} in {shell}");
        }
    }
}

#[test]
fn man_pages() {
    let page = rtrace(&["man"]).out;
    assert!(
        page.contains(".TH rtrace 1") && page.contains(".SH NAME"),
        "{page}"
    );
    let folder = folder("man");
    let ran = rtrace(&["man", folder.to_str().unwrap()]);
    assert_eq!(
        (ran.out.as_str(), ran.err.as_str(), ran.status),
        ("", "", Some(0))
    );
    assert_eq!(fs::read_to_string(folder.join("rtrace.1")).unwrap(), page);
    for command in commands() {
        let page = fs::read_to_string(folder.join(format!("rtrace\\-{command}.1")));
        let page = page.or_else(|_| fs::read_to_string(folder.join(format!("rtrace-{command}.1"))));
        assert!(page.unwrap().contains("Examples:"), "{command}");
    }
    let missing = folder.join("missing");
    let ran = rtrace(&["man", missing.to_str().unwrap()]);
    assert_eq!(ran.status, Some(1));
    assert!(ran.err.starts_with("rtrace: cannot write "), "{}", ran.err);
}
