//! Channels: bounded queues of messages between tasks, first come, first
//! served on both ends.
//!
//! A channel only says what is to be done; blocking and waking are the
//! caller's. An operation that has to wait leaves the task in the queue of its
//! end and returns with the channel still locked, so that nobody can take the
//! waiter before the task is marked as waiting.
//!
//! A `select` does the same with several channels at once, which it locks in
//! the order of their addresses; its entries can be out of date (see
//! [`ticket`](crate::ticket)), and are passed over then.
//!
//! # Invariants
//!
//! 1. Receivers wait only while the buffer is empty and no sender waits, apart
//!    from both sides of one `select`.
//! 2. Senders wait only while the buffer is full.
//! 3. A closed channel has no waiters.
//! 4. Whoever locks several channels locks them in the order of their addresses.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use crate::bury::bury;
use crate::copy::Message;
use crate::fault::Fault;
use crate::line::Line;
use crate::sync::{Mutex, MutexGuard, PoisonError, lock};
use crate::task::Task;
use crate::ticket::Waiter;

/// A channel, shared by all tasks that know it.
pub(crate) struct Channel {
    state: Mutex<State>,
}

/// What is behind a channel's lock.
pub(crate) struct State {
    capacity: usize,
    closed: bool,
    buffer: VecDeque<Message>,
    receivers: Line<Receiver>,
    senders: Line<Sender>,
}

/// A task that waits for a message.
pub(crate) struct Receiver {
    pub(crate) waiter: Waiter,
    /// The register, of its innermost frame, that the message goes to.
    pub(crate) into: u8,
}

/// A task that waits for room.
struct Sender {
    waiter: Waiter,
    message: Message,
}

/// Where in which of a channel's queues a task is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Receiver(u64),
    Sender(u64),
}

/// What became of a send.
pub(crate) enum Sent<'c> {
    /// The buffer has taken it.
    Buffered,
    /// This receiver gets it: the caller hands it over and wakes the task.
    Hand(Receiver, Message),
    /// The task is in the queue of senders. Once it is marked as waiting, the
    /// lock is given back.
    Wait(MutexGuard<'c, State>),
}

/// What became of a receive.
pub(crate) enum Received<'c> {
    /// A message. If a sender has waited, it goes on: the caller wakes it.
    Message(Message, Option<Waiter>),
    /// The channel is closed and empty.
    Closed,
    /// The task is in the queue of receivers; see [`Sent::Wait`].
    Wait(MutexGuard<'c, State>),
}

/// What became of a send that does not wait.
pub(crate) enum Offered {
    /// As [`Sent::Buffered`].
    Buffered,
    /// As [`Sent::Hand`].
    Hand(Receiver, Message),
    /// It would have to wait.
    Full(Message),
}

/// What became of a receive that does not wait.
pub(crate) enum Polled {
    /// As [`Received::Message`].
    Message(Message, Option<Waiter>),
    /// As [`Received::Closed`].
    Closed,
    /// It would have to wait.
    Empty,
}

impl Channel {
    pub(crate) fn new(capacity: usize) -> Self {
        Channel {
            state: Mutex::new(State {
                capacity,
                closed: false,
                buffer: VecDeque::new(),
                receivers: Line::new(),
                senders: Line::new(),
            }),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Sends `message` for `task`.
    ///
    /// # Errors
    /// If the channel is closed.
    pub(crate) fn send(&self, task: &Arc<Task>, message: Message) -> Result<Sent<'_>, Fault> {
        let mut state = self.lock();
        Ok(match state.offer(message)? {
            Offered::Buffered => Sent::Buffered,
            Offered::Hand(receiver, message) => Sent::Hand(receiver, message),
            Offered::Full(message) => {
                state.wait_to_send(Waiter::alone(task), message);
                Sent::Wait(state)
            }
        })
    }

    /// Receives for `task`, into a register if it has to wait.
    pub(crate) fn receive(&self, task: &Arc<Task>, into: u8) -> Received<'_> {
        let mut state = self.lock();
        match state.poll() {
            Polled::Message(message, sender) => Received::Message(message, sender),
            Polled::Closed => Received::Closed,
            Polled::Empty => {
                state.wait_to_receive(Waiter::alone(task), into);
                Received::Wait(state)
            }
        }
    }

    /// Closes the channel and gives back all tasks that have waited on it, in
    /// their order; each tries again what it waited for.
    ///
    /// # Errors
    /// If it is closed already.
    pub(crate) fn close(&self) -> Result<Vec<Waiter>, Fault> {
        let mut state = self.lock();
        if std::mem::replace(&mut state.closed, true) {
            return Err(Fault::CloseOfClosed);
        }
        let receivers = state.receivers.take_all();
        let senders = state.senders.take_all();
        drop(state);
        Ok(receivers
            .map(|r| r.waiter)
            .chain(senders.map(|s| s.waiter))
            .filter(Waiter::claim)
            .collect())
    }

    /// Takes out an entry of a `select` that waits no more, if it is there still.
    pub(crate) fn forget(&self, place: Place) {
        let mut state = self.lock();
        match place {
            Place::Receiver(number) => {
                let gone = state.receivers.remove(number);
                drop(state);
                drop(gone);
            }
            Place::Sender(number) => {
                let gone = state.senders.remove(number);
                drop(state);
                bury(gone.map(|sender| sender.message));
            }
        }
    }
}

impl State {
    /// Sends, unless that would have to wait.
    ///
    /// # Errors
    /// If the channel is closed.
    #[inline]
    pub(crate) fn offer(&mut self, message: Message) -> Result<Offered, Fault> {
        if self.closed {
            return Err(Fault::SendOnClosed);
        }
        while let Some(receiver) = self.receivers.pop() {
            if receiver.waiter.claim() {
                return Ok(Offered::Hand(receiver, message));
            }
        }
        if self.buffer.len() < self.capacity {
            self.buffer.push_back(message);
            return Ok(Offered::Buffered);
        }
        Ok(Offered::Full(message))
    }

    /// Receives, unless that would have to wait.
    #[inline]
    pub(crate) fn poll(&mut self) -> Polled {
        let buffered = self.buffer.pop_front();
        let sender = self.next_sender();
        match (buffered, sender) {
            (Some(message), Some(sender)) => {
                self.buffer.push_back(sender.message);
                Polled::Message(message, Some(sender.waiter))
            }
            (Some(message), None) => Polled::Message(message, None),
            (None, Some(sender)) => Polled::Message(sender.message, Some(sender.waiter)),
            (None, None) if self.closed => Polled::Closed,
            (None, None) => Polled::Empty,
        }
    }

    #[inline]
    fn next_sender(&mut self) -> Option<Sender> {
        while let Some(sender) = self.senders.pop() {
            if sender.waiter.claim() {
                return Some(sender);
            }
            bury([sender.message]);
        }
        None
    }

    /// Puts a task that has found no room into the queue of senders.
    pub(crate) fn wait_to_send(&mut self, waiter: Waiter, message: Message) -> Place {
        Place::Sender(self.senders.push(Sender { waiter, message }))
    }

    /// Puts a task that has found nothing into the queue of receivers.
    pub(crate) fn wait_to_receive(&mut self, waiter: Waiter, into: u8) -> Place {
        Place::Receiver(self.receivers.push(Receiver { waiter, into }))
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let sent = state.senders.take_all().map(|sender| sender.message);
        bury(state.buffer.drain(..).chain(sent));
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").finish_non_exhaustive()
    }
}
