//! What holds for any bytes at all, a function for each target of `fuzz/`.
//!
//! The fuzzer calls these with what it makes up, `tests/fuzzed.rs` with a fixed
//! choice. They panic if something does not hold.

#![allow(dead_code, reason = "each fuzz target uses one of them")]

use std::io::Cursor;

use trace_format::{EventKind, varint};
use trace_read::raw::{Item, Payload, RawReader, RawWriter};
use trace_read::{Event, Kind, Observer, ReadError, Reader, text};

#[path = "made.rs"]
pub mod made;

/// A number that can be read is written back, and no longer than it was.
pub fn varint(bytes: &[u8]) {
    let Ok((value, used)) = varint::decode(bytes) else {
        return;
    };
    assert!(used <= bytes.len().min(varint::MAX_LEN));
    let mut short = [0; varint::MAX_LEN];
    let len = varint::encode(value, &mut short);
    assert!(len <= used && len == varint::len(value));
    assert_eq!(varint::decode(&short[..len]), Ok((value, len)));
    let padded = varint::encode_padded(value);
    assert_eq!(varint::decode(&padded), Ok((value, padded.len())));
}

/// What the raw layer reads, it writes back byte for byte, as whole batches and
/// event by event.
pub fn raw(bytes: &[u8]) {
    let Ok(mut reader) = RawReader::new(bytes) else {
        return;
    };
    let mut whole = RawWriter::new(Vec::new(), reader.version()).expect("memory takes it");
    let mut end = reader.offset() as usize;
    loop {
        let item = match reader.next_item() {
            Ok(Some(item)) => item,
            Ok(None) => {
                assert_eq!(end, bytes.len(), "the rest was not read");
                break;
            }
            Err(error) => {
                assert!(error.place().offset <= bytes.len() as u64);
                assert!(matches!(reader.next_item(), Ok(None)), "after {error}");
                break;
            }
        };
        whole.item(&item).expect("memory takes it");
        let Item::Batch(batch) = item else {
            end += 1;
            continue;
        };
        assert_eq!(batch.head().offset as usize, end);
        assert_eq!(batch.bytes(), &bytes[end..end + batch.head().len()]);
        end += batch.head().len();
        let mut copied = Payload::new();
        let mut at = batch.head().payload_offset();
        for event in batch.events() {
            let Ok(event) = event else {
                break;
            };
            assert_eq!(event.offset, at);
            at += event.bytes.len() as u64;
            copied.copy(&event);
            assert_eq!(event.args().len(), event.kind.args().len());
            if event.kind == EventKind::Stack {
                assert_eq!(event.frames().count() as u64, event.args()[1]);
            }
        }
        assert!(batch.payload().starts_with(copied.bytes()) || copied.bytes().is_empty());
    }
    assert_eq!(whole.into_inner(), &bytes[..end]);
}

/// A text that stands for bytes is the text of these bytes, once its numbers are
/// as short as they can be. Bytes that start like a trace are taken for one.
pub fn text(bytes: &[u8]) {
    let made;
    let mut trace = bytes;
    if !bytes.starts_with(b"go 1.") {
        let Ok(text) = str::from_utf8(bytes) else {
            return;
        };
        let Ok(bytes) = text::to_bytes(text) else {
            return;
        };
        made = bytes;
        trace = &made;
    }
    let Ok(once) = text::from_bytes(trace) else {
        return;
    };
    let bytes = text::to_bytes(&once).expect("a text that we have written");
    assert!(bytes.len() <= trace.len());
    assert_eq!(text::from_bytes(&bytes).expect("bytes of our text"), once);
}

/// The reader comes to an end, in the same way whether it reads ahead, hands events
/// out to be kept or are shown them, and its events are in order.
pub fn reader(bytes: &[u8]) {
    let len = bytes.len() as u64;
    let plain = read(Reader::new(bytes), len);
    // To start a thread takes longer than to read most inputs.
    if len.is_multiple_of(8) {
        let ahead = Reader::ahead(Cursor::new(bytes.to_vec()));
        assert_eq!(read(ahead, len), plain);
    }
    let Ok(reader) = Reader::new(bytes) else {
        return;
    };
    let mut kept = Digest::default();
    let mut error = None;
    // As many at a time as would cross the ends of generations.
    let mut held = Vec::new();
    for event in reader.events() {
        match event {
            Ok(event) => held.push(event),
            Err(found) => error = Some(found.to_string()),
        }
        if held.len() == 64 {
            held.drain(..).for_each(|event| kept.add(&event.get()));
        }
    }
    held.iter().for_each(|event| kept.add(&event.get()));
    let plain = (plain.digest, plain.error);
    assert_eq!((kept, error), plain);
    for ahead in 0..3 {
        assert_eq!(shown(bytes, ahead), plain);
    }
}

/// Is shown all events, the first ones of them one by one.
fn shown(bytes: &[u8], one_by_one: usize) -> (Digest, Option<String>) {
    let mut reader = Reader::new(bytes).expect("it was opened before");
    let mut digest = Digest::default();
    for _ in 0..one_by_one {
        match reader.next_event() {
            Ok(Some(event)) => digest.add(&event),
            Ok(None) => break,
            Err(error) => return (digest, Some(error.to_string())),
        }
    }
    let read = reader.show(&mut digest);
    (digest, read.err().map(|error| error.to_string()))
}

/// What is well-formed is accepted, with as many events as were put into it; what
/// is nearly so is read to its end.
pub fn ordered(choices: &[u8]) {
    let trace = made::trace(choices);
    if trace.is_whole {
        let read = read(Reader::new(&trace.bytes[..]), trace.bytes.len() as u64);
        assert_eq!(read.error, None);
        let events = read.digest.events;
        assert!(
            trace.events.contains(&events),
            "{events} events, not {:?}",
            trace.events
        );
        raw(&trace.bytes);
    }
    reader(&trace.bytes);
}

/// How reading went.
#[derive(Debug, Default, PartialEq, Eq)]
struct Read {
    digest: Digest,
    error: Option<String>,
    salvaged: u64,
    generations: u64,
}

fn read<R: std::io::Read>(reader: Result<Reader<R>, ReadError>, len: u64) -> Read {
    let mut read = Read::default();
    let mut reader = match reader {
        Ok(reader) => reader,
        Err(error) => {
            read.error = Some(error.to_string());
            return read;
        }
    };
    loop {
        match reader.next_event() {
            Ok(Some(event)) => read.digest.add(&event),
            Ok(None) => break,
            Err(error) => {
                assert!(error.place().offset <= len, "{error}, of {len} bytes");
                assert!(read.error.is_none(), "a second error");
                read.error = Some(error.to_string());
            }
        }
    }
    assert!(matches!(reader.next_event(), Ok(None)));
    read.salvaged = reader.salvaged();
    read.generations = reader.generations();
    assert!(read.salvaged <= read.digest.events);
    assert!(read.salvaged == 0 || read.error.is_some());
    assert!(reader.offset() <= len);
    read
}

/// Events, by number and by a sum of what they say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Digest {
    events: u64,
    time: u64,
    sum: u64,
}

impl Observer for Digest {
    fn see(&mut self, event: Event<'_>) {
        self.add(&event);
    }
}

impl Digest {
    fn add(&mut self, event: &Event<'_>) {
        self.events += 1;
        assert!(self.time < event.time || self.time == i64::MAX as u64);
        self.time = event.time;
        self.number(event.time);
        self.number(event.kind.index() as u64);
        self.number(event.wire.map_or(0, |kind| kind as u64));
        self.number(event.worker.map_or(1, |worker| worker.0));
        self.number(event.proc.map_or(1, |proc| proc.0));
        self.number(event.task.map_or(1, |task| task.0));
        self.number(event.stack.len() as u64);
        for frame in event.stack.frames() {
            self.number(frame.line);
            self.text(frame.function);
            self.text(frame.file);
        }
        match &event.kind {
            Kind::Task(change) => {
                self.number(change.task.0);
                self.number(change.from as u64);
                self.number(change.to as u64);
                self.text(change.reason);
                self.number(change.stack.id());
            }
            Kind::Proc(change) => {
                self.number(change.proc.0);
                self.number(change.from as u64);
                self.number(change.to as u64);
            }
            Kind::UserTaskBegin(task) | Kind::UserTaskEnd(task) => self.text(task.name),
            Kind::Log(log) => self.text(log.message),
            Kind::RangeBegin(range) | Kind::RangeEnd(range, _) => {
                self.text(&range.name.to_string());
            }
            Kind::Sync(sync) => {
                for batch in sync.tables.experiments() {
                    self.number(batch.data.len() as u64);
                }
            }
            _ => {}
        }
    }

    fn number(&mut self, number: u64) {
        self.sum = (self.sum.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        text.bytes().for_each(|byte| self.number(u64::from(byte)));
    }
}
