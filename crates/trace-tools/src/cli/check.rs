//! `rtrace check`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use trace_tools::ToolError;
use trace_tools::check::Check;

use crate::cli::{Trace, color, output};

/// Validate a trace
///
/// Reads all of it as strictly as Go's own reader does and prints one line per
/// finding, then a line that sums it up. The exit status is 0 if the trace is
/// whole and true to the format, otherwise 1. Notes do not count: that the tracer
/// lost events, or that nothing says whether tracing was stopped, so that the trace
/// may have been cut where a generation ends.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  rtrace check out.trace
  rtrace check --json out.trace.zst | jq .by_kind
  curl -s $URL | rtrace check -")]
pub(super) struct Options {
    #[command(flatten)]
    trace: Trace,
    /// Print one JSON object instead
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
    let check = options.trace.analyse(Check::of)?;
    let mut out = output();
    match options.json {
        true => check.print_json(&mut out)?,
        false => check.print(&options.trace.name(), color::paint(), &mut out)?,
    }
    out.flush()?;
    Ok(match check.passed() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
