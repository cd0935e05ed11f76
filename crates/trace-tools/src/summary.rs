//! Sums a trace up: what is in it, how much, over what time, and what it lost.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read};

use trace_format::limits::NO_THREAD;
use trace_format::{ArgKind, EventKind, Version, loss};
use trace_read::raw::{Batch, BatchHead, Mark, RawEvent, RawReader, Section};

use crate::error::ToolError;
use crate::walk::{Visitor, walk};

/// What a task, proc or thread ID is where there is none.
const NONE: u64 = NO_THREAD;

/// Nanoseconds per second.
pub(crate) const NANOS: u128 = 1_000_000_000;

/// What a trace holds, added up over all of it.
///
/// Memory grows with the distinct tasks, procs and threads and with the largest
/// generation's strings, not with the number of events.
#[derive(Debug)]
pub struct Summary {
    /// The version in the header.
    pub version: Version,
    /// Bytes read, the header included.
    pub bytes: u64,
    /// How many generations have batches.
    pub generations: u64,
    /// How many of them were ended by a mark.
    pub ended: u64,
    /// The numbers of the first generation and the last.
    pub generation_range: Option<(u64, u64)>,
    /// Batches, those of experiments included.
    pub batches: u64,
    /// Entries of the string tables of all generations.
    pub strings: u64,
    /// Bytes of these strings alone.
    pub string_bytes: u64,
    /// Entries of the stack tables of all generations.
    pub stacks: u64,
    /// Frames of these stacks.
    pub frames: u64,
    /// Bytes that these entries take in the file.
    pub stack_bytes: u64,
    /// Task IDs that events name.
    pub tasks: HashSet<u64>,
    /// Proc IDs that events name.
    pub procs: HashSet<u64>,
    /// Thread IDs that batches or events name.
    pub workers: HashSet<u64>,
    /// Clock units per second, as the last generation that says so has it.
    pub frequency: Option<u64>,
    /// Times of the first event and the last, nanoseconds, each by its
    /// generation's clock frequency.
    pub span: Option<(u128, u128)>,
    /// What the tracer noted as lost.
    pub losses: Vec<Loss>,
    by_kind: [u64; 256],
    generation: Generation,
}

/// A note of the tracer's about events that are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The generation that it stands in.
    pub generation: u64,
    /// How often it stands there.
    pub times: u64,
    /// Its text.
    pub message: Box<[u8]>,
}

/// What is known of the generation being read and has meaning only there.
#[derive(Debug, Default)]
struct Generation {
    number: u64,
    frequency: Option<u64>,
    /// Times of the first event and the last, clock units.
    span: Option<(u64, u64)>,
    strings: HashMap<u64, Box<[u8]>>,
    /// String IDs of category and message of each log event, and how often.
    logs: HashMap<(u64, u64), u64>,
}

impl Summary {
    /// Sums up the rest of a trace, as far as it can be read.
    ///
    /// The second part is [`ToolError::Trace`] if anything is wrong with it.
    pub fn of<R: Read>(trace: RawReader<R>) -> (Self, Result<(), ToolError>) {
        let mut summary = Self::new(trace.version());
        let read = walk(trace, &mut summary);
        summary.close_generation();
        (summary, read)
    }

    fn new(version: Version) -> Self {
        Self {
            version,
            bytes: version.header().len() as u64,
            generations: 0,
            ended: 0,
            generation_range: None,
            batches: 0,
            strings: 0,
            string_bytes: 0,
            stacks: 0,
            frames: 0,
            stack_bytes: 0,
            tasks: HashSet::new(),
            procs: HashSet::new(),
            workers: HashSet::new(),
            frequency: None,
            span: None,
            losses: Vec::new(),
            by_kind: [0; 256],
            generation: Generation::default(),
        }
    }

    /// Events in threads' streams and CPU samples, of all kinds.
    pub fn events(&self) -> u64 {
        self.by_kind.iter().sum()
    }

    /// How many of these are of each kind that occurs, most frequent first.
    pub fn by_kind(&self) -> Vec<(EventKind, u64)> {
        let mut kinds: Vec<_> = EventKind::ALL
            .iter()
            .map(|&kind| (kind, self.by_kind[kind as usize]))
            .filter(|&(_, count)| count > 0)
            .collect();
        kinds.sort_by_key(|&(kind, count)| (std::cmp::Reverse(count), kind));
        kinds
    }

    /// Translates what only the generation's own tables explain.
    fn close_generation(&mut self) {
        let generation = std::mem::take(&mut self.generation);
        if let Some(frequency) = generation.frequency {
            self.frequency = Some(frequency);
            if let Some((first, last)) = generation.span {
                let nanos = |time| u128::from(time) * NANOS / u128::from(frequency);
                let (first, last) = (nanos(first), nanos(last));
                let (start, end) = self.span.unwrap_or((first, last));
                self.span = Some((start.min(first), end.max(last)));
            }
        }
        let text = |id: &u64| generation.strings.get(id);
        let mut losses: Vec<_> = generation
            .logs
            .iter()
            .filter(|((category, _), _)| text(category).is_some_and(|t| **t == *loss::CATEGORY.as_bytes()))
            .map(|((_, message), &times)| Loss {
                generation: generation.number,
                times,
                message: text(message).cloned().unwrap_or_default(),
            })
            .collect();
        losses.sort_by(|a, b| a.message.cmp(&b.message));
        self.losses.append(&mut losses);
    }
}

impl Visitor for Summary {
    fn batch(&mut self, batch: &Batch<'_>) -> io::Result<()> {
        let header = &batch.head().header;
        if self.generation.number != header.generation {
            self.close_generation();
            self.generation.number = header.generation;
            self.generations += 1;
            let (first, _) = self
                .generation_range
                .unwrap_or((header.generation, header.generation));
            self.generation_range = Some((first, header.generation));
        }
        self.batches += 1;
        self.bytes += batch.bytes().len() as u64;
        note(&mut self.workers, header.thread);
        Ok(())
    }

    fn event(&mut self, batch: &BatchHead, event: &RawEvent<'_>) -> io::Result<()> {
        match (event.kind, event.args()) {
            (EventKind::String, &[id]) => {
                self.strings += 1;
                self.string_bytes += event.text().len() as u64;
                self.generation.strings.insert(id, event.text().into());
            }
            (EventKind::Stack, _) => {
                self.stacks += 1;
                self.frames += event.frames().count() as u64;
                self.stack_bytes += event.bytes.len() as u64;
            }
            (EventKind::Frequency, &[hz]) if hz > 0 => self.generation.frequency = Some(hz),
            (EventKind::UserLog, &[_, category, message, _]) => {
                *self.generation.logs.entry((category, message)).or_default() += 1;
            }
            _ => {}
        }
        let streamed = matches!(batch.section, Section::Events | Section::CpuSamples);
        let Some(time) = event.time().filter(|_| streamed) else {
            return Ok(());
        };
        self.by_kind[event.kind as usize] += 1;
        let (first, last) = self.generation.span.unwrap_or((time, time));
        self.generation.span = Some((first.min(time), last.max(time)));
        for (arg, value) in event.named_args() {
            match arg.kind {
                ArgKind::Task if value != 0 => note(&mut self.tasks, value),
                ArgKind::Proc => note(&mut self.procs, value),
                ArgKind::Thread => note(&mut self.workers, value),
                _ => {}
            }
        }
        Ok(())
    }

    fn end_of_generation(&mut self, _: Mark) -> io::Result<()> {
        self.bytes += 1;
        self.ended += 1;
        // What follows is another generation, whatever its number.
        self.close_generation();
        Ok(())
    }
}

fn note(ids: &mut HashSet<u64>, id: u64) {
    if id != NONE {
        ids.insert(id);
    }
}
