//! Finding and building models.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::XtaskError;
use crate::process::{capture, cargo, messages};
use crate::root::{root, target};

/// The packages that have models.
pub(super) const PACKAGES: [&str; 2] = ["runtime-trace", "vm"];

/// A tree with models, and where they are built.
pub(super) struct Place {
    pub(super) root: PathBuf,
    pub(super) target: PathBuf,
}

impl Place {
    /// The project itself.
    pub(super) fn project() -> Self {
        Self {
            root: root(),
            target: target().join("loom"),
        }
    }
}

/// A model.
#[derive(Clone, Debug)]
pub(super) struct Model {
    /// File and test, as in `loom_map::equal_keys`.
    pub(super) name: String,
    pub(super) test: String,
    pub(super) program: PathBuf,
}

/// The names of a package's test files that hold models.
pub(super) fn model_files(place: &Place, package: &str) -> Result<Vec<String>, XtaskError> {
    let folder = place.root.join(package).join("tests");
    let cannot = || XtaskError::file("cannot list", &folder);
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).map_err(cannot())? {
        let path = entry.map_err(cannot())?.path();
        let name = path.file_stem().map(|stem| stem.to_string_lossy());
        if let Some(name) = name
            && name.starts_with("loom_")
            && path.extension().is_some_and(|extension| extension == "rs")
        {
            names.push(name.into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Builds a package's test files and returns each file's name with its program.
pub(super) fn build(
    place: &Place,
    package: &str,
    files: &[String],
) -> Result<Vec<(String, PathBuf)>, XtaskError> {
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    let mut command = cargo();
    command
        .args(["test", "--release", "--no-run", "--package", package])
        .args(["--message-format", "json-render-diagnostics"])
        .env("RUSTFLAGS", format!("{flags} --cfg loom").trim_start())
        // Assertions are part of what is checked: the order of locks is one.
        .env("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true")
        // The time is loom's; what is ours had better be built again quickly.
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_RELEASE_INCREMENTAL", "true")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
        .args(["--config", "profile.release.package.\"*\".opt-level=3"])
        .env("CARGO_TARGET_DIR", &place.target)
        .stderr(Stdio::inherit())
        .current_dir(&place.root);
    for file in files {
        command.args(["--test", file]);
    }
    let said = capture(&mut command, "building the models")?;
    programs(&String::from_utf8_lossy(&said))
}

/// The programs that cargo says it built, one JSON object a line.
fn programs(said: &str) -> Result<Vec<(String, PathBuf)>, XtaskError> {
    let mut programs = Vec::new();
    for message in messages(said)? {
        // The package's own programs are built beside its tests.
        let is_test = message["target"]["kind"][0] == "test";
        if let Some(program) = message["executable"].as_str().filter(|_| is_test) {
            let name = message["target"]["name"].as_str().unwrap_or_default();
            programs.push((name.to_owned(), PathBuf::from(program)));
        }
    }
    Ok(programs)
}

/// The models in the program that was built from `file`.
pub(super) fn models(file: &str, program: &Path) -> Result<Vec<Model>, XtaskError> {
    let mut command = Command::new(program);
    let said = capture(
        command.args(["--list", "--format", "terse"]),
        "listing the models",
    )?;
    Ok(String::from_utf8_lossy(&said)
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .map(|test| Model {
            name: format!("{file}::{test}"),
            test: test.to_owned(),
            program: program.to_path_buf(),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_what_cargo_says() {
        let said = r#"{"reason":"compiler-artifact","executable":null}
{"reason":"compiler-artifact","target":{"kind":["test"],"name":"loom_map"},"executable":"/somewhere/loom_map-1"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(
            programs(said).unwrap(),
            [(
                "loom_map".to_owned(),
                PathBuf::from("/somewhere/loom_map-1")
            )]
        );
        assert!(programs("not json").is_err());
    }
}
