//! A diff as one JSON object. Times and durations are nanoseconds.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::account::Amount;
use crate::diff::{self, Change, Diff, Measure, Side, Subject};
use crate::escape::Json;

pub(super) fn print(diff: &Diff, top: usize, out: &mut impl Write) -> io::Result<()> {
    let object = json!({
        "before": side(&diff.before),
        "after": side(&diff.after),
        "per_second": diff.per_second,
        "min_change": diff.min_change,
        "functions": subjects(&diff.functions, top),
        "stacks": subjects(&diff.stacks, top),
    });
    writeln!(out, "{}", Json(&object.to_string()))
}

fn side(side: &Side) -> Value {
    let measures = side.functions.values();
    let tasks = measures.filter_map(|measures| measures.get(&Measure::Tasks));
    json!({
        "start": side.span.0,
        "end": side.span.1,
        "events": side.outcome.events,
        "tasks": tasks.map(|Amount { times, .. }| times).sum::<u64>(),
        "lost": side.losses.events(),
        "salvaged": side.outcome.salvaged,
        "errors": side.outcome.damage.iter().map(|error| error.to_string()).collect::<Vec<_>>(),
    })
}

fn subjects(subjects: &[Subject], top: usize) -> Value {
    let subjects = subjects.iter().take(top);
    subjects
        .map(|subject| {
            json!({
                "names": subject.names.iter().map(|name| &**name).collect::<Vec<&str>>(),
                "changes": subject.changes.iter().map(change).collect::<Vec<_>>(),
            })
        })
        .collect()
}

fn change(change: &Change) -> Value {
    let (measure, reason) = match &change.measure {
        Measure::Tasks => ("tasks", None),
        Measure::Running => ("running", None),
        Measure::Runnable => ("runnable", None),
        Measure::Blocked(reason) => ("blocked", Some(reason)),
        Measure::Syscall => ("syscall", None),
        Measure::WithoutProc => ("syscall_without_proc", None),
    };
    let value = |value: diff::Value| json!({"count": value.times, "time": value.nanos});
    let mut object = json!({
        "measure": measure,
        "before": value(change.before),
        "after": value(change.after),
        "change": {
            "count": change.times(),
            "time": change.nanos(),
            "percent": change.percent(),
        },
    });
    if let Some(reason) = reason {
        object["reason"] = (**reason).into();
    }
    object
}
