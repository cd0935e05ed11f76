//! The order as a layer of its own: generations in, events out.

use trace_format::Version;

use crate::error::ReadError;
use crate::event::Event;
use crate::generation::Generation;
use crate::merge::Merge;

/// Puts the events of generations in an order in which they can have happened.
///
/// [`open`](Self::open) takes a generation, wherever it comes from, and
/// [`next_event`](Self::next_event) gives its events. The generations of a trace
/// are to be opened one after the other, for each begins where the one before has
/// ended: so are its tasks, procs and workers.
#[derive(Debug)]
pub struct Ordered {
    merge: Merge,
    /// Whether an error has ended it.
    failed: bool,
}

impl Ordered {
    /// Before the first generation of a trace.
    pub fn new() -> Self {
        // The version of what is empty means nothing.
        let empty = Box::new(Generation::new(Version::Go126));
        Self {
            merge: Merge::new(empty),
            failed: false,
        }
    }

    /// Goes on with this generation.
    ///
    /// What is left of the one before is passed over: it has happened, but is not
    /// told. If something is wrong there, that is what the next event is going to
    /// be, and this generation is dropped; so it is after an error that was told.
    pub fn open(&mut self, mut generation: Generation) {
        while self.merge.tell() {}
        if self.failed || self.merge.is_in_trouble() {
            return;
        }
        self.merge.close();
        if let Some(error) = generation.broken.take() {
            self.merge.note(error);
        }
        // As if there was an event at the start: a reader has its sync event there.
        self.merge.pass(generation.start);
        self.merge.open(Box::new(generation));
    }

    /// The next event of the generation, lent until the next call. `None` at its
    /// end, when it is no longer in memory, and before the first one.
    ///
    /// There is no [`Sync`](crate::Kind::Sync) among them. What it would say the
    /// generation says, before it is opened.
    ///
    /// # Errors
    ///
    /// After all events that could be had in spite of it, what is wrong with the
    /// generation: that it is [`broken`](Generation::broken), that a string or a
    /// stack is not there, or that an event cannot have happened. After that
    /// nothing more comes, of any generation.
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, ReadError> {
        if self.merge.tell() {
            return Ok(Some(self.merge.event()));
        }
        self.merge.close();
        match self.merge.take_trouble() {
            Some(error) => {
                self.failed = true;
                Err(error)
            }
            None => Ok(None),
        }
    }

    /// The generation that events come from now.
    pub fn generation(&self) -> Option<u64> {
        self.merge.generation()
    }
}

impl Default for Ordered {
    fn default() -> Self {
        Self::new()
    }
}
