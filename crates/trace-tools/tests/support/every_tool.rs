//! Every tool ends, whatever the trace: what `fuzz/` runs with made-up bytes and
//! `tests/fuzzed.rs` with a fixed choice.

use std::io::{Cursor, sink};

use trace_tools::check::Check;
use trace_tools::diff::{Diff, Side};
use trace_tools::dump::{self, Filter, Form};
use trace_tools::escape::Cells;
use trace_tools::export::{self, Chrome, Limit, Perfetto};
use trace_tools::input::Bytes;
use trace_tools::paint::Paint;
use trace_tools::profile::{self, Profile, What, folded, pprof, svg, text};
use trace_tools::summary::Summary;
use trace_tools::{ToolError, input};

#[path = "../../../trace-read/tests/support/made.rs"]
mod made;

/// Runs a tool on a trace. The first byte says which, and whether what follows is
/// the trace or choices that one is made of.
pub fn tools(bytes: &[u8]) {
    let Some((&tool, bytes)) = bytes.split_first() else {
        return;
    };
    let trace = match tool & 0x80 {
        0 => bytes.to_vec(),
        _ => made::trace(bytes).bytes,
    };
    // What is wrong with the trace is an error, and no more than that.
    let _ = run(tool & 0x7f, trace);
}

const KINDS: [What; 6] = [
    What::Sched,
    What::Block,
    What::Net,
    What::Syscall,
    What::Running,
    What::Cpu,
];

/// Runs a tool on a trace.
pub fn run(tool: u8, trace: Vec<u8>) -> Result<(), ToolError> {
    let bytes = || Box::new(Cursor::new(trace.clone())) as Bytes;
    let mut out = Vec::new();
    match tool % 16 {
        0 => {
            let check = Check::of(bytes())?;
            check.print("fuzz", Paint::new(true), &mut out)?;
            check.print_json(&mut out)?;
        }
        1 => {
            let summary = Summary::of(bytes())?;
            summary.print(10, &mut out)?;
            summary.print_json(10, &mut out)?;
        }
        2 => dump::wire(bytes(), &mut out, Form::Text, None)?,
        3 => dump::wire(bytes(), &mut out, Form::Json, None)?,
        4 => dump::parsed(bytes(), &mut out, Form::Text, &Filter::default())?,
        5 => dump::parsed(bytes(), &mut out, Form::Json, &Filter::default())?,
        6 => {
            let limit = match tool / 16 {
                0 => Limit::First(0),
                1 => Limit::First(2),
                _ => Limit::All,
            };
            export::export(bytes(), limit, &mut Chrome::new(&mut out))?;
        }
        7 => {
            export::export(bytes(), Limit::All, &mut Perfetto::new(&mut out))?;
        }
        8 => {
            export::csv::export(bytes(), Cells::Exact, &mut out)?;
        }
        9 => {
            let sides = (Side::of(bytes())?, Side::of(bytes())?);
            let diff = Diff::of(sides.0, sides.1, 0.0, (tool / 16).is_multiple_of(2));
            diff.print(10, &mut out)?;
            diff.print_json(10, &mut out)?;
        }
        // Compressed, or taken for it.
        10 => {
            let bytes = input::decompress(Cursor::new(trace), ())?;
            Check::of(bytes)?;
        }
        kind => {
            let options = profile::Options {
                what: KINDS[(kind as usize - 11 + tool as usize / 16) % KINDS.len()],
                all_reasons: tool & 16 != 0,
                from_creation: tool & 32 != 0,
            };
            let (profile, _) = Profile::of(bytes(), options)?;
            text::write(&profile, 10, &mut out)?;
            folded::write(&profile, &mut out)?;
            pprof::write(&profile, &mut out)?;
            svg::write(&profile, "fuzz", &mut sink())?;
        }
    }
    Ok(())
}
