//! `cargo xtask bench region`: bump allocation beside bumpalo and Go's region.

use crate::bench::contest::{Column, Contest, GO, OURS, Table};
use crate::bench::map::number_of;
use crate::error::XtaskError;

/// bumpalo cannot be shared: each thread has one of its own. Ours and Go's are
/// one for all threads.
const ALL: [&str; 3] = [OURS, GO, "bumpalo"];

pub(super) fn run(contest: &mut Contest) -> Result<(), XtaskError> {
    for (what, title) in [
        ("bump", "allocations"),
        ("touch", "allocations that are written to"),
    ] {
        for size in [64, 256] {
            contest.table(&Table {
                title: format!("region, {title}, {size} bytes"),
                columns: [1, 2, 8]
                    .into_iter()
                    .map(|threads| Column {
                        label: number_of(threads),
                        what: format!("region {what}"),
                        settings: format!("size={size} threads={threads}"),
                        contenders: ALL.to_vec(),
                        countable: threads == 1,
                    })
                    .collect(),
            })?;
        }
    }
    Ok(())
}
