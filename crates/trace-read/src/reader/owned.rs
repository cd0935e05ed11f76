//! Events that can be kept.

use std::fmt;
use std::io::Read;
use std::iter::FusedIterator;
use std::sync::Arc;

use crate::error::ReadError;
use crate::event::Event;
use crate::reader::Reader;
use crate::step::Step;
use crate::tables::Tables;

/// An event that keeps the tables of its generation alive.
#[derive(Clone)]
pub struct OwnedEvent {
    step: Step,
    tables: Arc<Tables>,
    carried: Option<Arc<str>>,
}

impl OwnedEvent {
    /// The event.
    pub fn get(&self) -> Event<'_> {
        self.step.event(&self.tables, self.carried.as_ref())
    }
}

impl fmt::Debug for OwnedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// Iterator over a trace's events, from [`Reader::events`].
#[derive(Debug)]
pub struct Events<R>(Reader<R>);

impl<R: Read> Reader<R> {
    /// The events as an iterator. They may be kept, for which each costs a little
    /// more than with [`next_event`](Self::next_event); as long as one is kept,
    /// the tables of its generation are.
    pub fn events(self) -> Events<R> {
        Events(self)
    }
}

impl<R> Events<R> {
    /// The reader, to be asked about the reading.
    pub fn reader(&self) -> &Reader<R> {
        &self.0
    }
}

impl<R: Read> Iterator for Events<R> {
    type Item = Result<OwnedEvent, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.0.next_event() {
            Ok(Some(_)) => {}
            Ok(None) => return None,
            Err(error) => return Some(Err(error)),
        }
        let merge = &self.0.merge;
        let step = *merge.step();
        Some(Ok(OwnedEvent {
            step,
            tables: Arc::clone(merge.tables()),
            carried: match step.is_carried() {
                true => merge.carried().cloned(),
                false => None,
            },
        }))
    }
}

impl<R: Read> FusedIterator for Events<R> {}
