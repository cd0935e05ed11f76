//! Whatever is said to the tracer is what its file says: every call of its API
//! that emits, in any order, with any arguments and stacks.
//!
//! The calls need not make sense as a schedule, since the tracer writes down what
//! it is told; so the file is compared with a model of the API and not judged.
//! `PROPTEST_CASES` sets how many cases are tried. A failure prints its smallest
//! case, which then becomes a test; no file of regressions is kept.

#[path = "support/calls.rs"]
mod calls;
#[path = "support/model.rs"]
mod model;
#[path = "support/stacks.rs"]
mod stacks;

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;
use std::hash::Hash;

use e2e::kept::{self, pump};
use e2e::wire::{Event, Generation, Trace};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use runtime_trace::{
    BlockReason, Config, Frame, Host, Loss, ProcTrace, StopReason, Sweep, SweptState, Symbolizer,
    TaskTrace, Tracer, Version,
};
use trace_format::end::LAST_NOTE;
use trace_format::limits::NO_THREAD;
use trace_format::{ArgKind, EventKind};
use trace_read::raw::{Item, RawReader};

use calls::{Call, PROCS, TASKS, call};
use model::{Expected, Model, Value};
use stacks::{Everything, Stack};

/// A host whose tasks and procs are held still as the test says.
struct Still<'s> {
    tasks: &'s [TaskTrace],
    procs: &'s [ProcTrace],
    still: RefCell<Vec<(usize, SweptState, Stack)>>,
    idle: RefCell<Vec<usize>>,
}

impl Symbolizer for Still<'_> {
    fn frames(&self, pc: usize, visit: &mut dyn FnMut(Frame<'_>)) {
        Everything.frames(pc, visit);
    }
}

impl Host for Still<'_> {
    fn checkpoint(&self) {}

    fn sweep(&self, sweep: &Sweep<'_>) {
        for (task, state, stack) in self.still.take() {
            sweep.task(&self.tasks[task], state, |pcs| stack.push(pcs));
        }
        for proc in self.idle.take() {
            sweep.proc_idle(&self.procs[proc]);
        }
    }
}

/// Makes the calls: the file, and what it must say.
fn record(
    version: Version,
    ids: Vec<u64>,
    procs: u32,
    calls: &[Call],
) -> Result<(Vec<u8>, Model), TestCaseError> {
    let tasks: Vec<TaskTrace> = ids.iter().copied().map(TaskTrace::new).collect();
    let all_procs: Vec<ProcTrace> = (0..PROCS as u32).map(ProcTrace::new).collect();
    let tracer = Tracer::new();
    let host = Still {
        tasks: &tasks,
        procs: &all_procs,
        still: RefCell::default(),
        idle: RefCell::default(),
    };
    let mut config = Config::new(procs);
    config.version = version;
    let worker = tracer.worker().expect("memory for a worker");
    tracer.start(&config, &host).expect("it starts");
    let mut reader = tracer.reader().expect("nobody else reads");
    let mut file = Vec::new();
    let mut model = Model::new(worker.id(), ids, procs);
    for call in calls {
        let proc = model.proc.map(|proc| &all_procs[proc]);
        let task = model.task.map(|task| &tasks[task]);
        match call {
            Call::Checkpoint(stack) => worker.checkpoint(proc, task, |pcs| stack.push(pcs)),
            Call::SetProcs(count) => tracer.set_procs(*count),
            Call::Advance(still, idle) => {
                pump(&mut reader, &mut file);
                host.still.replace(still.clone());
                host.idle.replace(idle.clone());
                prop_assert_eq!(tracer.advance(&host), Ok(()));
            }
            other => {
                let emit = worker.acquire(proc, task).expect("tracing is on");
                other.perform(&emit, &tasks, &all_procs);
            }
        }
        model.apply(call);
    }
    prop_assert_eq!(tracer.stop(&host), Ok(()));
    prop_assert!(
        pump(&mut reader, &mut file),
        "it was stopped and has no end"
    );
    let stats = tracer.stats();
    prop_assert_eq!(stats.losses.total(), model.refused, "{}", stats.losses);
    prop_assert_eq!(stats.losses.count(Loss::NoTask), model.refused);
    let said: usize = model.said.iter().flatten().map(Vec::len).sum();
    model.end();
    let notes = 6 + model.notes.len();
    prop_assert_eq!(stats.events, (said + notes) as u64);
    Ok((file, model))
}

/// Which ID stands for what in a generation.
#[derive(Default)]
struct Ids<T>(HashMap<T, u64>);

impl<T: Eq + Hash + Debug> Ids<T> {
    /// Notes that this has the ID, and no other.
    fn used(&mut self, it: T, id: u64) -> Result<(), TestCaseError> {
        let known = *self.0.entry(it).or_insert(id);
        prop_assert_eq!(known, id, "two IDs");
        Ok(())
    }
}

#[derive(Default)]
struct Interned {
    strings: Ids<String>,
    stacks: Ids<(Option<usize>, Vec<usize>)>,
}

/// Compares one thread's events with what was said.
fn compare(
    found: &[Event],
    expected: &[Expected],
    generation: &Generation,
    interned: &mut Interned,
) -> Result<(), TestCaseError> {
    for (event, (kind, values)) in found.iter().zip(expected) {
        prop_assert_eq!(event.kind, *kind);
        let args = kind.args();
        prop_assert_eq!(args.len(), values.len());
        for ((arg, &id), value) in args.iter().zip(&event.args).zip(values) {
            match (arg.kind, value) {
                (ArgKind::String, Value::Text(text)) => {
                    prop_assert_eq!(generation.string(id), Some(&text[..]), "{:?}", event);
                    prop_assert_eq!(id == 0, text.is_empty());
                    // A message is written anew each time.
                    if (*kind, arg.name) != (EventKind::UserLog, "value") {
                        interned.strings.used(text.clone(), id)?;
                    }
                }
                (ArgKind::Stack, Value::Stack(stack)) => {
                    let empty = (id == 0).then(Vec::new);
                    let there = empty.as_ref().or_else(|| generation.stacks.get(&id));
                    let is_it = there.is_some_and(|frames| stack.is(frames));
                    prop_assert!(is_it, "{:?} has {:?} for {:?}", event, there, stack);
                    interned.stacks.used(stack.key(), id)?;
                }
                (_, Value::Number(number)) => prop_assert_eq!(id, *number, "{:?}", event),
                (arg, value) => prop_assert!(false, "{:?} for {:?}", value, arg),
            }
        }
    }
    prop_assert_eq!(found.len(), expected.len());
    Ok(())
}

/// Makes the calls, and compares what is in the file with what was said.
fn holds(version: Version, ids: Vec<u64>, procs: u32, calls: &[Call]) -> Result<(), TestCaseError> {
    let (file, model) = record(version, ids, procs, calls)?;
    let trace = Trace::read(&file[..]);
    let trace = trace.map_err(|fault| TestCaseError::fail(fault.to_string()))?;
    prop_assert_eq!(trace.version, version);
    prop_assert_eq!(trace.generations.len(), model.said.len());
    for (number, (generation, said)) in (1..).zip(trace.generations.iter().zip(&model.said)) {
        let mut interned = Interned::default();
        let mut streams = 0;
        for (thread, said) in [model.worker, NO_THREAD].into_iter().zip(said) {
            let stream = generation.streams.get(&thread);
            streams += usize::from(stream.is_some());
            let found = stream.map_or(&[][..], Vec::as_slice);
            compare(found, said, generation, &mut interned)?;
        }
        if number == model.said.len() {
            let found = &generation.streams[&LAST_NOTE];
            let logs = found
                .iter()
                .filter(|event| event.kind == EventKind::UserLog);
            let logs: Vec<_> = logs.cloned().collect();
            compare(&logs, &model.notes, generation, &mut interned)?;
            streams += 1;
        }
        prop_assert_eq!(
            generation.streams.len(),
            streams,
            "a thread that there is not"
        );
    }
    Ok(())
}

fn ids() -> impl Strategy<Value = Vec<u64>> {
    vec(1..i64::MAX as u64, TASKS)
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..ProptestConfig::with_cases(60)
    })]

    /// Generation by generation and event by event, what is in the file is what
    /// was said.
    #[test]
    fn what_is_said_is_written(
        version in select(&[Version::Go125, Version::Go126][..]),
        ids in ids(),
        procs in any::<u32>(),
        calls in vec(call(), 0..120),
    ) {
        holds(version, ids, procs, &calls)?;
    }
}

/// One of each call that a status may depend on, or may have to be written for.
fn one_of_each() -> Vec<Call> {
    let none = || Stack {
        skip: None,
        pcs: Vec::new(),
    };
    let sweep = vec![(0, SweptState::Waiting, none())];
    vec![
        Call::ProcStart(0),
        Call::ProcStart(1),
        Call::ProcStop,
        Call::ProcSteal(0, 7),
        Call::TaskCreate(0, none(), none()),
        Call::TaskCreateInSyscall(0),
        Call::TaskStart(0),
        Call::TaskStart(1),
        Call::TaskStop(StopReason::Yield, none()),
        Call::TaskBlock(BlockReason::Sleep, none()),
        Call::TaskUnblock(0, none(), none()),
        Call::TaskUnblock(1, none(), none()),
        Call::TaskSwitch(1, none()),
        Call::TaskSwitchEnd(1, none()),
        Call::TaskEnd,
        Call::TaskEndInSyscall,
        Call::SyscallBegin(none()),
        Call::SyscallEnd,
        Call::SyscallEndBlocked,
        Call::RegionBegin(0, "region".to_owned(), none()),
        Call::HeapAlloc(1),
        Call::Checkpoint(none()),
        Call::Advance(Vec::new(), Vec::new()),
        Call::Advance(sweep, vec![0]),
    ]
}

/// The same for every order of three such calls (in the long form, of four), sensible
/// or not: what a thread remembers of its statuses is never more than the file has.
#[test]
fn every_order_of_a_few_calls() {
    let each = one_of_each();
    let length = if kept::long() { 4 } else { 3 };
    let orders = each.len().pow(length);
    for order in 0..orders {
        let at = |place| order / each.len().pow(place) % each.len();
        let calls: Vec<_> = (0..length).map(|place| each[at(place)].clone()).collect();
        let ids = (1..=TASKS as u64).collect();
        if let Err(error) = holds(Version::Go126, ids, 1, &calls) {
            panic!("{calls:?}: {error}");
        }
    }
    println!("evidence: {orders} orders of {length} calls");
}

/// Every kind of event that is not about what only Go has comes up among so many
/// calls, so the property above is about each.
#[test]
fn every_kind_is_said() {
    let mut runner = TestRunner::deterministic();
    let calls = vec(call(), 5000)
        .new_tree(&mut runner)
        .expect("any will do");
    let ids = (1..=TASKS as u64).collect();
    let (file, _) = record(Version::Go126, ids, 1, &calls.current()).expect("it is recorded");
    let mut reader = RawReader::new(&file[..]).expect("it is a trace");
    let mut found = BTreeSet::from([EventKind::EventBatch]);
    while let Some(item) = reader.next_item().expect("it is whole") {
        match item {
            Item::Batch(batch) => {
                found.extend(batch.events().map(|event| event.expect("it is one").kind));
            }
            Item::EndOfGeneration(_) => {
                found.insert(EventKind::EndOfGeneration);
            }
        }
    }
    let is_foreign = |kind: EventKind| {
        let name = kind.name();
        ["GC", "CPUSample", "Experimental"].iter().any(|start| name.starts_with(start))
            // Those of Go's experiments.
            || kind as u8 >= 128
    };
    let all = EventKind::ALL.iter().copied();
    let expected: BTreeSet<_> = all.filter(|kind| !is_foreign(*kind)).collect();
    assert_eq!(found, expected);
}
