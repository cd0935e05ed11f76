//! What the raw layer refuses: each error once, with its place and its words.

mod support;

use support::found::read;
use support::{Payload, THREAD, one_batch, push};
use trace_format::limits::MAX_BATCH_SIZE;
use trace_format::version::{HEADER_LEN, HeaderError};
use trace_format::{EventKind, Version};
use trace_read::raw::RawReader;
use trace_read::{Place, ReadError};

#[test]
fn events_that_are_refused() {
    use EventKind::*;
    let payload = Payload::new;
    let strings = || payload().event(Strings, &[]);
    let stacks = || payload().event(Stacks, &[]);
    let mut overlong = payload().event(HeapAlloc, &[0]);
    overlong.0.extend([0xff; 10]);
    let mut unknown = payload().event(ProcStop, &[1]);
    unknown.0.push(0x7f);
    let mut text_cut = strings().string(1, "ok").string(2, "too short");
    text_cut.0.pop();
    let long = "x".repeat(1025);
    let frames = [[1, 1, 1, 1]; 129];

    // Version, payload, offset of the error in it, what its text must say.
    for (version, payload, offset, says) in [
        (26, unknown, 2, "no event has the code 0x7f"),
        (
            26,
            payload().event(Sync, &[]).event(Sync, &[]),
            1,
            "Sync may not stand",
        ),
        (
            26,
            strings().event(Strings, &[]),
            1,
            "Strings may not stand",
        ),
        (
            26,
            strings().event(GoDestroy, &[1]),
            1,
            "GoDestroy may not stand in a batch of strings",
        ),
        (
            26,
            stacks().string(1, "a"),
            1,
            "String may not stand in a batch of stacks",
        ),
        (
            26,
            payload().event(CPUSamples, &[]).stack(1, &[]),
            1,
            "batch of CPU samples",
        ),
        (
            26,
            payload().string(1, "a"),
            0,
            "String may not stand in a batch of events",
        ),
        (
            26,
            payload().event(ClockSnapshot, &[1, 1, 1, 1]),
            0,
            "in a batch of events",
        ),
        (
            26,
            payload().event(EndOfGeneration, &[]),
            0,
            "EndOfGeneration may not stand",
        ),
        (
            26,
            payload().event(Frequency, &[1]),
            0,
            "Frequency may not stand",
        ),
        (
            23,
            payload().event(Frequency, &[1]).event(GoDestroy, &[1]),
            2,
            "batch of clock data",
        ),
        (
            23,
            payload().event(Sync, &[]),
            0,
            "Sync may not stand in a batch of events",
        ),
        (26, overlong, 2, "does not fit in 64 bits"),
        (
            26,
            payload().event(GoBlock, &[1, 2]),
            0,
            "GoBlock does not end before its batch",
        ),
        (26, text_cut, 6, "String does not end before its batch"),
        (
            26,
            strings().string(9, &long),
            1,
            "string 9 has 1025 bytes: at most 1024",
        ),
        (
            26,
            stacks().stack(9, &frames),
            1,
            "stack 9 has 129 frames: at most 128",
        ),
        (
            26,
            stacks().event(Stack, &[9, 2, 1, 1, 1, 1]),
            1,
            "Stack does not end",
        ),
    ] {
        let version = Version::ALL
            .into_iter()
            .find(|v| *v as u8 == version)
            .unwrap();
        let (file, start) = one_batch(version, payload);
        let found = read(&file[..]);
        let [error] = &found.errors[..] else {
            panic!("{says}: {:?}", found.errors);
        };
        assert_eq!(
            error.place(),
            Place {
                offset: start + offset,
                generation: Some(1),
                thread: Some(THREAD)
            },
            "{error}"
        );
        assert!(error.to_string().contains(says), "{error}");
        // The events before it were found all the same. A number's own place is
        // past the start of its event.
        let event = match error {
            ReadError::NumberTooLarge { .. } => start,
            _ => start + offset,
        };
        assert_eq!(found.events.last().map_or(start, |event| event.1), event);
    }
}

#[test]
fn limits_are_inclusive() {
    let long = "x".repeat(1024);
    let (file, _) = one_batch(
        Version::Go126,
        Payload::new()
            .event(EventKind::Strings, &[])
            .string(1, &long),
    );
    assert!(read(&file[..]).errors.is_empty());
    let (file, _) = one_batch(
        Version::Go126,
        Payload::new()
            .event(EventKind::Stacks, &[])
            .stack(1, &[[u64::MAX; 4]; 128]),
    );
    assert!(read(&file[..]).errors.is_empty());
    let mut largest = Payload::new();
    while largest.0.len() < MAX_BATCH_SIZE {
        largest = largest.event(EventKind::ProcStop, &[1]);
    }
    let (file, _) = one_batch(Version::Go126, largest);
    let found = read(&file[..]);
    assert!(found.errors.is_empty());
    assert_eq!(found.events.len(), MAX_BATCH_SIZE / 2);
}

/// A batch header with these numbers after the kind, nothing else checked.
fn header(numbers: &[u64]) -> Vec<u8> {
    let mut bytes = vec![EventKind::EventBatch as u8];
    for &number in numbers {
        push(&mut bytes, number);
    }
    bytes
}

#[test]
fn framing_that_is_refused() {
    let mut overlong = header(&[1]);
    overlong.extend([0x80; 10]);
    let first = || header(&[5, THREAD, 0, 0]);
    // Version, what follows the header, offset of the error after it, its text.
    for (version, bytes, offset, says) in [
        (
            26,
            vec![0x7f],
            0,
            "a batch should start here, not the byte 0x7f",
        ),
        (
            26,
            vec![EventKind::GoStart as u8],
            0,
            "not the event GoStart",
        ),
        (
            26,
            vec![EventKind::EndOfGeneration as u8],
            0,
            "without having a single batch",
        ),
        (
            25,
            vec![EventKind::EndOfGeneration as u8],
            0,
            "came with go 1.26",
        ),
        (26, overlong, 2, "does not fit in 64 bits"),
        (
            26,
            header(&[1, 2, 3, 65_537]),
            0,
            "a batch of 65537 bytes: at most 65536",
        ),
        (
            26,
            header(&[1, 2, 3, u64::MAX]),
            0,
            "a batch of 18446744073709551615 bytes",
        ),
        (
            26,
            header(&[0, 2, 3, 0]),
            0,
            "generation 0: generations count from 1",
        ),
        (
            26,
            [first(), header(&[6, 2, 3, 0])].concat(),
            5,
            "generation 5 has not been ended",
        ),
        (
            25,
            [first(), header(&[7, 2, 3, 0])].concat(),
            5,
            "the one before is of generation 5",
        ),
        (
            25,
            [first(), header(&[4, 2, 3, 0])].concat(),
            5,
            "the one before is of generation 5",
        ),
        (26, first(), 5, "without the mark that ends the generation"),
    ] {
        let version = Version::ALL
            .into_iter()
            .find(|v| *v as u8 == version)
            .unwrap();
        let file = [&version.header()[..], &bytes].concat();
        let found = read(&file[..]);
        let [error] = &found.errors[..] else {
            panic!("{says}: {:?}", found.errors);
        };
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(error.place().offset, HEADER_LEN as u64 + offset, "{error}");
    }
    // What the same rules allow: among it events newer than the version.
    let newer = Payload::new()
        .event(EventKind::GoSwitch, &[1, 2, 3])
        .event(EventKind::SpanFree, &[1, 2]);
    let found = read(&one_batch(Version::Go122, newer).0[..]);
    assert_eq!((found.errors.len(), found.events.len()), (0, 2));
    let experiment = [EventKind::ExperimentalBatch as u8, 1, 5, 1, 0, 0].to_vec();
    let mark = vec![EventKind::EndOfGeneration as u8];
    for (version, bytes) in [
        (
            Version::Go126,
            [first(), mark.clone(), header(&[3, 2, 3, 0]), mark].concat(),
        ),
        (
            Version::Go125,
            [first(), header(&[5, 2, 3, 0]), header(&[6, 2, 3, 0])].concat(),
        ),
        (Version::Go122, experiment),
    ] {
        let file = [&version.header()[..], &bytes].concat();
        assert!(read(&file[..]).errors.is_empty());
    }
}

#[test]
fn files_that_are_not_traces() {
    for (bytes, says) in [
        (&b"\x7fELF"[..], "byte 0: not an execution trace"),
        (
            b"#!/bin/sh\necho and more",
            "byte 0: not an execution trace",
        ),
        (
            b"go 1.21 trace\0\0\0rest",
            "a trace of the v1 format (go 1.21)",
        ),
        (
            b"go 1.99 trace\0\0\0rest",
            "version go 1.99, which is not known",
        ),
        (
            b"go 1.26 tra",
            "byte 11: the file is cut off: it ends inside the file header",
        ),
        (b"", "byte 0: the file is cut off"),
    ] {
        let found = read(bytes);
        let [error] = &found.errors[..] else {
            panic!("{says}: {:?}", found.errors);
        };
        assert!(error.to_string().contains(says), "{error}");
    }
    assert!(matches!(
        RawReader::new(&b"not a trace, just text"[..]),
        Err(ReadError::Header(HeaderError::NotATrace))
    ));
}
