//! Leads each event to the tracks that show it.

use std::fmt::Write;
use std::io;

use trace_read::{Event, Kind, ReadError, TaskId, TaskState, TaskTransition};

use crate::export::book::Frames;
use crate::export::counters::Counters;
use crate::export::procs::{self, Procs};
use crate::export::spans::{Ranges, UserTasks};
use crate::export::tasks::{Limit, Tasks};
use crate::export::{
    FIRST_TRACK, Flow, Group, Head, Holds, Mark, Place, Sink, Track, TrackId, Value,
};
use crate::intervals::{Interval, Intervals, Life, Visitor};

/// Events in, tracks out.
pub(super) struct Timeline<'a, S> {
    out: Out<'a, S>,
    intervals: Intervals,
    /// What the last event has ended.
    ended: Ended,
    procs: Procs,
    tasks: Tasks,
    user_tasks: UserTasks,
    ranges: Ranges,
    counters: Counters,
    /// Where what has no other place is told.
    notes: Option<Place>,
    started: bool,
    /// When the trace began.
    began: u64,
    /// When the generation began.
    since: u64,
    flows: u64,
}

/// The sink, and what makes telling it something short.
pub(super) struct Out<'a, S> {
    pub(super) sink: &'a mut S,
    /// The next number of a track.
    tracks: u64,
    /// A name under construction.
    pub(super) name: String,
}

impl<S: Sink> Out<'_, S> {
    /// Numbers for tracks that belong together.
    pub(super) fn reserve(&mut self, tracks: u64) -> TrackId {
        let first = self.tracks;
        self.tracks += tracks;
        TrackId(first)
    }

    /// Makes a track directly in its group.
    pub(super) fn track(
        &mut self,
        group: Group,
        name: &str,
        rank: u64,
        holds: Holds,
    ) -> io::Result<Place> {
        let id = self.reserve(1);
        self.make(&Track {
            id,
            group,
            under: None,
            name,
            rank,
            holds,
        })
    }

    /// Makes this track.
    pub(super) fn make(&mut self, track: &Track<'_>) -> io::Result<Place> {
        self.sink.track(track)?;
        Ok(Place {
            track: track.id,
            group: track.group,
        })
    }
}

/// A track on which nothing overlaps.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) place: Place,
    /// Until when it is taken.
    taken: u64,
}

impl Row {
    pub(super) fn new(place: Place) -> Self {
        Row { place, taken: 0 }
    }

    /// Tells a slice, or what of it does not overlap those before: in a sound
    /// trace that is all of it.
    pub(super) fn slice(
        &mut self,
        sink: &mut impl Sink,
        start: u64,
        end: u64,
        mark: &Mark<'_>,
    ) -> io::Result<()> {
        let start = start.max(self.taken);
        if start > end {
            return Ok(());
        }
        self.taken = end;
        sink.slice(self.place, start, end, mark)
    }
}

/// Keeps what intervals and lives have ended until they can be told.
#[derive(Default)]
struct Ended {
    intervals: Vec<(Interval, Life)>,
    lives: Vec<TaskId>,
}

impl Visitor for Ended {
    fn interval(&mut self, interval: &Interval, life: &Life) {
        self.intervals.push((*interval, *life));
    }

    fn task(&mut self, life: &Life) {
        self.lives.push(life.task);
    }
}

impl<'a, S: Sink> Timeline<'a, S> {
    pub(super) fn new(limit: Limit, sink: &'a mut S) -> Self {
        Timeline {
            out: Out {
                sink,
                tracks: FIRST_TRACK + 2 * procs::NEAR,
                name: String::new(),
            },
            intervals: Intervals::default(),
            ended: Ended::default(),
            procs: Procs::default(),
            tasks: Tasks::new(limit),
            user_tasks: UserTasks::default(),
            ranges: Ranges::default(),
            counters: Counters::default(),
            notes: None,
            started: false,
            began: 0,
            since: 0,
            flows: 0,
        }
    }

    /// How many tasks have a track, and how many have none.
    pub(super) fn tasks(&self) -> (u64, u64) {
        self.tasks.counts()
    }

    /// Takes an event in. All of them have to come, in order.
    pub(super) fn event(&mut self, event: &Event<'_>) -> io::Result<()> {
        if !self.started {
            self.start(event)?;
        }
        self.intervals.event(event, &mut self.ended);
        let out = &mut self.out;
        let known = &mut self.intervals;
        match &event.kind {
            Kind::Sync(_) => {
                self.since = event.time;
                self.counters.new_generation(out, event.time)?;
            }
            Kind::Metric { metric, value } => {
                self.counters.metric(out, *metric, event.time, *value)?;
            }
            Kind::Task(transition) => self.transition(event, transition)?,
            Kind::Proc(transition) => {
                self.procs
                    .transition(out, known, event.time, *transition, &self.tasks)?;
            }
            Kind::RangeBegin(range) => {
                self.ranges.begin(*range, event.time);
            }
            Kind::RangeActive(range) => {
                self.ranges.begin(*range, self.since);
            }
            Kind::RangeEnd(range, attributes) => {
                let (procs, tasks) = (&mut self.procs, &mut self.tasks);
                let names = &known.names;
                self.ranges
                    .end(out, *range, *attributes, event.time, procs, tasks, names)?;
            }
            Kind::UserTaskBegin(task) => self.user_tasks.begin(out, known, event, task)?,
            Kind::UserTaskEnd(task) => {
                self.user_tasks.end(out, known, event, task, self.began)?;
            }
            Kind::UserRegionBegin(region) => self.tasks.region_begin(known, event, region),
            Kind::UserRegionEnd(region) => {
                self.tasks
                    .region_end(out, known, event, region, self.began)?;
            }
            Kind::Log(log) => {
                let place = self.own_place(event)?;
                let known = &mut self.intervals;
                let stack = known.stacks.intern(event.stack, &mut known.names);
                let mut args = vec![("category", Value::Text(log.category))];
                if log.user_task.0 != 0 {
                    args.push(("user task", Value::Number(log.user_task.0)));
                }
                args.extend(Frames::of(stack, known).map(|frames| ("stack", Value::Stack(frames))));
                let mark = Mark {
                    category: "log",
                    name: log.message,
                    args: &args,
                    flow: None,
                };
                self.out.sink.instant(place, event.time, &mark)?;
            }
            Kind::Label { label } => {
                let place = self.own_place(event)?;
                let mark = Mark {
                    category: "label",
                    name: label,
                    args: &[],
                    flow: None,
                };
                self.out.sink.instant(place, event.time, &mark)?;
            }
            Kind::Sample => self.sample(event)?,
            Kind::Experimental(_) => {}
        }
        self.settle()
    }
}

impl<S: Sink> Timeline<'_, S> {
    fn start(&mut self, event: &Event<'_>) -> io::Result<()> {
        self.started = true;
        let clock = match event.kind {
            Kind::Sync(sync) => sync.clock,
            _ => None,
        };
        self.began = event.time;
        self.since = event.time;
        self.out.sink.start(&Head {
            start: event.time,
            clock,
        })
    }

    fn transition(&mut self, event: &Event<'_>, transition: &TaskTransition<'_>) -> io::Result<()> {
        let TaskTransition { task, from, to, .. } = *transition;
        let (out, known) = (&mut self.out, &mut self.intervals);
        if to != TaskState::NotExist {
            self.tasks.meet(transition, &mut known.names);
        }
        if from == to {
            return Ok(());
        }
        self.counters.transition(out, from, to, event.time)?;
        let found = from == TaskState::Undetermined;
        if let Some(by) = event.task.filter(|&by| by != task && !found) {
            let place = self.procs.place_of(by);
            let place = place.filter(|_| to == TaskState::Runnable);
            self.flows += u64::from(place.is_some());
            self.tasks.moved(task, by, place.map(|_| self.flows));
            if let Some(place) = place {
                let what = if from == TaskState::NotExist {
                    "starts"
                } else {
                    "wakes"
                };
                out.name.clear();
                let _ = write!(out.name, "{what} ");
                self.tasks.write_name(&mut out.name, task, &known.names);
                let stack = known.stacks.intern(event.stack, &mut known.names);
                let mut args = vec![("task", Value::Number(task.0))];
                args.extend(Frames::of(stack, known).map(|frames| ("stack", Value::Stack(frames))));
                let mark = Mark {
                    category: "wake",
                    name: &out.name,
                    args: &args,
                    flow: Some(Flow::From(self.flows)),
                };
                out.sink.instant(place, event.time, &mark)?;
            }
        }
        self.procs
            .task(out, known, event, transition, self.since, &self.tasks)
    }

    /// Where an instant of the task lies on which an event happened: on the
    /// task's track or, if it has none, where it runs.
    fn own_place(&mut self, event: &Event<'_>) -> io::Result<Place> {
        let (out, names) = (&mut self.out, &self.intervals.names);
        let own = match event.task {
            Some(task) => self.tasks.place(out, task, names)?,
            None => None,
        };
        match (own, event.proc) {
            (Some(place), _) => Ok(place),
            (None, Some(proc)) => self.procs.place(out, proc),
            (None, None) => notes(&mut self.notes, out),
        }
    }

    /// A CPU sample lies on the proc, whose track shows what took the time.
    fn sample(&mut self, event: &Event<'_>) -> io::Result<()> {
        let (out, known) = (&mut self.out, &mut self.intervals);
        let place = match event.proc {
            Some(proc) => self.procs.place(out, proc)?,
            None => notes(&mut self.notes, out)?,
        };
        let stack = known.stacks.intern(event.stack, &mut known.names);
        let frames = Frames::of(stack, known);
        let mut args = Vec::new();
        args.extend(event.task.map(|task| ("task", Value::Number(task.0))));
        args.extend(
            event
                .worker
                .map(|worker| ("worker", Value::Number(worker.0))),
        );
        args.extend(frames.map(|frames| ("stack", Value::Stack(frames))));
        let leaf = frames.and_then(|frames| frames.functions().next());
        let mark = Mark {
            category: "sample",
            name: leaf.unwrap_or("CPU sample"),
            args: &args,
            flow: None,
        };
        out.sink.instant(place, event.time, &mark)
    }

    /// Tells what the last event has ended.
    fn settle(&mut self) -> io::Result<()> {
        let (out, known) = (&mut self.out, &self.intervals);
        for (interval, life) in self.ended.intervals.drain(..) {
            self.tasks.interval(out, known, &interval, &life)?;
        }
        for task in self.ended.lives.drain(..) {
            let (_, last) = known.span();
            self.tasks.gone(out, known, task, last)?;
            self.ranges.gone(task);
        }
        Ok(())
    }

    /// The trace has ended, perhaps too early: what is still going on ends
    /// with it.
    pub(super) fn finish(&mut self, damage: Option<&ReadError>) -> io::Result<()> {
        let (_, last) = self.intervals.span();
        if !self.started {
            self.started = true;
            self.out.sink.start(&Head {
                start: 0,
                clock: None,
            })?;
        }
        let (out, known) = (&mut self.out, &self.intervals);
        self.procs.finish(out, known, last, &self.tasks)?;
        self.ranges
            .finish(out, last, &mut self.procs, &mut self.tasks, &known.names)?;
        self.user_tasks.finish(out, known, last)?;
        self.counters.finish(out)?;
        if let Some(error) = damage {
            let place = notes(&mut self.notes, out)?;
            let error = error.to_string();
            let mark = Mark {
                category: "damage",
                name: "the trace is damaged from here on",
                args: &[("error", Value::Text(&error))],
                flow: None,
            };
            out.sink.instant(place, last, &mark)?;
        }
        self.intervals.finish(&mut self.ended);
        self.settle()
    }
}

/// The track for what belongs nowhere else.
fn notes(notes: &mut Option<Place>, out: &mut Out<'_, impl Sink>) -> io::Result<Place> {
    match *notes {
        Some(place) => Ok(place),
        None => {
            let place = out.track(Group::Program, "Notes", u64::MAX, Holds::Slices)?;
            Ok(*notes.insert(place))
        }
    }
}
