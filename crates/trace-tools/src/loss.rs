//! What the tracer lost, as it says itself in the trace.

use std::collections::HashSet;
use std::sync::Arc;

/// What the notes in a trace say of losses.
///
/// A note gives the number of all events lost since the trace began, and in
/// brackets how many for which cause: the last note holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    events: u64,
    notes: Vec<(u64, Arc<str>)>,
    /// The texts of the notes, each once: a file may have the same long one at any
    /// number of times.
    texts: HashSet<Arc<str>>,
}

impl Losses {
    /// Takes such a note in.
    pub(crate) fn note(&mut self, time: u64, message: &str) {
        let digits = message.bytes().take_while(u8::is_ascii_digit).count();
        if let Ok(events) = message[..digits].parse::<u64>() {
            self.events = self.events.max(events);
        }
        let text = match self.texts.get(message) {
            Some(text) => text.clone(),
            None => {
                let text: Arc<str> = message.into();
                self.texts.insert(text.clone());
                text
            }
        };
        self.notes.push((time, text));
    }

    /// How many events were lost.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The notes, and when each was written, in nanoseconds of the trace's
    /// clock.
    pub fn notes(&self) -> impl Iterator<Item = (u64, &str)> {
        self.notes.iter().map(|(time, note)| (*time, &**note))
    }
}
