//! Writing traces: as they were read, and new ones.

mod support;

use support::sample;
use trace_format::limits::NO_THREAD;
use trace_format::{BatchHeader, EventKind, Version};
use trace_read::raw::{Item, Payload, RawReader, RawWriter, StackFrame};

/// What Go has recorded.
const RECORDED: [&[u8]; 3] = [
    include_bytes!("traces/annotations.trace"),
    include_bytes!("traces/iter-pull.trace"),
    include_bytes!("traces/stacks.trace"),
];

fn files() -> impl Iterator<Item = Vec<u8>> {
    let made = Version::ALL.into_iter().map(sample);
    made.chain(RECORDED.into_iter().map(<[u8]>::to_vec))
}

#[test]
fn as_it_was_read() {
    for file in files() {
        let mut reader = RawReader::new(&file[..]).unwrap();
        let mut writer = RawWriter::new(Vec::new(), reader.version()).unwrap();
        assert_eq!(writer.version(), reader.version());
        while let Some(item) = reader.next_item().unwrap() {
            writer.item(&item).unwrap();
        }
        assert!(writer.into_inner() == file);
    }
}

/// Batches of copied events differ from the original in their headers alone,
/// where sizes are padded; written once more, in nothing.
#[test]
fn event_by_event() {
    for file in files() {
        let once = rewritten(&file);
        assert!(once.len() < file.len(), "nothing was padded");
        assert!(rewritten(&once) == once);
        let events = |file: &[u8]| {
            let found = support::found::read(file);
            assert!(found.errors.is_empty());
            let lengths = found.events.into_iter();
            lengths
                .map(|(start, end, kind)| (kind, end - start))
                .collect::<Vec<_>>()
        };
        assert_eq!(events(&once), events(&file));
    }
}

/// The file with new batches of the same events.
fn rewritten(file: &[u8]) -> Vec<u8> {
    let mut reader = RawReader::new(file).unwrap();
    let mut writer = RawWriter::new(Vec::new(), reader.version()).unwrap();
    while let Some(item) = reader.next_item().unwrap() {
        let Item::Batch(batch) = item else {
            writer.end_of_generation().unwrap();
            continue;
        };
        let header = &batch.head().header;
        if let Some(id) = batch.head().experiment {
            writer.experiment(id, header, batch.payload()).unwrap();
            continue;
        }
        let mut copied = Payload::new();
        let mut made = Payload::new();
        for event in batch.events().map(Result::unwrap) {
            copied.copy(&event);
            match event.kind {
                EventKind::String => made.string(event.args()[0], event.text()),
                EventKind::Stack => {
                    made.stack(event.args()[0], &event.frames().collect::<Vec<_>>())
                }
                kind => {
                    let numbers = event.dt().into_iter().chain(event.args().iter().copied());
                    made.event(kind, &numbers.collect::<Vec<_>>())
                }
            };
        }
        assert_eq!(made, copied);
        writer.batch(header, &made).unwrap();
    }
    writer.into_inner()
}

#[test]
fn known_bytes() {
    let header = |time| BatchHeader {
        generation: 1,
        thread: NO_THREAD,
        time,
    };
    let mut payload = Payload::new();
    let frame = StackFrame {
        pc: 0x1000,
        function: 1,
        file: 2,
        line: 3,
    };
    payload
        .event(EventKind::Stacks, &[])
        .stack(5, &[frame])
        .event(EventKind::GoBlock, &[300, 1, 5])
        .string(1, b"a\xff");
    let mut writer = RawWriter::new(Vec::new(), Version::Go126).unwrap();
    writer.batch(&header(0), &payload).unwrap();
    writer.experiment(200, &header(1), b"data").unwrap();
    writer.end_of_generation().unwrap();
    let thread = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    let expected = [
        b"go 1.26 trace\0\0\0",
        &[1, 1][..],
        &thread,
        &[0, 19],
        &[2],
        &[3, 5, 1, 0x80, 0x20, 1, 2, 3],
        &[20, 0xac, 0x02, 1, 5],
        &[5, 1, 2, b'a', 0xff],
        &[49, 200, 1],
        &thread,
        &[1, 4],
        b"data",
        &[52],
    ];
    assert_eq!(writer.into_inner(), expected.concat());
}

#[test]
#[should_panic(expected = "numbers of GoBlock")]
fn too_few_numbers() {
    Payload::new().event(EventKind::GoBlock, &[1, 2]);
}

#[test]
#[should_panic(expected = "String is not an event of numbers alone")]
fn an_entry_as_a_plain_event() {
    Payload::new().event(EventKind::String, &[1]);
}
