use std::cell::Cell;

use proptest::collection::vec;
use proptest::prelude::*;
use trace_format::{BatchHeader, Version};

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../../tests/support/hostile.rs"]
mod hostile;
#[path = "../../tests/support/made.rs"]
mod made;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../../tests/support/slow.rs"]
mod slow;

use super::*;
use crate::generation::Generations;
use crate::raw::{Item, Payload, RawEvent, RawReader, RawWriter};

/// How the next event is found.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// As Go's reader does it: everybody is tried again, each time.
    Tried,
    /// Workers that wait are parked.
    Parked,
    /// The first, for some time.
    Both,
}

/// What comes of reading a trace.
#[derive(Debug, Default)]
struct Read {
    /// The events in their order: when each happened, on which worker, and what it was.
    events: Vec<String>,
    /// How many times one was tried in vain, or parked.
    vain: u64,
    trouble: Option<ReadError>,
}

impl Read {
    /// The first event that is not the same.
    fn differs<'r>(
        &'r self,
        other: &'r Self,
    ) -> Option<(usize, Option<&'r String>, Option<&'r String>)> {
        let most = self.events.len().max(other.events.len());
        let at = |at| (at, self.events.get(at), other.events.get(at));
        (0..most).map(at).find(|(_, one, other)| one != other)
    }
}

fn read(trace: &[u8], way: Way) -> Read {
    let mut merge = Merge::new(Box::new(Generation::new(Version::Go126)));
    let mut read = Read::default();
    for generation in Generations::new(trace).expect("it is a trace") {
        merge.close();
        merge.open(Box::new(generation));
        match way {
            Way::Tried => merge.tries = 1 << 40,
            Way::Parked => merge.tries = 0,
            Way::Both => {}
        }
        let patience = merge.tries + merge.parked.patience;
        while merge.tell() {
            read.events.push(format!("{:?}", merge.step()));
        }
        read.vain += patience - merge.tries - merge.parked.patience;
        read.trouble = merge.take_trouble();
        if read.trouble.is_some() {
            break;
        }
    }
    read
}

/// The trace with other clocks: no two workers' events are of the same nanosecond, and
/// each worker's clock goes at its own speed.
fn skewed(trace: &[u8], speeds: &[u64]) -> Vec<u8> {
    let mut reader = RawReader::new(trace).expect("it is a trace");
    let mut writer = RawWriter::new(Vec::new(), reader.version()).expect("memory takes it");
    while let Some(item) = reader.next_item().expect("it is whole") {
        let Item::Batch(batch) = &item else {
            writer.item(&item).expect("memory takes it");
            continue;
        };
        let header = &batch.head().header;
        let worker = header.thread % 1009;
        let speed = (speeds[worker as usize % speeds.len()]) << 16;
        let timed = |event: &Result<RawEvent<'_>, _>| match event {
            Ok(event) => event.dt().is_some(),
            Err(_) => false,
        };
        if !batch.events().next().as_ref().is_some_and(timed) {
            writer.item(&item).expect("memory takes it");
            continue;
        }
        let mut payload = Payload::new();
        for event in batch.events() {
            let event = event.expect("it is whole");
            let dt = event.dt().expect("it is of a worker") * speed;
            let numbers: Vec<u64> = std::iter::once(dt)
                .chain(event.args().iter().copied())
                .collect();
            payload.event(event.kind, &numbers);
        }
        let header = BatchHeader {
            time: header.time * speed + (worker << 6),
            ..*header
        };
        writer.batch(&header, &payload).expect("memory takes it");
    }
    writer.into_inner()
}

/// Workers that wait for each other are read in time, and in the order of Go's reader.
#[test]
fn workers_that_wait_for_each_other() {
    for (name, trace) in slow::reversed(20_000) {
        let trace = skewed(&trace, &[1]);
        let [tried, parked] = [Way::Tried, Way::Parked].map(|way| read(&trace, way));
        assert!(tried.trouble.is_none(), "{name}: {:?}", tried.trouble);
        assert!(parked.trouble.is_none(), "{name}: {:?}", parked.trouble);
        assert_eq!(tried.differs(&parked), None, "{name}");
        let workers = 20_000 / 40;
        // Nearly all are tried each time, or each is parked once or twice.
        assert!(tried.vain > 50 * workers, "{name}: {}", tried.vain);
        assert!(parked.vain < 3 * workers, "{name}: {}", parked.vain);
    }
    for (name, trace) in slow::reversed(400_000) {
        let both = read(&trace, Way::Both);
        assert!(both.trouble.is_none(), "{name}: {:?}", both.trouble);
        assert!(both.events.len() > 20_000, "{name}");
    }
}

/// Of traces with wrong clocks: as many as can be read are, in the same order either way.
#[test]
fn the_next_event_is_the_same_either_way() {
    let config = ProptestConfig {
        failure_persistence: None,
        // One in four is not whole.
        max_global_rejects: u32::MAX,
        ..ProptestConfig::default()
    };
    let (was_read, has_waited) = (Cell::new(0), Cell::new(0));
    proptest!(config, |(
        choices in vec(any::<u8>(), 100..2_000),
        speeds in vec(prop_oneof![Just(1u64), 1u64..8], 1..5),
    )| {
        let made = made::trace(&choices);
        prop_assume!(made.is_whole);
        let trace = skewed(&made.bytes, &speeds);
        let [tried, parked] = [Way::Tried, Way::Parked].map(|way| read(&trace, way));
        if tried.trouble.is_none() {
            was_read.update(|count| count + 1);
            has_waited.update(|count| count + u64::from(tried.vain > 0));
            prop_assert!(parked.trouble.is_none(), "{:?}", parked.trouble);
            prop_assert_eq!(tried.differs(&parked), None);
        }
    });
    let (was_read, has_waited) = (was_read.get(), has_waited.get());
    assert!(
        was_read > 100 && has_waited > 10,
        "{was_read} were read, {has_waited} with a wait"
    );
}
