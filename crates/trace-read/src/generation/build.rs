//! Reading one generation after the other from the raw layer.
//!
//! Before 1.26 a generation's end is seen at the first batch of the next one,
//! which is kept until that is asked for. Since 1.26 a mark ends it.
//!
//! Nothing that was read is thrown away because of what could not be. The first
//! thing wrong, be it the file's end in a batch or a string with a number that
//! was given before, is kept with the generation as [`Generation::broken`]; what
//! is there of the generation can be used as far as it goes.

use std::io::Read;
use std::iter::FusedIterator;

use trace_format::{EventKind, Version};

use crate::clock::Clock;
use crate::error::{Place, ReadError};
use crate::event::ClockSnapshot;
use crate::generation::{Generation, Sample};
use crate::raw::{BatchHead, Head, RawEvent, RawReader, Section};
use crate::reader::Allow;

/// Reads one generation after the other from a file.
///
/// As an iterator it gives each with memory of its own; nothing of a generation
/// is read before it is asked for. The last one is [`broken`](Generation::broken)
/// if the file is.
#[derive(Debug)]
pub struct Generations<R> {
    raw: RawReader<R>,
    /// The first batch of the next generation, with its bytes.
    spill: Option<(BatchHead, Vec<u8>)>,
    /// An error that belongs to the generation after the one read last.
    error: Option<ReadError>,
    /// The clock of the generation before.
    clock: Clock,
    /// Whether there is memory to go on with.
    allow: Allow,
    done: bool,
}

/// What a generation's clock data and batches have said so far.
#[derive(Default)]
struct Sync {
    /// The earliest batch's time in clock units. (For Go's reader, 0 is none.)
    start: Option<u64>,
    frequency: Option<u64>,
    /// The clock snapshot, its time in clock units.
    snapshot: Option<ClockSnapshot>,
}

impl<R: Read> Generations<R> {
    /// Reads the file's header. Reading is buffered; `input` need not be.
    ///
    /// # Errors
    ///
    /// [`ReadError::Header`] for a file that is no trace of a known version,
    /// [`ReadError::CutOff`] for one that ends within the header.
    pub fn new(input: R) -> Result<Self, ReadError> {
        Self::within(input, || true)
    }

    /// As [`new`](Self::new), as long as `allow` says that there is memory. A
    /// generation for which there is none is without its events, and broken by
    /// [`ReadError::Memory`].
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn within(input: R, allow: Allow) -> Result<Self, ReadError> {
        Ok(Self {
            raw: RawReader::new(input)?,
            spill: None,
            error: None,
            clock: Clock::default(),
            allow,
            done: false,
        })
    }

    /// The file's version.
    pub fn version(&self) -> Version {
        self.raw.version()
    }

    /// Where in the file reading has got to. Before 1.26 that is behind the first
    /// batch of the next generation.
    pub fn offset(&self) -> u64 {
        self.raw.offset()
    }

    /// Reads the next generation, into the memory of one no longer needed.
    ///
    /// `None` at the end of the file. After a broken generation nothing comes.
    pub(crate) fn read(&mut self, spent: Option<Box<Generation>>) -> Option<Box<Generation>> {
        if self.done {
            return None;
        }
        let mut generation = spent.unwrap_or_else(|| Box::new(Generation::new(self.version())));
        generation.begin(0);
        generation.allow = self.allow;
        let mut sync = Sync::default();
        let ended = self.read_batches(&mut generation, &mut sync);
        // Only a file of an older version must have a generation.
        if ended && generation.number == 0 && self.version().has_end_of_generation() {
            self.done = true;
            return None;
        }
        self.finish(&mut generation, sync);
        self.done |= generation.broken.is_some();
        generation.end = self.raw.offset();
        Some(generation)
    }

    /// Reads batches up to the generation's end. True if that was the file's.
    fn read_batches(&mut self, generation: &mut Generation, sync: &mut Sync) -> bool {
        if let Some((head, bytes)) = self.spill.take() {
            generation.number = head.header.generation;
            generation.bytes.extend_from_slice(&bytes);
            self.add(generation, sync, head, 0);
        }
        if let Some(error) = self.error.take() {
            if let Some(number) = error.place().generation {
                generation.number = number;
            }
            generation.broken.get_or_insert(error);
            return false;
        }
        loop {
            let start = generation.bytes.len();
            let read = match (self.allow)() {
                true => self.raw.read_into(&mut generation.bytes),
                false => Err(self.raw.lack_memory()),
            };
            match read {
                Ok(None) => {
                    self.done = true;
                    return true;
                }
                Ok(Some(Head::EndOfGeneration(_))) => {
                    generation.is_cut = false;
                    return false;
                }
                Ok(Some(Head::Batch(head))) => {
                    let number = head.header.generation;
                    if generation.number == 0 {
                        generation.number = number;
                    }
                    if number != generation.number {
                        let bytes = generation.bytes.split_off(start);
                        self.spill = Some((head, bytes));
                        generation.is_cut = false;
                        return false;
                    }
                    self.add(generation, sync, head, start);
                }
                // Tables without events and without a mark are taken for the
                // file's end, as Go's reader takes them.
                Err(ReadError::MissingEnd { .. })
                    if generation.batches.is_empty() && generation.broken.is_none() =>
                {
                    generation.number = 0;
                    return true;
                }
                // What is there of it is given up, or those before could not be made
                // use of, either.
                Err(error @ ReadError::Memory { .. }) => {
                    let number = generation.number;
                    *generation = Generation::new(self.version());
                    generation.number = number;
                    generation.broken = Some(error);
                    return false;
                }
                Err(error) => {
                    generation.bytes.truncate(start);
                    self.note_error(generation, error);
                    return false;
                }
            }
        }
    }

    /// Notes an error of the raw layer with the generation that it is about.
    ///
    /// Without end marks a generation is complete if what cannot be read belongs
    /// to another one.
    fn note_error(&mut self, generation: &mut Generation, error: ReadError) {
        let other = error
            .place()
            .generation
            .is_some_and(|g| g != generation.number);
        if other && generation.number != 0 && !self.version().has_end_of_generation() {
            self.error = Some(error);
            generation.is_cut = false;
        } else {
            if let (0, Some(number)) = (generation.number, error.place().generation) {
                generation.number = number;
            }
            generation.broken.get_or_insert(error);
        }
    }

    /// Adds a batch whose bytes are the generation's last ones, from `start`.
    fn add(&mut self, generation: &mut Generation, sync: &mut Sync, head: BatchHead, start: usize) {
        let time = head.header.time;
        sync.start = Some(sync.start.map_or(time, |start| start.min(time)));
        if head.section == Section::Events {
            // A batch without events is nothing to remember.
            match head.with_bytes(&generation.bytes[start..]).payload() {
                [] => generation.bytes.truncate(start),
                _ => generation.add_events(head, start),
            }
            return;
        }
        // The bytes are lent out of the generation while its tables are filled.
        let mut bytes = std::mem::take(&mut generation.bytes);
        let batch = head.with_bytes(&bytes[start..]);
        if let Section::Experiment = head.section {
            let id = head.experiment.unwrap_or(0);
            let data = batch.payload();
            generation
                .tables
                .add_experiment(id, head.header.thread, data);
        }
        for event in batch.events() {
            let added = match event {
                Ok(event) => add_entry(generation, sync, head, event),
                Err(error) => Err(error),
            };
            if let Err(error) = added {
                generation.broken.get_or_insert(error);
            }
        }
        bytes.truncate(start);
        generation.bytes = bytes;
    }

    /// Checks what can be checked once all is there, and makes use of the clock.
    fn finish(&mut self, generation: &mut Generation, sync: Sync) {
        let at = Place {
            offset: self.raw.offset(),
            generation: Some(generation.number).filter(|&number| number != 0),
            thread: None,
        };
        match sync.frequency {
            Some(frequency) => self.clock = Clock::new(frequency),
            None => {
                generation
                    .broken
                    .get_or_insert(ReadError::MissingFrequency { at });
            }
        }
        let clock = self.clock;
        if sync.snapshot.is_none() && self.version().has_sync_batch() {
            generation
                .broken
                .get_or_insert(ReadError::MissingClock { at });
        }
        if let Some((id, offset)) = generation.tables.resolve_frames() {
            let at = Place { offset, ..at };
            let kind = EventKind::Stack;
            generation
                .broken
                .get_or_insert(ReadError::UnknownString { at, kind, id });
        }
        generation.clock = clock;
        generation.start = clock.time(sync.start.unwrap_or(0));
        generation.tables.clock = sync.snapshot.map(|snapshot| ClockSnapshot {
            trace: clock.time(snapshot.trace) as u64,
            ..snapshot
        });
        for sample in &mut generation.samples {
            sample.time = clock.time(sample.time as u64);
        }
        generation.samples.sort_by_key(|sample| sample.time);
    }
}

impl<R: Read> Iterator for Generations<R> {
    type Item = Generation;

    fn next(&mut self) -> Option<Generation> {
        self.read(None).map(|generation| *generation)
    }
}

impl<R: Read> FusedIterator for Generations<R> {}

/// Adds an entry of a table.
fn add_entry(
    generation: &mut Generation,
    sync: &mut Sync,
    head: BatchHead,
    event: RawEvent<'_>,
) -> Result<(), ReadError> {
    let at = Place {
        offset: event.offset,
        generation: Some(head.header.generation),
        thread: Some(head.header.thread),
    };
    let args = event.args();
    match event.kind {
        EventKind::String => {
            let id = args[0];
            if !generation.tables.add_string(id, event.text()) {
                return Err(ReadError::DuplicateString { at, id });
            }
        }
        EventKind::Stack => {
            let id = args[0];
            let frames = event.frames();
            if !generation.tables.add_stack(id, frames, event.offset) {
                return Err(ReadError::DuplicateStack { at, id });
            }
        }
        EventKind::CPUSample => {
            generation.samples.push(Sample {
                time: args[0] as i64,
                worker: args[1],
                proc: args[2],
                task: if args[3] == 0 { u64::MAX } else { args[3] },
                stack: args[4],
                offset: event.offset,
            });
        }
        EventKind::Frequency => {
            if sync.frequency.is_some() {
                return Err(ReadError::SecondFrequency { at });
            }
            sync.frequency = Some(args[0]);
        }
        EventKind::ClockSnapshot => {
            if sync.snapshot.is_some() {
                return Err(ReadError::SecondClock { at });
            }
            sync.snapshot = Some(ClockSnapshot {
                trace: event.time().unwrap_or(0),
                mono: args[0],
                wall_seconds: args[1],
                wall_nanos: args[2],
            });
        }
        // The batch's marker.
        _ => {}
    }
    Ok(())
}
