//! A model of the handshake between a thread that writes and one that ends a
//! generation, through the public API.
//!
//! Run by `cargo xtask loom`; without `--cfg loom` this file is empty. A whole
//! tracer is too large for every interleaving, so the preemptions are bounded
//! (`LOOM_MAX_PREEMPTIONS`).

#![cfg(loom)]

use std::sync::atomic::{AtomicUsize, Ordering};

use trace_format::EventKind;
use trace_format::limits::{MAX_TIMED_ARGS, NO_THREAD};
use trace_format::varint;
use trace_format::version::HEADER_LEN;

use runtime_trace::{Chunk, Config, Frame, Host, ProcTrace, Sweep, Symbolizer, TaskTrace, Tracer};

struct NoHost;

impl Symbolizer for NoHost {
    fn frames(&self, _: usize, _: &mut dyn FnMut(Frame<'_>)) {}
}

impl Host for NoHost {
    fn checkpoint(&self) {}
    fn sweep(&self, _: &Sweep<'_>) {}
}

/// The IDs of the tasks that were created, by generation.
fn creations(file: &[u8]) -> Vec<Vec<u64>> {
    let mut generations = vec![Vec::new()];
    let mut rest = &file[HEADER_LEN..];
    let number = |rest: &mut &[u8]| {
        let (value, used) = varint::decode(rest).expect("a whole number");
        *rest = &rest[used..];
        value
    };
    while let [kind, after @ ..] = rest {
        rest = after;
        if *kind == EventKind::EndOfGeneration as u8 {
            generations.push(Vec::new());
            continue;
        }
        assert_eq!(*kind, EventKind::EventBatch as u8);
        let [generation, thread, _, size] = [(); 4].map(|()| number(&mut rest));
        assert_eq!(
            generation as usize,
            generations.len(),
            "in the wrong generation"
        );
        let (mut payload, after) = rest.split_at(size as usize);
        rest = after;
        while let ([kind, after @ ..], true) = (payload, thread != NO_THREAD) {
            payload = after;
            let kind = EventKind::from_code(*kind).expect("a known event");
            let mut args = [0; MAX_TIMED_ARGS];
            for arg in &mut args[..1 + kind.args().len()] {
                *arg = number(&mut payload);
            }
            if kind == EventKind::GoCreate {
                generations.last_mut().expect("one at least").push(args[1]);
            }
        }
    }
    generations.pop();
    generations
}

/// A thread goes through two emissions while another moves the generation on:
/// each event is written once, in the order of their emission.
#[test]
fn emit_beside_advance() {
    static EXECUTIONS: AtomicUsize = AtomicUsize::new(0);
    let mut model = loom::model::Builder::new();
    model.max_branches = 100_000;
    model.check(|| {
        EXECUTIONS.fetch_add(1, Ordering::Relaxed); // Counts, and no more.
        let tracer: &'static Tracer = Box::leak(Box::new(Tracer::new()));
        let proc: &'static ProcTrace = Box::leak(Box::new(ProcTrace::new(0)));
        let mut config = Config::new(1);
        config.memory_limit = usize::MAX;
        tracer.start(&config, &NoHost).unwrap();
        let writer = loom::thread::spawn(move || {
            let worker = tracer.worker().unwrap();
            if let Some(emit) = worker.acquire(None, None) {
                emit.proc_start(proc);
            }
            for id in [1, 2] {
                if let Some(emit) = worker.acquire(Some(proc), None) {
                    let none = runtime_trace::StackId::NONE;
                    emit.task_create(&TaskTrace::new(id), none, none);
                }
            }
        });
        tracer.advance(&NoHost).unwrap();
        writer.join().unwrap();
        tracer.stop(&NoHost).unwrap();

        let mut file = Vec::new();
        let mut reader = tracer.reader().unwrap();
        while let Chunk::Data(bytes) = reader.next() {
            file.extend_from_slice(bytes);
        }
        let created = creations(&file);
        assert_eq!(created.len(), 2);
        assert_eq!(created.concat(), [1, 2], "{created:?}");
    });
    // A model with a builder does not say so itself.
    let executions = EXECUTIONS.load(Ordering::Relaxed);
    println!("Completed in {executions} iterations");
}
