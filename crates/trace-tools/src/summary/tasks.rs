//! What tasks did, by the function they start with.

use hashbrown::HashMap;
use trace_read::{TaskId, TaskState};

use crate::intervals::{Interval, Life, Visitor};
use crate::reasons::Reasons;
use crate::spread::Spread;
use crate::stacks::{Name, Names};

/// How long tasks were in each state, each time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct States {
    /// Running.
    pub running: Spread,
    /// Ready and waiting for a proc: the scheduling latency.
    pub runnable: Spread,
    /// Blocked, by reason. The reason is empty for tasks that the trace found
    /// blocked.
    pub blocked: Reasons<Spread>,
    /// In system calls.
    pub syscall: Spread,
    /// In system calls, since they lost their proc.
    pub without_proc: Spread,
}

impl States {
    fn interval(&mut self, interval: &Interval) {
        let duration = interval.duration();
        match interval.state {
            TaskState::Running => self.running.add(duration),
            TaskState::Runnable => self.runnable.add(duration),
            TaskState::Waiting => self.blocked.of(interval.reason).add(duration),
            TaskState::Syscall => {
                self.syscall.add(duration);
                if let Some(lost) = interval.lost_proc {
                    self.without_proc.add(interval.end - lost);
                }
            }
            TaskState::Undetermined | TaskState::NotExist => {}
        }
    }

    fn merge(&mut self, other: &States) {
        self.running.merge(&other.running);
        self.runnable.merge(&other.runnable);
        for (reason, spread) in other.blocked.iter() {
            self.blocked.of(*reason).merge(spread);
        }
        self.syscall.merge(&other.syscall);
        self.without_proc.merge(&other.without_proc);
    }
}

/// The tasks that start with the same function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// The function; empty if no stack of these tasks is in the trace.
    pub name: Name,
    /// How many tasks.
    pub tasks: u64,
    /// What they did.
    pub states: States,
}

/// Gathers what tasks did. What a task did goes to its function at once, so that
/// nothing is kept for it.
///
/// The exception are tasks whose function is not known yet: there are some at
/// the beginning of a trace that does not tell where the tasks are which it
/// finds.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    functions: HashMap<Name, (u64, States)>,
    nameless: HashMap<TaskId, Box<States>>,
}

impl Tasks {
    /// All functions, in no order.
    pub(super) fn into_functions(self) -> Vec<Function> {
        let functions = self.functions.into_iter();
        functions
            .map(|(name, (tasks, states))| Function {
                name,
                tasks,
                states,
            })
            .collect()
    }
}

impl Visitor for Tasks {
    fn interval(&mut self, interval: &Interval, life: &Life) {
        if life.function == Names::EMPTY {
            let states = self.nameless.entry(life.task).or_default();
            states.interval(interval);
            return;
        }
        let (_, states) = self.functions.entry(life.function).or_default();
        states.interval(interval);
    }

    fn task(&mut self, life: &Life) {
        let (tasks, states) = self.functions.entry(life.function).or_default();
        *tasks += 1;
        if !self.nameless.is_empty()
            && let Some(before) = self.nameless.remove(&life.task)
        {
            states.merge(&before);
        }
    }
}
