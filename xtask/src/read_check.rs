//! `cargo xtask read-check`: does our reader make of a trace what Go's makes of
//! it? Counts events by kind, and what each task did for how long, and compares
//! that with Go's reader and Go's summaries, to the nanosecond.
//!
//! What may differ is said where our totals are: see `trace_tools::account`.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use trace_format::end::LAST_NOTE;
use trace_read::{Kind, WorkerId};
use trace_tools::account::{Accounts, Totals};
use trace_tools::check::Check;
use trace_tools::intervals::{Intervals, Life};
use trace_tools::stacks::Names;
use trace_tools::{ToolError, input, stream};

use crate::error::XtaskError;
use crate::go::{self, Toolchain};
use crate::process::collect;
use crate::root::target;

/// Most files that Go's reader is given at once; what it says is held.
const AT_ONCE: usize = 20;

/// Most findings that are printed for a trace.
const SHOWN: usize = 10;

/// Runs the command: compares these traces, or if there are none, recordings of
/// our Go programs.
///
/// # Errors
///
/// As [`check`], or if a program cannot be recorded.
pub(crate) fn run(files: &[PathBuf]) -> Result<(), XtaskError> {
    let toolchain = Toolchain::find()?;
    let folder = target().join("go-recordings");
    let compared = match files.is_empty() {
        true => check(&toolchain, &go::record(&toolchain, &folder)?)?,
        false => check(&toolchain, files)?,
    };
    println!("{compared}");
    Ok(())
}

/// What has been compared and is equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Compared {
    traces: usize,
    events: u64,
    tasks: usize,
}

impl fmt::Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "traces read as Go reads them: {}, all ({} events, times of {} tasks)",
            self.traces, self.events, self.tasks
        )
    }
}

/// Compares all of these traces.
///
/// # Errors
///
/// [`XtaskError::Differences`] after all if one differs, [`XtaskError::Dump`] if
/// we cannot read one, or whatever kept Go from reading one.
pub(crate) fn check(toolchain: &Toolchain, traces: &[PathBuf]) -> Result<Compared, XtaskError> {
    let checker = go::checker(toolchain)?;
    let mut compared = Compared::default();
    let mut findings = 0;
    for traces in traces.chunks(AT_ONCE) {
        let said = collect(Command::new(&checker).args(["-totals", "--"]).args(traces))?.stdout;
        let said = String::from_utf8_lossy(&said);
        let mut lines = said.lines();
        for trace in traces {
            let mut theirs = Reading::of_go(lines.next().unwrap_or_default())?;
            let unread = |error| XtaskError::Dump {
                path: trace.clone(),
                error: Box::new(error),
            };
            let ours = Reading::of_ours(trace).map_err(unread)?;
            theirs.leave_out(&last_notes(trace).map_err(unread)?);
            let found = theirs.differences(&ours);
            for finding in found.iter().take(SHOWN) {
                println!("{}: {finding}", trace.display());
            }
            findings += found.len();
            compared.traces += 1;
            compared.events += ours.counts["events"];
            compared.tasks += ours.tasks.len();
        }
    }
    match findings {
        0 => Ok(compared),
        findings => Err(XtaskError::Differences { findings }),
    }
}

/// What a reader makes of a trace.
#[derive(Debug, Default, PartialEq, Eq)]
struct Reading {
    /// Counts by name: of events of each kind, and others.
    counts: BTreeMap<String, u64>,
    tasks: BTreeMap<u64, Task>,
}

/// What a reader says that a task did, nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Task {
    function: String,
    running: u64,
    runnable: u64,
    /// By reason, without those that took no time.
    blocked: BTreeMap<String, u64>,
    syscall: u64,
    /// The part of it that is a call which does not return in the trace. Go's
    /// does not say.
    unreturned: u64,
}

impl Reading {
    /// What Go says in a line of `tracecheck -totals`.
    fn of_go(line: &str) -> Result<Self, XtaskError> {
        if line.starts_with("error ") || line.is_empty() {
            println!("{line}");
            return Err(XtaskError::Refused);
        }
        let said: Value = serde_json::from_str(line).map_err(|error| XtaskError::Json {
            what: "tracecheck -totals",
            error,
        })?;
        let number = |value: &Value| value.as_u64().unwrap_or(0);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let numbers = |value: &Value| -> BTreeMap<String, u64> {
            let members = value.as_object().into_iter().flatten();
            members
                .map(|(name, value)| (name.clone(), number(value)))
                .filter(|(_, value)| *value > 0)
                .collect()
        };
        let mut counts = numbers(&said["ByKind"]);
        for (name, key) in [
            ("events", "Events"),
            ("tasks", "Tasks"),
            ("with_stack", "WithStack"),
        ] {
            counts.insert(name.to_owned(), number(&said[key]));
        }
        let tasks = said["Summary"].as_array().into_iter().flatten();
        let tasks = tasks.map(|task| {
            let totals = Task {
                function: text(&task["Function"]),
                running: number(&task["Running"]),
                runnable: number(&task["Runnable"]),
                blocked: numbers(&task["Blocked"]),
                syscall: number(&task["Syscall"]) + number(&task["SyscallBlocked"]),
                unreturned: 0,
            };
            (number(&task["Task"]), totals)
        });
        Ok(Reading {
            counts,
            tasks: tasks.collect(),
        })
    }

    /// What we read.
    fn of_ours(trace: &Path) -> Result<Self, ToolError> {
        let check = Check::of(input::open(trace, ())?)?;
        let kinds = Kind::NAMES.iter().zip(check.by_kind);
        let mut counts: BTreeMap<String, u64> = kinds
            .filter(|&(_, count)| count > 0)
            .map(|(&name, count)| (name.to_owned(), count))
            .collect();
        for (name, count) in [
            ("events", check.events),
            ("tasks", check.tasks),
            ("with_stack", check.with_stack),
        ] {
            counts.insert(name.to_owned(), count);
        }

        let mut lives: HashMap<u64, (Life, Totals)> = HashMap::new();
        // A number that is used again is another task; Go keeps the last one.
        let mut accounts = Accounts::new(|life: &Life, totals: &Totals| {
            lives.insert(life.task.0, (*life, totals.clone()));
        });
        let mut intervals = Intervals::default();
        let outcome = stream::read(input::open(trace, ())?, |event| {
            intervals.event(event, &mut accounts);
            Ok(())
        })?;
        outcome.whole()?;
        intervals.finish(&mut accounts);
        let tasks = lives.into_iter();
        Ok(Reading {
            counts,
            tasks: tasks
                .map(|(id, (life, totals))| (id, Task::ours(&life, &totals, &intervals.names)))
                .collect(),
        })
    }

    /// Takes the tracer's last notes out, of which there are so many events by
    /// kind. None has a stack.
    fn leave_out(&mut self, last_notes: &BTreeMap<&'static str, u64>) {
        let task = self.tasks.remove(&LAST_NOTE).is_some();
        let events = ("events", last_notes.values().sum());
        let less = last_notes.iter().map(|(&name, &count)| (name, count));
        for (name, less) in less.chain([events, ("tasks", task.into())]) {
            if let Some(count) = self.counts.get_mut(name) {
                *count = count.saturating_sub(less);
            }
        }
        self.counts.retain(|_, count| *count > 0);
    }

    /// What is not equal to `ours`, a line each.
    fn differences(&self, ours: &Reading) -> Vec<String> {
        let mut found = compare(&self.counts, &ours.counts, |name, theirs, ours| {
            let count = |count: Option<&u64>| count.copied().unwrap_or(0);
            let (theirs, ours) = (count(theirs), count(ours));
            (theirs != ours).then(|| format!("{name}: Go counts {theirs}, we {ours}"))
        });
        found.extend(compare(&self.tasks, &ours.tasks, |id, theirs, ours| {
            let (Some(theirs), Some(ours)) = (theirs, ours) else {
                let who = if ours.is_none() { "Go" } else { "we" };
                return Some(format!("task {id}: only {who} saw it"));
            };
            (!theirs.is(ours)).then(|| format!("task {id}:\n  Go:   {theirs:?}\n  ours: {ours:?}"))
        }));
        found
    }
}

/// How many events of each kind the tracer's last notes take, which our analyses
/// leave out.
fn last_notes(trace: &Path) -> Result<BTreeMap<&'static str, u64>, ToolError> {
    let mut counts = BTreeMap::new();
    stream::read_until(input::open(trace, ())?, |event| {
        if event.worker == Some(WorkerId(LAST_NOTE)) {
            *counts.entry(Kind::NAMES[event.kind.index()]).or_default() += 1;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(counts)
}

/// What `differ` says of all keys of both maps.
fn compare<K: Ord, V>(
    theirs: &BTreeMap<K, V>,
    ours: &BTreeMap<K, V>,
    differ: impl Fn(&K, Option<&V>, Option<&V>) -> Option<String>,
) -> Vec<String> {
    let more = ours.keys().filter(|key| !theirs.contains_key(key));
    theirs
        .keys()
        .chain(more)
        .filter_map(|key| differ(key, theirs.get(key), ours.get(key)))
        .collect()
}

impl Task {
    fn ours(life: &Life, totals: &Totals, names: &Names) -> Self {
        let blocked = totals.blocked.iter();
        Task {
            function: names.text(life.function).to_owned(),
            running: totals.running.nanos,
            runnable: totals.runnable.nanos,
            blocked: blocked
                .map(|(reason, amount)| (names.text(*reason).to_owned(), amount.nanos))
                .filter(|(_, nanos)| *nanos > 0)
                .collect(),
            syscall: totals.syscall.nanos,
            unreturned: totals.unreturned,
        }
    }

    /// Whether Go says the same. It may not have met a stack that names the task,
    /// and it counts what a system call which does not return spends without a
    /// proc as waiting to be scheduled, too.
    fn is(&self, ours: &Task) -> bool {
        let waits = ours.runnable..=ours.runnable + ours.unreturned;
        (self.function.is_empty() || self.function == ours.function)
            && self.running == ours.running
            && waits.contains(&self.runnable)
            && self.blocked == ours.blocked
            && self.syscall == ours.syscall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = r#"{"File":"f","Events":3,"WithStack":1,"Tasks":1,
        "ByKind":{"Sync":2,"StateTransition":1},
        "Summary":[{"Task":7,"Function":"main.main","Running":10,"Runnable":5,
        "Blocked":{"sync":4,"":0},"Syscall":3,"SyscallBlocked":2,"Total":24}]}"#;

    #[test]
    fn what_go_says_and_what_differs() {
        let theirs = Reading::of_go(SAID).unwrap();
        let same = || Reading::of_go(SAID).unwrap();
        assert_eq!(theirs.counts["StateTransition"], 1);
        assert_eq!(theirs.tasks[&7].syscall, 5);
        assert_eq!(theirs.tasks[&7].blocked.len(), 1);
        assert_eq!(theirs.differences(&same()), [""; 0]);

        let task = |change: fn(&mut Task)| {
            let mut ours = same();
            ours.tasks.entry(7).and_modify(change);
            theirs.differences(&ours).len()
        };
        assert_eq!(task(|task| task.running += 1), 1);
        assert_eq!(task(|task| task.runnable -= 1), 1);
        assert_eq!(task(|task| task.function.clear()), 1);
        assert_eq!(task(|task| task.blocked.clear()), 1);
        assert_eq!(task(|task| task.syscall = 0), 1);
        // Go's waiting includes a call that does not return.
        let unreturned = |task: &mut Task| {
            task.runnable -= 2;
            task.unreturned = 2;
        };
        assert_eq!(task(unreturned), 0);

        let mut ours = same();
        ours.counts.insert("Log".to_owned(), 1);
        ours.tasks.clear();
        let expected = ["Log: Go counts 0, we 1", "task 7: only Go saw it"];
        assert_eq!(theirs.differences(&ours), expected);
        assert_eq!(ours.differences(&theirs)[1], "task 7: only we saw it");
        assert!(Reading::of_go("error f: bad").is_err());
    }
}
