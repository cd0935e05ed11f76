//! `cargo xtask bench map`: interning beside Go's table and Rust's maps.

use crate::bench::contest::{Column, Contest, GO, OURS, Table};
use crate::error::XtaskError;

/// Everybody, for keys that are text.
const ALL: [&str; 10] = [
    OURS,
    GO,
    "fixed",
    "papaya",
    "dashmap",
    "scc-map",
    "scc-index",
    "lasso",
    "parking_lot",
    "spin",
];

/// Up to how many entries fit into a cache, and those beyond it.
const SIZES: [u64; 5] = [100, 1_000, 10_000, 100_000, 1_000_000];

/// From how many entries on a map takes long enough to be filled by several
/// threads; before that their start is what is measured.
const SHARED: u64 = 10_000;

/// Up to how many entries instructions are counted.
const COUNTABLE: u64 = 100_000;

pub(super) fn run(contest: &mut Contest) -> Result<(), XtaskError> {
    for threads in [1, 2, 8] {
        contest.table(&by_size("hit", threads, 0))?;
    }
    for threads in [1, 2, 8] {
        contest.table(&by_size("insert", threads, SHARED))?;
    }
    for threads in [1, 2, 8] {
        contest.table(&by_size("mixed", threads, SHARED))?;
    }
    for what in ["hit", "insert"] {
        for entries in [1_000, 100_000] {
            contest.table(&by_key(what, entries))?;
        }
    }
    Ok(())
}

/// Maps of all sizes. Those below `smallest` only on one thread.
fn by_size(what: &str, threads: u64, smallest: u64) -> Table {
    let sizes = SIZES
        .iter()
        .filter(|size| threads == 1 || **size >= smallest);
    Table {
        title: format!("map {what}, keys of 32 bytes, {}", number_of(threads)),
        columns: sizes
            .map(|&entries| column(what, "32", entries, threads))
            .collect(),
    }
}

/// Keys of all kinds, on one thread.
fn by_key(what: &str, entries: u64) -> Table {
    let keys = [
        "8", "32", "128", "1024", "stack8", "stack16", "stack32", "stack64",
    ];
    Table {
        title: format!("map {what}, {entries} entries, {}", number_of(1)),
        columns: keys
            .iter()
            .map(|key| Column {
                label: match key.strip_prefix("stack") {
                    Some(depth) => format!("{depth} PCs"),
                    None => format!("{key} bytes"),
                },
                ..column(what, key, entries, 1)
            })
            .collect(),
    }
}

fn column(what: &str, key: &str, entries: u64, threads: u64) -> Column {
    Column {
        label: entries.to_string(),
        what: format!("map {what}"),
        settings: format!("key={key} entries={entries} threads={threads}"),
        contenders: ALL
            .into_iter()
            // lasso takes nothing but text.
            .filter(|name| *name != "lasso" || !key.starts_with("stack"))
            .collect(),
        countable: threads == 1 && entries <= COUNTABLE,
    }
}

/// "1 thread", "2 threads"
pub(super) fn number_of(threads: u64) -> String {
    match threads {
        1 => "1 thread".to_owned(),
        _ => format!("{threads} threads"),
    }
}
