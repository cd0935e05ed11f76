//! The text form: there and back, by hand, and what is spelled wrongly.

mod support;

use support::{Payload, THREAD, Trace, sample};
use trace_format::limits::NO_THREAD;
use trace_format::{EventKind, Version};
use trace_read::raw::{Item, RawReader, RawWriter};
use trace_read::{ReadError, text};

/// The first generation of the sample.
const SAMPLE: &str = r#"Trace Go1.26
EventBatch gen=1 m=18446744073709551615 time=1000000 size=15
Sync
Frequency freq=1000000
ClockSnapshot dt=1 mono=5000 sec=1700000000 nsec=17
EventBatch gen=1 m=7 time=1000000 size=33
ProcStatus dt=10 p=0 pstatus=1
GoStatus dt=1 g=1 m=7 gstatus=2
GoCreate dt=5 new_g=2 new_stack=1 stack=1
UserLog dt=300 task=0 key_string=4 value_string=5 stack=1
GoBlock dt=0 reason_string=3 stack=1
GoStart dt=499684 g=2 g_seq=1
GoDestroy dt=0
EventBatch gen=1 m=7 time=1000000 size=0
EventBatch gen=1 m=18446744073709551615 time=1000000 size=79
Strings
String id=1
	data="main"
String id=2
	data="main.weft"
String id=3
	data="chan receive"
String id=4
	data="runtime-trace"
String id=5
	data="3 events lost\n\"quoted\" é"
EventBatch gen=1 m=18446744073709551615 time=1000000 size=17
Stacks
Stack id=1 nframes=2
	pc=16 func=1 file=2 line=3
	pc=8192 func=1 file=2 line=300
Stack id=2 nframes=0
EventBatch gen=1 m=18446744073709551615 time=1000000 size=9
CPUSamples
CPUSample time=1000010 m=7 p=0 g=1 stack=1
ExperimentalBatch exp=1 gen=1 m=7 time=1000000
	data="not \x00 events"
EndOfGeneration
"#;

#[test]
fn a_sample_as_text() {
    let text = text::from_bytes(&sample(Version::Go126)).unwrap();
    let second = text
        .strip_prefix(SAMPLE)
        .unwrap_or_else(|| panic!("{text}"));
    assert_eq!(second.lines().count() + 1, SAMPLE.lines().count());
}

/// Text comes back as it was, bytes but for padding.
#[test]
fn there_and_back() {
    let made = Version::ALL.into_iter().map(sample);
    let recorded = [
        &include_bytes!("traces/annotations.trace")[..],
        include_bytes!("traces/iter-pull.trace"),
        include_bytes!("traces/stacks.trace"),
    ];
    for file in made.chain(recorded.map(<[u8]>::to_vec)) {
        let text = text::from_bytes(&file).unwrap();
        let bytes = text::to_bytes(&text).unwrap();
        assert_eq!(text::from_bytes(&bytes).unwrap(), text);
        assert!(bytes == unpadded(&file));
    }
}

/// The file with the sizes of batches as short as they can be; events that are
/// padded were not in it.
fn unpadded(file: &[u8]) -> Vec<u8> {
    let mut reader = RawReader::new(file).unwrap();
    let mut bytes = reader.version().header().to_vec();
    while let Some(item) = reader.next_item().unwrap() {
        let Item::Batch(batch) = item else {
            bytes.push(EventKind::EndOfGeneration as u8);
            continue;
        };
        let head = batch.head();
        match head.experiment {
            Some(id) => bytes.extend([EventKind::ExperimentalBatch as u8, id]),
            None => bytes.push(EventKind::EventBatch as u8),
        }
        let header = head.header;
        let size = batch.payload().len() as u64;
        for number in [header.generation, header.thread, header.time, size] {
            support::push(&mut bytes, number);
        }
        bytes.extend_from_slice(batch.payload());
    }
    bytes
}

/// Every kind of event has a line that comes back.
#[test]
fn every_kind() {
    for &kind in EventKind::ALL {
        let numbers = (kind.args().len() + usize::from(kind.is_timed())) as u64;
        let args = 130..130 + numbers;
        let payload = match kind {
            EventKind::String => Payload::new().event(EventKind::Strings, &[]).string(7, ""),
            EventKind::Stack => Payload::new().event(EventKind::Stacks, &[]).stack(7, &[]),
            EventKind::CPUSample => Payload::new()
                .event(EventKind::CPUSamples, &[])
                .event(kind, &args.collect::<Vec<_>>()),
            EventKind::Frequency | EventKind::ClockSnapshot => Payload::new()
                .event(EventKind::Sync, &[])
                .event(kind, &args.collect::<Vec<_>>()),
            EventKind::EventBatch | EventKind::ExperimentalBatch | EventKind::EndOfGeneration => {
                continue;
            }
            _ => Payload::new().event(kind, &args.collect::<Vec<_>>()),
        };
        let (file, _) = support::one_batch(Version::Go126, payload);
        let text = text::from_bytes(&file).unwrap();
        let line = format!("\n{}", kind.name());
        assert!(text.contains(&line), "{text}");
        assert!(text::to_bytes(&text).unwrap() == unpadded(&file), "{text}");
    }
}

/// Numbers that a writer padded come back short, and the size with them.
#[test]
fn padded_events() {
    let mut payload = Payload::new();
    payload.0 = [
        &[EventKind::GoBlock as u8, 0x81, 0x80, 0x00, 0x01, 0x82, 0x00][..],
        &[EventKind::ProcStop as u8, 0x80, 0x00],
    ]
    .concat();
    let (file, _) = support::one_batch(Version::Go125, payload);
    let text = text::from_bytes(&file).unwrap();
    assert_eq!(
        text,
        "Trace Go1.25\nEventBatch gen=1 m=7 time=0 size=6\n\
         GoBlock dt=1 reason_string=1 stack=2\nProcStop dt=0\n"
    );
    let bytes = text::to_bytes(&text).unwrap();
    assert_eq!(text::from_bytes(&bytes).unwrap(), text);
}

/// By hand: comments, blank lines, any white space, no sizes.
#[test]
fn written_by_hand() {
    let text = "# A trace\r\n\r\n  Trace\tGo1.26 # newest\r
EventBatch gen=1\u{a0}m=7   time=5# no size
   ProcStatus dt=1 p=0 pstatus=1
\tGoStatus dt=1 g=1 m=7 gstatus=2
EventBatch gen=1 m=18446744073709551615 time=5
Strings
String id=1 # a comment
 # another
   data =  \"a # b\" # and one
EndOfGeneration
EventBatch gen=2 m=7 time=9 size=2
ProcStop dt=1
EventBatch gen=2 m=7 time=9";
    let mut trace = Trace::new(Version::Go126);
    let events = Payload::new()
        .event(EventKind::ProcStatus, &[1, 0, 1])
        .event(EventKind::GoStatus, &[1, 1, THREAD, 2]);
    trace.batch(1, THREAD, 5, &events);
    let strings = Payload::new()
        .event(EventKind::Strings, &[])
        .string(1, "a # b");
    trace.batch(1, NO_THREAD, 5, &strings);
    trace.end(Version::Go126);
    let stop = Payload::new().event(EventKind::ProcStop, &[1]);
    trace.batch(2, THREAD, 9, &stop);
    trace.batch(2, THREAD, 9, &Payload::new());
    // The file has no last mark, so it can be read up to there only.
    let mut whole = trace.bytes.clone();
    whole.push(EventKind::EndOfGeneration as u8);
    let mut expected = unpadded(&whole);
    expected.pop();
    assert_eq!(text::to_bytes(text).unwrap(), expected);
}

/// A batch longer than a byte can say has its size computed, too.
#[test]
fn a_long_batch() {
    let lines = "ProcStop dt=1\n".repeat(30_000);
    let text = format!("Trace Go1.25\nEventBatch gen=1 m=7 time=0\n{lines}");
    let bytes = text::to_bytes(&text).unwrap();
    assert!(
        text::from_bytes(&bytes)
            .unwrap()
            .starts_with("Trace Go1.25\nEventBatch gen=1 m=7 time=0 size=60000\n")
    );
}

/// What is wrong as a trace can be written all the same.
#[test]
fn traces_that_are_wrong() {
    for (lines, bytes) in [
        // A size that is too large, and one that is too small.
        (
            "EventBatch gen=1 m=7 time=0 size=300\nProcStop dt=1",
            &[1, 1, 7, 0, 0xac, 2, 11, 1][..],
        ),
        (
            "EventBatch gen=0 m=7 time=0 size=0\nSync",
            &[1, 0, 7, 0, 0, 50],
        ),
        // Nothing but events, also of later versions and where none may be.
        ("GoSwitch dt=1 g=2 g_seq=3\nStacks", &[45, 1, 2, 3, 2]),
        ("EndOfGeneration\nEndOfGeneration", &[52, 52]),
        // An experiment's number is a byte, whatever its size.
        (
            "ExperimentalBatch exp=200 gen=1 m=7 time=0\ndata=\"\\xff\"",
            &[49, 200, 1, 7, 0, 1, 0xff],
        ),
    ] {
        let written = text::to_bytes(&format!("Trace Go1.22\n{lines}\n")).unwrap();
        assert_eq!(
            written,
            [&Version::Go122.header()[..], bytes].concat(),
            "{lines}"
        );
    }
}

/// A batch that the file's end cut off keeps its size, and so the cut.
#[test]
fn a_file_cut_off() {
    let mut writer = RawWriter::new(Vec::new(), Version::Go125).unwrap();
    let header = trace_format::BatchHeader {
        generation: 1,
        thread: THREAD,
        time: 0,
    };
    let mut payload = trace_read::raw::Payload::new();
    payload
        .event(EventKind::ProcStop, &[1])
        .event(EventKind::GoBlock, &[1, 2, 3]);
    writer.batch(&header, &payload).unwrap();
    let file = writer.into_inner();

    let cut = &file[..file.len() - 1];
    let mut reader = RawReader::new(cut).unwrap();
    let mut text = String::new();
    text::write_header(reader.version(), &mut text);
    text::write_item(&reader.next_item().unwrap().unwrap(), &mut text).unwrap();
    assert_eq!(
        text,
        "Trace Go1.25\nEventBatch gen=1 m=7 time=0 size=6\nProcStop dt=1\n"
    );
    assert!(matches!(reader.next_item(), Err(ReadError::CutOff { .. })));
    assert!(matches!(
        text::from_bytes(cut),
        Err(ReadError::CutOff { .. })
    ));
}

/// An event that cannot be read is reported; those before it have their lines.
#[test]
fn a_damaged_batch() {
    let mut payload = Payload::new().event(EventKind::ProcStop, &[1]);
    payload.0.push(0x7f);
    let (file, start) = support::one_batch(Version::Go125, payload);
    let mut reader = RawReader::new(&file[..]).unwrap();
    let mut text = String::new();
    let error = text::write_item(&reader.next_item().unwrap().unwrap(), &mut text).unwrap_err();
    assert_eq!(error.place().offset, start + 2);
    assert_eq!(text, "EventBatch gen=1 m=7 time=0 size=3\nProcStop dt=1\n");
}

#[test]
fn texts_that_are_refused() {
    // The text, line and column of the error, what it says.
    for (text, line, column, says) in [
        ("", 1, 1, "starts with a line \"Trace Go1.NN\""),
        ("\n# only this\n", 3, 1, "starts with a line"),
        ("Trace", 1, 6, "starts with a line"),
        ("trace Go1.26", 1, 1, "starts with a line"),
        ("Trace Go2.26", 1, 7, "starts with a line"),
        ("Trace Go1.x", 1, 7, "starts with a line"),
        ("Trace Go1.+26", 1, 7, "starts with a line"),
        ("Trace Go1.21", 1, 7, "v1 format (go 1.21)"),
        ("Trace Go1.24", 1, 7, "go 1.24, which is not known"),
        ("Trace Go1.26 now", 1, 14, "\"now\" is too much"),
        ("Trace Go1.26\n GoFoo dt=1", 2, 2, "no event \"GoFoo\""),
        (
            "Trace Go1.26\nGoBlock",
            2,
            8,
            "the argument dt=… is missing",
        ),
        (
            "Trace Go1.26\nGoBlock dt=1 reason=1 stack=1",
            2,
            14,
            "the argument reason_string=… should stand here, not \"reason=1\"",
        ),
        (
            "Trace Go1.26\nGoBlock dt=1 # reason_string=1",
            2,
            14,
            "the argument reason_string=… is missing",
        ),
        ("Trace Go1.26\nProcStop dt", 2, 10, "not \"dt\""),
        (
            "Trace Go1.26\nProcStop dt=-1",
            2,
            13,
            "\"-1\" is not a number",
        ),
        (
            "Trace Go1.26\nProcStop dt=+1",
            2,
            13,
            "\"+1\" is not a number",
        ),
        ("Trace Go1.26\nProcStop dt=", 2, 13, "\"\" is not a number"),
        (
            "Trace Go1.26\n# é\n\u{a0}ProcStop dt=18446744073709551616",
            3,
            14,
            "\"18446744073709551616\" is not a number from 0 to 18446744073709551615",
        ),
        (
            "Trace Go1.26\nProcStop dt=1 p=2",
            2,
            15,
            "\"p=2\" is too much",
        ),
        (
            "Trace Go1.26\nEventBatch gen=1 m=1 time=1 length=2",
            2,
            29,
            "the argument size=…",
        ),
        (
            "Trace Go1.26\nExperimentalBatch exp=256 gen=1 m=1 time=1",
            2,
            19,
            "no experiment 256",
        ),
        ("Trace Go1.26\nString id=1", 2, 12, "a line data=\"…\""),
        ("Trace Go1.26\nString id=1\n\n\n", 5, 1, "a line data=\"…\""),
        (
            "Trace Go1.26\nString id=1\n text=\"\"",
            3,
            2,
            "a line data=\"…\"",
        ),
        (
            "Trace Go1.26\nString id=1\n data \"\"",
            3,
            7,
            "a line data=\"…\"",
        ),
        (
            "Trace Go1.26\nString id=1\n data=x",
            3,
            7,
            "quotation marks",
        ),
        (
            "Trace Go1.26\nString id=1\n data=\"é",
            3,
            9,
            "no closing quotation mark",
        ),
        (
            "Trace Go1.26\nString id=1\n data=\"é\\z\"",
            3,
            9,
            "no such escape",
        ),
        (
            "Trace Go1.26\nString id=1\n data=\"\" 1",
            3,
            10,
            "\"1\" is too much",
        ),
        (
            "Trace Go1.26\nStack id=9 nframes=2\npc=1 func=2 file=3 line=4\nStacks",
            4,
            1,
            "a line with frame 2 of the 2 of stack 9",
        ),
        (
            "Trace Go1.26\nStack id=9 nframes=18446744073709551615",
            2,
            40,
            "a line with frame 1 of the 18446744073709551615 of stack 9",
        ),
        (
            "Trace Go1.26\nStack id=9 nframes=1\npc=1 func=2 line=4 file=3",
            3,
            13,
            "the argument file=… should stand here",
        ),
    ] {
        let error = text::to_bytes(text).unwrap_err();
        let said = error.to_string();
        let place = format!("line {line}, column {column}: ");
        assert!(said.starts_with(&place), "{text:?}: {said}");
        assert!(said.contains(says), "{text:?}: {said}");
        // The offset is of the same place.
        let before = &text[..error.place().offset as usize];
        assert_eq!(before.matches('\n').count() + 1, line, "{text:?}");
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        assert_eq!(before[start..].chars().count() + 1, column, "{text:?}");
    }
}
