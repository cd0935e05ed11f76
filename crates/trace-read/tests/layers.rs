//! The generation layer and the order layer by themselves. For raw and text, see
//! the tests of these names.

mod support;

use std::io::Read;

use support::{FREQUENCY, THREAD, damaged, lines, orderly, sample};
use trace_format::Version;
use trace_read::generation::{Generation, Generations};
use trace_read::order::Ordered;
use trace_read::{ClockSnapshot, ProcId, ReadError, TaskId, WorkerId};

const RECORDINGS: [&[u8]; 4] = [
    include_bytes!("traces/annotations.trace"),
    include_bytes!("traces/futile-wakeup.trace"),
    include_bytes!("traces/iter-pull.trace"),
    include_bytes!("traces/stacks.trace"),
];

/// Counted in what `go tool trace -d=wire` makes of the recordings: generation,
/// strings, stacks, samples, the clock's and the earliest batch's time in units of
/// 64 ns, the system's clock, events, workers.
const NUMBERS: [&[&str]; 4] = [
    &[
        "1: 75 29 0, 111680814299 111680797433, 7147572115125 1795307848 878549357, \
       39 of 27431 27435 -",
    ],
    &[
        "1: 91 51 0, 111903944476 111903943847, 7161852446470 1795307863 158880702, \
       17238 of 27503 27502 27501 27499 -",
    ],
    &[
        "1: 81 34 0, 111803561252 111803561051, 7155427920105 1795307856 734354337, \
       762 of 27469 27468 27467 27466 -",
    ],
    &[
        "1: 226 109 0, 111854195520 111854173014, 7158668513285 1795307859 974947517, \
       321 of 27485 27484 27483 27482 -",
        "2: 167 50 0, 111891942890 111891840193, 7161084344934 1795307862 390779166, \
       166 of 27485 27484 27483 27482 -",
    ],
];

fn numbers(generation: &Generation) -> String {
    let tables = generation.tables();
    let clock = generation.snapshot().unwrap();
    let mut text = format!(
        "{}: {} {} {}, {} {}, {} {} {}, ",
        generation.number(),
        tables.strings().len(),
        tables.stacks().len(),
        generation.samples().len(),
        clock.trace / 64,
        generation.start() / 64,
        clock.mono,
        clock.wall_seconds,
        clock.wall_nanos,
    );
    let mut events = 0;
    let mut workers = String::new();
    for worker in generation.workers() {
        workers += &worker.map_or(" -".to_owned(), |worker| format!(" {worker}"));
        for batch in generation.batches(worker) {
            let thread = batch.head().header.thread;
            assert_eq!(worker.map_or(u64::MAX, |worker| worker.0), thread);
            events += batch.events().map(Result::unwrap).count();
        }
    }
    text += &format!("{events} of{workers}");
    text
}

#[test]
fn generations_of_recordings() {
    for (file, expected) in RECORDINGS.into_iter().zip(NUMBERS) {
        let mut generations = Generations::new(file).unwrap();
        assert_eq!(generations.version(), Version::Go126);
        let mut found = Vec::new();
        for generation in &mut generations {
            assert!(generation.broken().is_none());
            assert_eq!(generation.nanos(10), 640);
            found.push(numbers(&generation));
            // Every event's stack is a stack of the table, by its ID.
            for stack in generation.tables().stacks() {
                let again = generation.tables().stack(stack.id()).unwrap();
                assert!(stack.frames().eq(again.frames()));
            }
        }
        assert_eq!(found, expected);
        assert_eq!(generations.offset(), file.len() as u64);
    }
}

/// Samples, clocks, experiments: what no recording has, and units that are not
/// nanoseconds.
#[test]
fn what_a_generation_has() {
    for version in Version::ALL {
        let file = sample(version);
        let generations: Vec<_> = Generations::new(&file[..]).unwrap().collect();
        assert_eq!(generations.len(), 2);
        for (generation, number) in generations.iter().zip(1..) {
            assert_eq!(generation.number(), number);
            assert_eq!(generation.version(), version);
            assert_eq!(generation.start(), number * 1_000_000_000);
            let clock = version.has_sync_batch().then_some(ClockSnapshot {
                trace: number * 1_000_000_000 + 1_000,
                mono: 5_000,
                wall_seconds: 1_700_000_000,
                wall_nanos: 17,
            });
            assert_eq!(generation.snapshot(), clock);

            let [sample] = generation.samples() else {
                panic!("{} samples", generation.samples().len());
            };
            assert_eq!(sample.time(), generation.nanos(number * FREQUENCY + 10));
            assert_eq!(sample.worker(), Some(WorkerId(THREAD)));
            assert_eq!(sample.proc(), Some(ProcId(0)));
            assert_eq!(sample.task(), Some(TaskId(1)));
            assert!(sample.offset() < file.len() as u64);

            let tables = generation.tables();
            let stack = tables.stack(sample.stack_id()).unwrap();
            let lines: Vec<_> = stack.frames().map(|frame| frame.line).collect();
            assert_eq!(lines, [3, 300]);
            assert_eq!(tables.stack(3).map(|stack| stack.id()), None);
            assert_eq!(tables.strings().next(), Some("main"));
            assert_eq!(tables.string(4), Some("runtime-trace"));
            assert_eq!(tables.string(6), None);
            let experiments = usize::from(version >= Version::Go123);
            assert_eq!(tables.experiments().count(), experiments);

            assert!(generation.workers().eq([Some(WorkerId(THREAD))]));
            assert_eq!(generation.batches(Some(WorkerId(THREAD))).count(), 1);
            assert_eq!(generation.batches(None).count(), 0);
            assert!(generation.held() > 100);
        }
    }
}

/// A worker's batches have its events, at the times that the reader has.
#[test]
fn times_of_events_in_batches() {
    let file = orderly(Version::Go126);
    let mut times = Vec::new();
    for generation in Generations::new(&file[..]).unwrap() {
        times.extend(generation.samples().iter().map(|sample| sample.time()));
        let batches: Vec<_> = generation.batches(Some(WorkerId(THREAD))).collect();
        assert_eq!(batches.len(), 2);
        for batch in batches {
            let mut time = generation.nanos(batch.head().header.time);
            for event in batch.events() {
                time += generation.nanos(event.unwrap().dt().unwrap());
                times.push(time);
            }
        }
    }
    times.sort_unstable();
    let read = read(&file[..]);
    let read = read.iter().map(|line| line.split(' ').next().unwrap());
    let times = times.iter().map(u64::to_string);
    assert!(times.eq(read));
}

#[test]
fn a_broken_generation_is_the_last() {
    let mut file = sample(Version::Go126);
    file.truncate(file.len() - 1);
    let mut generations = Generations::new(&file[..]).unwrap();
    assert!(generations.next().unwrap().broken().is_none());
    let last = generations.next().unwrap();
    assert_eq!(last.samples().len(), 1);
    assert!(matches!(last.broken(), Some(ReadError::MissingEnd { .. })));
    assert_eq!(
        last.into_broken().unwrap().place().offset,
        file.len() as u64
    );
    assert!(generations.next().is_none());
}

/// All events as lines, and at the end the error, if there is one.
fn ordered(file: impl Read) -> Vec<String> {
    let generations = match Generations::new(file) {
        Ok(generations) => generations,
        Err(error) => return vec![format!("error {error}")],
    };
    let mut found = Vec::new();
    let mut ordered = Ordered::new();
    for generation in generations {
        let number = generation.number();
        ordered.open(generation);
        assert!(ordered.generation().is_none_or(|of| of == number));
        loop {
            match ordered.next_event() {
                Ok(Some(event)) => found.push(lines::line(&event)),
                Ok(None) => break,
                Err(error) => found.push(format!("error {error}")),
            }
        }
        assert_eq!(ordered.generation(), None, "at its end");
    }
    found
}

/// The same from a reader.
fn read(file: impl Read) -> Vec<String> {
    let mut lines = lines::read(file);
    lines.retain(|line| !line.contains(" m- p- g- Sync "));
    lines
}

#[test]
fn ordered_as_the_reader_does() {
    for file in RECORDINGS {
        let found = ordered(file);
        assert!(found.len() > 30);
        assert!(found == read(file), "a recording of {} bytes", file.len());
    }
    for version in Version::ALL {
        for file in [orderly(version), sample(version)] {
            assert_eq!(ordered(&file[..]), read(&file[..]), "{version}");
            for cut in 0..file.len() {
                let cut = &file[..cut];
                assert_eq!(ordered(cut), read(cut), "{version}, {} bytes", cut.len());
            }
            for seed in 0..500 {
                let file = damaged(&file, seed);
                assert_eq!(
                    ordered(&file[..]),
                    read(&file[..]),
                    "{version}, seed {seed}"
                );
            }
        }
    }
}

/// A generation that is not read to its end has happened all the same.
#[test]
fn what_is_left_is_passed_over() {
    let file = orderly(Version::Go126);
    let all = read(&file[..]);
    for told in 0..all.len() / 2 {
        let mut ordered = Ordered::new();
        let mut found = Vec::new();
        for (generation, most) in Generations::new(&file[..]).unwrap().zip([told, all.len()]) {
            ordered.open(generation);
            for _ in 0..most {
                match ordered.next_event().unwrap() {
                    Some(event) => found.push(lines::line(&event)),
                    None => break,
                }
            }
        }
        assert_eq!(found[..told], all[..told]);
        assert_eq!(found[told..], all[all.len() / 2..]);
    }
}

/// Trouble in what is passed over is told, and nothing comes after it.
#[test]
fn trouble_that_is_passed_over() {
    let whole = orderly(Version::Go126);
    let mut file = whole.clone();
    file.truncate(file.len() - 1);
    let mut ordered = Ordered::new();
    for generation in Generations::new(&file[..]).unwrap() {
        ordered.open(generation);
    }
    for again in 0..2 {
        for generation in Generations::new(&whole[..]).unwrap() {
            ordered.open(generation);
        }
        match ordered.next_event() {
            Err(ReadError::MissingEnd { .. }) if again == 0 => {}
            Ok(None) if again == 1 => {}
            other => panic!("{other:?}"),
        }
    }
}
