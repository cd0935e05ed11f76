//! Prints raw events as they lie in the file as JSON, one object a line.
//!
//! The first line has `kind` `Trace` and `version`. Every other has `kind` (the
//! name of the format), `offset` (bytes from the start of the file),
//! `generation` and `worker` (a number or `null`). A batch has `time`, `size`
//! and, if it is cut off, `missing`; an experiment's batch has `experiment` and
//! its bytes in `hex`, too. A timed event has `dt` and `time`, in units of the
//! generation's clock. An event has its numbers in `args`, as the format names
//! them; a string has its `data`, and a stack `frames`, whose `function` and
//! `file` are string IDs. Bytes that are not UTF-8 come as U+FFFD.

use std::io::{self, Write};

use trace_format::limits::NO_THREAD;
use trace_format::{EventKind, Version};
use trace_read::raw::{Batch, BatchHead, Mark, RawEvent, Section};

use crate::dump::json::{number, numbers, text};
use crate::dump::line::Line;
use crate::walk::Visitor;

/// Prints what it visits.
pub(super) struct Printer<'a, W> {
    out: &'a mut W,
    line: Line,
}

impl<'a, W: Write> Printer<'a, W> {
    pub(super) fn new(out: &'a mut W) -> Self {
        let line = Line::default();
        Printer { out, line }
    }

    pub(super) fn version(&mut self, version: Version) -> io::Result<()> {
        writeln!(
            self.out,
            "{{\"kind\":\"Trace\",\"version\":\"{version}\",\"offset\":0}}"
        )
    }

    /// Begins an object with what all of them have.
    fn begin(&mut self, kind: EventKind, offset: u64, generation: u64, worker: Option<u64>) {
        self.line.clear();
        self.line.text("{\"kind\":\"");
        self.line.text(kind.name());
        self.line.text("\"");
        number(&mut self.line, "offset", Some(offset));
        number(&mut self.line, "generation", Some(generation));
        number(
            &mut self.line,
            "worker",
            worker.filter(|&worker| worker != NO_THREAD),
        );
    }

    fn end(&mut self) -> io::Result<()> {
        self.line.text("}\n");
        self.out.write_all(self.line.bytes())
    }
}

impl<W: Write> Visitor for Printer<'_, W> {
    fn batch(&mut self, batch: &Batch<'_>) -> io::Result<()> {
        let head = batch.head();
        let kind = match head.experiment {
            Some(_) => EventKind::ExperimentalBatch,
            None => EventKind::EventBatch,
        };
        let header = &head.header;
        self.begin(kind, head.offset, header.generation, Some(header.thread));
        let line = &mut self.line;
        number(line, "time", Some(header.time));
        let size = batch.payload().len() as u64 + u64::from(head.missing);
        number(line, "size", Some(size));
        if head.missing > 0 {
            number(line, "missing", Some(head.missing.into()));
        }
        if let Some(id) = head.experiment {
            number(line, "experiment", Some(id.into()));
        }
        if head.section == Section::Experiment {
            line.text(",\"hex\":\"");
            for byte in batch.payload() {
                line.display(format_args!("{byte:02x}"));
            }
            line.text("\"");
        }
        self.end()
    }

    fn event(&mut self, batch: &BatchHead, event: &RawEvent<'_>) -> io::Result<()> {
        let header = &batch.header;
        self.begin(
            event.kind,
            event.offset,
            header.generation,
            Some(header.thread),
        );
        let line = &mut self.line;
        if let (Some(dt), Some(time)) = (event.dt(), event.time()) {
            number(line, "dt", Some(dt));
            number(line, "time", Some(time));
        }
        line.text(",\"args\":");
        numbers(
            line,
            event.named_args().map(|(arg, value)| (arg.name, value)),
        );
        match event.kind {
            EventKind::String => text(line, "data", &String::from_utf8_lossy(event.text())),
            EventKind::Stack => {
                line.text(",\"frames\":[");
                for (n, frame) in event.frames().enumerate() {
                    line.text(if n > 0 { "," } else { "" });
                    let fields = [
                        ("pc", frame.pc),
                        ("function", frame.function),
                        ("file", frame.file),
                        ("line", frame.line),
                    ];
                    numbers(line, fields.into_iter());
                }
                line.text("]");
            }
            _ => {}
        }
        self.end()
    }

    fn end_of_generation(&mut self, mark: Mark) -> io::Result<()> {
        self.begin(
            EventKind::EndOfGeneration,
            mark.offset,
            mark.generation,
            None,
        );
        self.end()
    }
}
