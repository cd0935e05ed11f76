//! The project's chores, run as `cargo xtask COMMAND`.
//!
//! One file a command. Whatever they build or download goes under `target/`;
//! nothing outside the project's folder is touched.

#![forbid(unsafe_code)]

mod bench;
mod corpus;
mod dump;
mod error;
mod fuzz;
mod go;
mod go_check;
mod loom;
mod parsed_check;
mod process;
mod profile_check;
mod prove;
mod read_check;
mod root;
mod sanitize;
mod scratch;
mod test;
mod tidy;

#[cfg(test)]
#[path = "../../crates/trace-read/tests/support/mod.rs"]
mod support;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::error::XtaskError;

/// The project's chores.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run every test that needs nothing but Rust.
    Test {
        /// Then have Go's reader judge every trace that the tests recorded.
        #[arg(long)]
        go: bool,
    },
    /// Print a trace: what is in it, every event, or every raw event.
    Dump {
        /// The trace.
        file: PathBuf,
        /// What to print.
        #[arg(long, value_enum, default_value_t = DumpMode::Summary)]
        mode: DumpMode,
    },
    /// Judge traces by Go's own tools.
    GoCheck(go_check::Options),
    /// Read the test data of Go's reader, and compare what we make of it.
    Corpus,
    /// Measure speed and memory beside peers.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Compare what our reader makes of traces with what Go's makes of them.
    ReadCheck {
        /// The traces; recordings of Go programs made for it if there are none.
        files: Vec<PathBuf>,
    },
    /// Explore the concurrent parts with loom.
    Loom(loom::Options),
    /// Fuzz what must stand any input.
    Fuzz(fuzz::Options),
    /// Run the long checks, and write what came of them into docs/evidence.md.
    Prove(prove::Options),
    /// Run programs under tools that look for misused memory and data races.
    Sanitize(sanitize::Options),
    /// Check that the tree is as its documents say, and mark the evidence that is
    /// stale.
    Tidy {
        /// Mark nothing: a mark that is not true is a finding.
        #[arg(long)]
        check: bool,
    },
}

/// What `dump` prints.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum DumpMode {
    /// Every raw event with its arguments by name, one a line.
    Wire,
    /// Every event after they are ordered, as `go tool trace -d=parsed` has them.
    Parsed,
    /// What is in it, and what took how long.
    Summary,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), XtaskError> {
    match command {
        Command::Test { go } => test::run(go),
        Command::Dump { file, mode } => dump::run(&file, mode),
        Command::GoCheck(options) => go_check::run(&options),
        Command::Corpus => corpus::run(&go::Toolchain::find()?),
        Command::Bench(bench) => bench::run(&bench),
        Command::ReadCheck { files } => read_check::run(&files),
        Command::Loom(options) => loom::run(&options),
        Command::Fuzz(options) => fuzz::run(&options).map(drop),
        Command::Prove(options) => prove::run(&options),
        Command::Sanitize(options) => sanitize::run(&options).map(drop),
        Command::Tidy { check } => tidy::run(check),
    }
}
