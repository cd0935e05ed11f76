//! `rtrace diff`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use clap::error::ErrorKind;
use trace_tools::diff::{Diff, Side};
use trace_tools::escape::Line;
use trace_tools::{ToolError, input};

use crate::cli::{Trace, misused, output};

/// Tell what changed between two traces
///
/// Compares what tasks did for how long, by the function they start with and by
/// stack (two stacks are the same if their functions are, whatever their lines):
/// how many there are, running, waiting to run, blocked by reason, in system
/// calls. The largest changes come first.
///
/// Time blocked and in system calls goes to the stack where that began, running
/// to where it ended, and waiting to run to where whoever made the task ready
/// was.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  rtrace diff before.trace after.trace\n  rtrace diff --top 3 --min-change 10 before.trace after.trace.zst\n  rtrace diff --json A B | jq '.functions[] | select(.changes[].measure == \"runnable\")'"
)]
pub(super) struct Options {
    /// The trace from before; `-` is standard input
    #[arg(value_name = "A")]
    before: PathBuf,
    /// The trace from after; `-` is standard input
    #[arg(value_name = "B")]
    after: PathBuf,
    /// Show at most so many functions and so many stacks
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
    /// Leave out what changes by less than so many percent of its larger value
    #[arg(long, value_name = "PERCENT", default_value_t = 1.0, value_parser = percent)]
    min_change: f64,
    /// Compare all of both traces even if one is longer
    ///
    /// If their lengths differ by more than --min-change, what happens in an
    /// average second is compared otherwise.
    #[arg(long)]
    absolute: bool,
    /// Print one JSON object instead, times in nanoseconds
    #[arg(long)]
    json: bool,
}

fn percent(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err("it has to be a number from 0 to 100".to_owned()),
    }
}

impl Options {
    /// Both traces.
    pub(super) fn inputs(&self) -> [&Path; 2] {
        [&self.before, &self.after]
    }
}

pub(super) fn run(options: &Options) -> Result<ExitCode, ToolError> {
    let stdin = Path::new(input::STDIN);
    if options.before == stdin && options.after == stdin {
        let message = "only one of the traces can come from standard input";
        return Ok(misused("diff", ErrorKind::ArgumentConflict, message));
    }
    let before = side(&options.before)?;
    let after = side(&options.after)?;
    let diff = Diff::of(before, after, options.min_change, options.absolute);
    let mut out = output();
    match options.json {
        true => diff.print_json(options.top, &mut out)?,
        false => diff.print(options.top, &mut out)?,
    }
    out.flush()?;

    let whole = |side: Side, path| side.outcome.whole().map_err(|error| error.of(path));
    let before = whole(diff.before, &options.before);
    let after = whole(diff.after, &options.after);
    if let (Err(error), Err(_)) = (&before, &after) {
        // There is nobody left to tell if standard error is closed.
        let error = error.to_string();
        let _ = writeln!(io::stderr(), "rtrace: {}", Line(&error));
    }
    after.and(before)?;
    Ok(ExitCode::SUCCESS)
}

fn side(path: &Path) -> Result<Side, ToolError> {
    let trace = Trace {
        path: path.to_path_buf(),
    };
    trace.analyse(Side::of).map_err(|error| error.of(path))
}
