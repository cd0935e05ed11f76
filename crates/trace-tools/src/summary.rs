//! Sums a trace up: what is in it, and what tasks, procs and user tasks did for
//! how long.
//!
//! ```text
//!            ┌─► counts, losses
//!  events ───┼─► annotations: user tasks, regions, ranges ──┐
//!            ├─► procs ─────────────────────────────────────┼─► Summary ─► page, json
//!            └─► Intervals ─► tasks, procs, places ─────────┘
//! ```
//!
//! Memory grows with the tasks that are alive at the same time, with distinct
//! names and stacks and with the procs, not with the length of the trace.

mod annotations;
mod json;
mod page;
mod places;
mod procs;
mod tasks;

use std::cmp::Reverse;
use std::io::{self, Write};

use trace_format::EventKind;
use trace_read::{ClockSnapshot, Kind, ProcId};

use crate::error::ToolError;
use crate::input::Bytes;
use crate::intervals::{Interval, Intervals, Life, Visitor};
use crate::loss::Losses;
use crate::stacks::{FrameKey, Name, Names, Stacks};
use crate::stream::{self, Outcome};
use crate::wall::Wall;

pub use annotations::Spans;
pub use places::Place;
pub use procs::Proc;
pub use tasks::{Function, States};

/// What a trace holds, added up over all of it. Times are nanoseconds of the
/// trace's clock, durations nanoseconds.
#[derive(Debug)]
pub struct Summary {
    /// How reading it went, damage included.
    pub outcome: Outcome,
    /// What the tracer says that it lost.
    pub losses: Losses,
    /// When the first event happened and when the last.
    pub span: Option<(u64, u64)>,
    /// The first snapshot of all clocks.
    pub clock: Option<ClockSnapshot>,
    /// How many events there are of each of [`Kind::NAMES`].
    pub by_kind: [u64; Kind::NAMES.len()],
    /// The tasks by the function they start with, those that ran most first.
    pub functions: Vec<Function>,
    /// What each proc did.
    pub procs: Vec<(ProcId, Proc)>,
    /// User tasks by name, those that took most first.
    pub user_tasks: Vec<(Name, Spans)>,
    /// User regions by name, those that took most first.
    pub regions: Vec<(Name, Spans)>,
    /// Stops of the world and what the collector did, by name, those that took
    /// most first.
    pub ranges: Vec<(Name, Spans)>,
    /// Bytes that the collector has swept.
    pub swept: u64,
    /// Bytes that it has freed by that.
    pub reclaimed: u64,
    /// Where tasks were blocked, and why, the most time first.
    pub blocked: Vec<Place>,
    /// Where whoever made tasks ready was, the most scheduling latency first.
    pub runnable: Vec<Place>,
    by_wire: [u64; 256],
    names: Names,
    stacks: Stacks,
}

impl Summary {
    /// Sums a trace up, as far as it can be read.
    ///
    /// # Errors
    ///
    /// [`ToolError::Trace`] if it is no trace. Damage is part of the outcome.
    pub fn of(input: Bytes) -> Result<Self, ToolError> {
        let mut intervals = Intervals::default();
        let mut parts = Parts::default();
        let mut by_kind = [0; Kind::NAMES.len()];
        let mut by_wire = [0; 256];
        let mut clock = None;
        let (outcome, notes) = stream::read_noting(input, |event| {
            by_kind[event.kind.index()] += 1;
            if let Some(wire) = event.wire {
                by_wire[wire as usize] += 1;
            }
            if let Kind::Sync(sync) = &event.kind {
                clock = clock.or(sync.clock);
            }
            parts.procs.event(event);
            parts.annotations.event(event, &mut intervals.names);
            intervals.event(event, &mut parts);
            Ok(())
        })?;
        intervals.finish(&mut parts);

        let span = (outcome.events > 0).then(|| intervals.span());
        let (_, end) = intervals.span();
        let Intervals { names, stacks, .. } = intervals;
        let mut functions = parts.tasks.into_functions();
        functions.sort_unstable_by_key(|function| {
            let ran = Reverse(function.states.running.total());
            (ran, Reverse(function.tasks), names.text(function.name))
        });
        for function in &mut functions {
            function
                .states
                .blocked
                .sort_by_key(|(reason, spread)| (Reverse(spread.total()), names.text(*reason)));
        }
        let (blocked, runnable) = parts.places.finish();
        let mut found = parts.annotations.finish();
        for spans in [&mut found.user_tasks, &mut found.regions, &mut found.ranges] {
            spans.sort_unstable_by_key(|(name, spans)| {
                (Reverse(spans.whole.total()), names.text(*name))
            });
        }
        Ok(Summary {
            outcome,
            losses: notes.losses,
            span,
            clock,
            by_kind,
            functions,
            procs: parts.procs.finish(end),
            user_tasks: found.user_tasks,
            regions: found.regions,
            ranges: found.ranges,
            swept: found.swept,
            reclaimed: found.reclaimed,
            blocked,
            runnable,
            by_wire,
            names,
            stacks,
        })
    }

    /// How many tasks there are.
    pub fn tasks(&self) -> u64 {
        self.functions.iter().map(|function| function.tasks).sum()
    }

    /// How many events come from each kind of event in the file, by name. Some
    /// of these stand for several events.
    pub fn by_wire(&self) -> impl Iterator<Item = (EventKind, u64)> {
        let mut kinds: Vec<_> = EventKind::ALL
            .iter()
            .map(|&kind| (kind, self.by_wire[kind as usize]))
            .filter(|&(_, count)| count > 0)
            .collect();
        kinds.sort_unstable_by_key(|(kind, _)| kind.name());
        kinds.into_iter()
    }

    /// How many events there are of each kind that occurs, by name.
    pub fn by_kind(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let mut kinds: Vec<_> = Kind::NAMES
            .into_iter()
            .zip(self.by_kind)
            .filter(|&(_, count)| count > 0)
            .collect();
        kinds.sort_unstable();
        kinds.into_iter()
    }

    /// From the first event to the last, nanoseconds.
    pub fn duration(&self) -> u64 {
        self.span.map_or(0, |(start, end)| end - start)
    }

    /// When the trace begins by the wall clock. Traces know that since 1.25.
    fn wall(&self) -> Option<Wall> {
        Wall::at(self.span?.0, &self.clock?)
    }

    /// The text of a name.
    pub fn text(&self, name: Name) -> &str {
        self.names.text(name)
    }

    /// The frames of a place's stack, innermost first.
    pub fn frames(&self, place: &Place) -> &[FrameKey] {
        self.stacks.frames(place.stack)
    }

    /// Prints it for people, at most so many of each kind of thing.
    ///
    /// # Errors
    ///
    /// If `out` fails.
    pub fn print(&self, top: usize, out: &mut impl Write) -> io::Result<()> {
        page::print(self, top, out)
    }

    /// Prints it as a JSON object on one line, with at most so many stacks of
    /// each kind and all of the rest.
    ///
    /// # Errors
    ///
    /// If `out` fails.
    pub fn print_json(&self, top: usize, out: &mut impl Write) -> io::Result<()> {
        json::print(self, top, out)
    }
}

/// All that is gathered from intervals.
#[derive(Default)]
struct Parts {
    tasks: tasks::Tasks,
    procs: procs::Procs,
    places: places::Places,
    annotations: annotations::Annotations,
}

impl Visitor for Parts {
    fn interval(&mut self, interval: &Interval, life: &Life) {
        self.tasks.interval(interval, life);
        self.procs.interval(interval, life);
        self.places.interval(interval, life);
    }

    fn task(&mut self, life: &Life) {
        self.tasks.task(life);
        self.annotations.task(life);
    }
}
