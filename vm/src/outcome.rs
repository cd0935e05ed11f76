//! How a program ended, and in what words and status it says so.

use std::fmt;
use std::io;

use weft::Position;

use crate::fault::{Fault, plural};
use crate::recorded::TraceReport;

/// The result of a run.
#[derive(Debug)]
pub struct Outcome {
    /// How the program ended.
    pub end: End,
    /// What became of the trace that was being recorded when it ended, if one
    /// was.
    pub trace: Option<TraceReport>,
}

/// How a program ended.
#[derive(Debug)]
pub enum End {
    /// `main` has returned.
    Returned,
    /// A task failed, and the program with it.
    Failed(RuntimeError),
    /// Every task waited for another.
    Deadlock(Deadlock),
    /// This signal has interrupted it.
    Interrupted(i32),
    /// Nobody reads the output any more.
    OutputClosed,
    /// The output cannot be written.
    OutputFailed(io::Error),
    /// There was no memory for the tracer's part of the first worker, not even
    /// while nothing is recorded. (Later ones can be done without.)
    NoMemory,
    /// A worker panicked, which is a fault of the VM.
    Panicked,
}

/// What shells add to the number of the signal that ended a program.
const STATUS_SIGNAL: u8 = 128;

/// The status of a program that nobody listens to: that of one that a closed
/// pipe ends, 128 and the number of the signal.
const STATUS_CLOSED_PIPE: u8 = 141;

impl End {
    /// The exit status that says it.
    pub fn status(&self) -> u8 {
        match self {
            End::Returned => 0,
            End::Failed(_) | End::OutputFailed(_) | End::NoMemory | End::Panicked => 1,
            End::Deadlock(_) => 2,
            End::Interrupted(signal) => {
                u8::try_from(*signal).map_or(u8::MAX, |signal| STATUS_SIGNAL.saturating_add(signal))
            }
            End::OutputClosed => STATUS_CLOSED_PIPE,
        }
    }
}

/// What is to be said about it; nothing if it went as it should.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Returned | End::Interrupted(_) | End::OutputClosed => Ok(()),
            End::Failed(error) => error.fmt(f),
            End::Deadlock(deadlock) => deadlock.fmt(f),
            End::OutputFailed(error) => writeln!(f, "error: cannot write the output: {error}"),
            End::NoMemory => writeln!(
                f,
                "error: no memory for a worker; leave the program more memory"
            ),
            End::Panicked => writeln!(
                f,
                "error: a worker has panicked; this is a fault of the virtual machine"
            ),
        }
    }
}

/// A call in a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSite {
    /// The function.
    pub function: String,
    /// Where it was.
    pub position: Position,
}

/// An error that no task has caught.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeError {
    /// What is wrong.
    pub fault: Fault,
    /// The program's file.
    pub file: String,
    /// The task, by its number.
    pub task: u64,
    /// Its calls, innermost first; those in the middle of a deep stack are left
    /// out.
    pub stack: Vec<CallSite>,
    /// How many are left out, after the first [`SHOWN_CALLS`].
    pub left_out: usize,
}

/// So many calls of a deep stack are shown from its inner end; a few more from
/// the outer one.
pub const SHOWN_CALLS: usize = 20;

impl fmt::Display for RuntimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = &self.file;
        writeln!(f, "error: {}", self.fault)?;
        if let Some(first) = self.stack.first() {
            writeln!(f, " --> {file}:{}", first.position)?;
        }
        let root = self.stack.last().map_or("?", |call| &call.function);
        writeln!(f, "stack of task {} ({root}):", self.task)?;
        for (i, call) in self.stack.iter().enumerate() {
            if i == SHOWN_CALLS && self.left_out > 0 {
                writeln!(
                    f,
                    "  ... {} more call{}",
                    self.left_out,
                    plural(self.left_out)
                )?;
            }
            writeln!(f, "  {} at {file}:{}", call.function, call.position)?;
        }
        Ok(())
    }
}

/// A program in which nothing can happen any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deadlock {
    /// The program's file.
    pub file: String,
    /// The first tasks that wait, by their number.
    pub tasks: Vec<Blocked>,
    /// How many more wait.
    pub more: usize,
}

/// So many tasks of a deadlock are named.
pub const SHOWN_TASKS: usize = 20;

/// A task that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// The task, by its number.
    pub task: u64,
    /// The function that it started with.
    pub name: String,
    /// What it waits for.
    pub reason: String,
    /// Where it waits.
    pub at: CallSite,
}

impl fmt::Display for Deadlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.tasks.len() + self.more;
        writeln!(
            f,
            "error: deadlock: every task is blocked ({count} task{})",
            plural(count)
        )?;
        for Blocked {
            task,
            name,
            reason,
            at,
        } in &self.tasks
        {
            writeln!(
                f,
                "  task {task} ({name}): {reason}, in {} at {}:{}",
                at.function, self.file, at.position
            )?;
        }
        if self.more > 0 {
            writeln!(f, "  ... and {} more", self.more)?;
        }
        Ok(())
    }
}
