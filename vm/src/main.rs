//! The command line: `weft run`, `weft check`, `weft disasm`.
//!
//! Statuses: 0 if all went well, 1 for errors in or of the program, 2 for a
//! deadlock, 64 for a command line that cannot be carried out, 129, 130 and 143 if
//! SIGHUP, Ctrl-C or SIGTERM has stopped the program.

#![deny(unsafe_code)]

#[allow(unsafe_code, reason = "it asks the system what there is")]
mod limits;
#[allow(unsafe_code, reason = "it asks the system about what it opens")]
mod opened;
#[allow(unsafe_code, reason = "it waits for a stream by the system's means")]
mod outlet;
#[allow(unsafe_code, reason = "handlers of signals")]
mod signals;
mod size;
mod timed;
mod trace_files;

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};
use vm::{DEFAULT_TRACE_MEMORY, End, MAX_WORKERS, Options, TraceOptions, TraceVersion, VmError};
use weft::{MAX_SOURCE, Program};

use outlet::Outlet;
use timed::Part;

/// The Weft language: concurrent programs whose every step can be traced.
#[derive(Parser)]
#[command(name = "weft", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a program
    Run(Run),
    /// Report a program's errors, and run nothing
    Check {
        /// The program
        file: PathBuf,
    },
    /// Print a program's instructions
    Disasm {
        /// The program
        file: PathBuf,
    },
}

#[derive(Args)]
struct Run {
    /// The program
    file: PathBuf,
    /// Record a trace, for `go tool trace`, into this file, which only its owner
    /// can read and which must be new, empty or a trace; or into a pipe or a
    /// device, such as /dev/stdout. If the trace's memory runs out, it goes on
    /// later in other files, named with .2, .3 and so on before the extension
    #[arg(long, value_name = "OUT")]
    trace: Option<PathBuf>,
    /// How many tasks run at the same time [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_WORKERS)))]
    workers: Option<u32>,
    /// The version of the trace's format
    #[arg(long, value_name = "VERSION", default_value = "1.26")]
    trace_version: Format,
    /// How long a generation of the trace lasts, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    trace_period: u64,
    /// How much memory the trace may use: bytes, or a number of KiB, MiB or GiB;
    /// 1MiB at least [default: 256MiB, or an eighth of a limited address space]
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    trace_memory: Option<usize>,
    /// Begin the trace so long after the program's start, in milliseconds; if
    /// the program has ended by then, there is no trace and no file
    #[arg(long, value_name = "MS", requires = "trace")]
    trace_after: Option<u64>,
    /// End the trace so long after it began, in milliseconds, if the program
    /// has not ended by then
    #[arg(long, value_name = "MS", requires = "trace", value_parser = clap::value_parser!(u64).range(1..))]
    trace_for: Option<u64>,
    /// What the program gets from `args()`; from here on nothing is an option of ours
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

// The help says so.
const _: () = assert!(DEFAULT_TRACE_MEMORY == 256 << 20);

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    #[value(name = "1.25")]
    Go125,
    #[value(name = "1.26")]
    Go126,
}

/// The command cannot be carried out as it was given (`EX_USAGE`).
const STATUS_USAGE: u8 = 64;

/// The program is wrong.
const STATUS_PROGRAM: u8 = 1;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let asked = matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            );
            // There is nowhere left to complain to.
            let _ = error.print();
            return if asked {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(STATUS_USAGE)
            };
        }
    };
    let result = match cli.command {
        Command::Run(options) => run(options),
        Command::Check { file } => compile(&file).map(|_| 0),
        Command::Disasm { file } => compile(&file).map(|program| disassemble(&program)),
    };
    ExitCode::from(result.unwrap_or_else(|status| status))
}

/// The program in a file; or a status, with all said that is to be said.
fn compile(file: &Path) -> Result<Program, u8> {
    let name = trace_files::shown(file);
    let source = read(file).map_err(|error| usage(&format!("cannot read {name}: {error}")))?;
    weft::compile(&name, &source).map_err(|errors| {
        complain(&errors.to_string());
        STATUS_PROGRAM
    })
}

/// The text of a program. Of what is too long for one, as a device without an
/// end, there is enough for the compiler to say so.
fn read(file: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    let most = MAX_SOURCE as u64 + 1;
    File::open(file)?.take(most).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_SOURCE {
        // The last character may be cut.
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        io::Error::other(format!("it is no UTF-8 at byte {at}"))
    })
}

fn disassemble(program: &Program) -> u8 {
    match write!(io::stdout().lock(), "{}", program.disassemble()) {
        Ok(()) => 0,
        Err(error) => match error.kind() {
            io::ErrorKind::BrokenPipe => End::OutputClosed.status(),
            _ => {
                complain(&End::OutputFailed(error).to_string());
                STATUS_PROGRAM
            }
        },
    }
}

fn run(run: Run) -> Result<u8, u8> {
    limits::adapt();
    if run.trace.is_some() {
        vm::prepare_trace();
    }
    let program = compile(&run.file)?;
    let mut named = None;
    let trace = match &run.trace {
        None => None,
        Some(path) => {
            let opened = opened::open(path).map_err(|why| {
                let name = trace_files::shown(path);
                usage(&format!("cannot write the trace to {name}: {why}"))
            })?;
            named = opened.named;
            let version = match run.trace_version {
                Format::Go125 => TraceVersion::Go125,
                Format::Go126 => TraceVersion::Go126,
            };
            Some(TraceOptions {
                next_file: trace_files::next(path, &opened),
                version,
                period: Duration::from_millis(run.trace_period),
                memory_limit: run.trace_memory.unwrap_or_else(limits::trace_memory),
                ..TraceOptions::new(opened.file)
            })
        }
    };
    let options = Options {
        workers: run.workers.unwrap_or_else(cores),
        args: run.args,
        trace: None,
        control: None,
        flush_lines: io::stdout().is_terminal(),
        interrupt: Some(&signals::INTERRUPT),
    };
    if let Err(error) = signals::catch() {
        complain(&format!("warning: cannot catch signals: {error}\n"));
    }
    let part = Part {
        after: Duration::from_millis(run.trace_after.unwrap_or(0)),
        length: run.trace_for.map(Duration::from_millis),
    };
    let (end, traced) = outlet::stdout(&signals::INTERRUPT)
        .map_err(VmError::Thread)
        .and_then(|mut stdout| {
            part.record(trace, options, |options| {
                vm::run(&program, options, &mut stdout)
            })
        })
        .map_err(|error| {
            complain(&format!("error: {error}\n"));
            if let Some(path) = &run.trace {
                complain(&trace_files::discard(path, named));
            }
            STATUS_PROGRAM
        })?;
    complain(&end.to_string());
    if let (Some(traced), Some(path)) = (traced, &run.trace) {
        complain(&trace_files::close(path, named, &traced));
    }
    Ok(end.status())
}

/// As many workers as there are cores, as far as the system tells.
fn cores() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    u32::try_from(cores)
        .unwrap_or(MAX_WORKERS)
        .clamp(1, MAX_WORKERS)
}

fn usage(message: &str) -> u8 {
    complain(&format!("error: {message}\n"));
    STATUS_USAGE
}

/// Writes to stderr; if even that is closed or stuck, nobody wants to know.
fn complain(message: &str) {
    if message.is_empty() {
        return;
    }
    let _ = match Outlet::new(io::stderr(), io::stderr(), &signals::INTERRUPT) {
        Ok(mut stderr) => stderr.write_all(message.as_bytes()),
        Err(_) => io::stderr().write_all(message.as_bytes()),
    };
}
