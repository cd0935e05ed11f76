//! An event in its short form: numbers where [`Event`] has names and stacks.
//!
//! The order makes steps, and a step can be kept beside an `Arc` of its tables.

use std::sync::Arc;

use trace_format::{EventKind as WireKind, limits};

use crate::event::{
    Event, Experimental, Kind, Log, Metric, ProcId, ProcState, ProcTransition, Range,
    RangeAttributes, RangeName, Scope, Sync, TaskId, TaskState, TaskTransition, UserRegion,
    UserTask, UserTaskId, WorkerId,
};
use crate::tables::Tables;

/// What stands for no worker, proc, task or parent.
pub(crate) const NONE: u64 = u64::MAX;

/// An event in its short form. Its strings and stacks are slots of the tables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub time: i64,
    pub worker: u64,
    pub proc: u64,
    pub task: u64,
    pub stack: u32,
    pub wire: Option<WireKind>,
    pub what: What,
}

/// What happened, in its short form.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    Sync {
        n: u64,
        generation: Option<u64>,
    },
    Metric {
        metric: Metric,
        value: u64,
    },
    Label(u64),
    Sample,
    Range {
        phase: Phase,
        name: Name,
        scope: Scope,
    },
    SweepEnd {
        proc: ProcId,
        swept: u64,
        reclaimed: u64,
    },
    UserTaskBegin {
        id: u64,
        parent: u64,
        name: u64,
    },
    /// Its name is the text carried along.
    UserTaskEnd {
        id: u64,
        parent: u64,
    },
    UserRegion {
        begins: bool,
        user_task: u64,
        name: u64,
    },
    Log {
        user_task: u64,
        category: u64,
        message: u64,
    },
    Task {
        task: u64,
        from: TaskState,
        to: TaskState,
        reason: u32,
        stack: u32,
    },
    Proc {
        proc: u64,
        from: ProcState,
        to: ProcState,
    },
    Experimental {
        args: [u64; crate::cursor::MAX_NUMBERS],
    },
}

/// Which part of a range it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Begin,
    Active,
    End,
}

/// The name of a range.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Name {
    /// The world is stopped; the reason's string.
    Stw(u64),
    /// The world is stopped; the reason is the text carried along.
    StwCarried,
    GcMark,
    GcSweep,
    GcMarkAssist,
}

impl Step {
    /// What stands where there is no step yet.
    pub const NOTHING: Self = Self {
        time: 0,
        worker: NONE,
        proc: NONE,
        task: NONE,
        stack: 0,
        wire: None,
        what: What::Sample,
    };

    /// Whether it needs the text carried along.
    pub fn is_carried(&self) -> bool {
        matches!(
            self.what,
            What::UserTaskEnd { .. }
                | What::Range {
                    name: Name::StwCarried,
                    ..
                }
        )
    }

    /// The event.
    #[inline(always)]
    pub fn event<'a>(&self, tables: &'a Tables, carried: Option<&'a Arc<str>>) -> Event<'a> {
        let with = |kind| Event {
            time: self.time as u64,
            worker: known(self.worker).map(WorkerId),
            proc: known(self.proc).map(ProcId),
            task: known(self.task).map(TaskId),
            stack: tables.stack_at(self.stack),
            kind,
            wire: self.wire,
        };
        match self.what {
            What::Task {
                task,
                from,
                to,
                reason,
                stack,
            } => with(Kind::Task(TaskTransition {
                task: TaskId(task),
                from,
                to,
                reason: tables.string_at(reason),
                stack: tables.stack_at(stack),
            })),
            What::Proc { proc, from, to } => with(Kind::Proc(ProcTransition {
                proc: ProcId(proc),
                from,
                to,
            })),
            _ => with(self.other_kind(tables, carried)),
        }
    }

    #[inline(never)]
    fn other_kind<'a>(&self, tables: &'a Tables, carried: Option<&'a Arc<str>>) -> Kind<'a> {
        let carried = carried.map_or("", |text| text);
        // A slot by now, which has come from a table of them.
        let text = |slot: u64| tables.string_at(slot as u32);
        match self.what {
            What::Sync { n, generation } => Kind::Sync(Sync {
                n,
                generation,
                clock: tables.clock,
                tables,
            }),
            What::Metric { metric, value } => Kind::Metric { metric, value },
            What::Label(label) => Kind::Label { label: text(label) },
            What::Range { phase, name, scope } => {
                let name = match name {
                    Name::Stw(reason) => RangeName::StopTheWorld(text(reason)),
                    Name::StwCarried => RangeName::StopTheWorld(carried),
                    Name::GcMark => RangeName::GcMark,
                    Name::GcSweep => RangeName::GcSweep,
                    Name::GcMarkAssist => RangeName::GcMarkAssist,
                };
                let range = Range { name, scope };
                match phase {
                    Phase::Begin => Kind::RangeBegin(range),
                    Phase::Active => Kind::RangeActive(range),
                    Phase::End => Kind::RangeEnd(range, RangeAttributes::None),
                }
            }
            What::SweepEnd {
                proc,
                swept,
                reclaimed,
            } => {
                let name = RangeName::GcSweep;
                let scope = Scope::Proc(proc);
                let attributes = RangeAttributes::Swept { swept, reclaimed };
                Kind::RangeEnd(Range { name, scope }, attributes)
            }
            What::UserTaskBegin { id, parent, name } => Kind::UserTaskBegin(UserTask {
                id: UserTaskId(id),
                parent: known(parent).map(UserTaskId),
                name: text(name),
            }),
            What::UserTaskEnd { id, parent } => Kind::UserTaskEnd(UserTask {
                id: UserTaskId(id),
                parent: known(parent).map(UserTaskId),
                name: carried,
            }),
            What::UserRegion {
                begins,
                user_task,
                name,
            } => {
                let region = UserRegion {
                    user_task: UserTaskId(user_task),
                    name: text(name),
                };
                match begins {
                    true => Kind::UserRegionBegin(region),
                    false => Kind::UserRegionEnd(region),
                }
            }
            What::Log {
                user_task,
                category,
                message,
            } => Kind::Log(Log {
                user_task: UserTaskId(user_task),
                category: text(category),
                message: text(message),
            }),
            What::Experimental { args: given } => {
                let mut args = [0; limits::MAX_TIMED_ARGS];
                args[..given.len()].copy_from_slice(&given);
                Kind::Experimental(Experimental {
                    // An experiment's event has a kind of its own on the wire.
                    kind: self.wire.unwrap_or(WireKind::ExperimentalBatch),
                    args,
                    tables,
                })
            }
            // Those that the caller has dealt with.
            What::Task { .. } | What::Proc { .. } | What::Sample => Kind::Sample,
        }
    }
}

impl What {
    /// Hands out the IDs of strings, which are to become slots. Those of tasks'
    /// transitions are slots from the start.
    pub fn strings(&mut self, mut each: impl FnMut(&mut u64)) {
        match self {
            Self::Label(id)
            | Self::UserTaskBegin { name: id, .. }
            | Self::UserRegion { name: id, .. }
            | Self::Range {
                name: Name::Stw(id),
                ..
            } => each(id),
            Self::Log {
                category, message, ..
            } => {
                each(category);
                each(message);
            }
            Self::Sync { .. }
            | Self::Metric { .. }
            | Self::Sample
            | Self::Range { .. }
            | Self::SweepEnd { .. }
            | Self::UserTaskEnd { .. }
            | Self::Task { .. }
            | Self::Proc { .. }
            | Self::Experimental { .. } => {}
        }
    }
}

/// The ID, unless it is [`NONE`].
#[inline(always)]
pub(crate) fn known(id: u64) -> Option<u64> {
    (id != NONE).then_some(id)
}
