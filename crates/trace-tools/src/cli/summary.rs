//! `rtrace summary`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use trace_tools::ToolError;
use trace_tools::summary::Summary;

use crate::cli::{Trace, output};

/// Sum a trace up
///
/// Says what is in it, what tasks did for how long, by the function they start
/// with, what procs were used for, how long user tasks, regions and the
/// collector took, and where tasks waited longest: blocked, and to be scheduled.
///
/// A task that was there before the trace is taken to have been in its first
/// known state since the trace began; what goes on when the trace ends counts up
/// to its last event. All percentiles are within 1 part in 64.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  rtrace summary out.trace\n  rtrace summary --top 3 out.trace.gz\n  rtrace summary --json out.trace | jq '.functions[] | {function, ran: .running.total}'"
)]
pub(super) struct Options {
    #[command(flatten)]
    trace: Trace,
    /// Show at most so many functions, names and stacks; with --json, stacks only
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
    /// Print one JSON object instead, durations in nanoseconds
    #[arg(long)]
    json: bool,
}

impl Options {
    /// The trace.
    pub(super) fn input(&self) -> &Path {
        &self.trace.path
    }
}

pub(super) fn run(options: &Options) -> Result<ExitCode, ToolError> {
    let summary = options.trace.analyse(Summary::of)?;
    let mut out = output();
    match options.json {
        true => summary.print_json(options.top, &mut out)?,
        false => summary.print(options.top, &mut out)?,
    }
    out.flush()?;
    summary.outcome.whole()?;
    Ok(ExitCode::SUCCESS)
}
