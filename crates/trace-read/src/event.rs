//! The event layer: what happened, in the order in which it can have happened.
//!
//! An [`Event`] borrows names and stacks from the [`Tables`] of its generation,
//! so that reading one allocates nothing. What it says is in its [`Kind`].

use std::fmt;

use trace_format::EventKind as WireKind;

use crate::tables::{Stack, Tables};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

ids! {
    /// A task (a goroutine). Never 0.
    TaskId;
    /// A proc, from 0.
    ProcId;
    /// A worker (a thread).
    WorkerId;
    /// A user task. 0 is the background task, to which belongs what belongs to
    /// no other.
    UserTaskId;
}

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// When, in nanoseconds of the trace's clock. No two events have the same
    /// time and none is earlier than the one before: where the recorded times
    /// contradict the order of events, they are moved. Times end at 2⁶³ − 1: after
    /// that they stay the same.
    pub time: u64,
    /// The worker on which it happened.
    pub worker: Option<WorkerId>,
    /// The proc which that worker held just before.
    pub proc: Option<ProcId>,
    /// The task which that worker ran just before.
    pub task: Option<TaskId>,
    /// Where `task` was at that moment; often unknown, and empty then.
    pub stack: Stack<'a>,
    /// What happened.
    pub kind: Kind<'a>,
    /// The event of the file that says so. `None` for [`Kind::Sync`].
    pub wire: Option<WireKind>,
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Kind<'a> {
    /// A generation begins, or the last one has ended. All tasks and procs that
    /// exist so far have been mentioned before.
    Sync(Sync<'a>),
    /// A metric has a new value.
    Metric {
        /// Which one.
        metric: Metric,
        /// Its value, in the unit that the metric's name ends in.
        value: u64,
    },
    /// The task has a label from now on.
    Label {
        /// The label.
        label: &'a str,
    },
    /// A CPU sample: the task was running there, by the sampler's clock. Task,
    /// proc and worker are as the sampler saw them and may contradict the
    /// transitions around it a little.
    Sample,
    /// A range of time begins.
    RangeBegin(Range<'a>),
    /// A range is going on that began before the trace, or before this
    /// generation.
    RangeActive(Range<'a>),
    /// A range ends.
    RangeEnd(Range<'a>, RangeAttributes),
    /// A user task begins.
    UserTaskBegin(UserTask<'a>),
    /// A user task ends.
    UserTaskEnd(UserTask<'a>),
    /// A user region begins on the task.
    UserRegionBegin(UserRegion<'a>),
    /// The task's innermost user region ends.
    UserRegionEnd(UserRegion<'a>),
    /// The task has logged something.
    Log(Log<'a>),
    /// A task's state changes, or is mentioned.
    Task(TaskTransition<'a>),
    /// A proc's state changes, or is mentioned.
    Proc(ProcTransition),
    /// An event of an experiment, not interpreted.
    Experimental(Experimental<'a>),
}

impl Kind<'_> {
    /// The kinds' names, as Go's reader has them. [`Self::name`] is one of them.
    pub const NAMES: [&'static str; 14] = [
        "Sync",
        "Metric",
        "Label",
        "StackSample",
        "RangeBegin",
        "RangeActive",
        "RangeEnd",
        "TaskBegin",
        "TaskEnd",
        "RegionBegin",
        "RegionEnd",
        "Log",
        "StateTransition",
        "Experimental",
    ];

    /// Which of [`Self::NAMES`] this is.
    pub fn index(&self) -> usize {
        match self {
            Self::Sync(_) => 0,
            Self::Metric { .. } => 1,
            Self::Label { .. } => 2,
            Self::Sample => 3,
            Self::RangeBegin(_) => 4,
            Self::RangeActive(_) => 5,
            Self::RangeEnd(..) => 6,
            Self::UserTaskBegin(_) => 7,
            Self::UserTaskEnd(_) => 8,
            Self::UserRegionBegin(_) => 9,
            Self::UserRegionEnd(_) => 10,
            Self::Log(_) => 11,
            Self::Task(_) | Self::Proc(_) => 12,
            Self::Experimental(_) => 13,
        }
    }

    /// The name that Go's reader has for it: `TaskBegin` is a user task's.
    pub fn name(&self) -> &'static str {
        Self::NAMES[self.index()]
    }
}

/// What holds from here to the next one.
#[derive(Clone, Copy, Debug)]
pub struct Sync<'a> {
    /// Which one this is, from 1.
    pub n: u64,
    /// The generation that begins; `None` at the end of the trace.
    pub generation: Option<u64>,
    /// All clocks at one moment of the generation. Since 1.25.
    pub clock: Option<ClockSnapshot>,
    /// The generation's tables, where the data of experiments is found.
    pub tables: &'a Tables,
}

/// Several clocks read at the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockSnapshot {
    /// The trace's clock, nanoseconds.
    pub trace: u64,
    /// The system's monotonic clock, nanoseconds.
    pub mono: u64,
    /// The wall clock, seconds since 1970 UTC.
    pub wall_seconds: u64,
    /// The wall clock's part of a second, nanoseconds.
    pub wall_nanos: u64,
}

/// Something measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// How many procs there are.
    Procs,
    /// Bytes of live and unswept memory.
    HeapAlloc,
    /// Bytes at which the collector wants to have finished.
    HeapGoal,
}

impl Metric {
    /// The name that Go's tools print, which ends in the unit.
    pub fn name(self) -> &'static str {
        match self {
            Self::Procs => "/sched/gomaxprocs:threads",
            Self::HeapAlloc => "/memory/classes/heap/objects:bytes",
            Self::HeapGoal => "/gc/heap/goal:bytes",
        }
    }
}

/// A range of time with a name. A scope has at most one of each name at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range<'a> {
    /// What goes on.
    pub name: RangeName<'a>,
    /// Whose range it is.
    pub scope: Scope,
}

/// What goes on in a range of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RangeName<'a> {
    /// The world is stopped; why.
    StopTheWorld(&'a str),
    /// The collector marks.
    GcMark,
    /// A proc sweeps.
    GcSweep,
    /// A task helps to mark.
    GcMarkAssist,
}

impl fmt::Display for RangeName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StopTheWorld(reason) => write!(f, "stop-the-world ({reason})"),
            Self::GcMark => f.write_str("GC concurrent mark phase"),
            Self::GcSweep => f.write_str("GC incremental sweep"),
            Self::GcMarkAssist => f.write_str("GC mark assist"),
        }
    }
}

/// To what a range of time belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// To the whole program.
    Global,
    /// To a task.
    Task(TaskId),
    /// To a proc.
    Proc(ProcId),
}

/// What is known of a range at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeAttributes {
    /// Nothing more.
    None,
    /// How much a sweep has done.
    Swept {
        /// Bytes looked at.
        swept: u64,
        /// Bytes freed.
        reclaimed: u64,
    },
}

/// A user task: an operation that may span tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserTask<'a> {
    /// Its number.
    pub id: UserTaskId,
    /// The user task it is a part of. `None` if there is none, and at the end of
    /// one whose beginning is not in the trace.
    pub parent: Option<UserTaskId>,
    /// Its name; empty at the end of one whose beginning is not in the trace.
    pub name: &'a str,
}

/// A user region: a stretch of a task's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserRegion<'a> {
    /// The user task it belongs to.
    pub user_task: UserTaskId,
    /// Its name.
    pub name: &'a str,
}

/// A message logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log<'a> {
    /// The user task it belongs to.
    pub user_task: UserTaskId,
    /// Its category.
    pub category: &'a str,
    /// Its text.
    pub message: &'a str,
}

/// What a task is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaskState {
    /// Nothing is known: the task was there before the trace.
    Undetermined,
    /// It does not exist, yet or any more.
    #[default]
    NotExist,
    /// Ready, waiting for a proc.
    Runnable,
    /// Executing.
    Running,
    /// Blocked.
    Waiting,
    /// In a system call.
    Syscall,
}

impl TaskState {
    /// The name that Go's tools print.
    pub fn name(self) -> &'static str {
        match self {
            Self::Undetermined => "Undetermined",
            Self::NotExist => "NotExist",
            Self::Runnable => "Runnable",
            Self::Running => "Running",
            Self::Waiting => "Waiting",
            Self::Syscall => "Syscall",
        }
    }
}

/// A task's change of state.
#[derive(Clone, Copy, Debug)]
pub struct TaskTransition<'a> {
    /// Which task.
    pub task: TaskId,
    /// Its state before.
    pub from: TaskState,
    /// Its state after. The same as before if it is only mentioned.
    pub to: TaskState,
    /// Why it stopped or blocked, as the runtime puts it; otherwise empty.
    pub reason: &'a str,
    /// Where this task is, or where it starts if it was created. Often empty.
    pub stack: Stack<'a>,
}

/// What a proc is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProcState {
    /// Nothing is known: the proc was there before the trace.
    Undetermined,
    /// It does not exist yet.
    NotExist,
    /// A worker holds it.
    Running,
    /// Nobody holds it.
    Idle,
}

impl ProcState {
    /// The name that Go's tools print.
    pub fn name(self) -> &'static str {
        match self {
            Self::Undetermined => "Undetermined",
            Self::NotExist => "NotExist",
            Self::Running => "Running",
            Self::Idle => "Idle",
        }
    }
}

/// A proc's change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcTransition {
    /// Which proc.
    pub proc: ProcId,
    /// Its state before.
    pub from: ProcState,
    /// Its state after. The same as before if it is only mentioned.
    pub to: ProcState,
}

/// An event of an experiment. Its numbers are named by its row in the format's
/// table.
#[derive(Clone, Copy, Debug)]
pub struct Experimental<'a> {
    /// Which event.
    pub kind: WireKind,
    /// Its numbers, as many as [`WireKind::args`] has names.
    pub args: [u64; trace_format::limits::MAX_TIMED_ARGS],
    /// The generation's tables, for numbers that are IDs.
    pub tables: &'a Tables,
}
