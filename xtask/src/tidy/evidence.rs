//! `docs/evidence.md` says of each row whether it is stale.

use std::path::Path;

use crate::error::XtaskError;
use crate::prove;
use crate::tidy::Finding;
use crate::tidy::packages::Package;

/// Finds rows whose marks are not true, and what else is not as the claims have it.
///
/// A row that is stale and says so is none. Without git there is nothing to go by,
/// and nothing is found.
pub(super) fn check(root: &Path, _: &[Package]) -> Result<Vec<Finding>, XtaskError> {
    let lies = without_git(prove::lies(root))?;
    let lies = lies
        .into_iter()
        .map(|lie| format!("docs/evidence.md: {lie}; `cargo xtask tidy` marks what is stale"));
    Ok(lies.collect())
}

/// Makes the marks true, and says of which rows.
pub(super) fn mark(root: &Path) -> Result<(), XtaskError> {
    for lie in without_git(prove::mark(root))? {
        println!("marked {lie}");
    }
    Ok(())
}

/// Says how much is stale.
pub(super) fn tell(root: &Path) -> Result<(), XtaskError> {
    let stale = without_git(prove::stale(root))?;
    if !stale.is_empty() {
        println!("{stale} (`cargo xtask prove --stale`)");
    }
    Ok(())
}

fn without_git<T: Default>(said: Result<T, XtaskError>) -> Result<T, XtaskError> {
    match said {
        Err(XtaskError::Failed { .. } | XtaskError::Start { .. }) => Ok(T::default()),
        said => said,
    }
}
