//! The command line: what can be asked, and who answers.

mod check;
mod color;
mod diff;
mod dump;
mod export;
mod memory;
mod meter;
mod profile;
mod progress;
mod shell;
mod sink;
mod summary;
mod system;
mod unfinished;

use std::borrow::Cow;
use std::env;
use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};
use trace_tools::{ToolError, escape, input};

use crate::cli::meter::Metered;
use crate::cli::progress::Progress;

/// The exit status of a command that was asked for in a wrong way, as clap has
/// it.
const USAGE: u8 = 2;

/// Look at execution traces
///
/// Reads those of runtime-trace and those that Go 1.22 to 1.27 record, also
/// compressed with gzip or zstd, from a file or, named `-`, from standard input.
/// Whatever can be read of a damaged trace is used; the error follows on standard
/// error and the exit status is 1. An output of more than 64 MiB that has more than
/// 100 times the bytes of its trace is warned of there, once, while it is written. It is 2 if a command is used in a wrong way.
#[derive(Debug, Parser)]
#[command(
    name = "rtrace",
    version,
    propagate_version = true,
    after_help = "Examples:
  rtrace check out.trace             is it whole, and what is in it
  rtrace dump out.trace | less       every event, in order
  curl -s $URL | rtrace check -      from standard input"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Take at most so much memory (500M, 2G); half of what there is by default
    ///
    /// What there is is the machine's memory, or less if the control group or the
    /// limit of the address space says so. Where a trace takes more, reading stops
    /// before: what was read is put to use, an error follows and the exit status is
    /// 1. While a table grows there can be half as much again for a moment.
    #[arg(long, global = true, value_name = "SIZE", value_parser = memory::size)]
    max_memory: Option<usize>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Options),
    Dump(dump::Options),
    Export(export::Options),
    Profile(profile::Options),
    Summary(summary::Options),
    Diff(diff::Options),
    Completions(shell::Completions),
    Man(shell::Man),
}

impl Command {
    /// Sees to it that no output goes into a file that is read.
    fn apart(&self) -> Result<(), ToolError> {
        match self {
            Self::Check(options) => sink::apart(None, &[options.input()]),
            Self::Dump(options) => sink::apart(None, &[options.input()]),
            Self::Summary(options) => sink::apart(None, &[options.input()]),
            Self::Export(options) => sink::apart(options.output(), &[options.input()]),
            Self::Profile(options) => sink::apart(options.output(), &[options.input()]),
            Self::Diff(options) => sink::apart(None, &options.inputs()),
            Self::Completions(_) | Self::Man(_) => Ok(()),
        }
    }
}

/// The trace that a command looks at.
#[derive(Args, Debug)]
struct Trace {
    /// The trace, perhaps compressed with gzip or zstd; `-` is standard input
    #[arg(value_name = "FILE")]
    path: PathBuf,
}

impl Trace {
    /// Opens it for `analysis`, which prints nothing to standard output. On a
    /// terminal, a bar shows how far it has been read, and is gone afterwards.
    fn analyse<T>(
        &self,
        analysis: impl FnOnce(input::Bytes) -> Result<T, ToolError>,
    ) -> Result<T, ToolError> {
        let progress = Progress::of(&self.path);
        let read = input::open(&self.path, Metered(progress.watch())).and_then(analysis);
        progress.clear();
        read
    }

    /// Opens it for `printer`, which prints to standard output as it reads. Two
    /// cannot draw on one terminal: there is a bar only if the output goes
    /// elsewhere.
    fn stream<T>(
        &self,
        printer: impl FnOnce(input::Bytes) -> Result<T, ToolError>,
    ) -> Result<T, ToolError> {
        match io::stdout().is_terminal() {
            true => input::open(&self.path, Metered(())).and_then(printer),
            false => self.analyse(printer),
        }
    }

    /// What to call it.
    fn name(&self) -> Cow<'_, str> {
        self.path.to_string_lossy()
    }
}

/// Standard output, buffered and metered. Whoever writes to it flushes it.
struct Stdout(BufWriter<StdoutLock<'static>>);

fn output() -> Stdout {
    Stdout(BufWriter::with_capacity(64 << 10, io::stdout().lock()))
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.0.write(bytes)?;
        meter::written(written);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Says in which way a command was used wrongly, where clap cannot know.
fn misused(command: &str, kind: ErrorKind, message: impl Display) -> ExitCode {
    let mut cli = Cli::command();
    // What is passed on to commands, as their full names, is then there.
    cli.build();
    let command = cli.find_subcommand_mut(command);
    let error = command.map(|command| command.error(kind, message));
    // There is nobody left to tell if standard error is closed.
    let _ = error.map(|error| error.print());
    ExitCode::from(USAGE)
}

/// Says why the arguments cannot be used, or what was asked of clap itself.
///
/// Clap repeats arguments as they are, and they may be files' names. Where one has
/// something that is not shown, all of it is printed without colours.
fn refused(error: &clap::Error) -> ExitCode {
    let hidden = |text: &String| !text.chars().all(escape::is_shown);
    let arguments = env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    let hidden: Vec<_> = arguments.filter(hidden).collect();
    // There is nobody left to tell if standard error is closed.
    let _ = match hidden.is_empty() {
        true => error.print(),
        false => {
            let mut text = error.render().to_string();
            for argument in &hidden {
                text = text.replace(argument, &escape::Line(argument).to_string());
            }
            // What is left: parts of arguments.
            let mut lines = text.lines();
            lines.try_for_each(|line| writeln!(io::stderr(), "{}", escape::Line(line)))
        }
    };
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(USAGE))
}

/// Runs what the arguments ask for.
pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refused(&error),
    };
    memory::bound(cli.max_memory);
    let run = || match &cli.command {
        Command::Check(options) => check::run(options),
        Command::Dump(options) => dump::run(options),
        Command::Export(options) => export::run(options),
        Command::Profile(options) => profile::run(options),
        Command::Summary(options) => summary::run(options),
        Command::Diff(options) => diff::run(options),
        Command::Completions(options) => shell::completions(options),
        Command::Man(options) => shell::man(options),
    };
    let result = cli.command.apart().and_then(|()| run());
    result.unwrap_or_else(|error| {
        // Whoever read the output has seen enough.
        if error.is_closed_pipe() {
            return ExitCode::SUCCESS;
        }
        // There is nobody left to tell if standard error is closed, too.
        let error = error.to_string();
        let _ = writeln!(io::stderr(), "rtrace: {}", escape::Line(&error));
        ExitCode::FAILURE
    })
}
