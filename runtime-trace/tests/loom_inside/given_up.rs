//! A thread that does not leave in time is given up: what it wrote so far is
//! read beside it.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use loom::sync::atomic::Ordering;
use trace_format::{EventKind, Version, varint};

use super::output::{created, enter};
use crate::batch::Batch;
use crate::lock::Held;
use crate::queue::Pulled;
use crate::shared::Shared;
use crate::sync::Patience;
use crate::thread::{Slot, Stream};

/// A tracer whose epoch 1 is in force.
pub(super) fn shared() -> Arc<Shared> {
    let shared = Arc::new(Shared::new());
    let held = Held::new();
    let opened = shared.queue.open(1, Version::Go126, &shared.env(&held));
    assert!(opened);
    // Relaxed: the other thread is yet to come.
    shared.first_epoch.store(1, Ordering::Relaxed);
    shared.switch.epoch().store(1, Ordering::Relaxed);
    shared
}

/// Writes the creation of task `id`: whether it could.
///
/// # Safety
///
/// The caller is the slot's thread, in epoch 1.
pub(super) unsafe fn write(shared: &Shared, slot: &Slot, id: u64) -> bool {
    let held = Held::new();
    let stream = Stream {
        shared,
        env: shared.env(&held),
        epoch: 1,
        thread: 1,
        offer: Some(slot.offer(1)),
        latest: &Cell::new(0),
    };
    // SAFETY: the caller's word.
    unsafe {
        slot.with_buffer(1, |buffer| {
            stream
                .write(buffer, EventKind::GoCreate, 0, &[id, 0, 0])
                .is_ok()
        })
    }
}

/// The tasks that a batch creates, header included, whether sealed or not.
pub(super) fn tasks(written: &[u8]) -> Vec<u64> {
    let mut at = 1;
    for _ in ["generation", "thread", "time"] {
        at += varint::decode(&written[at..]).expect("a whole number").1;
    }
    created(&written[at + varint::MAX_LEN..])
}

/// Writes an event, hands its batch in, and writes another: how many could be
/// written.
fn write_two(shared: &Shared) -> usize {
    let held = Held::new();
    let slot = shared.threads.claim(&shared.env(&held)).expect("no limit");
    if enter(slot, shared.switch.epoch(), |_| {}).is_none() {
        return 0;
    }
    // SAFETY: this is the slot's thread, which has entered epoch 1.
    let written = unsafe {
        let first = write(shared, slot, 1);
        slot.hand_in(1, |batch| {
            shared.out(1, &shared.env(&held)).push_full(batch);
        });
        usize::from(first) + usize::from(first && write(shared, slot, 2))
    };
    slot.leave();
    written
}

/// Ends epoch 1, with hardly any patience, and queues what could be had: whether the
/// thread was out in time.
pub(super) fn give_up(shared: &Shared) -> bool {
    let held = Held::new();
    let env = shared.env(&held);
    let out = shared.out(1, &env);
    let push = |batch| out.push_full(batch);
    // Relaxed: ordered by the fence in `settle`, as where tracing stops.
    shared.switch.epoch().store(0, Ordering::Relaxed);
    let mut little = Patience::new(Duration::ZERO);
    let settled = shared.threads.settle(1, &mut little, push);
    if !settled {
        let wait_for_looks = || shared.queue.wait_for_looks(&env);
        shared.threads.give_up(1, push, wait_for_looks, |rest| {
            let mut copy = out.take_empty().expect("no limit");
            copy.copy(rest);
            out.push_full(copy);
            true
        });
    }
    settled
}

/// Reads what was pushed: whether the file has ended.
pub(super) fn pull(shared: &Shared, found: &mut Vec<u64>, done: &mut Option<Batch>) -> bool {
    let held = Held::new();
    let env = shared.env(&held);
    loop {
        match shared.queue.pull(done.take(), &env) {
            Pulled::Batch(batch) => {
                found.extend(tasks(batch.bytes()));
                *done = Some(batch);
            }
            Pulled::Header(_) | Pulled::EndOfGeneration => {}
            Pulled::Pending => return false,
            Pulled::End => return true,
        }
    }
}

/// Reads what was not `found` before, after `give_up` and all threads: a beginning of
/// what could be written, each event once, and all of it if the thread was out in time.
/// Nothing is left then.
pub(super) fn judge(
    shared: &Shared,
    settled: bool,
    written: usize,
    mut found: Vec<u64>,
    mut done: Option<Batch>,
) {
    let held = Held::new();
    shared.queue.complete(1, true, &shared.env(&held));
    assert!(pull(shared, &mut found, &mut done), "it is complete");
    assert!([1, 2].starts_with(&found), "{found:?}");
    if settled {
        assert_eq!(found.len(), written);
    }
    let mut none = Patience::new(Duration::ZERO);
    let unmap = |batch: Batch| batch.unmap(&shared.pages);
    assert!(shared.threads.settle(1, &mut none, unmap), "it is out");
}

/// Somebody's patience ends at any moment while a thread writes an event, hands
/// its batch in and writes another: what can be had is a beginning of that, each
/// event once, and all of it if the thread is out in time. When it is out at
/// last, nothing is left.
#[test]
fn a_slow_thread_is_given_up() {
    loom::model(|| {
        let shared = shared();
        // The writer is not the spawned thread: it runs first then, and two
        // preemptions are enough for what is of interest.
        let other = loom::thread::spawn({
            let shared = shared.clone();
            move || give_up(&shared)
        });
        let written = write_two(&shared);
        let settled = other.join().unwrap();
        judge(&shared, settled, written, Vec::new(), None);
    });
}
