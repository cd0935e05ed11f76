//! The handshake between a thread that writes and one that ends an epoch:
//! `enter` and `leave` beside `settle`, as threads come and go.

use std::sync::Arc;

use loom::sync::atomic::{AtomicU64, Ordering};

use super::output::{Output, create, created, endless, enter};
use crate::batch::Batch;
use crate::lock::Held;
use crate::thread::{Slot, Threads};
use trace_format::varint;

struct Tracer {
    threads: Threads,
    epoch: AtomicU64,
    output: Output,
}

fn tracer() -> Arc<Tracer> {
    Arc::new(Tracer {
        threads: Threads::new(),
        epoch: AtomicU64::new(1),
        output: Output::new(),
    })
}

/// An event: the task that it creates, and the epoch that it was written into.
type Event = (u64, u64);

impl Tracer {
    fn claim(&self) -> &Slot {
        let held = Held::new();
        let env = self.output.env(&held);
        self.threads.claim(&env).expect("no limit is set")
    }

    /// Writes one event, as a thread does: `None` if tracing is off.
    fn event(&self, slot: &Slot, id: u64) -> Option<Event> {
        let busy = |_| panic!("the slot's last thread has not left it");
        let epoch = enter(slot, &self.epoch, busy)?;
        let held = Held::new();
        let env = self.output.env(&held);
        // SAFETY: this is the slot's thread, between `enter` and `leave`.
        unsafe {
            slot.with_buffer(epoch, |buffer| {
                let batch = buffer.get_or_insert_with(|| {
                    let mut batch = Batch::take(&env).expect("no limit is set");
                    batch.begin(&trace_format::BatchHeader {
                        generation: epoch,
                        thread: 1,
                        time: 0,
                    });
                    batch
                });
                create(batch, id);
            });
        }
        slot.leave();
        Some((id, epoch))
    }

    /// Puts `next` in force and returns what was written into the epoch before.
    fn end(&self, epoch: u64, next: u64) -> Vec<Event> {
        // Release: as in `generation.rs`.
        self.epoch.store(next, Ordering::Release);
        let mut events = Vec::new();
        let settled = self.threads.settle(epoch, &mut endless(), |mut batch| {
            batch.seal();
            events.extend(read(&batch));
            batch.unmap(&self.output.pages);
        });
        assert!(settled);
        assert!(
            events.iter().all(|event| event.1 == epoch),
            "in the wrong epoch: {events:?}"
        );
        events
    }
}

/// The events in a batch, which says its generation.
fn read(batch: &Batch) -> Vec<Event> {
    let mut rest = &batch.bytes()[1..];
    let [generation, _, _, size] = [(); 4].map(|()| {
        let (value, used) = varint::decode(rest).expect("a whole number");
        rest = &rest[used..];
        value
    });
    assert_eq!(rest.len() as u64, size);
    created(rest)
        .into_iter()
        .map(|id| (id, generation))
        .collect()
}

/// Runs `workers` beside as many ends of epochs. What a worker has written must
/// be found, once and in its order, where it wrote it, and nothing else.
fn beside_ends(ends: u64, workers: &'static [fn(&Tracer) -> Vec<Option<Event>>]) {
    loom::model(move || {
        let tracer = tracer();
        let running: Vec<_> = workers
            .iter()
            .map(|&worker| {
                let tracer = tracer.clone();
                loom::thread::spawn(move || worker(&tracer))
            })
            .collect();
        let mut found = Vec::new();
        for epoch in 1..ends {
            found.extend(tracer.end(epoch, epoch + 1));
        }
        found.extend(tracer.end(ends, 0));
        for worker in running {
            let written = worker.join().unwrap();
            let ids: Vec<_> = written.iter().flatten().map(|event| event.0).collect();
            let (own, others) = found.into_iter().partition(|event| ids.contains(&event.0));
            let own: Vec<Event> = own;
            assert_eq!(own, written.into_iter().flatten().collect::<Vec<_>>());
            found = others;
        }
        assert_eq!(found, []);
    });
}

/// A thread goes through two events.
#[test]
fn two_events() {
    two_events_beside(2);
}

/// The same while three epochs end: the third has the buffer of the first.
#[test]
fn two_events_in_one_buffer() {
    two_events_beside(3);
}

fn two_events_beside(ends: u64) {
    beside_ends(
        ends,
        &[|tracer| {
            let slot = tracer.claim();
            vec![tracer.event(slot, 1), tracer.event(slot, 2)]
        }],
    );
}

/// A thread enters while an epoch begins that has the buffer which is being
/// taken away: it has it only after that.
#[test]
fn a_buffer_is_handed_back() {
    loom::model(|| {
        let tracer = tracer();
        // Here, so that two preemptions are enough for what is of interest.
        tracer.claim();
        let writer = loom::thread::spawn({
            let tracer = tracer.clone();
            move || {
                let slot = tracer.threads.iter().next().expect("claimed above");
                tracer.event(slot, 1)
            }
        });
        let found: Vec<_> = [(1, 2), (2, 3), (3, 0)]
            .into_iter()
            .flat_map(|(epoch, next)| tracer.end(epoch, next))
            .collect();
        assert_eq!(found, Vec::from_iter(writer.join().unwrap()));
    });
}

/// Two threads come while epochs end; each has a slot of its own.
#[test]
fn two_threads_come() {
    beside_ends(
        2,
        &[
            |tracer| vec![tracer.event(tracer.claim(), 1)],
            |tracer| vec![tracer.event(tracer.claim(), 2)],
        ],
    );
}

/// Threads come and go, and may leave a slot, with what they wrote, to one
/// another.
#[test]
fn threads_come_and_go() {
    fn come_and_go(tracer: &Tracer, id: u64) -> Vec<Option<Event>> {
        let slot = tracer.claim();
        let event = tracer.event(slot, id);
        slot.give_up();
        vec![event]
    }
    beside_ends(
        2,
        &[
            |tracer| come_and_go(tracer, 1),
            |tracer| come_and_go(tracer, 2),
        ],
    );
}
