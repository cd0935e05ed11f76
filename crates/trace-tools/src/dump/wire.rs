//! Prints raw events as they lie in the file, one a line.
//!
//! A line is a name and `name=value` pairs. Batches and marks stand at the
//! margin and say where in the file they are; events are indented below the
//! batch that holds them. IDs are shown as numbers. A timed event shows, beside
//! the difference that is stored, the time that it comes to.

use std::io::{self, Write};

use trace_format::limits::NO_THREAD;
use trace_format::{ArgKind, EventKind, ProcStatus, TaskStatus, Version};
use trace_read::raw::{Batch, BatchHead, Mark, RawEvent, Section};

use crate::escape::Quoted;
use crate::walk::Visitor;

/// Prints what it visits.
pub(super) struct Printer<'a, W>(pub(super) &'a mut W);

impl<W: Write> Printer<'_, W> {
    pub(super) fn version(&mut self, version: Version) -> io::Result<()> {
        writeln!(self.0, "Trace version=\"{version}\" offset=0")
    }
}

impl<W: Write> Visitor for Printer<'_, W> {
    fn batch(&mut self, batch: &Batch<'_>) -> io::Result<()> {
        let out = &mut *self.0;
        let head = batch.head();
        match head.experiment {
            Some(id) => write!(out, "{} exp={id}", EventKind::ExperimentalBatch.name())?,
            None => out.write_all(EventKind::EventBatch.name().as_bytes())?,
        }
        write!(
            out,
            " offset={} gen={}",
            head.offset, head.header.generation
        )?;
        write_arg(out, "m", ArgKind::Thread, head.header.thread)?;
        write!(
            out,
            " time={} size={}",
            head.header.time,
            batch.payload().len() + head.missing as usize
        )?;
        if head.missing > 0 {
            write!(out, " missing={}", head.missing)?;
        }
        out.write_all(b"\n")?;
        if head.section == Section::Experiment {
            writeln!(out, "  data={}", Quoted(batch.payload()))?;
        }
        Ok(())
    }

    fn event(&mut self, _: &BatchHead, event: &RawEvent<'_>) -> io::Result<()> {
        let out = &mut *self.0;
        write!(out, "  {}", event.kind.name())?;
        if let (Some(dt), Some(time)) = (event.dt(), event.time()) {
            write!(out, " dt={dt} time={time}")?;
        }
        for (arg, value) in event.named_args() {
            write_arg(out, arg.name, arg.kind, value)?;
        }
        if event.kind == EventKind::String {
            write!(out, " data={}", Quoted(event.text()))?;
        }
        for frame in event.frames() {
            write!(
                out,
                " [pc={:#x} func={} file={} line={}]",
                frame.pc, frame.function, frame.file, frame.line
            )?;
        }
        out.write_all(b"\n")
    }

    fn end_of_generation(&mut self, mark: Mark) -> io::Result<()> {
        writeln!(
            self.0,
            "{} offset={} gen={}",
            EventKind::EndOfGeneration.name(),
            mark.offset,
            mark.generation
        )
    }
}

/// Prints ` name=value`, statuses and "no thread" in words.
fn write_arg(out: &mut impl Write, name: &str, kind: ArgKind, value: u64) -> io::Result<()> {
    let word = match kind {
        ArgKind::Thread if value == NO_THREAD => Some("none"),
        ArgKind::TaskStatus => TaskStatus::from_code(value).map(TaskStatus::name),
        ArgKind::ProcStatus => ProcStatus::from_code(value).map(ProcStatus::name),
        _ => None,
    };
    match word {
        Some(word) => write!(out, " {name}={word}"),
        None => write!(out, " {name}={value}"),
    }
}
