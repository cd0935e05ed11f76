//! `rtrace export`.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, ValueEnum};
use trace_tools::ToolError;
use trace_tools::escape::Cells;
use trace_tools::export::{self, Chrome, Exported, Limit, Perfetto, csv};

use crate::cli::sink::Sink;
use crate::cli::{Trace, misused};

/// Write a trace for other viewers
///
/// A timeline has one track for each proc with the tasks that ran on it, system
/// calls and CPU samples; one for each task with its states, and beside it its
/// user regions; user tasks; collections of garbage; counters of the heap, the
/// procs and the tasks by state; and arrows from a wake-up to where the woken
/// task runs. Experimental events are left out. It is written while the trace is
/// read.
///
/// What can be read of a damaged trace is written and complete in itself, with a
/// note on the timeline where it breaks off; the exit status is 1 then.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  rtrace export out.trace --format perfetto -o out.pftrace
  rtrace export out.trace --format chrome | gzip > out.json.gz
  rtrace export out.trace --format csv | sqlite3 :memory: '.import --csv /dev/stdin t' \\
    'select state, sum(duration) from t group by state'

Both timelines open in https://ui.perfetto.dev, which sends them nowhere; Chrome's
also in chrome://tracing, speedscope and others.")]
pub(super) struct Options {
    #[command(flatten)]
    trace: Trace,
    /// The format
    #[arg(long, value_enum)]
    format: Format,
    /// Write to this file, which appears when it is complete and keeps the mode and
    /// the owner of one that it replaces; not through a symbolic link, and not to
    /// a file that is read. `-` is standard output; pipes and devices will do
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// With `--format csv`: make cells harmless to a spreadsheet, which takes one
    /// that begins with =, +, -, @, a tab or a carriage return for a formula and
    /// may run it. Such a cell gets an apostrophe before it. Without this, cells
    /// are exact, as databases want them, and what cannot be seen is escaped only
    /// on a terminal
    #[arg(long)]
    spreadsheet: bool,
    /// How many tasks get tracks of their own: the first N, `all` or `none`;
    /// viewers get slow with very many. What tasks do on procs is written of all
    #[arg(long, value_name = "N", default_value = "10000")]
    tasks: Limit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A timeline as Chrome's JSON, which most viewers read
    Chrome,
    /// A timeline in Perfetto's own format: smaller, and tracks under tracks
    Perfetto,
    /// A table: a row for each stretch of time that a task spent in one state
    Csv,
}

impl Options {
    /// The trace.
    pub(super) fn input(&self) -> &Path {
        &self.trace.path
    }

    /// Where to.
    pub(super) fn output(&self) -> Option<&Path> {
        self.output.as_deref()
    }
}

pub(super) fn run(options: &Options) -> Result<ExitCode, ToolError> {
    if options.format == Format::Perfetto && options.output.is_none() && io::stdout().is_terminal()
    {
        return Ok(misused(
            "export",
            ErrorKind::MissingRequiredArgument,
            "perfetto is binary: name a file with -o, or `-o -` to have it on the terminal",
        ));
    }
    if options.spreadsheet && options.format != Format::Csv {
        return Ok(misused(
            "export",
            ErrorKind::ArgumentConflict,
            "--spreadsheet goes only with --format csv",
        ));
    }
    let mut sink = Sink::open(options.output.as_deref())?;
    let cells = match options.spreadsheet {
        true => Cells::Spreadsheet,
        false if sink.is_terminal() => Cells::Shown,
        false => Cells::Exact,
    };
    let limit = options.tasks;
    let exported = options.trace.stream(|input| match options.format {
        Format::Chrome => export::export(input, limit, &mut Chrome::new(&mut sink)),
        Format::Perfetto => export::export(input, limit, &mut Perfetto::new(&mut sink)),
        Format::Csv => csv::export(input, cells, &mut sink),
    })?;
    sink.finish()?;
    if exported.left_out > 0 && limit != Limit::First(0) {
        let Exported {
            tasks, left_out, ..
        } = exported;
        // There is nobody left to tell if standard error is closed.
        let _ = writeln!(
            io::stderr(),
            "rtrace: {tasks} tasks have tracks of their own, {left_out} have not; \
             --tasks all gives one to each"
        );
    }
    exported.outcome.whole()?;
    Ok(ExitCode::SUCCESS)
}
