//! Recordings of Go programs: as many events of each kind as Go's reader finds.

mod support;

use std::collections::HashSet;

use trace_read::{Kind, Reader};

/// What the files beside the recordings say, in their words.
fn counts(name: &str, mut reader: Reader<&'static [u8]>) -> String {
    let mut by_kind = [0u64; Kind::NAMES.len()];
    let mut tasks = HashSet::new();
    let mut with_stack = 0;
    while let Some(event) = reader.next_event().unwrap() {
        by_kind[event.kind.index()] += 1;
        tasks.extend(event.task);
        with_stack += u64::from(!event.stack.is_empty());
    }
    assert_eq!(reader.salvaged(), 0);
    assert_eq!(reader.generation(), None);
    assert_eq!(reader.generations() + 1, by_kind[0]);
    let mut found: Vec<_> = Kind::NAMES.into_iter().zip(by_kind).collect();
    found.sort();
    let mut text = String::new();
    for (kind, count) in found.into_iter().filter(|&(_, count)| count > 0) {
        text += &format!("  {kind:<22} {count}\n");
    }
    let (events, tasks) = (by_kind.iter().sum::<u64>(), tasks.len());
    text + &format!("{name}.trace: events={events} goroutines={tasks} with_stack={with_stack}\n")
}

macro_rules! recordings {
    ($($name:literal),*) => {
        [$((
            $name,
            &include_bytes!(concat!("traces/", $name, ".trace"))[..],
            include_str!(concat!("traces/", $name, ".counts")),
        )),*]
    };
}

#[test]
fn as_go_counts() {
    for (name, bytes, expected) in
        recordings!["annotations", "futile-wakeup", "iter-pull", "stacks"]
    {
        let reader = Reader::new(bytes).unwrap();
        assert_eq!(counts(name, reader), expected);
        let reader = Reader::ahead(bytes).unwrap();
        assert_eq!(counts(name, reader), expected, "read ahead");
    }
}

/// Events that are kept say the same as those that are lent, long after.
#[test]
fn kept_events() {
    for version in trace_format::Version::ALL {
        let sample = support::sample(version);
        let lent = support::lines::read(&sample[..]);
        let kept: Vec<_> = Reader::new(&sample[..]).unwrap().events().collect();
        let kept: Vec<_> = kept
            .iter()
            .map(|event| match event {
                Ok(event) => support::lines::line(&event.get()),
                Err(error) => format!("error {error}"),
            })
            .collect();
        assert_eq!(kept, lent);
    }
}
