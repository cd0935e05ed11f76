//! What changed between two traces of the same program: what tasks did for how
//! long, by the function they start with and by stack.
//!
//! ```text
//!  before ─► Side ─┐
//!                  ├─► Diff ─► page, json
//!  after ──► Side ─┘
//! ```
//!
//! Stacks are the same if their functions are: lines and addresses move from one
//! build to the next. Waiting goes to the stack where the task blocked, time in a
//! system call to where that was made, scheduling latency to where whoever made
//! the task ready was, and running to where it ended, since a trace says where a
//! task is only when its state changes.
//!
//! Traces of different length are compared by what happens in a second.
//!
//! Memory is that of a [`Summary`](crate::summary::Summary).

mod json;
mod page;
mod side;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::Arc;

use crate::account::Amount;

pub use side::Side;

/// What is compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// How many tasks there are. They take no time.
    Tasks,
    /// Running.
    Running,
    /// Ready and waiting for a proc: the scheduling latency.
    Runnable,
    /// Blocked, for this reason.
    Blocked(Arc<str>),
    /// In system calls.
    Syscall,
    /// The part of that which was spent without a proc.
    WithoutProc,
}

/// What is measured of one function or stack.
pub type Measures = BTreeMap<Measure, Amount>;

/// What changed between two traces.
#[derive(Debug)]
pub struct Diff {
    /// The trace from before.
    pub before: Side,
    /// The trace from after.
    pub after: Side,
    /// Whether values are those of an average second.
    pub per_second: bool,
    /// What changed, by the function that tasks start with; the largest change
    /// first.
    pub functions: Vec<Subject>,
    /// What changed, by stack; the largest change first.
    pub stacks: Vec<Subject>,
    /// By how many percent something has to change to be told.
    min_change: f64,
}

/// A function or a stack of which something changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// The function's name, or those of all functions of the stack, innermost
    /// first. Nothing if there is no stack.
    pub names: Vec<Arc<str>>,
    /// What changed; the largest change first, how many tasks there are before
    /// all.
    pub changes: Vec<Change>,
}

/// Something that changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What.
    pub measure: Measure,
    /// How it was.
    pub before: Value,
    /// How it is.
    pub after: Value,
}

/// An amount in all, or that of an average second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Value {
    /// How often.
    pub times: f64,
    /// For how long, nanoseconds.
    pub nanos: f64,
}

impl Change {
    /// How much more time it takes, nanoseconds.
    pub fn nanos(&self) -> f64 {
        self.after.nanos - self.before.nanos
    }

    /// How much more often it is.
    pub fn times(&self) -> f64 {
        self.after.times - self.before.times
    }

    /// By how many percent what is measured changed: the time, or the number of
    /// tasks. `None` if there was nothing before.
    pub fn percent(&self) -> Option<f64> {
        let (before, by) = match self.measure {
            Measure::Tasks => (self.before.times, self.times()),
            _ => (self.before.nanos, self.nanos()),
        };
        (before > 0.0).then(|| 100.0 * by / before)
    }

    /// Whether the time or the number has changed by so many percent of the
    /// larger value.
    fn is_at_least(&self, percent: f64) -> bool {
        let large = |before: f64, after: f64| {
            let by = (after - before).abs();
            by > 0.0 && 100.0 * by >= percent * before.max(after)
        };
        large(self.before.nanos, self.after.nanos) || large(self.before.times, self.after.times)
    }

    /// By how much it makes its subject important.
    fn size(&self) -> f64 {
        match self.measure {
            // It is a part of another one.
            Measure::WithoutProc => 0.0,
            _ => self.nanos().abs(),
        }
    }
}

impl Subject {
    fn size(&self) -> f64 {
        self.changes.iter().map(Change::size).sum()
    }

    fn count(&self) -> f64 {
        self.changes.iter().map(|change| change.times().abs()).sum()
    }
}

impl Diff {
    /// Compares two traces. What changes by less than `min_change` percent of
    /// its larger value is not told.
    ///
    /// Unless `absolute`, what happens in a second is compared if the lengths of
    /// the traces differ by that much.
    pub fn of(before: Side, after: Side, min_change: f64, absolute: bool) -> Self {
        let (a, b) = (before.duration() as f64, after.duration() as f64);
        let differ = 100.0 * (a - b).abs() > min_change * a.max(b);
        let per_second = !absolute && differ && a > 0.0 && b > 0.0;
        let scale = |nanos: f64| if per_second { 1e9 / nanos } else { 1.0 };
        let scales = (scale(a), scale(b));
        Diff {
            functions: compare(&before.functions, &after.functions, scales, min_change),
            stacks: compare(&before.stacks, &after.stacks, scales, min_change),
            before,
            after,
            per_second,
            min_change,
        }
    }

    /// Prints it for people, at most so many functions and stacks.
    ///
    /// # Errors
    ///
    /// If `out` fails.
    pub fn print(&self, top: usize, out: &mut impl Write) -> io::Result<()> {
        page::print(self, top, out)
    }

    /// Prints it as a JSON object on one line, with at most so many functions and
    /// stacks.
    ///
    /// # Errors
    ///
    /// If `out` fails.
    pub fn print_json(&self, top: usize, out: &mut impl Write) -> io::Result<()> {
        json::print(self, top, out)
    }
}

/// All that changed enough, the largest change first.
fn compare(
    before: &BTreeMap<Vec<Arc<str>>, Measures>,
    after: &BTreeMap<Vec<Arc<str>>, Measures>,
    scales: (f64, f64),
    min_change: f64,
) -> Vec<Subject> {
    let none = Measures::new();
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let mut subjects: Vec<Subject> = names
        .into_iter()
        .map(|names| {
            let before = before.get(names).unwrap_or(&none);
            let after = after.get(names).unwrap_or(&none);
            Subject {
                names: names.clone(),
                changes: changes(before, after, scales, min_change),
            }
        })
        .filter(|subject| !subject.changes.is_empty())
        .collect();
    // Sorting is stable: what is equal stays in the order of the names.
    subjects.sort_by(|a, b| descending(a.size(), b.size()).then(descending(a.count(), b.count())));
    subjects
}

fn changes(
    before: &Measures,
    after: &Measures,
    scales: (f64, f64),
    min_change: f64,
) -> Vec<Change> {
    let value = |amount: Option<&Amount>, scale: f64| {
        amount.map_or(Value::default(), |amount| Value {
            times: amount.times as f64 * scale,
            nanos: amount.nanos as f64 * scale,
        })
    };
    let measures: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let mut changes: Vec<Change> = measures
        .into_iter()
        .map(|measure| Change {
            measure: measure.clone(),
            before: value(before.get(measure), scales.0),
            after: value(after.get(measure), scales.1),
        })
        .filter(|change| change.is_at_least(min_change))
        .collect();
    changes.sort_by(|a, b| {
        let tasks = |change: &Change| change.measure == Measure::Tasks;
        let order = tasks(b).cmp(&tasks(a));
        order.then(descending(a.nanos().abs(), b.nanos().abs()))
    });
    changes
}

fn descending(a: f64, b: f64) -> Ordering {
    b.total_cmp(&a)
}
