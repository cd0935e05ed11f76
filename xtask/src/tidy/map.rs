//! The code map in `ARCHITECTURE.md` names exactly what there is.
//!
//! The map is the section whose heading contains "code map", up to the next
//! heading of the same or a higher level. In it, a list item that starts with a
//! path in backticks is an entry:
//!
//! ```text
//! ## Code map
//!
//! - `crates/trace-read/`: bytes to raw events.
//!   - `crates/trace-read/src/lib.rs`: the layers.
//!   - `crates/trace-read/src/raw/`: the raw layer.
//! ```
//!
//! Paths start at the project's root, and one that ends in `/` is a folder.
//! Every entry must exist. There must be an entry for the folder of every
//! package, and for every `.rs` file below its `src`: its own, that of a module
//! that it is a part of, or that of a folder below `src` that it lies in. `src`
//! itself as an entry says too little to count.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::error::XtaskError;
use crate::tidy::packages::Package;
use crate::tidy::{Finding, rust_files, shown};

const DOCUMENT: &str = "ARCHITECTURE.md";

/// Compares the map with the tree.
pub(super) fn check(root: &Path, packages: &[Package]) -> Result<Vec<Finding>, XtaskError> {
    let path = root.join(DOCUMENT);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(vec![format!(
                "{DOCUMENT} does not exist; write it, with a section \"Code map\" whose \
                 list items start with a path in backticks"
            )]);
        }
        Err(error) => return Err(XtaskError::file("cannot read", &path)(error)),
    };
    let Some(entries) = entries(&text) else {
        return Ok(vec![format!(
            "{DOCUMENT}: no heading contains \"code map\""
        )]);
    };
    let mut folders = Vec::new();
    let mut files = Vec::new();
    for package in packages {
        folders.push(format!("{}/", shown(root, &package.folder)));
        for file in rust_files(&package.folder.join("src"))? {
            files.push(shown(root, &file));
        }
    }
    let exists = |entry: &str| match entry.strip_suffix('/') {
        Some(folder) => root.join(folder).is_dir(),
        None => root.join(entry).is_file(),
    };
    Ok(compare(&entries, &folders, &files, exists))
}

fn compare(
    entries: &[&str],
    folders: &[String],
    files: &[String],
    exists: impl Fn(&str) -> bool,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen = BTreeSet::new();
    for &entry in entries {
        if !seen.insert(entry) {
            findings.push(format!("{DOCUMENT}: `{entry}` is there twice"));
        }
        if !exists(entry) {
            findings.push(format!("{DOCUMENT}: `{entry}` does not exist"));
        }
    }
    let covered = |file: &str| {
        let inner = file
            .find("/src/")
            .map_or(file.len(), |at| at + "/src/".len());
        let mut ends = file.match_indices('/').map(|(at, _)| at + 1);
        let module = |folder: &str| format!("{}.rs", folder.trim_end_matches('/'));
        seen.contains(file)
            || ends.any(|end| {
                let folder = &file[..end];
                end > inner && (seen.contains(folder) || seen.contains(module(folder).as_str()))
            })
    };
    for folder in folders {
        if !seen.contains(folder.as_str()) {
            findings.push(format!(
                "{DOCUMENT}: the package `{folder}` is not in the map"
            ));
        }
    }
    for file in files {
        if !covered(file) {
            findings.push(format!("{DOCUMENT}: `{file}` is not in the map"));
        }
    }
    findings
}

/// The map's entries, or nothing if the text has no map.
fn entries(text: &str) -> Option<Vec<&str>> {
    let mut lines = text.lines();
    let level = lines.find_map(|line| {
        let level = heading(line)?;
        line.to_lowercase().contains("code map").then_some(level)
    })?;
    Some(
        lines
            .take_while(|line| heading(line).is_none_or(|other| other > level))
            .filter_map(|line| line.trim_start().strip_prefix("- `")?.split('`').next())
            .collect(),
    )
}

/// The level of a heading, or nothing if the line is none.
fn heading(line: &str) -> Option<usize> {
    let rest = line.trim_start_matches('#');
    let level = line.len() - rest.len();
    (level > 0 && rest.starts_with(' ')).then_some(level)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# Architecture
- `not/an/entry.rs`
## Code Map
Text with `code`.
- `p/`: a package
### Inside
  - `p/src/lib.rs`, first
  - `p/src/deep/`
- plain item
## Invariants
- `TraceMap`: no entry
";

    #[test]
    fn entries_are_those_of_the_section() {
        assert_eq!(
            entries(TEXT).unwrap(),
            ["p/", "p/src/lib.rs", "p/src/deep/"]
        );
        assert_eq!(entries("# Architecture\ncode map\n"), None);
        assert_eq!(entries("## Code map\n# Next\n- `x`"), Some(Vec::new()));
    }

    #[test]
    fn the_map_and_the_tree_agree() {
        let found = |entries: &[&str], files: &[&str]| {
            let files: Vec<_> = files.iter().map(|&file| file.to_owned()).collect();
            compare(entries, &["p/".to_owned()], &files, |entry| {
                !entry.contains("gone")
            })
        };
        let entries = ["p/", "p/src/lib.rs", "p/src/deep/"];
        let files = ["p/src/lib.rs", "p/src/deep/a.rs", "p/src/deep/er/b.rs"];
        assert_eq!(found(&entries, &files), Vec::<String>::new());
        let entries = ["p/", "p/src/lib.rs", "p/src/deep.rs"];
        assert_eq!(found(&entries, &files), Vec::<String>::new(), "its parts");
        // Each of these is wrong in one way.
        for (entries, files) in [
            (&["p/", "p/src/lib.rs"][..], &files[..]),
            (&["p/", "p/src/"], &files[..1]),
            (&["p/src/lib.rs"], &files[..1]),
            (&["p/", "p/src/lib.rs", "p/src/gone.rs"], &files[..1]),
            (&["p/", "p/src/lib.rs", "p/src/lib.rs"], &files[..1]),
        ] {
            assert!(!found(entries, files).is_empty(), "{entries:?}");
        }
        assert_eq!(found(&["p/", "p/src/lib.rs"], &files).len(), 2);
    }
}
