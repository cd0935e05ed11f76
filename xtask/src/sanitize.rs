//! `cargo xtask sanitize`: programs under tools that look for misused memory and
//! for data races.
//!
//! # What each tool sees
//!
//! | tool | looks at | sees | does not see |
//! | --- | --- | --- | --- |
//! | address | crowd, tests | the tracer, the simulator, the VM: reads and writes outside of what is allocated, or after it was freed; in the crowd: leaks | `core` and `std` themselves, which come compiled, but for what is inlined |
//! | thread | crowd, tests | two accesses of which one writes, at least one is not atomic, and nothing orders them; locks in two orders; threads that nobody joins | fences, and orders that `std` makes (below) |
//! | memcheck | crowd | all code: as address, and bytes that are used or written out before they were written | overruns that end in another allocation |
//! | helgrind, drd | crowd | the embedder's data and locks, misused pthread calls; helgrind: locks in two orders | anything ordered by atomics: `xtask/sanitize/valgrind.supp` |
//!
//! The *crowd* is a program of `runtime-trace/no-std-embedder`. There is no `std`
//! in it, and all of its code but `core` and the C library is compiled for the
//! tool, so nothing needs to be suppressed for ThreadSanitizer. Every trace that
//! it writes is read and checked.
//!
//! The tracer's memory is mapped, and around a mapping there is nothing that a
//! tool could watch. So for those that look at memory it comes from the heap
//! (`--cfg heap_pages`, see `runtime-trace/src/sys/heap.rs`), block by block. An
//! overrun within a block stays unseen. A fork's child finds tracing on then, and
//! tests that refuse mappings are without effect: neither are run.
//!
//! # ThreadSanitizer and fences
//!
//! It takes a `fence` for nothing. Orders that rest on fences alone would be
//! reported, but there are none: what the handshake of `thread.rs` publishes, it
//! publishes by a release of `writing` too, and its fences are there for a store
//! before a load, which is about values and not about data races. So nothing is
//! reported wrongly, and that a fence is missing would not be noticed: the models
//! see to that (`cargo xtask loom --mutants`).
//!
//! # ThreadSanitizer and a `std` that is not compiled for it
//!
//! It sees the atomics that are inlined into our code, and what the C library is
//! asked for: threads are started and joined, memory is allocated. It misses
//! a lock that had to be waited for, a condition variable, a channel that blocked,
//! and the end of `thread::scope` (unless each thread was joined by hand). Tests
//! in which something else depends on those are left out, since all that they do
//! would be reported: see `suites.rs`. Of the rest `xtask/sanitize/tsan.supp`
//! says what is suppressed, and why.

mod crowd;
mod planted;
mod suites;
mod tool;

use std::fmt;
use std::time::{Duration, Instant};

use clap::Args;

use self::crowd::Crowd;
use self::suites::Tests;
pub(crate) use self::tool::Tool;
use crate::error::XtaskError;

/// What to run, and under which tools.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The tools; all that can run here if there is none.
    #[arg(value_enum)]
    pub(crate) tools: Vec<Tool>,
    /// How long each tool watches the crowd at least, seconds.
    #[arg(long, default_value_t = 20)]
    pub(crate) seconds: u64,
    /// Only the crowd, and not the tests.
    #[arg(long)]
    pub(crate) crowd: bool,
    /// Plant defects in a copy of the tracer, and see whether the tools notice.
    #[arg(long)]
    pub(crate) planted: bool,
}

/// What a tool was shown without finding anything.
#[derive(Debug)]
pub(crate) struct Ran {
    tool: Tool,
    crowd: Crowd,
    tests: Tests,
    /// Defects that were planted, all of which it noticed.
    planted: usize,
    time: Duration,
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<9} crowd: {}", self.tool.name(), self.crowd)?;
        if self.tests.programs > 0 {
            write!(f, "; {}", self.tests)?;
        }
        if self.planted > 0 {
            write!(f, "; noticed {} planted defects, all", self.planted)?;
        }
        write!(f, "; findings: 0; {:.0} s", self.time.as_secs_f64())
    }
}

/// Runs the command: prints a line for each tool and returns what they say.
///
/// # Errors
///
/// If a tool found something, did not find what was planted, was asked for and
/// cannot run here, or none can.
pub(crate) fn run(options: &Options) -> Result<Vec<Ran>, XtaskError> {
    let wanted = match options.tools.as_slice() {
        [] => Tool::ALL,
        tools => tools,
    };
    let mut ran = Vec::new();
    let mut findings = 0;
    let mut absent = None;
    for &tool in wanted {
        if let Err(reason) = tool.find() {
            println!("{:<9} NOT RUN: {reason}", tool.name());
            absent = Some((tool, reason));
            continue;
        }
        match run_tool(tool, options)? {
            Ok(result) => {
                println!("{result}");
                ran.push(result);
            }
            Err(Found(found)) => {
                println!("{:<9} findings: {found}", tool.name());
                findings += found;
            }
        }
    }
    match (findings, absent) {
        (1.., _) => Err(XtaskError::Findings { findings }),
        // Whoever names a tool wants it to run.
        (0, Some((tool, reason))) if ran.is_empty() || !options.tools.is_empty() => {
            Err(XtaskError::NoTool {
                tool: tool.name(),
                reason,
            })
        }
        (0, _) => Ok(ran),
    }
}

/// How often something was found.
struct Found(usize);

fn run_tool(tool: Tool, options: &Options) -> Result<Result<Ran, Found>, XtaskError> {
    let begin = Instant::now();
    let mut findings = 0;
    let crowd = crowd::run(tool, Duration::from_secs(options.seconds), &mut findings)?;
    let tests = match options.crowd {
        true => Tests::default(),
        false => suites::run(tool, &mut findings)?,
    };
    let planted = match options.planted {
        true => planted::run(tool, &mut findings)?,
        false => 0,
    };
    let time = begin.elapsed();
    Ok(match findings {
        0 => Ok(Ran {
            tool,
            crowd,
            tests,
            planted,
            time,
        }),
        findings => Err(Found(findings)),
    })
}
