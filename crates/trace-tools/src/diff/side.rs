//! One of two traces that are compared.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use trace_read::{Event, Kind, TaskState};

use crate::account::{Accounts, Amount, Totals};
use crate::diff::{Measure, Measures};
use crate::error::ToolError;
use crate::input::Bytes;
use crate::intervals::{Interval, Intervals, Life, Visitor};
use crate::loss::Losses;
use crate::memory;
use crate::stacks::{Name, Names, StackKey};
use crate::stream::{self, Outcome};

/// What tasks did in one trace.
#[derive(Debug)]
pub struct Side {
    /// How reading it went, damage included.
    pub outcome: Outcome,
    /// What the tracer says that it lost.
    pub losses: Losses,
    /// When the first event happened and when the last, nanoseconds of the
    /// trace's clock.
    pub span: (u64, u64),
    /// What tasks did, by the function they start with.
    pub functions: BTreeMap<Vec<Arc<str>>, Measures>,
    /// What tasks did, by the functions on the stack, innermost first.
    pub stacks: BTreeMap<Vec<Arc<str>>, Measures>,
}

impl Side {
    /// Reads a trace, as far as that is possible.
    ///
    /// # Errors
    ///
    /// [`ToolError::Trace`] if it is no trace. Damage is part of the outcome.
    pub fn of(input: Bytes) -> Result<Self, ToolError> {
        let mut functions: HashMap<Name, (u64, Totals)> = HashMap::new();
        let accounts = Accounts::new(|life: &Life, totals: &Totals| {
            let (tasks, sum) = functions.entry(life.function).or_default();
            *tasks += 1;
            sum.add(totals);
        });
        let mut gather = Gather {
            accounts,
            stacks: HashMap::new(),
            here: StackKey::EMPTY,
        };
        let mut intervals = Intervals::default();
        let (outcome, notes) = stream::read_noting(input, |event| {
            gather.note(event, &mut intervals);
            intervals.event(event, &mut gather);
            Ok(())
        })?;
        gather.here = StackKey::EMPTY;
        intervals.finish(&mut gather);

        let mut names = Texts {
            names: &intervals.names,
            shared: HashMap::new(),
        };
        let mut by_stack = BTreeMap::new();
        for (&key, totals) in &gather.stacks {
            memory::check()?;
            let frames = intervals.stacks.frames(key).iter();
            let stack = frames.map(|frame| names.text(frame.function));
            measure(
                by_stack.entry(stack.collect()).or_default(),
                totals,
                &mut names,
            );
        }
        let mut by_function = BTreeMap::new();
        for (name, (tasks, totals)) in &functions {
            let name = vec![names.text(*name)];
            let measures: &mut Measures = by_function.entry(name).or_default();
            let tasks = Amount {
                times: *tasks,
                nanos: 0,
            };
            measures.insert(Measure::Tasks, tasks);
            measure(measures, totals, &mut names);
        }
        Ok(Side {
            span: intervals.span(),
            outcome,
            losses: notes.losses,
            functions: by_function,
            stacks: by_stack,
        })
    }

    /// From the first event to the last, nanoseconds.
    pub fn duration(&self) -> u64 {
        self.span.1 - self.span.0
    }
}

/// Names as texts that are there once, however many stacks have them.
struct Texts<'a> {
    names: &'a Names,
    shared: HashMap<Name, Arc<str>>,
}

impl Texts<'_> {
    fn text(&mut self, name: Name) -> Arc<str> {
        let text = || self.names.text(name).into();
        self.shared.entry(name).or_insert_with(text).clone()
    }
}

/// Adds totals to what is measured.
fn measure(measures: &mut Measures, totals: &Totals, names: &mut Texts<'_>) {
    let blocked = totals
        .blocked
        .iter()
        .map(|(reason, amount)| (Measure::Blocked(names.text(*reason)), *amount));
    let rest = [
        (Measure::Running, totals.running),
        (Measure::Runnable, totals.runnable),
        (Measure::Syscall, totals.syscall),
        (Measure::WithoutProc, totals.without_proc),
    ];
    for (measure, amount) in blocked.chain(rest) {
        if amount.times > 0 {
            measures.entry(measure).or_default().add(amount);
        }
    }
}

/// Adds intervals up by task and by stack.
struct Gather<F> {
    accounts: Accounts<F>,
    stacks: HashMap<StackKey, Totals>,
    /// Where the task is of which the event at hand tells.
    here: StackKey,
}

impl<F: FnMut(&Life, &Totals)> Gather<F> {
    /// Notes what an event says beyond the interval that it ends.
    fn note(&mut self, event: &Event<'_>, intervals: &mut Intervals) {
        if let Kind::Task(transition) = &event.kind
            && transition.from == TaskState::Running
        {
            let Intervals { names, stacks, .. } = intervals;
            self.here = stacks.intern(transition.stack, names);
        }
    }
}

impl<F: FnMut(&Life, &Totals)> Visitor for Gather<F> {
    fn interval(&mut self, interval: &Interval, life: &Life) {
        self.accounts.interval(interval, life);
        let stack = match interval.state {
            TaskState::Running => self.here,
            TaskState::Runnable => interval.event_stack,
            _ => interval.stack,
        };
        self.stacks.entry(stack).or_default().interval(interval);
    }

    fn task(&mut self, life: &Life) {
        self.accounts.task(life);
    }
}
