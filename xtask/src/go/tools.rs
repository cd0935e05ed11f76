//! Builds, once each, the Go programs that judge our traces.
//!
//! Ours import Go's `internal/trace`, which only packages of Go's own tree may
//! do. Go's build takes an overlay: a list of files that are to be seen in its
//! tree although they are elsewhere. So their sources stay here, and the tree
//! stays as it is.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::error::XtaskError;
use crate::go::Toolchain;
use crate::process::capture;
use crate::root::{root, target};

/// Our checker, built if need be.
///
/// # Errors
///
/// If it does not build.
pub(crate) fn checker(toolchain: &Toolchain) -> Result<PathBuf, XtaskError> {
    ours(toolchain, "tracecheck")
}

/// Our converter of the test data of Go's reader, built if need be.
///
/// # Errors
///
/// If it does not build.
pub(crate) fn converter(toolchain: &Toolchain) -> Result<PathBuf, XtaskError> {
    ours(toolchain, "tracetext")
}

/// Our program that reads all events with Go's reader, built if need be.
///
/// # Errors
///
/// If it does not build.
pub(crate) fn reader(toolchain: &Toolchain) -> Result<PathBuf, XtaskError> {
    ours(toolchain, "traceread")
}

/// Our program that measures Go's tracer, built if need be.
///
/// # Errors
///
/// If it does not build.
pub(crate) fn bencher(toolchain: &Toolchain) -> Result<PathBuf, XtaskError> {
    ours(toolchain, "tracebench")
}

/// Our Go programs that are recorded, built if need be.
///
/// # Errors
///
/// If they do not build.
pub(super) fn programs(toolchain: &Toolchain) -> Result<PathBuf, XtaskError> {
    ours(toolchain, "programs")
}

/// A program of ours, which seems to be one of Go's commands. What its folder
/// has in a folder `runtime` seems to be part of Go's package of that name.
fn ours(toolchain: &Toolchain, name: &str) -> Result<PathBuf, XtaskError> {
    let package = format!("cmd/{name}");
    let sources = root().join("xtask/go").join(name);
    let mut files = BTreeMap::new();
    add(&sources, &package, &mut files)?;
    let inside = sources.join("runtime");
    if inside.is_dir() {
        add(&inside, "runtime", &mut files)?;
    }
    let mut replace = serde_json::Map::new();
    for (path, (package, _)) in &files {
        if let Some(file) = path.file_name() {
            let seen = toolchain.goroot().join("src").join(package).join(file);
            let real = path.to_string_lossy().into_owned();
            replace.insert(seen.to_string_lossy().into_owned(), real.into());
        }
    }
    let overlay = serde_json::json!({ "Replace": replace }).to_string();
    build(toolchain, &package, &(files, &overlay), Some(&overlay))
}

/// Go files, each with the package that it seems to be in and its text.
type Sources<'p> = BTreeMap<PathBuf, (&'p str, Vec<u8>)>;

/// Adds the Go files of a folder.
fn add<'p>(folder: &Path, package: &'p str, files: &mut Sources<'p>) -> Result<(), XtaskError> {
    let listing = fs::read_dir(folder).map_err(XtaskError::file("cannot list", folder))?;
    for entry in listing {
        let path = entry
            .map_err(XtaskError::file("cannot list", folder))?
            .path();
        if path.extension().is_some_and(|extension| extension == "go") {
            let text = fs::read(&path).map_err(XtaskError::file("cannot read", &path))?;
            files.insert(path, (package, text));
        }
    }
    Ok(())
}

/// Go's trace viewer, as `go tool trace` runs it, built if need be.
///
/// # Errors
///
/// If it does not build.
pub(crate) fn viewer(toolchain: &Toolchain) -> Result<PathBuf, XtaskError> {
    build(toolchain, "cmd/trace", &(), None)
}

/// Go's profile viewer, as `go tool pprof` runs it, built if need be.
///
/// # Errors
///
/// If it does not build.
pub(crate) fn pprof(toolchain: &Toolchain) -> Result<PathBuf, XtaskError> {
    build(toolchain, "cmd/pprof", &(), None)
}

/// Builds a package of Go's tree, unless the same was built before.
///
/// `inputs` is what besides the toolchain decides about the outcome.
fn build(
    toolchain: &Toolchain,
    package: &str,
    inputs: &impl Hash,
    overlay: Option<&str>,
) -> Result<PathBuf, XtaskError> {
    let mut hasher = DefaultHasher::new();
    (toolchain.version(), toolchain.goroot(), inputs).hash(&mut hasher);
    let name = package.rsplit('/').next().unwrap_or(package);
    let folder = target().join("go-tools");
    let program = folder.join(format!("{name}-{:016x}", hasher.finish()));
    if program.is_file() {
        return Ok(program);
    }

    eprintln!("building Go's {package} (once)");
    fs::create_dir_all(&folder).map_err(XtaskError::file("cannot create", &folder))?;
    let own = |kind: &str| folder.join(format!("{name}-{}.{kind}", std::process::id()));
    let (new, list) = (own("new"), own("json"));
    let mut command = toolchain.command();
    command.arg("build").arg("-o").arg(&new);
    if let Some(text) = overlay {
        fs::write(&list, text).map_err(XtaskError::file("cannot write", &list))?;
        command.arg("-overlay").arg(&list);
    }
    // In Go's own tree, so that no go.mod above the current folder takes part.
    command
        .arg(package)
        .current_dir(toolchain.goroot().join("src"));
    let built = capture(&mut command, &format!("go build {package}"));
    if overlay.is_some() {
        fs::remove_file(&list).map_err(XtaskError::file("cannot remove", &list))?;
    }
    built?;
    // Only a complete program gets the name that is looked for.
    rename(&new, &program)?;
    Ok(program)
}

fn rename(from: &Path, to: &Path) -> Result<(), XtaskError> {
    fs::rename(from, to).map_err(XtaskError::file("cannot rename", from))
}
