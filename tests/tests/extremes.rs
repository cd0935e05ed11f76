//! Too much of everything, and symbolizers that return rubbish or unwind: the
//! trace stays true and memory bounded.
//!
//! `TRACE_LONG=1` runs the long forms.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use e2e::check::{Checked, Ends, check};
use e2e::kept::{Kept, Recorder, long};
use e2e::lone::{Lone, Running, Silent, said_in};
use e2e::wire::Trace;
use runtime_trace::{
    AdvanceError, Config, Frame, Host, Loss, Pcs, ProcTrace, StackId, Sweep, SweptState,
    Symbolizer, TaskTrace, Tracer,
};

fn judge(kept: &Kept, ends: Ends) -> (Trace, Checked) {
    let trace = kept.read();
    match check(&trace, ends) {
        Ok(checked) => (trace, checked),
        Err(fault) => panic!("{}: {fault}", kept.path().display()),
    }
}

/// Records what one thread does, in one generation.
fn record(name: &str, host: &dyn Host, act: impl FnOnce(&Lone<'_>)) -> (Trace, u64, Tracer) {
    let (tracer, proc, task) = (Tracer::new(), ProcTrace::new(0), TaskTrace::new(1));
    tracer.start(&Config::new(1), host).expect("it starts");
    let said = {
        let lone = Lone::new(&tracer, &proc, &task);
        lone.begins();
        act(&lone);
        lone.ends();
        lone.said()
    };
    tracer.stop(host).expect("it stops");
    let kept = Recorder::new(&tracer, name).finish();
    let (trace, _) = judge(&kept, Ends::Whole);
    (trace, said, tracer)
}

/// Strings of a megabyte, in every place that takes one, are cut at 1,024 bytes
/// and between characters; nothing is lost.
#[test]
fn strings_of_a_megabyte() {
    let huge = "€".repeat(350_000);
    let (trace, said, tracer) = record("extreme-strings", &Silent, |lone| {
        lone.emits(|emit| {
            emit.log(0, &huge, &huge, StackId::NONE);
            emit.label(&huge);
            emit.region_begin(0, &huge, StackId::NONE);
            emit.region_end(0, &huge, StackId::NONE);
            emit.user_task_begin(1, 0, &huge, StackId::NONE);
            emit.user_task_end(1, StackId::NONE);
            emit.stop_the_world_begin(&huge, StackId::NONE);
            emit.stop_the_world_end();
            8
        });
    });
    assert_eq!((said_in(&trace), tracer.stats().losses.total()), (said, 0));
    let strings = &trace.generations[0].strings;
    let cut = strings
        .values()
        .filter(|text| **text == huge[..1023])
        .count();
    assert_eq!(cut, 2, "the name that all share, and the message");
}

/// The leaf's side and the root of a stack of 100,000 frames are there.
#[test]
fn stacks_of_100_000_frames() {
    let deep = |first: usize| {
        let mut pcs = Pcs::logical();
        (0..100_000).for_each(|n| pcs.push(first + n));
        pcs
    };
    let (trace, said, tracer) = record("extreme-stacks", &Silent, |lone| {
        lone.emits(|emit| {
            for first in [1, 2, 3] {
                emit.log(0, "deep", "stack", emit.stack(&deep(first)));
            }
            3
        });
    });
    assert_eq!((said_in(&trace), tracer.stats().losses.total()), (said, 0));
    let stacks = &trace.generations[0].stacks;
    assert_eq!(stacks.len(), 3);
    for frames in stacks.values() {
        assert_eq!(frames.len(), 128);
        assert_eq!(frames[127].pc, frames[0].pc + 99_999);
    }
}

/// Distinct strings without end (ten million in the long form) take no more
/// memory than they may: generations end, and their tables with them.
#[test]
fn distinct_strings_without_end() {
    let count = if long() { 10_000_000 } else { 200_000 };
    let (tracer, proc, task) = (Tracer::new(), ProcTrace::new(0), TaskTrace::new(1));
    let mut config = Config::new(1);
    config.memory_limit = 8 << 20;
    config.generation_bytes = 1 << 20;
    tracer.start(&config, &Silent).expect("it starts");
    let mut recorder = Recorder::new(&tracer, "extreme-distinct");
    let lone = Lone::new(&tracer, &proc, &task);
    lone.begins();
    let mut most = 0;
    for number in 0..count {
        assert!(lone.emits(|emit| {
            emit.label(&format!("label number {number}"));
            1
        }));
        if number % 1000 == 0 {
            recorder.pump();
            most = most.max(tracer.stats().mapped);
            if tracer.advance_due() {
                tracer.advance(&Running(&lone)).expect("it advances");
            }
        }
    }
    lone.ends();
    tracer.stop(&Running(&lone)).expect("it stops");
    let stats = tracer.stats();
    assert!(most <= 4 << 20, "{most} bytes");
    println!("evidence: {count} distinct strings, at most {most} bytes mapped");
    assert_eq!(stats.losses.total(), 0, "{}", stats.losses);
    assert!(stats.generations > 3);
    let kept = recorder.finish();
    if count < 1_000_000 {
        let (trace, _) = judge(&kept, Ends::Whole);
        assert_eq!(said_in(&trace), lone.said());
    }
}

/// A symbolizer that is of no use.
struct Rubbish;

impl Symbolizer for Rubbish {
    fn frames(&self, pc: usize, visit: &mut dyn FnMut(Frame<'_>)) {
        let mut frame = |function: &str, file: &str, line| {
            visit(Frame {
                function,
                file,
                line,
            });
        };
        let huge = "函".repeat(1_000_000);
        match pc {
            1 => {}
            2 => frame("", "", 0),
            3 => frame(&huge, &huge, u32::MAX),
            0 => frame("counter zero", "zero.weft", 1),
            5 => (1..=100_000).for_each(|line| frame("inlined", "deep.weft", line)),
            usize::MAX => frame("\0\u{1}\u{7f}\u{feff}\u{202e}", "\n\r\t", 1),
            _ => frame("as it should be", "good.weft", 1),
        }
    }
}

impl Host for Rubbish {
    fn checkpoint(&self) {}
    fn sweep(&self, _: &Sweep<'_>) {}
}

#[test]
fn a_symbolizer_that_returns_rubbish() {
    let (trace, said, tracer) = record("extreme-rubbish", &Rubbish, |lone| {
        lone.emits(|emit| {
            for pc in [1, 2, 3, 0, 5, usize::MAX, 7] {
                let mut alone = Pcs::logical();
                alone.push(pc);
                emit.log(0, "rubbish", "alone", emit.stack(&alone));
                let mut below = Pcs::logical();
                below.push(pc);
                below.push(8);
                emit.log(0, "rubbish", "below", emit.stack(&below));
                // All that there is is skipped.
                let mut skipped = Pcs::physical(200_000);
                skipped.push(pc);
                emit.log(0, "rubbish", "skipped", emit.stack(&skipped));
            }
            21
        });
    });
    assert_eq!((said_in(&trace), tracer.stats().losses.total()), (said, 0));
    assert_eq!(trace.generations[0].stacks.len(), 21);
}

/// A host that unwinds out of the call that is named, once.
struct Unwinds<'a, 't> {
    lone: &'a Lone<'t>,
    waits: &'a [TaskTrace],
    from: Cell<Option<&'static str>>,
}

impl Unwinds<'_, '_> {
    fn here(&self, place: &'static str) {
        if self.from.get() == Some(place) {
            self.from.set(None);
            // Without the panic's message, which is of no interest.
            std::panic::resume_unwind(Box::new(place));
        }
    }
}

impl Symbolizer for Unwinds<'_, '_> {
    fn frames(&self, pc: usize, visit: &mut dyn FnMut(Frame<'_>)) {
        self.here("frames");
        Silent.frames(pc, visit);
        self.here("frames, after one");
    }
}

impl Host for Unwinds<'_, '_> {
    fn checkpoint(&self) {
        self.here("checkpoint");
        self.lone.checkpoint();
    }

    fn sweep(&self, sweep: &Sweep<'_>) {
        for (number, task) in self.waits.iter().enumerate() {
            if number == 2 {
                self.here("sweep, in the middle");
            }
            sweep.task(task, SweptState::Waiting, |pcs| {
                pcs.push(1);
                if number == 1 {
                    self.here("a swept task's stack");
                }
            });
        }
    }
}

/// A host that unwinds through the tracer leaves it in order: the trace goes on, or
/// has ended; another one can be recorded, and all memory comes back.
#[test]
fn hosts_that_unwind() {
    let places: [(&str, bool); 6] = [
        ("checkpoint", true),
        ("sweep, in the middle", true),
        ("a swept task's stack", true),
        ("frames", false),
        ("frames, after one", false),
        ("a woken task's stack", true),
    ];
    for (place, goes_on) in places {
        let (tracer, proc) = (Tracer::new(), ProcTrace::new(0));
        let tasks: Vec<_> = (1..=5).map(TaskTrace::new).collect();
        {
            let lone = Lone::new(&tracer, &proc, &tasks[0]);
            let mut host = Unwinds {
                lone: &lone,
                waits: &[],
                from: Cell::new(None),
            };
            tracer.start(&Config::new(1), &host).expect("it starts");
            let mut recorder = Recorder::new(
                &tracer,
                &format!("unwinds-{}", place.replace([' ', ',', '\''], "-")),
            );
            lone.begins();
            let mut pcs = Pcs::logical();
            pcs.push(1);
            lone.emits(|emit| {
                for task in &tasks[1..] {
                    emit.task_create_blocked(task, emit.stack(&pcs), emit.stack(&pcs));
                }
                4
            });
            host.waits = &tasks[1..];
            // One whole generation, then the one in question.
            recorder.pump();
            tracer.advance(&host).expect("it advances");
            lone.logs("in the second");
            lone.emits(|emit| {
                emit.log(0, "lone", "with a stack", emit.stack(&pcs));
                1
            });
            recorder.pump();
            if place == "a woken task's stack" {
                let unwound = catch_unwind(AssertUnwindSafe(|| {
                    lone.emits(|emit| {
                        let unwinds = |_: &mut Pcs| std::panic::resume_unwind(Box::new(place));
                        emit.task_unblock(&tasks[1], unwinds, StackId::NONE);
                        1
                    });
                }));
                assert!(unwound.is_err());
            } else {
                host.from.set(Some(match place {
                    "checkpoint" => "checkpoint",
                    "sweep, in the middle" => "sweep, in the middle",
                    "a swept task's stack" => "a swept task's stack",
                    "frames" => "frames",
                    _ => "frames, after one",
                }));
                let advance = || tracer.advance(&host);
                let unwound = catch_unwind(AssertUnwindSafe(advance));
                assert!(unwound.is_err(), "{place}: it was not asked");
            }
            assert_eq!(tracer.enabled(), goes_on, "{place}");
            if goes_on {
                lone.logs("it goes on");
                recorder.pump();
                tracer.advance(&host).expect("it advances");
                lone.emits(|emit| {
                    emit.task_unblock(&tasks[1], |pcs| pcs.push(1), StackId::NONE);
                    1
                });
                lone.ends();
                tracer.stop(&host).expect("it stops");
                let kept = recorder.finish();
                let (trace, _) = judge(&kept, Ends::Whole);
                assert_eq!(trace.generations.len(), 3, "{place}");
                assert_eq!(said_in(&trace), lone.said(), "{place}");
            } else {
                assert_eq!(tracer.advance(&host), Err(AdvanceError::NotTracing));
                let mut kept = recorder.finish();
                kept.set_aside_cut_off();
                let cut = std::fs::read(kept.path()).expect("it was written");
                assert_ne!(cut.last(), Some(&52), "{place}: it claims to be whole");
            }
            let again = Lone::new(&tracer, &proc, &tasks[0]);
            tracer
                .start(&Config::new(1), &Silent)
                .expect("it starts again");
            let recorder = Recorder::new(&tracer, "unwound-again");
            again.begins();
            again.ends();
            tracer.stop(&Silent).expect("it stops");
            judge(&recorder.finish(), Ends::Whole);
            assert_eq!(tracer.stats().losses.count(Loss::Stack), 0);
        }
        // The workers' slots, and on Linux the switch, if pages can be wiped.
        let wiped = cfg!(all(target_os = "linux", not(heap_pages)));
        let idle = (64 << 10) * if wiped { 2 } else { 1 };
        assert_eq!(tracer.stats().mapped, idle, "{place}");
    }
}
