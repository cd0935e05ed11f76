//! A table with one row for each interval: a stretch of time that a task spent
//! in one state. For spreadsheets, data frames and databases.

use std::fmt::Write as _;
use std::io::{self, Write};

use trace_read::TaskId;

use crate::error::ToolError;
use crate::escape::Cells;
use crate::export::Exported;
use crate::export::book::Frames;
use crate::input::Bytes;
use crate::intervals::{Interval, Intervals, Life, Visitor};
use crate::stream;

/// The columns. Times are nanoseconds of the trace's clock; what is not known is
/// empty.
///
/// `function` is the one that the task starts with, `reason` why it waits or was
/// stopped, `open` 1 if it goes on where the trace ends, `by` the task that woke
/// or created it, `stack` where it was, outermost function first, with `;`
/// between.
pub const COLUMNS: [&str; 12] = [
    "task", "function", "state", "reason", "start", "end", "duration", "open", "proc", "worker",
    "by", "stack",
];

/// What the last event has ended.
#[derive(Default)]
struct Ended(Vec<(Interval, Life)>);

impl Visitor for Ended {
    fn interval(&mut self, interval: &Interval, life: &Life) {
        self.0.push((*interval, *life));
    }
}

/// Writes a whole trace as such a table, up to its end or to where it is
/// damaged. Rows come in the order in which intervals end.
///
/// # Errors
///
/// [`ToolError::Trace`] if it is no trace, [`ToolError::Output`] if the table
/// cannot be written. Damage is part of the outcome.
pub fn export(input: Bytes, cells: Cells, out: impl Write) -> Result<Exported, ToolError> {
    let mut table = Table {
        writer: csv::Writer::from_writer(out),
        cell: String::new(),
        cells,
    };
    table
        .writer
        .write_record(COLUMNS)
        .map_err(io::Error::from)?;
    let mut intervals = Intervals::default();
    let mut ended = Ended::default();
    let outcome = stream::read(input, |event| {
        intervals.event(event, &mut ended);
        Ok(table.rows(&mut ended, &intervals)?)
    })?;
    intervals.finish(&mut ended);
    table.rows(&mut ended, &intervals)?;
    table.writer.flush()?;
    Ok(Exported {
        outcome,
        tasks: 0,
        left_out: 0,
    })
}

struct Table<W: Write> {
    writer: csv::Writer<W>,
    cell: String,
    cells: Cells,
}

impl<W: Write> Table<W> {
    fn rows(&mut self, ended: &mut Ended, known: &Intervals) -> io::Result<()> {
        for (interval, life) in ended.0.drain(..) {
            self.number(Some(interval.task.0))?;
            self.text(known.names.text(life.function))?;
            self.text(interval.state.name())?;
            self.text(known.names.text(interval.reason))?;
            self.number(Some(interval.start))?;
            self.number(Some(interval.end))?;
            self.number(Some(interval.duration()))?;
            self.number(Some(interval.open.into()))?;
            self.number(interval.proc.map(|proc| proc.0))?;
            self.number(interval.worker.map(|worker| worker.0))?;
            self.number(interval.by.map(|TaskId(by)| by))?;
            self.cell.clear();
            if let Some(frames) = Frames::of(interval.stack, known) {
                for (n, function) in frames.functions().rev().enumerate() {
                    self.cell.push_str(if n == 0 { "" } else { ";" });
                    self.cell.push_str(function);
                }
            }
            self.writer.write_field(&*self.cells.cell(&self.cell))?;
            self.writer.write_record(None::<&[u8]>)?;
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> io::Result<()> {
        Ok(self.writer.write_field(&*self.cells.cell(text))?)
    }

    fn number(&mut self, number: Option<u64>) -> io::Result<()> {
        self.cell.clear();
        if let Some(number) = number {
            let _ = write!(self.cell, "{number}");
        }
        Ok(self.writer.write_field(&self.cell)?)
    }
}
