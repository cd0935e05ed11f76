//! The procs' tracks: which task ran on each, or had it while in a system call.

use std::fmt::Write;
use std::io;

use hashbrown::HashMap;
use trace_read::{
    Event, ProcId, ProcState, ProcTransition, TaskId, TaskState, TaskTransition, WorkerId,
};

use crate::export::book::Frames;
use crate::export::tasks::Tasks;
use crate::export::timeline::{Out, Row};
use crate::export::{FIRST_TRACK, Flow, Group, Holds, Mark, Place, Sink, Track, TrackId, Value};
use crate::intervals::Intervals;
use crate::stacks::StackKey;

/// Procs below this have numbers of tracks that are kept for them, so that they
/// are in order. Each needs two.
pub(super) const NEAR: u64 = 1000;

/// Procs, and what goes on on them.
#[derive(Debug, Default)]
pub(super) struct Procs {
    procs: HashMap<ProcId, Proc>,
    /// On which proc a task is.
    on: HashMap<TaskId, ProcId>,
}

#[derive(Debug)]
struct Proc {
    row: Row,
    sweeps: Option<Row>,
    now: Option<Now>,
}

/// What goes on on a proc.
#[derive(Clone, Copy, Debug)]
struct Now {
    task: TaskId,
    start: u64,
    /// Whether the task is in a system call.
    syscall: bool,
    worker: Option<WorkerId>,
    /// From where the system call was made.
    stack: StackKey,
    flow: Option<Flow>,
}

impl Procs {
    /// A proc, and its track.
    fn proc(&mut self, out: &mut Out<'_, impl Sink>, proc: ProcId) -> io::Result<&mut Proc> {
        use hashbrown::hash_map::Entry;
        Ok(match self.procs.entry(proc) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let name = format!("Proc {proc}");
                let rank = proc.0.saturating_mul(2);
                let id = match proc.0 {
                    near @ ..NEAR => TrackId(FIRST_TRACK + 2 * near),
                    _ => out.reserve(2),
                };
                let place = out.make(&Track {
                    id,
                    group: Group::Procs,
                    under: None,
                    name: &name,
                    rank,
                    holds: Holds::Slices,
                })?;
                entry.insert(Proc {
                    row: Row::new(place),
                    sweeps: None,
                    now: None,
                })
            }
        })
    }

    /// The track of a proc.
    pub(super) fn place(
        &mut self,
        out: &mut Out<'_, impl Sink>,
        proc: ProcId,
    ) -> io::Result<Place> {
        Ok(self.proc(out, proc)?.row.place)
    }

    /// The track on which a task is now.
    pub(super) fn place_of(&self, task: TaskId) -> Option<Place> {
        let proc = self.procs.get(self.on.get(&task)?)?;
        Some(proc.row.place)
    }

    /// Where the sweeps of a proc are told.
    pub(super) fn sweeps(
        &mut self,
        out: &mut Out<'_, impl Sink>,
        id: ProcId,
    ) -> io::Result<&mut Row> {
        let proc = self.proc(out, id)?;
        let under = proc.row.place.track;
        Ok(match &mut proc.sweeps {
            Some(row) => row,
            sweeps => {
                let rank = id.0.saturating_mul(2).saturating_add(1);
                let place = out.make(&Track {
                    id: TrackId(under.0 + 1),
                    group: Group::Procs,
                    under: Some(under),
                    name: "GC sweep",
                    rank,
                    holds: Holds::Slices,
                })?;
                sweeps.insert(Row::new(place))
            }
        })
    }

    /// A task's state changes.
    pub(super) fn task(
        &mut self,
        out: &mut Out<'_, impl Sink>,
        known: &mut Intervals,
        event: &Event<'_>,
        transition: &TaskTransition<'_>,
        since: u64,
        tasks: &Tasks,
    ) -> io::Result<()> {
        let task = transition.task;
        let stack = known.stacks.intern(transition.stack, &mut known.names);
        if let Some(&proc) = self.on.get(&task) {
            self.close(
                out,
                known,
                proc,
                event.time,
                Some((transition, stack)),
                tasks,
            )?;
        }
        let on = matches!(transition.to, TaskState::Running | TaskState::Syscall);
        // A worker may tell of a task that another worker runs: that one's proc
        // is not known, then.
        let itself = event.task.is_none_or(|by| by == task);
        let Some(proc) = event.proc.filter(|_| on && itself) else {
            return Ok(());
        };
        let found = transition.from == TaskState::Undetermined;
        self.close(out, known, proc, event.time, None, tasks)?;
        let syscall = transition.to == TaskState::Syscall;
        self.proc(out, proc)?.now = Some(Now {
            task,
            start: if found { since } else { event.time },
            syscall,
            worker: event.worker,
            stack: if syscall { stack } else { StackKey::EMPTY },
            flow: tasks.flow(task).filter(|_| !syscall).map(Flow::ToRun),
        });
        self.on.insert(task, proc);
        Ok(())
    }

    /// A proc's state changes: one that is idle belongs to nobody.
    pub(super) fn transition(
        &mut self,
        out: &mut Out<'_, impl Sink>,
        known: &Intervals,
        time: u64,
        transition: ProcTransition,
        tasks: &Tasks,
    ) -> io::Result<()> {
        self.proc(out, transition.proc)?;
        match transition.to {
            ProcState::Idle => self.close(out, known, transition.proc, time, None, tasks),
            _ => Ok(()),
        }
    }

    /// What goes on on a proc ends, because of this transition if it is known.
    fn close(
        &mut self,
        out: &mut Out<'_, impl Sink>,
        known: &Intervals,
        proc: ProcId,
        end: u64,
        by: Option<(&TaskTransition<'_>, StackKey)>,
        tasks: &Tasks,
    ) -> io::Result<()> {
        let Some(proc) = self.procs.get_mut(&proc) else {
            return Ok(());
        };
        let Some(now) = proc.now.take() else {
            return Ok(());
        };
        self.on.remove(&now.task);
        out.name.clear();
        if now.syscall {
            out.name.push_str("syscall: ");
        }
        tasks.write_name(&mut out.name, now.task, &known.names);
        let mut args = vec![("task", Value::Number(now.task.0))];
        args.extend(now.worker.map(|worker| ("worker", Value::Number(worker.0))));
        let mut stack = now.stack;
        let mut then = String::new();
        if let Some((transition, left)) = by {
            match transition.to {
                TaskState::NotExist => then.push_str("end"),
                TaskState::Undetermined => {}
                state => {
                    then.push_str(state.name());
                    then.make_ascii_lowercase();
                }
            }
            if !transition.reason.is_empty() {
                let _ = write!(then, ": {}", transition.reason);
            }
            args.push(("then", Value::Text(&then)));
            if !now.syscall {
                stack = left;
            }
        } else if now.syscall {
            args.push(("then", Value::Text("the proc was taken away")));
        }
        args.extend(Frames::of(stack, known).map(|frames| ("stack", Value::Stack(frames))));
        let mark = Mark {
            category: if now.syscall { "syscall" } else { "running" },
            name: &out.name,
            args: &args,
            flow: now.flow,
        };
        proc.row.slice(out.sink, now.start, end, &mark)
    }

    /// The trace ends, and with it what goes on.
    pub(super) fn finish(
        &mut self,
        out: &mut Out<'_, impl Sink>,
        known: &Intervals,
        last: u64,
        tasks: &Tasks,
    ) -> io::Result<()> {
        let mut procs: Vec<ProcId> = self.on.values().copied().collect();
        procs.sort_unstable();
        procs
            .into_iter()
            .try_for_each(|proc| self.close(out, known, proc, last, None, tasks))
    }
}
