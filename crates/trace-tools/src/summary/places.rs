//! The places where tasks waited: blocked, and to be scheduled.

use hashbrown::HashMap;
use trace_read::TaskState;

use crate::intervals::{Interval, Life, Visitor};
use crate::spread::Spread;
use crate::stacks::{Name, StackKey};

/// How long tasks waited at one place for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where: for blocked tasks, where they were; for tasks made ready, where
    /// whoever did that was. Empty if that is not known.
    pub stack: StackKey,
    /// Why they blocked, or were stopped; empty if they were woken or created.
    pub reason: Name,
    /// How long, each time.
    pub waits: Spread,
}

/// Gathers where tasks waited.
#[derive(Debug, Default)]
pub(super) struct Places {
    blocked: HashMap<(StackKey, Name), Spread>,
    runnable: HashMap<(StackKey, Name), Spread>,
}

impl Places {
    /// Where tasks were blocked, and where they were made ready; the most time
    /// first.
    pub(super) fn finish(self) -> (Vec<Place>, Vec<Place>) {
        (sorted(self.blocked), sorted(self.runnable))
    }
}

/// Keys count up as they are met, so this order is always the same.
fn sorted(places: HashMap<(StackKey, Name), Spread>) -> Vec<Place> {
    let mut places: Vec<Place> = places
        .into_iter()
        .map(|((stack, reason), waits)| Place {
            stack,
            reason,
            waits,
        })
        .collect();
    places.sort_unstable_by_key(|place| {
        let total = std::cmp::Reverse(place.waits.total());
        (total, place.stack, place.reason)
    });
    places
}

impl Visitor for Places {
    fn interval(&mut self, interval: &Interval, _: &Life) {
        let (places, stack) = match interval.state {
            TaskState::Waiting => (&mut self.blocked, interval.stack),
            TaskState::Runnable => (&mut self.runnable, interval.event_stack),
            _ => return,
        };
        let waits = places.entry((stack, interval.reason)).or_default();
        waits.add(interval.duration());
    }
}
