//! A diff as a page of text.

use std::io::{self, Write};

use crate::diff::{Change, Diff, Measure, Side, Subject, Value};
use crate::escape::Shown;
use crate::table::Table;
use crate::units::{self, Nanos};

/// Frames of a stack that are shown, the innermost ones.
const FRAMES: usize = 8;

pub(super) fn print(diff: &Diff, top: usize, out: &mut impl Write) -> io::Result<()> {
    print_side("A, before:", &diff.before, out)?;
    print_side("B, after: ", &diff.after, out)?;
    if diff.per_second {
        writeln!(
            out,
            "The traces differ in length: all values are those of an average second."
        )?;
    }
    print_subjects(
        diff,
        "by start function",
        "functions",
        &diff.functions,
        top,
        out,
    )?;
    print_subjects(diff, "by stack", "stacks", &diff.stacks, top, out)
}

fn print_side(name: &str, side: &Side, out: &mut impl Write) -> io::Result<()> {
    let (events, lost) = (side.outcome.events, side.losses.events());
    write!(out, "{name} {}, {events} events", Nanos(side.duration()))?;
    match lost {
        0 => writeln!(out),
        _ => writeln!(out, ", {lost} lost"),
    }
}

fn print_subjects(
    diff: &Diff,
    title: &str,
    what: &str,
    subjects: &[Subject],
    top: usize,
    out: &mut impl Write,
) -> io::Result<()> {
    if subjects.is_empty() {
        return match diff.min_change {
            0.0 => writeln!(out, "\n{title}: nothing changed."),
            least => writeln!(out, "\n{title}: no change of {least}% or more."),
        };
    }
    let titles = [
        title, "count A", "count B", "time A", "time B", "change", "",
    ];
    let mut table = Table::new(&titles);
    for (subject, rank) in subjects.iter().take(top).zip(1..) {
        print_subject(diff, &mut table, subject, rank);
    }
    if subjects.len() > top {
        table.row([format!("… {} more {what}", subjects.len() - top)]);
    }
    table.print(out)
}

fn print_subject(diff: &Diff, table: &mut Table, subject: &Subject, rank: usize) {
    let mut names = subject.names.iter();
    let first = names
        .next()
        .map_or("(no stack)".to_owned(), |name| Shown(name).to_string());
    table.row([format!("{rank}. {first}")]);
    for name in names.by_ref().take(FRAMES - 1) {
        table.row([format!("   {}", Shown(name))]);
    }
    let more = names.len();
    if more > 0 {
        table.row([format!("   … {more} more frames")]);
    }
    for change in &subject.changes {
        let name = match &change.measure {
            Measure::Tasks => "tasks".to_owned(),
            Measure::Running => "running".to_owned(),
            Measure::Runnable => "waiting to run".to_owned(),
            Measure::Blocked(reason) => format!("blocked: {}", Shown(reason)),
            Measure::Syscall => "in system calls".to_owned(),
            Measure::WithoutProc => "  without a proc".to_owned(),
        };
        let count = |value: Value| match diff.per_second {
            true => format!("{:.1}", value.times),
            false => format!("{:.0}", value.times),
        };
        let [time_before, time_after, by] = match change.measure {
            Measure::Tasks => Default::default(),
            _ => [
                Nanos(change.before.nanos.round() as u64).to_string(),
                Nanos(change.after.nanos.round() as u64).to_string(),
                units::Change(change.nanos().round() as i128).to_string(),
            ],
        };
        table.row([
            format!("     {name}"),
            count(change.before),
            count(change.after),
            time_before,
            time_after,
            by,
            percent(change),
        ]);
    }
}

fn percent(change: &Change) -> String {
    let gone = change.after == Value::default();
    match change.percent() {
        None => "new".to_owned(),
        Some(_) if gone => "gone".to_owned(),
        Some(percent) if percent.abs() >= 1000.0 => format!("{percent:+.0}%"),
        Some(percent) => format!("{percent:+.1}%"),
    }
}
