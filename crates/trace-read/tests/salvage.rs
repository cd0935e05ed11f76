//! Files that are cut off or damaged: what there is comes first, then the error.

mod support;

use support::lines::{self, count};
use support::{Payload, THREAD, Trace, damaged, orderly};
use trace_format::limits::NO_THREAD;
use trace_format::{EventKind, Version};
use trace_read::raw::{Item, RawReader, Section};
use trace_read::{Kind, ReadError, Reader};

/// Where each generation of a file ends.
fn ends(file: &[u8]) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut before = None;
    let mut reader = RawReader::new(file).unwrap();
    while let Some(item) = reader.next_item().unwrap() {
        let (offset, generation) = match item {
            Item::EndOfGeneration(mark) => (mark.offset + 1, None),
            Item::Batch(batch) => {
                let head = batch.head();
                (head.offset, Some(head.header.generation))
            }
        };
        if before.is_some() && before != generation {
            ends.push(offset as usize);
        }
        before = generation;
    }
    if before.is_some() {
        ends.push(file.len());
    }
    ends
}

/// Where the tables end that stand before each generation's first event.
fn ends_of_tables(file: &[u8]) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut has_events = false;
    let mut reader = RawReader::new(file).unwrap();
    while let Some(item) = reader.next_item().unwrap() {
        match item {
            Item::EndOfGeneration(_) => has_events = false,
            Item::Batch(batch) => {
                let head = batch.head();
                has_events |= head.section == Section::Events;
                if !has_events {
                    ends.push(head.offset as usize + head.len());
                }
            }
        }
    }
    ends
}

/// How many events other than syncs there are, and whether there is an error.
fn salvage(file: &[u8]) -> (u64, u64, bool) {
    let mut reader = match Reader::new(file) {
        Ok(reader) => reader,
        Err(_) => return (0, 0, true),
    };
    let mut events = 0;
    loop {
        match reader.next_event() {
            Ok(Some(event)) => events += u64::from(!matches!(event.kind, Kind::Sync(_))),
            Ok(None) => return (events, reader.salvaged(), false),
            Err(_) => {
                assert!(matches!(reader.next_event(), Ok(None)), "after an error");
                return (events, reader.salvaged(), true);
            }
        }
    }
}

/// Cut anywhere, a file has all events of its complete generations and those of
/// the last one that are there.
#[test]
fn cut_at_every_byte() {
    for version in Version::ALL {
        let file = orderly(version);
        let ends = ends(&file);
        assert_eq!(ends.len(), 2);
        let tables = ends_of_tables(&file);
        let (all, _, failed) = salvage(&file);
        assert!(!failed);
        let mut most = 0;
        for cut in 0..file.len() {
            let (events, salvaged, failed) = salvage(&file[..cut]);
            let complete = ends.iter().filter(|&&end| end <= cut).count() as u64;
            assert!(events >= complete * all / 2, "{version} cut at {cut}");
            // Without end marks, a file may end between two batches.
            // With them, it may behind tables of a generation without events.
            let whole = ends.contains(&cut) || cut == 16 || tables.contains(&cut);
            if version.has_end_of_generation() {
                assert_eq!(failed, !whole, "{version} cut at {cut}");
                assert_eq!(
                    salvaged,
                    events - complete * all / 2,
                    "{version} cut at {cut}"
                );
            }
            if !failed {
                assert_eq!(salvaged, 0, "{version} cut at {cut}");
            }
            most = most.max(salvaged);
        }
        // With nothing lost but the end. A file without end marks then has none,
        // and one that ends in its last table lacks no event.
        assert_eq!(most, all / 2, "{version}");
    }
}

/// The last generation of a file that was cut off, its tables lost.
#[test]
fn tables_that_are_lost() {
    let file = orderly(Version::Go126);
    let mut reader = RawReader::new(&file[..]).unwrap();
    let mut batches = 0;
    // The clock's, then two of events.
    let cut = loop {
        if let Some(Item::Batch(batch)) = reader.next_item().unwrap() {
            let head = batch.head();
            batches += u64::from(head.header.generation == 2);
            if batches == 3 {
                break (head.offset + head.len() as u64) as usize;
            }
        }
    };
    let found = lines::read(&file[..cut]);
    let from = found
        .iter()
        .position(|line| line.contains("Sync 2"))
        .unwrap();
    let expected = format!(
        "\
2000000000 m- p- g- Sync 2 generation 2 clock 2000001000 5000
2000010000 m7 p0 g- p0 Running Running
2000011000 m7 p0 g- Metric /memory/classes/heap/objects:bytes 4096
2000016000 m7 p0 g- g1 Waiting Waiting
2000020000 m7 p0 g- g1 Waiting Runnable
2000021000 m7 p0 g- g1 Runnable Running
2000321000 m7 p0 g1 g1 Running Waiting
2000321001 m- p- g- Sync 3
error byte {cut}, generation 2: the file is cut off: it ends without the mark that \
         ends the generation"
    );
    assert_eq!(found[from..].join("\n"), expected);
}

/// Whatever the bytes are, reading ends, with at most one error.
#[test]
fn damaged_files() {
    let files = [
        orderly(Version::Go122),
        orderly(Version::Go125),
        orderly(Version::Go126),
        include_bytes!("traces/annotations.trace").to_vec(),
        include_bytes!("traces/stacks.trace").to_vec(),
    ];
    let mut failed = 0;
    for seed in 0..2_000 {
        let bytes = damaged(&files[seed as usize % files.len()], seed);
        let (events, error) = count(&bytes[..]);
        failed += u64::from(error.is_some());
        if let Some(error) = error {
            assert!(!error.to_string().is_empty());
            assert!(error.place().offset <= bytes.len() as u64, "{error}");
        }
        // Read ahead, it is the same.
        if seed % 16 == 0
            && let Ok(ahead) = Reader::ahead(std::io::Cursor::new(bytes))
        {
            let events_ahead = ahead.events().filter(Result::is_ok).count();
            assert_eq!(events_ahead as u64, events);
        }
    }
    assert!(
        failed > 500,
        "only {failed} of them were found to be damaged"
    );
}

/// A worker whose events end in nonsense does not keep the others from going on.
#[test]
fn one_worker_is_damaged() {
    let error = read_damaged(0xff);
    assert!(matches!(error, ReadError::UnknownEvent { code: 0xff, .. }));
    // An event that would go on in the next worker's batch.
    let error = read_damaged(EventKind::GoUnblock as u8);
    let kind = EventKind::GoUnblock;
    assert!(matches!(error, ReadError::PastBatchEnd { kind: found, .. } if found == kind));
}

/// Reads a trace in which a worker's batch ends with this byte.
fn read_damaged(code: u8) -> ReadError {
    let mut trace = Trace::new(Version::Go126);
    let sync = Payload::new()
        .event(EventKind::Sync, &[])
        .event(EventKind::Frequency, &[1_000_000_000])
        .event(EventKind::ClockSnapshot, &[1, 2, 3, 4]);
    trace.batch(1, NO_THREAD, 100, &sync);
    let mut broken = Payload::new().event(EventKind::ProcStatus, &[1, 0, 1]);
    broken.0.push(code);
    trace.batch(1, THREAD, 100, &broken);
    let mut whole = Payload::new().event(EventKind::ProcStatus, &[1, 1, 1]);
    for _ in 0..10 {
        whole = whole.event(EventKind::HeapAlloc, &[1, 5]);
    }
    trace.batch(1, THREAD + 1, 100, &whole);
    trace.end(Version::Go126);

    let mut reader = Reader::new(&trace.bytes[..]).unwrap();
    let mut events = 0;
    let error = loop {
        match reader.next_event() {
            Ok(event) => events += u64::from(event.is_some()),
            Err(error) => break error,
        }
    };
    assert_eq!(events, 1 + 1 + 11);
    assert_eq!(reader.salvaged(), 12);
    assert_eq!(reader.generations(), 1);
    assert_eq!(error.place().thread, Some(THREAD));
    error
}
