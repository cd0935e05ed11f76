//! Models of how tasks hand messages to each other: channels, the ticket of a
//! `select`, and the handle that a task is joined by.
//!
//! They are built from the machine's own files, with loom's atomics and locks in
//! the place of `crate::sync`. Each task is a thread of its own, see [`task`], so
//! that a lost wake-up is a deadlock; a second one for the same wait panics. A
//! `select` locks its channels in the order of their places in a list, since
//! addresses differ from one execution to the next.
//!
//! # Bounds
//!
//! Up to three threads, two channels, three messages, and buffers of up to two.
//! `cargo xtask loom` besides bounds how often a thread that could go on is
//! interrupted, twice if not told otherwise. What a handle's `OnceLock` orders
//! is not modelled, only when it is set.
//!
//! Run by `cargo xtask loom`; without `--cfg loom` this file is empty.

#![cfg(loom)]
#![allow(
    dead_code,
    unreachable_pub,
    reason = "a model uses a part of each file"
)]

#[path = "../src/channel.rs"]
mod channel;
#[path = "../src/fault.rs"]
mod fault;
#[path = "../src/handle.rs"]
mod handle;
#[path = "../src/line.rs"]
mod line;
#[path = "../src/state.rs"]
mod state;
#[path = "support/loom_sync.rs"]
mod sync;
#[path = "support/loom_tasks.rs"]
mod task;
#[path = "../src/ticket.rs"]
mod ticket;

/// In the place of messages with heaps.
mod copy {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Message(pub(crate) u32);
}

/// These messages hold nothing.
mod bury {
    pub(crate) fn bury(messages: impl IntoIterator<Item = crate::copy::Message>) {
        messages.into_iter().for_each(drop);
    }
}

/// As the tracer's.
mod trace {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Resume {
        Again,
        After,
        At(u32),
    }
}

use std::sync::Arc;

use channel::{Channel, Offered, Polled, Received};
use copy::Message;
use fault::Fault;
use handle::Handle;
use loom::thread;
use task::{Arm, Runs, Task, here, lock_all, spawn, wake_up};
use ticket::{Ticket, Waiter};
use trace::Resume;

/// Checks that the channel is empty and has no waiters.
fn nothing_is_left(channel: &Channel, capacity: usize) {
    let mut state = channel.lock();
    match state.poll() {
        Polled::Message(message, _) => panic!("{message:?} is left"),
        Polled::Closed => return,
        Polled::Empty => {}
    }
    for i in 0..=capacity {
        match state.offer(Message(0)) {
            Ok(Offered::Buffered) => assert!(i < capacity),
            Ok(Offered::Full(_)) => assert_eq!(i, capacity),
            Ok(Offered::Hand(..)) => panic!("a receiver is left"),
            Err(fault) => panic!("{fault}"),
        }
    }
}

/// One task sends and another receives: all messages, in their order.
fn hand_over(capacity: usize, messages: u32) {
    loom::model(move || {
        let channel = Arc::new(Channel::new(capacity));
        let sender = spawn({
            let channel = Arc::clone(&channel);
            move |task| (0..messages).for_each(|i| task.send(&channel, i).expect("open"))
        });
        let got = here(|task| {
            (0..messages)
                .map(|_| task.receive(&channel))
                .collect::<Vec<_>>()
        });
        sender.join().expect("no panic");
        assert_eq!(got, (0..messages).map(Some).collect::<Vec<_>>());
        nothing_is_left(&channel, capacity);
    });
}

#[test]
fn unbuffered_hand_over() {
    hand_over(0, 3);
}

#[test]
fn buffered_hand_over() {
    hand_over(1, 3);
    hand_over(2, 3);
}

/// One message taken from a full buffer makes room for one more, whether its
/// sender waits already or not.
#[test]
fn a_receive_makes_room() {
    loom::model(|| {
        let channel = Arc::new(Channel::new(1));
        let sender = spawn({
            let channel = Arc::clone(&channel);
            move |task| (0..2).for_each(|i| task.send(&channel, i).expect("open"))
        });
        assert_eq!(here(|task| task.receive(&channel)), Some(0));
        sender.join().expect("no panic");
        let Polled::Message(message, None) = channel.lock().poll() else {
            panic!("the second message is in the buffer, and nobody waits");
        };
        assert_eq!(message, Message(1));
        nothing_is_left(&channel, 1);
    });
}

/// Two senders and one receiver: each message once, and no sender stays.
fn two_senders_and_a_receiver(capacity: usize) {
    loom::model(move || {
        let channel = Arc::new(Channel::new(capacity));
        let senders = [0, 1].map(|i| {
            let channel = Arc::clone(&channel);
            spawn(move |task| task.send(&channel, i).expect("open"))
        });
        let mut got = here(|task| [(); 2].map(|()| task.receive(&channel)));
        for sender in senders {
            sender.join().expect("no panic");
        }
        got.sort_unstable();
        assert_eq!(got, [Some(0), Some(1)]);
        nothing_is_left(&channel, capacity);
    });
}

#[test]
fn two_senders() {
    two_senders_and_a_receiver(0);
    two_senders_and_a_receiver(1);
}

/// Two receivers and one sender: each message once, and no receiver stays.
#[test]
fn two_receivers() {
    loom::model(|| {
        let channel = Arc::new(Channel::new(0));
        let receivers = [0, 1].map(|_| {
            let channel = Arc::clone(&channel);
            spawn(move |task| task.receive(&channel))
        });
        here(|task| (0..2).for_each(|i| task.send(&channel, i).expect("open")));
        let mut got = receivers.map(|receiver| receiver.join().expect("no panic"));
        got.sort_unstable();
        assert_eq!(got, [Some(0), Some(1)]);
        nothing_is_left(&channel, 0);
    });
}

/// The receiver looks, and then waits without looking again under the same
/// lock: a message sent in between wakes nobody.
#[test]
#[should_panic(expected = "deadlock")]
fn a_lost_wake_up_is_found() {
    loom::model(|| {
        let channel = Arc::new(Channel::new(1));
        let sender = spawn({
            let channel = Arc::clone(&channel);
            move |task| task.send(&channel, 7).expect("open")
        });
        assert_eq!(here(|task| task.receive_in_two_steps(&channel)), 7);
        sender.join().expect("no panic");
    });
}

/// A channel is closed while its receiver waits or comes; what was sent before
/// arrives.
fn close_beside_a_receiver(capacity: usize, messages: u32) {
    loom::model(move || {
        let channel = Arc::new(Channel::new(capacity));
        let receiver = spawn({
            let channel = Arc::clone(&channel);
            move |task| std::iter::from_fn(|| task.receive(&channel)).collect::<Vec<_>>()
        });
        here(|task| {
            (0..messages).for_each(|i| task.send(&channel, i).expect("open"));
            task.close(&channel).expect("open");
            assert_eq!(task.close(&channel), Err(Fault::CloseOfClosed));
        });
        let got = receiver.join().expect("no panic");
        assert_eq!(got, (0..messages).collect::<Vec<_>>());
        nothing_is_left(&channel, capacity);
    });
}

#[test]
fn a_close_wakes_the_receiver() {
    close_beside_a_receiver(0, 0);
    close_beside_a_receiver(0, 1);
    close_beside_a_receiver(1, 2);
}

/// A channel is closed while its sender waits or comes, and perhaps a receiver:
/// what arrives is what was sent without a fault.
fn close_beside_a_send(capacity: usize, receiver: bool) {
    loom::model(move || {
        let channel = Arc::new(Channel::new(capacity));
        let sender = spawn({
            let channel = Arc::clone(&channel);
            move |task| {
                for i in 0..2 {
                    if let Err(fault) = task.send(&channel, i) {
                        assert_eq!(fault, Fault::SendOnClosed);
                        return i;
                    }
                }
                2
            }
        });
        let all = |task: &mut Runs<'_>, channel: &Channel| {
            std::iter::from_fn(|| task.receive(channel)).collect::<Vec<_>>()
        };
        let receiver = receiver.then(|| {
            let channel = Arc::clone(&channel);
            spawn(move |task| all(task, &channel))
        });
        let mut got = here(|task| {
            task.close(&channel).expect("open");
            match receiver {
                Some(_) => Vec::new(),
                None => all(task, &channel),
            }
        });
        got.extend(
            receiver
                .into_iter()
                .flat_map(|r| r.join().expect("no panic")),
        );
        let sent = sender.join().expect("no panic");
        assert_eq!(got, (0..sent).collect::<Vec<_>>());
        nothing_is_left(&channel, capacity);
    });
}

#[test]
fn a_close_wakes_the_sender() {
    close_beside_a_send(0, false);
    close_beside_a_send(1, false);
}

#[test]
fn a_close_beside_both() {
    close_beside_a_send(0, true);
    close_beside_a_send(1, true);
}

/// A task waits in two channels, and behind it another one in each; two wakers
/// come at once. Its entries are to have one ticket.
fn two_wakers(one_ticket: bool, closes: bool) {
    loom::model(move || {
        let channels = [(); 2].map(|()| Arc::new(Channel::new(0)));
        let selecting = Task::new();
        let mut runs = Runs::new(&selecting);
        let mut locked = lock_all(&channels);
        let ticket = Arc::new(Ticket::default());
        let arms = [Arm::Receive(0), Arm::Receive(1)];
        runs.enter(&channels, &mut locked, &arms, |i| match one_ticket {
            true => Waiter::select(&selecting, &ticket, i),
            false => Waiter::select(&selecting, &Arc::default(), i),
        });
        runs.stop(locked);
        let behind = [0, 1].map(|i| {
            let task = Task::new();
            let mut runs = Runs::new(&task);
            let Received::Wait(lock) = channels[i].receive(&task, 0) else {
                panic!("there is nothing");
            };
            runs.stop(lock);
            task
        });

        let other = spawn({
            let channel = Arc::clone(&channels[1]);
            move |task| task.send(&channel, 1).expect("open")
        });
        here(|task| match closes {
            true => task.close(&channels[0]).expect("open"),
            false => task.send(&channels[0], 0).expect("open"),
        });
        other.join().expect("no panic");

        let woken = |task: &Arc<Task>| {
            assert!(!task.waits(), "nobody has woken it");
            let owner = task.body.claim();
            let (resume, got) = owner.get().with(|memory| (memory.resume, memory.got));
            (
                resume.expect("it has been woken"),
                got.map(|message| message.0),
            )
        };
        let first = woken(&selecting);
        let by_second = first == (Resume::At(1), Some(1));
        if closes {
            assert!(by_second || first == (Resume::Again, None), "{first:?}");
            assert_eq!(woken(&behind[0]), (Resume::Again, None));
        } else {
            assert!(by_second || first == (Resume::At(0), Some(0)), "{first:?}");
            // The one that has lost serves the next in its queue.
            assert_eq!(behind[0].waits(), !by_second);
            if by_second {
                assert_eq!(woken(&behind[0]), (Resume::After, Some(0)));
            } else {
                here(|task| task.send(&channels[0], 2).expect("open"));
                assert_eq!(woken(&behind[0]), (Resume::After, Some(2)));
            }
        }
        assert_eq!(behind[1].waits(), by_second);
        if by_second {
            here(|task| task.send(&channels[1], 2).expect("open"));
            assert_eq!(woken(&behind[1]), (Resume::After, Some(2)));
        } else {
            assert_eq!(woken(&behind[1]), (Resume::After, Some(1)));
        }
        channels
            .iter()
            .for_each(|channel| nothing_is_left(channel, 0));
    });
}

#[test]
fn one_of_two_senders_wakes_a_select() {
    two_wakers(true, false);
}

#[test]
fn a_sender_or_a_close_wakes_a_select() {
    two_wakers(true, true);
}

/// With a ticket for each entry, both wakers believe that the task is theirs.
#[test]
#[should_panic(expected = "woken twice")]
fn two_wake_ups_are_found() {
    two_wakers(false, false);
}

/// A `select` comes, twice, while two senders do.
#[test]
fn a_select_beside_two_senders() {
    loom::model(|| {
        let channels = [(); 2].map(|()| Arc::new(Channel::new(0)));
        let senders = [0, 1].map(|i: u32| {
            let channel = Arc::clone(&channels[i as usize]);
            spawn(move |task| task.send(&channel, i).expect("open"))
        });
        let arms = [Arm::Receive(0), Arm::Receive(1)];
        let mut got = here(|task| [(); 2].map(|()| task.select(&channels, &arms)));
        for sender in senders {
            sender.join().expect("no panic");
        }
        got.sort_unstable();
        assert_eq!(got, [(0, Some(0)), (1, Some(1))]);
        channels
            .iter()
            .for_each(|channel| nothing_is_left(channel, 0));
    });
}

/// Two that would send to each other or receive from each other agree on one.
#[test]
fn a_select_beside_a_select() {
    loom::model(|| {
        let channels = [(); 2].map(|()| Arc::new(Channel::new(0)));
        let other = spawn({
            let channels = channels.clone();
            move |task| task.select(&channels, &[Arm::Receive(0), Arm::Send(1, 1)])
        });
        let mine = here(|task| task.select(&channels, &[Arm::Send(0, 0), Arm::Receive(1)]));
        let others = other.join().expect("no panic");
        let agreed = [((0, None), (0, Some(0))), ((1, Some(1)), (1, None))];
        assert!(agreed.contains(&(mine, others)), "{mine:?} {others:?}");
        channels
            .iter()
            .for_each(|channel| nothing_is_left(channel, 0));
    });
}

/// A task joins another while that ends.
///
/// The one that joins is the model's first thread, which loom lets run first:
/// the other order would hide from loom that it takes a lock at all.
#[test]
fn a_join_beside_the_end() {
    loom::model(|| {
        let handle = Arc::new(Handle::new(1));
        let ending = thread::spawn({
            let handle = Arc::clone(&handle);
            move || {
                for receiver in handle.finish(Message(7)) {
                    let message = *handle.result().expect("it has ended");
                    wake_up(&receiver.waiter, receiver.waiter.resume(), Some(message));
                }
            }
        });
        assert_eq!(here(|task| task.join(&handle)), 7);
        ending.join().expect("no panic");
        assert_eq!(here(|task| task.join(&handle)), 7);
    });
}
