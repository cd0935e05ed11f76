//! Only the tracer and the virtual machine have unsafe code: whatever else is built
//! forbids it, so that a line which needs an argument cannot slip in.
//!
//! (Of the virtual machine's command line some modules have it, and of `rtrace` the
//! allocator, which counts; the rest of both denies it. Tests and what is a workspace of its own are not looked at.)

use std::fs;
use std::path::Path;

use crate::error::XtaskError;
use crate::tidy::packages::Package;
use crate::tidy::{Finding, shown};

/// The packages that may have some. Examples forbid it there, too.
const MAY: &[&str] = &["runtime-trace", "vm"];

const FORBIDS: &str = "#![forbid(unsafe_code)]";

/// Programs of which one module has some, and the rest denies it.
const DENY: &[&str] = &["crates/trace-tools/src/main.rs"];

const DENIES: &str = "#![deny(unsafe_code)]";

/// Finds libraries, programs and examples that do not forbid it.
pub(super) fn check(root: &Path, packages: &[Package]) -> Result<Vec<Finding>, XtaskError> {
    let mut findings = Vec::new();
    for package in packages {
        let roots = match MAY.contains(&package.name.as_str()) {
            true => &[][..],
            false => &package.roots,
        };
        for file in roots.iter().chain(&package.examples) {
            let text = fs::read_to_string(file).map_err(XtaskError::file("cannot read", file))?;
            let file = shown(root, file);
            let wanted = match DENY.contains(&file.as_str()) {
                true => DENIES,
                false => FORBIDS,
            };
            if !text.lines().any(|line| line == wanted) {
                findings.push(format!("{file}: lacks `{wanted}`"));
            }
        }
    }
    Ok(findings)
}
