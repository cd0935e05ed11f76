//! Events in words, to be compared with what a test expects.
//!
//! Everything that an event says is there but its time: names for what its IDs
//! refer to, and functions for stacks, from leaf to root.
//!
//! ```text
//! GoBlock "chan receive" [park<body<main]
//! GoUnblock g2 #3 [send<main]
//! ```

use std::fmt::Write;

use trace_format::end::LAST_NOTE;
use trace_format::limits::NO_THREAD;
use trace_format::{ArgKind, ProcStatus, TaskStatus};

use crate::wire::{Event, Generation, Trace};

/// One event.
pub fn event(event: &Event, generation: &Generation) -> String {
    let mut text = event.kind.name().to_owned();
    for (arg, &value) in event.kind.args().iter().zip(&event.args) {
        // Writing to a string does not fail.
        let _ = match arg.kind {
            ArgKind::Value => write!(text, " {value}"),
            ArgKind::Seq => write!(text, " #{value}"),
            ArgKind::Task => write!(text, " g{value}"),
            ArgKind::Proc => write!(text, " p{value}"),
            ArgKind::Thread if value == NO_THREAD => write!(text, " no thread"),
            ArgKind::Thread => write!(text, " m{value}"),
            ArgKind::UserTask => write!(text, " u{value}"),
            ArgKind::String => match generation.string(value) {
                Some(string) => write!(text, " {string:?}"),
                None => write!(text, " string {value}?"),
            },
            ArgKind::Stack => match generation.functions(value) {
                Some(functions) => write!(text, " [{}]", functions.join("<")),
                None => write!(text, " stack {value}?"),
            },
            ArgKind::TaskStatus => write!(
                text,
                " {}",
                TaskStatus::from_code(value).map_or("?", TaskStatus::name)
            ),
            ArgKind::ProcStatus => write!(
                text,
                " {}",
                ProcStatus::from_code(value).map_or("?", ProcStatus::name)
            ),
        };
    }
    text
}

/// How many events a trace's last notes take if nothing was lost.
const LAST_NOTES_LEN: usize = 7;

/// A whole trace, last notes of an end alone left out: for each generation, each thread's events; nobody's come last.
pub fn trace(trace: &Trace) -> String {
    let mut text = String::new();
    for generation in &trace.generations {
        let _ = writeln!(text, "generation {}", generation.number);
        for (&thread, events) in &generation.streams {
            // Every trace has them.
            if thread == LAST_NOTE && events.len() == LAST_NOTES_LEN {
                continue;
            }
            let _ = match thread {
                NO_THREAD => writeln!(text, "  nobody"),
                LAST_NOTE => writeln!(text, "  the last notes"),
                thread => writeln!(text, "  m{thread}"),
            };
            for one in events {
                let _ = writeln!(text, "    {}", event(one, generation));
            }
        }
    }
    text
}

/// Holds a trace against what a test expects of it, line by line.
///
/// # Panics
///
/// If they differ, with both.
#[track_caller]
pub fn expect(found: &Trace, expected: &str) {
    let found = trace(found);
    let lines = |text: &str| -> Vec<String> {
        let lines = text.lines().map(|line| line.trim().to_owned());
        lines.filter(|line| !line.is_empty()).collect()
    };
    let (found, expected) = (lines(&found), lines(expected));
    if found == expected {
        return;
    }
    let mut message = "the trace differs (found | expected)\n".to_owned();
    for at in 0..found.len().max(expected.len()) {
        let side = |lines: &[String]| lines.get(at).cloned().unwrap_or_default();
        let (left, right) = (side(&found), side(&expected));
        let mark = if left == right { ' ' } else { '!' };
        let _ = writeln!(message, "{mark} {left:70} | {right}");
    }
    panic!("{message}");
}
