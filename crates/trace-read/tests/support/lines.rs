//! Events as lines of text, for tests to compare.

use std::io::Read;

use trace_read::event::{RangeAttributes, Scope};
use trace_read::tables::Stack;
use trace_read::{Event, Kind, ReadError, Reader};

/// All events of a file, and at the end the error, if there is one.
pub fn read(input: impl Read) -> Vec<String> {
    let mut lines = Vec::new();
    let mut reader = match Reader::new(input) {
        Ok(reader) => reader,
        Err(error) => return vec![format!("error {error}")],
    };
    loop {
        match reader.next_event() {
            Ok(Some(event)) => lines.push(line(&event)),
            Ok(None) => return lines,
            Err(error) => lines.push(format!("error {error}")),
        }
    }
}

/// How many events a file has, and the error after them.
pub fn count(input: impl Read) -> (u64, Option<ReadError>) {
    let mut reader = match Reader::new(input) {
        Ok(reader) => reader,
        Err(error) => return (0, Some(error)),
    };
    let mut events = 0;
    loop {
        match reader.next_event() {
            Ok(Some(_)) => events += 1,
            Ok(None) => return (events, None),
            Err(error) => return (events, Some(error)),
        }
    }
}

/// `time worker proc task what`, with `-` where there is none, and the stack, if
/// there is one, by its innermost function.
pub fn line(event: &Event<'_>) -> String {
    fn id(id: Option<impl ToString>) -> String {
        id.map_or("-".to_owned(), |id| id.to_string())
    }
    let mut line = format!(
        "{} m{} p{} g{} {}",
        event.time,
        id(event.worker),
        id(event.proc),
        id(event.task),
        what(&event.kind)
    );
    if !event.stack.is_empty() {
        line += &format!(" at {}", stack(event.stack));
    }
    line
}

fn stack(stack: Stack<'_>) -> String {
    let mut frames = stack.frames();
    match frames.next() {
        Some(frame) => format!("{}:{}", frame.function, frame.line),
        None => format!("stack {} without frames", stack.id()),
    }
}

fn scope(scope: Scope) -> String {
    match scope {
        Scope::Global => "of all".to_owned(),
        Scope::Task(task) => format!("of g{task}"),
        Scope::Proc(proc) => format!("of p{proc}"),
    }
}

fn what(kind: &Kind<'_>) -> String {
    let name = kind.name();
    match kind {
        Kind::Sync(sync) => {
            let mut text = format!("{name} {}", sync.n);
            if let Some(generation) = sync.generation {
                text += &format!(" generation {generation}");
            }
            if let Some(clock) = sync.clock {
                text += &format!(" clock {} {}", clock.trace, clock.mono);
            }
            for batch in sync.tables.experiments() {
                let (experiment, data) = (batch.experiment, batch.data);
                text += &format!(" experiment {experiment} {data:?}");
            }
            text
        }
        Kind::Metric { metric, value } => format!("{name} {} {value}", metric.name()),
        Kind::Label { label } => format!("{name} {label}"),
        Kind::Sample => name.to_owned(),
        Kind::RangeBegin(range) | Kind::RangeActive(range) => {
            format!("{name} {} {}", range.name, scope(range.scope))
        }
        Kind::RangeEnd(range, attributes) => {
            let text = format!("{name} {} {}", range.name, scope(range.scope));
            match attributes {
                RangeAttributes::None => text,
                RangeAttributes::Swept { swept, reclaimed } => {
                    format!("{text} {swept} {reclaimed}")
                }
            }
        }
        Kind::UserTaskBegin(task) | Kind::UserTaskEnd(task) => {
            let parent = task.parent.map_or(-1, |parent| parent.0 as i64);
            format!("{name} {} in {parent} {:?}", task.id, task.name)
        }
        Kind::UserRegionBegin(region) | Kind::UserRegionEnd(region) => {
            format!("{name} {} {:?}", region.user_task, region.name)
        }
        Kind::Log(log) => {
            format!("{name} {} {}: {}", log.user_task, log.category, log.message)
        }
        Kind::Task(change) => {
            let mut text = format!(
                "g{} {} {}",
                change.task,
                change.from.name(),
                change.to.name()
            );
            if !change.reason.is_empty() {
                text += &format!(" ({})", change.reason);
            }
            if !change.stack.is_empty() {
                text += &format!(" its {}", stack(change.stack));
            }
            text
        }
        Kind::Proc(change) => format!(
            "p{} {} {}",
            change.proc,
            change.from.name(),
            change.to.name()
        ),
        Kind::Experimental(event) => {
            let args = &event.args[..event.kind.args().len()];
            format!("{name} {} {args:?}", event.kind.name())
        }
    }
}
