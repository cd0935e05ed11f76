//! Dropping messages without recursion.
//!
//! A channel can hold a message that holds the last reference to a channel that
//! holds a message, and so on, as far as memory goes; dropped one inside the
//! other they would overflow the worker's stack. So a channel or handle that is
//! dropped leaves its messages to the outermost such drop of the thread.

use std::cell::RefCell;

use crate::copy::Message;

thread_local! {
    /// What is still to be dropped; `None` while nobody is at it.
    static OPEN: RefCell<Option<Vec<Message>>> = const { RefCell::new(None) };
}

/// Drops messages, and what they hold, one after the other.
pub(crate) fn bury(messages: impl IntoIterator<Item = Message>) {
    let mut messages = messages
        .into_iter()
        .filter(|message| !matches!(message, Message::Plain(_)))
        .peekable();
    if messages.peek().is_none() {
        return;
    }
    // While a thread ends its locals may be gone; then so is the program.
    let _ = OPEN.try_with(|open| {
        if let Some(open) = open.borrow_mut().as_mut() {
            return open.extend(messages);
        }
        *open.borrow_mut() = Some(messages.collect());
        loop {
            // The borrow ends before the drop, which comes back here.
            let next = open.borrow_mut().as_mut().and_then(Vec::pop);
            match next {
                Some(message) => drop(message),
                None => break,
            }
        }
        *open.borrow_mut() = None;
    });
}
