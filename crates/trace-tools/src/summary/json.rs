//! A summary as one JSON object. Times and durations are nanoseconds.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use crate::escape::Json;
use crate::spread::Spread;
use crate::stacks::Name;
use crate::summary::{Function, Place, Spans, Summary};

pub(super) fn print(summary: &Summary, top: usize, out: &mut impl Write) -> io::Result<()> {
    let outcome = &summary.outcome;
    let (start, end) = summary.span.unwrap_or_default();
    let losses = summary.losses.notes();
    let object = json!({
        "version": outcome.version.to_string(),
        "bytes": outcome.bytes,
        "events": outcome.events,
        "generations": outcome.generations,
        "largest_generation": outcome.largest_generation,
        "salvaged": outcome.salvaged,
        "errors": outcome.damage.iter().map(|error| error.to_string()).collect::<Vec<_>>(),
        "start": start,
        "end": end,
        "began": summary.wall().map(|wall| wall.to_string()),
        "clock": summary.clock.map(|clock| json!({
            "trace": clock.trace,
            "mono": clock.mono,
            "wall_seconds": clock.wall_seconds,
            "wall_nanos": clock.wall_nanos,
        })),
        "lost": summary.losses.events(),
        "losses": losses
            .map(|(time, note)| json!({"time": time, "note": note}))
            .collect::<Vec<_>>(),
        "by_kind": counts(summary.by_kind()),
        "by_wire_kind": counts(summary.by_wire().map(|(kind, count)| (kind.name(), count))),
        "tasks": summary.tasks(),
        "functions": all(&summary.functions, |one| function(summary, one)),
        "procs": all(&summary.procs, |(id, proc)| json!({
            "proc": id.0,
            "running": proc.running,
            "syscall": proc.syscall,
            "idle": proc.idle,
            "held": proc.held,
        })),
        "user_tasks": spans(summary, &summary.user_tasks),
        "user_regions": spans(summary, &summary.regions),
        "ranges": spans(summary, &summary.ranges),
        "swept": summary.swept,
        "reclaimed": summary.reclaimed,
        "blocked": places(summary, &summary.blocked, top),
        "runnable": places(summary, &summary.runnable, top),
    });
    writeln!(out, "{}", Json(&object.to_string()))
}

fn all<T>(list: &[T], each: impl Fn(&T) -> Value) -> Value {
    list.iter().map(each).collect()
}

fn counts(counts: impl Iterator<Item = (&'static str, u64)>) -> Map<String, Value> {
    counts
        .map(|(name, count)| (name.to_owned(), count.into()))
        .collect()
}

fn spread(spread: &Spread) -> Value {
    json!({
        "count": spread.count(),
        "total": spread.total(),
        "mean": spread.mean(),
        "p99": spread.p99(),
        "max": spread.max(),
    })
}

fn function(summary: &Summary, function: &Function) -> Value {
    let states = &function.states;
    let blocked: Map<_, _> = states
        .blocked
        .iter()
        .map(|(reason, waits)| (summary.text(*reason).to_owned(), spread(waits)))
        .collect();
    json!({
        "function": summary.text(function.name),
        "tasks": function.tasks,
        "running": spread(&states.running),
        "runnable": spread(&states.runnable),
        "blocked": blocked,
        "syscall": spread(&states.syscall),
        "syscall_without_proc": spread(&states.without_proc),
    })
}

fn spans(summary: &Summary, list: &[(Name, Spans)]) -> Value {
    all(list, |(name, spans)| {
        json!({
            "name": summary.text(*name),
            "whole": spread(&spans.whole),
            "begun_before": spans.begun_before,
            "unfinished": spans.unfinished,
        })
    })
}

fn places(summary: &Summary, places: &[Place], top: usize) -> Value {
    all(&places[..top.min(places.len())], |place| {
        json!({
            "reason": summary.text(place.reason),
            "waits": spread(&place.waits),
            "stack": all(summary.frames(place), |frame| json!({
                "function": summary.text(frame.function),
                "file": summary.text(frame.file),
                "line": frame.line,
            })),
        })
    })
}
