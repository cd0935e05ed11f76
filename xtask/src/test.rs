//! `cargo xtask test`: every test that needs nothing but Rust, and on demand
//! the judgement of Go's reader over the traces that they recorded.

use std::fs;
use std::path::{Path, PathBuf};

use crate::corpus;
use crate::error::XtaskError;
use crate::go::{self, Toolchain};
use crate::go_check;
use crate::parsed_check;
use crate::process::{cargo, show};
use crate::profile_check;
use crate::read_check;
use crate::root::{root, target};

/// Tests that record traces keep them in the folder that this variable names.
pub(crate) const KEEP_DIR: &str = "TRACE_KEEP_DIR";

/// Of how many traces that tests recorded profiles and texts are compared. Each takes most
/// of a second, and many are of the same program.
const PROFILED: usize = 40;

/// Runs the tests; with `with_go`, judges the traces that they recorded.
///
/// # Errors
///
/// If a test fails, there is no Go, or it refuses a trace or has none to judge.
pub(crate) fn run(with_go: bool) -> Result<(), XtaskError> {
    let mut tests = cargo();
    tests.args(["test", "--workspace"]).current_dir(root());
    if !with_go {
        show(tests.env_remove(KEEP_DIR), "cargo test")?;
        match go::available() {
            Ok(()) => {
                println!("skipped: check by Go's reader (pass --go); models (cargo xtask loom)")
            }
            Err(reason) => println!(
                "skipped: check by Go's reader (no Go toolchain: {reason}); models (cargo xtask loom)"
            ),
        }
        return Ok(());
    }

    let toolchain = Toolchain::find()?;
    let folder = target().join("test-traces");
    empty(&folder)?;
    tests.env(KEEP_DIR, &folder).env("GO", toolchain.program());
    show(&mut tests, "cargo test")?;
    let traces = traces_in(&folder, "trace")?;
    if traces.is_empty() {
        return Err(XtaskError::NoTraces { folder });
    }
    go_check::check(&toolchain, &traces, &["-strict", "-quiet"])?;
    // A trace that had to end need not mention every task in its last generation.
    let early = traces_in(&folder, "early")?;
    go_check::check(&toolchain, &early, &["-quiet"])?;
    println!(
        "traces that Go's reader accepts: {}, all ({} of them ended early)",
        traces.len() + early.len(),
        early.len()
    );
    let mut profiled: Vec<PathBuf> = spread(&traces, PROFILED).cloned().collect();
    let all: Vec<PathBuf> = traces.iter().chain(&early).cloned().collect();
    println!("{}", read_check::check(&toolchain, &all)?);
    let recordings = go::record(&toolchain, &target().join("go-recordings"))?;
    println!("{}", read_check::check(&toolchain, &recordings)?);
    profiled.extend(recordings);
    println!("{}", profile_check::check(&toolchain, &profiled)?);
    let lines = parsed_check::check(&toolchain, &profiled)?;
    println!(
        "traces whose events are in words as Go has them: {}, all ({lines} lines)",
        profiled.len()
    );
    corpus::run(&toolchain)?;
    println!("skipped: models (cargo xtask loom)");
    Ok(())
}

/// At most `count` of the items, evenly spread.
fn spread<T>(items: &[T], count: usize) -> impl Iterator<Item = &T> {
    items.iter().step_by(items.len().div_ceil(count).max(1))
}

/// Makes sure that a folder exists and has nothing in it.
pub(crate) fn empty(folder: &Path) -> Result<(), XtaskError> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(XtaskError::file("cannot remove", folder))?;
    }
    fs::create_dir_all(folder).map_err(XtaskError::file("cannot create", folder))
}

/// All files with this extension in a folder and below it, by name.
pub(crate) fn traces_in(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, XtaskError> {
    let mut traces = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let cannot = || XtaskError::file("cannot list", &folder);
        for entry in fs::read_dir(&folder).map_err(cannot())? {
            let path = entry.map_err(cannot())?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|name| name == extension) {
                traces.push(path);
            }
        }
    }
    traces.sort();
    Ok(traces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_spread() {
        let spread = |items: &[u8], count| spread(items, count).copied().collect::<Vec<_>>();
        assert_eq!(spread(&[1, 2, 3, 4, 5], 2), [1, 4]);
        assert_eq!(spread(&[1, 2, 3, 4, 5], 5), [1, 2, 3, 4, 5]);
        assert_eq!(spread(&[1, 2], 9), [1, 2]);
        assert!(spread(&[], 9).is_empty());
    }

    #[test]
    fn traces_are_found_below_an_emptied_folder() {
        let folder = std::env::temp_dir().join(format!("xtask-test-{}", std::process::id()));
        fs::create_dir_all(folder.join("old")).unwrap();
        fs::write(folder.join("old/stale.trace"), "").unwrap();
        empty(&folder).unwrap();
        assert_eq!(traces_in(&folder, "trace").unwrap(), Vec::<PathBuf>::new());
        fs::create_dir_all(folder.join("deep/er")).unwrap();
        for name in ["b.trace", "deep/er/a.trace", "notes.txt"] {
            fs::write(folder.join(name), "").unwrap();
        }
        let found = traces_in(&folder, "trace").unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(
            found,
            [folder.join("b.trace"), folder.join("deep/er/a.trace")]
        );
    }
}
