//! `cargo xtask tidy`: checks that the tree is as its documents say.
//!
//! Each check is a file of its own and returns its findings. They run as tests
//! of this package, too, so that `cargo test` keeps them.

mod edges;
mod evidence;
mod machine;
mod map;
mod modules;
mod packages;
mod unsafe_code;

use std::path::Path;

use crate::error::XtaskError;
use crate::root::root;
use packages::Package;

/// Something that is not as it should be: where, what, and what to do.
type Finding = String;

/// A check: its name and what it finds in the tree at this root.
type Check = (
    &'static str,
    fn(&Path, &[Package]) -> Result<Vec<Finding>, XtaskError>,
);

/// All checks.
const CHECKS: &[Check] = &[
    ("dependency edges", edges::check),
    ("orphaned files", modules::check),
    ("paths of one machine", machine::check),
    ("code map", map::check),
    ("evidence", evidence::check),
    ("unsafe code", unsafe_code::check),
];

/// Runs all checks and prints what they find; before, marks which evidence is stale,
/// unless nothing is to be changed.
///
/// # Errors
///
/// [`XtaskError::Untidy`] if they find anything.
pub(crate) fn run(change_nothing: bool) -> Result<(), XtaskError> {
    let root = root();
    if !change_nothing {
        evidence::mark(&root)?;
    }
    let packages = packages::read(&root)?;
    let mut total = 0;
    for (name, check) in CHECKS {
        let findings = check(&root, &packages)?;
        match findings.len() {
            0 => println!("ok     {name}"),
            count => println!("FAILED {name}: {count}"),
        }
        for finding in &findings {
            println!("  {finding}");
        }
        total += findings.len();
    }
    evidence::tell(&root)?;
    match total {
        0 => Ok(()),
        findings => Err(XtaskError::Untidy { findings }),
    }
}

/// A path as the documents write it: from the root, with slashes.
fn shown(root: &Path, path: &Path) -> String {
    let path = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

/// All `.rs` files in a folder and below it, sorted; none if it does not exist.
pub(crate) fn rust_files(folder: &Path) -> Result<Vec<std::path::PathBuf>, XtaskError> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        if !folder.is_dir() {
            continue;
        }
        let cannot = || XtaskError::file("cannot list", &folder);
        for entry in std::fs::read_dir(&folder).map_err(cannot())? {
            let path = entry.map_err(cannot())?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_clean(name: &str) {
        let (_, check) = CHECKS.iter().find(|(other, _)| *other == name).unwrap();
        let root = root();
        let findings = check(&root, &packages::read(&root).unwrap()).unwrap();
        assert!(findings.is_empty(), "{name}:\n{}", findings.join("\n"));
    }

    #[test]
    fn dependency_edges_hold() {
        assert_clean("dependency edges");
    }

    #[test]
    fn no_file_is_orphaned() {
        assert_clean("orphaned files");
    }

    #[test]
    fn no_path_of_one_machine() {
        assert_clean("paths of one machine");
    }

    #[test]
    fn the_code_map_is_right() {
        assert_clean("code map");
    }

    #[test]
    fn unsafe_code_is_forbidden_where_there_is_none() {
        assert_clean("unsafe code");
    }

    /// If this fails, run `cargo xtask tidy`, which marks what is stale.
    #[test]
    fn evidence_is_marked_as_it_is() {
        assert_clean("evidence");
    }
}
