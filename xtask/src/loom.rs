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

use std::fmt;
use std::time::Duration;

use clap::Args;

use self::explore::{Bound, Verdict, deepen};
use self::models::{PACKAGES, Place, build, model_files, models};
pub(crate) use self::mutants::run as weaken_all;
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
        true => println!("{}", mutants::run(filter, time)?),
        false => println!("{}", explore_all(filter, time)?),
    }
    Ok(())
}

/// What came of exploring models.
#[derive(Debug, Default)]
pub(crate) struct Explored {
    models: usize,
    /// Those of which nothing is left out.
    exhaustive: usize,
    /// Those that end at the fault that they are about.
    to_a_fault: usize,
    executions: u64,
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            models,
            exhaustive,
            to_a_fault,
            executions,
        } = self;
        let bounded = models - exhaustive - to_a_fault;
        write!(
            f,
            "{models} models, {executions} executions: {exhaustive} exhaustive, {bounded} within a \
             bound of preemptions, {to_a_fault} to the fault that they are about"
        )
    }
}

/// Explores all models whose name contains `filter`, each for so long.
///
/// # Errors
///
/// As [`run`].
pub(crate) fn explore_all(filter: Option<&str>, time: Duration) -> Result<Explored, XtaskError> {
    let place = Place::project();
    let mut programs = Vec::new();
    for package in PACKAGES {
        let files = model_files(&place, package)?;
        if !files.is_empty() {
            programs.extend(build(&place, package, &files)?);
        }
    }
    let mut explored = Explored::default();
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
            explored.models += 1;
            let outcome = deepen(&model, time)?;
            println!("{}", outcome.line(&model.name));
            explored.executions += outcome.executions.unwrap_or(0);
            match outcome.verdict {
                Verdict::Explored { bound, .. } => {
                    explored.exhaustive += usize::from(bound == Bound::None);
                }
                Verdict::Ends => explored.to_a_fault += 1,
                Verdict::Nothing => failed += 1,
                Verdict::Failed(output) => {
                    failed += 1;
                    eprintln!("{output}");
                }
            }
        }
    }
    match (explored.models, failed) {
        (0, _) => Err(XtaskError::NoModels),
        (_, 0) => Ok(explored),
        (_, failed) => Err(XtaskError::Models { failed }),
    }
}
