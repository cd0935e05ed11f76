//! A system that refuses pages: the trace does not start, lacks something, or
//! ends early; it is never false, and nothing crashes.
//!
//! `TRACE_LONG=1` refuses each call in turn, and not only some.

#![cfg(target_os = "linux")]

#[path = "support/pages.rs"]
mod pages;

use std::cell::Cell;
use std::process::Command;

use e2e::check::{Ends, check};
use e2e::kept::{Kept, Recorder, long, pump};
use e2e::lone::{Lone, Silent, said_in};
use e2e::wire::Trace;
use runtime_trace::{
    AdvanceError, Config, Frame, Host, Loss, Pcs, ProcTrace, StartError, StopError, Sweep,
    SweptState, Symbolizer, TaskTrace, Tracer,
};

use pages::System;

const TASKS: usize = 40;

/// Who answers for a scheduler with one thread.
struct Solo<'a, 't> {
    lone: &'a Lone<'t>,
    /// Tasks that wait, from the second on.
    waiting: &'a [TaskTrace],
    count: &'a Cell<usize>,
}

impl Symbolizer for Solo<'_, '_> {
    fn frames(&self, pc: usize, visit: &mut dyn FnMut(Frame<'_>)) {
        visit(Frame {
            function: &format!("{pc} {}", "f".repeat(500)),
            file: "solo.weft",
            line: 1,
        });
    }
}

impl Host for Solo<'_, '_> {
    fn checkpoint(&self) {
        self.lone.checkpoint();
    }

    fn sweep(&self, sweep: &Sweep<'_>) {
        for task in &self.waiting[..self.count.get()] {
            let pc = 1000 + task.id() as usize;
            sweep.task(task, SweptState::Waiting, |pcs| pcs.push(pc));
        }
    }
}

/// How a run went.
struct Run {
    said: u64,
    ends: Option<Ends>,
}

/// Several generations with all that takes memory, in a fixed order. Gives
/// `None` if there was no memory for a worker or to start.
fn run(tracer: &Tracer, recorder: impl FnOnce() -> Recorder<'static>) -> Option<(Run, Kept)> {
    let proc: &'static ProcTrace = Box::leak(Box::new(ProcTrace::new(0)));
    let tasks: &'static [TaskTrace] = (1..=1 + TASKS as u64)
        .map(TaskTrace::new)
        .collect::<Vec<_>>()
        .leak();
    let worker_fits = tracer.worker().is_ok();
    if !worker_fits {
        return None;
    }
    // It fits again.
    let lone = Lone::new(tracer, proc, &tasks[0]);
    let count = Cell::new(0);
    let host = Solo {
        lone: &lone,
        waiting: &tasks[1..],
        count: &count,
    };
    match tracer.start(&Config::new(1), &host) {
        Ok(()) => {}
        Err(StartError::NoMemory) => return None,
        Err(error) => panic!("{error}"),
    }
    let mut recorder = recorder();
    lone.begins();
    for round in 0..4 {
        lone.emits(|emit| {
            let mut said = 0;
            for task in &tasks[1 + 10 * round..][..10] {
                let mut pcs = Pcs::logical();
                pcs.push(1 + task.id() as usize);
                emit.task_create_blocked(task, emit.stack(&pcs), emit.stack(&pcs));
                count.set(count.get() + 1);
                said += 1;
            }
            // Strings of more than a batch, and events of more than another.
            for number in 0..250 {
                emit.log(
                    0,
                    "solo",
                    &format!("{number} {}", "m".repeat(900)),
                    emit.stack(&Pcs::logical()),
                );
                emit.label(&format!("{round} {number} {}", "l".repeat(900)));
                said += 2;
            }
            for _ in 0..3000 {
                emit.region_begin(0, "region", emit.stack(&Pcs::logical()));
                emit.region_end(0, "region", emit.stack(&Pcs::logical()));
                said += 2;
            }
            said
        });
        if round % 2 == 1 {
            recorder.pump();
        }
        if round == 3 {
            break;
        }
        match tracer.advance(&host) {
            Ok(()) | Err(AdvanceError::ReaderBehind | AdvanceError::NoMemory) => {}
            Err(AdvanceError::EndedEarly | AdvanceError::NotTracing) => {}
            Err(error) => panic!("{error}"),
        }
    }
    lone.ends();
    let ends = match tracer.stop(&host) {
        Ok(()) => Some(Ends::Whole),
        Err(StopError::EndedEarly | StopError::NotTracing) => Some(Ends::Early),
        Err(error) => panic!("{error}"),
    };
    let run = Run {
        said: lone.said(),
        ends,
    };
    Some((run, recorder.finish()))
}

fn judge(what: &str, tracer: &Tracer, run: &Run, kept: &mut Kept) {
    let trace = kept.read();
    let ends = run.ends.expect("it was stopped");
    if let Err(fault) = check(&trace, ends) {
        panic!("{what}: {fault}");
    }
    let losses = tracer.stats().losses;
    assert_eq!(
        run.said,
        said_in(&trace) + losses.events(),
        "{what}: {losses}"
    );
    assert_eq!(
        losses.count(Loss::Limit) + losses.count(Loss::SlowReader),
        0,
        "{what}"
    );
    if ends == Ends::Early {
        kept.set_aside();
    }
}

/// One call refused, for every one of them (in the short form every seventh); and
/// all from one on.
#[test]
fn every_call_refused_in_turn() {
    let system = System::mine();
    let record = |name: String| {
        let tracer: &'static Tracer = Box::leak(Box::new(Tracer::new()));
        (tracer, run(tracer, || Recorder::new(tracer, &name)))
    };
    let (tracer, result) = record("no-pages-none".to_owned());
    let (all, mut kept) = result.expect("nothing was refused");
    assert_eq!(all.ends, Some(Ends::Whole));
    judge("none refused", tracer, &all, &mut kept);
    assert_eq!(tracer.stats().losses.total(), 0);
    let calls = system.calls();
    assert!(calls > 30, "{calls} calls only");

    let (mut untraced, mut early, mut lost) = (0, 0, 0);
    let step = if long() { 1 } else { 7 };
    let runs = (0..calls).step_by(step).chain([calls]);
    for first in runs {
        for count in [1, usize::MAX] {
            system.refuses(first, count);
            let what = format!("refused {count} from {first}");
            let (tracer, result) = record(format!("no-pages-{first}-{}", count == 1));
            let Some((run, mut kept)) = result else {
                untraced += 1;
                continue;
            };
            judge(&what, tracer, &run, &mut kept);
            early += usize::from(run.ends == Some(Ends::Early));
            lost += usize::from(tracer.stats().losses.total() > 0);
            if first == calls {
                assert_eq!(tracer.stats().losses.total(), 0, "{what}");
            }
        }
    }
    println!(
        "evidence: {calls} calls of mmap; of the runs with one or more refused {untraced} were not \
         traced, {early} ended early, {lost} lost something"
    );
    assert!(
        untraced >= 14 / step && early > 20 / step && lost > 40 / step,
        "{untraced} {early} {lost}"
    );
}

/// Stacks in more batches than are set aside for every generation, and not a page
/// to write them with: each is there, by its root frame.
#[test]
fn many_stacks_and_no_pages() {
    let system = System::mine();
    let (tracer, proc, task) = (Tracer::new(), ProcTrace::new(0), TaskTrace::new(1));
    tracer.start(&Config::new(1), &Silent).expect("it starts");
    let lone = Lone::new(&tracer, &proc, &task);
    lone.begins();
    for number in 0..20_000 {
        lone.emits(|emit| {
            let mut pcs = Pcs::logical();
            pcs.push(2 * number + 1);
            pcs.push(2 * number + 2);
            emit.region_begin(0, "region", emit.stack(&pcs));
            emit.region_end(0, "region", emit.stack(&pcs));
            2
        });
    }
    lone.ends();
    system.refuses(0, usize::MAX);
    assert_eq!(tracer.stop(&Silent), Ok(()));
    let losses = tracer.stats().losses;
    assert_eq!((losses.events(), losses.count(Loss::Names)), (0, 20_000));
    let trace = Recorder::new(&tracer, "no-pages-stacks").finish().read();
    if let Err(fault) = check(&trace, Ends::Whole) {
        panic!("{fault}");
    }
    assert_eq!(said_in(&trace), lone.said());
    let stacks = &trace.generations[0].stacks;
    assert_eq!(stacks.len(), 20_000);
    // Of each the root, as long as there is memory for its name.
    let is_root = |frame: &e2e::wire::Frame| frame.pc != 0 && frame.pc.is_multiple_of(2);
    let named = stacks.values().filter(|frames| {
        is_root(&frames[0]) && frames[0].function.ends_with(&format!(" {}", frames[0].pc))
    });
    let unknown = stacks.values().filter(|frames| frames[0].pc == 0);
    let counts = [named.count(), unknown.count()];
    assert!(stacks.values().all(|frames| frames.len() == 1));
    assert!(
        counts[0] > 0 && counts[1] > 0 && counts.iter().sum::<usize>() == 20_000,
        "{counts:?}"
    );
}

/// A tracer past its first generations asks for nothing: each uses the blocks of
/// those before. Of a trace that was stopped and read none is left, and of a tracer
/// that is dropped in the middle none at all.
#[test]
fn generations_use_blocks_again() {
    let system = System::mine();
    for stops in [true, false] {
        let (tracer, proc, task) = (Tracer::new(), ProcTrace::new(0), TaskTrace::new(1));
        let lone = Lone::new(&tracer, &proc, &task);
        let count = Cell::new(0);
        let host = Solo {
            lone: &lone,
            waiting: &[],
            count: &count,
        };
        tracer.start(&Config::new(1), &host).expect("it starts");
        // In memory: what is dropped is no file that anybody would judge.
        let mut file = Vec::new();
        let mut reader = tracer.reader().expect("there is one reader");
        lone.begins();
        for generation in 0..10 {
            if generation == 4 {
                system.refuses(0, usize::MAX);
            }
            lone.emits(|emit| {
                for number in 0..200 {
                    let mut pcs = Pcs::logical();
                    pcs.push(1000 + number);
                    (1..50).for_each(|pc| pcs.push(pc));
                    let text = format!("{number} {}", "m".repeat(500));
                    emit.log(0, "solo", &text, emit.stack(&pcs));
                }
                200
            });
            pump(&mut reader, &mut file);
            tracer.advance(&host).expect("it advances");
            pump(&mut reader, &mut file);
        }
        assert_eq!(system.calls(), 0, "calls of a tracer that has all it needs");
        assert_eq!(tracer.stats().losses.total(), 0);
        assert_eq!(tracer.stats().mapped, system.held());
        system.refuses(usize::MAX, 0);
        if stops {
            lone.ends();
            assert_eq!(tracer.stop(&host), Ok(()));
            assert!(pump(&mut reader, &mut file), "it has no end");
            let trace = Trace::read(&file[..]).expect("it can be read");
            if let Err(fault) = check(&trace, Ends::Whole) {
                panic!("{fault}");
            }
            assert_eq!(said_in(&trace), lone.said());
            // The worker's own block, and that of the switch.
            assert_eq!(tracer.stats().mapped, 2 * pages::BLOCK);
        }
        drop(reader);
        drop(lone);
        drop(tracer);
        assert_eq!(system.held(), 0);
    }
}

/// Where the child of the test below finds what it needs.
const CHILD: &str = "E2E_NO_PAGES_CHILD";

/// The real thing: a process that may not have more memory.
#[test]
fn a_process_at_its_limit() {
    if let Ok(blocks) = std::env::var(CHILD) {
        return child(blocks.parse().expect("a number"));
    }
    let mut ends = std::collections::BTreeSet::new();
    for blocks in [0, 2, 4, 6, 8, 10, 12, 16, 20, 30, 200] {
        let itself = std::env::current_exe().expect("it has a name");
        let ran = Command::new(itself)
            .args([
                "--exact",
                "a_process_at_its_limit",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(CHILD, blocks.to_string())
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&ran.stdout).into_owned()
            + &String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{blocks} blocks: {said}");
        let line = said
            .lines()
            .find_map(|line| Some(line.split_once("CHILD ")?.1));
        ends.insert(line.expect("it says how it went").to_owned());
    }
    let expected = ["early", "untraced", "whole"].map(str::to_owned);
    assert_eq!(ends.into_iter().collect::<Vec<_>>(), expected);
}

/// Traces with room for so many blocks, and judges the file itself.
fn child(blocks: usize) {
    let _system = System::mine();
    // SAFETY: asks for a number.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64;
    let tracer: &'static Tracer = Box::leak(Box::new(Tracer::new()));
    let limit = |bytes: u64| {
        let limit = libc::rlimit {
            rlim_cur: bytes,
            rlim_max: libc::RLIM_INFINITY,
        };
        // SAFETY: the argument is a limit of ours.
        let set = unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) };
        assert_eq!(set, 0);
    };
    let name = format!("no-pages-rlimit-{blocks}");
    // What the test itself needs comes from its thread's arena, whose addresses
    // the C library has reserved by now.
    let pages = std::fs::read_to_string("/proc/self/statm").expect("the system says");
    let pages: u64 = pages
        .split(' ')
        .next()
        .and_then(|n| n.parse().ok())
        .expect("a number");
    limit(pages * page + (blocks * pages::BLOCK) as u64);
    let result = run(tracer, || Recorder::new(tracer, &name));
    limit(libc::RLIM_INFINITY);
    let Some((run, mut kept)) = result else {
        println!("CHILD untraced");
        return;
    };
    judge(&name, tracer, &run, &mut kept);
    println!(
        "CHILD {}",
        if run.ends == Some(Ends::Whole) {
            "whole"
        } else {
            "early"
        }
    );
}
