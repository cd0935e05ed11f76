//! What the tracer says by itself in a trace: what it lost, and that it ends.
//!
//! The last notes stand on a thread of their own, with a task and a proc that
//! exist for them only. They say nothing of the program that was traced, so
//! analyses do not count them.

use trace_format::end::{End, LAST_NOTE};
use trace_format::loss::CATEGORY;
use trace_read::{Event, Kind, WorkerId};

use crate::loss::Losses;
use crate::stream::Outcome;

/// What a trace's notes say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// What was lost.
    pub losses: Losses,
    /// Why the trace ends, if it says so.
    pub end: Option<End>,
    /// How many events the last notes take.
    pub last: u64,
}

impl Notes {
    /// Looks whether an event is a note. Returns whether it belongs to the last
    /// ones, which analyses leave out.
    #[inline(always)]
    pub fn event(&mut self, event: &Event<'_>) -> bool {
        if let Kind::Log(log) = event.kind
            && log.category == CATEGORY
        {
            match End::of(log.message) {
                Some(end) => self.end = Some(end),
                None => self.losses.note(event.time, log.message),
            }
        }
        let last = event.worker == Some(WorkerId(LAST_NOTE));
        self.last += u64::from(last);
        last
    }

    /// Takes the last notes out of what was read.
    pub(crate) fn leave_out(&self, outcome: &mut Outcome) {
        outcome.events -= self.last;
        outcome.salvaged = outcome.salvaged.saturating_sub(self.last);
    }
}
