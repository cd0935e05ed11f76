//! Tasks and what runs them, for the models of channels.
//!
//! A task is a thread of loom's here, and its run queue a flag that the thread
//! waits for. What a worker does for the task that it runs, around what the
//! machine's own files do, is in [`Runs`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use loom::cell::UnsafeCell;
use loom::thread;

use crate::channel::{Channel, Offered, Place, Polled, Received, Receiver, Sent, State};
use crate::copy::Message;
use crate::fault::Fault;
use crate::handle::{Handle, Joined};
use crate::state::{Next, Owned, Owner};
use crate::sync::{Condvar, Mutex, MutexGuard, lock};
use crate::ticket::{Selecting, Ticket, Waiter};
use crate::trace::Resume;

/// A task whose memory is what its wakers write.
pub(crate) struct Task {
    pub(crate) body: Owned<Body>,
    /// Whether it is to be woken. Not one of loom's: it is no part of the
    /// model and must add no order to it.
    waits: AtomicBool,
    /// Whether it is in a run queue.
    queued: Mutex<bool>,
    changed: Condvar,
}

/// What a task owns; loom sees who touches it.
pub(crate) struct Body(UnsafeCell<Memory>);

#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) got: Option<Message>,
    pub(crate) resume: Option<Resume>,
    pub(crate) selecting: Option<Selecting>,
}

impl Body {
    pub(crate) fn with<R>(&self, what: impl FnOnce(&mut Memory) -> R) -> R {
        // SAFETY: that nobody else is here is what the models are to show;
        // loom panics otherwise.
        self.0.with_mut(|memory| what(unsafe { &mut *memory }))
    }
}

impl Task {
    /// A task that can be claimed.
    pub(crate) fn new() -> Arc<Task> {
        let task = Task {
            body: Owned::new(Body(UnsafeCell::new(Memory::default()))),
            waits: AtomicBool::new(false),
            queued: Mutex::new(false),
            changed: Condvar::new(),
        };
        task.body.publish();
        Arc::new(task)
    }

    pub(crate) fn will_wait(&self) {
        // Relaxed: loom runs one thread at a time; here and below.
        self.waits.store(true, Ordering::Relaxed);
    }

    pub(crate) fn waits(&self) -> bool {
        self.waits.load(Ordering::Relaxed)
    }

    /// # Panics
    /// If nobody was to do this, or somebody has already.
    pub(crate) fn wakes_once(&self) {
        let waited = self.waits.swap(false, Ordering::Relaxed);
        assert!(waited, "a task is woken twice");
    }

    pub(crate) fn enqueue(&self) {
        *lock(&self.queued) = true;
        self.changed.notify_one();
    }

    pub(crate) fn wait_for_its_turn(&self) {
        let mut queued = lock(&self.queued);
        while !std::mem::take(&mut *queued) {
            queued = self.changed.wait(queued).expect("no panic under the lock");
        }
    }
}

/// An arm of a `select`, with the channel's place in the list.
#[derive(Clone, Copy)]
pub(crate) enum Arm {
    Receive(usize),
    Send(usize, u32),
}

/// What a worker does for the task that it runs.
pub(crate) struct Runs<'t> {
    task: &'t Arc<Task>,
    owner: Option<Owner<'t, Body>>,
}

impl<'t> Runs<'t> {
    pub(crate) fn new(task: &'t Arc<Task>) -> Self {
        Runs {
            task,
            owner: Some(task.body.claim()),
        }
    }

    /// As `Worker::send`.
    pub(crate) fn send(&mut self, channel: &Channel, message: u32) -> Result<(), Fault> {
        loop {
            match channel.send(self.task, Message(message))? {
                Sent::Buffered => return Ok(()),
                Sent::Hand(receiver, message) => {
                    wake_up(&receiver.waiter, receiver.waiter.resume(), Some(message));
                    return Ok(());
                }
                Sent::Wait(lock) => match self.block(lock) {
                    Resume::Again => {}
                    resume => {
                        assert_eq!(resume, Resume::After);
                        return Ok(());
                    }
                },
            }
        }
    }

    /// As `Worker::receive`; none if the channel is closed and empty.
    pub(crate) fn receive(&mut self, channel: &Channel) -> Option<u32> {
        loop {
            match channel.receive(self.task, 0) {
                Received::Message(message, sender) => {
                    if let Some(sender) = sender {
                        wake_up(&sender, sender.resume(), None);
                    }
                    return Some(message.0);
                }
                Received::Closed => return None,
                Received::Wait(lock) => match self.block(lock) {
                    Resume::Again => {}
                    resume => {
                        assert_eq!(resume, Resume::After);
                        return Some(self.got());
                    }
                },
            }
        }
    }

    /// Receives as `receive` must not: between its look and its wait the
    /// channel is not locked.
    pub(crate) fn receive_in_two_steps(&mut self, channel: &Channel) -> u32 {
        let found = channel.lock().poll();
        match found {
            Polled::Message(message, sender) => {
                if let Some(sender) = sender {
                    wake_up(&sender, sender.resume(), None);
                }
                message.0
            }
            Polled::Closed => panic!("nobody closes it"),
            Polled::Empty => {
                let mut state = channel.lock();
                state.wait_to_receive(Waiter::alone(self.task), 0);
                self.block(state);
                self.got()
            }
        }
    }

    /// As `Worker::close`.
    pub(crate) fn close(&mut self, channel: &Channel) -> Result<(), Fault> {
        for waiter in channel.close()? {
            wake_up(&waiter, Resume::Again, None);
        }
        Ok(())
    }

    /// As `Worker::join`.
    pub(crate) fn join(&mut self, handle: &Handle) -> u32 {
        match handle.join(self.task, 0) {
            Joined::Result(result) => result.0,
            Joined::Wait(lock) => {
                assert_eq!(self.block(lock), Resume::After);
                self.got()
            }
        }
    }

    /// As `Worker::select`: which arm it was, and what it received. A channel
    /// that is closed gives nothing.
    pub(crate) fn select(
        &mut self,
        channels: &[Arc<Channel>],
        arms: &[Arm],
    ) -> (usize, Option<u32>) {
        loop {
            let mut locked = lock_all(channels);
            let ready = (0..arms.len()).find_map(|i| Some((i, attempt(&mut locked, arms[i])?)));
            if let Some((i, ready)) = ready {
                drop(locked);
                return match ready {
                    Ready::Sent(None) | Ready::Closed => (i, None),
                    Ready::Sent(Some((receiver, message))) => {
                        wake_up(&receiver.waiter, receiver.waiter.resume(), Some(message));
                        (i, None)
                    }
                    Ready::Received(message, sender) => {
                        if let Some(sender) = sender {
                            wake_up(&sender, sender.resume(), None);
                        }
                        (i, Some(message.0))
                    }
                };
            }
            let ticket = Arc::new(Ticket::default());
            self.enter(channels, &mut locked, arms, |i| {
                Waiter::select(self.task, &ticket, i)
            });
            if let Resume::At(i) = self.block(locked) {
                let got = self.memory().with(|memory| memory.got.take());
                return (i as usize, got.map(|message| message.0));
            }
        }
    }

    /// Enters the queues of all arms.
    pub(crate) fn enter(
        &self,
        channels: &[Arc<Channel>],
        locked: &mut [MutexGuard<'_, State>],
        arms: &[Arm],
        waiter: impl Fn(u32) -> Waiter,
    ) {
        let places = (0..).zip(arms).map(|(i, &arm)| match arm {
            Arm::Receive(at) => (at, locked[at].wait_to_receive(waiter(i), 0)),
            Arm::Send(at, message) => (at, locked[at].wait_to_send(waiter(i), Message(message))),
        });
        let places: Box<[(Arc<Channel>, Place)]> = places
            .map(|(at, place)| (Arc::clone(&channels[at]), place))
            .collect();
        self.memory().with(|memory| {
            memory.selecting = Some(Selecting {
                channels: places,
                timer: None,
            });
        });
    }

    /// As `Worker::block`, and until the task runs again.
    fn block<L>(&mut self, locks: L) -> Resume {
        self.stop(locks);
        self.task.wait_for_its_turn();
        self.owner = Some(self.task.body.claim());
        let resume = self.memory().with(|memory| memory.resume.take());
        resume.expect("whoever wakes a task says where it goes on")
    }

    /// Lets the task wait; the locks are given back last.
    pub(crate) fn stop<L>(&mut self, locks: L) {
        self.task.will_wait();
        let owner = self.owner.take().expect("it runs");
        owner.release(Next::Waiting);
        drop(locks);
    }

    fn memory(&self) -> &Body {
        self.owner.as_ref().expect("it runs").get()
    }

    fn got(&self) -> u32 {
        let got = self.memory().with(|memory| memory.got.take());
        got.expect("whoever wakes a receiver hands it a message").0
    }
}

/// What a ready arm leaves to be done.
enum Ready {
    Sent(Option<(Receiver, Message)>),
    Received(Message, Option<Waiter>),
    Closed,
}

/// As `What::attempt`.
fn attempt(locked: &mut [MutexGuard<'_, State>], arm: Arm) -> Option<Ready> {
    match arm {
        Arm::Receive(at) => match locked[at].poll() {
            Polled::Message(message, sender) => Some(Ready::Received(message, sender)),
            Polled::Closed => Some(Ready::Closed),
            Polled::Empty => None,
        },
        Arm::Send(at, message) => match locked[at].offer(Message(message)) {
            Ok(Offered::Buffered) => Some(Ready::Sent(None)),
            Ok(Offered::Hand(receiver, message)) => Some(Ready::Sent(Some((receiver, message)))),
            Ok(Offered::Full(_)) => None,
            Err(_) => Some(Ready::Closed),
        },
    }
}

pub(crate) fn lock_all(channels: &[Arc<Channel>]) -> Vec<MutexGuard<'_, State>> {
    channels.iter().map(|channel| channel.lock()).collect()
}

/// As `Worker::hand` and `Worker::wake`, and into the run queue.
pub(crate) fn wake_up(waiter: &Waiter, resume: Resume, message: Option<Message>) {
    waiter.task.wakes_once();
    let held = waiter.task.body.hold_waiting();
    let selecting = held.get().with(|memory| memory.selecting.take());
    for (channel, place) in selecting.iter().flat_map(|waits| &waits.channels) {
        channel.forget(*place);
    }
    held.get().with(|memory| {
        memory.resume = Some(resume);
        memory.got = message;
    });
    held.wake();
    waiter.task.enqueue();
}

/// A thread that runs a new task.
pub(crate) fn spawn<R: 'static>(
    run: impl FnOnce(&mut Runs<'_>) -> R + 'static,
) -> thread::JoinHandle<R> {
    thread::spawn(move || {
        let task = Task::new();
        let mut runs = Runs::new(&task);
        run(&mut runs)
    })
}

/// Runs a new task on this thread.
pub(crate) fn here<R>(run: impl FnOnce(&mut Runs<'_>) -> R) -> R {
    let task = Task::new();
    let mut runs = Runs::new(&task);
    run(&mut runs)
}
