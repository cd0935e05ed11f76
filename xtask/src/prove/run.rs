//! Running checks one after the other, and writing down what came of each.

use std::time::Instant;

use super::Check;
use super::evidence::{self, Book, Outcome, Run};
use crate::error::XtaskError;

/// Runs the checks, each to its end and into its row, also behind one that failed:
/// whatever cuts it short finds the rows so far in the document.
///
/// # Errors
///
/// [`XtaskError::Unproven`] if a check failed, or why the document cannot be
/// written.
pub(super) fn run(book: &Book<'_>, checks: &[&'static Check]) -> Result<(), XtaskError> {
    let mut failed = Vec::new();
    for check in checks {
        println!("\n== {}: {}", check.name, check.claim);
        // What the check covers is asked before it runs: what changes meanwhile
        // may or may not have been in it.
        let (begin, commit) = (Instant::now(), evidence::commit()?);
        let code = book.code_of(check)?;
        let outcome = match check.run() {
            Ok(figures) => Outcome::Passed(figures),
            // Which says nothing of the claim: the row stays.
            Err(error) if error.is_of_this_machine() => {
                eprintln!("{}: {error}", check.name);
                failed.push(check.name);
                continue;
            }
            Err(error) => {
                eprintln!("{}: {error}", check.name);
                failed.push(check.name);
                Outcome::Failed(error.to_string())
            }
        };
        let run = Run {
            outcome,
            commit,
            date: evidence::today()?,
            time: begin.elapsed(),
            code,
        };
        println!("{}: {run}", check.name);
        book.record(check, &run)?;
        if book.code_of(check)? != code {
            println!("{}: its code has changed while it ran", check.name);
        }
    }
    ended(failed)
}

/// The end of a run, with the names of the checks that failed.
pub(super) fn ended(failed: Vec<&'static str>) -> Result<(), XtaskError> {
    match failed.is_empty() {
        true => Ok(()),
        false => Err(XtaskError::Unproven { checks: failed }),
    }
}
