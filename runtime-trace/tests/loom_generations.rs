//! Models of a whole tracer, through the public API: threads that write, come
//! and go beside one that starts, advances and stops.
//!
//! Run by `cargo xtask loom`; without `--cfg loom` this file is empty. A whole
//! tracer is too large for every interleaving, so the preemptions are bounded
//! (`LOOM_MAX_PREEMPTIONS`). What is inside it is modelled alone, and further,
//! in `loom_inside.rs`.

#![cfg(loom)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use trace_format::EventKind;
use trace_format::end::LAST_NOTE;
use trace_format::limits::{MAX_TIMED_ARGS, NO_THREAD};
use trace_format::varint;
use trace_format::version::HEADER_LEN;

use runtime_trace::{
    AdvanceError, Chunk, Config, Frame, Host, ProcTrace, StackId, StartError, StopError, Sweep,
    Symbolizer, TaskTrace, Tracer, Worker,
};

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
            // Not that of the last notes.
            if kind == EventKind::GoCreate && args[1] != LAST_NOTE {
                generations.last_mut().expect("one at least").push(args[1]);
            }
        }
    }
    generations.pop();
    generations
}

/// Explores `model`, and says how many executions that took.
fn explore(model: impl Fn() + Send + Sync + 'static) {
    let executions = Arc::new(AtomicUsize::new(0));
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 100_000;
    builder.check({
        let executions = executions.clone();
        move || {
            executions.fetch_add(1, Ordering::Relaxed); // Counts, and no more.
            model();
        }
    });
    // A model with a builder does not say so itself.
    let executions = executions.load(Ordering::Relaxed);
    println!("Completed in {executions} iterations");
}

/// A tracer that lives as long as loom's threads want it.
struct Shared(&'static Tracer);

impl Shared {
    fn new() -> Self {
        Self(Box::leak(Box::new(Tracer::new())))
    }

    fn start(&self) -> Result<(), StartError> {
        let mut config = Config::new(1);
        config.memory_limit = usize::MAX;
        self.0.start(&config, &NoHost)
    }

    /// The file, and the end of the tracer. No thread uses it any more.
    fn read(self) -> Vec<u8> {
        let mut file = Vec::new();
        self.read_into(&mut file);
        self.end();
        file
    }

    /// The end of the tracer, whose file has been read. No thread uses it any more.
    fn end(self) {
        let this: *const Tracer = self.0;
        // SAFETY: made by `new`, and used by nobody any more.
        drop(unsafe { Box::from_raw(this.cast_mut()) });
    }

    fn read_into(&self, file: &mut Vec<u8>) {
        let mut reader = self.0.reader().expect("the only reader");
        loop {
            match reader.next() {
                Chunk::Data(bytes) => file.extend_from_slice(bytes),
                Chunk::Pending => panic!("the file is not complete"),
                Chunk::End => break,
            }
        }
    }
}

fn proc(id: u32) -> &'static ProcTrace {
    Box::leak(Box::new(ProcTrace::new(id)))
}

/// Creates a task in an emission of its own: the epoch that it was written
/// into, if tracing is on.
fn create(worker: &Worker<'static>, proc: &'static ProcTrace, id: u64) -> Option<u64> {
    let emit = worker.acquire(Some(proc), None)?;
    emit.task_create(&TaskTrace::new(id), StackId::NONE, StackId::NONE);
    Some(emit.epoch())
}

/// A thread goes through two emissions while another moves the generation on:
/// each event is written once, in the order of their emission.
#[test]
fn emit_beside_advance() {
    explore(|| {
        let shared = Shared::new();
        let (tracer, proc) = (shared.0, proc(0));
        shared.start().unwrap();
        let writer = loom::thread::spawn(move || {
            let worker = tracer.worker().unwrap();
            for id in [1, 2] {
                create(&worker, proc, id);
            }
        });
        tracer.advance(&NoHost).unwrap();
        writer.join().unwrap();
        tracer.stop(&NoHost).unwrap();

        let created = creations(&shared.read());
        assert_eq!(created.len(), 2);
        assert_eq!(created.concat(), [1, 2], "{created:?}");
    });
}

/// A thread comes and goes while the generation moves on, and another comes
/// after it, perhaps in its place: what each wrote is where it was told.
#[test]
fn come_and_go_beside_advance() {
    explore(|| {
        let shared = Shared::new();
        let tracer = shared.0;
        shared.start().unwrap();
        let other = loom::thread::spawn(move || {
            let worker = tracer.worker().unwrap();
            create(&worker, proc(1), 1).expect("tracing is on")
        });
        tracer.advance(&NoHost).unwrap();
        let worker = tracer.worker().unwrap();
        assert_eq!(create(&worker, proc(2), 2), Some(2));
        drop(worker);
        let epoch = other.join().unwrap();
        tracer.stop(&NoHost).unwrap();

        let mut created = creations(&shared.read());
        created.iter_mut().for_each(|ids| ids.sort_unstable());
        let expected = match epoch {
            1 => [vec![1], vec![2]],
            _ => [vec![], vec![1, 2]],
        };
        assert_eq!(created, expected);
    });
}

/// Tracing starts and stops while a thread emits, which knows of it by nothing
/// but the tracer: what it was allowed to emit is in the file, and no more.
#[test]
fn emit_beside_start_and_stop() {
    explore(|| {
        let shared = Shared::new();
        let (tracer, proc) = (shared.0, proc(0));
        let writer = loom::thread::spawn(move || {
            let worker = tracer.worker().unwrap();
            [1, 2].map(|id| create(&worker, proc, id).map(|epoch| (id, epoch)))
        });
        shared.start().unwrap();
        tracer.stop(&NoHost).unwrap();
        let written = writer.join().unwrap();

        assert!(written.iter().flatten().all(|(_, epoch)| *epoch == 1));
        let ids: Vec<_> = written.iter().flatten().map(|(id, _)| *id).collect();
        assert_eq!(creations(&shared.read()), [ids]);
    });
}

/// Two threads move the generation on: one does, and the other finds it busy
/// or finds what the first has left.
#[test]
fn two_movers() {
    explore(|| {
        let shared = Shared::new();
        let tracer = shared.0;
        shared.start().unwrap();
        let other = loom::thread::spawn(move || tracer.advance(&NoHost));
        let moved = [tracer.advance(&NoHost), other.join().unwrap()];
        let refused = |it: &Result<(), AdvanceError>| {
            matches!(it, Err(AdvanceError::Busy | AdvanceError::ReaderBehind))
        };
        assert!(
            moved.iter().any(Result::is_ok) && moved.iter().any(refused),
            "{moved:?}"
        );
        tracer.stop(&NoHost).unwrap();
        assert_eq!(creations(&shared.read()).len(), 2);
    });
}

/// Tracing is started by one thread and stopped by another: either the one or
/// the other is refused, or an empty file comes of it.
#[test]
fn start_beside_stop() {
    explore(|| {
        let shared = Shared::new();
        let tracer = shared.0;
        let other = loom::thread::spawn(move || tracer.stop(&NoHost));
        let started = shared.start();
        match (started, other.join().unwrap()) {
            (Ok(()), Ok(())) => {}
            (Ok(()), Err(StopError::NotTracing | StopError::Busy)) => {
                tracer.stop(&NoHost).unwrap();
            }
            (Err(StartError::Busy), Err(StopError::NotTracing)) => {
                shared.read();
                return;
            }
            outcome => panic!("{outcome:?}"),
        }
        assert_eq!(creations(&shared.read()), [[0; 0]]);
    });
}

/// The sink fails while tracing stops: the trace ends for that reason or for
/// none.
#[test]
fn fail_beside_stop() {
    explore(|| {
        let shared = Shared::new();
        let tracer = shared.0;
        shared.start().unwrap();
        let reader = loom::thread::spawn(move || {
            let mut reader = tracer.reader().expect("the only reader");
            reader.fail();
        });
        let stopped = tracer.stop(&NoHost);
        assert!(
            matches!(stopped, Ok(()) | Err(StopError::SinkFailed)),
            "{stopped:?}"
        );
        reader.join().unwrap();
        shared.read();
    });
}

/// The reader comes to the end while tracing stops: whichever of them is the last
/// sees to it that no block is kept.
#[test]
fn read_beside_stop() {
    explore(|| {
        let shared = Shared::new();
        let tracer = shared.0;
        shared.start().unwrap();
        let reader = loom::thread::spawn(move || {
            let mut reader = tracer.reader().expect("the only reader");
            // More than there are pieces.
            (0..8).any(|_| reader.next() == Chunk::End)
        });
        tracer.stop(&NoHost).unwrap();
        if !reader.join().unwrap() {
            shared.read_into(&mut Vec::new());
        }
        assert_eq!(tracer.stats().mapped, 0, "blocks are kept");
        shared.end();
    });
}

/// A reader that comes after one that failed knows it, whichever thread it is
/// on: it gives no more data.
#[test]
fn a_reader_after_one_that_failed() {
    explore(|| {
        let shared = Shared::new();
        let tracer = shared.0;
        shared.start().unwrap();
        let mut first = tracer.reader().expect("the only reader");
        assert!(matches!(first.next(), Chunk::Data(_)));
        let second = loom::thread::spawn(move || {
            if let Some(mut second) = tracer.reader() {
                assert_eq!(second.next(), Chunk::Pending);
            }
        });
        first.fail();
        drop(first);
        second.join().unwrap();
        assert_eq!(tracer.stop(&NoHost), Err(StopError::SinkFailed));
        assert_eq!(shared.read(), []);
    });
}
