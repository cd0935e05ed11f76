//! What each task did in all: intervals added up by task, and handed out when
//! the task ends.
//!
//! The sums are those of Go's own summaries, to the nanosecond, but for system
//! calls. Go keeps two numbers apart, with a proc and without one, which here
//! are [`Totals::syscall`] less [`Totals::without_proc`] and
//! [`Totals::without_proc`]. They have the same sum; the split differs in two
//! cases in which Go's is wrong: for a call that the start of the trace found on
//! another worker than the one that says so, and if a proc that one call has
//! lost carries another call when the first one returns. Of a call that has not
//! returned when the trace ends, Go's summary adds the part without a proc to the
//! scheduling latency; here it is a part of the call.
//!
//! Memory grows with the tasks that are alive at the same time.

use hashbrown::HashMap;
use trace_read::{TaskId, TaskState};

use crate::intervals::{Interval, Life, Visitor};
use crate::reasons::Reasons;

/// How often something was, and for how long in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// How often.
    pub times: u64,
    /// For how long, nanoseconds.
    pub nanos: u64,
}

impl Amount {
    /// Adds another one.
    pub fn add(&mut self, other: Amount) {
        self.times += other.times;
        self.nanos = self.nanos.saturating_add(other.nanos);
    }
}

/// What tasks did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Running.
    pub running: Amount,
    /// Ready and waiting for a proc: the scheduling latency.
    pub runnable: Amount,
    /// Blocked, by reason. The reason is empty for a task that the trace found
    /// blocked.
    pub blocked: Reasons<Amount>,
    /// In system calls.
    pub syscall: Amount,
    /// The part of `syscall` that was spent without a proc.
    pub without_proc: Amount,
    /// The part of `syscall` that is a call which has not returned when the
    /// trace ends, nanoseconds.
    pub unreturned: u64,
}

impl Totals {
    /// Adds an interval.
    pub fn interval(&mut self, interval: &Interval) {
        let amount = Amount {
            times: 1,
            nanos: interval.duration(),
        };
        match interval.state {
            TaskState::Running => self.running.add(amount),
            TaskState::Runnable => self.runnable.add(amount),
            TaskState::Waiting => self.blocked.of(interval.reason).add(amount),
            TaskState::Syscall => {
                self.syscall.add(amount);
                if let Some(lost) = interval.lost_proc {
                    self.without_proc.add(Amount {
                        times: 1,
                        nanos: interval.end - lost,
                    });
                }
                if interval.open {
                    self.unreturned = self.unreturned.saturating_add(amount.nanos);
                }
            }
            TaskState::Undetermined | TaskState::NotExist => {}
        }
    }

    /// Adds other totals.
    pub fn add(&mut self, other: &Totals) {
        self.running.add(other.running);
        self.runnable.add(other.runnable);
        for &(reason, amount) in other.blocked.iter() {
            self.blocked.of(reason).add(amount);
        }
        self.syscall.add(other.syscall);
        self.without_proc.add(other.without_proc);
        self.unreturned = self.unreturned.saturating_add(other.unreturned);
    }
}

/// Adds intervals up by task. What a task did is handed to `each` when the task
/// ends or the trace does; a number that is used again is another task then.
#[derive(Debug)]
pub struct Accounts<F> {
    open: HashMap<TaskId, Totals>,
    each: F,
}

impl<F: FnMut(&Life, &Totals)> Accounts<F> {
    /// No task so far.
    pub fn new(each: F) -> Self {
        Accounts {
            open: HashMap::new(),
            each,
        }
    }
}

impl<F: FnMut(&Life, &Totals)> Visitor for Accounts<F> {
    fn interval(&mut self, interval: &Interval, _: &Life) {
        self.open
            .entry(interval.task)
            .or_default()
            .interval(interval);
    }

    fn task(&mut self, life: &Life) {
        let totals = self.open.remove(&life.task).unwrap_or_default();
        (self.each)(life, &totals);
    }
}
