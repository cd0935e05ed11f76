//! One generation's events: those of its workers and its CPU samples, merged.

use std::sync::Arc;

use trace_format::EventKind;

use crate::contradiction::Contradiction;
use crate::cursor::Cursor;
use crate::error::ReadError;
use crate::event::Event;
use crate::frontier::{Entry, Frontier};
use crate::generation::Generation;
use crate::order::Order;
use crate::run::Run;
use crate::step::Step;
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

    /// The event told last, in its short form.
    pub fn step(&self) -> &Step {
        self.order.steps.last_told()
    }

    /// The text carried along with the event told last, if it needs one.
    pub fn carried(&self) -> Option<&Arc<str>> {
        self.order.carried()
    }

    /// The event told last.
    #[inline(always)]
    pub fn event(&self) -> Event<'_> {
        let order = &self.order;
        let step = order.steps.last_told();
        step.event(order.tables(), order.carried())
    }

    /// The events told last.
    pub fn run(&self) -> Run<'_> {
        let order = &self.order;
        Run::new(order.steps.told(), order.tables(), order.carried())
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

    /// Tells the next event of the generation. False if there is none, be it
    /// because of trouble.
    #[inline(always)]
    pub fn tell(&mut self) -> bool {
        self.order.steps.tell() || self.tell_found()
    }

    #[inline(never)]
    fn tell_found(&mut self) -> bool {
        self.find();
        self.order.steps.tell()
    }

    /// Tells some events. How many; 0 if there are no more.
    pub fn tell_some(&mut self) -> usize {
        match self.order.steps.tell_all() {
            0 => {
                self.find();
                self.order.steps.tell_all()
            }
            some => some,
        }
    }

    /// Tells a step that is no event of the generation. There is none before it
    /// that was not told.
    pub fn put(&mut self, step: Step) {
        self.order.steps.clear();
        self.order.steps.push(step);
        self.order.steps.tell();
    }

    /// As if an event was told at this time, or as soon as one can be.
    pub fn pass(&mut self, time: i64) {
        self.order.steps.pass(time);
    }

    /// Finds some more events. None if there are no more.
    fn find(&mut self) {
        self.order.steps.clear();
        while !self.order.steps.is_enough() {
            let found = match self.frontier.first() {
                Some(first) if self.sample_time >= first.time => self.drain(first),
                _ => self.take_sample(),
            };
            if !found {
                break;
            }
        }
        // A string or stack that is not there is trouble.
        if let Some(error) = self.order.steps.take_lost() {
            self.note(*error);
        }
    }

    /// Takes events of the worker that is the first, as long as it stays that.
    /// False if no worker's event can be taken.
    fn drain(&mut self, first: Entry) -> bool {
        let limit = self.frontier.limit().min(self.sample_time);
        let cursor = &mut self.cursors[first.cursor as usize];
        self.order.appears(cursor.worker);
        let why = run(cursor, &mut self.order, &self.generation, limit);
        let time = cursor.event.time;
        match why {
            Why::Later => self.frontier.update_first(time),
            Why::End => self.frontier.remove(0),
            Why::Bytes(error) => {
                self.frontier.remove(0);
                self.note(error);
            }
            Why::Waits => {
                self.frontier.update_first(time);
                return self.try_others();
            }
            Why::Never(what) => {
                self.stop_at(first, what);
                return false;
            }
        }
        true
    }

    /// Makes a step of the next CPU sample. False if there is none.
    #[cold]
    #[inline(never)]
    fn take_sample(&mut self) -> bool {
        let Some(sample) = self.generation.samples.get(self.sample) else {
            return false;
        };
        self.order.put_sample(sample);
        self.seek_sample(self.sample + 1);
        true
    }

    /// Makes the sample at `at` the next one.
    fn seek_sample(&mut self, at: usize) {
        self.sample = at;
        let sample = self.generation.samples.get(at);
        self.sample_time = sample.map_or(i64::MAX, |sample| sample.time);
    }

    /// Tries the workers' events in the order of their times, all but the first,
    /// which has been tried.
    #[cold]
    #[inline(never)]
    fn try_others(&mut self) -> bool {
        self.frontier.sort();
        // One event only, since the first one may be what has waited for it.
        self.order.steps.stop();
        let mut at = 1;
        while let Some(entry) = self.frontier.get(at) {
            let cursor = &mut self.cursors[entry.cursor as usize];
            self.order.appears(cursor.worker);
            let why = run(cursor, &mut self.order, &self.generation, i64::MIN);
            let time = cursor.event.time;
            match why {
                Why::Waits => {
                    at += 1;
                    continue;
                }
                Why::Later => self.frontier.update(at, time),
                Why::End => self.frontier.remove(at),
                Why::Bytes(error) => {
                    self.frontier.remove(at);
                    self.note(error);
                }
                Why::Never(what) => {
                    self.stop_at(entry, what);
                    return false;
                }
            }
            return true;
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

    /// Finds no more events in this generation, since this one cannot have
    /// happened.
    #[cold]
    fn stop_at(&mut self, entry: Entry, what: Box<Contradiction>) {
        let cursor = &self.cursors[entry.cursor as usize];
        self.stop(ReadError::Impossible {
            at: cursor.place(self.generation.number),
            kind: cursor.event.kind,
            what,
        });
    }

    /// Finds no more events in this generation.
    #[cold]
    fn stop(&mut self, error: ReadError) {
        self.note(error);
        self.frontier.clear();
        self.seek_sample(usize::MAX);
    }
}

/// Takes a worker's events, its next one first: that this one's turn has come is
/// for the caller to know. Ends with the next event of a time behind the `limit`,
/// or when there are enough steps.
#[inline(never)]
fn run(cursor: &mut Cursor, order: &mut Order, generation: &Generation, limit: i64) -> Why {
    let worker = cursor.worker;
    loop {
        match order.advance(&cursor.event, worker) {
            Ok(true) => {}
            Ok(false) => return Why::Waits,
            Err(what) => return Why::Never(what),
        }
        run_quickly(cursor, order, generation, limit);
        match cursor.advance(generation) {
            Ok(true) if cursor.event.time > limit || order.steps.is_enough() => return Why::Later,
            Ok(true) => {}
            Ok(false) => return Why::End,
            Err(error) => return Why::Bytes(error),
        }
    }
}

/// Takes a worker's events as long as nothing about them is unusual.
///
/// Nearly all events are of a few kinds. Those are decoded, tried and forgotten
/// here, without a detour through memory. The cursor is left before the first one
/// that is not taken, whatever the reason is.
#[inline(always)]
fn run_quickly(cursor: &mut Cursor, order: &mut Order, generation: &Generation, limit: i64) {
    const CREATE: u8 = EventKind::GoCreate as u8;
    const DESTROY: u8 = EventKind::GoDestroy as u8;
    const START: u8 = EventKind::GoStart as u8;
    const STOP: u8 = EventKind::GoStop as u8;
    const BLOCK: u8 = EventKind::GoBlock as u8;
    const UNBLOCK: u8 = EventKind::GoUnblock as u8;

    let worker = cursor.worker;
    let clock = generation.clock;
    let mut taken = cursor.rest(generation);
    while !order.steps.is_enough() {
        let mut rest = taken;
        macro_rules! took {
            ($kind:ident, $numbers:literal, $try:expr) => {
                match rest.next::<$numbers>(EventKind::$kind, &clock) {
                    // One that waits or is refused is tried once more, by the
                    // caller.
                    Some(event) if event.time <= limit => matches!($try(&event), Ok(true)),
                    _ => false,
                }
            };
        }
        let took = match rest.code() {
            Some(START) => took!(GoStart, 3, |event| order.task_start(event, worker)),
            Some(STOP) => took!(GoStop, 3, |event| order.task_stop(event, worker, false)),
            Some(BLOCK) => took!(GoBlock, 3, |event| order.task_stop(event, worker, true)),
            Some(CREATE) => took!(GoCreate, 4, |event| order.task_create(event, worker, false)),
            Some(DESTROY) => took!(GoDestroy, 1, |event| order.task_destroy(event, worker)),
            Some(UNBLOCK) => took!(GoUnblock, 4, |event| order.task_unblock(event, worker)),
            _ => false,
        };
        if !took {
            break;
        }
        taken = rest;
    }
    cursor.go_to(&taken);
}

/// Why a worker's events are not taken any further.
enum Why {
    /// It is the turn of another one, or there are enough.
    Later,
    /// There are no more.
    End,
    /// The next one cannot be decoded.
    Bytes(ReadError),
    /// Others must come before the next one.
    Waits,
    /// The next one cannot have happened.
    Never(Box<Contradiction>),
}
