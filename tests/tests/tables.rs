//! The tables of strings and stacks under threads that put the same things at
//! once, while generations end: every ID that an event names is in its
//! generation's table once, and stands for what was put.
//!
//! `PROPTEST_CASES` sets how many cases are tried. A failure prints its smallest
//! case, which then becomes a test; no file of regressions is kept.

#[path = "support/stacks.rs"]
mod stacks;

use std::collections::HashMap;
use std::sync::Barrier;
use std::thread;

use e2e::kept::pump;
use e2e::lone::Lone;
use e2e::wire::Trace;
use proptest::collection::vec;
use proptest::prelude::*;
use runtime_trace::{AdvanceError, Config, Emit, ProcTrace, TaskTrace, Tracer};
use trace_format::EventKind;
use trace_format::end::LAST_NOTE;
use trace_format::limits::MAX_STRING_SIZE;

use stacks::{Everything, Stack, stack, text};

/// What a thread says.
#[derive(Clone, Debug)]
enum Step {
    Label(String),
    Log(String, String, Stack),
    Region(String, Stack),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        text().prop_map(Step::Label),
        (text(), text(), stack()).prop_map(|(key, it, at)| Step::Log(key, it, at)),
        (text(), stack()).prop_map(|(name, at)| Step::Region(name, at)),
    ]
}

impl Step {
    fn say(&self, emit: &Emit<'_, '_>) {
        match self {
            Self::Label(text) => emit.label(text),
            Self::Log(key, it, at) => emit.log(0, key, it, emit.stack(&at.pcs())),
            Self::Region(name, at) => emit.region_begin(0, name, emit.stack(&at.pcs())),
        }
    }

    /// The event: its kind, its strings, of which the second is not interned, and
    /// its stack.
    fn event(&self) -> (EventKind, Vec<&str>, Option<&Stack>) {
        match self {
            Self::Label(text) => (EventKind::GoLabel, vec![text], None),
            Self::Log(key, it, at) => (EventKind::UserLog, vec![key, it], Some(at)),
            Self::Region(name, at) => (EventKind::UserRegionBegin, vec![name], Some(at)),
        }
    }
}

/// Has each thread say its steps while `advances` generations end: the file, and
/// the threads' IDs in it.
fn record(threads: &[Vec<Step>], advances: usize) -> Result<(Vec<u8>, Vec<u64>), TestCaseError> {
    let procs: Vec<_> = (0..threads.len() as u32).map(ProcTrace::new).collect();
    let tasks: Vec<_> = (1..=threads.len() as u64).map(TaskTrace::new).collect();
    let tracer = Tracer::new();
    let config = Config::new(procs.len() as u32);
    tracer.start(&config, &Everything).expect("it starts");
    let mut reader = tracer.reader().expect("nobody else reads");
    let mut file = Vec::new();
    let start = Barrier::new(threads.len() + 1);
    let (tracer, start) = (&tracer, &start);
    let ids = thread::scope(|scope| -> Result<Vec<u64>, TestCaseError> {
        let running: Vec<_> = threads
            .iter()
            .zip(procs.iter().zip(&tasks))
            .map(|(steps, (proc, task))| {
                scope.spawn(move || {
                    let lone = Lone::new(tracer, proc, task);
                    start.wait();
                    lone.begins();
                    for step in steps {
                        lone.emits(|emit| {
                            step.say(emit);
                            1
                        });
                    }
                    lone.worker.id()
                })
            })
            .collect();
        start.wait();
        for _ in 0..advances {
            pump(&mut reader, &mut file);
            match tracer.advance(&Everything) {
                Ok(()) | Err(AdvanceError::ReaderBehind) => {}
                Err(error) => prop_assert!(false, "{}", error),
            }
        }
        let ids = running.into_iter().map(|thread| thread.join());
        Ok(ids.map(|id| id.expect("it ends")).collect())
    })?;
    prop_assert_eq!(tracer.stop(&Everything), Ok(()));
    prop_assert!(
        pump(&mut reader, &mut file),
        "it was stopped and has no end"
    );
    let losses = tracer.stats().losses;
    prop_assert_eq!(losses.total(), 0, "{}", losses);
    Ok((file, ids))
}

/// A text as it is written.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_STRING_SIZE)]
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..ProptestConfig::with_cases(50)
    })]

    #[test]
    fn an_id_is_defined_once_and_stands_for_what_was_put(
        mut threads in vec(vec(step(), 0..60), 2..5),
        all_say_the_same in any::<bool>(),
        advances in 0..4usize,
    ) {
        if all_say_the_same {
            let first = threads[0].clone();
            threads.fill(first);
        }
        let (file, ids) = record(&threads, advances)?;
        // This has seen that no ID is defined twice.
        let trace = Trace::read(&file[..]);
        let trace = trace.map_err(|fault| TestCaseError::fail(fault.to_string()))?;
        let mut said: HashMap<u64, _> = ids.into_iter().zip(&threads).map(|(id, steps)| {
            (id, steps.iter().map(Step::event))
        }).collect();
        for generation in &trace.generations {
            let (mut strings, mut stacks) = (HashMap::new(), HashMap::new());
            let streams = generation.streams.iter();
            let streams = streams.filter(|&(&thread, _)| thread != LAST_NOTE);
            for (thread, event) in streams.flat_map(|(thread, events)| {
                events.iter().map(move |event| (thread, event))
            }) {
                let (text_at, stack_at) = match event.kind {
                    EventKind::GoLabel => (0..1, None),
                    EventKind::UserLog => (1..3, Some(3)),
                    EventKind::UserRegionBegin => (1..2, Some(2)),
                    // Of its start and its end, or the tracer's own.
                    _ => continue,
                };
                let next = said.get_mut(thread).and_then(Iterator::next);
                let Some((kind, texts, stack)) = next else {
                    return Err(TestCaseError::fail("it was not said"));
                };
                prop_assert_eq!(event.kind, kind);
                let found = &event.args[text_at];
                prop_assert_eq!(found.len(), texts.len());
                for (&id, text) in found.iter().zip(&texts) {
                    prop_assert_eq!(generation.string(id), Some(cut(text)));
                }
                let interned = *strings.entry(cut(texts[0])).or_insert(found[0]);
                prop_assert_eq!(interned, found[0], "one string, two IDs");
                if let (Some(at), Some(stack)) = (stack_at, stack) {
                    let id = event.args[at];
                    let none = Vec::new();
                    let frames = if id == 0 { Some(&none) } else { generation.stacks.get(&id) };
                    let is_it = frames.is_some_and(|frames| stack.is(frames));
                    prop_assert!(is_it, "{:?} for {:?}", frames, stack);
                    let interned = *stacks.entry(stack.key()).or_insert(id);
                    prop_assert_eq!(interned, id, "one stack, two IDs");
                }
            }
        }
        let left = said.values_mut().filter_map(Iterator::next).count();
        prop_assert_eq!(left, 0, "not in the file");
    }
}
