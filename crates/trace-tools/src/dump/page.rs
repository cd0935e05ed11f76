//! Prints a summary as one page of text.

use std::fmt::Display;
use std::io::{self, Write};

use crate::dump::quote::Quoted;
use crate::summary::{NANOS, Summary};

/// Prints what a trace holds, then how often each kind of event occurs.
pub(super) fn print(summary: &Summary, out: &mut impl Write) -> io::Result<()> {
    row(out, "version", summary.version)?;
    row(out, "size", format_args!("{} bytes", summary.bytes))?;
    print_generations(summary, out)?;
    row(out, "batches", summary.batches)?;
    let events = summary.events();
    match events {
        0 => row(out, "events", 0)?,
        _ => {
            let each = summary.bytes as f64 / events as f64;
            row(
                out,
                "events",
                format_args!("{events}, {each:.2} bytes each"),
            )?;
        }
    }
    match (summary.span, summary.frequency) {
        (Some((first, last)), Some(hz)) => {
            let seconds = (last - first) as f64 / NANOS as f64;
            row(
                out,
                "time",
                format_args!("{seconds:.6} s, clock of {hz} Hz"),
            )?;
        }
        _ => row(out, "time", "unknown")?,
    }
    row(out, "tasks", summary.tasks.len())?;
    row(out, "procs", summary.procs.len())?;
    row(out, "workers", summary.workers.len())?;
    row(
        out,
        "strings",
        format_args!(
            "{}, {} bytes of text",
            summary.strings, summary.string_bytes
        ),
    )?;
    row(
        out,
        "stacks",
        format_args!(
            "{}, {} frames, {} bytes",
            summary.stacks, summary.frames, summary.stack_bytes
        ),
    )?;
    print_losses(summary, out)?;
    if events > 0 {
        writeln!(out, "\nevents by kind")?;
    }
    for (kind, count) in summary.by_kind() {
        let share = 100.0 * count as f64 / events as f64;
        writeln!(out, "  {:<20} {count:>12} {share:>6.2}%", kind.name())?;
    }
    Ok(())
}

fn print_generations(summary: &Summary, out: &mut impl Write) -> io::Result<()> {
    let Some((first, last)) = summary.generation_range else {
        return row(out, "generations", 0);
    };
    let count = summary.generations;
    let open = count.saturating_sub(summary.ended);
    if summary.version.has_end_of_generation() && open > 0 {
        let text = format_args!("{count} ({first} to {last}), {open} without its end");
        return row(out, "generations", text);
    }
    row(
        out,
        "generations",
        format_args!("{count} ({first} to {last})"),
    )
}

fn print_losses(summary: &Summary, out: &mut impl Write) -> io::Result<()> {
    if summary.losses.is_empty() {
        return row(out, "losses", "none noted");
    }
    for loss in &summary.losses {
        let text = Quoted(&loss.message);
        let (generation, times) = (loss.generation, loss.times);
        row(
            out,
            "lost",
            format_args!("generation {generation}, {times}×: {text}"),
        )?;
    }
    Ok(())
}

fn row(out: &mut impl Write, name: &str, value: impl Display) -> io::Result<()> {
    writeln!(out, "{name:<12} {value}")
}
