//! `rtrace profile`.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, ValueEnum};
use trace_tools::ToolError;
use trace_tools::escape::Line;
use trace_tools::profile::{self, Profile, What, folded, pprof, svg, text};

use crate::cli::sink::Sink;
use crate::cli::{Trace, misused};

/// Show where time went, by stack
///
/// What Go's own tool has a profile for is counted as it counts, to the
/// nanosecond. What has not ended when the trace does is left out, and so is
/// what was before a task first ran.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  rtrace profile out.trace --kind sched
  rtrace profile out.trace --kind block --all-reasons --format svg -o blocked.svg
  rtrace profile out.trace --kind syscall --format pprof -o calls.pb.gz
  go tool pprof -http=: calls.pb.gz
  rtrace profile out.trace --kind running --format folded | inferno-flamegraph > running.svg")]
pub(super) struct Options {
    #[command(flatten)]
    trace: Trace,
    /// What to count
    #[arg(long, value_enum)]
    kind: KindName,
    /// How to write it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write to this file, which appears when it is complete and keeps the mode and
    /// the owner of one that it replaces; not through a symbolic link, and not to
    /// a file that is read. `-` is standard output; pipes and devices will do
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// With `--kind block`: count blocking for whatever reason, by reason (the
    /// label `reason` in pprof, the last frame in folded and svg)
    #[arg(long)]
    all_reasons: bool,
    /// Count also what was before a task first ran, such as the wait for that,
    /// which Go's tool leaves out
    #[arg(long)]
    from_creation: bool,
    /// How many places the text shows
    #[arg(long, value_name = "N", default_value_t = 30)]
    top: usize,
}

/// The kinds' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum KindName {
    /// Time from being made ready to running, by the stack of whoever made the
    /// task ready
    Sched,
    /// Time blocked on channels, locks and selects, by the task's stack
    #[value(alias = "sync")]
    Block,
    /// Time blocked on the network, by the task's stack
    Net,
    /// Time in system calls, by the task's stack
    Syscall,
    /// CPU samples, counted by stack; their period is not in a trace
    Cpu,
    /// Time running, by the stack where it ended, since a trace has stacks only
    /// where a task's state changes; what ends with the task or the trace goes
    /// to the function that the task started with
    Running,
}

impl KindName {
    fn what(self) -> What {
        match self {
            Self::Sched => What::Sched,
            Self::Block => What::Block,
            Self::Net => What::Net,
            Self::Syscall => What::Syscall,
            Self::Cpu => What::Cpu,
            Self::Running => What::Running,
        }
    }
}

/// How a profile is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// A table
    Text,
    /// Stacks by name, one a line, for speedscope, inferno and others
    Folded,
    /// What `go tool pprof` reads
    Pprof,
    /// A flame graph
    Svg,
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
    if options.all_reasons && options.kind != KindName::Block {
        return Ok(misused(
            "profile",
            ErrorKind::ArgumentConflict,
            "--all-reasons goes only with --kind block",
        ));
    }
    if matches!(options.format, Format::Pprof)
        && options.output.is_none()
        && io::stdout().is_terminal()
    {
        return Ok(misused(
            "profile",
            ErrorKind::MissingRequiredArgument,
            "pprof is binary: name a file with -o, or `-o -` to have it on the terminal",
        ));
    }
    let wanted = profile::Options {
        what: options.kind.what(),
        all_reasons: options.all_reasons,
        from_creation: options.from_creation,
    };
    let mut sink = Sink::open(options.output.as_deref())?;
    let read = |input| Profile::of(input, wanted);
    let (profile, outcome) = options.trace.analyse(read)?;
    let name = options.trace.name();
    match options.format {
        Format::Text => text::write(&profile, options.top, &mut sink),
        Format::Folded => folded::write(&profile, &mut sink),
        Format::Pprof => pprof::write(&profile, &mut sink),
        Format::Svg => svg::write(&profile, &name, &mut sink),
    }?;
    sink.finish()?;
    if profile.samples.is_empty() {
        // There is nobody left to tell if standard error is closed.
        let _ = writeln!(
            io::stderr(),
            "rtrace: there are no {} in {}",
            wanted.what.plural(),
            Line(&name)
        );
    }
    outcome.whole()?;
    Ok(ExitCode::SUCCESS)
}
