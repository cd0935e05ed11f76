//! Prints events as JSON, one object a line, for programs to read.
//!
//! Every event has `time`, `worker`, `proc`, `task` (numbers, or `null` if there
//! is none), `kind` (as Go's reader names it), `wire` (the event of the file that
//! says so, or `null`) and `stack`. By `kind` there follow:
//!
//! | `kind` | fields |
//! |---|---|
//! | `Sync` | `n`, `generation`, `clock` with `trace`, `mono`, `wall`, or `null` |
//! | `Metric` | `name`, `value` |
//! | `Label` | `label` |
//! | `RangeBegin`, `RangeActive`, `RangeEnd` | `name`, `scope` (`global`, `task`, `proc`), `id`; `swept` and `reclaimed` at the end of a sweep |
//! | `TaskBegin`, `TaskEnd` | `user_task`, `parent`, `name` |
//! | `RegionBegin`, `RegionEnd` | `user_task`, `name` |
//! | `Log` | `user_task`, `category`, `message` |
//! | `StateTransition` | `of` (`task` or `proc`), `id`, `from`, `to`; of a task also `reason` and `its_stack` |
//! | `Experimental` | `name`, `args` |
//!
//! A stack is an array, innermost frame first, of `function`, `file`, `line` and
//! `pc`. Times are nanoseconds of the trace's clock. Numbers are whole and have
//! up to 64 bits, which not every JSON reader keeps.

use trace_read::event::{Range, RangeAttributes, Sync};
use trace_read::{Event, Kind, Scope, Stack};

use crate::dump::line::Line;
use crate::dump::stack_text::StackTexts;
use crate::wall::Wall;

/// Appends an event and the end of its line.
pub(super) fn print(line: &mut Line, stacks: &mut StackTexts, event: &Event<'_>) {
    line.text("{\"time\":");
    line.number(event.time);
    number(line, "worker", event.worker.map(|worker| worker.0));
    number(line, "proc", event.proc.map(|proc| proc.0));
    number(line, "task", event.task.map(|task| task.0));
    text(line, "kind", event.kind.name());
    match event.wire {
        Some(wire) => text(line, "wire", wire.name()),
        None => line.text(",\"wire\":null"),
    }
    print_kind(line, stacks, &event.kind);
    line.text(",\"stack\":");
    line.raw(stacks.get(event.stack, print_stack));
    line.text("}\n");
}

fn print_kind(line: &mut Line, stacks: &mut StackTexts, kind: &Kind<'_>) {
    match kind {
        Kind::Sync(sync) => print_sync(line, sync),
        Kind::Metric { metric, value } => {
            text(line, "name", metric.name());
            number(line, "value", Some(*value));
        }
        Kind::Label { label } => text(line, "label", label),
        Kind::Sample => {}
        Kind::RangeBegin(range) | Kind::RangeActive(range) => print_range(line, range),
        Kind::RangeEnd(range, attributes) => {
            print_range(line, range);
            if let RangeAttributes::Swept { swept, reclaimed } = *attributes {
                number(line, "swept", Some(swept));
                number(line, "reclaimed", Some(reclaimed));
            }
        }
        Kind::UserTaskBegin(task) | Kind::UserTaskEnd(task) => {
            number(line, "user_task", Some(task.id.0));
            number(line, "parent", task.parent.map(|parent| parent.0));
            text(line, "name", task.name);
        }
        Kind::UserRegionBegin(region) | Kind::UserRegionEnd(region) => {
            number(line, "user_task", Some(region.user_task.0));
            text(line, "name", region.name);
        }
        Kind::Log(log) => {
            number(line, "user_task", Some(log.user_task.0));
            text(line, "category", log.category);
            text(line, "message", log.message);
        }
        Kind::Task(transition) => {
            text(line, "of", "task");
            number(line, "id", Some(transition.task.0));
            text(line, "from", transition.from.name());
            text(line, "to", transition.to.name());
            text(line, "reason", transition.reason);
            line.text(",\"its_stack\":");
            line.raw(stacks.get(transition.stack, print_stack));
        }
        Kind::Proc(transition) => {
            text(line, "of", "proc");
            number(line, "id", Some(transition.proc.0));
            text(line, "from", transition.from.name());
            text(line, "to", transition.to.name());
        }
        Kind::Experimental(experimental) => {
            text(line, "name", experimental.kind.name());
            line.text(",\"args\":");
            let args = experimental.kind.args().iter().zip(experimental.args);
            numbers(line, args.map(|(arg, value)| (arg.name, value)));
        }
    }
}

fn print_sync(line: &mut Line, sync: &Sync<'_>) {
    number(line, "n", Some(sync.n));
    number(line, "generation", sync.generation);
    match &sync.clock {
        Some(clock) => {
            line.text(",\"clock\":{\"trace\":");
            line.number(clock.trace);
            number(line, "mono", Some(clock.mono));
            line.text(",\"wall\":\"");
            line.display(Wall::of(clock));
            line.text("\"}");
        }
        None => line.text(",\"clock\":null"),
    }
}

fn print_range(line: &mut Line, range: &Range<'_>) {
    text(line, "name", &range.name.to_string());
    let (scope, id) = match range.scope {
        Scope::Global => ("global", None),
        Scope::Task(task) => ("task", Some(task.0)),
        Scope::Proc(proc) => ("proc", Some(proc.0)),
    };
    text(line, "scope", scope);
    number(line, "id", id);
}

fn print_stack(line: &mut Line, stack: Stack<'_>) {
    line.text("[");
    for (n, frame) in stack.frames().enumerate() {
        line.text(if n > 0 { "," } else { "" });
        line.text("{\"function\":");
        line.json(frame.function);
        text(line, "file", frame.file);
        number(line, "line", Some(frame.line));
        number(line, "pc", Some(frame.pc));
        line.text("}");
    }
    line.text("]");
}

/// Appends an object of numbers.
pub(super) fn numbers<'a>(line: &mut Line, fields: impl Iterator<Item = (&'a str, u64)>) {
    line.text("{");
    for (n, (name, value)) in fields.enumerate() {
        line.text(if n > 0 { ",\"" } else { "\"" });
        line.text(name);
        line.text("\":");
        line.number(value);
    }
    line.text("}");
}

/// Appends a field that is a number, or `null`. It is not an object's first.
pub(super) fn number(line: &mut Line, name: &str, value: Option<u64>) {
    line.text(",\"");
    line.text(name);
    line.text("\":");
    match value {
        Some(value) => line.number(value),
        None => line.text("null"),
    }
}

/// Appends a field that is a text. It is not an object's first.
pub(super) fn text(line: &mut Line, name: &str, value: &str) {
    line.text(",\"");
    line.text(name);
    line.text("\":");
    line.json(value);
}
