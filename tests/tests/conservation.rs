//! Nothing vanishes: what was said to the tracer while it listened is in the
//! file or is counted as lost, to the event, whatever the cause and however many
//! threads there are. And the memory limit holds, to the byte.
//!
//! `TRACE_LONG=1` runs them with more numbers of threads.

#![cfg(target_os = "linux")]

#[path = "support/pages.rs"]
mod pages;

use std::io::Write;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use e2e::check::{Ends, check};
use e2e::kept::{Kept, Recorder, long};
use e2e::lone::{Lone, Silent, said_in};
use runtime_trace::{
    AdvanceError, Chunk, Config, Loss, ProcTrace, StackId, StopError, TaskTrace, Tracer,
};
use trace_read::raw::{Item, RawReader};

use pages::{BLOCK, System};

/// What a thread does with its part of a run, and who reads.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    /// The cause that must show, and no other but those after the end.
    cause: Option<Loss>,
    limit: usize,
    /// How many blocks the system gives once tracing is on, besides two for each
    /// thread to begin with.
    blocks: usize,
    /// Whether somebody reads while threads emit.
    read: bool,
    /// What all threads do together, so many times.
    acts: usize,
    act: fn(&Lone<'_>, usize),
}

fn logs(lone: &Lone<'_>, count: usize) {
    // Each of about a kilobyte.
    let message = "m".repeat(1000);
    for _ in 0..count {
        lone.logs(&message);
    }
}

/// So many, and more until one is lost for want of room in the tables: as long as
/// the reader is behind, that is why they are lost.
fn labels(lone: &Lone<'_>, count: usize) {
    let id = lone.worker.id();
    for number in 0.. {
        if number >= count {
            if lone.tracer.stats().losses.count(Loss::Limit) > 0 {
                break;
            }
            thread::yield_now();
        }
        lone.emits(|emit| {
            emit.label(&format!("{id} {number} {}", "l".repeat(900)));
            1
        });
    }
}

fn regions(lone: &Lone<'_>, count: usize) {
    for _ in 0..count {
        // Several in one emission, some of which may come after the end.
        lone.emits(|emit| {
            for _ in 0..40 {
                emit.region_begin(0, "region", StackId::NONE);
                emit.region_end(0, "region", StackId::NONE);
            }
            80
        });
    }
}

fn reenters(lone: &Lone<'_>, count: usize) {
    for _ in 0..count.min(500) {
        lone.reenters();
    }
}

const MIB: usize = 1 << 20;

/// The system has blocks without end.
const PLENTY: usize = usize::MAX;

const CASES: &[Case] = &[
    Case {
        name: "none",
        cause: None,
        limit: 256 * MIB,
        blocks: PLENTY,
        read: true,
        acts: 1000,
        act: regions,
    },
    Case {
        name: "slow-reader",
        cause: Some(Loss::SlowReader),
        limit: 2 * MIB,
        blocks: PLENTY,
        read: false,
        acts: 4000,
        act: logs,
    },
    Case {
        name: "slow-reader-end",
        cause: Some(Loss::SlowReader),
        limit: 2 * MIB,
        blocks: PLENTY,
        read: false,
        acts: 4000,
        act: regions,
    },
    Case {
        name: "limit",
        cause: Some(Loss::Limit),
        limit: 2 * MIB,
        blocks: PLENTY,
        read: true,
        acts: 4000,
        act: labels,
    },
    Case {
        name: "no-memory",
        cause: Some(Loss::NoMemory),
        limit: 256 * MIB,
        blocks: 4,
        read: false,
        acts: 4000,
        act: logs,
    },
    Case {
        name: "no-memory-end",
        cause: Some(Loss::NoMemory),
        limit: 256 * MIB,
        blocks: 4,
        read: false,
        acts: 12_000,
        act: regions,
    },
    Case {
        name: "reentrant",
        cause: Some(Loss::Reentrant),
        limit: 256 * MIB,
        blocks: PLENTY,
        read: true,
        acts: 4000,
        act: reenters,
    },
];

struct Cast {
    tracer: Tracer,
    procs: Vec<ProcTrace>,
    tasks: Vec<TaskTrace>,
}

impl Cast {
    fn new(threads: usize) -> Self {
        Self {
            tracer: Tracer::new(),
            procs: (0..threads as u32).map(ProcTrace::new).collect(),
            tasks: (1..=threads as u64).map(TaskTrace::new).collect(),
        }
    }

    /// Runs `act` on each thread and `beside` on this one; returns what was
    /// said.
    fn run(&self, act: impl Fn(&Lone<'_>) + Sync, mut beside: impl FnMut()) -> u64 {
        let said = AtomicU64::new(0);
        let left = AtomicU64::new(self.procs.len() as u64);
        let together = Barrier::new(self.procs.len());
        thread::scope(|scope| {
            for (proc, task) in self.procs.iter().zip(&self.tasks) {
                let (act, said, left, together) = (&act, &said, &left, &together);
                scope.spawn(move || {
                    let lone = Lone::new(&self.tracer, proc, task);
                    together.wait();
                    lone.begins();
                    // So that nobody begins when memory is short already.
                    together.wait();
                    act(&lone);
                    lone.ends();
                    // Relaxed, both: figures; joining orders them.
                    said.fetch_add(lone.said(), Ordering::Relaxed);
                    left.fetch_sub(1, Ordering::Relaxed);
                });
            }
            while left.load(Ordering::Relaxed) > 0 {
                beside();
                thread::yield_now();
            }
        });
        said.into_inner()
    }
}

/// How many threads there are, in turn.
fn threads() -> &'static [usize] {
    match long() {
        true => &[1, 2, 4, 8, 16],
        false => &[1, 16],
    }
}

#[test]
fn said_is_written_or_lost() {
    let system = System::mine();
    let mut all = (0, 0, 0);
    // Pages that come from the heap cannot be refused from here.
    let causes = |case: &&Case| case.blocks == PLENTY || !cfg!(heap_pages);
    for case in CASES.iter().filter(causes) {
        for &threads in threads() {
            let what = format!("{}, {threads} threads", case.name);
            let cast = Cast::new(threads);
            let mut config = Config::new(threads as u32);
            config.memory_limit = case.limit;
            cast.tracer.start(&config, &Silent).expect("it starts");
            let name = format!("conserved-{}-{threads}", case.name);
            let mut recorder = Recorder::new(&cast.tracer, &name);
            if case.blocks != PLENTY {
                system.refuses(2 * threads + case.blocks, usize::MAX);
            }
            let said = cast.run(
                |lone| (case.act)(lone, case.acts / threads),
                || {
                    if case.read {
                        recorder.pump();
                    }
                },
            );
            let ends = match cast.tracer.stop(&Silent) {
                Ok(()) => Ends::Whole,
                Err(StopError::EndedEarly) => Ends::Early,
                Err(error) => panic!("{what}: {error}"),
            };
            system.refuses(usize::MAX, 0);
            assert!(cast.tracer.stats().mapped <= case.limit, "{what}");
            let trace = recorder.finish().read();
            let checked = check(&trace, ends).unwrap_or_else(|fault| panic!("{what}: {fault}"));
            let stats = cast.tracer.stats();
            let losses = stats.losses;
            assert_eq!(said, said_in(&trace) + losses.events(), "{what}: {losses}");
            all = (all.0 + 1, all.1 + said, all.2 + losses.events());
            assert_eq!(stats.events, checked.counts.values().sum::<u64>(), "{what}");
            assert_eq!(stats.recent[0].losses, losses, "{what}: one generation");
            match case.cause {
                Some(cause) => assert!(losses.count(cause) > 0, "{what}: {losses}"),
                None => assert_eq!(losses.total(), 0, "{what}"),
            }
            if case.blocks == PLENTY {
                assert_eq!(losses.count(Loss::NoMemory), 0, "the system refused none");
            }
            if ends == Ends::Early {
                assert!(losses.events() > 0, "{what}");
            }
        }
    }
    let (runs, said, lost) = all;
    println!("evidence: {runs} runs, {said} events said, {lost} of them lost");
    drop(system);
}

/// The sink fails in the middle: what it did not take is lost, down to what was
/// in its hands.
#[test]
fn what_a_failed_sink_did_not_take_is_lost() {
    let _system = System::mine();
    for &threads in threads() {
        let cast = Cast::new(threads);
        let tracer = &cast.tracer;
        tracer
            .start(&Config::new(threads as u32), &Silent)
            .expect("it starts");
        let mut reader = tracer.reader().expect("there is one");
        let mut kept = Kept::place(&format!("conserved-sink-{threads}")).expect("a folder");
        let mut file = std::fs::File::create(kept.path()).expect("a file");
        let mut pieces = 0;
        let mut read = || {
            while let Chunk::Data(bytes) = reader.next() {
                assert!(pieces < 5, "it reads on");
                pieces += 1;
                if pieces == 5 {
                    reader.fail();
                } else {
                    file.write_all(bytes).expect("a trace can be written");
                }
            }
        };
        let said = cast.run(
            |lone| {
                while lone.logs("until the end") {
                    thread::yield_now();
                }
            },
            &mut read,
        );
        assert!(!tracer.enabled());
        assert_eq!(tracer.stop(&Silent), Err(StopError::SinkFailed));
        read();
        assert_eq!(reader.next(), Chunk::End);
        let losses = tracer.stats().losses;
        assert!(losses.count(Loss::FailedSink) > 0);
        // The file is no whole trace; its events can be counted all the same.
        kept.set_aside();
        let written = count_raw(&kept);
        assert_eq!(
            said,
            written + losses.events(),
            "{threads} threads: {losses}"
        );
        drop(reader);
        tracer
            .start(&Config::new(1), &Silent)
            .expect("it starts again");
        assert_eq!(tracer.stats().losses.total(), 0);
    }
}

fn count_raw(kept: &Kept) -> u64 {
    let file = std::fs::File::open(kept.path()).expect("it was written");
    let mut reader = RawReader::new(std::io::BufReader::new(file)).expect("a header");
    let mut count = 0;
    while let Ok(Some(item)) = reader.next_item() {
        let Item::Batch(batch) = item else { continue };
        for event in batch.events() {
            let kind = event.expect("a whole batch").kind;
            count += u64::from(matches!(
                kind,
                trace_format::EventKind::ProcStart
                    | trace_format::EventKind::ProcStop
                    | trace_format::EventKind::GoCreate
                    | trace_format::EventKind::GoStart
                    | trace_format::EventKind::GoDestroy
                    | trace_format::EventKind::UserLog
            ));
        }
    }
    count
}

/// Ten times as much as the limit is said, and nobody reads: the tracer holds
/// the limit and not a byte more, also while it finishes.
#[test]
fn the_limit_holds_to_the_byte() {
    let system = System::mine();
    for blocks in [24, 40, 64] {
        let limit = blocks * BLOCK + 1;
        let cast = Cast::new(4);
        let mut config = Config::new(4);
        config.memory_limit = limit;
        config.period = Duration::ZERO;
        cast.tracer.start(&config, &Silent).expect("it starts");
        let stopped = AtomicBool::new(false);
        let said = cast.run(
            |lone| {
                for number in 0..10 * limit / 4 / 1000 {
                    lone.emits(|emit| {
                        let mut pcs = runtime_trace::Pcs::logical();
                        pcs.push(1 + number * 20 + lone.worker.id() as usize);
                        emit.log(0, "lone", &"m".repeat(1000), emit.stack(&pcs));
                        1
                    });
                    lone.checkpoint();
                }
            },
            || match cast.tracer.advance(&Silent) {
                Ok(()) | Err(AdvanceError::ReaderBehind | AdvanceError::NoMemory) => {}
                Err(AdvanceError::EndedEarly | AdvanceError::NotTracing) => {
                    stopped.store(true, Ordering::Relaxed);
                }
                Err(error) => panic!("{error}"),
            },
        );
        let ends = match cast.tracer.stop(&Silent) {
            Ok(()) => Ends::Whole,
            Err(StopError::EndedEarly | StopError::NotTracing) => Ends::Early,
            Err(error) => panic!("{error}"),
        };
        assert!(said > 0);
        assert_eq!(cast.tracer.stats().mapped, system.held());
        assert!(system.most() <= limit, "{} of {limit}", system.most());
        assert!(system.most() > limit / 8 * 7 - BLOCK, "it is not reached");
        println!(
            "evidence: limit {limit} bytes, at most {} held",
            system.most()
        );
        let name = format!("limit-to-the-byte-{blocks}");
        let mut kept = Recorder::new(&cast.tracer, &name).finish();
        if ends == Ends::Early {
            kept.set_aside();
        }
        let trace = kept.read();
        if ends == Ends::Early
            && let Err(fault) = check(&trace, ends)
        {
            panic!("{fault}");
        }
        let losses = cast.tracer.stats().losses;
        assert_eq!(said, said_in(&trace) + losses.events(), "{losses}");
        drop(cast);
        assert_eq!(system.held(), 0);
    }
}
