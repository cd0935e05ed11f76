//! Prints a trace: every raw event, or every event after they are ordered.

mod filter;
mod json;
mod line;
mod parsed;
mod selected;
mod stack_text;
mod wire;
mod wire_json;

use std::io::{Read, Write};
use std::ops::ControlFlow;

use trace_read::Kind;
use trace_read::raw::RawReader;

use crate::dump::line::Line;
use crate::dump::selected::Selected;
use crate::dump::stack_text::StackTexts;
use crate::error::ToolError;
use crate::stream;
use crate::walk::walk;

pub use filter::{Filter, Kinds, Moment};

/// How a dump shows an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As text, for people.
    Text,
    /// As a JSON object on a line of its own, for programs.
    Json,
}

/// Prints the raw events of a trace, or those of some kinds, as they lie in the
/// file. Nothing is interpreted, and damage costs a batch at most.
///
/// # Errors
///
/// [`ToolError::Trace`], after printing, if anything is wrong with the trace;
/// [`ToolError::Output`] if `out` fails. That whoever reads the output stops doing
/// so is no error.
pub fn wire(
    input: impl Read,
    out: &mut impl Write,
    form: Form,
    kinds: Option<&Kinds>,
) -> Result<(), ToolError> {
    let trace = RawReader::new(input)?;
    let version = trace.version();
    let done = match form {
        Form::Text => {
            let mut printer = wire::Printer(out);
            let begun = printer.version(version).map_err(ToolError::from);
            begun.and_then(|()| walk(trace, &mut Selected::of(kinds, true, printer)))
        }
        Form::Json => {
            let mut printer = wire_json::Printer::new(out);
            let begun = printer.version(version).map_err(ToolError::from);
            begun.and_then(|()| walk(trace, &mut Selected::of(kinds, false, printer)))
        }
    };
    end(out, done)
}

/// Prints the events of a trace in their order, those that `filter` lets through:
/// as text in the words of `go tool trace -d=parsed`, or as JSON.
///
/// # Errors
///
/// [`ToolError::Trace`] if it is no trace, [`ToolError::Damaged`], after printing,
/// if anything is wrong with it; [`ToolError::Output`] if `out` fails.
pub fn parsed(
    input: impl Read + Send + 'static,
    out: &mut impl Write,
    form: Form,
    filter: &Filter,
) -> Result<(), ToolError> {
    let print = match form {
        Form::Text => parsed::print,
        Form::Json => json::print,
    };
    let mut line = Line::default();
    let mut stacks = StackTexts::default();
    let mut times = None;
    let read = stream::read_until(input, |event| {
        if let Kind::Sync(_) = event.kind {
            stacks.next_generation();
        }
        // Where the trace starts is known from its first event.
        let &mut (from, to) = times.get_or_insert_with(|| filter.times(event.time));
        if event.time > to {
            return Ok(ControlFlow::Break(()));
        }
        if event.time >= from && filter.lets_through(event) {
            line.clear();
            print(&mut line, &mut stacks, event);
            out.write_all(line.bytes())?;
        }
        Ok(ControlFlow::Continue(()))
    });
    end(out, read.and_then(stream::Outcome::whole))
}

/// Flushes, and takes a closed pipe for a good end.
fn end(out: &mut impl Write, done: Result<(), ToolError>) -> Result<(), ToolError> {
    // What is wrong with the trace matters more than a pipe closed late.
    let flushed = out.flush().map_err(ToolError::from);
    match done.and(flushed) {
        Err(error) if error.is_closed_pipe() => Ok(()),
        done => done,
    }
}
