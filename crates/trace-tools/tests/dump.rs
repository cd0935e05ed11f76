//! What a dump prints, of good files and of bad ones.

#[path = "../../trace-read/tests/support/mod.rs"]
mod support;

use std::io::{self, Write};

use support::{Payload, THREAD, Trace, damaged, sample};
use trace_format::{EventKind, Version};
use trace_tools::ToolError;
use trace_tools::dump::{Mode, dump};

fn print(file: &[u8], mode: Mode) -> (String, Result<(), ToolError>) {
    let mut out = Vec::new();
    let done = dump(file, &mut out, mode);
    (String::from_utf8(out).expect("a dump is text"), done)
}

/// The first generation of the sample, whose second differs in its times.
const WIRE: &str = r#"Trace version="go 1.26" offset=0
EventBatch offset=16 gen=1 m=none time=1000000 size=15
  Sync
  Frequency freq=1000000
  ClockSnapshot dt=1 time=1000001 mono=5000 sec=1700000000 nsec=17
EventBatch offset=56 gen=1 m=7 time=1000000 size=33
  ProcStatus dt=10 time=1000010 p=0 pstatus=Running
  GoStatus dt=1 time=1000011 g=1 m=7 gstatus=Running
  GoCreate dt=5 time=1000016 new_g=2 new_stack=1 stack=1
  UserLog dt=300 time=1000316 task=0 key=4 value=5 stack=1
  GoBlock dt=0 time=1000316 reason=3 stack=1
  GoStart dt=499684 time=1500000 g=2 g_seq=1
  GoDestroy dt=0 time=1500000
EventBatch offset=105 gen=1 m=7 time=1000000 size=0
EventBatch offset=121 gen=1 m=none time=1000000 size=79
  Strings
  String id=1 data="main"
  String id=2 data="main.weft"
  String id=3 data="chan receive"
  String id=4 data="runtime-trace"
  String id=5 data="3 events lost\n\"quoted\" é"
EventBatch offset=225 gen=1 m=none time=1000000 size=17
  Stacks
  Stack id=1 nframes=2 [pc=0x10 func=1 file=2 line=3] [pc=0x2000 func=1 file=2 line=300]
  Stack id=2 nframes=0
EventBatch offset=267 gen=1 m=none time=1000000 size=9
  CPUSamples
  CPUSample time=1000010 m=7 p=0 g=1 stack=1
ExperimentalBatch exp=1 offset=301 gen=1 m=7 time=1000000 size=12
  data="not \u{0} events"
EndOfGeneration offset=321 gen=1
"#;

#[test]
fn wire() {
    let (text, done) = print(&sample(Version::Go126), Mode::Wire);
    done.unwrap();
    let second = text.strip_prefix(WIRE).unwrap_or_else(|| panic!("{text}"));
    assert_eq!(second.lines().count() + 1, WIRE.lines().count());
    assert!(
        second.ends_with("EndOfGeneration offset=627 gen=2\n"),
        "{second}"
    );
}

#[test]
fn summary() {
    let (text, done) = print(&sample(Version::Go126), Mode::Summary);
    done.unwrap();
    assert_eq!(
        text,
        r#"version      go 1.26
size         628 bytes
generations  2 (1 to 2)
batches      14
events       16, 39.25 bytes each
time         1.499990 s, clock of 1000000 Hz
tasks        2
procs        1
workers      1
strings      10, 126 bytes of text
stacks       4, 4 frames, 32 bytes
lost         generation 1, 1×: "3 events lost\n\"quoted\" é"
lost         generation 2, 1×: "3 events lost\n\"quoted\" é"

events by kind
  CPUSample                       2  12.50%
  ProcStatus                      2  12.50%
  GoCreate                        2  12.50%
  GoStart                         2  12.50%
  GoDestroy                       2  12.50%
  GoBlock                         2  12.50%
  GoStatus                        2  12.50%
  UserLog                         2  12.50%
"#
    );
}

/// Strings may come before or after the log that names them, and mean nothing
/// in another generation.
#[test]
fn losses_are_read_with_their_own_generation() {
    let mut trace = Trace::new(Version::Go125);
    let log = |value| Payload::new().event(EventKind::UserLog, &[1, 0, 1, value, 0]);
    let strings = |category, text| {
        Payload::new()
            .event(EventKind::Strings, &[])
            .string(1, category)
            .string(2, text)
    };
    trace.batch(1, THREAD, 0, &strings("runtime-trace", "before"));
    trace.batch(1, THREAD, 0, &log(2));
    trace.batch(1, THREAD, 0, &log(2));
    trace.batch(2, THREAD, 0, &log(2));
    trace.batch(2, THREAD, 0, &strings("runtime-trace", "after"));
    trace.batch(3, THREAD, 0, &log(2));
    trace.batch(3, THREAD, 0, &strings("the program's", "not a loss"));
    let (text, done) = print(&trace.bytes, Mode::Summary);
    done.unwrap();
    let lost: Vec<_> = text.lines().filter(|line| line.starts_with("lo")).collect();
    assert_eq!(
        lost,
        [
            r#"lost         generation 1, 2×: "before""#,
            r#"lost         generation 2, 1×: "after""#,
        ]
    );
    assert!(
        text.contains("\ntime         unknown\n"),
        "no frequency: {text}"
    );
}

#[test]
fn a_trace_of_nothing() {
    let (text, done) = print(&Version::Go126.header(), Mode::Summary);
    done.unwrap();
    assert!(text.contains("generations  0\n") && text.contains("losses       none noted\n"));
    assert!(!text.contains("events by kind"));
}

#[test]
fn not_a_trace() {
    for mode in [Mode::Wire, Mode::Summary] {
        let (text, done) = print(b"just some text, not a trace", mode);
        assert_eq!(text, "");
        assert!(
            done.unwrap_err()
                .to_string()
                .starts_with("byte 0: not an execution trace")
        );
    }
}

/// Wherever the file is cut off, the dump is that of the whole file as far as
/// it goes, and the error names the end.
#[test]
fn cut_at_every_byte() {
    let file = sample(Version::Go126);
    let (whole, done) = print(&file, Mode::Wire);
    done.unwrap();
    for cut in 17..file.len() {
        let (text, done) = print(&file[..cut], Mode::Wire);
        for (line, full) in text.lines().zip(whole.lines()) {
            if let Some((start, _)) = line.split_once(" missing=") {
                assert_eq!(start, full, "cut at {cut}");
            } else if let Some(start) = line.strip_suffix('"').filter(|_| line.contains(" data=")) {
                assert!(full.starts_with(start), "cut at {cut}: {line}");
            } else {
                assert_eq!(line, full, "cut at {cut}");
            }
        }
        let (page, page_done) = print(&file[..cut], Mode::Summary);
        assert!(page.starts_with("version      go 1.26\n"));
        if cut == 322 {
            // Between the generations.
            done.unwrap();
            page_done.unwrap();
            continue;
        }
        for done in [done, page_done] {
            let error = done.unwrap_err().to_string();
            assert!(error.starts_with(&format!("byte {cut}")), "{error}");
            assert!(error.contains("the file is cut off"), "{error}");
        }
    }
}

#[test]
fn damaged_bytes() {
    for version in Version::ALL {
        let file = sample(version);
        for seed in 0..500 {
            let bytes = damaged(&file, seed);
            for mode in [Mode::Wire, Mode::Summary] {
                let (text, _) = print(&bytes, mode);
                assert!(text.len() < 20 * bytes.len());
            }
        }
    }
}

/// An error within a batch costs the rest of that batch and no more.
#[test]
fn what_follows_damage_is_printed() {
    let mut file = sample(Version::Go126);
    // The second event of the second batch: 56, 16 of header, 4 of the first.
    let at = 56 + 16 + 4;
    assert_eq!(file[at], EventKind::GoStatus as u8);
    file[at] = 0x7f;
    let (text, done) = print(&file, Mode::Wire);
    assert!(!text.contains("time=1000011"));
    assert!(text.contains("offset=105") && text.contains("offset=627"));
    assert_eq!(
        done.unwrap_err().to_string(),
        "byte 76, generation 1, thread 7: no event has the code 0x7f"
    );
}

/// Fails once so many bytes have been written.
struct Failing {
    left: usize,
    kind: io::ErrorKind,
}

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.left.min(bytes.len()) {
            0 if !bytes.is_empty() => Err(self.kind.into()),
            written => {
                self.left -= written;
                Ok(written)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.left {
            0 => Err(self.kind.into()),
            _ => Ok(()),
        }
    }
}

#[test]
fn output_that_fails() {
    let file = sample(Version::Go126);
    for mode in [Mode::Wire, Mode::Summary] {
        for left in [0, 1, 100] {
            let fail = |kind| dump(&file[..], &mut Failing { left, kind }, mode);
            assert!(fail(io::ErrorKind::BrokenPipe).is_ok(), "ends quietly");
            let error = fail(io::ErrorKind::StorageFull).unwrap_err();
            assert!(error.to_string().starts_with("cannot write the output: "));
        }
    }
}
