//! The reader: events of all workers, in order, one generation after the other.
//!
//! ```text
//! Generations ──► Generation ──► a Cursor a worker ──► Frontier ──► Order ──► Step ──► Event
//!  (here or on a thread                next event        earliest    may it     + tables
//!   of its own, one ahead)             of each           of these    happen?
//! ```
//!
//! What Go's reader (`internal/trace/reader.go`) accepts is accepted, with the
//! same events at the same times, and what it refuses is refused. The difference
//! is in what comes before an error. Go drops a generation that it cannot read
//! to its end; here its events are delivered as far as they can be ordered, with
//! empty names and stacks where tables are lost, and the error comes last. Where the
//! file ends in a generation, a worker whose next event needs one that is not there
//! does not keep the others from going on.
//! [`Reader::salvaged`] says how many those were, [`Reader::left`] what is left.

use std::io::Read;

use trace_format::Version;

use crate::error::ReadError;
use crate::event::Event;
use crate::generation::{Generation, Generations};
use crate::left::{Left, Missing};
use crate::merge::Merge;
use crate::step::{NONE, Step, What};

mod ahead;
mod owned;

use ahead::Ahead;
pub use owned::{Events, OwnedEvent};

/// Reads the events of a trace in an order in which they can have happened.
///
/// Memory is bounded by the largest generation (two of them with
/// [`ahead`](Self::ahead)) and by what exists at a time: tasks, procs, workers,
/// user tasks.
#[derive(Debug)]
pub struct Reader<R> {
    source: Source<R>,
    version: Version,
    merge: Merge,
    state: State,
    /// Whether the generation could not be read whole: a sync event is due
    /// before that is told.
    cut: bool,
    syncs: u64,
    /// Events of this generation so far, and of those before; without sync events.
    delivered: u64,
    earlier: u64,
    offset: u64,
    generations: u64,
    salvaged: u64,
    largest: u64,
}

/// Says whether there is memory to go on with. It is asked about once for each 64 KiB
/// of the file when they are read, and once more when their events are put in order.
pub type Allow = fn() -> bool;

/// Is shown events by [`Reader::show`].
pub trait Observer {
    /// Sees the next event.
    ///
    /// With `#[inline(always)]` the parts of an event that are not looked at here
    /// are not put together. That pays if it is short: there are several places from
    /// which it is called.
    fn see(&mut self, event: Event<'_>);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// All that is left is to tell the trouble.
    Failed,
    Done,
}

/// Where generations come from.
#[derive(Debug)]
enum Source<R> {
    Here(Box<Generations<R>>),
    Ahead(Ahead),
}

impl<R: Read> Source<R> {
    fn next(&mut self, spent: Option<Box<Generation>>) -> Option<Box<Generation>> {
        match self {
            Self::Here(generations) => generations.read(spent),
            Self::Ahead(ahead) => ahead.next(spent),
        }
    }
}

impl<R: Read> Reader<R> {
    /// Reads the file's header. The reader buffers; `input` need not.
    ///
    /// # Errors
    ///
    /// [`ReadError::Header`] for a file that is no trace of a known version,
    /// [`ReadError::CutOff`] for one that ends within the header.
    pub fn new(input: R) -> Result<Self, ReadError> {
        Self::within(input, || true)
    }

    /// As [`new`](Self::new), as long as `allow` says that there is memory. When it
    /// says that there is none, [`ReadError::Memory`] comes: at once if events are
    /// being put in order, or after those of the generations before, if that is while a
    /// generation is read; this one is given up then.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn within(input: R, allow: Allow) -> Result<Self, ReadError> {
        let generations = Generations::within(input, allow)?;
        let (version, offset) = (generations.version(), generations.offset());
        Ok(Self::with_source(
            Source::Here(Box::new(generations)),
            version,
            offset,
        ))
    }

    fn with_source(source: Source<R>, version: Version, offset: u64) -> Self {
        Self {
            source,
            version,
            merge: Merge::new(Box::new(Generation::new(version))),
            state: State::Open,
            cut: false,
            syncs: 0,
            delivered: 0,
            earlier: 0,
            offset,
            generations: 0,
            salvaged: 0,
            largest: 0,
        }
    }

    /// The next event, lent until the next call. `None` at the end and after an
    /// error.
    ///
    /// # Errors
    ///
    /// What is wrong with the file, see [`ReadError`], after all events that
    /// could be had in spite of it.
    // What the caller does not look at of an event need not be made then.
    #[inline(always)]
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, ReadError> {
        if self.merge.tell() {
            self.delivered += 1;
        } else if !self.turn()? {
            return Ok(None);
        }
        Ok(Some(self.merge.event()))
    }

    /// Shows all further events to `observer`.
    ///
    /// They are those that [`next_event`](Self::next_event) would give. This is
    /// for who does little with each, and sees many of them.
    ///
    /// ```
    /// # use trace_read::{ReadError, Reader};
    /// use trace_read::{Event, Observer};
    ///
    /// /// Counts the events of a file, and those that say where they happened.
    /// #[derive(Default)]
    /// struct Counts {
    ///     events: u64,
    ///     placed: u64,
    /// }
    ///
    /// impl Observer for Counts {
    ///     #[inline(always)]
    ///     fn see(&mut self, event: Event<'_>) {
    ///         self.events += 1;
    ///         self.placed += u64::from(!event.stack.is_empty());
    ///     }
    /// }
    ///
    /// fn count(file: impl std::io::Read) -> Result<Counts, ReadError> {
    ///     let mut counts = Counts::default();
    ///     Reader::new(file)?.show(&mut counts)?;
    ///     Ok(counts)
    /// }
    /// # let trace = trace_read::text::to_bytes(r#"
    /// # Trace Go1.22
    /// # EventBatch gen=1 m=1 time=0
    /// # Frequency freq=1000000000
    /// # EventBatch gen=1 m=1 time=0
    /// # Stacks
    /// # Stack id=1 nframes=0
    /// # EventBatch gen=1 m=1 time=0
    /// # ProcStatus dt=1 p=0 pstatus=1
    /// # GoStatus dt=1 g=1 m=1 gstatus=2
    /// # GoStop dt=5 reason_string=0 stack=1
    /// # "#).unwrap();
    /// # let counts = count(&trace[..]).unwrap();
    /// # assert_eq!((counts.events, counts.placed), (5, 1));
    /// ```
    ///
    /// # Errors
    ///
    /// As [`next_event`](Self::next_event).
    pub fn show(&mut self, observer: &mut impl Observer) -> Result<(), ReadError> {
        loop {
            // Those that were found when somebody asked for one by one.
            while self.merge.tell_kept() {
                self.delivered += 1;
                observer.see(self.merge.event());
            }
            self.delivered += self.merge.show(observer);
            if !self.turn()? {
                return Ok(());
            }
            observer.see(self.merge.event());
        }
    }

    /// The file's version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// How many events have been delivered.
    pub fn delivered(&self) -> u64 {
        self.earlier + self.delivered + self.syncs
    }

    /// How many bytes of the file have been consumed: up to the end of the
    /// generation that events come from now.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The generation that events come from now.
    pub fn generation(&self) -> Option<u64> {
        self.merge.generation()
    }

    /// How many generations have been begun.
    pub fn generations(&self) -> u64 {
        self.generations
    }

    /// How many events were delivered from a generation that is damaged or cut
    /// off, [`Sync`](crate::event::Kind::Sync) not counted. 0 for a good file.
    pub fn salvaged(&self) -> u64 {
        match self.merge.is_in_trouble() {
            true => self.delivered,
            false => self.salvaged,
        }
    }

    /// What could not be told of a last generation that is cut off, a worker each.
    /// Nothing before the end, and nothing if the file is whole or has an error
    /// elsewhere. The events are counted when they are asked for.
    pub fn left(&self) -> impl ExactSizeIterator<Item = Left> {
        self.merge.left()
    }

    /// How many strings and stacks are not there that the generation's events and
    /// frames so far refer to.
    pub fn missing(&self) -> Missing {
        self.merge.missing()
    }

    /// Bytes that the largest generation so far took in memory.
    pub fn largest_generation(&self) -> u64 {
        self.largest
    }

    /// Goes on when a generation has no more events: to the next one, to the
    /// trouble there was, to the end. True if there is a sync event to tell.
    #[cold]
    #[inline(never)]
    fn turn(&mut self) -> Result<bool, ReadError> {
        if self.state == State::Open && !self.merge.is_in_trouble() && self.open_next() {
            return Ok(true);
        }
        if self.state == State::Open {
            self.salvaged = self.delivered;
            self.state = State::Failed;
            self.merge.end();
            if self.cut {
                self.put_sync(i64::MIN, None);
                return Ok(true);
            }
        }
        self.state = State::Done;
        match self.merge.take_trouble() {
            Some(error) => Err(error),
            None => Ok(false),
        }
    }

    /// Opens the next generation, if there is one, with a sync event. False if
    /// there is nothing to tell but the trouble with it.
    fn open_next(&mut self) -> bool {
        let spent = self.merge.close();
        self.earlier += self.delivered;
        self.delivered = 0;
        let Some(mut generation) = self.source.next(spent) else {
            self.state = State::Done;
            self.put_sync(i64::MIN, None);
            return true;
        };
        self.offset = generation.end;
        self.largest = self.largest.max(generation.held() as u64);
        if let Some(error) = generation.broken.take() {
            self.cut = true;
            self.merge.note(error);
            if generation.is_empty() {
                return false;
            }
        }
        self.generations += 1;
        let (number, start) = (generation.number, generation.start);
        self.merge.open(generation);
        self.put_sync(start, Some(number));
        true
    }

    /// Tells a sync event, at this time or as soon as there can be one.
    fn put_sync(&mut self, time: i64, generation: Option<u64>) {
        self.syncs += 1;
        let n = self.syncs;
        self.merge.put(Step {
            time,
            worker: NONE,
            proc: NONE,
            task: NONE,
            stack: 0,
            wire: None,
            what: What::Sync { n, generation },
        });
    }
}
