//! Files that end in the middle of a generation, as a program leaves them that is
//! killed: some threads' last batches are missing, and strings and stacks.
//!
//! Whole traces are made or were recorded, and are torn in all such ways. What the
//! reader makes of them must be the start of what each thread has done, in an order
//! in which it can have happened, and all of it that can be had.

mod support;

#[path = "support/made.rs"]
mod made;
#[path = "support/torn.rs"]
mod torn;

use std::collections::{BTreeMap, HashMap};

use proptest::collection::vec;
use proptest::prelude::*;
use support::{found, lines};
use torn::Torn;
use trace_format::limits::NO_THREAD;
use trace_format::{BatchHeader, EventKind, Version};
use trace_read::event::{ProcState, TaskState};
use trace_read::raw::{Payload, RawWriter};
use trace_read::{Kind, Left, Missing, ReadError, Reader, WorkerId};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

/// What a reader makes of a file.
#[derive(Default)]
struct Read {
    /// How many events, without syncs, which are not in the file.
    events: u64,
    /// What each worker does, without names and times.
    workers: BTreeMap<u64, Vec<String>>,
    left: Vec<Left>,
    error: Option<ReadError>,
}

/// Reads a file, and looks whether what comes can have happened in this order.
fn read(file: &[u8]) -> Read {
    let mut read = Read::default();
    let Ok(mut reader) = Reader::new(file) else {
        return read;
    };
    let mut tasks: HashMap<u64, TaskState> = HashMap::new();
    let mut procs: HashMap<u64, ProcState> = HashMap::new();
    loop {
        let event = match reader.next_event() {
            Ok(Some(event)) => event,
            Ok(None) => break,
            Err(error) => {
                read.error = Some(error);
                continue;
            }
        };
        match event.kind {
            Kind::Sync(_) => continue,
            Kind::Task(change) => {
                let was = tasks.insert(change.task.0, change.to);
                let fresh = matches!(change.from, TaskState::NotExist | TaskState::Undetermined);
                let is_so = was == Some(change.from) || fresh && was.is_none();
                assert!(is_so, "it was {was:?}: {}", lines::line(&event));
                if change.to == TaskState::NotExist {
                    tasks.remove(&change.task.0);
                }
            }
            Kind::Proc(change) => {
                let was = procs.insert(change.proc.0, change.to);
                let fresh = matches!(change.from, ProcState::NotExist | ProcState::Undetermined);
                let is_so = was == Some(change.from) || fresh && was.is_none();
                assert!(is_so, "it was {was:?}: {}", lines::line(&event));
            }
            _ => {}
        }
        read.events += 1;
        if let (Some(worker), Some(wire)) = (event.worker, event.wire)
            && let Some(does) = deed(wire, &event.kind)
        {
            read.workers.entry(worker.0).or_default().push(does);
        }
    }
    read.left = reader.left().collect();
    read
}

/// What a worker did by itself, as text. Statuses may be written by another worker
/// than the one they are about, and so may that a proc was lost.
fn deed(wire: EventKind, kind: &Kind<'_>) -> Option<String> {
    match wire {
        EventKind::ProcStatus
        | EventKind::ProcSteal
        | EventKind::GoStatus
        | EventKind::GoStatusStack
        | EventKind::CPUSample => return None,
        _ => {}
    }
    Some(match kind {
        Kind::Task(change) => format!(
            "{wire:?} g{} {:?} {:?}",
            change.task, change.from, change.to
        ),
        Kind::Proc(change) => format!(
            "{wire:?} p{} {:?} {:?}",
            change.proc, change.from, change.to
        ),
        _ => format!("{wire:?}"),
    })
}

/// What must hold for a torn file. `whole` is what it was before.
fn holds(whole: &Read, file: &[u8]) -> Read {
    let cut = read(file);
    // Each worker's are the first of those that it has.
    for (worker, does) in &cut.workers {
        let all = whole.workers.get(worker).map_or(&[][..], |all| all);
        assert!(
            all.starts_with(does),
            "worker {worker}: {does:?} of {all:?}"
        );
    }
    let Some(torn) = Torn::of(file) else {
        return cut;
    };
    let mut taken = torn.events();
    let mut left: BTreeMap<u64, u64> = BTreeMap::new();
    for worker in &cut.left {
        let id = worker.worker.map_or(NO_THREAD, |id| id.0);
        assert!(left.insert(id, worker.events).is_none(), "{worker:?} twice");
        let all = taken.get_mut(&id).expect("a worker of the file");
        *all = all
            .checked_sub(worker.events)
            .expect("as many as there are");
    }
    assert!(cut.left.is_empty() || cut.error.is_some());
    // Tables without events are passed over.
    if taken.values().all(|&events| events == 0) {
        return cut;
    }
    // The events that were taken are a trace by themselves, and the same. Their order
    // may be another where times are the same.
    let without = read(&torn.written(taken.clone()));
    assert_eq!(without.left, [], "nothing waits for what is left");
    let is_in_order = !matches!(
        without.error,
        Some(ReadError::Impossible { .. } | ReadError::Stuck { .. } | ReadError::Tangled { .. })
    );
    assert!(
        is_in_order,
        "{:?} by itself: {:?}",
        cut.error, without.error
    );
    assert_eq!(without.workers, cut.workers);
    assert_eq!(without.events, cut.events);
    // No worker has a further one that could be taken.
    for (worker, _) in left {
        let mut with = taken.clone();
        *with.entry(worker).or_default() += 1;
        let one = read(&torn.written(with));
        let waits = one.left.iter().map(|left| left.events).sum::<u64>();
        assert_eq!(waits, 1, "the next of worker {worker} can be taken");
    }
    cut
}

/// How a file is torn: after which of its generations, which of each thread's batches
/// stay, which tables, and how many bytes of all that.
#[derive(Clone, Debug)]
struct Tear {
    generation: u64,
    batches: Vec<(bool, usize)>,
    tables: u8,
    bytes: Option<prop::sample::Index>,
}

fn tear() -> impl Strategy<Value = Tear> {
    let batches = vec((any::<bool>(), 0..20usize), 6);
    let bytes = prop_oneof![3 => Just(None), 1 => any::<prop::sample::Index>().prop_map(Some)];
    (any::<u64>(), batches, any::<u8>(), bytes).prop_map(|(generation, batches, tables, bytes)| {
        Tear {
            generation,
            batches,
            tables,
            bytes,
        }
    })
}

impl Tear {
    fn apply(&self, file: &[u8]) -> (Read, Vec<u8>) {
        let mut torn = Torn::of(file).expect("a trace");
        let first = 1 + self.generation % torn.last();
        torn.end_in(first);
        let whole = read(&torn.whole());
        let mut batches = self.batches.iter().cycle();
        torn.drop_batches(
            |_, count| match batches.next() {
                Some(&(true, keep)) => keep % (count + 1),
                _ => count,
            },
            |n| self.tables >> (n % 8) & 1 == 1,
        );
        let mut file = torn.whole();
        if let Some(bytes) = self.bytes {
            let all = file.len() - 16;
            file.truncate(16 + bytes.index(all + 1));
        }
        (whole, file)
    }
}

proptest! {
    #![proptest_config(config(400))]

    /// Of schedulers that never existed.
    #[test]
    fn made(choices in vec(any::<u8>(), 0..900), tear in tear()) {
        let mut choices = choices;
        choices.insert(0, 0);
        let trace = made::trace(&choices);
        prop_assert!(trace.is_whole);
        let (whole, file) = tear.apply(&trace.bytes);
        holds(&whole, &file);
    }
}

/// The traces that were recorded, cut at the end of each batch and elsewhere.
#[test]
fn recorded() {
    let files: [&[u8]; 4] = [
        include_bytes!("traces/annotations.trace"),
        include_bytes!("traces/futile-wakeup.trace"),
        include_bytes!("traces/iter-pull.trace"),
        include_bytes!("traces/stacks.trace"),
    ];
    for file in files {
        let whole = read(file);
        assert!(whole.error.is_none() && whole.left.is_empty());
        let ends = found::read(file).items;
        let ends = ends.iter().map(|&(_, end)| end as usize);
        let others = (16..file.len()).step_by(file.len() / 16);
        for end in ends.chain(others) {
            holds(&whole, &file[..end]);
        }
    }
}

/// How many events are left, and from when on; how many names are missing.
#[test]
fn what_is_left_is_told() {
    let text = "\
Trace Go1.26
EventBatch gen=1 m=18446744073709551615 time=1000
Sync
Frequency freq=1000000000
ClockSnapshot dt=1 mono=5 sec=6 nsec=7
EventBatch gen=1 m=1 time=1000
ProcStatus dt=1 p=0 pstatus=1
GoStart dt=4 g=9 g_seq=2
GoStop dt=1 reason_string=7 stack=7
GoStart dt=1 g=9 g_seq=3
EventBatch gen=1 m=2 time=1002
ProcStatus dt=1 p=1 pstatus=1
GoStatus dt=1 g=2 m=2 gstatus=2
GoStop dt=1 reason_string=4 stack=5
GoStart dt=1 g=2 g_seq=1
GoBlock dt=1 reason_string=4 stack=6
EventBatch gen=1 m=1 time=1020
GoBlock dt=5 reason_string=4 stack=6
EventBatch gen=1 m=18446744073709551615 time=1030
Stacks
Stack id=5 nframes=1
\tpc=16 func=3 file=4 line=3
";
    let file = trace_read::text::to_bytes(text).expect("a trace");
    let mut reader = Reader::new(&file[..]).expect("a trace");
    let mut events = 0;
    while let Ok(Some(event)) = reader.next_event() {
        events += 1;
        let names_are_unknown = match event.kind {
            Kind::Task(change) => change.reason.is_empty(),
            _ => true,
        };
        assert!(names_are_unknown, "{event:?}");
    }
    let left: Vec<_> = reader.left().collect();
    let kind = EventKind::GoStart;
    let worker = Some(WorkerId(1));
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].worker, left[0].kind), (worker, kind));
    assert_eq!((left[0].events, left[0].from), (4, 1005));
    // Two syncs, and what the other worker did.
    assert_eq!(events, 2 + 1 + 5);
    let missing = Missing {
        strings: 2,
        stacks: 1,
    };
    assert_eq!(reader.missing(), missing);
    assert_eq!(reader.salvaged(), 6);
}

/// However many workers wait for what is missing, all events of the others are told,
/// and those of workers that wait for these.
#[test]
fn many_workers_wait_in_vain() {
    const WAIT: u64 = 1_000;
    const TURNS: u64 = 3_000;
    let mut writer = RawWriter::new(Vec::new(), Version::Go126).expect("memory takes it");
    let mut batch = |thread, time, payload: &Payload| {
        let header = BatchHeader {
            generation: 1,
            thread,
            time,
        };
        writer.batch(&header, payload).expect("memory takes it");
    };
    let mut clock = Payload::new();
    clock
        .event(EventKind::Sync, &[])
        .event(EventKind::Frequency, &[1_000_000_000])
        .event(EventKind::ClockSnapshot, &[0, 0, 0, 0]);
    batch(NO_THREAD, 0, &clock);
    for worker in 1..=WAIT {
        let mut payload = Payload::new();
        match worker % 3 {
            0 => payload.event(EventKind::GoStart, &[1, 999, worker]),
            1 => payload.event(EventKind::ProcStart, &[1, 999, worker]),
            _ => payload.event(EventKind::GoStop, &[1, 0, 0]),
        };
        batch(worker, 1, &payload);
    }
    // Two take turns with a task, and each needs the other.
    for (worker, task) in [(WAIT + 1, 1), (WAIT + 2, 2)] {
        let mut payload = Payload::new();
        payload
            .event(EventKind::ProcStatus, &[worker, worker, 1])
            .event(EventKind::GoStatus, &[1, task, worker, 2]);
        for turn in 0..TURNS {
            let other = 3 - task;
            match task {
                1 => payload
                    .event(EventKind::GoBlock, &[9, 0, 0])
                    .event(EventKind::GoStart, &[2, 1, 2 * turn + 2])
                    .event(EventKind::GoUnblock, &[1, other, 2 * turn + 1, 0]),
                _ => payload
                    .event(EventKind::GoUnblock, &[4, other, 2 * turn + 1, 0])
                    .event(EventKind::GoBlock, &[3, 0, 0])
                    .event(EventKind::GoStart, &[5, task, 2 * turn + 2]),
            };
        }
        batch(worker, 2, &payload);
    }
    let read = read(&writer.into_inner());
    assert_eq!(read.left.len() as u64, WAIT);
    assert_eq!(read.events, 2 * (2 + 3 * TURNS));
}
