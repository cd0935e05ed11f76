//! Shows another visitor only events of some kinds.

use std::io;

use trace_format::EventKind;
use trace_read::raw::{Batch, BatchHead, Mark, RawEvent};

use crate::dump::filter::Kinds;
use crate::walk::Visitor;

/// A visitor that sees a part of what there is.
pub(super) struct Selected<'a, V> {
    /// All, if there are none.
    kinds: Option<&'a Kinds>,
    /// Whether a batch is shown if one of its events is.
    context: bool,
    visitor: V,
}

impl<'a, V: Visitor> Selected<'a, V> {
    pub(super) fn of(kinds: Option<&'a Kinds>, context: bool, visitor: V) -> Self {
        Selected {
            kinds,
            context,
            visitor,
        }
    }

    fn shows(&self, kind: EventKind) -> bool {
        self.kinds.is_none_or(|kinds| kinds.has_wire(kind))
    }
}

impl<V: Visitor> Visitor for Selected<'_, V> {
    fn batch(&mut self, batch: &Batch<'_>) -> io::Result<()> {
        let kind = match batch.head().experiment {
            Some(_) => EventKind::ExperimentalBatch,
            None => EventKind::EventBatch,
        };
        let mut inside = batch.events().flatten();
        if self.shows(kind) || self.context && inside.any(|event| self.shows(event.kind)) {
            self.visitor.batch(batch)?;
        }
        Ok(())
    }

    fn event(&mut self, batch: &BatchHead, event: &RawEvent<'_>) -> io::Result<()> {
        match self.shows(event.kind) {
            true => self.visitor.event(batch, event),
            false => Ok(()),
        }
    }

    fn end_of_generation(&mut self, mark: Mark) -> io::Result<()> {
        match self.shows(EventKind::EndOfGeneration) {
            true => self.visitor.end_of_generation(mark),
            false => Ok(()),
        }
    }
}
