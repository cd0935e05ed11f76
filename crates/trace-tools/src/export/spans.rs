//! What lasts and belongs to no state: ranges of the collector, and user tasks.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;

use hashbrown::HashMap;
use trace_read::event::{Range, RangeAttributes, RangeName, UserTask};
use trace_read::{Event, Scope, TaskId, UserTaskId};

use crate::export::book::Frames;
use crate::export::procs::Procs;
use crate::export::tasks::Tasks;
use crate::export::timeline::{Out, Row};
use crate::export::{Group, Holds, Mark, Place, Sink, Value};
use crate::intervals::Intervals;
use crate::stacks::{Name, Names, StackKey};

/// Ranges that go on, and the tracks of those that concern the whole program.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    open: BTreeMap<(What, Scope), Open>,
    marks: Option<Row>,
    stops: Option<Row>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Stop,
    Mark,
    Sweep,
    Assist,
}

impl From<RangeName<'_>> for What {
    fn from(name: RangeName<'_>) -> Self {
        match name {
            RangeName::StopTheWorld(_) => What::Stop,
            RangeName::GcMark => What::Mark,
            RangeName::GcSweep => What::Sweep,
            RangeName::GcMarkAssist => What::Assist,
        }
    }
}

#[derive(Debug)]
struct Open {
    name: String,
    start: u64,
}

impl Ranges {
    /// A range begins, or goes on since `start` for all that is known.
    pub(super) fn begin(&mut self, range: Range<'_>, start: u64) {
        self.open
            .entry((range.name.into(), range.scope))
            .or_insert_with(|| Open {
                name: range.name.to_string(),
                start,
            });
    }

    /// A range ends.
    #[expect(clippy::too_many_arguments, reason = "it may lie on any kind of track")]
    pub(super) fn end(
        &mut self,
        out: &mut Out<'_, impl Sink>,
        range: Range<'_>,
        attributes: RangeAttributes,
        time: u64,
        procs: &mut Procs,
        tasks: &mut Tasks,
        names: &Names,
    ) -> io::Result<()> {
        let what = range.name.into();
        let Some(open) = self.open.remove(&(what, range.scope)) else {
            return Ok(());
        };
        let swept;
        let args: &[_] = match attributes {
            RangeAttributes::None => &[],
            RangeAttributes::Swept {
                swept: looked_at,
                reclaimed,
            } => {
                swept = [
                    ("swept bytes", Value::Number(looked_at)),
                    ("reclaimed bytes", Value::Number(reclaimed)),
                ];
                &swept
            }
        };
        self.tell(
            out,
            (what, range.scope),
            &open,
            time,
            args,
            procs,
            tasks,
            names,
        )
    }

    #[expect(clippy::too_many_arguments, reason = "it may lie on any kind of track")]
    fn tell(
        &mut self,
        out: &mut Out<'_, impl Sink>,
        (what, scope): (What, Scope),
        open: &Open,
        end: u64,
        args: &[(&'static str, Value<'_>)],
        procs: &mut Procs,
        tasks: &mut Tasks,
        names: &Names,
    ) -> io::Result<()> {
        let mut task_number = Vec::new();
        let row = match (what, scope) {
            (What::Sweep, Scope::Proc(proc)) => procs.sweeps(out, proc)?,
            (What::Assist, Scope::Task(task)) => match tasks.assists(out, task, names)? {
                Some(row) => row,
                None => return Ok(()),
            },
            (What::Stop, scope) => {
                if let Scope::Task(task) = scope {
                    task_number.push(("task", Value::Number(task.0)));
                }
                program(&mut self.stops, out, "Stop the world", 0)?
            }
            _ => program(&mut self.marks, out, "GC mark phase", 1)?,
        };
        task_number.extend(args);
        let mark = Mark {
            category: "range",
            name: &open.name,
            args: &task_number,
            flow: None,
        };
        row.slice(out.sink, open.start, end, &mark)
    }

    /// A task is gone, with what it was doing.
    pub(super) fn gone(&mut self, task: TaskId) {
        for what in [What::Stop, What::Assist] {
            self.open.remove(&(what, Scope::Task(task)));
        }
    }

    /// The trace ends, and with it what goes on.
    pub(super) fn finish(
        &mut self,
        out: &mut Out<'_, impl Sink>,
        last: u64,
        procs: &mut Procs,
        tasks: &mut Tasks,
        names: &Names,
    ) -> io::Result<()> {
        let ended = [("ended", Value::Text("after the trace"))];
        while let Some((range, open)) = self.open.pop_first() {
            self.tell(out, range, &open, last, &ended, procs, tasks, names)?;
        }
        Ok(())
    }
}

/// A track for what concerns the whole program.
fn program<'a>(
    made: &'a mut Option<Row>,
    out: &mut Out<'_, impl Sink>,
    name: &str,
    rank: u64,
) -> io::Result<&'a mut Row> {
    Ok(match made {
        Some(row) => row,
        None => {
            let place = out.track(Group::Program, name, rank, Holds::Slices)?;
            made.insert(Row::new(place))
        }
    })
}

/// User tasks that go on. Those of one name share tracks: as many as there are
/// at the same time.
#[derive(Debug, Default)]
pub(super) struct UserTasks {
    open: BTreeMap<UserTaskId, OpenTask>,
    /// The tracks that are free.
    free: HashMap<Name, Vec<Place>>,
    names: u64,
}

#[derive(Debug)]
struct OpenTask {
    name: Name,
    parent: UserTaskId,
    start: u64,
    place: Place,
    task: Option<TaskId>,
    stack: StackKey,
    found: bool,
}

impl UserTasks {
    /// A user task begins.
    pub(super) fn begin(
        &mut self,
        out: &mut Out<'_, impl Sink>,
        known: &mut Intervals,
        event: &Event<'_>,
        task: &UserTask<'_>,
    ) -> io::Result<()> {
        let name = known.names.intern(task.name);
        let free = self.free.get_mut(&name).and_then(Vec::pop);
        let place = match free {
            Some(place) => place,
            None => self.track(out, task.name)?,
        };
        let open = OpenTask {
            name,
            parent: task.parent.unwrap_or(UserTaskId(0)),
            start: event.time,
            place,
            task: event.task,
            stack: known.stacks.intern(event.stack, &mut known.names),
            found: false,
        };
        match self.open.insert(task.id, open) {
            // A second one with the same number; the first is over, then.
            Some(before) => self.tell(out, known, task.id, &before, event.time, &[]),
            None => Ok(()),
        }
    }

    fn track(&mut self, out: &mut Out<'_, impl Sink>, name: &str) -> io::Result<Place> {
        let name = match name {
            "" => "(without a name)",
            name => name,
        };
        self.names += 1;
        out.track(Group::UserTasks, name, self.names, Holds::Slices)
    }

    /// A user task ends. One that is not known has gone on since the trace began.
    pub(super) fn end(
        &mut self,
        out: &mut Out<'_, impl Sink>,
        known: &mut Intervals,
        event: &Event<'_>,
        task: &UserTask<'_>,
        began: u64,
    ) -> io::Result<()> {
        let open = match self.open.remove(&task.id) {
            Some(open) => open,
            // A new track: on it nothing is in the way back to the beginning.
            None => OpenTask {
                name: known.names.intern(task.name),
                parent: task.parent.unwrap_or(UserTaskId(0)),
                start: began,
                place: self.track(out, task.name)?,
                task: None,
                stack: StackKey::EMPTY,
                found: true,
            },
        };
        self.tell(out, known, task.id, &open, event.time, &[])?;
        self.free.entry(open.name).or_default().push(open.place);
        Ok(())
    }

    fn tell(
        &mut self,
        out: &mut Out<'_, impl Sink>,
        known: &Intervals,
        id: UserTaskId,
        open: &OpenTask,
        end: u64,
        more: &[(&'static str, Value<'_>)],
    ) -> io::Result<()> {
        let name = match known.names.text(open.name) {
            "" => "user task",
            name => name,
        };
        out.name.clear();
        let _ = write!(out.name, "{name} {id}");
        let mut args = vec![("user task", Value::Number(id.0))];
        if open.parent.0 != 0 {
            args.push(("parent", Value::Number(open.parent.0)));
        }
        args.extend(
            open.task
                .map(|task| ("begun by task", Value::Number(task.0))),
        );
        args.extend(Frames::of(open.stack, known).map(|frames| ("stack", Value::Stack(frames))));
        if open.found {
            args.push(("began", Value::Text("before the trace")));
        }
        args.extend(more);
        let mark = Mark {
            category: "user task",
            name: &out.name,
            args: &args,
            flow: None,
        };
        out.sink.slice(open.place, open.start, end, &mark)
    }

    /// The trace ends, and with it what goes on.
    pub(super) fn finish(
        &mut self,
        out: &mut Out<'_, impl Sink>,
        known: &Intervals,
        last: u64,
    ) -> io::Result<()> {
        let ended = [("ended", Value::Text("after the trace"))];
        while let Some((id, open)) = self.open.pop_first() {
            self.tell(out, known, id, &open, last, &ended)?;
        }
        Ok(())
    }
}
