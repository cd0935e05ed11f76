//! Prints events in their order, in the words of `go tool trace -d=parsed`, so
//! that the outputs of both can be compared.
//!
//! Three differences remain. The wall clock is shown in UTC, where Go takes the
//! time zone of the machine; bytes of a name that are not UTF-8 are shown as
//! U+FFFD, where Go shows the bytes; and events salvaged from a broken generation
//! are shown, which Go throws away.

use trace_format::EventKind;
use trace_read::event::{Range, RangeAttributes};
use trace_read::text::suffix;
use trace_read::{Event, Kind, Scope, Stack, TaskTransition};

use crate::dump::line::Line;
use crate::dump::stack_text::StackTexts;
use crate::wall::Wall;

/// What Go's tools print where there is no user task.
const NO_USER_TASK: u64 = u64::MAX;

/// What Go's tools print where there is no task, proc or worker: -1.
const NONE: u64 = u64::MAX;

/// Appends an event and the end of its line, or lines.
pub(super) fn print(line: &mut Line, stacks: &mut StackTexts, event: &Event<'_>) {
    line.text("M=");
    line.signed(event.worker.map_or(NONE, |worker| worker.0));
    line.text(" P=");
    line.signed(event.proc.map_or(NONE, |proc| proc.0));
    line.text(" G=");
    line.signed(event.task.map_or(NONE, |task| task.0));
    line.text(" ");
    line.text(event.kind.name());
    line.text(" Time=");
    line.signed(event.time);
    print_kind(line, stacks, event);
    // Go has a handle to the empty stack there, not none.
    if !event.stack.is_empty() || matches!(event.kind, Kind::Sample) {
        line.text("\nStack=\n");
        line.raw(stacks.get(event.stack, print_stack));
    }
    line.text("\n");
}

/// What the kinds of event have each for itself.
fn print_kind(line: &mut Line, stacks: &mut StackTexts, event: &Event<'_>) {
    match &event.kind {
        Kind::Sync(sync) => {
            line.text(" N=");
            line.number(sync.n);
            if let Some(clock) = &sync.clock {
                line.text(" Trace=");
                line.signed(clock.trace);
                line.text(" Mono=");
                line.number(clock.mono);
                line.text(" Wall=");
                line.display(Wall::of(clock));
            }
        }
        Kind::Metric { metric, value } => {
            line.text(" Name=");
            line.quoted(metric.name());
            line.text(" Value=");
            print_value(line, *value);
        }
        Kind::Label { label } => {
            line.text(" Label=");
            line.quoted(label);
            line.text(" Resource=Goroutine(");
            line.signed(event.task.map_or(NONE, |task| task.0));
            line.text(")");
        }
        Kind::Sample => {}
        Kind::RangeBegin(range) | Kind::RangeActive(range) => print_range(line, range),
        Kind::RangeEnd(range, attributes) => {
            print_range(line, range);
            line.text(" Attributes=[");
            if let RangeAttributes::Swept { swept, reclaimed } = attributes {
                line.text("\"bytes swept\"=");
                print_value(line, *swept);
                line.text(" \"bytes reclaimed\"=");
                print_value(line, *reclaimed);
            }
            line.text("]");
        }
        Kind::UserTaskBegin(task) | Kind::UserTaskEnd(task) => {
            line.text(" ID=");
            line.number(task.id.0);
            line.text(" Parent=");
            line.number(task.parent.map_or(NO_USER_TASK, |parent| parent.0));
            line.text(" Type=");
            line.quoted(task.name);
        }
        Kind::UserRegionBegin(region) | Kind::UserRegionEnd(region) => {
            line.text(" Task=");
            line.number(region.user_task.0);
            line.text(" Type=");
            line.quoted(region.name);
        }
        Kind::Log(log) => {
            line.text(" Task=");
            line.number(log.user_task.0);
            line.text(" Category=");
            line.quoted(log.category);
            line.text(" Message=");
            line.quoted(log.message);
        }
        Kind::Task(transition) => print_transition(line, stacks, event.wire, transition),
        Kind::Proc(transition) => {
            line.text(" ProcID=");
            line.signed(transition.proc.0);
            line.text(" ");
            line.text(transition.from.name());
            line.text("->");
            line.text(transition.to.name());
            line.text(" Reason=\"\"");
        }
        Kind::Experimental(experimental) => {
            line.text(" Name=");
            line.text(experimental.kind.name());
            line.text(" Args=[");
            let args = experimental.kind.args().iter().zip(experimental.args);
            for (n, (arg, value)) in args.enumerate() {
                line.text(if n > 0 { ", " } else { "" });
                line.text(arg.name);
                line.text(suffix(arg));
                line.text("=");
                print_value(line, value);
            }
            line.text("]");
        }
    }
}

fn print_transition(
    line: &mut Line,
    stacks: &mut StackTexts,
    wire: Option<EventKind>,
    transition: &TaskTransition<'_>,
) {
    line.text(" GoID=");
    line.signed(transition.task.0);
    line.text(" ");
    line.text(transition.from.name());
    line.text("->");
    line.text(transition.to.name());
    line.text(" Reason=");
    line.quoted(transition.reason);
    // A new task has a stack in Go's eyes even if it is the empty one.
    let new = matches!(wire, Some(EventKind::GoCreate | EventKind::GoCreateBlocked));
    if new || !transition.stack.is_empty() {
        line.text("\nTransitionStack=\n");
        line.raw(stacks.get(transition.stack, print_stack));
    }
}

fn print_range(line: &mut Line, range: &Range<'_>) {
    line.text(" Name=");
    line.quoted(&range.name.to_string());
    let (scope, id) = match range.scope {
        Scope::Global => return line.text(" Scope=None"),
        Scope::Task(task) => (" Scope=Goroutine(", task.0),
        Scope::Proc(proc) => (" Scope=Proc(", proc.0),
    };
    line.text(scope);
    line.signed(id);
    line.text(")");
}

fn print_value(line: &mut Line, value: u64) {
    line.text("Value{Uint64(");
    line.number(value);
    line.text(")}");
}

fn print_stack(line: &mut Line, stack: Stack<'_>) {
    for frame in stack.frames() {
        line.text("\t");
        line.shown(frame.function);
        line.text(" @ 0x");
        line.hex(frame.pc);
        line.text("\n\t\t");
        line.shown(frame.file);
        line.text(":");
        line.number(frame.line);
        line.text("\n");
    }
}
