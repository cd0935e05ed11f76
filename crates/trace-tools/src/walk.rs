//! Leads a visitor through a trace, past damage as far as that is possible.

use std::io::{self, Read};

use trace_read::ReadError;
use trace_read::raw::{Batch, BatchHead, Item, Mark, RawEvent, RawReader};

use crate::error::ToolError;

/// What is told about a trace, in the order of the file.
///
/// An error that a visitor returns ends the walk.
pub(crate) trait Visitor {
    /// A batch starts; its events follow.
    fn batch(&mut self, batch: &Batch<'_>) -> io::Result<()>;
    /// An event of the last batch.
    fn event(&mut self, batch: &BatchHead, event: &RawEvent<'_>) -> io::Result<()>;
    /// A generation ends with a mark.
    fn end_of_generation(&mut self, mark: Mark) -> io::Result<()>;
}

/// Shows a visitor all of a trace that can be read.
///
/// An error within a batch ends that batch and the walk goes on with the next
/// one, whose place is known; an error in the framing ends the walk.
///
/// # Errors
///
/// [`ToolError::Trace`] at the end of the walk if anything was wrong with the
/// trace, [`ToolError::Output`] at once if the visitor failed.
pub(crate) fn walk<R: Read>(
    mut trace: RawReader<R>,
    visitor: &mut impl Visitor,
) -> Result<(), ToolError> {
    let mut errors = Errors::default();
    loop {
        match trace.next_item() {
            Ok(Some(Item::Batch(batch))) => {
                visitor.batch(&batch)?;
                for event in batch.events() {
                    match event {
                        Ok(event) => visitor.event(batch.head(), &event)?,
                        Err(error) => errors.add(error),
                    }
                }
            }
            Ok(Some(Item::EndOfGeneration(mark))) => visitor.end_of_generation(mark)?,
            Ok(None) => return errors.end(),
            // Nothing follows an error in the framing but the end.
            Err(error) => errors.add(error),
        }
    }
}

/// The first error and how many followed.
#[derive(Default)]
struct Errors {
    first: Option<ReadError>,
    more: u64,
}

impl Errors {
    fn add(&mut self, error: ReadError) {
        match self.first {
            Some(_) => self.more += 1,
            None => self.first = Some(error),
        }
    }

    fn end(self) -> Result<(), ToolError> {
        match self.first {
            Some(first) => Err(ToolError::Trace {
                first,
                more: self.more,
            }),
            None => Ok(()),
        }
    }
}
