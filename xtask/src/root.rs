//! Where the project is, and where its chores keep what they make.

use std::path::{Path, PathBuf};

/// The project's root folder, the one that holds this package's folder.
pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_path_buf()
}

/// The folder for whatever is made, `target/` whatever cargo itself uses.
pub(crate) fn target() -> PathBuf {
    root().join("target")
}
