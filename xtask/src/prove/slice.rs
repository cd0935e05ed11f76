//! The slice that the gate runs: what changed, as far as there is time.

use std::time::{Duration, Instant};

use super::evidence::{Book, Row};
use super::named::Named;
use super::run::ended;
use super::{Check, Figures, Proof, Slice, named, stale};
use crate::error::XtaskError;

/// How long checks may take by their last runs that are run in full since their
/// code has changed. The slices of all checks take about as long once more, and
/// the gate with both stays below 40 minutes on two slow cores.
const TIME: Duration = Duration::from_secs(300);

/// What is done of a check.
pub(super) enum Part {
    /// All of it: its code has changed.
    All,
    /// Its slice.
    Slice(fn() -> Figures),
    /// Its property tests, with fewer cases.
    Fewer(Vec<Named>),
    /// Nothing, for this reason.
    Nothing(&'static str),
}

/// Runs a part of each check, those first whose code has changed since they were
/// run, and says at the end which rows stay stale. The document stays as it is.
///
/// # Errors
///
/// [`XtaskError::Unproven`] if a check failed, or why the document cannot be read.
pub(super) fn run(book: &Book<'_>, checks: &[&'static Check]) -> Result<(), XtaskError> {
    let stale = stale::of(book, checks)?;
    let mut failed = Vec::new();
    let mut in_full = Duration::ZERO;
    for (check, part) in parts(&stale, checks) {
        println!("\n== {}: {}", check.name, check.claim);
        let is_all = matches!(part, Part::All);
        // They may take longer than they did: here nothing may be built yet.
        if is_all && in_full >= TIME {
            println!("left out: there is no time left");
            continue;
        }
        let begin = Instant::now();
        let (what, figures) = match part {
            Part::All => ("all of it", check.run()),
            Part::Slice(slice) => ("a slice", slice()),
            Part::Fewer(named) => ("fewer cases", named::run(&named)),
            Part::Nothing(why) => {
                println!("left out: {why}");
                continue;
            }
        };
        if is_all {
            in_full += begin.elapsed();
        }
        let seconds = begin.elapsed().as_secs_f64().ceil();
        match figures {
            Ok(figures) => println!("{}: ok, {what}, {seconds} s: {figures}", check.name),
            Err(error) => {
                eprintln!("{}: {error}", check.name);
                failed.push(check.name);
            }
        }
    }
    println!("\n{}", stale::plan(&stale));
    ended(failed)
}

/// What is done of each check, those first that are stale, the quickest first.
pub(super) fn parts(stale: &[Row], checks: &[&'static Check]) -> Vec<(&'static Check, Part)> {
    let mut left = TIME;
    let is_stale = |check: &Check| stale.iter().any(|row| row.check.name == check.name);
    let first = stale.iter().map(|row| {
        let part = match (part(row.check), row.time) {
            (Part::Nothing(_), Some(time)) if needs_nothing(row.check) && time <= left => {
                left -= time;
                Part::All
            }
            (part, _) => part,
        };
        (row.check, part)
    });
    let first: Vec<_> = first.collect();
    let others = checks.iter().filter(|check| !is_stale(check));
    let others = others.map(|check| (*check, part(check)));
    first.into_iter().chain(others).collect()
}

/// What is done of a check whose code has not changed.
fn part(check: &Check) -> Part {
    match &check.proof {
        Proof::Tests(tests) => {
            let fewer: Vec<_> = tests.iter().filter_map(Named::slice).collect();
            match fewer.is_empty() {
                true => Part::Nothing("`cargo xtask test` has its tests"),
                false => Part::Fewer(fewer),
            }
        }
        Proof::Here { slice, .. } => match slice {
            Slice::Run(slice) => Part::Slice(*slice),
            Slice::Nothing(why) => Part::Nothing(why),
        },
    }
}

/// Whether all of it can be run with nothing but Rust.
fn needs_nothing(check: &Check) -> bool {
    matches!(check.proof, Proof::Tests(_))
}
