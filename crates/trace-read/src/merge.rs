//! One generation's events: those of its workers and its CPU samples, merged.

mod parked;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use trace_format::EventKind;

use crate::contradiction::Contradiction;
use crate::cursor::Cursor;
use crate::error::{Place, ReadError};
use crate::event::Event;
use crate::frontier::{Entry, Frontier};
use crate::generation::Generation;
use crate::left::Missing;
use crate::order::Order;
use crate::reader::Observer;
use crate::step::Step;
use crate::steps::{Keep, Show, Sink};
use crate::tables::Tables;

use self::parked::Parked;

/// Merges the events of one generation after the other.
#[derive(Debug)]
pub(crate) struct Merge {
    /// Where events come from, if there is one; otherwise it is empty.
    generation: Box<Generation>,
    is_open: bool,
    /// One for each of its workers.
    cursors: Vec<Cursor>,
    frontier: Frontier,
    /// How many more events may be tried in vain before workers that wait are parked.
    tries: u64,
    /// Those that wait and are not in the frontier.
    parked: Parked,
    /// The cursors that were there when none could go on, in such a generation.
    left: Frontier,
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
    /// How many events may be tried in vain for each byte of a generation, and how
    /// many besides. Of the events that a tracer writes, one in a hundred is, or fewer.
    const TRIES: u64 = 1;
    const BESIDES: u64 = 1 << 16;
    /// To sort so many workers costs as much as to try an event.
    const SORTED_AT_ONCE: u64 = 16;

    /// Without a generation; the empty one is to be opened one day.
    pub fn new(generation: Box<Generation>) -> Self {
        Self {
            generation,
            is_open: false,
            cursors: Vec::new(),
            frontier: Frontier::default(),
            tries: 0,
            parked: Parked::default(),
            left: Frontier::default(),
            sample: 0,
            sample_time: i64::MAX,
            order: Order::new(),
            trouble: None,
        }
    }

    /// Starts with a generation.
    pub fn open(&mut self, mut generation: Box<Generation>) {
        let mut tables = std::mem::take(&mut generation.tables);
        self.order.steps.miss(std::mem::take(&mut tables.missing));
        let has_events = !generation.lanes.is_empty();
        self.order
            .begin_generation(generation.number, tables, has_events);
        // Cursors are large: no more room than needed.
        let room = self.cursors.try_reserve_exact(generation.lanes.len());
        let mut lanes = &generation.lanes[..];
        if room.is_err() {
            let at = Place {
                offset: generation.end,
                generation: Some(generation.number),
                thread: None,
            };
            self.note(ReadError::Memory { at });
            lanes = &[];
        }
        for lane in lanes {
            let mut cursor = Cursor::new(lane.first, &generation);
            match cursor.advance(&generation) {
                Ok(true) => {
                    cursor.worker = self.order.worker(lane.id);
                    self.frontier.push(Entry {
                        time: cursor.time(),
                        cursor: self.cursors.len() as u32,
                    });
                    self.cursors.push(cursor);
                }
                Ok(false) => {}
                Err(error) => self.note(error),
            }
        }
        let bytes = generation.bytes.len() as u64;
        self.tries = match generation.is_cut {
            true => 0,
            false => Self::TRIES * bytes + Self::BESIDES,
        };
        self.parked.begin(bytes);
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
        self.parked.clear();
        self.sample_time = i64::MAX;
        let empty = Box::new(Generation::new(self.generation.version));
        let mut generation = std::mem::replace(&mut self.generation, empty);
        if let Some(tables) = self.order.take_tables() {
            generation.tables = tables;
        }
        Some(generation)
    }

    /// Leaves the last generation of all, in which there is something wrong. What is
    /// [`left`](Self::left) of it can be asked for from now on.
    pub fn end(&mut self) {
        self.is_open = false;
        self.order.take_tables();
    }

    /// The strings and stacks that are not there, of those that were asked for.
    pub fn missing(&self) -> Missing {
        self.order.steps.missing()
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

    /// Tells the next one of those that were found before.
    pub fn tell_kept(&mut self) -> bool {
        self.order.steps.tell()
    }

    #[inline(never)]
    fn tell_found(&mut self) -> bool {
        self.find(&mut Keep);
        self.order.steps.tell()
    }

    /// Shows all further events of the generation, of which none is kept. How many.
    pub fn show(&mut self, observer: &mut impl Observer) -> u64 {
        let mut sink = Show { observer, shown: 0 };
        while self.find(&mut sink) {}
        sink.shown
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

    /// Finds some more events. False if there are no more then.
    fn find<S: Sink>(&mut self, sink: &mut S) -> bool {
        self.order.steps.clear();
        let mut more = true;
        if !self.parked.is_empty() {
            more = self.find_past_parked(sink);
        }
        while more && !self.order.steps.is_enough() {
            more = match self.frontier.first() {
                Some(first) if self.sample_time >= first.time => self.drain(first, sink),
                _ => self.take_sample(sink),
            };
        }
        // A string or stack that is not there is trouble.
        if let Some(error) = self.order.steps.take_lost() {
            self.note(*error);
        }
        more
    }

    /// Takes events of the worker that is the first, as long as it stays that.
    /// False if no worker's event can be taken.
    #[inline(always)]
    fn drain<S: Sink>(&mut self, first: Entry, sink: &mut S) -> bool {
        let limit = self.frontier.limit().min(self.sample_time);
        let cursor = &mut self.cursors[first.cursor as usize];
        self.order.appears(cursor.worker);
        match run(cursor, &mut self.order, &self.generation, limit, sink) {
            Why::Later => {
                self.frontier.update_first(cursor.time());
                true
            }
            why => self.leave(first, why, sink),
        }
    }

    /// Leaves the worker that was the first, since it cannot go on. False if no
    /// other can, either.
    #[inline(never)]
    fn leave<S: Sink>(&mut self, first: Entry, why: Why, sink: &mut S) -> bool {
        let time = self.cursors[first.cursor as usize].time();
        match why {
            Why::Later => {}
            Why::End => self.frontier.remove(0),
            Why::Bytes(error) => return self.leave_out(0, error),
            Why::Waits if self.tries == 0 => {
                self.park(first, None);
                return self.find_past_parked(sink);
            }
            Why::Never(what) if self.generation.is_cut => {
                self.park(first, Some(what));
                return self.find_past_parked(sink);
            }
            Why::Waits => {
                self.frontier.update_first(time);
                return self.try_others(sink);
            }
            Why::Never(what) => {
                self.stop_at(first, what);
                return false;
            }
        }
        true
    }

    /// Goes on without the worker at `at`, the bytes of whose next event are wrong.
    /// False if nobody can go on, for want of memory.
    #[cold]
    fn leave_out(&mut self, at: usize, error: ReadError) -> bool {
        if let ReadError::Memory { .. } = error {
            self.stop(error);
            return false;
        }
        self.frontier.remove(at);
        self.note(error);
        true
    }

    /// Makes a step of the next CPU sample. False if there is none.
    #[cold]
    #[inline(never)]
    fn take_sample<S: Sink>(&mut self, sink: &mut S) -> bool {
        let Some(sample) = self.generation.samples.get(self.sample) else {
            return false;
        };
        self.order.put_sample(sample);
        self.order.show(sink);
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
    /// which has been tried. This is how Go's reader finds the next event, every time.
    #[cold]
    #[inline(never)]
    fn try_others<S: Sink>(&mut self, sink: &mut S) -> bool {
        self.frontier.sort();
        let mut tries = self.tries;
        tries = tries.saturating_sub(self.frontier.len() as u64 / Self::SORTED_AT_ONCE);
        // One event only, since the first one may be what has waited for it.
        self.order.steps.stop();
        let mut at = 1;
        while tries > 0
            && let Some(entry) = self.frontier.get(at)
        {
            let cursor = &mut self.cursors[entry.cursor as usize];
            self.order.appears(cursor.worker);
            let why = step(cursor, &mut self.order, &self.generation, sink);
            let time = cursor.time();
            match why {
                Why::Waits => {
                    at += 1;
                    tries -= 1;
                    continue;
                }
                Why::Later => self.frontier.update(at, time),
                Why::End => self.frontier.remove(at),
                Why::Bytes(error) => {
                    self.tries = tries;
                    return self.leave_out(at, error);
                }
                Why::Never(what) => {
                    self.stop_at(entry, what);
                    return false;
                }
            }
            self.tries = tries;
            return true;
        }
        self.tries = tries;
        if tries == 0 {
            return self.find_past_parked(sink);
        }
        self.give_up();
        false
    }

    /// Finds no more events in this generation, since this one cannot have
    /// happened.
    #[cold]
    fn stop_at(&mut self, entry: Entry, what: Box<Contradiction>) {
        let cursor = &self.cursors[entry.cursor as usize];
        self.stop(self.impossible(cursor, what));
    }

    fn impossible(&self, cursor: &Cursor, what: Box<Contradiction>) -> ReadError {
        ReadError::Impossible {
            at: self.place(cursor),
            kind: cursor.event.kind,
            what,
        }
    }

    /// The place of a worker's next event, which has been tried.
    fn place(&self, cursor: &Cursor) -> Place {
        Place {
            offset: cursor.event.offset,
            generation: Some(self.generation.number),
            thread: Some(self.order.worker_id(cursor.worker)),
        }
    }

    /// Finds no more events in this generation.
    #[cold]
    fn stop(&mut self, error: ReadError) {
        self.note(error);
        self.frontier.clear();
        self.parked.clear();
        self.seek_sample(usize::MAX);
    }
}

/// Takes a worker's events, its next one first: that this one's turn has come is
/// for the caller to know. Ends with the next event of a time behind the `limit`,
/// or when there are enough steps.
#[inline(always)]
fn run<S: Sink>(
    cursor: &mut Cursor,
    order: &mut Order,
    generation: &Generation,
    limit: i64,
    sink: &mut S,
) -> Why {
    let mut is_first = true;
    loop {
        if !cursor.is_decoded {
            if is_first || !order.steps.is_enough() {
                let left = cursor.left();
                if run_quickly(cursor, order, generation, limit, sink) {
                    return Why::Later;
                }
                is_first &= cursor.left() == left;
            }
            match go_on(cursor, generation) {
                Why::Later => {}
                ends => return ends,
            }
            if !is_first && (cursor.time() > limit || order.steps.is_enough()) {
                return Why::Later;
            }
        }
        match take(cursor, order, sink) {
            Why::Later => {}
            why => return why,
        }
        is_first = false;
    }
}

/// Takes a worker's next event, whatever others there are.
#[inline(never)]
fn step<S: Sink>(
    cursor: &mut Cursor,
    order: &mut Order,
    generation: &Generation,
    sink: &mut S,
) -> Why {
    if !cursor.is_decoded
        && let why @ (Why::End | Why::Bytes(_)) = go_on(cursor, generation)
    {
        return why;
    }
    match take(cursor, order, sink) {
        Why::Later => go_on(cursor, generation),
        why => why,
    }
}

/// Takes the event that was decoded.
#[inline(never)]
fn take<S: Sink>(cursor: &mut Cursor, order: &mut Order, sink: &mut S) -> Why {
    match order.advance(&cursor.event, cursor.worker) {
        Ok(true) => {}
        Ok(false) => return Why::Waits,
        Err(what) => return Why::Never(what),
    }
    order.show(sink);
    cursor.is_decoded = false;
    Why::Later
}

/// Decodes the next event.
#[inline(never)]
fn go_on(cursor: &mut Cursor, generation: &Generation) -> Why {
    match cursor.advance(generation) {
        Ok(true) => Why::Later,
        Ok(false) => Why::End,
        Err(error) => Why::Bytes(error),
    }
}

/// Takes a worker's events as long as nothing about them is unusual.
///
/// Nearly all events are of a few kinds. Those are decoded, tried and forgotten
/// here, without a detour through memory. The cursor is left before the first one
/// that is not taken, whatever the reason is; true if it is that this one is
/// behind the limit, the time of which is noted then. One is taken even if there
/// are enough steps.
#[inline(always)]
fn run_quickly<S: Sink>(
    cursor: &mut Cursor,
    order: &mut Order,
    generation: &Generation,
    limit: i64,
    sink: &mut S,
) -> bool {
    const CREATE: u8 = EventKind::GoCreate as u8;
    const DESTROY: u8 = EventKind::GoDestroy as u8;
    const START: u8 = EventKind::GoStart as u8;
    const STOP: u8 = EventKind::GoStop as u8;
    const BLOCK: u8 = EventKind::GoBlock as u8;
    const UNBLOCK: u8 = EventKind::GoUnblock as u8;

    let worker = cursor.worker;
    let clock = generation.clock;
    let mut taken = cursor.rest(generation);
    let mut later = None;
    loop {
        let mut rest = taken;
        macro_rules! took {
            ($kind:ident, $numbers:literal, $try:expr) => {
                match rest.next::<$numbers>(EventKind::$kind, &clock) {
                    // One that waits or is refused is tried once more, by the
                    // caller.
                    Some(event) if event.time <= limit => matches!($try(&event), Ok(true)),
                    Some(event) => {
                        later = Some(event.time);
                        false
                    }
                    None => false,
                }
            };
        }
        let took = match rest.code() {
            Some(START) => took!(GoStart, 3, |event| order.task_start(event, worker, sink)),
            Some(STOP) => took!(GoStop, 3, |event| order
                .task_stop(event, worker, false, sink)),
            Some(BLOCK) => took!(GoBlock, 3, |event| order
                .task_stop(event, worker, true, sink)),
            Some(CREATE) => took!(GoCreate, 4, |event| order
                .task_create(event, worker, false, sink)),
            Some(DESTROY) => took!(GoDestroy, 1, |event| order
                .task_destroy(event, worker, sink)),
            Some(UNBLOCK) => took!(GoUnblock, 4, |event| order
                .task_unblock(event, worker, sink)),
            _ => false,
        };
        if !took {
            break;
        }
        taken = rest;
        if order.steps.is_enough() {
            break;
        }
    }
    cursor.go_to(&taken);
    match later {
        Some(time) => {
            cursor.event.time = time;
            true
        }
        None => false,
    }
}

/// Why a worker's events are not taken any further.
enum Why {
    /// It can go on later: it is the turn of another one, or there are enough.
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
