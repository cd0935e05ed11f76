//! Several events at once.

use std::fmt;
use std::iter::FusedIterator;
use std::slice;
use std::sync::Arc;

use crate::event::Event;
use crate::step::Step;
use crate::tables::Tables;

/// Some events of a generation in a row, lent by
/// [`Reader::next_run`](crate::Reader::next_run).
///
/// An iterator of [`Event`]s. Where a loop over them looks at a few fields only,
/// the compiler can leave out what it takes to make the others.
#[derive(Clone)]
pub struct Run<'a> {
    steps: slice::Iter<'a, Step>,
    tables: &'a Tables,
    /// The text that the last one of them needs, if it needs one.
    carried: Option<&'a Arc<str>>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        steps: &'a [Step],
        tables: &'a Tables,
        carried: Option<&'a Arc<str>>,
    ) -> Self {
        Self {
            steps: steps.iter(),
            tables,
            carried,
        }
    }
}

impl<'a> Iterator for Run<'a> {
    type Item = Event<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<Event<'a>> {
        let step = self.steps.next()?;
        Some(step.event(self.tables, self.carried))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.steps.size_hint()
    }
}

impl ExactSizeIterator for Run<'_> {}

impl FusedIterator for Run<'_> {}

impl fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}
