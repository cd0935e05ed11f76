//! Every source file is part of its crate.
//!
//! The check reads `mod name;` lines and does not parse Rust: it knows
//! attributes with a `path` on the line before, and no macro that makes modules.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::XtaskError;
use crate::tidy::packages::Package;
use crate::tidy::{Finding, rust_files, shown};

/// Finds files below a package's `src` that no `mod` line leads to.
pub(super) fn check(root: &Path, packages: &[Package]) -> Result<Vec<Finding>, XtaskError> {
    let mut findings = Vec::new();
    for package in packages {
        let reached = reach(&package.roots)?;
        for file in rust_files(&package.folder.join("src"))? {
            if !reached.contains(&file) {
                let file = shown(root, &file);
                findings.push(format!(
                    "{file}: no `mod` line leads here; add one or delete it"
                ));
            }
        }
    }
    Ok(findings)
}

/// The files that can be reached from these by `mod` lines, themselves included.
fn reach(roots: &[PathBuf]) -> Result<BTreeSet<PathBuf>, XtaskError> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<(PathBuf, bool)> = roots.iter().map(|path| (path.clone(), true)).collect();
    while let Some((file, is_root)) = open.pop() {
        if !reached.insert(file.clone()) {
            continue;
        }
        let text = fs::read_to_string(&file).map_err(XtaskError::file("cannot read", &file))?;
        let beside = file.parent().unwrap_or(Path::new(""));
        let stem = file.file_stem().unwrap_or_default();
        // A crate's first file and a mod.rs have their modules beside them.
        let below = match is_root || stem == "mod" {
            true => beside.to_path_buf(),
            false => beside.join(stem),
        };
        for module in modules(&text) {
            let candidates = match module {
                Module::At(path) => vec![beside.join(path)],
                Module::Named(name) => vec![
                    below.join(format!("{name}.rs")),
                    below.join(name).join("mod.rs"),
                ],
            };
            // One that does not exist does not compile either, unless its cfg
            // is off; either way it is not ours to report.
            open.extend(
                candidates
                    .into_iter()
                    .filter(|path| path.is_file())
                    .map(|path| (path, false)),
            );
        }
    }
    Ok(reached)
}

/// A module that has a file of its own.
#[derive(Debug, PartialEq, Eq)]
enum Module<'a> {
    /// Its file has its name.
    Named(&'a str),
    /// A `path` attribute names its file.
    At(&'a str),
}

fn modules(text: &str) -> impl Iterator<Item = Module<'_>> {
    let mut path = None;
    text.lines().filter_map(move |line| {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("#[path = \"") {
            path = rest.split('"').next();
            return None;
        }
        if line.starts_with("#[") || line.starts_with("//") {
            return None;
        }
        let path = path.take();
        let name = declared(line)?;
        Some(path.map_or(Module::Named(name), Module::At))
    })
}

/// The name in `mod name;`, with any visibility.
fn declared(line: &str) -> Option<&str> {
    let line = match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(')')?.1.trim_start(),
        Some(rest) => rest.trim_start(),
        None => line,
    };
    let name = line.strip_prefix("mod ")?.strip_suffix(';')?.trim();
    let name = name.strip_prefix("r#").unwrap_or(name);
    let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_');
    is_name.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations() {
        let text = r#"
            mod plain;
            pub mod public; pub(crate) mod two_on_a_line;
            pub(in crate::a) mod scoped;
            // mod commented;
            #[cfg(loom)]
            #[path = "elsewhere.rs"]
            #[allow(unused)]
            mod moved;
            mod inline { }
            let modest = 1;
        "#;
        let found: Vec<_> = modules(text).collect();
        assert_eq!(
            found,
            [
                Module::Named("plain"),
                Module::Named("scoped"),
                Module::At("elsewhere.rs"),
            ]
        );
    }

    #[test]
    fn an_orphan_is_found() {
        let root = std::env::temp_dir().join(format!("xtask-modules-{}", std::process::id()));
        let src = root.join("p/src");
        for (file, text) in [
            ("lib.rs", "mod a;\nmod c;"),
            ("a.rs", "mod b;"),
            ("a/b.rs", ""),
            ("c/mod.rs", "mod d;"),
            ("c/d.rs", ""),
            ("b.rs", ""),
            ("c/orphan.rs", ""),
        ] {
            let path = src.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let package = Package {
            name: "p".into(),
            folder: root.join("p"),
            roots: vec![src.join("lib.rs")],
            examples: Vec::new(),
            needs: Vec::new(),
        };
        let findings = check(&root, &[package]).unwrap();
        fs::remove_dir_all(&root).unwrap();
        let files: Vec<_> = findings
            .iter()
            .map(|f| f.split(':').next().unwrap())
            .collect();
        assert_eq!(files, ["p/src/b.rs", "p/src/c/orphan.rs"]);
    }
}
