//! Which package may depend on which: data moves one way, and nothing but the
//! tests and this package joins what records traces to what reads them.

use std::path::Path;

use crate::error::XtaskError;
use crate::tidy::Finding;
use crate::tidy::packages::Package;

/// The allowed edges: a package and what it may depend on, for tests, too.
const ALLOWED: &[(&str, &[&str])] = &[
    ("vm", &["runtime-trace", "weft"]),
    ("runtime-trace", &["trace-format"]),
    ("trace-tools", &["trace-read", "trace-format"]),
    ("trace-read", &["trace-format"]),
    ("trace-format", &[]),
    ("weft", &[]),
];

/// Packages that may depend on anything.
const FREE: &[&str] = &["e2e", "xtask"];

/// Finds edges that are not allowed, and packages that nothing is said about.
pub(super) fn check(_: &Path, packages: &[Package]) -> Result<Vec<Finding>, XtaskError> {
    Ok(packages.iter().flat_map(findings).collect())
}

fn findings(package: &Package) -> Vec<Finding> {
    let name = package.name.as_str();
    if FREE.contains(&name) {
        return Vec::new();
    }
    let Some((_, allowed)) = ALLOWED.iter().find(|(from, _)| *from == name) else {
        return vec![format!(
            "{name}: nothing says what it may depend on; add it to xtask/src/tidy/edges.rs"
        )];
    };
    package
        .needs
        .iter()
        .filter(|need| !allowed.contains(&need.as_str()))
        .map(|need| format!("{name} -> {need}: this dependency is not allowed"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges() {
        let found = |name: &str, needs: &[&str]| {
            findings(&Package {
                name: name.into(),
                folder: "p".into(),
                roots: Vec::new(),
                examples: Vec::new(),
                needs: needs.iter().map(|&need| need.into()).collect(),
            })
            .len()
        };
        assert_eq!(found("vm", &["weft", "runtime-trace"]), 0);
        assert_eq!(found("vm", &["weft", "trace-format"]), 1);
        assert_eq!(found("trace-tools", &["trace-read", "trace-format"]), 0);
        assert_eq!(found("runtime-trace", &["trace-read", "vm"]), 2);
        assert_eq!(found("e2e", &["vm", "trace-read"]), 0);
        assert_eq!(found("newcomer", &[]), 1);
    }
}
