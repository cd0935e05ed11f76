//! A profile as a table, the places that matter most first.
//!
//! *Flat* is what happened at a place itself, *cum* what happened there or in
//! what was called from there. A function that is on a stack several times
//! counts once.

use std::cmp::Reverse;
use std::io::{self, Write};

use hashbrown::{HashMap, HashSet};

use crate::escape::Line;
use crate::memory;
use crate::profile::Profile;
use crate::stacks::{Name, Names};

/// A place in the source, and why tasks were blocked there if that is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Place {
    function: Name,
    file: Name,
    line: u64,
    reason: Name,
}

/// What happened at a place.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    /// There itself.
    flat: u64,
    /// How often, there itself.
    count: u64,
    /// There, or in what it called.
    cum: u64,
}

/// Writes the first `top` rows.
///
/// # Errors
///
/// If `out` fails.
pub fn write(profile: &Profile, top: usize, out: &mut impl Write) -> io::Result<()> {
    let what = profile.options.what;
    let timed = what.is_timed();
    let amount = |value: u64| match timed {
        true => duration(value),
        false => value.to_string(),
    };
    let total = profile.total();
    let count = profile
        .samples
        .iter()
        .fold(0, |sum: u64, sample| sum.saturating_add(sample.count));
    writeln!(out, "{}", what.title())?;
    write!(out, "{}: {count}", what.plural())?;
    if timed {
        write!(out, ", {} in all", duration(total))?;
    }
    writeln!(out, ", in a trace of {}", duration(profile.duration()))?;
    if profile.left_out > 0 {
        writeln!(
            out,
            "not ended with the trace and left out: {}",
            profile.left_out
        )?;
    }
    if profile.samples.is_empty() {
        return Ok(());
    }

    let rows = rows(profile)?;
    writeln!(
        out,
        "\n{:>10} {:>7} {:>7} {:>10} {:>7} {:>9}  place",
        "flat", "flat%", "sum%", "cum", "cum%", "count"
    )?;
    let percent = |part: u64| 100.0 * part as f64 / total.max(1) as f64;
    let mut sum: u64 = 0;
    for (place, row) in rows.iter().take(top) {
        sum = sum.saturating_add(row.flat);
        write!(
            out,
            "{:>10} {:>6.2}% {:>6.2}% {:>10} {:>6.2}% {:>9}  ",
            amount(row.flat),
            percent(row.flat),
            percent(sum),
            amount(row.cum),
            percent(row.cum),
            row.count,
        )?;
        writeln!(out, "{}", describe(profile, place))?;
    }
    if rows.len() > top {
        writeln!(out, "and {} more places", rows.len() - top)?;
    }
    Ok(())
}

/// All places, those with the most flat value first.
fn rows(profile: &Profile) -> io::Result<Vec<(Place, Row)>> {
    let mut rows: HashMap<Place, Row> = HashMap::new();
    let mut seen = HashSet::new();
    for sample in &profile.samples {
        memory::check()?;
        let value = profile.value(sample);
        let mut places = profile
            .frames(sample)
            .iter()
            .map(|frame| Place {
                function: frame.function,
                file: frame.file,
                line: frame.line,
                reason: sample.reason,
            })
            .peekable();
        // What has no stack has a row all the same, or the sums would not fit.
        let nowhere = Place {
            function: Names::EMPTY,
            file: Names::EMPTY,
            line: 0,
            reason: sample.reason,
        };
        let innermost = *places.peek().unwrap_or(&nowhere);
        let row = rows.entry(innermost).or_default();
        row.flat = row.flat.saturating_add(value);
        row.count = row.count.saturating_add(sample.count);
        seen.clear();
        for place in places.chain([innermost]) {
            if seen.insert(place) {
                let row = rows.entry(place).or_default();
                row.cum = row.cum.saturating_add(value);
            }
        }
    }
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_unstable_by_key(|&(place, row)| {
        (
            Reverse(row.flat),
            Reverse(row.cum),
            Reverse(row.count),
            place,
        )
    });
    Ok(rows)
}

/// The place as text, on one line whatever is in the trace.
fn describe(profile: &Profile, place: &Place) -> String {
    let mut text = match profile.text(place.function) {
        "" if place.line == 0 => "(no stack)".to_owned(),
        "" => "(unknown)".to_owned(),
        function => function.to_owned(),
    };
    if place.file != Names::EMPTY {
        text += &format!(" {}", profile.text(place.file));
    }
    if place.line != 0 {
        text += &format!(":{}", place.line);
    }
    if let Some(reason) = profile.reason(place.reason) {
        text += &format!(" [{reason}]");
    }
    Line(&text).to_string()
}

/// A time with three or four digits and a unit.
fn duration(ns: u64) -> String {
    let value = ns as f64;
    match ns {
        0..1_000 => format!("{ns}ns"),
        1_000..1_000_000 => format!("{:.2}us", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2}ms", value / 1e6),
        _ => format!("{:.2}s", value / 1e9),
    }
}
