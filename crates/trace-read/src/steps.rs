//! Steps that were found: where they go.
//!
//! To go from finding to telling and back costs about as much as to find a step.
//! So for who asks for them one by one some are found in a row, into a buffer that
//! stays in the nearest cache. Who takes all of them as they come is shown each
//! where it is found, and what is not looked at is not even put together.

use std::collections::BTreeSet;
use std::sync::Arc;

use trace_format::EventKind;

use crate::cursor::Timed;
use crate::error::{Place, ReadError};
use crate::left::Missing;
use crate::reader::Observer;
use crate::step::Step;
use crate::tables::Tables;

/// Where steps go that are found.
pub(crate) trait Sink {
    /// Takes a step for which there is no text carried along.
    fn take(&mut self, steps: &mut Steps, tables: &Tables, step: Step);

    /// Takes note of those that others have pushed.
    fn see(&mut self, steps: &mut Steps, tables: &Tables, carried: Option<&Arc<str>>);
}

/// They are kept until they are told.
pub(crate) struct Keep;

impl Sink for Keep {
    #[inline(always)]
    fn take(&mut self, steps: &mut Steps, _: &Tables, step: Step) {
        steps.push(step);
    }

    #[inline(always)]
    fn see(&mut self, _: &mut Steps, _: &Tables, _: Option<&Arc<str>>) {}
}

/// They are shown at once, as events.
pub(crate) struct Show<'o, O> {
    pub observer: &'o mut O,
    /// How many there were.
    pub shown: u64,
}

impl<O: Observer> Sink for Show<'_, O> {
    #[inline(always)]
    fn take(&mut self, steps: &mut Steps, tables: &Tables, step: Step) {
        self.shown += 1;
        self.observer.see(steps.in_turn(step).event(tables, None));
    }

    #[inline(never)]
    fn see(&mut self, steps: &mut Steps, tables: &Tables, carried: Option<&Arc<str>>) {
        while steps.tell() {
            self.shown += 1;
            self.observer.see(steps.last_told().event(tables, carried));
        }
    }
}

/// Steps in the order in which they are told, each later than the one before.
#[derive(Debug)]
pub(crate) struct Steps {
    all: Box<[Step; Self::ROOM]>,
    /// How many there are.
    len: usize,
    /// How many there may be before the finding of more has to stop.
    enough: usize,
    /// How many of them were told.
    told: usize,
    /// The time of the one before.
    time: i64,
    /// The generation that they are of.
    pub generation: u64,
    /// The first string or stack that a step refers to and that the tables do not
    /// have.
    lost: Option<Box<ReadError>>,
    /// The IDs of all strings and stacks that are not there.
    strings: BTreeSet<u64>,
    stacks: BTreeSet<u64>,
}

impl Steps {
    const ROOM: usize = 64;
    /// Most steps that an event makes.
    const AT_ONCE: usize = 3;
    /// So many, and the next event's may not find room.
    const ENOUGH: usize = Self::ROOM - Self::AT_ONCE + 1;

    pub fn new() -> Self {
        Self {
            all: Box::new([Step::NOTHING; Self::ROOM]),
            len: 0,
            enough: Self::ENOUGH,
            told: 0,
            time: 0,
            generation: 0,
            lost: None,
            strings: BTreeSet::new(),
            stacks: BTreeSet::new(),
        }
    }

    /// Forgets all, to find others.
    pub fn clear(&mut self) {
        self.len = 0;
        self.enough = Self::ENOUGH;
        self.told = 0;
    }

    /// Whether no more are to be found for now.
    #[inline(always)]
    pub fn is_enough(&self) -> bool {
        self.len >= self.enough
    }

    /// Makes those that are there enough.
    pub fn stop(&mut self) {
        self.enough = 0;
    }

    /// The slot of the stack with this ID, to which a worker's event refers; of the
    /// empty one if it is not there, and that is noted.
    #[inline(always)]
    pub fn stack(&mut self, tables: &Tables, event: &Timed, worker: u64, id: u64) -> u32 {
        match tables.stack_slot(id) {
            Some(slot) => slot,
            None => self.lose_stack(event.kind, id, event.offset, worker),
        }
    }

    /// The same for a string.
    #[inline(always)]
    pub fn string(&mut self, tables: &Tables, event: &Timed, worker: u64, id: u64) -> u32 {
        match tables.string_slot(id) {
            Some(slot) => slot,
            None => self.lose_string(event.kind, id, event.offset, worker),
        }
    }

    /// Notes that a stack is not there. The slot of what stands for it.
    #[cold]
    #[inline(never)]
    pub fn lose_stack(&mut self, kind: EventKind, id: u64, offset: u64, worker: u64) -> u32 {
        self.stacks.insert(id);
        let at = self.place(offset, worker);
        self.lose(ReadError::UnknownStack { at, kind, id })
    }

    /// The same for a string.
    #[cold]
    #[inline(never)]
    fn lose_string(&mut self, kind: EventKind, id: u64, offset: u64, worker: u64) -> u32 {
        self.strings.insert(id);
        let at = self.place(offset, worker);
        self.lose(ReadError::UnknownString { at, kind, id })
    }

    fn place(&self, offset: u64, worker: u64) -> Place {
        Place {
            offset,
            generation: Some(self.generation),
            thread: Some(worker),
        }
    }

    /// It is time to say so.
    fn lose(&mut self, error: ReadError) -> u32 {
        self.lost.get_or_insert_with(|| Box::new(error));
        self.stop();
        0
    }

    /// The first string or stack that was not there.
    pub fn take_lost(&mut self) -> Option<Box<ReadError>> {
        self.lost.take()
    }

    /// The generation's frames have names that are not there: these strings.
    pub fn miss(&mut self, strings: BTreeSet<u64>) {
        self.strings = strings;
    }

    /// How many strings and stacks are not there, of those that were asked for.
    pub fn missing(&self) -> Missing {
        Missing {
            strings: self.strings.len() as u64,
            stacks: self.stacks.len() as u64,
        }
    }

    /// The step in its turn. Its time becomes later than that of the one before:
    /// there are events of the same time, and clocks that disagree.
    #[inline(always)]
    pub fn in_turn(&mut self, step: Step) -> Step {
        let time = match step.time > self.time {
            true => step.time,
            false => self.soonest(),
        };
        self.time = time;
        Step { time, ..step }
    }

    /// Adds a step, in its turn.
    #[inline(always)]
    pub fn push(&mut self, step: Step) {
        let step = self.in_turn(step);
        // There is room: an event's steps are few, and finding stops before.
        if let Some(place) = self.all.get_mut(self.len) {
            *place = step;
            self.len += 1;
        }
    }

    /// The least time that the next one can have.
    #[cold]
    fn soonest(&self) -> i64 {
        // Go's reader goes on with negative times from the end of time.
        self.time.saturating_add(1)
    }

    /// As if there was a step at this time, or as soon as there can be one.
    pub fn pass(&mut self, time: i64) {
        self.time = time.max(self.soonest());
    }

    /// Tells the next one. False if there is none.
    #[inline(always)]
    pub fn tell(&mut self) -> bool {
        let more = self.told < self.len;
        self.told += usize::from(more);
        more
    }

    /// The last of those told.
    #[inline(always)]
    pub fn last_told(&self) -> &Step {
        &self.all[self.told.saturating_sub(1) % Self::ROOM]
    }
}
