//! A copy of the tree in which one package may be changed.

use std::fs;
use std::path::Path;

use crate::error::XtaskError;
use crate::root::root;

/// Copies the tree to the folder `to`, which is emptied before: `package` is
/// real there, the rest are links.
///
/// # Errors
///
/// If a file or folder cannot be read or written.
pub(crate) fn copy(package: &str, to: &Path) -> Result<(), XtaskError> {
    if to.exists() {
        fs::remove_dir_all(to).map_err(XtaskError::file("cannot empty", to))?;
    }
    fs::create_dir_all(to).map_err(XtaskError::file("cannot make", to))?;
    let from = root();
    for name in names(&from)? {
        let (from, to) = (from.join(&name), to.join(&name));
        match name.as_str() {
            name if name == package => copy_folder(&from, &to)?,
            "target" => {}
            name if name.starts_with('.') => {}
            _ if from.is_dir() => {
                std::os::unix::fs::symlink(&from, &to)
                    .map_err(XtaskError::file("cannot link", &to))?;
            }
            // Cargo writes to its lock file.
            _ => copy_file(&from, &to)?,
        }
    }
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), XtaskError> {
    fs::create_dir_all(to).map_err(XtaskError::file("cannot make", to))?;
    for name in names(from)? {
        let (from, to) = (from.join(&name), to.join(&name));
        if name == "target" {
            continue;
        }
        if from.is_dir() {
            copy_folder(&from, &to)?;
        } else {
            copy_file(&from, &to)?;
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> Result<(), XtaskError> {
    // Not `fs::copy`: the copy is newer than what was built from the last one.
    let bytes = fs::read(from).map_err(XtaskError::file("cannot read", from))?;
    fs::write(to, bytes).map_err(XtaskError::file("cannot write", to))
}

/// What is in a folder.
fn names(folder: &Path) -> Result<Vec<String>, XtaskError> {
    let cannot = || XtaskError::file("cannot list", folder);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot())? {
        let name = entry.map_err(cannot())?.file_name();
        names.push(name.to_string_lossy().into_owned());
    }
    Ok(names)
}
