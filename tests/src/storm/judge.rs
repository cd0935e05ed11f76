//! Judges the files of a storm: each is true, the reader reads it to its end, and
//! it holds what was said to the tracer while it was recorded: no more, and no
//! less than what is counted as lost.

use std::collections::{BTreeSet, HashSet};

use runtime_trace::{BlockReason, Losses, StopReason};
use trace_format::EventKind;
use trace_format::end::{End, LAST_NOTE};
use trace_read::raw::{Item, RawReader, Section};
use trace_read::{Kind, Reader};

use crate::check::{Checked, Ends, check};
use crate::sim::said::{Said, Words, by_itself};
use crate::sim::weather::Ending;
use crate::storm::Damage;
use crate::storm::tracer::Caught;
use crate::text;
use crate::wire::Trace;

/// What a trace shows that two judges accept.
pub(super) struct Accepted {
    pub(super) trace: Trace,
    pub(super) checked: Checked,
}

/// Has a trace that ends as it should be judged for itself.
pub(super) fn accept(bytes: &[u8], ends: Ends) -> Result<Accepted, Damage> {
    let trace = Trace::read(bytes)?;
    let checked = check(&trace, ends)?;
    let of = |kind| checked.counts.get(&kind).copied().unwrap_or(0);
    let mut reader = Reader::new(bytes)?;
    let mut read = [0; 3];
    while let Some(event) = reader.next_event()? {
        match event.kind {
            Kind::Log(_) => read[0] += 1,
            Kind::UserRegionBegin(_) => read[1] += 1,
            Kind::Label { .. } => read[2] += 1,
            _ => {}
        }
    }
    for (what, read, written) in [
        (
            "generations",
            reader.generations(),
            trace.generations.len() as u64,
        ),
        ("logs", read[0], of(EventKind::UserLog)),
        ("regions", read[1], of(EventKind::UserRegionBegin)),
        ("labels", read[2], of(EventKind::GoLabel)),
    ] {
        if read != written {
            return Err(Damage::ReadLess {
                what,
                read,
                written,
            });
        }
    }
    Ok(Accepted { trace, checked })
}

/// What the workers said in the whole storm.
pub(super) struct Heard {
    workers: Vec<(u64, Words)>,
    /// The workers whose last words were found in a file.
    found: HashSet<u64>,
}

/// What a file and the workers' words have to do with each other.
pub(super) struct Held {
    /// Of each generation: said for certain, written, and said perhaps.
    generations: Vec<[u64; 3]>,
    /// Whether every event was found in its place.
    pub(super) exact: bool,
    /// Events in the file, whoever wrote them.
    pub(super) events: u64,
}

impl Heard {
    pub(super) fn new(workers: Vec<(u64, Words)>) -> Self {
        Self {
            workers,
            found: HashSet::new(),
        }
    }

    /// Judges a file, and holds it against what was said.
    pub(super) fn hold(&mut self, file: &Caught) -> Result<Held, Damage> {
        file.is_as_it_may()?;
        if file.failed || file.ending == Ending::Unfinished {
            return Ok(self.hold_part(file));
        }
        let ends = match file.ending {
            Ending::Whole => Ends::Whole,
            _ => Ends::Early,
        };
        let Accepted { trace, checked } = accept(&file.bytes, ends)?;
        let losses = file.stats.losses;
        let exact = ends == Ends::Whole && losses.total() == refused(&losses);
        let mut held = Held {
            generations: vec![[0; 3]; file.stats.generations as usize],
            exact,
            events: checked.counts.values().sum(),
        };
        self.compare(file, &trace, &mut held)?;
        let found = trace.generations.len() as u64;
        let count = |what, claimed, found| match claimed == found {
            true => Ok(()),
            false => Err(Damage::Count {
                what,
                claimed,
                found,
            }),
        };
        if ends == Ends::Whole {
            count("generations", file.stats.generations, found)?;
        }
        if !file.may_have_given_up() {
            count("events", file.stats.events, held.events)?;
        }
        let is_note = |generation: &&crate::wire::Generation| {
            let mut events = generation.streams.values().flatten();
            events.any(|event| {
                event.kind == EventKind::UserLog
                    && by_itself(event, generation)
                    && generation.string(event.args[2]).and_then(End::of).is_none()
            })
        };
        // What is lost later nobody can note.
        let all = file.stats.recent[0].generation <= found && !file.may_have_given_up();
        if all && losses.total() > 0 && !trace.generations.iter().any(|g| is_note(&g)) {
            return Err(Damage::NoNote { losses });
        }
        Ok(held)
    }

    /// Holds each worker's stream in each generation against its words.
    fn compare(&mut self, file: &Caught, trace: &Trace, held: &mut Held) -> Result<(), Damage> {
        let lossless = held.exact;
        for (worker, words) in &self.workers {
            held.count(file, words);
            for generation in &trace.generations {
                let number = generation.number;
                let epoch = file.first + number - 1;
                let mut said = in_epochs(&words.said, epoch..epoch + 1).iter();
                // Last words come after all others, and once.
                let is_end = words.said.last().is_none_or(|&(last, _)| last <= epoch);
                let mut last = match is_end && !self.found.contains(worker) {
                    true => words.last.iter(),
                    false => [].iter(),
                };
                let stream = generation.streams.get(worker).into_iter().flatten();
                let counts = &mut held.generations[number as usize - 1];
                for event in stream.filter(|event| !by_itself(event, generation)) {
                    counts[1] += 1;
                    let is = |said: &Said| said.is(event, generation, !lossless);
                    let found = match lossless {
                        true => said.next().map(|(_, said)| is(said)),
                        false => said.any(|(_, said)| is(said)).then_some(true),
                    };
                    if found.unwrap_or_else(|| match lossless {
                        true => last.next().is_some_and(is),
                        false => last.any(is),
                    }) {
                        if found.is_none() {
                            counts[0] += 1;
                            self.found.insert(*worker);
                        }
                        continue;
                    }
                    return Err(Damage::NotSaid {
                        generation: number,
                        worker: *worker,
                        event: text::event(event, generation),
                    });
                }
                if let (true, Some((_, first))) = (lossless, said.clone().next()) {
                    return Err(Damage::NotRecorded {
                        generation: number,
                        worker: *worker,
                        count: said.len(),
                        first: format!("{first:?}"),
                    });
                }
            }
        }
        // Nobody but the workers said anything.
        let known: HashSet<u64> = self.workers.iter().map(|&(id, _)| id).collect();
        for generation in &trace.generations {
            for (worker, stream) in &generation.streams {
                let said = stream.iter().find(|event| !by_itself(event, generation));
                if let (false, false, Some(event)) =
                    (known.contains(worker), *worker == LAST_NOTE, said)
                {
                    return Err(Damage::NotSaid {
                        generation: generation.number,
                        worker: *worker,
                        event: text::event(event, generation),
                    });
                }
            }
        }
        Ok(())
    }

    /// The same for one whose end is missing: whatever there is of it counts.
    fn hold_part(&self, file: &Caught) -> Held {
        let generations = file.stats.generations as usize;
        let mut held = Held {
            generations: vec![[0; 3]; generations],
            exact: false,
            events: 0,
        };
        for (_, words) in &self.workers {
            held.count(file, words);
        }
        let Ok(mut reader) = RawReader::new(&file.bytes[..file.whole]) else {
            return held;
        };
        let note = note_category();
        while let Ok(Some(item)) = reader.next_item() {
            let Item::Batch(batch) = item else { continue };
            if batch.head().section != Section::Events {
                continue;
            }
            let events = || batch.events().filter_map(Result::ok);
            let last_note = batch.head().header.thread == LAST_NOTE;
            let said = events().filter(|event| match event.kind {
                EventKind::GoStatus
                | EventKind::GoStatusStack
                | EventKind::ProcStatus
                | EventKind::ProcsChange => false,
                EventKind::UserLog => event.args()[1] != note,
                _ => !last_note,
            });
            let at = batch.head().header.generation as usize - 1;
            held.generations[at][1] += said.count() as u64;
            held.events += events().count() as u64;
        }
        held
    }

    /// Whether all that was said while a file was recorded is in it or lost.
    pub(super) fn conserves(&self, file: &Caught, held: &Held) -> Result<(), Damage> {
        let perhaps = self.workers.iter();
        let perhaps: u64 = perhaps
            .filter(|(worker, _)| !self.found.contains(worker))
            .map(|(_, words)| words.last.len() as u64)
            .sum();
        let verdict = |generation, [said, written, refused]: [u64; 3], lost: u64| {
            let least = match file.may_have_given_up() {
                // What a thread said after that is nowhere.
                true => 0,
                false => said,
            };
            let said = match held.exact {
                true => least..=said + refused,
                false => least..=said + refused + perhaps,
            };
            match said.contains(&(written + lost)) {
                true => Ok(()),
                false => Err(Damage::Conservation {
                    generation,
                    said,
                    written,
                    lost,
                }),
            }
        };
        for recent in file.stats.recent {
            let at = recent.generation as usize;
            if let Some(&counts) = held.generations.get(at.wrapping_sub(1)) {
                verdict(Some(recent.generation), counts, recent.losses.events())?;
            }
        }
        let sum = |at: usize| held.generations.iter().map(|counts| counts[at]).sum();
        let all = [sum(0), sum(1), sum(2)];
        verdict(None, all, file.stats.losses.events())
    }
}

impl Held {
    /// Counts what a worker said in a file's generations.
    fn count(&mut self, file: &Caught, words: &Words) {
        for (at, counts) in (file.first..).zip(&mut self.generations) {
            counts[0] += in_epochs(&words.said, at..at + 1).len() as u64;
            for (_, certain) in words.refused.iter().filter(|(epoch, _)| *epoch == at) {
                counts[if *certain { 0 } else { 2 }] += 1;
            }
        }
    }
}

/// What was said in these epochs.
fn in_epochs(said: &[(u64, Said)], epochs: std::ops::Range<u64>) -> &[(u64, Said)] {
    let at = |epoch| said.partition_point(|&(of, _)| of < epoch);
    &said[at(epochs.start)..at(epochs.end)]
}

/// How many emissions were refused since others were going on.
fn refused(losses: &Losses) -> u64 {
    losses.count(runtime_trace::Loss::Reentrant)
}

/// The ID of the category of notes: of a generation's strings the first are the
/// reasons, and then comes this.
fn note_category() -> u64 {
    let blocks = BlockReason::ALL.iter().map(|reason| reason.as_str());
    let stops = StopReason::ALL.iter().map(|reason| reason.as_str());
    let reasons: BTreeSet<&str> = blocks.chain(stops).collect();
    reasons.len() as u64 + 1
}

impl Caught {
    fn is_patient(&self) -> bool {
        self.config.patience >= PATIENT
    }

    /// Whether a thread may have been given up, be it after the trace had ended
    /// for another reason.
    fn may_have_given_up(&self) -> bool {
        self.ending != Ending::Whole && !self.is_patient()
    }

    /// Whether nothing was lost, and the trace did not end early, without a
    /// reason.
    fn is_as_it_may(&self) -> Result<(), Damage> {
        let roomy = self.config.memory_limit >= ROOMY;
        let patient = self.is_patient();
        let ending = match self.ending {
            Ending::Whole => true,
            Ending::Early => !roomy,
            Ending::Stuck => !patient,
            Ending::Sink => self.failed,
            Ending::Unfinished => !patient,
        };
        let losses = self.stats.losses;
        let lossless = losses.total() == refused(&losses);
        if ending && (lossless || !roomy || self.failed || !patient) {
            return Ok(());
        }
        Err(Damage::Lost {
            losses,
            ending: format!("{:?}, {:?}", self.ending, self.config),
        })
    }
}

/// More memory than a storm needs, and more patience.
const ROOMY: usize = 128 << 20;
const PATIENT: std::time::Duration = std::time::Duration::from_secs(60);
