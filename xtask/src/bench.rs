//! `cargo xtask bench`: figures about speed and memory, each beside a peer that
//! was measured in the same run, in turns.

mod figures;
mod measure;
mod reader;
mod synthetic;

use clap::Subcommand;

use crate::error::XtaskError;

/// What to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// `rtrace check` beside Go's own reader: events per second and memory.
    Reader(reader::Options),
}

/// Runs the command.
///
/// # Errors
///
/// If what is to be measured cannot be built, recorded or run.
pub(crate) fn run(bench: &Bench) -> Result<(), XtaskError> {
    match bench {
        Bench::Reader(options) => reader::run(options),
    }
}
