//! One generation's events: those of its workers and its CPU samples, merged.

use std::sync::Arc;

use trace_format::EventKind;

use crate::cursor::Cursor;
use crate::error::ReadError;
use crate::event::Event;
use crate::frontier::{Entry, Frontier};
use crate::generation::Generation;
use crate::order::Order;
use crate::step::{Step, What};
use crate::tables::Tables;

/// Merges the events of one generation after the other.
#[derive(Debug)]
pub(crate) struct Merge {
    /// Where events come from, if there is one; otherwise it is empty.
    generation: Box<Generation>,
    is_open: bool,
    /// One for each of its workers.
    cursors: Vec<Cursor>,
    frontier: Frontier,
    /// Its next CPU sample.
    sample: usize,
    /// When that is. [`i64::MAX`] if there is none, too late to come before any
    /// event.
    sample_time: i64,
    order: Order,
    /// The first thing wrong with the generation.
    trouble: Option<ReadError>,
}

impl Merge {
    /// Without a generation; the empty one is to be opened one day.
    pub fn new(generation: Box<Generation>) -> Self {
        Self {
            generation,
            is_open: false,
            cursors: Vec::new(),
            frontier: Frontier::default(),
            sample: 0,
            sample_time: i64::MAX,
            order: Order::new(),
            trouble: None,
        }
    }

    /// Starts with a generation.
    pub fn open(&mut self, mut generation: Box<Generation>) {
        let tables = std::mem::take(&mut generation.tables);
        let has_events = !generation.lanes.is_empty();
        self.order
            .begin_generation(generation.number, tables, has_events);
        // Cursors are large: no more room than needed.
        self.cursors.reserve_exact(generation.lanes.len());
        for lane in &generation.lanes {
            let mut cursor = Cursor::new(lane.id, lane.first, &generation);
            match cursor.advance(&generation) {
                Ok(true) => {
                    cursor.worker = self.order.worker(lane.id);
                    self.frontier.push(Entry {
                        time: cursor.event.time,
                        cursor: self.cursors.len() as u32,
                    });
                    self.cursors.push(cursor);
                }
                Ok(false) => {}
                Err(error) => self.note(error),
            }
        }
        self.generation = generation;
        self.is_open = true;
        self.seek_sample(0);
    }

    /// Leaves the generation and returns its memory.
    pub fn close(&mut self) -> Option<Box<Generation>> {
        if !self.is_open {
            return None;
        }
        self.is_open = false;
        self.cursors.clear();
        self.frontier.clear();
        self.sample_time = i64::MAX;
        let empty = Box::new(Generation::new(self.generation.version));
        let mut generation = std::mem::replace(&mut self.generation, empty);
        if let Some(tables) = self.order.take_tables() {
            generation.tables = tables;
        }
        Some(generation)
    }

    /// The generation that events come from.
    pub fn generation(&self) -> Option<u64> {
        self.is_open.then_some(self.generation.number)
    }

    /// The tables that the event refers to.
    pub fn tables(&self) -> &Arc<Tables> {
        self.order.tables()
    }

    /// The event found last, in its short form.
    pub fn step(&self) -> &Step {
        self.order.step()
    }

    /// The text carried along with the event found last.
    pub fn carried(&self) -> Option<&Arc<str>> {
        self.order.carried()
    }

    /// The event found last.
    #[inline(always)]
    pub fn event(&self) -> Event<'_> {
        let order = &self.order;
        order.step().event(order.tables(), order.carried())
    }

    /// Finishes the step found last: its time must be later than `after`, for
    /// there are events of the same time, and clocks that disagree. A string or
    /// stack of it that is not there is trouble.
    #[inline(always)]
    pub fn finish(&mut self, after: i64) -> i64 {
        if let Some(error) = self.order.take_lost() {
            self.note(*error);
        }
        self.order.keep_after(after)
    }

    /// Notes that something is wrong, unless something is already.
    #[cold]
    #[inline(never)]
    pub fn note(&mut self, error: ReadError) {
        self.trouble.get_or_insert(error);
    }

    /// Whether anything is wrong with the generation.
    pub fn is_in_trouble(&self) -> bool {
        self.trouble.is_some()
    }

    /// What is wrong with the generation.
    pub fn take_trouble(&mut self) -> Option<ReadError> {
        self.trouble.take()
    }

    /// Finds the next event of the generation. False if there is none, be it
    /// because of trouble.
    #[inline(always)]
    pub fn advance(&mut self) -> bool {
        if self.order.next_step() {
            return true;
        }
        let Some(first) = self.frontier.first() else {
            return self.take_sample();
        };
        if self.sample_time < first.time {
            return self.take_sample();
        }
        match self.try_one(0, first) {
            Turn::Taken => true,
            Turn::Waits => self.try_others(),
            Turn::Never => false,
        }
    }

    /// Makes the next CPU sample the event found last. False if there is none.
    #[cold]
    #[inline(never)]
    fn take_sample(&mut self) -> bool {
        let Some(sample) = self.generation.samples.get(self.sample) else {
            return false;
        };
        let step = Step {
            time: sample.time,
            worker: sample.worker,
            proc: sample.proc,
            task: sample.task,
            stack: sample.stack,
            wire: Some(EventKind::CPUSample),
            what: What::Sample,
        };
        self.order.put_sample(step, sample.offset);
        self.seek_sample(self.sample + 1);
        true
    }

    /// Makes the sample at `at` the next one.
    fn seek_sample(&mut self, at: usize) {
        self.sample = at;
        let sample = self.generation.samples.get(at);
        self.sample_time = sample.map_or(i64::MAX, |sample| sample.time);
    }

    /// Makes this step the event found last.
    pub fn put(&mut self, step: Step) {
        self.order.put(step);
    }

    /// Tries the event of the cursor at `at` in the frontier.
    #[inline(always)]
    fn try_one(&mut self, at: usize, entry: Entry) -> Turn {
        let cursor = &mut self.cursors[entry.cursor as usize];
        match self.order.advance(&cursor.event, cursor.worker) {
            Ok(true) => {}
            Ok(false) => return Turn::Waits,
            Err(what) => {
                let error = ReadError::Impossible {
                    at: cursor.place(self.generation.number),
                    kind: cursor.event.kind,
                    what,
                };
                self.stop(error);
                return Turn::Never;
            }
        }
        match cursor.advance(&self.generation) {
            Ok(true) if at == 0 => self.frontier.update_first(cursor.event.time),
            Ok(true) => self.frontier.update(at, cursor.event.time),
            Ok(false) => self.frontier.remove(at),
            Err(error) => {
                self.frontier.remove(at);
                self.note(error);
            }
        }
        Turn::Taken
    }

    /// Tries the workers' events in the order of their times, all but the first,
    /// which has been tried.
    #[cold]
    #[inline(never)]
    fn try_others(&mut self) -> bool {
        self.frontier.sort();
        let mut at = 1;
        while let Some(entry) = self.frontier.get(at) {
            match self.try_one(at, entry) {
                Turn::Taken => return true,
                Turn::Waits => at += 1,
                Turn::Never => return false,
            }
        }
        let first = self.frontier.first();
        let cursor = &self.cursors[first.map_or(0, |first| first.cursor as usize)];
        let error = ReadError::Stuck {
            at: cursor.place(self.generation.number),
            kind: cursor.event.kind,
            workers: at as u64,
        };
        self.stop(error);
        false
    }

    /// Finds no more events in this generation.
    #[cold]
    fn stop(&mut self, error: ReadError) {
        self.note(error);
        self.frontier.clear();
        self.seek_sample(usize::MAX);
    }
}

/// What became of an event that was tried.
enum Turn {
    Taken,
    /// Others must come before it.
    Waits,
    /// It cannot have happened.
    Never,
}
