//! Is a trace in order, and what is in it, counted? An analysis, and two ways to
//! print it: for people, and as one JSON object for programs.

use std::io::{self, Read, Write};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use roaring::RoaringTreemap;
use serde_json::json;
use trace_format::Version;
use trace_format::end::End;
use trace_read::{Event, Kind, Observer, ReadError, TaskId};

use crate::error::ToolError;
use crate::escape::{Json, Line};
use crate::input::Bytes;
use crate::loss::Losses;
use crate::notes::Notes;
use crate::paint::Paint;
use crate::rest::{Rest, counted};
use crate::stream;

/// Bytes in memory from which on a generation is noteworthy: whoever analyses the
/// trace needs as much.
const LARGE_GENERATION: u64 = 200 << 20;

/// What is wrong with a file that has a header and no more.
const NO_GENERATION: &str = "the file is cut off: there is no generation in it";

/// What is wrong with a file whose last generation has tables only.
const LEFT_OVER: &str = "the file is cut off: it ends inside a generation, before its events";

/// Which of [`Kind::NAMES`] transitions have.
const TRANSITION: usize = 12;

/// What a check has found.
#[derive(Debug, Default)]
pub struct Check {
    /// The version in the header, if it is the header of a trace.
    pub version: Option<Version>,
    /// Generations that were begun.
    pub generations: u64,
    /// Events that were delivered, those salvaged included. This and the counts
    /// below leave the tracer's last notes out: see [`notes`](crate::notes).
    pub events: u64,
    /// Those from a generation that turned out to be cut off or damaged.
    pub salvaged: u64,
    /// How many events there are of each of [`Kind::NAMES`].
    pub by_kind: [u64; Kind::NAMES.len()],
    /// On how many tasks something happened.
    pub tasks: u64,
    /// How many events say where they happened, as Go's reader counts them: a
    /// sample does even if its stack is empty.
    pub with_stack: u64,
    /// What the tracer says that it lost.
    pub losses: Losses,
    /// Why the trace ends, if the tracer says so.
    pub end: Option<End>,
    /// Bytes in memory that the largest generation takes.
    pub largest_generation: u64,
    /// Bytes behind the last generation: the tables of one that has no events and
    /// no end, of which readers deliver nothing.
    pub left_over: u64,
    /// What is wrong with it.
    pub damage: Option<ReadError>,
    /// What is left of it, if it is cut off.
    pub rest: Rest,
}

impl Check {
    /// Reads a trace to its end. That it is no trace, or damaged, is part of what
    /// is found.
    ///
    /// Memory does not grow with its length; with the number of tasks by less than
    /// a bit for each, as long as they are numbered as they come.
    ///
    /// # Errors
    ///
    /// None today: counting cannot fail.
    pub fn of(input: Bytes) -> Result<Self, ToolError> {
        let mut counts = Counts {
            check: Check::default(),
            notes: Notes::default(),
            tasks: TaskSet::new(),
        };
        let read_bytes = Arc::new(AtomicU64::new(0));
        let input = Counted {
            input,
            read: Arc::clone(&read_bytes),
        };
        let read = stream::show(input, &mut counts);
        let mut check = counts.check;
        check.tasks = counts.tasks.len();
        match read {
            Ok(mut outcome) => {
                counts.notes.leave_out(&mut outcome);
                check.losses = counts.notes.losses;
                check.end = counts.notes.end;
                check.version = Some(outcome.version);
                check.generations = outcome.generations;
                check.events = outcome.events;
                check.salvaged = outcome.salvaged;
                check.largest_generation = outcome.largest_generation;
                check.damage = outcome.damage;
                check.rest = outcome.rest;
                // Relaxed: the thread that counted has come to the end of the file,
                // and what it read of the last generation came through a channel.
                check.left_over = read_bytes.load(Ordering::Relaxed);
                check.left_over = check.left_over.saturating_sub(outcome.bytes);
            }
            Err(ToolError::Trace { first, .. }) => check.damage = Some(first),
            Err(error) => return Err(error),
        }
        Ok(check)
    }

    /// What is wrong with it, a line each.
    pub fn findings(&self) -> Vec<String> {
        match &self.damage {
            Some(damage) => vec![damage.to_string()],
            None if self.left_over > 0 => vec![LEFT_OVER.to_owned()],
            None if self.generations == 0 => vec![NO_GENERATION.to_owned()],
            None => Vec::new(),
        }
    }

    /// What is not wrong, but good to know, a line each.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.rest.notes();
        match self.end {
            Some(End::Stopped) => {}
            Some(end) => notes.push(format!("the tracer says: {}", end.as_str())),
            None if !self.passed() => {}
            None => notes.push(self.perhaps_cut()),
        }
        if self.losses.events() > 0 {
            // The last note holds for the whole trace.
            let note = self.losses.notes().last();
            let (time, message) = note.unwrap_or_default();
            notes.push(format!(
                "the tracer lost events, says its log at {time} ns: {message:?}"
            ));
        }
        if self.largest_generation >= LARGE_GENERATION {
            notes.push(format!(
                "the largest generation takes {} MB of memory to read; a tracer that advances \
                 more often makes smaller ones",
                self.largest_generation / 1_000_000
            ));
        }
        notes
    }

    /// Whether nothing is wrong with it. That something was lost, as the trace
    /// says itself, is not wrong.
    pub fn passed(&self) -> bool {
        self.findings().is_empty()
    }

    /// That it does not say whether tracing was stopped at its end.
    fn perhaps_cut(&self) -> String {
        let place = match self.version {
            Some(version) if version.has_end_of_generation() => "behind a whole generation",
            // Nothing marks the end of one.
            _ => "between two batches",
        };
        format!(
            "nothing says that tracing stopped here: the trace may have been cut, {place} \
             (Go's own tracer never says so)"
        )
    }

    /// Prints a line for each finding and each note, and one that sums it up.
    ///
    /// # Errors
    ///
    /// If `out` fails.
    pub fn print(&self, name: &str, paint: Paint, out: &mut impl Write) -> io::Result<()> {
        let name = Line(name);
        for finding in self.findings() {
            writeln!(out, "{name}: {}: {}", paint.bad("error"), Line(&finding))?;
        }
        for note in self.notes() {
            writeln!(out, "{name}: {}: {}", paint.note("note"), Line(&note))?;
        }
        let Some(version) = self.version else {
            return Ok(());
        };
        match &self.damage {
            // Which says nothing of the trace.
            Some(ReadError::Memory { .. }) => {
                write!(out, "{name}: {}", paint.bad("not read to its end"))?;
            }
            _ if self.passed() => write!(out, "{name}: {}", paint.good("ok"))?,
            _ => write!(out, "{name}: {}", paint.bad("damaged"))?,
        }
        write!(
            out,
            ": {version}, {} in {}, {}",
            counted(self.events, "event"),
            counted(self.generations, "generation"),
            counted(self.tasks, "task"),
        )?;
        if self.salvaged > 0 {
            write!(out, ", {} salvaged", counted(self.salvaged, "event"))?;
        }
        if self.losses.events() > 0 {
            write!(out, ", {} lost", counted(self.losses.events(), "event"))?;
        }
        writeln!(out)
    }

    /// Prints it as a JSON object on one line.
    ///
    /// # Errors
    ///
    /// If `out` fails.
    pub fn print_json(&self, out: &mut impl Write) -> io::Result<()> {
        let counted = Kind::NAMES.iter().zip(self.by_kind);
        let by_kind: serde_json::Map<_, _> = counted
            .filter(|&(_, count)| count > 0)
            .map(|(&name, count)| (name.to_owned(), count.into()))
            .collect();
        let object = json!({
            "version": self.version.map(|version| version.to_string()),
            "generations": self.generations,
            "events": self.events,
            "by_kind": by_kind,
            "tasks": self.tasks,
            "with_stack": self.with_stack,
            "lost": self.losses.events(),
            "salvaged": self.salvaged,
            "left": self.rest.json(),
            "largest_generation": self.largest_generation,
            "end": self.end.map(End::as_str),
            "errors": self.findings(),
            "notes": self.notes(),
        });
        writeln!(out, "{}", Json(&object.to_string()))
    }
}

/// An input that counts what is read of it.
struct Counted {
    input: Bytes,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(into)?;
        // Relaxed: a figure; see its load.
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// A check that is not finished.
struct Counts {
    check: Check,
    notes: Notes,
    tasks: TaskSet,
}

impl Observer for Counts {
    #[inline(always)]
    fn see(&mut self, event: Event<'_>) {
        let Self {
            check,
            notes,
            tasks,
        } = self;
        if notes.event(&event) {
            return;
        }
        check.with_stack += u64::from(!event.stack.is_empty());
        match event.kind {
            // Nearly all are these.
            Kind::Task(_) | Kind::Proc(_) => check.by_kind[TRANSITION] += 1,
            kind => {
                check.by_kind[kind.index()] += 1;
                let unplaced = event.stack.is_empty() && matches!(kind, Kind::Sample);
                check.with_stack += u64::from(unplaced);
            }
        }
        if let Some(task) = event.task {
            tasks.insert(task);
        }
    }
}

/// A set of tasks, of which many are added again and again.
///
/// Tasks are mostly numbered as they come, so that those of a time have numbers
/// close together. What is added is kept in pages of bits, and goes into the
/// compressed set when another page wants a page's place.
struct TaskSet {
    /// The one added last: the same goes on most of the time.
    last: Option<TaskId>,
    pages: Vec<Page>,
    others: RoaringTreemap,
}

/// The tasks of so many numbers in a row.
#[derive(Clone)]
struct Page {
    number: u64,
    bits: [u64; Self::WORDS],
}

impl Page {
    const WORDS: usize = 8;
    /// How many numbers there are in a page.
    const SIZE: u64 = 64 * Self::WORDS as u64;

    /// Becomes the page of other numbers.
    #[cold]
    #[inline(never)]
    fn give_way(&mut self, number: u64, others: &mut RoaringTreemap) {
        for range in self.ranges() {
            others.insert_range(range);
        }
        self.number = number;
        self.bits = [0; Self::WORDS];
    }

    /// The numbers in it, as ranges with both ends.
    fn ranges(&self) -> impl Iterator<Item = RangeInclusive<u64>> {
        let starts = (self.number.wrapping_mul(Self::SIZE)..).step_by(64);
        self.bits.iter().zip(starts).flat_map(|(&word, start)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                let low = rest.trailing_zeros();
                let len = rest.checked_shr(low)?.trailing_ones();
                rest &= u64::MAX.checked_shl(low + len).unwrap_or(0);
                let first = start + u64::from(low);
                Some(first..=first + u64::from(len - 1))
            })
        })
    }
}

impl TaskSet {
    const PAGES: usize = 512;

    fn new() -> Self {
        let empty = Page {
            number: u64::MAX,
            bits: [0; Page::WORDS],
        };
        Self {
            last: None,
            pages: vec![empty; Self::PAGES],
            others: RoaringTreemap::new(),
        }
    }

    #[inline(always)]
    fn insert(&mut self, task: TaskId) {
        if self.last != Some(task) {
            self.last = Some(task);
            self.insert_other(task);
        }
    }

    #[inline(always)]
    fn insert_other(&mut self, TaskId(id): TaskId) {
        let number = id / Page::SIZE;
        let page = &mut self.pages[number as usize % Self::PAGES];
        if page.number != number {
            page.give_way(number, &mut self.others);
        }
        page.bits[id as usize / 64 % Page::WORDS] |= 1 << (id % 64);
    }

    /// How many there are.
    fn len(mut self) -> u64 {
        for range in self.pages.iter().flat_map(Page::ranges) {
            self.others.insert_range(range);
        }
        self.others.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn tasks_are_counted_once() {
        let dense = (1..2_000).chain(700..1_500);
        let full = (64..128).chain(512..1_024).chain([u64::MAX, u64::MAX - 64]);
        let same_place = (0..40).map(|n| n % 7 * Page::SIZE * TaskSet::PAGES as u64 + n % 5);
        let spread = (0..10_000).map(|n| n * n * n % 999_983);
        let ids: Vec<u64> = dense.chain(full).chain(same_place).chain(spread).collect();
        for start in [0, 3_000, ids.len() - 1] {
            let ids = &ids[start..];
            let mut tasks = TaskSet::new();
            for &id in ids {
                tasks.insert(TaskId(id));
            }
            let distinct: HashSet<_> = ids.iter().collect();
            assert_eq!(tasks.len(), distinct.len() as u64);
        }
    }

    #[test]
    fn transitions_have_their_name() {
        assert_eq!(Kind::NAMES[TRANSITION], "StateTransition");
    }

    #[test]
    fn a_large_generation_is_told() {
        let notes = |largest_generation| {
            let check = Check {
                largest_generation,
                ..Check::default()
            };
            check.notes()
        };
        assert!(notes(LARGE_GENERATION - 1).is_empty());
        let told = notes(LARGE_GENERATION);
        assert!(told[0].contains("takes 209 MB of memory"), "{told:?}");
    }
}
