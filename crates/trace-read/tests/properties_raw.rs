//! Files made of any events at all, written and read: as bytes with short
//! numbers, as bytes with padded ones, as text, and cut off.
//!
//! The files are made twice, by `RawWriter` and by a few lines here that share
//! nothing with it. Every batch of events holds every kind of event that the
//! version has. `PROPTEST_CASES` sets how many cases are tried. A failure prints
//! its smallest case, which then becomes a unit test; no file of regressions is
//! kept.

use std::fmt::Write;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use trace_format::limits::{MAX_FRAMES_PER_STACK, MAX_STRING_SIZE};
use trace_format::{BatchHeader, EventKind, Version};
use trace_read::raw::{Item, Payload, RawReader, RawWriter, Section, StackFrame};
use trace_read::{ReadError, text};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

/// An event, its time difference the first of the numbers if it is timed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    kind: EventKind,
    numbers: Vec<u64>,
    text: Vec<u8>,
    frames: Vec<StackFrame>,
}

#[derive(Clone, Debug)]
struct Batch {
    thread: u64,
    time: u64,
    holds: Holds,
}

#[derive(Clone, Debug)]
enum Holds {
    Entries(Section, Vec<Entry>),
    Experiment(u8, Vec<u8>),
}

#[derive(Clone, Debug)]
struct File {
    version: Version,
    first: u64,
    generations: Vec<Vec<Batch>>,
}

/// A number of any width, each width as likely as another.
fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64u32).prop_map(|(bits, shift)| bits >> shift)
}

/// An event of this kind, which is nothing but its numbers.
fn numbers_of(kind: EventKind) -> impl Strategy<Value = Entry> {
    let count = kind.args().len() + usize::from(kind.is_timed());
    vec(number(), count).prop_map(move |numbers| Entry {
        kind,
        numbers,
        text: Vec::new(),
        frames: Vec::new(),
    })
}

fn marker(kind: EventKind) -> Entry {
    Entry {
        kind,
        numbers: Vec::new(),
        text: Vec::new(),
        frames: Vec::new(),
    }
}

/// One of every kind that a thread's batch may hold, in any order.
fn events(version: Version) -> BoxedStrategy<Holds> {
    let all = EventKind::ALL.iter().copied();
    let each: Vec<_> = all
        .filter(|kind| kind.is_timed() && *kind != EventKind::ClockSnapshot)
        .filter(|kind| kind.since() <= version)
        .map(numbers_of)
        .collect();
    each.prop_shuffle()
        .prop_map(|entries| Holds::Entries(Section::Events, entries))
        .boxed()
}

fn strings() -> BoxedStrategy<Holds> {
    let text = prop_oneof![
        any::<String>().prop_map(String::into_bytes),
        vec(any::<u8>(), 0..40),
        (any::<u8>(), MAX_STRING_SIZE - 3..=MAX_STRING_SIZE)
            .prop_map(|(byte, len)| vec![byte; len]),
    ];
    let entry = (number(), text).prop_map(|(id, mut text)| {
        text.truncate(MAX_STRING_SIZE);
        Entry {
            numbers: vec![id],
            text,
            ..marker(EventKind::String)
        }
    });
    let table = vec(entry, 0..8);
    table
        .prop_map(|entries| section(Section::Strings, Some(EventKind::Strings), entries))
        .boxed()
}

fn frame() -> impl Strategy<Value = StackFrame> {
    [number(), number(), number(), number()].prop_map(|[pc, function, file, line]| StackFrame {
        pc,
        function,
        file,
        line,
    })
}

fn stacks() -> BoxedStrategy<Holds> {
    let count = prop_oneof![5 => 0..4usize, 1 => Just(MAX_FRAMES_PER_STACK)];
    let frames = count.prop_flat_map(|count| vec(frame(), count));
    let entry = (number(), frames).prop_map(|(id, frames)| Entry {
        numbers: vec![id, frames.len() as u64],
        frames,
        ..marker(EventKind::Stack)
    });
    let table = vec(entry, 0..6);
    table
        .prop_map(|entries| section(Section::Stacks, Some(EventKind::Stacks), entries))
        .boxed()
}

fn samples() -> BoxedStrategy<Holds> {
    vec(numbers_of(EventKind::CPUSample), 0..8)
        .prop_map(|entries| section(Section::CpuSamples, Some(EventKind::CPUSamples), entries))
        .boxed()
}

fn clocks(version: Version) -> BoxedStrategy<Holds> {
    let frequency = numbers_of(EventKind::Frequency);
    if !version.has_sync_batch() {
        // The first event says what the batch is, so there has to be one.
        return vec(frequency, 1..3)
            .prop_map(|entries| section(Section::Sync, None, entries))
            .boxed();
    }
    let entry = prop_oneof![frequency, numbers_of(EventKind::ClockSnapshot)];
    vec(entry, 0..4)
        .prop_map(|entries| section(Section::Sync, Some(EventKind::Sync), entries))
        .boxed()
}

fn experiments() -> BoxedStrategy<Holds> {
    (1..=255u8, vec(any::<u8>(), 0..60))
        .prop_map(|(id, data)| Holds::Experiment(id, data))
        .boxed()
}

fn section(section: Section, first: Option<EventKind>, entries: Vec<Entry>) -> Holds {
    let first = first.map(marker).into_iter();
    Holds::Entries(section, first.chain(entries).collect())
}

fn batch(version: Version) -> impl Strategy<Value = Batch> {
    let holds = prop_oneof![
        2 => events(version),
        1 => Just(Holds::Entries(Section::Events, Vec::new())),
        1 => strings(),
        1 => stacks(),
        1 => samples(),
        1 => clocks(version),
        1 => experiments(),
    ];
    // Times that make no sense are the layer's above to refuse.
    let time = prop_oneof![4 => number(), 1 => u64::MAX - 1000..=u64::MAX];
    (number(), time, holds).prop_map(|(thread, time, holds)| Batch {
        thread,
        time,
        holds,
    })
}

fn file() -> impl Strategy<Value = File> {
    let version = prop_oneof![3 => Just(Version::Go126), 1 => select(&Version::ALL[..])];
    version.prop_flat_map(|version| {
        let generations = vec(vec(batch(version), 1..4), 0..4);
        // Room for those that follow.
        let first = number().prop_map(|number| number.clamp(1, u64::MAX - 4));
        (first, generations).prop_map(move |(first, generations)| File {
            version,
            first,
            generations,
        })
    })
}

/// How many groups of seven bits each number gets on top of those that it needs.
type Padding = Vec<usize>;

fn padding() -> impl Strategy<Value = Padding> {
    let none = Just(vec![0]);
    let groups = prop_oneof![3 => Just(0usize), 1 => 1..12usize];
    prop_oneof![1 => none, 3 => vec(groups, 1..50)]
}

/// Appends numbers, padded in turn.
struct Encoder<'p> {
    bytes: Vec<u8>,
    padding: std::iter::Cycle<std::slice::Iter<'p, usize>>,
}

impl<'p> Encoder<'p> {
    fn new(padding: &'p Padding) -> Self {
        Self {
            bytes: Vec::new(),
            padding: padding.iter().cycle(),
        }
    }

    fn number(&mut self, mut value: u64) {
        let mut groups = vec![(value % 128) as u8];
        while value >= 128 {
            value /= 128;
            groups.push((value % 128) as u8);
        }
        let padded = groups.len() + self.padding.next().copied().unwrap_or(0);
        groups.resize(padded.min(10), 0);
        let last = groups.len() - 1;
        groups[..last].iter_mut().for_each(|group| *group += 128);
        self.bytes.extend(groups);
    }

    fn numbers(&mut self, numbers: impl IntoIterator<Item = u64>) {
        numbers.into_iter().for_each(|number| self.number(number));
    }

    fn entry(&mut self, entry: &Entry) {
        self.bytes.push(entry.kind as u8);
        self.numbers(entry.numbers.iter().copied());
        if entry.kind == EventKind::String {
            self.number(entry.text.len() as u64);
            self.bytes.extend(&entry.text);
        }
        for frame in &entry.frames {
            self.numbers([frame.pc, frame.function, frame.file, frame.line]);
        }
    }
}

impl File {
    /// The bytes, without the help of the project.
    fn encode(&self, padding: &Padding) -> Vec<u8> {
        let mut bytes = format!("go 1.{} trace", self.version as u8).into_bytes();
        bytes.extend([0; 3]);
        let mut file = Encoder::new(padding);
        file.bytes = bytes;
        for (number, batches) in (self.first..).zip(&self.generations) {
            for batch in batches {
                let mut payload = Encoder::new(padding);
                match &batch.holds {
                    Holds::Entries(_, entries) => {
                        file.bytes.push(1);
                        entries.iter().for_each(|entry| payload.entry(entry));
                    }
                    Holds::Experiment(id, data) => {
                        file.bytes.extend([49, *id]);
                        payload.bytes.extend(data);
                    }
                }
                let size = payload.bytes.len() as u64;
                file.numbers([number, batch.thread, batch.time, size]);
                file.bytes.extend(payload.bytes);
            }
            if self.version == Version::Go126 {
                file.bytes.push(52);
            }
        }
        file.bytes
    }

    /// The bytes as `RawWriter` writes them.
    fn write(&self) -> Vec<u8> {
        let mut writer = RawWriter::new(Vec::new(), self.version).expect("memory takes it");
        for (generation, batches) in (self.first..).zip(&self.generations) {
            for batch in batches {
                let header = BatchHeader {
                    generation,
                    thread: batch.thread,
                    time: batch.time,
                };
                let mut payload = Payload::new();
                let written = match &batch.holds {
                    Holds::Experiment(id, data) => writer.experiment(*id, &header, data),
                    Holds::Entries(_, entries) => {
                        for entry in entries {
                            match entry.kind {
                                EventKind::String => payload.string(entry.numbers[0], &entry.text),
                                EventKind::Stack => payload.stack(entry.numbers[0], &entry.frames),
                                kind => payload.event(kind, &entry.numbers),
                            };
                        }
                        writer.batch(&header, &payload)
                    }
                };
                written.expect("memory takes it");
            }
            if self.version.has_end_of_generation() {
                writer.end_of_generation().expect("memory takes it");
            }
        }
        writer.into_inner()
    }

    /// The lines of its text that are not data in quotation marks.
    fn lines(&self) -> String {
        let mut text = format!("Trace Go1.{}\n", self.version as u8);
        for (number, batches) in (self.first..).zip(&self.generations) {
            for batch in batches {
                let (thread, time) = (batch.thread, batch.time);
                let _ = match &batch.holds {
                    Holds::Experiment(id, _) => writeln!(
                        text,
                        "ExperimentalBatch exp={id} gen={number} m={thread} time={time}"
                    ),
                    Holds::Entries(_, entries) => {
                        let mut payload = Encoder::new(const { &Vec::new() });
                        entries.iter().for_each(|entry| payload.entry(entry));
                        let size = payload.bytes.len();
                        let _ = writeln!(
                            text,
                            "EventBatch gen={number} m={thread} time={time} size={size}"
                        );
                        entries.iter().for_each(|entry| entry.lines(&mut text));
                        Ok(())
                    }
                };
            }
            if self.version == Version::Go126 {
                text.push_str("EndOfGeneration\n");
            }
        }
        text
    }
}

impl Entry {
    fn lines(&self, text: &mut String) {
        text.push_str(self.kind.name());
        let dt = self.kind.is_timed().then(|| "dt".to_owned());
        let args = self.kind.args().iter();
        let args = args.map(|arg| format!("{}{}", arg.name, text::suffix(arg)));
        for (name, value) in dt.into_iter().chain(args).zip(&self.numbers) {
            let _ = write!(text, " {name}={value}");
        }
        for frame in &self.frames {
            let StackFrame {
                pc,
                function,
                file,
                line,
            } = frame;
            let _ = write!(text, "\n\tpc={pc} func={function} file={file} line={line}");
        }
        text.push('\n');
    }
}

/// Reads a file and compares it with what was put into it, as far as it goes: the
/// batches and marks that were whole, and the error that reading ended with.
fn compare(file: &File, bytes: &[u8]) -> Result<(usize, Option<ReadError>), TestCaseError> {
    let mut reader = match RawReader::new(bytes) {
        Ok(reader) => reader,
        Err(error) => return Ok((0, Some(error))),
    };
    prop_assert_eq!(reader.version(), file.version);
    let mut again = RawWriter::new(Vec::new(), file.version).expect("memory takes it");
    let mut whole = 0;
    for (number, batches) in (file.first..).zip(&file.generations) {
        for batch in batches {
            let item = match reader.next_item() {
                Ok(Some(item)) => item,
                Ok(None) => return Ok((whole, None)),
                Err(error) => return Ok((whole, Some(error))),
            };
            again.item(&item).expect("memory takes it");
            let Item::Batch(found) = item else {
                return Err(TestCaseError::fail("a mark stands for a batch"));
            };
            whole += usize::from(found.head().missing == 0);
            compare_batch(number, batch, &found)?;
        }
        if file.version.has_end_of_generation() {
            match reader.next_item() {
                Ok(Some(item @ Item::EndOfGeneration(mark))) => {
                    prop_assert_eq!(mark.generation, number);
                    again.item(&item).expect("memory takes it");
                    whole += 1;
                }
                Ok(other) => prop_assert!(false, "{:?} stands for a mark", other),
                Err(error) => return Ok((whole, Some(error))),
            }
        }
    }
    match reader.next_item() {
        Ok(None) => {}
        Ok(Some(item)) => prop_assert!(false, "{:?} is too much", item),
        Err(error) => return Ok((whole, Some(error))),
    }
    prop_assert_eq!(reader.offset(), bytes.len() as u64);
    prop_assert!(again.into_inner() == bytes, "written back differently");
    Ok((whole, None))
}

fn compare_batch(
    number: u64,
    batch: &Batch,
    found: &trace_read::raw::Batch<'_>,
) -> Result<(), TestCaseError> {
    let header = BatchHeader {
        generation: number,
        thread: batch.thread,
        time: batch.time,
    };
    let head = found.head();
    prop_assert_eq!(head.header, header);
    let cut = head.missing > 0;
    let (section, entries) = match &batch.holds {
        Holds::Experiment(id, data) => {
            prop_assert_eq!(head.experiment, Some(*id));
            prop_assert_eq!(head.section, Section::Experiment);
            prop_assert!(data.starts_with(found.payload()));
            prop_assert_eq!(
                data.len() as u32,
                found.payload().len() as u32 + head.missing
            );
            prop_assert_eq!(found.events().count(), 0);
            return Ok(());
        }
        Holds::Entries(section, entries) => (*section, entries),
    };
    // Of a batch without its first byte nobody knows what it holds.
    if !cut || !found.payload().is_empty() {
        prop_assert_eq!(head.section, section);
    }
    let mut time = batch.time;
    let mut payload = Payload::new();
    let mut expected = entries.iter();
    for event in found.events() {
        let event = event.map_err(|error| TestCaseError::fail(error.to_string()))?;
        let Some(entry) = expected.next() else {
            return Err(TestCaseError::fail("an event too many"));
        };
        let dt = entry.kind.is_timed().then(|| entry.numbers[0]);
        let args = &entry.numbers[usize::from(dt.is_some())..];
        time = time.wrapping_add(dt.unwrap_or(0));
        prop_assert_eq!(event.kind, entry.kind);
        prop_assert_eq!(event.dt(), dt);
        prop_assert_eq!(event.args(), args, "{}", entry.kind.name());
        let named: Vec<u64> = event.named_args().map(|(_, value)| value).collect();
        prop_assert_eq!(&named, args);
        prop_assert_eq!(event.text(), &entry.text[..]);
        prop_assert_eq!(&event.frames().collect::<Vec<_>>(), &entry.frames);
        let when = match entry.kind {
            EventKind::CPUSample => Some(args[0]),
            _ => dt.map(|_| time),
        };
        prop_assert_eq!(event.time(), when, "{}", entry.kind.name());
        payload.copy(&event);
    }
    if cut {
        prop_assert!(found.payload().starts_with(payload.bytes()));
    } else {
        prop_assert_eq!(expected.next(), None, "an event is missing");
        prop_assert_eq!(payload.bytes(), found.payload());
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(200))]

    /// What is written is what is read, also with numbers that are longer than
    /// they have to be, and it is written back byte for byte.
    #[test]
    fn bytes_come_back(file in file(), padding in padding()) {
        let short = file.encode(&vec![0]);
        prop_assert!(file.write() == short, "written in another way");
        for bytes in [short, file.encode(&padding)] {
            let (_, error) = compare(&file, &bytes)?;
            prop_assert!(error.is_none(), "{error:?}");
        }
    }

    /// The text says what is in the file, and it is the text of the same bytes,
    /// once their numbers are as short as they can be.
    #[test]
    fn text_comes_back(file in file(), padding in padding()) {
        let text = text::from_bytes(&file.encode(&padding));
        let text = text.map_err(|error| TestCaseError::fail(error.to_string()))?;
        let data = |line: &&str| !line.starts_with("\tdata=");
        let lines: String = text.split_inclusive('\n').filter(data).collect();
        prop_assert_eq!(lines, file.lines());
        let bytes = text::to_bytes(&text);
        let bytes = bytes.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert!(bytes == file.encode(&vec![0]), "the text means another file");
    }

    /// A file that ends too early is read up to there, and the cut is noticed
    /// wherever a file of its version cannot end.
    #[test]
    fn cuts_are_noticed(file in file(), padding in padding(), at in any::<Index>()) {
        let bytes = file.encode(&padding);
        let cut = &bytes[..at.index(bytes.len())];
        let (whole, error) = compare(&file, cut)?;
        let ends = ends_of_items(&bytes);
        prop_assert_eq!(whole, ends[1..].iter().filter(|end| **end <= cut.len()).count());
        match error {
            // It looks like a file that never was longer: behind its header or a
            // mark, or in an older version behind a batch.
            None => prop_assert!(ends.contains(&cut.len())),
            Some(ReadError::CutOff { at, .. }) => {
                prop_assert!(!ends.contains(&cut.len()));
                prop_assert_eq!(at.offset, cut.len() as u64);
            }
            Some(ReadError::MissingEnd { at }) => {
                prop_assert!(file.version.has_end_of_generation());
                prop_assert_eq!(at.offset, cut.len() as u64);
            }
            Some(other) => prop_assert!(false, "{}", other),
        }
    }
}

/// Where in a whole file its header, its batches and its marks end.
fn ends_of_items(bytes: &[u8]) -> Vec<usize> {
    let mut reader = RawReader::new(bytes).expect("it is whole");
    let mut ends = vec![reader.offset() as usize];
    while reader.next_item().expect("it is whole").is_some() {
        ends.push(reader.offset() as usize);
    }
    ends
}
