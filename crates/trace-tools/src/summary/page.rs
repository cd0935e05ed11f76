//! A summary as a page of text.

use std::fmt::Display;
use std::io::{self, Write};

use crate::escape::Shown;
use crate::spread::{ERROR, Spread};
use crate::stacks::{FrameKey, Name};
use crate::summary::{Place, Spans, Summary};
use crate::table::Table;
use crate::units::Nanos;

/// Frames of a stack that are shown, the innermost ones.
const FRAMES: usize = 8;

pub(super) fn print(summary: &Summary, top: usize, out: &mut impl Write) -> io::Result<()> {
    print_head(summary, out)?;
    print_counts(summary, out)?;
    print_tasks(summary, top, out)?;
    print_procs(summary, out)?;
    for (title, spans) in [
        ("user tasks", &summary.user_tasks),
        ("user regions", &summary.regions),
        ("runtime ranges", &summary.ranges),
    ] {
        print_spans(summary, title, spans, top, out)?;
    }
    if summary.swept > 0 {
        let (swept, reclaimed) = (summary.swept, summary.reclaimed);
        writeln!(out, "swept {swept} bytes, {reclaimed} of them reclaimed")?;
    }
    let title = "blocked, by where";
    print_places(summary, title, "", &summary.blocked, top, out)?;
    let title = "waiting to run, by where made ready";
    print_places(
        summary,
        title,
        "woken or created",
        &summary.runnable,
        top,
        out,
    )?;
    if summary.functions.is_empty() {
        return Ok(());
    }
    writeln!(out, "\np99 is exact within 1 part in {ERROR}.")
}

fn print_head(summary: &Summary, out: &mut impl Write) -> io::Result<()> {
    let outcome = &summary.outcome;
    line(out, "version", outcome.version)?;
    line(out, "size", format_args!("{} bytes", outcome.bytes))?;
    line(out, "events", outcome.events)?;
    line(
        out,
        "generations",
        format_args!(
            "{}, the largest takes {} bytes of memory",
            outcome.generations, outcome.largest_generation
        ),
    )?;
    match summary.span {
        Some((start, end)) => line(
            out,
            "time",
            format_args!("{}, from {start} to {end} ns", Nanos(end - start)),
        )?,
        None => line(out, "time", "no events")?,
    }
    match summary.wall() {
        Some(wall) => line(out, "began", wall)?,
        None => line(out, "began", "unknown, the trace has no wall clock")?,
    }
    line(out, "tasks", summary.tasks())?;
    line(
        out,
        "lost",
        format_args!("{} events", summary.losses.events()),
    )?;
    for (time, note) in summary.losses.notes() {
        line(out, "", format_args!("at {time} ns: {}", Shown(note)))?;
    }
    if outcome.salvaged > 0 {
        let text = format_args!("{} events of a broken generation", outcome.salvaged);
        line(out, "salvaged", text)?;
    }
    Ok(())
}

fn line(out: &mut impl Write, name: &str, value: impl Display) -> io::Result<()> {
    writeln!(out, "{name:<12} {value}")
}

fn print_counts(summary: &Summary, out: &mut impl Write) -> io::Result<()> {
    let mut table = Table::new(&["events by kind", "count"]);
    for (kind, count) in summary.by_kind() {
        table.row([kind.to_owned(), count.to_string()]);
    }
    table.print(out)?;
    let mut table = Table::new(&["by event of the file", "count"]);
    for (kind, count) in summary.by_wire() {
        table.row([kind.name().to_owned(), count.to_string()]);
    }
    table.print(out)
}

fn print_tasks(summary: &Summary, top: usize, out: &mut impl Write) -> io::Result<()> {
    let mut table = Table::new(&[
        "tasks by start function",
        "count",
        "total",
        "mean",
        "p99",
        "max",
    ]);
    for function in summary.functions.iter().take(top) {
        let name = Shown(summary.text(function.name));
        table.row([name.to_string(), function.tasks.to_string()]);
        let states = &function.states;
        let mut state = |name: String, spread: &Spread| {
            if spread.count() > 0 {
                table.row(spread_row(name, spread));
            }
        };
        state("  running".to_owned(), &states.running);
        state("  waiting to run".to_owned(), &states.runnable);
        for (reason, spread) in states.blocked.iter() {
            let reason = Shown(summary.text(*reason));
            state(format!("  blocked: {reason}"), spread);
        }
        state("  in system calls".to_owned(), &states.syscall);
        state("    without a proc".to_owned(), &states.without_proc);
    }
    more(&mut table, summary.functions.len(), top, "functions");
    table.print(out)
}

fn print_procs(summary: &Summary, out: &mut impl Write) -> io::Result<()> {
    let mut table = Table::new(&[
        "procs",
        "tasks run",
        "in syscalls",
        "other",
        "idle",
        "absent",
    ]);
    let whole = summary.duration();
    let share = |nanos: u64| match whole {
        0 => "0.0%".to_owned(),
        _ => format!("{:.1}%", 100.0 * nanos as f64 / whole as f64),
    };
    for (id, proc) in &summary.procs {
        let absent = whole.saturating_sub(proc.held).saturating_sub(proc.idle);
        table.row([
            id.to_string(),
            share(proc.running),
            share(proc.syscall),
            share(proc.rest()),
            share(proc.idle),
            share(absent),
        ]);
    }
    table.print(out)
}

fn print_spans(
    summary: &Summary,
    title: &str,
    spans: &[(Name, Spans)],
    top: usize,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut table = Table::new(&[title, "count", "total", "mean", "p99", "max"]);
    for (name, spans) in spans.iter().take(top) {
        let name = Shown(summary.text(*name));
        table.row(spread_row(name.to_string(), &spans.whole));
        if spans.begun_before > 0 {
            table.row([
                "  begun before the trace".to_owned(),
                spans.begun_before.to_string(),
            ]);
        }
        if spans.unfinished > 0 {
            table.row(["  unfinished".to_owned(), spans.unfinished.to_string()]);
        }
    }
    more(&mut table, spans.len(), top, "names");
    table.print(out)
}

fn print_places(
    summary: &Summary,
    title: &str,
    no_reason: &str,
    places: &[Place],
    top: usize,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut table = Table::new(&[title, "count", "total", "mean", "p99", "max"]);
    for (place, rank) in places.iter().take(top).zip(1..) {
        let reason = match summary.text(place.reason) {
            "" if !no_reason.is_empty() => no_reason.to_owned(),
            reason => Shown(reason).to_string(),
        };
        table.row(spread_row(format!("{rank}. {reason}"), &place.waits));
        let frames = summary.frames(place);
        for frame in frames.iter().take(FRAMES) {
            table.row([frame_row(summary, frame)]);
        }
        match frames.len() {
            0 => table.row(["   (no stack)".to_owned()]),
            len if len > FRAMES => table.row([format!("   … {} more frames", len - FRAMES)]),
            _ => {}
        }
    }
    more(&mut table, places.len(), top, "places");
    table.print(out)
}

fn frame_row(summary: &Summary, frame: &FrameKey) -> String {
    let file = summary.text(frame.file);
    let file = file.rsplit(['/', '\\']).next().unwrap_or(file);
    let function = Shown(summary.text(frame.function));
    format!("   {function} {}:{}", Shown(file), frame.line)
}

fn spread_row(name: String, spread: &Spread) -> [String; 6] {
    let durations = [spread.total(), spread.mean(), spread.p99(), spread.max()];
    let [total, mean, p99, max] = match spread.count() {
        0 => Default::default(),
        _ => durations.map(|nanos| Nanos(nanos).to_string()),
    };
    [name, spread.count().to_string(), total, mean, p99, max]
}

/// Says how many there are beyond those shown.
fn more(table: &mut Table, all: usize, top: usize, what: &str) {
    if all > top {
        table.row([format!("… {} more {what}", all - top)]);
    }
}
