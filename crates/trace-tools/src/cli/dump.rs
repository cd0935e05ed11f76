//! `rtrace dump`.

use std::path::Path;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, ValueEnum};
use trace_read::TaskId;
use trace_tools::ToolError;
use trace_tools::dump::{self, Filter, Form, Kinds, Moment};

use crate::cli::{Trace, misused, output};

/// Print every event of a trace
///
/// In the order in which they can have happened and in the words of
/// `go tool trace -d=parsed`, or as they lie in the file. What several filters
/// are given for must pass all of them.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  rtrace dump out.trace
  rtrace dump out.trace --task 17 --from 1.5ms --to 2s
  rtrace dump out.trace --kind StateTransition,RangeBegin,RangeEnd
  rtrace dump out.trace --kind GoBlock --json | jq -r .reason | sort | uniq -c
  rtrace dump out.trace --mode wire --kind GoCreate")]
pub(super) struct Options {
    #[command(flatten)]
    trace: Trace,
    /// What to print
    #[arg(long, value_enum, default_value_t)]
    mode: Mode,
    /// Only events on this task (goroutine) or about it; may be repeated
    #[arg(long = "task", value_name = "N")]
    tasks: Vec<u64>,
    /// Only events from then on
    ///
    /// A time since the start of the trace, with its unit (1.5ms, 2s; ns, us, ms,
    /// s, m, h), or nanoseconds of the trace's clock, as `Time=` shows them.
    #[arg(long, value_name = "T")]
    from: Option<Moment>,
    /// Only events until then, that moment included
    #[arg(long, value_name = "T")]
    to: Option<Moment>,
    /// Only events of these kinds; may be repeated, or a list with commas
    ///
    /// By their names after ordering (StateTransition, Log, …) or in the file
    /// (GoCreate, UserLog, …), in any case; with `--mode wire` those in the file.
    #[arg(long = "kind", value_name = "KIND", value_delimiter = ',')]
    kinds: Vec<String>,
    /// Print a JSON object for each event, one a line
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Events as they lie in the file, past any damage
    Wire,
    /// Events after they are ordered, as `go tool trace -d=parsed` prints them
    #[default]
    Parsed,
}

impl Options {
    /// The trace.
    pub(super) fn input(&self) -> &Path {
        &self.trace.path
    }
}

pub(super) fn run(options: &Options) -> Result<ExitCode, ToolError> {
    let kinds = options.kinds.iter().map(String::as_str);
    let kinds = match options.mode {
        _ if options.kinds.is_empty() => Ok(None),
        Mode::Wire => Kinds::of_wire(kinds).map(Some),
        Mode::Parsed => Kinds::of_events(kinds).map(Some),
    };
    let kinds = match kinds {
        Ok(kinds) => kinds,
        Err(error) => return Ok(misused("dump", ErrorKind::InvalidValue, error)),
    };
    let form = match options.json {
        true => Form::Json,
        false => Form::Text,
    };
    let mut out = output();
    if options.mode == Mode::Parsed {
        let filter = Filter {
            tasks: options.tasks.iter().map(|&id| TaskId(id)).collect(),
            from: options.from,
            to: options.to,
            kinds,
        };
        let print = |trace| dump::parsed(trace, &mut out, form, &filter);
        options.trace.stream(print)?;
        return Ok(ExitCode::SUCCESS);
    }
    let ordered = [
        ("--task", !options.tasks.is_empty()),
        ("--from", options.from.is_some()),
        ("--to", options.to.is_some()),
    ];
    if let Some((option, _)) = ordered.iter().find(|(_, given)| *given) {
        let message = format!(
            "{option} cannot be used with --mode wire: on which task and when an event \
             happened is known only after ordering"
        );
        return Ok(misused("dump", ErrorKind::ArgumentConflict, message));
    }
    let print = |trace| dump::wire(trace, &mut out, form, kinds.as_ref());
    options.trace.stream(print)?;
    Ok(ExitCode::SUCCESS)
}
