//! `cargo xtask loom`: runs the models of the tracer's and the scheduler's
//! concurrent parts, and asks whether they would notice a weaker ordering.
//!
//! Models are the tests in `runtime-trace/tests/loom_*.rs` and
//! `vm/tests/loom_*.rs`. They are built with `--cfg loom`, in a target folder of
//! their own, and run one a process, so that each can be timed and one that
//! fails does not hide the others.
//!
//! How much there is to explore is seldom known beforehand. So a model is
//! explored again and again, each time with more preemptions allowed, until
//! nothing is left out or its time is over; what counts is the last exploration
//! that came to its end.

mod explore;
mod models;
mod mutants;
mod sites;

use std::time::Duration;

use clap::Args;

use self::explore::{Verdict, deepen};
use self::models::{PACKAGES, Place, build, model_files, models};
use crate::error::XtaskError;

/// What to explore.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Only the models whose name contains this; with `--mutants` only the
    /// orderings whose file, line and function do.
    filter: Option<String>,
    /// Weaken every ordering in runtime-trace, one at a time, and see whether a
    /// model notices.
    #[arg(long)]
    mutants: bool,
    /// How long a model may take, seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

/// Runs the command.
///
/// # Errors
///
/// If a model fails, none has such a name, or they do not build; with
/// `--mutants` if an ordering has neither a model nor a reason.
pub(crate) fn run(options: &Options) -> Result<(), XtaskError> {
    let filter = options.filter.as_deref();
    let time = Duration::from_secs(options.seconds);
    match options.mutants {
        true => mutants::run(filter, time),
        false => run_models(filter, time),
    }
}

fn run_models(filter: Option<&str>, time: Duration) -> Result<(), XtaskError> {
    let place = Place::project();
    let mut programs = Vec::new();
    for package in PACKAGES {
        let files = model_files(&place, package)?;
        if !files.is_empty() {
            programs.extend(build(&place, package, &files)?);
        }
    }
    let mut ran = 0;
    let mut failed = 0;
    println!(
        "{:<52} {:>12} {:>10}  explored",
        "model", "executions", "time"
    );
    for (file, program) in programs {
        for model in models(&file, &program)? {
            if filter.is_some_and(|part| !model.name.contains(part)) {
                continue;
            }
            ran += 1;
            let outcome = deepen(&model, time)?;
            println!("{}", outcome.line(&model.name));
            match outcome.verdict {
                Verdict::Explored { .. } | Verdict::Ends => {}
                Verdict::Nothing => failed += 1,
                Verdict::Failed(output) => {
                    failed += 1;
                    eprintln!("{output}");
                }
            }
        }
    }
    match (ran, failed) {
        (0, _) => Err(XtaskError::NoModels),
        (_, 0) => Ok(()),
        (_, failed) => Err(XtaskError::Models { failed }),
    }
}
