//! `cargo xtask bench`: figures about speed and memory, each beside a peer that
//! was measured in the same run, in turns.
//!
//! `reader` is about reading traces; the others are about writing them, print
//! Markdown, and are what `docs/benchmarks.md` is made of.

mod about;
mod contest;
mod emit;
mod figures;
mod limits;
mod lttng;
mod map;
mod measure;
mod overhead;
mod reader;
mod region;
mod synthetic;

use clap::Subcommand;

use crate::bench::contest::{Contest, Options};
use crate::bench::overhead::Programs;
use crate::error::XtaskError;
use crate::go::Toolchain;

/// What to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// `rtrace check` beside Go's own reader: events per second and memory.
    Reader(reader::Options),
    /// Interning strings and stacks, beside Go's table and Rust's maps.
    Map(Options),
    /// The bump allocator, beside bumpalo and Go's.
    Region(Options),
    /// What an event costs the thread that emits it.
    Emit(Options),
    /// Whole programs in Weft and Go, traced and not.
    Overhead(Options),
    /// How many bytes an event takes in a trace.
    Size(Options),
    /// All of these but the reader.
    All(Options),
    /// Instructions of the hot paths, against recorded limits.
    Limits(limits::Options),
}

/// Runs the command.
///
/// # Errors
///
/// If what is to be measured cannot be built, recorded or run.
pub(crate) fn run(bench: &Bench) -> Result<(), XtaskError> {
    let (options, parts): (_, &[Part]) = match bench {
        Bench::Reader(options) => return reader::run(options),
        Bench::Limits(options) => return limits::run(options),
        Bench::Map(options) => (options, &[Part::Contest(map::run)]),
        Bench::Region(options) => (options, &[Part::Contest(region::run)]),
        Bench::Emit(options) => (options, &[Part::Contest(emit::run)]),
        Bench::Overhead(options) => (options, &[Part::Programs(overhead::overhead)]),
        Bench::Size(options) => (options, &[Part::Programs(overhead::size)]),
        Bench::All(options) => (
            options,
            &[
                Part::Contest(map::run),
                Part::Contest(region::run),
                Part::Contest(emit::run),
                Part::Programs(overhead::overhead),
                Part::Programs(overhead::size),
            ],
        ),
    };
    let toolchain = Toolchain::find()?;
    about::print(&toolchain)?;
    for part in parts {
        match part {
            Part::Contest(run) => run(&mut Contest::new(options, &toolchain)?)?,
            Part::Programs(run) => run(&Programs::new(&toolchain)?, options)?,
        }
    }
    Ok(())
}

/// A part of a report.
enum Part {
    /// Contenders in turns.
    Contest(fn(&mut Contest) -> Result<(), XtaskError>),
    /// Whole programs.
    Programs(fn(&Programs, &Options) -> Result<(), XtaskError>),
}
