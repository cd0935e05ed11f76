//! The raw layer: what it yields, and that it loses nothing.

mod support;

use std::io::{self, Read};

use support::found::read;
use support::{FREQUENCY, Payload, THREAD, Trace, damaged, one_batch, sample};
use trace_format::limits::{MAX_BATCH_SIZE, NO_THREAD};
use trace_format::version::HEADER_LEN;
use trace_format::{EventKind, Shape, Version};
use trace_read::raw::{Head, Item, RawReader, Section, StackFrame};
use trace_read::{CutIn, ReadError};

#[test]
fn nothing_is_lost() {
    let made = Version::ALL.map(|version| (version, sample(version)));
    let recorded = (
        Version::Go126,
        include_bytes!("traces/stacks.trace").to_vec(),
    );
    for (version, file) in made.into_iter().chain([recorded]) {
        let mut rebuilt = version.header().to_vec();
        let mut reader = RawReader::new(&file[..]).unwrap();
        assert_eq!(reader.version(), version);
        while let Some(item) = reader.next_item().unwrap() {
            let Item::Batch(batch) = item else {
                rebuilt.push(EventKind::EndOfGeneration as u8);
                continue;
            };
            let header_len = batch.bytes().len() - batch.payload().len();
            rebuilt.extend_from_slice(&batch.bytes()[..header_len]);
            if batch.head().section == Section::Experiment {
                rebuilt.extend_from_slice(batch.payload());
            }
            for event in batch.events() {
                let event = event.unwrap();
                assert_eq!(event.offset, rebuilt.len() as u64);
                rebuilt.extend_from_slice(event.bytes);
            }
        }
        assert_eq!(reader.offset(), file.len() as u64);
        assert!(rebuilt == file, "{version}");
    }
}

#[test]
fn a_sample_says_what_was_written() {
    let file = sample(Version::Go126);
    let mut reader = RawReader::new(&file[..]).unwrap();
    let mut sections = Vec::new();
    let mut marks = Vec::new();
    let mut timed = Vec::new();
    while let Some(item) = reader.next_item().unwrap() {
        let batch = match item {
            Item::Batch(batch) => batch,
            Item::EndOfGeneration(mark) => {
                marks.push(mark.generation);
                continue;
            }
        };
        let head = batch.head();
        if head.header.generation == 1 {
            sections.push((head.header.thread, head.section));
        }
        assert_eq!(
            batch.bytes(),
            &file[head.offset as usize..][..head.len()],
            "bytes at the offset"
        );
        for event in batch.events().map(Result::unwrap) {
            match (event.kind, event.args()) {
                (EventKind::String, &[3]) => {
                    assert_eq!(event.text(), b"chan receive");
                }
                (EventKind::Stack, &[1, 2]) => assert_eq!(
                    event.frames().collect::<Vec<_>>(),
                    [(0x10, 3), (0x2000, 300)].map(|(pc, line)| StackFrame {
                        pc,
                        function: 1,
                        file: 2,
                        line
                    })
                ),
                (EventKind::Stack, args) => {
                    assert_eq!((args, event.frames().count()), (&[2, 0][..], 0));
                }
                (EventKind::CPUSample, args) => {
                    assert_eq!(event.time(), Some(args[0]));
                    assert_eq!(event.dt(), None);
                    assert_eq!(args[1..], [THREAD, 0, 1, 1]);
                }
                _ => {}
            }
            if head.header.generation == 2 && event.kind.is_timed() {
                timed.push((event.kind, event.time().unwrap(), event.args().to_vec()));
            }
        }
    }
    assert_eq!(
        sections,
        [
            (NO_THREAD, Section::Sync),
            (THREAD, Section::Events),
            (THREAD, Section::Events),
            (NO_THREAD, Section::Strings),
            (NO_THREAD, Section::Stacks),
            (NO_THREAD, Section::CpuSamples),
            (THREAD, Section::Experiment),
        ]
    );
    assert_eq!(marks, [1, 2]);
    let start = 2 * FREQUENCY;
    assert_eq!(
        timed,
        [
            (
                EventKind::ClockSnapshot,
                start + 1,
                vec![5_000, 1_700_000_000, 17]
            ),
            (EventKind::ProcStatus, start + 10, vec![0, 1]),
            (EventKind::GoStatus, start + 11, vec![1, THREAD, 2]),
            (EventKind::GoCreate, start + 16, vec![2, 1, 1]),
            (EventKind::UserLog, start + 316, vec![0, 4, 5, 1]),
            (EventKind::GoBlock, start + 316, vec![3, 1]),
            (EventKind::GoStart, start + FREQUENCY / 2, vec![2, 1]),
            (EventKind::GoDestroy, start + FREQUENCY / 2, vec![]),
        ]
    );
}

/// Wherever a file is cut off: all that was whole is yielded, then one error
/// at the cut, or none where a shorter trace ends as well.
#[test]
fn cut_at_every_byte() {
    for version in Version::ALL {
        let file = sample(version);
        let whole = read(&file[..]);
        assert!(whole.errors.is_empty());
        let marks = file.len() - 1;
        for cut in 0..=file.len() {
            let found = read(&file[..cut]);
            let here = cut as u64;
            let before = |end: u64| end <= here;
            assert!(
                found
                    .events
                    .iter()
                    .eq(whole.events.iter().filter(|event| before(event.1))),
                "{version} cut at {cut}"
            );
            assert!(
                found
                    .items
                    .iter()
                    .eq(whole.items.iter().filter(|item| before(item.1))),
                "{version} cut at {cut}"
            );
            let between = cut == HEADER_LEN || whole.items.iter().any(|item| item.1 == here);
            let ends_well = match version.has_end_of_generation() {
                true => {
                    cut == HEADER_LEN
                        || cut == marks + 1
                        || whole
                            .items
                            .iter()
                            .any(|&(start, end)| end == here && start + 1 == end)
                }
                false => between,
            };
            match (&found.errors[..], ends_well) {
                ([], true) => {}
                ([error], false) => {
                    assert_eq!(error.place().offset, here, "{error}");
                    match error {
                        ReadError::MissingEnd { .. } => assert!(between),
                        ReadError::CutOff { inside, .. } => {
                            assert!(!between);
                            assert_eq!(*inside == CutIn::Header, cut < HEADER_LEN);
                        }
                        other => panic!("{version} cut at {cut}: {other}"),
                    }
                }
                (errors, _) => panic!("{version} cut at {cut}: {errors:?}"),
            }
        }
    }
}

/// Whatever the bytes: no panic, no endless loop, no offset outside the file.
#[test]
fn damaged_bytes() {
    let mut refused = 0;
    for version in Version::ALL {
        let file = sample(version);
        for seed in 0..2_000 {
            let bytes = damaged(&file, seed);
            let found = read(&bytes[..]);
            for error in &found.errors {
                assert!(error.place().offset <= bytes.len() as u64, "{error}");
            }
            let mut end = 0;
            for &(offset, event_end, _) in &found.events {
                assert!(end <= offset && offset < event_end);
                end = event_end;
            }
            assert!(end <= bytes.len() as u64);
            refused += usize::from(!found.errors.is_empty());
        }
    }
    assert!(refused > 2_000, "damage goes unnoticed: {refused}");
}

/// Experiment 0 is no experiment: such a batch holds events.
#[test]
fn experiment_zero_is_none() {
    let mut trace = Trace::new(Version::Go125);
    let payload = Payload::new().event(EventKind::ProcStop, &[1]);
    trace.experiment(0, 1, THREAD, 0, &payload.0);
    let found = read(&trace.bytes[..]);
    assert!(found.errors.is_empty());
    assert_eq!(found.events.len(), 1);
}

/// Hands out one byte at a time and is interrupted before each, then fails or
/// ends.
struct Halting<'a> {
    bytes: &'a [u8],
    interrupt: bool,
    fails: bool,
}

impl Read for Halting<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.interrupt = !self.interrupt;
        if self.interrupt {
            return Err(io::ErrorKind::Interrupted.into());
        }
        match self.bytes.split_first() {
            Some((&byte, rest)) => {
                out[0] = byte;
                self.bytes = rest;
                Ok(1)
            }
            None if self.fails => Err(io::ErrorKind::TimedOut.into()),
            None => Ok(0),
        }
    }
}

#[test]
fn slow_and_failing_input() {
    let file = sample(Version::Go126);
    let whole = read(&file[..]);
    let halting = |cut: usize, fails| {
        read(Halting {
            bytes: &file[..cut],
            interrupt: false,
            fails,
        })
    };
    let slow = halting(file.len(), false);
    assert!(slow.errors.is_empty());
    assert_eq!(slow.events, whole.events);
    for cut in 0..file.len() {
        let found = halting(cut, true);
        let [error @ ReadError::Io { .. }] = &found.errors[..] else {
            panic!("failing at {cut}: {:?}", found.errors);
        };
        assert_eq!(error.place().offset, cut as u64);
    }
}

/// A file without an end is read in bounded memory.
#[test]
fn endless_input() {
    let file = Version::Go126.header();
    let mut reader = RawReader::new(file.chain(io::repeat(1))).unwrap();
    let mut buffer = Vec::new();
    for _ in 0..100_000 {
        buffer.clear();
        // A batch of one byte, that is no event that may stand there.
        assert!(matches!(
            reader.read_into(&mut buffer),
            Ok(Some(Head::Batch(_)))
        ));
        assert!(buffer.capacity() <= 2 * MAX_BATCH_SIZE);
    }
}

/// Events in the middle of a batch and those at its end are read in two ways:
/// whatever the first byte and the lengths of the numbers, both come to the same.
#[test]
fn in_the_middle_and_at_the_end() {
    const LONG: [u8; 10] = [0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 1];
    let mut events = 0;
    for (version, code) in Version::ALL
        .into_iter()
        .flat_map(|version| (0..=u8::MAX).map(move |code| (version, code)))
    {
        let kind = EventKind::from_code(code);
        let timed = kind.is_some_and(EventKind::is_timed);
        let numbers = kind.map_or(0, |kind| kind.args().len() + usize::from(timed));
        if matches!(kind.map(EventKind::shape), Some(Shape::Data | Shape::Stack)) {
            continue;
        }
        for place in 0..numbers.max(1) {
            for length in 1..=LONG.len() {
                let mut bytes = vec![code];
                for number in 0..numbers {
                    let length = if number == place {
                        length
                    } else {
                        1 + number % 2
                    };
                    bytes.extend_from_slice(&LONG[LONG.len() - length..]);
                }
                let alone = said(version, bytes.clone());
                bytes.extend([EventKind::ProcStop as u8, 0].repeat(40));
                let followed = said(version, bytes);
                assert_eq!(alone.0, followed.0);
                if timed && alone.1 == 1 {
                    assert_eq!(followed.1, 41, "{}", alone.0);
                    events += 1;
                }
            }
        }
    }
    assert!(events > 4_000, "{events}");
}

/// What is said about the first event of a batch, and how many events there are.
fn said(version: Version, bytes: Vec<u8>) -> (String, usize) {
    let (file, start) = one_batch(version, Payload(bytes));
    let mut reader = RawReader::new(&file[..]).unwrap();
    let Ok(Some(Item::Batch(batch))) = reader.next_item() else {
        panic!("no batch");
    };
    let said = match batch.events().next().unwrap() {
        Ok(event) => {
            assert_eq!(event.offset, start);
            format!(
                "{:?} {:?} {:?} {:?} {:x?}",
                event.kind,
                event.dt(),
                event.time(),
                event.args(),
                event.bytes
            )
        }
        Err(error) => {
            let place = error.place().offset - batch.head().offset;
            let said = error.to_string();
            let (_, said) = said.split_once(": ").unwrap();
            format!(
                "{} {said}",
                place - (batch.bytes().len() - batch.payload().len()) as u64
            )
        }
    };
    (said, batch.events().filter(Result::is_ok).count())
}

/// A layer above may gather batches in one buffer and read them later.
#[test]
fn batches_gathered_in_one_buffer() {
    let file = sample(Version::Go126);
    let mut reader = RawReader::new(&file[..]).unwrap();
    let mut arena = Vec::new();
    let mut heads = Vec::new();
    loop {
        let start = arena.len();
        match reader.read_into(&mut arena).unwrap() {
            Some(Head::Batch(head)) => heads.push((head, start..arena.len())),
            Some(Head::EndOfGeneration(_)) => assert_eq!(start, arena.len()),
            None => break,
        }
    }
    let events: Vec<_> = heads
        .iter()
        .flat_map(|(head, range)| head.with_bytes(&arena[range.clone()]).events())
        .map(|event| event.unwrap().kind)
        .collect();
    assert!(
        read(&file[..])
            .events
            .iter()
            .map(|event| event.2)
            .eq(events)
    );
}
