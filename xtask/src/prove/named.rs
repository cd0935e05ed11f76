//! Tests of the project, picked by name. Each must be there and really run: a
//! test that was renamed proves nothing any more.

use std::fmt;
use std::process::Stdio;

use super::Figures;
use crate::error::XtaskError;
use crate::process::{cargo, start};
use crate::root::root;

/// The variable by which tests are told to run their long forms.
const LONG: &str = "TRACE_LONG";

/// How many cases property tests are given.
pub(super) const CASES: &str = "PROPTEST_CASES";

/// So many in a slice.
const SLICE_CASES: &str = "1000";

/// What stands before figures in a line that a test prints.
const MARK: &str = "evidence: ";

/// Tests of one file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named {
    pub(super) package: &'static str,
    /// The file below the package's `tests/`, without `.rs`; empty for the
    /// tests inside of the library.
    pub(super) file: &'static str,
    pub(super) tests: &'static [&'static str],
    /// Whether they have a long form.
    pub(super) long: bool,
    /// Further variables.
    pub(super) env: &'static [(&'static str, &'static str)],
}

impl Named {
    /// Tests that have one form.
    pub(super) const fn of(
        package: &'static str,
        file: &'static str,
        tests: &'static [&'static str],
    ) -> Self {
        Self {
            package,
            file,
            tests,
            long: false,
            env: &[],
        }
    }

    /// Their long form.
    pub(super) const fn long(self) -> Self {
        Self { long: true, ..self }
    }

    /// With further variables.
    pub(super) const fn env(self, env: &'static [(&'static str, &'static str)]) -> Self {
        Self { env, ..self }
    }

    /// The property tests among them with fewer cases; nothing if there are none.
    pub(super) fn slice(&self) -> Option<Self> {
        let are_properties = self.env.iter().any(|(name, _)| *name == CASES);
        are_properties.then_some(Self {
            env: &[(CASES, SLICE_CASES)],
            ..*self
        })
    }

    /// Where they are, and what the package's tests share, as `covers` has paths.
    pub(super) fn paths(&self) -> [String; 2] {
        let folder = match self.package {
            "e2e" => "tests".to_owned(),
            package if package.starts_with("trace-") => format!("crates/{package}"),
            package => package.to_owned(),
        };
        match self.file {
            "" => [format!("{folder}/src"), format!("{folder}/tests/support")],
            file => [
                format!("{folder}/tests/{file}.rs"),
                format!("{folder}/tests/support"),
            ],
        }
    }

    /// The variables that they get.
    fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        let long = self.long.then_some((LONG, "1"));
        long.into_iter().chain(self.env.iter().copied())
    }

    /// The arguments of cargo.
    fn arguments(&self) -> Vec<&str> {
        let mut arguments = vec!["test", "-p", self.package];
        match self.file {
            "" => arguments.push("--lib"),
            file => arguments.extend(["--test", file]),
        }
        arguments.extend(["--", "--exact", "--nocapture"]);
        arguments.extend(self.tests);
        arguments
    }
}

/// As one would type it.
impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.variables() {
            write!(f, "{name}={value} ")?;
        }
        write!(f, "cargo {}", self.arguments().join(" "))
    }
}

/// Runs them all. The figures are the number of tests and what they print
/// behind [`MARK`].
pub(super) fn run<'n>(named: impl IntoIterator<Item = &'n Named>) -> Figures {
    let mut passed = 0;
    let mut figures = Vec::new();
    for named in named {
        let mut command = cargo();
        command
            .args(named.arguments())
            .envs(named.variables())
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .current_dir(root());
        if !named.long {
            command.env_remove(LONG);
        }
        let output = command.output().map_err(|error| start(&command, error))?;
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            return Err(XtaskError::Failed {
                what: named.to_string(),
                status: output.status,
                output: said.into_owned(),
            });
        }
        passed += count(named, &said)?;
        // The harness may have begun the line.
        figures.extend(said.lines().filter_map(|line| {
            let (_, figures) = line.split_once(MARK)?;
            Some(figures.to_owned())
        }));
    }
    figures.insert(
        0,
        match passed {
            1 => "1 test".to_owned(),
            count => format!("{count} tests"),
        },
    );
    Ok(figures.join("; "))
}

/// How many tests passed, which is all of them.
fn count(named: &Named, said: &str) -> Result<usize, XtaskError> {
    let passed = said
        .lines()
        .filter_map(|line| line.split_once("test result: ok. "))
        .filter_map(|(_, rest)| rest.split_once(" passed"))
        .filter_map(|(count, _)| count.parse::<usize>().ok())
        .sum();
    match passed == named.tests.len() && passed > 0 {
        true => Ok(passed),
        false => Err(XtaskError::TestsMissing {
            command: named.to_string(),
            passed,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: Named = Named::of("e2e", "fork", &["one", "other"])
        .long()
        .env(&[("CASES", "9")]);

    #[test]
    fn as_one_would_type_it() {
        let typed =
            "TRACE_LONG=1 CASES=9 cargo test -p e2e --test fork -- --exact --nocapture one other";
        assert_eq!(TWO.to_string(), typed);
    }

    /// A test that does not run is an error, although cargo is content.
    #[test]
    fn every_test_must_run() {
        let said = |passed| {
            format!(
                "\nrunning {passed} tests\ntest one ... ok\n\ntest result: ok. {passed} passed; \
                 0 failed; 0 ignored; 0 measured; 2 filtered out; finished in 0.00s\n\n"
            )
        };
        assert_eq!(count(&TWO, &said(2)).unwrap(), 2);
        for missing in [said(0), said(1), said(3), String::new()] {
            let counted = count(&TWO, &missing);
            assert!(
                matches!(counted, Err(XtaskError::TestsMissing { .. })),
                "{counted:?}"
            );
        }
    }
}
