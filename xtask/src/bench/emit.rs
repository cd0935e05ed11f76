//! `cargo xtask bench emit`: what an event costs the thread that emits it.

use crate::bench::contest::{Column, Contest, GO, LTTNG, OURS, Table};
use crate::error::XtaskError;

/// How deep the stacks are that we are given, about what Go finds where it is
/// measured.
const DEPTH: u32 = 8;

pub(super) fn run(contest: &mut Contest) -> Result<(), XtaskError> {
    contest.invite_lttng()?;
    contest.table(&Table {
        title: "emit, events of ours".to_owned(),
        columns: [
            ("plain", "a number"),
            ("switch", "stop, start"),
            ("label", "known name"),
            ("stack-hit", "known stack"),
            ("stack-miss", "new stack"),
        ]
        .map(|(what, label)| column(what, label, &[OURS]))
        .into(),
    })?;
    contest.table(&Table {
        title: "emit, beside peers".to_owned(),
        columns: vec![
            column("off", "off", &[OURS, GO, "tracing"]),
            column(
                "region",
                "region",
                &[OURS, GO, "tracing", "measureme", LTTNG],
            ),
            column("region-stack", "region with stack", &[OURS, GO]),
            column("region-recalled", "region with recalled stack", &[OURS, GO]),
            column(
                "log-stack",
                "message with stack",
                &[OURS, GO, "tracing", "measureme", LTTNG],
            ),
        ],
    })
}

fn column(what: &str, label: &str, contenders: &[&'static str]) -> Column {
    Column {
        label: label.to_owned(),
        what: format!("emit {what}"),
        settings: format!("depth={DEPTH}"),
        contenders: contenders.to_vec(),
        countable: true,
    }
}
