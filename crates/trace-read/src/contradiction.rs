//! Why an event cannot have happened when its turn came.

use std::fmt;
use std::sync::Arc;

use trace_format::ProcStatus;

use crate::event::{ProcId, TaskId, TaskState, UserTaskId, WorkerId};

/// Why an event cannot have happened, given those before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contradiction {
    /// It needs a worker, and its batch belongs to none.
    NoWorker,
    /// Its worker holds no proc.
    NoProc,
    /// Its worker runs no task.
    NoTask,
    /// Its worker runs a task already.
    HasTask {
        /// That task.
        task: TaskId,
    },
    /// No status has this code.
    StatusCode {
        /// The code.
        code: u64,
    },
    /// The task does not exist.
    UnknownTask {
        /// The task.
        task: TaskId,
    },
    /// The proc does not exist.
    UnknownProc {
        /// The proc.
        proc: ProcId,
    },
    /// The worker has not been seen yet.
    UnknownWorker {
        /// The worker.
        worker: WorkerId,
    },
    /// The task to be created exists.
    TaskExists {
        /// The task.
        task: TaskId,
    },
    /// A task's status, after the first generation, and the task is not known.
    LateTask {
        /// The task.
        task: TaskId,
    },
    /// The task is in another state.
    TaskState {
        /// The task.
        task: TaskId,
        /// The state that it is in.
        is: TaskState,
        /// The state that the event needs or says.
        must_be: TaskState,
    },
    /// The proc is in another state.
    ProcState {
        /// The proc.
        proc: ProcId,
        /// Its status, if it has a proper one.
        is: Option<ProcStatus>,
        /// What it must be, in words.
        must_be: &'static str,
    },
    /// The proc's status is said to be another than it was.
    ProcChanged {
        /// The proc.
        proc: ProcId,
        /// Its status so far.
        was: Option<ProcStatus>,
        /// The status that the event says.
        now: Option<ProcStatus>,
    },
    /// The proc's sequence number does not follow the last one.
    ProcSequence {
        /// The proc.
        proc: ProcId,
        /// The number.
        number: u64,
        /// The one before.
        before: u64,
    },
    /// The worker from which the proc is stolen holds another one.
    OtherProc {
        /// The proc.
        proc: ProcId,
        /// The worker.
        worker: WorkerId,
        /// The proc that it holds.
        has: Option<ProcId>,
    },
    /// The proc is about to be stolen, and nobody holds it.
    ProcWithoutWorker {
        /// The proc.
        proc: ProcId,
    },
    /// A task in a system call on no worker.
    SyscallWithoutWorker {
        /// The task.
        task: TaskId,
    },
    /// The worker on which the task is in a system call runs another one.
    OtherTask {
        /// The task.
        task: TaskId,
        /// The worker.
        worker: WorkerId,
        /// The task that it runs.
        has: Option<TaskId>,
    },
    /// The collector is said to go on, and it is known already what it does.
    CollectorKnown,
    /// The collector does not mark, or marks already.
    Collector {
        /// Whether it must for this event.
        must_mark: bool,
    },
    /// The range has begun already.
    RangeBegun {
        /// Its name.
        name: &'static str,
    },
    /// The range has not begun.
    RangeNotBegun {
        /// Its name.
        name: &'static str,
    },
    /// The user task has begun already.
    UserTaskBegun {
        /// Its number.
        user_task: UserTaskId,
    },
    /// A user region ends that is not the innermost one.
    Region {
        /// The task that is in it.
        task: TaskId,
        /// The innermost one's name.
        innermost: Arc<str>,
        /// The name of the one that ends. It may be the same: then the user tasks
        /// differ.
        ends: Arc<str>,
    },
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoWorker => f.write_str("it needs a worker, and its batch belongs to none"),
            Self::NoProc => f.write_str("its worker holds no proc"),
            Self::NoTask => f.write_str("its worker runs no task"),
            Self::HasTask { task } => write!(f, "its worker still runs task {task}"),
            Self::StatusCode { code } => write!(f, "no status has the code {code}"),
            Self::UnknownTask { task } => write!(f, "task {task} does not exist"),
            Self::UnknownProc { proc } => write!(f, "proc {proc} does not exist"),
            Self::UnknownWorker { worker } => {
                write!(f, "worker {worker} has not been seen before")
            }
            Self::TaskExists { task } => write!(f, "task {task} exists already"),
            Self::LateTask { task } => write!(
                f,
                "task {task} is new, but tasks that are not created in the trace \
                 must be mentioned in its first generation"
            ),
            Self::TaskState { task, is, must_be } => write!(
                f,
                "task {task} must be {}, and is {}",
                must_be.name(),
                is.name()
            ),
            Self::ProcState { proc, is, must_be } => {
                write!(f, "proc {proc} must be {must_be}, and is {}", status(*is))
            }
            Self::ProcChanged { proc, was, now } => write!(
                f,
                "proc {proc} is said to be {}, and was {}",
                status(*now),
                status(*was)
            ),
            Self::ProcSequence {
                proc,
                number,
                before,
            } => write!(
                f,
                "number {number} of proc {proc} does not follow number {before}"
            ),
            Self::OtherProc { proc, worker, has } => {
                write!(
                    f,
                    "proc {proc} is not held by worker {worker}, which holds "
                )?;
                match has {
                    Some(has) => write!(f, "proc {has}"),
                    None => f.write_str("none"),
                }
            }
            Self::ProcWithoutWorker { proc } => {
                write!(f, "proc {proc} is about to be stolen, and nobody holds it")
            }
            Self::SyscallWithoutWorker { task } => {
                write!(f, "task {task} is in a system call on no worker")
            }
            Self::OtherTask { task, worker, has } => {
                write!(f, "task {task} is not on worker {worker}, which runs ")?;
                match has {
                    Some(has) => write!(f, "task {has}"),
                    None => f.write_str("none"),
                }
            }
            Self::CollectorKnown => f.write_str(
                "the collector is said to be marking as the trace starts, \
                 after other events of the collector",
            ),
            Self::Collector { must_mark: true } => f.write_str("the collector does not mark"),
            Self::Collector { must_mark: false } => f.write_str("the collector marks already"),
            Self::RangeBegun { name } => write!(f, "the range \"{name}\" has begun already"),
            Self::RangeNotBegun { name } => write!(f, "the range \"{name}\" has not begun"),
            Self::UserTaskBegun { user_task } => {
                write!(f, "user task {user_task} has begun already")
            }
            Self::Region {
                task,
                innermost,
                ends,
            } if innermost == ends => write!(
                f,
                "task {task}'s innermost user region {innermost:?} is of another user task"
            ),
            Self::Region {
                task,
                innermost,
                ends,
            } => write!(
                f,
                "task {task}'s innermost user region is {innermost:?}, not {ends:?}"
            ),
        }
    }
}

fn status(status: Option<ProcStatus>) -> &'static str {
    status.map_or("Undetermined", ProcStatus::name)
}
