//! `cargo xtask prove`: the long checks, and `docs/evidence.md`, which says of
//! each claim how it is checked and what came of it last.
//!
//! `cargo xtask test` is for every change and takes minutes; what is here takes
//! minutes to hours each. Claims and checks are data (`claims.rs`), and the
//! document is made from it. A check that ran rewrites its own row, also when it
//! failed, and leaves the others' results as they are.

mod claims;
mod evidence;
mod named;
mod overload;
mod page_size;
mod storm;

use std::path::Path;
use std::time::Instant;

use clap::Args;

use self::claims::SECTIONS;
use self::evidence::{Outcome, Run};
use self::named::Named;
use crate::error::XtaskError;
use crate::root::root;

/// What to prove.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The checks, by the names in docs/evidence.md; all if there is none.
    names: Vec<String>,
    /// Only a slice of each check, about five minutes in all, without a word in
    /// docs/evidence.md; some have none.
    #[arg(long)]
    slice: bool,
}

/// Claims that belong together.
struct Section {
    title: &'static str,
    checks: &'static [Check],
}

/// A claim, and how it is checked.
struct Check {
    name: &'static str,
    /// A sentence that a reader can doubt.
    claim: &'static str,
    /// What is done, and what would make it fail.
    how: &'static str,
    proof: Proof,
}

/// How a check is run.
enum Proof {
    /// Tests of the project.
    Tests(&'static [Named]),
    /// Code here, and the commands that do the same.
    Here {
        commands: &'static [&'static str],
        full: fn() -> Figures,
        slice: Slice,
    },
}

/// What of a check fits into a minute or so.
enum Slice {
    Run(fn() -> Figures),
    /// Nothing, for this reason.
    Nothing(&'static str),
}

/// What a check that passed has to say: figures.
type Figures = Result<String, XtaskError>;

impl Check {
    /// What to type to run it without us.
    fn commands(&self) -> Vec<String> {
        match &self.proof {
            Proof::Tests(tests) => tests.iter().map(Named::to_string).collect(),
            Proof::Here { commands, .. } => commands.iter().map(|&it| it.to_owned()).collect(),
        }
    }

    /// Runs it; or says why there is no slice, if that was asked for.
    fn run(&self, slice: bool) -> Result<Figures, &'static str> {
        match (&self.proof, slice) {
            (Proof::Tests(tests), false) => Ok(named::run(tests)),
            (Proof::Tests(_), true) => Err("`cargo xtask test` has its tests"),
            (Proof::Here { full, .. }, false) => Ok(full()),
            (Proof::Here { slice, .. }, true) => match slice {
                Slice::Run(slice) => Ok(slice()),
                Slice::Nothing(why) => Err(why),
            },
        }
    }
}

/// Runs the command.
///
/// # Errors
///
/// [`XtaskError::Unproven`] if a check failed, [`XtaskError::NoCheck`] if one has
/// no such name, or why the document cannot be written.
pub(crate) fn run(options: &Options) -> Result<(), XtaskError> {
    let document = root().join(evidence::DOCUMENT);
    let document = (!options.slice).then_some(document.as_path());
    run_checks(SECTIONS, &options.names, document)
}

/// Runs the checks with these names. The results go into `document`; without
/// one, a slice of each is run.
fn run_checks(
    sections: &[Section],
    names: &[String],
    document: Option<&Path>,
) -> Result<(), XtaskError> {
    let all = || sections.iter().flat_map(|section| section.checks);
    if let Some(name) = names.iter().find(|name| all().all(|it| it.name != **name)) {
        return Err(XtaskError::NoCheck {
            name: name.clone(),
            known: all().map(|check| check.name).collect(),
        });
    }
    let mut failed = Vec::new();
    let chosen = all().filter(|it| names.is_empty() || names.iter().any(|name| name == it.name));
    for check in chosen {
        let begin = Instant::now();
        let commit = evidence::commit()?;
        println!("\n== {}: {}", check.name, check.claim);
        let figures = match check.run(document.is_none()) {
            Ok(figures) => figures,
            Err(why) => {
                println!("left out: {why}");
                continue;
            }
        };
        let outcome = match figures {
            Ok(figures) => Outcome::Passed(figures),
            Err(error) => {
                eprintln!("{}: {error}", check.name);
                failed.push(check.name);
                Outcome::Failed(error.to_string())
            }
        };
        let run = Run {
            outcome,
            commit,
            date: evidence::today()?,
            time: begin.elapsed(),
        };
        println!("{}: {run}", check.name);
        if let Some(document) = document {
            evidence::record(document, sections, check, &run)?;
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(XtaskError::Unproven { checks: failed }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn fails() -> Figures {
        Err(XtaskError::Untidy { findings: 7 })
    }

    const fn here(name: &'static str, full: fn() -> Figures) -> Check {
        Check {
            name,
            claim: "It holds | always.",
            how: "it is tried",
            proof: Proof::Here {
                commands: &["true | cat"],
                full,
                slice: Slice::Run(full),
            },
        }
    }

    const GOOD: Check = here("good", || Ok("3 things".to_owned()));
    const BAD: Check = here("bad", fails);
    /// Later, the bad one is good.
    const MENDED: Check = here("bad", || Ok("4 things".to_owned()));

    const fn section(checks: &'static [Check]) -> Section {
        Section {
            title: "Things",
            checks,
        }
    }

    /// A check that fails makes the command fail and says so in its row; each
    /// run touches the rows of the checks that ran, and no other.
    #[test]
    fn a_failure_fails_and_is_written_down() {
        let folder = std::env::temp_dir().join(format!("xtask-prove-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let document = folder.join("evidence.md");
        let read = || fs::read_to_string(&document).unwrap();
        let row = |name: &str| {
            let text = read();
            let mut rows = text
                .lines()
                .filter(|line| line.contains(&format!("`{name}`")));
            let row = rows.next().unwrap().to_owned();
            assert_eq!(rows.next(), None);
            row
        };

        const BOTH: &[Section] = &[section(&[GOOD, BAD])];
        let bad = [String::from("bad")];
        let result = run_checks(BOTH, &bad, Some(&document));
        assert!(
            matches!(&result, Err(XtaskError::Unproven { checks }) if checks == &["bad"]),
            "{result:?}"
        );
        assert!(row("bad").contains("**FAILED**"), "{}", row("bad"));
        assert!(row("bad").contains("findings: 7"), "{}", row("bad"));
        assert!(row("good").ends_with("| not run yet |"), "{}", row("good"));
        let was = row("bad");

        // One that passes leaves the failure of the other where it is.
        run_checks(BOTH, &["good".to_owned()], Some(&document)).unwrap();
        assert!(row("good").contains("3 things"), "{}", row("good"));
        assert_eq!(row("bad"), was);

        // All of them: the failure does not hide the others, and still fails.
        assert!(run_checks(BOTH, &[], Some(&document)).is_err());

        const MENDED_TOO: &[Section] = &[section(&[GOOD, MENDED])];
        run_checks(MENDED_TOO, &bad, Some(&document)).unwrap();
        assert!(row("bad").contains("4 things") && !row("bad").contains("FAILED"));

        // A slice writes nothing, and fails as well.
        let was = read();
        assert!(run_checks(BOTH, &[], None).is_err());
        assert_eq!(read(), was);

        assert!(matches!(
            run_checks(BOTH, &["gone".to_owned()], Some(&document)),
            Err(XtaskError::NoCheck { .. })
        ));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn every_fuzz_target_has_a_check() {
        let known = |name: &str| {
            let mut all = SECTIONS.iter().flat_map(|section| section.checks);
            all.any(|check| check.name == format!("fuzz-{name}"))
        };
        for entry in fs::read_dir(root().join("fuzz/fuzz_targets")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert!(known(name), "no check for the fuzz target {name}");
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = SECTIONS
            .iter()
            .flat_map(|section| section.checks)
            .map(|check| check.name)
            .collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    /// The document in the tree has the checks that there are, as they are. If
    /// this fails, run the check that was changed: `cargo xtask prove NAME`.
    #[test]
    fn the_document_is_of_these_checks() {
        let path = root().join(evidence::DOCUMENT);
        let text = fs::read_to_string(&path).unwrap();
        let fresh = evidence::render(SECTIONS, &evidence::results(&text));
        for (fresh, line) in fresh.lines().zip(text.lines()) {
            assert_eq!(fresh, line);
        }
        assert_eq!(fresh.len(), text.len());
    }
}
