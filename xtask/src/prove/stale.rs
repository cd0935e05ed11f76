//! The rows that are not good any more, in the order in which to run them.

use std::fmt::Write;
use std::time::Duration;

use super::Check;
use super::evidence::{Book, Row, State};
use crate::error::XtaskError;

/// Those of the checks that have no good result of today's code: the ones first
/// that took the least time, those last of which nobody knows it.
///
/// # Errors
///
/// If the document or the tree cannot be read.
pub(super) fn of(book: &Book<'_>, checks: &[&Check]) -> Result<Vec<Row>, XtaskError> {
    let mut rows = book.rows()?;
    rows.retain(|row| {
        row.state != State::Holds && checks.iter().any(|it| it.name == row.check.name)
    });
    rows.sort_by_key(|row| (row.time.is_none(), row.time));
    Ok(rows)
}

/// Their checks.
pub(super) fn checks(rows: &[Row]) -> Vec<&'static Check> {
    rows.iter().map(|row| row.check).collect()
}

/// What is to be run, and for how long: in all, and each one's share.
pub(super) fn plan(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "nothing to do: every row has a good result of today's code\n".to_owned();
    }
    let all = total(rows);
    let mut plan = format!("{}\n", in_short(rows));
    for row in rows {
        let (name, state) = (row.check.name, row.state);
        // A string takes everything.
        let _ = match row.time {
            Some(time) => {
                let share = 100.0 * time.as_secs_f64() / all.as_secs_f64().max(1.0);
                let seconds = time.as_secs();
                writeln!(plan, "{seconds:>6} s {share:>5.1} %  {name}: {state}")
            }
            None => writeln!(plan, "{:>6} s {:>5} %  {name}: {state}", "?", "?"),
        };
    }
    plan
}

/// The same in a line; empty if there are none.
pub(super) fn in_short(rows: &[Row]) -> String {
    let (count, minutes) = (rows.len(), total(rows).as_secs().div_ceil(60));
    let unknown = match rows.iter().filter(|row| row.time.is_none()).count() {
        0 => String::new(),
        count => format!(", without {count} of which the time is not known"),
    };
    match count {
        0 => String::new(),
        _ => format!(
            "rows without a good result of today's code: {count}; to run them takes about \
             {minutes} min by their last runs{unknown}"
        ),
    }
}

fn total(rows: &[Row]) -> Duration {
    rows.iter().filter_map(|row| row.time).sum()
}
