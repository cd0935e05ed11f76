//! The reader looks into a batch that its thread still writes to.

use super::given_up::{give_up, judge, pull, shared, tasks, write};
use super::output::enter;
use crate::batch::Batch;
use crate::lock::Held;
use crate::queue::Unseen;
use crate::shared::Shared;

/// Writes two events, and hands the batch in before, between or after: how many could
/// be written.
fn write_two(shared: &Shared, hands_in_after: usize) -> usize {
    let held = Held::new();
    let slot = shared.threads.claim(&shared.env(&held)).expect("no limit");
    if enter(slot, shared.switch.epoch(), |_| {}).is_none() {
        return 0;
    }
    let mut written = 0;
    for id in [1, 2] {
        // SAFETY: this is the slot's thread, which has entered epoch 1.
        unsafe {
            written += usize::from(write(shared, slot, id));
            if written == hands_in_after {
                slot.hand_in(1, |batch| {
                    shared.out(1, &shared.env(&held)).push_full(batch);
                });
            }
        }
    }
    slot.leave();
    written
}

/// Looks once into what every thread has not pushed, and reads what was pushed.
fn look(shared: &Shared, found: &mut Vec<u64>, done: &mut Option<Batch>) {
    let held = Held::new();
    let env = shared.env(&held);
    if let Some(slot) = shared.threads.after(None) {
        let mut part = shared.out(1, &env).take_empty().expect("no limit");
        let seen = shared.queue.part(1, slot.offer(1), &mut part, &env);
        if seen.is_ok() {
            found.extend(tasks(part.bytes()));
        }
        part.unmap(&shared.pages);
        if seen != Err(Unseen::Pushed) {
            return;
        }
    }
    pull(shared, found, done);
}

/// A reader looks, twice, while a thread writes two events and hands its batch in at
/// some point: each event comes out once, in its order, and no page is left.
#[test]
fn each_event_is_read_once() {
    for hands_in_after in [1, 2] {
        loom::model(move || {
            let shared = shared();
            let reader = loom::thread::spawn({
                let shared = shared.clone();
                move || {
                    let (mut found, mut done) = (Vec::new(), None);
                    // Its header first, as in a file.
                    pull(&shared, &mut found, &mut done);
                    for _ in 0..2 {
                        look(&shared, &mut found, &mut done);
                    }
                    (found, done)
                }
            });
            let written = write_two(&shared, hands_in_after);
            let (mut found, mut done) = reader.join().unwrap();
            let held = Held::new();
            let env = shared.env(&held);
            let out = shared.out(1, &env);
            // Relaxed: there is no other thread.
            shared
                .switch
                .epoch()
                .store(0, loom::sync::atomic::Ordering::Relaxed);
            let push = |batch| out.push_full(batch);
            assert!(
                shared
                    .threads
                    .settle(1, &mut super::output::endless(), push)
            );
            shared.queue.complete(1, true, &env);
            assert!(pull(&shared, &mut found, &mut done), "it is complete");
            assert_eq!(found, (1..=written as u64).collect::<Vec<_>>());
        });
    }
}

/// The reader looks while the thread is given up: what was read before is not copied
/// again.
#[test]
fn what_was_read_is_not_copied_again() {
    loom::model(|| {
        let shared = shared();
        let writer = loom::thread::spawn({
            let shared = shared.clone();
            move || write_two(&shared, 3)
        });
        let reader = loom::thread::spawn({
            let shared = shared.clone();
            move || {
                let (mut found, mut done) = (Vec::new(), None);
                look(&shared, &mut found, &mut done);
                (found, done)
            }
        });
        // None of the three is this thread, so that two preemptions are enough for one
        // to be in the middle of something while another is, and the third does it all.
        let mover = loom::thread::spawn({
            let shared = shared.clone();
            move || give_up(&shared)
        });
        let settled = mover.join().unwrap();
        let (found, done) = reader.join().unwrap();
        let written = writer.join().unwrap();
        judge(&shared, settled, written, found, done);
    });
}
