//! A trace file in memory: its generations, with tables resolved.
//!
//! This is the part of the judgement that needs no order of events: tables are
//! complete and unambiguous, time does not step back, generations count from 1.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::io::Read;

use trace_format::end::{End, LAST_NOTE};
use trace_format::limits::{MAX_STRING_SIZE, NO_THREAD};
use trace_format::{EventKind, Version};
use trace_read::raw::{Batch, Item, RawEvent, RawReader, Section, StackFrame};

use crate::fault::Fault;

/// A whole trace.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The format's version.
    pub version: Version,
    /// The generations, in order.
    pub generations: Vec<Generation>,
    /// How many bytes the file has.
    pub bytes: u64,
}

/// A generation.
#[derive(Clone, Debug, Default)]
pub struct Generation {
    /// Its number, from 1.
    pub number: u64,
    /// Clock units per second.
    pub frequency: u64,
    /// When it began, by its clock snapshot, in clock units.
    pub began: u64,
    /// The strings by ID.
    pub strings: HashMap<u64, String>,
    /// The stacks by ID, leaf first.
    pub stacks: HashMap<u64, Vec<Frame>>,
    /// Each thread's events, in its order. [`NO_THREAD`] stands for nobody.
    pub streams: BTreeMap<u64, Vec<Event>>,
}

/// A timed event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// When, in clock units.
    pub time: u64,
    /// The arguments, as many as the kind has.
    pub args: [u64; 4],
}

/// A frame of a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The program counter.
    pub pc: u64,
    /// The function's name.
    pub function: String,
    /// The file's name.
    pub file: String,
    /// The line.
    pub line: u64,
}

impl Generation {
    /// The string with this ID; that there is one was checked with the events.
    pub fn string(&self, id: u64) -> Option<&str> {
        match id {
            0 => Some(""),
            id => self.strings.get(&id).map(String::as_str),
        }
    }

    /// The functions of the stack with this ID, leaf first.
    pub fn functions(&self, id: u64) -> Option<Vec<&str>> {
        match id {
            0 => Some(Vec::new()),
            id => {
                let frames = self.stacks.get(&id)?.iter();
                Some(frames.map(|frame| frame.function.as_str()).collect())
            }
        }
    }
}

impl Trace {
    /// Reads a trace.
    ///
    /// # Errors
    ///
    /// The first [`Fault`] in framing or tables.
    pub fn read(file: impl Read) -> Result<Self, Fault> {
        let mut reader = RawReader::new(file)?;
        let mut trace = Self {
            version: reader.version(),
            generations: Vec::new(),
            bytes: 0,
        };
        let mut tables = Tables::default();
        let mut latest = HashMap::new();
        while let Some(item) = reader.next_item()? {
            let Item::Batch(batch) = item else { continue };
            let number = batch.head().header.generation;
            if trace.generations.last().map(|last| last.number) != Some(number) {
                trace.end_generation(&mut tables)?;
                if trace.generations.len() as u64 + 1 != number {
                    return Err(Fault::GenerationNumber { number });
                }
                trace.generations.push(Generation {
                    number,
                    ..Generation::default()
                });
            }
            if let Some(generation) = trace.generations.last_mut() {
                generation.add(&batch, &mut tables, &mut latest)?;
            }
        }
        trace.end_generation(&mut tables)?;
        trace.bytes = reader.offset();
        Ok(trace)
    }

    /// Why the trace ends, if it says so: all that its last notes say besides is
    /// what was lost.
    pub fn end(&self) -> Option<End> {
        let generation = self.generations.last()?;
        let note = generation.streams.get(&LAST_NOTE)?;
        let mut logs = note.iter().filter(|event| event.kind == EventKind::UserLog);
        logs.find_map(|log| End::of(generation.string(log.args[2])?))
    }

    /// Resolves the tables of the generation that is complete now.
    fn end_generation(&mut self, tables: &mut Tables) -> Result<(), Fault> {
        let Some(generation) = self.generations.last_mut() else {
            return Ok(());
        };
        let number = generation.number;
        let snapshot = tables.snapshot.take();
        match (std::mem::take(&mut tables.syncs), snapshot) {
            (1, Some(began)) if generation.frequency != 0 => generation.began = began,
            _ => return Err(Fault::Sync { generation: number }),
        }
        for (id, frames) in std::mem::take(&mut tables.stacks) {
            let frames: Vec<Frame> = frames
                .iter()
                .map(|frame| tables.resolve(frame, frames.len() == 1, generation))
                .collect::<Result<_, _>>()?;
            if frames.is_empty() {
                return Err(Fault::EmptyStack {
                    generation: number,
                    id,
                });
            }
            generation.stacks.insert(id, frames);
        }
        Ok(())
    }
}

/// What is known about tables besides the generation itself.
#[derive(Default)]
struct Tables {
    /// Stacks whose strings may still be to come.
    stacks: HashMap<u64, Vec<StackFrame>>,
    /// What each program counter stands for, in the whole file.
    pcs: HashMap<u64, Frame>,
    /// Sync batches in this generation.
    syncs: usize,
    /// The time of their clock snapshot.
    snapshot: Option<u64>,
}

impl Tables {
    fn resolve(
        &mut self,
        frame: &StackFrame,
        only: bool,
        generation: &Generation,
    ) -> Result<Frame, Fault> {
        let text = |id| {
            let missing = Fault::NoString {
                generation: generation.number,
                id,
            };
            generation.string(id).ok_or(missing).map(str::to_owned)
        };
        let resolved = Frame {
            pc: frame.pc,
            function: text(frame.function)?,
            file: text(frame.file)?,
            line: frame.line,
        };
        let missing = [
            frame.pc == 0,
            resolved.function.is_empty(),
            resolved.file.is_empty(),
            frame.line == 0,
        ];
        match missing {
            [false, false, false, false] => {}
            // There was no memory for any name of the stack.
            [true, true, true, true] if only => return Ok(resolved),
            _ => {
                return Err(Fault::FrameNotWhole {
                    generation: generation.number,
                    frame: resolved,
                });
            }
        }
        let first = self.pcs.entry(frame.pc).or_insert_with(|| resolved.clone());
        if *first != resolved {
            return Err(Fault::PcMeansTwo { pc: frame.pc });
        }
        Ok(resolved)
    }
}

impl Generation {
    fn add(
        &mut self,
        batch: &Batch<'_>,
        tables: &mut Tables,
        latest: &mut HashMap<u64, u64>,
    ) -> Result<(), Fault> {
        let head = batch.head();
        if head.section == Section::Sync {
            tables.syncs += 1;
        }
        if head.section != Section::Events && head.header.thread != NO_THREAD {
            return Err(Fault::TableOfThread {
                generation: self.number,
            });
        }
        for event in batch.events() {
            let event = event?;
            match event.kind {
                EventKind::String => self.add_string(&event)?,
                EventKind::Stack => {
                    let id = event.args()[0];
                    let frames = event.frames().collect();
                    if id == 0 || tables.stacks.insert(id, frames).is_some() {
                        return Err(Fault::StackTwice {
                            generation: self.number,
                            id,
                        });
                    }
                }
                EventKind::Frequency => self.frequency = event.args()[0],
                EventKind::ClockSnapshot => tables.snapshot = event.time(),
                EventKind::Strings | EventKind::Stacks | EventKind::Sync => {}
                _ => self.add_event(&event, head.header.thread, latest)?,
            }
        }
        Ok(())
    }

    fn add_string(&mut self, event: &RawEvent<'_>) -> Result<(), Fault> {
        let id = event.args()[0];
        let generation = self.number;
        let text = match String::from_utf8(event.text().to_vec()) {
            Ok(text) if text.len() <= MAX_STRING_SIZE => text,
            _ => return Err(Fault::BadString { generation, id }),
        };
        match self.strings.entry(id) {
            Entry::Vacant(free) if id != 0 => free.insert(text),
            _ => return Err(Fault::StringTwice { generation, id }),
        };
        Ok(())
    }

    fn add_event(
        &mut self,
        event: &RawEvent<'_>,
        thread: u64,
        latest: &mut HashMap<u64, u64>,
    ) -> Result<(), Fault> {
        let time = event.time().unwrap_or(0);
        let before = latest.insert(thread, time).unwrap_or(0);
        if time < before {
            return Err(Fault::TimeStepsBack {
                generation: self.number,
                thread,
            });
        }
        let mut args = [0; 4];
        args[..event.args().len()].copy_from_slice(event.args());
        self.streams.entry(thread).or_default().push(Event {
            kind: event.kind,
            time,
            args,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use trace_read::text;

    use super::*;

    #[test]
    fn every_generation_has_its_clock_data_once() {
        let sync = |time: u64| {
            format!(
                "EventBatch gen=1 m={NO_THREAD} time={time}\nSync\nFrequency freq=10\n\
                 ClockSnapshot dt=0 mono=5 sec=6 nsec=7\n"
            )
        };
        let without = |line: &str| {
            let sync = sync(9);
            let rest: Vec<_> = sync.lines().filter(|l| !l.starts_with(line)).collect();
            rest.join("\n") + "\n"
        };
        for (clock, began) in [
            (sync(9), Some(9)),
            (sync(0), Some(0)),
            (sync(9) + &sync(10), None),
            (sync(0).replace("freq=10", "freq=0"), None),
            (without("Frequency"), None),
            (without("ClockSnapshot"), None),
            (String::new(), None),
        ] {
            let event = "EventBatch gen=1 m=1 time=20\nProcStatus dt=1 p=0 pstatus=1\n";
            let text = format!("Trace Go1.26\n{clock}{event}EndOfGeneration\n");
            let bytes = text::to_bytes(&text).expect("it is one");
            let read = Trace::read(&bytes[..]).map(|trace| trace.generations[0].began);
            let wanted = began.ok_or(Fault::Sync { generation: 1 });
            assert_eq!(format!("{read:?}"), format!("{wanted:?}"), "{text}");
        }
    }
}
