//! What a dump prints, of good files and of bad ones.

#[path = "../../trace-read/tests/support/mod.rs"]
mod support;

use std::io::{self, Write};

use support::{damaged, sample};
use trace_format::{EventKind, Version};
use trace_tools::ToolError;
use trace_tools::dump::{Form, wire};

fn print(file: &[u8]) -> (String, Result<(), ToolError>) {
    let mut out = Vec::new();
    let done = wire(file, &mut out, Form::Text, None);
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
fn every_raw_event() {
    let (text, done) = print(&sample(Version::Go126));
    done.unwrap();
    let second = text.strip_prefix(WIRE).unwrap_or_else(|| panic!("{text}"));
    assert_eq!(second.lines().count() + 1, WIRE.lines().count());
    assert!(
        second.ends_with("EndOfGeneration offset=627 gen=2\n"),
        "{second}"
    );
}

#[test]
fn not_a_trace() {
    let (text, done) = print(b"just some text, not a trace");
    assert_eq!(text, "");
    assert!(
        done.unwrap_err()
            .to_string()
            .starts_with("byte 0: not an execution trace")
    );
}

/// Wherever the file is cut off, the dump is that of the whole file as far as
/// it goes, and the error names the end.
#[test]
fn cut_at_every_byte() {
    let file = sample(Version::Go126);
    let (whole, done) = print(&file);
    done.unwrap();
    for cut in 17..file.len() {
        let (text, done) = print(&file[..cut]);
        for (line, full) in text.lines().zip(whole.lines()) {
            if let Some((start, _)) = line.split_once(" missing=") {
                assert_eq!(start, full, "cut at {cut}");
            } else if let Some(start) = line.strip_suffix('"').filter(|_| line.contains(" data=")) {
                assert!(full.starts_with(start), "cut at {cut}: {line}");
            } else {
                assert_eq!(line, full, "cut at {cut}");
            }
        }
        if cut == 322 {
            // Between the generations.
            done.unwrap();
            continue;
        }
        let error = done.unwrap_err().to_string();
        assert!(error.starts_with(&format!("byte {cut}")), "{error}");
        assert!(error.contains("the file is cut off"), "{error}");
    }
}

#[test]
fn damaged_bytes() {
    for version in Version::ALL {
        let file = sample(version);
        for seed in 0..500 {
            let bytes = damaged(&file, seed);
            let (text, _) = print(&bytes);
            assert!(text.len() < 20 * bytes.len());
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
    let (text, done) = print(&file);
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
    for left in [0, 1, 100] {
        let fail = |kind| wire(&file[..], &mut Failing { left, kind }, Form::Text, None);
        assert!(fail(io::ErrorKind::BrokenPipe).is_ok(), "ends quietly");
        let error = fail(io::ErrorKind::StorageFull).unwrap_err();
        assert!(error.to_string().starts_with("cannot write the output: "));
    }
}
