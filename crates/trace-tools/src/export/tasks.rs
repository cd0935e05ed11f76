//! The tasks' tracks: on one the states, one after another; under it the user
//! regions, one inside another; and where the task helps the collector.

use std::fmt::Write;
use std::io;
use std::num::ParseIntError;
use std::str::FromStr;

use hashbrown::HashMap;
use trace_read::event::UserRegion;
use trace_read::{Event, TaskId, TaskState, TaskTransition, UserTaskId};

use crate::export::book::Frames;
use crate::export::timeline::{Out, Row};
use crate::export::{Flow, Group, Holds, Mark, Place, Sink, Track, TrackId, Value};
use crate::intervals::{Interval, Intervals, Life};
use crate::stacks::{Name, Names, StackKey};

/// How many tasks get tracks of their own. What tasks do on procs is told of all
/// of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// As many as there are.
    All,
    /// The first so many.
    First(u64),
}

impl FromStr for Limit {
    type Err = ParseIntError;

    /// `all`, `none` or a number.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => Ok(Limit::All),
            "none" => Ok(Limit::First(0)),
            number => number.parse().map(Limit::First),
        }
    }
}

/// A task has at most so many tracks, save for regions from before the trace. The
/// first is that of its states.
const TRACKS: u64 = 3;

/// Which of them is for user regions.
const REGIONS: u64 = 1;

/// Which of them is for helping the collector.
const ASSISTS: u64 = 2;

/// Tasks that are alive, and their tracks.
#[derive(Debug)]
pub(super) struct Tasks {
    limit: Limit,
    met: u64,
    live: HashMap<TaskId, Live>,
    /// The tracks that gather the tasks that start with one function.
    functions: HashMap<Name, TrackId>,
}

#[derive(Debug)]
struct Live {
    /// The function it starts with.
    function: Name,
    /// That of the task that last moved it.
    mover: Name,
    /// The arrow that leads to where it runs next.
    flow: Option<u64>,
    /// Whether it may have tracks.
    shown: bool,
    states: Option<States>,
    extra: Box<Extra>,
}

#[derive(Clone, Copy, Debug)]
struct States {
    place: Place,
    /// Whether it was made before the task's function was known.
    nameless: bool,
}

/// What few tasks have.
#[derive(Debug, Default)]
struct Extra {
    regions: Option<Place>,
    /// Outermost first.
    open: Vec<Region>,
    assists: Option<Row>,
}

#[derive(Clone, Copy, Debug)]
struct Region {
    name: Name,
    user_task: UserTaskId,
    start: u64,
    stack: StackKey,
}

impl Tasks {
    pub(super) fn new(limit: Limit) -> Self {
        Tasks {
            limit,
            met: 0,
            live: HashMap::new(),
            functions: HashMap::new(),
        }
    }

    /// How many tasks may have tracks, and how many may not.
    pub(super) fn counts(&self) -> (u64, u64) {
        let shown = match self.limit {
            Limit::All => self.met,
            Limit::First(most) => self.met.min(most),
        };
        (shown, self.met - shown)
    }

    /// A task is there. Its first stack ends in the function it starts with.
    pub(super) fn meet(&mut self, transition: &TaskTransition<'_>, names: &mut Names) {
        let live = self.live.entry(transition.task).or_insert_with(|| {
            let shown = match self.limit {
                Limit::All => true,
                Limit::First(most) => self.met < most,
            };
            self.met += 1;
            Live {
                function: Names::EMPTY,
                mover: Names::EMPTY,
                flow: None,
                shown,
                states: None,
                extra: Box::default(),
            }
        });
        if live.function == Names::EMPTY
            && let Some(outermost) = transition.stack.frames().next_back()
        {
            live.function = names.intern(outermost.function);
        }
    }

    /// Another task has moved this one, perhaps with an arrow to show it.
    pub(super) fn moved(&mut self, task: TaskId, by: TaskId, flow: Option<u64>) {
        let mover = self.function(by);
        if let Some(live) = self.live.get_mut(&task) {
            live.mover = mover;
            live.flow = flow;
        }
    }

    /// The arrow that leads to this task.
    pub(super) fn flow(&self, task: TaskId) -> Option<u64> {
        self.live.get(&task)?.flow
    }

    fn function(&self, task: TaskId) -> Name {
        let live = self.live.get(&task);
        live.map_or(Names::EMPTY, |live| live.function)
    }

    /// Adds what a task is called: its function and its number.
    pub(super) fn write_name(&self, to: &mut String, task: TaskId, names: &Names) {
        write_name(to, self.function(task), task, names);
    }

    /// The track of a task's states, if it may have one.
    pub(super) fn place(
        &mut self,
        out: &mut Out<'_, impl Sink>,
        task: TaskId,
        names: &Names,
    ) -> io::Result<Option<Place>> {
        let Some(live) = self.live.get_mut(&task).filter(|live| live.shown) else {
            return Ok(None);
        };
        let nameless = live.function == Names::EMPTY;
        match &mut live.states {
            Some(states) if states.nameless == nameless => return Ok(Some(states.place)),
            Some(states) => {
                states.nameless = false;
                let mut name = String::new();
                write_name(&mut name, live.function, task, names);
                out.sink.track(&Track {
                    id: states.place.track,
                    group: Group::Tasks,
                    under: None,
                    name: &name,
                    rank: rank(task, 0),
                    holds: Holds::Slices,
                })?;
                return Ok(Some(states.place));
            }
            None => {}
        }
        let under = match self.functions.get(&live.function) {
            _ if nameless => None,
            Some(&folder) => Some(folder),
            None => {
                let name = names.text(live.function);
                let rank = rank(task, 0);
                let folder = out.track(Group::Tasks, name, rank, Holds::Tracks)?;
                self.functions.insert(live.function, folder.track);
                Some(folder.track)
            }
        };
        let mut name = String::new();
        write_name(&mut name, live.function, task, names);
        let id = out.reserve(TRACKS);
        let place = out.make(&Track {
            id,
            group: Group::Tasks,
            under,
            name: &name,
            rank: rank(task, 0),
            holds: Holds::Slices,
        })?;
        live.states = Some(States { place, nameless });
        Ok(Some(place))
    }

    /// A task has been in one state.
    pub(super) fn interval(
        &mut self,
        out: &mut Out<'_, impl Sink>,
        known: &Intervals,
        interval: &Interval,
        life: &Life,
    ) -> io::Result<()> {
        let names = &known.names;
        let task = interval.task;
        let Some(live) = self.live.get_mut(&task) else {
            return Ok(());
        };
        // An arrow leads to what follows the wake-up, and to nothing later.
        let arrow = match interval.state {
            TaskState::Runnable => live.flow.take(),
            _ => None,
        };
        let mover = live.mover;
        let Some(place) = self.place(out, task, names)? else {
            return Ok(());
        };
        let reason = names.text(interval.reason);
        out.name.clear();
        out.name.push_str(match interval.state {
            TaskState::Running => "running",
            TaskState::Runnable => "runnable",
            TaskState::Waiting => "waiting",
            TaskState::Syscall => "syscall",
            TaskState::Undetermined | TaskState::NotExist => return Ok(()),
        });
        if interval.state == TaskState::Waiting && !reason.is_empty() {
            let _ = write!(out.name, ": {reason}");
        }
        let mut by = String::new();
        let mut args = Vec::with_capacity(8);
        if !reason.is_empty() {
            args.push(("reason", Value::Text(reason)));
        }
        if let Some(task) = interval.by {
            write_name(&mut by, mover, task, names);
            args.push(("by", Value::Text(&by)));
        }
        args.extend(interval.proc.map(|proc| ("proc", Value::Number(proc.0))));
        args.extend(
            interval
                .worker
                .map(|worker| ("worker", Value::Number(worker.0))),
        );
        let own = Frames::of(interval.stack, known);
        let event = Frames::of(interval.event_stack, known);
        args.extend(own.map(|frames| ("stack", Value::Stack(frames))));
        if interval.by.is_some() {
            args.extend(event.map(|frames| ("stack of by", Value::Stack(frames))));
        }
        if interval.start < interval.seen && !life.born {
            args.push(("began", Value::Text("before the trace")));
        }
        if interval.open {
            args.push(("ended", Value::Text("after the trace")));
        }
        let mark = Mark {
            category: "state",
            name: &out.name,
            args: &args,
            flow: arrow.map(Flow::ToReady),
        };
        out.sink.slice(place, interval.start, interval.end, &mark)
    }

    /// A user region begins.
    pub(super) fn region_begin(
        &mut self,
        known: &mut Intervals,
        event: &Event<'_>,
        region: &UserRegion<'_>,
    ) {
        let live = event.task.and_then(|task| self.live.get_mut(&task));
        if let Some(live) = live.filter(|live| live.shown) {
            live.extra.open.push(Region {
                name: known.names.intern(region.name),
                user_task: region.user_task,
                start: event.time,
                stack: known.stacks.intern(event.stack, &mut known.names),
            });
        }
    }

    /// The innermost user region ends. One that began before the trace, when
    /// that was the case since `since`, gets a track of its own: it lies around
    /// what has been told already.
    pub(super) fn region_end(
        &mut self,
        out: &mut Out<'_, impl Sink>,
        known: &mut Intervals,
        event: &Event<'_>,
        region: &UserRegion<'_>,
        since: u64,
    ) -> io::Result<()> {
        let Some(task) = event.task else {
            return Ok(());
        };
        let Some(under) = self.place(out, task, &known.names)? else {
            return Ok(());
        };
        let Some(live) = self.live.get_mut(&task) else {
            return Ok(());
        };
        match live.extra.open.pop() {
            Some(open) => {
                let place = regions(&mut live.extra.regions, out, task, under)?;
                tell_region(out, known, place, &open, event.time, &[])
            }
            None => {
                let id = out.reserve(1);
                let place = beside(out, task, under, id, "regions", REGIONS)?;
                let open = Region {
                    name: known.names.intern(region.name),
                    user_task: region.user_task,
                    start: since,
                    stack: StackKey::EMPTY,
                };
                let began = [("began", Value::Text("before the trace"))];
                tell_region(out, known, place, &open, event.time, &began)
            }
        }
    }

    /// Where it is told that a task helps the collector.
    pub(super) fn assists(
        &mut self,
        out: &mut Out<'_, impl Sink>,
        task: TaskId,
        names: &Names,
    ) -> io::Result<Option<&mut Row>> {
        let Some(under) = self.place(out, task, names)? else {
            return Ok(None);
        };
        let Some(live) = self.live.get_mut(&task) else {
            return Ok(None);
        };
        let assists = &mut live.extra.assists;
        Ok(Some(match assists {
            Some(row) => row,
            None => {
                let id = TrackId(under.track.0 + ASSISTS);
                let place = beside(out, task, under, id, "GC mark assist", ASSISTS)?;
                assists.insert(Row::new(place))
            }
        }))
    }

    /// A task has ended, or the trace has; its regions end with it.
    pub(super) fn gone(
        &mut self,
        out: &mut Out<'_, impl Sink>,
        known: &Intervals,
        task: TaskId,
        time: u64,
    ) -> io::Result<()> {
        if self
            .live
            .get(&task)
            .is_some_and(|live| !live.extra.open.is_empty())
            && let Some(under) = self.place(out, task, &known.names)?
            && let Some(live) = self.live.get_mut(&task)
        {
            let place = regions(&mut live.extra.regions, out, task, under)?;
            let ended = [("ended", Value::Text("with the task or the trace"))];
            while let Some(open) = live.extra.open.pop() {
                tell_region(out, known, place, &open, time, &ended)?;
            }
        }
        self.live.remove(&task);
        Ok(())
    }
}

/// The track for the regions of a task.
fn regions(
    made: &mut Option<Place>,
    out: &mut Out<'_, impl Sink>,
    task: TaskId,
    under: Place,
) -> io::Result<Place> {
    match *made {
        Some(place) => Ok(place),
        None => {
            let id = TrackId(under.track.0 + REGIONS);
            let place = beside(out, task, under, id, "regions", REGIONS)?;
            Ok(*made.insert(place))
        }
    }
}

/// Makes a track that is shown under a task's.
fn beside(
    out: &mut Out<'_, impl Sink>,
    task: TaskId,
    under: Place,
    id: TrackId,
    name: &str,
    nth: u64,
) -> io::Result<Place> {
    out.make(&Track {
        id,
        group: Group::Tasks,
        under: Some(under.track),
        name,
        rank: rank(task, nth),
        holds: Holds::Slices,
    })
}

fn tell_region<S: Sink>(
    out: &mut Out<'_, S>,
    known: &Intervals,
    place: Place,
    region: &Region,
    end: u64,
    more: &[(&'static str, Value<'_>)],
) -> io::Result<()> {
    let mut args = more.to_vec();
    if region.user_task.0 != 0 {
        args.push(("user task", Value::Number(region.user_task.0)));
    }
    args.extend(Frames::of(region.stack, known).map(|frames| ("stack", Value::Stack(frames))));
    let mark = Mark {
        category: "region",
        name: known.names.text(region.name),
        args: &args,
        flow: None,
    };
    out.sink.slice(place, region.start, end, &mark)
}

/// Adds what a task is called.
fn write_name(to: &mut String, function: Name, task: TaskId, names: &Names) {
    let function = match names.text(function) {
        "" => "task",
        function => function,
    };
    let _ = write!(to, "{function} {task}");
}

/// The place of a task's track, and of those that belong to it, among all.
fn rank(task: TaskId, nth: u64) -> u64 {
    task.0.saturating_mul(TRACKS).saturating_add(nth)
}
