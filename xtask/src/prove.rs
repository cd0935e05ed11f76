//! `cargo xtask prove`: the long checks, and `docs/evidence.md`, which says of
//! each claim how it is checked and what came of it last.
//!
//! `cargo xtask test` is for every change and takes minutes; what is here takes
//! minutes to hours each. Claims and checks are data (`claims.rs`), and the
//! document is made from it. A check that ran rewrites its own row, also when it
//! failed, and leaves the others' results as they are.
//!
//! A check names the code that it covers. As soon as that is not what it was when
//! the check last ran, the row is stale: `cargo xtask tidy` marks it, the gate fails
//! if a mark is not true, and `--stale` runs what is marked.

mod claims;
mod code;
mod evidence;
mod named;
mod overload;
mod page_size;
mod run;
mod slice;
mod stale;
mod storm;
mod words;

use std::path::Path;

use clap::Args;

use self::claims::SECTIONS;
use self::evidence::Book;
use self::named::Named;
use crate::error::XtaskError;
use crate::root::root;

/// What to prove.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The checks, by the names in docs/evidence.md; all if there is none.
    names: Vec<String>,
    /// Of those, only the ones without a good result of today's code, the quickest
    /// first.
    #[arg(long)]
    stale: bool,
    /// Only say which those are, and how long they took.
    #[arg(long, requires = "stale")]
    list: bool,
    /// Only a slice of each check, about ten minutes in all, without a word in
    /// docs/evidence.md; some have none.
    #[arg(long, conflicts_with = "stale")]
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
    /// The code that it covers, but for the files of its tests: paths, in groups
    /// (`claims/covers.rs`).
    covers: &'static [&'static [&'static str]],
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

    /// The code that it covers, with the files of its tests.
    fn paths(&self) -> Vec<String> {
        let tests = match &self.proof {
            Proof::Tests(tests) => *tests,
            Proof::Here { .. } => &[],
        };
        let named = self.covers.iter().copied().flatten();
        let named = named.map(|&path| path.to_owned());
        named.chain(tests.iter().flat_map(Named::paths)).collect()
    }

    /// Runs it.
    fn run(&self) -> Figures {
        match &self.proof {
            Proof::Tests(tests) => named::run(*tests),
            Proof::Here { full, .. } => full(),
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
    let root = root();
    let path = root.join(evidence::DOCUMENT);
    with_book(&root, &path, |book| {
        let chosen = chosen(book, &options.names)?;
        if options.slice {
            return slice::run(book, &chosen);
        }
        if !options.stale {
            return run::run(book, &chosen);
        }
        let rows = stale::of(book, &chosen)?;
        print!("{}", stale::plan(&rows));
        match options.list {
            true => Ok(()),
            false => run::run(book, &stale::checks(&rows)),
        }
    })
}

/// Marks the stale rows of the document below `root`, and those that are not stale
/// any more as good; says which.
///
/// # Errors
///
/// If the document or the tree cannot be read or written.
pub(crate) fn mark(root: &Path) -> Result<Vec<String>, XtaskError> {
    with_book(root, &root.join(evidence::DOCUMENT), |book| book.mark())
}

/// The rows of the document below `root` that are not as they must be.
///
/// # Errors
///
/// If the document or the tree cannot be read.
pub(crate) fn lies(root: &Path) -> Result<Vec<String>, XtaskError> {
    with_book(root, &root.join(evidence::DOCUMENT), |book| book.lies())
}

/// What would have to run for no row to be stale, in words; nothing if none is.
///
/// # Errors
///
/// If the document or the tree cannot be read.
pub(crate) fn stale(root: &Path) -> Result<String, XtaskError> {
    with_book(root, &root.join(evidence::DOCUMENT), |book| {
        let all: Vec<_> = book.checks().collect();
        Ok(stale::in_short(&stale::of(book, &all)?))
    })
}

fn with_book<T>(root: &Path, path: &Path, then: impl FnOnce(&Book<'_>) -> T) -> T {
    then(&Book {
        path,
        sections: SECTIONS,
        root,
    })
}

/// The checks with these names, all if there are none, in the document's order.
fn chosen(book: &Book<'_>, names: &[String]) -> Result<Vec<&'static Check>, XtaskError> {
    if let Some(name) = (names.iter()).find(|name| book.checks().all(|it| it.name != **name)) {
        return Err(XtaskError::NoCheck {
            name: name.clone(),
            known: book.checks().map(|check| check.name).collect(),
        });
    }
    let is_chosen = |name: &str| names.is_empty() || names.iter().any(|it| it == name);
    Ok(book.checks().filter(|it| is_chosen(it.name)).collect())
}

#[cfg(test)]
mod tests;
