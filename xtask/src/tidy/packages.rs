//! What the checks need to know about the workspace's packages.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::XtaskError;
use crate::process::{capture, cargo};

/// A package of the workspace.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) name: String,
    /// Its folder.
    pub(super) folder: PathBuf,
    /// The files that its libraries and programs start with.
    pub(super) roots: Vec<PathBuf>,
    /// The same of its examples.
    pub(super) examples: Vec<PathBuf>,
    /// The packages of this project that it depends on, tests' needs included.
    pub(super) needs: Vec<String>,
}

/// Asks cargo for the workspace's packages.
pub(super) fn read(root: &Path) -> Result<Vec<Package>, XtaskError> {
    let mut command = cargo();
    command
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(root);
    parse(&capture(&mut command, "cargo metadata")?)
}

fn parse(said: &[u8]) -> Result<Vec<Package>, XtaskError> {
    let metadata: Value = serde_json::from_slice(said).map_err(|error| XtaskError::Json {
        what: "cargo metadata",
        error,
    })?;
    Ok(list(&metadata["packages"]).map(package).collect())
}

fn package(value: &Value) -> Package {
    let manifest = Path::new(text(&value["manifest_path"]));
    let roots = |kinds: &[&str]| {
        list(&value["targets"])
            .filter(|target| list(&target["kind"]).any(|kind| kinds.contains(&text(kind))))
            .map(|target| PathBuf::from(text(&target["src_path"])))
            .collect()
    };
    Package {
        name: text(&value["name"]).to_owned(),
        folder: manifest.parent().unwrap_or(manifest).to_path_buf(),
        roots: roots(&["lib", "bin"]),
        examples: roots(&["example"]),
        needs: list(&value["dependencies"])
            // What comes from a registry has no path.
            .filter(|dependency| dependency["path"].is_string())
            .map(|dependency| text(&dependency["name"]).to_owned())
            .collect(),
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_says_is_understood() {
        let said = br#"{"packages": [{
            "name": "vm", "manifest_path": "/p/vm/Cargo.toml",
            "targets": [
                {"kind": ["bin"], "src_path": "/p/vm/src/main.rs"},
                {"kind": ["test"], "src_path": "/p/vm/tests/run.rs"},
                {"kind": ["example"], "src_path": "/p/vm/examples/one.rs"}
            ],
            "dependencies": [
                {"name": "clap", "path": null},
                {"name": "weft", "path": "/p/crates/weft"}
            ]
        }]}"#;
        assert_eq!(
            parse(said).unwrap(),
            [Package {
                name: "vm".into(),
                folder: "/p/vm".into(),
                roots: vec!["/p/vm/src/main.rs".into()],
                examples: vec!["/p/vm/examples/one.rs".into()],
                needs: vec!["weft".into()],
            }]
        );
        assert!(parse(b"no JSON").is_err());
    }
}
