//! Channels: bounded queues of messages between tasks, first come, first
//! served on both ends.
//!
//! A channel only says what is to be done; blocking and waking are the
//! caller's. An operation that has to wait leaves the task in the queue of its
//! end and returns with the channel still locked, so that nobody can take the
//! waiter before the task is marked as waiting.
//!
//! # Invariants
//!
//! 1. Receivers wait only while the buffer is empty and no sender waits.
//! 2. Senders wait only while the buffer is full.
//! 3. A closed channel has no waiters.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::bury::bury;
use crate::copy::Message;
use crate::fault::Fault;
use crate::sync::lock;
use crate::task::Task;

/// A channel, shared by all tasks that know it.
pub(crate) struct Channel {
    capacity: usize,
    state: Mutex<State>,
}

#[derive(Default)]
pub(crate) struct State {
    closed: bool,
    buffer: VecDeque<Message>,
    receivers: VecDeque<Receiver>,
    senders: VecDeque<Sender>,
}

/// A task that waits for a message.
pub(crate) struct Receiver {
    pub(crate) task: Arc<Task>,
    /// The register, of its innermost frame, that the message goes to.
    pub(crate) into: u8,
}

/// A task that waits for room.
struct Sender {
    task: Arc<Task>,
    message: Message,
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
    Message(Message, Option<Arc<Task>>),
    /// The channel is closed and empty.
    Closed,
    /// The task is in the queue of receivers; see [`Sent::Wait`].
    Wait(MutexGuard<'c, State>),
}

impl Channel {
    pub(crate) fn new(capacity: usize) -> Self {
        Channel {
            capacity,
            state: Mutex::default(),
        }
    }

    /// Sends `message` for `task`.
    ///
    /// # Errors
    /// If the channel is closed.
    pub(crate) fn send(&self, task: &Arc<Task>, message: Message) -> Result<Sent<'_>, Fault> {
        let mut state = lock(&self.state);
        if state.closed {
            return Err(Fault::SendOnClosed);
        }
        if let Some(receiver) = state.receivers.pop_front() {
            return Ok(Sent::Hand(receiver, message));
        }
        if state.buffer.len() < self.capacity {
            state.buffer.push_back(message);
            return Ok(Sent::Buffered);
        }
        state.senders.push_back(Sender {
            task: Arc::clone(task),
            message,
        });
        Ok(Sent::Wait(state))
    }

    /// Receives for `task`, into a register if it has to wait.
    pub(crate) fn receive(&self, task: &Arc<Task>, into: u8) -> Received<'_> {
        let mut state = lock(&self.state);
        let buffered = state.buffer.pop_front();
        let sender = state.senders.pop_front();
        match (buffered, sender) {
            (Some(message), Some(sender)) => {
                state.buffer.push_back(sender.message);
                Received::Message(message, Some(sender.task))
            }
            (Some(message), None) => Received::Message(message, None),
            (None, Some(sender)) => Received::Message(sender.message, Some(sender.task)),
            (None, None) if state.closed => Received::Closed,
            (None, None) => {
                state.receivers.push_back(Receiver {
                    task: Arc::clone(task),
                    into,
                });
                Received::Wait(state)
            }
        }
    }

    /// Closes the channel and gives back all tasks that have waited on it, in
    /// their order; each tries again what it waited for.
    ///
    /// # Errors
    /// If it is closed already.
    pub(crate) fn close(&self) -> Result<Vec<Arc<Task>>, Fault> {
        let mut state = lock(&self.state);
        if std::mem::replace(&mut state.closed, true) {
            return Err(Fault::CloseOfClosed);
        }
        let receivers = std::mem::take(&mut state.receivers);
        let senders = std::mem::take(&mut state.senders);
        drop(state);
        Ok(receivers
            .into_iter()
            .map(|r| r.task)
            .chain(senders.into_iter().map(|s| s.task))
            .collect())
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let sent = state.senders.drain(..).map(|sender| sender.message);
        bury(state.buffer.drain(..).chain(sent));
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}
