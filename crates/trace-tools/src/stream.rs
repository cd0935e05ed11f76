//! Leads an analysis through the events of a trace, up to the end or to the
//! first thing that is wrong with it.

use std::io::Read;
use std::ops::ControlFlow;

use trace_format::Version;
use trace_read::{Event, Observer, Place, ReadError, Reader};

use crate::error::ToolError;
use crate::memory;
use crate::notes::Notes;
use crate::rest::Rest;

/// How reading a trace went.
#[derive(Debug)]
pub struct Outcome {
    /// The version in the header.
    pub version: Version,
    /// Bytes of the trace, decompressed, that were read.
    pub bytes: u64,
    /// Generations that were begun.
    pub generations: u64,
    /// Events that were delivered, those salvaged included.
    pub events: u64,
    /// Those from a generation that turned out to be cut off or damaged.
    pub salvaged: u64,
    /// Bytes that the largest generation takes, all of which is in memory while
    /// its events are read.
    pub largest_generation: u64,
    /// What was wrong with the trace, behind its last event.
    pub damage: Option<ReadError>,
    /// What is left of it, if it is cut off.
    pub rest: Rest,
}

impl Outcome {
    /// Turns damage into an error, for when all that was read has been put to
    /// use.
    ///
    /// # Errors
    ///
    /// [`ToolError::Damaged`] if there was damage.
    pub fn whole(self) -> Result<(), ToolError> {
        match self.damage {
            None => Ok(()),
            Some(error) => Err(ToolError::Damaged {
                error: Box::new(error),
                events: self.events,
                salvaged: self.salvaged,
                rest: Box::new(self.rest),
            }),
        }
    }
}

/// Shows every event of a trace to `each`, in order, but for the tracer's last
/// notes. The next generation is read on another thread meanwhile.
///
/// # Errors
///
/// [`ToolError::Trace`] if it cannot be read at all, and whatever `each` fails
/// with, at once. Damage behind the first event is part of the outcome.
pub fn read(
    input: impl Read + Send + 'static,
    each: impl FnMut(&Event<'_>) -> Result<(), ToolError>,
) -> Result<Outcome, ToolError> {
    read_noting(input, each).map(|(outcome, _)| outcome)
}

/// The same, and what the tracer's notes say.
///
/// # Errors
///
/// As [`read`].
pub fn read_noting(
    input: impl Read + Send + 'static,
    mut each: impl FnMut(&Event<'_>) -> Result<(), ToolError>,
) -> Result<(Outcome, Notes), ToolError> {
    let mut notes = Notes::default();
    let mut outcome = read_until(input, |event| {
        if !notes.event(event) {
            each(event)?;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    notes.leave_out(&mut outcome);
    Ok((outcome, notes))
}

/// Shows every event, the tracer's last notes included, until `each` has seen
/// enough. What follows is not read, and so damage there is not noticed.
///
/// # Errors
///
/// As [`read`].
pub fn read_until(
    input: impl Read + Send + 'static,
    mut each: impl FnMut(&Event<'_>) -> Result<ControlFlow<()>, ToolError>,
) -> Result<Outcome, ToolError> {
    let mut reader = Reader::ahead_within(input, memory::is_enough)?;
    let damage = loop {
        if !memory::is_enough() {
            let at = Place {
                offset: reader.offset(),
                generation: reader.generation(),
                thread: None,
            };
            break Some(ReadError::Memory { at });
        }
        match reader.next_event() {
            Ok(Some(event)) => {
                if each(&event)?.is_break() {
                    break None;
                }
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    Ok(outcome(&reader, damage))
}

/// Shows every event of a trace to `observer`, which does little with it: see
/// [`Reader::show`].
///
/// # Errors
///
/// [`ToolError::Trace`] if it cannot be read at all.
pub fn show(
    input: impl Read + Send + 'static,
    observer: &mut impl Observer,
) -> Result<Outcome, ToolError> {
    let mut reader = Reader::ahead_within(input, memory::is_enough)?;
    let read = reader.show(observer);
    Ok(outcome(&reader, read.err()))
}

fn outcome<R: Read>(reader: &Reader<R>, damage: Option<ReadError>) -> Outcome {
    Outcome {
        version: reader.version(),
        bytes: reader.offset(),
        generations: reader.generations(),
        events: reader.delivered(),
        salvaged: reader.salvaged(),
        largest_generation: reader.largest_generation(),
        // Before the end, or of a trace that is whole, nothing is left.
        rest: match damage {
            Some(_) => Rest::of(reader),
            None => Rest::default(),
        },
        damage,
    }
}
