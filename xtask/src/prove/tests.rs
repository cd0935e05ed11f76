//! Documents of made-up claims, about a small tree.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::evidence::{Book, State};
use super::named::{CASES, Named};
use super::slice::{self, Part};
use super::{Check, Figures, Proof, Section, Slice, chosen, run, stale};
use crate::error::XtaskError;
use crate::process::capture;

fn fails() -> Figures {
    Err(XtaskError::Untidy { findings: 7 })
}

const fn here(
    name: &'static str,
    covers: &'static [&'static [&'static str]],
    full: fn() -> Figures,
) -> Check {
    Check {
        name,
        covers,
        claim: "It holds | always.",
        how: "it is tried",
        proof: Proof::Here {
            commands: &["true | cat"],
            full,
            slice: Slice::Run(full),
        },
    }
}

const GOOD: Check = here("good", &[&["code/a"]], || Ok("3 | things".to_owned()));
const BAD: Check = here("bad", &[&["code", "!code/left.rs"], &["x*"]], fails);
/// Later, the bad one is good.
const MENDED: Check = here("bad", BAD.covers, || Ok("4 things".to_owned()));

const fn section(checks: &'static [Check]) -> Section {
    Section {
        title: "Things",
        checks,
    }
}

const BOTH: &[Section] = &[section(&[GOOD, BAD])];
const MENDED_TOO: &[Section] = &[section(&[GOOD, MENDED])];

/// A folder with files that git would track, and a document beside them.
struct Small {
    root: PathBuf,
    document: PathBuf,
}

impl Small {
    fn new(name: &str) -> Self {
        let root = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        let mut git = Command::new("git");
        capture(git.args(["init", "-q"]).current_dir(&root), "git init").unwrap();
        let small = Self {
            document: root.join("evidence.md"),
            root,
        };
        small.put("code/a/one.rs", "fn one() { 1 }\n");
        small.put("code/two.rs", "fn two() { 2 }\n");
        small.put("code/left.rs", "fn left() {}\n");
        small.put("x-ray.txt", "1\n2\n");
        small.put("README.md", "Read me.\n");
        small
    }

    fn put(&self, name: &str, text: &str) {
        let path = self.root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn book(&self, sections: &'static [Section]) -> Book<'_> {
        Book {
            path: &self.document,
            sections,
            root: &self.root,
        }
    }

    /// Runs the checks with these names.
    fn run(&self, sections: &'static [Section], names: &[&str]) -> Result<(), XtaskError> {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let book = self.book(sections);
        run::run(&book, &chosen(&book, &names)?)
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.document).unwrap()
    }

    /// The only row of a check.
    fn row(&self, name: &str) -> String {
        let text = self.text();
        let begin = format!("| `{name}`");
        let mut rows = text.lines().filter(|line| line.starts_with(&begin));
        let row = rows.next().unwrap().to_owned();
        assert_eq!(rows.next(), None);
        row
    }

    fn states(&self, sections: &'static [Section]) -> Vec<State> {
        let rows = self.book(sections).rows().unwrap();
        rows.iter().map(|row| row.state).collect()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // What is left of it is in the way of nobody.
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// A check that fails makes the command fail and says so in its row; each run
/// touches the rows of the checks that ran, and no other.
#[test]
fn a_failure_fails_and_is_written_down() {
    let small = Small::new("failure");
    let result = small.run(BOTH, &["bad"]);
    assert!(
        matches!(&result, Err(XtaskError::Unproven { checks }) if checks == &["bad"]),
        "{result:?}"
    );
    let row = |name: &str| small.row(name);
    assert!(row("bad").contains("**FAILED**"), "{}", row("bad"));
    assert!(row("bad").contains("findings: 7"), "{}", row("bad"));
    assert!(row("good").ends_with("| not run yet |"), "{}", row("good"));
    assert_eq!(small.states(BOTH), [State::NeverRun, State::Failed]);
    let was = row("bad");

    // One that passes leaves the failure of the other where it is.
    small.run(BOTH, &["good"]).unwrap();
    assert!(row("good").contains(r"3 \| things"), "{}", row("good"));
    assert_eq!(row("bad"), was);

    // All of them: the failure does not hide the others, and still fails.
    assert!(small.run(BOTH, &[]).is_err());

    small.run(MENDED_TOO, &["bad"]).unwrap();
    assert!(row("bad").contains("4 things") && !row("bad").contains("FAILED"));

    // A slice writes nothing, and fails as well.
    let (was, book) = (small.text(), small.book(BOTH));
    assert!(slice::run(&book, &chosen(&book, &[]).unwrap()).is_err());
    assert_eq!(small.text(), was);

    // Where a program is missing nothing is learnt of the claim, and the row stays.
    const AWAY: &[Section] = &[section(&[
        GOOD,
        here("bad", BAD.covers, || {
            let reason = "not here".to_owned();
            Err(XtaskError::NoFuzzer { reason })
        }),
    ])];
    assert!(small.run(AWAY, &["bad"]).is_err());
    assert_eq!(small.text(), was);

    let result = small.run(BOTH, &["gone"]);
    assert!(matches!(result, Err(XtaskError::NoCheck { .. })));
}

/// Each change to a file, whether it makes the first and the second row stale.
#[test]
fn a_row_is_stale_once_its_code_has_changed() {
    let small = Small::new("stale");
    small.run(MENDED_TOO, &[]).unwrap();
    let book = small.book(MENDED_TOO);
    let fresh = small.text();
    assert_eq!(small.states(MENDED_TOO), [State::Holds; 2]);
    let no_lies = Vec::<String>::new();
    assert_eq!(book.lies().unwrap(), no_lies);

    for (file, text, good, bad) in [
        ("code/a/one.rs", "fn one() { 11 }\n", true, true),
        ("code/two.rs", "fn two() { \"2\" }\n", false, true),
        // A new file, and one whose name begins as a path says.
        ("code/a/three.rs", "", true, true),
        ("xylophone", "", false, true),
        ("x-ray.txt", "1\n2 \n", false, true),
        // What is not covered, and what the compiler does not read.
        ("code/left.rs", "fn right() {}\n", false, false),
        ("README.md", "Read it.\n", false, false),
        ("code/ab", "", false, true),
        (
            "code/two.rs",
            "//! Two.\r\n\r\nfn two() {\r\n 2 }",
            false,
            false,
        ),
        ("x-ray.txt", "1\r\n2\r\n", false, false),
    ] {
        let was = fs::read(small.root.join(file)).ok();
        small.put(file, text);
        let lies = book.lies().unwrap();
        let is_stale = |name: &str| lies.iter().any(|lie| lie.starts_with(&format!("{name}: ")));
        assert_eq!(
            (is_stale("good"), is_stale("bad")),
            (good, bad),
            "{file}: {lies:?}"
        );

        // Once it is marked, the mark is true; the result stands behind it.
        assert_eq!(book.mark().unwrap(), lies);
        assert_eq!(book.lies().unwrap(), no_lies, "{file}");
        for (name, stale) in [("good", good), ("bad", bad)] {
            let marked = small.row(name).contains("| **stale**, ok, 2");
            assert_eq!(marked, stale, "{file}: {}", small.row(name));
        }

        // The file as it was, the mark is no longer true, and goes.
        match was {
            Some(was) => fs::write(small.root.join(file), was).unwrap(),
            None => fs::remove_file(small.root.join(file)).unwrap(),
        }
        assert_eq!(book.lies().unwrap().is_empty(), !good && !bad, "{file}");
        book.mark().unwrap();
        assert_eq!(small.text(), fresh, "{file}");
    }

    // The same under another name is something else.
    let name = |name| small.root.join("code/a").join(name);
    fs::rename(name("one.rs"), name("uno.rs")).unwrap();
    assert_eq!(book.lies().unwrap().len(), 2);
}

/// What is written by hand into a document and is not so is found.
#[test]
fn marks_that_lie_are_found() {
    let small = Small::new("lies");
    small.run(MENDED_TOO, &[]).unwrap();
    let book = small.book(MENDED_TOO);
    let fresh = small.text();
    let code = fresh.split_once(", code ").unwrap().1[..12].to_owned();
    for (from, to) in [
        ("| ok, ", "| **stale**, ok, "),
        (code.as_str(), "0123456789ab"),
        (", code ", ", coda "),
        ("It holds", "It does not hold"),
        ("# Evidence", "# Opinions"),
    ] {
        let lie = fresh.replacen(from, to, 1);
        assert_ne!(lie, fresh);
        fs::write(&small.document, lie).unwrap();
        assert_eq!(book.lies().unwrap().len(), 1, "{to}");
    }
    // A row that is stale, and of which somebody says that it is not.
    small.put("code/a/one.rs", "fn one() {}\n");
    fs::write(&small.document, &fresh).unwrap();
    book.mark().unwrap();
    let marked = small.text();
    assert_eq!(book.lies().unwrap(), Vec::<String>::new());
    fs::write(&small.document, marked.replacen("**stale**, ", "", 1)).unwrap();
    assert_eq!(book.lies().unwrap(), ["good: its code has changed since"]);
}

/// What is stale is run, the quickest first, each into its row.
#[test]
fn the_quickest_first() {
    const MANY: &[Section] = &[section(&[
        here("slow", &[&["code"]], || Ok(String::new())),
        here("new", &[&["code"]], || Ok(String::new())),
        here("kept", &[&["x*"]], || Ok(String::new())),
        here("quick", &[&["code"]], || Ok(String::new())),
    ])];
    let small = Small::new("quickest");
    small.run(MANY, &["slow", "quick", "kept"]).unwrap();
    let slow = small.row("slow");
    let slower = slow.replacen(", 1 s, code", ", 90 s, code", 1);
    assert_ne!(slower, slow);
    fs::write(&small.document, small.text().replace(&slow, &slower)).unwrap();
    small.put("code/two.rs", "");

    let book = small.book(MANY);
    let all = chosen(&book, &[]).unwrap();
    let rows = stale::of(&book, &all).unwrap();
    let names = |rows: &[super::evidence::Row]| -> Vec<_> {
        rows.iter().map(|row| row.check.name).collect()
    };
    assert_eq!(names(&rows), ["quick", "slow", "new"]);
    assert_eq!(
        stale::plan(&rows),
        "rows without a good result of today's code: 3; to run them takes about 2 min by their \
         last runs, without 1 of which the time is not known\n\
         \x20    1 s   1.1 %  quick: its code has changed\n\
         \x20   90 s  98.9 %  slow: its code has changed\n\
         \x20    ? s     ? %  new: never run\n"
    );
    let slow = chosen(&book, &["slow".to_owned()]).unwrap();
    assert_eq!(names(&stale::of(&book, &slow).unwrap()), ["slow"]);

    run::run(&book, &stale::checks(&rows)[..1]).unwrap();
    let rows = stale::of(&book, &all).unwrap();
    assert_eq!(names(&rows), ["slow", "new"]);
    run::run(&book, &stale::checks(&rows)).unwrap();
    let rows = stale::of(&book, &all).unwrap();
    assert!(rows.is_empty());
    assert!(stale::plan(&rows).starts_with("nothing to do"));
    assert_eq!(stale::in_short(&rows), "");
}

/// Of what is stale the slice runs as much as there is time for, of the rest what
/// it always runs.
#[test]
fn a_slice_begins_with_what_has_changed() {
    const fn tests(name: &'static str, named: &'static [Named]) -> Check {
        Check {
            proof: Proof::Tests(named),
            ..here(name, &[&["code"]], fails)
        }
    }
    const ONE: Named = Named::of("e2e", "fork", &["one"]);
    const MANY: &[Section] = &[section(&[
        GOOD,
        tests("properties", &[ONE.env(&[(CASES, "5000")]), ONE]),
        tests("long", &[ONE]),
        tests("too-long", &[ONE]),
        tests("quick", &[ONE]),
        tests("new", &[ONE]),
        here("far", &[&["x*"]], fails),
    ])];
    let small = Small::new("slice");
    let head = "| check |\n";
    let mut text = head.to_owned();
    for (name, seconds) in [("long", 290), ("too-long", 295), ("quick", 7)] {
        let ran = format!("ok, 2026-01-31, 123456789, {seconds} s, code 0: 1 test");
        let row = format!("| `{name}` | c | h | `{ONE}` | {ran} |\n");
        text.push_str(&row);
    }
    fs::write(&small.document, text).unwrap();
    let book = small.book(MANY);
    let all = chosen(&book, &[]).unwrap();
    let parts = |stale: &[super::evidence::Row]| -> Vec<_> {
        let parts = slice::parts(stale, &all).into_iter();
        let short = |part: &Part| match part {
            Part::All => "all".to_owned(),
            Part::Slice(_) => "slice".to_owned(),
            Part::Fewer(named) => named.iter().map(Named::to_string).collect(),
            Part::Nothing(_) => "nothing".to_owned(),
        };
        let parts = parts.map(|(check, part)| (check.name, short(&part)));
        parts.filter(|(_, part)| part != "nothing").collect()
    };
    let fewer = "PROPTEST_CASES=1000 cargo test -p e2e --test fork -- --exact --nocapture one";
    let part = |name, part: &str| (name, part.to_owned());
    let stale = stale::of(&book, &all).unwrap();
    assert_eq!(
        parts(&stale),
        [
            part("quick", "all"),
            part("long", "all"),
            part("good", "slice"),
            part("properties", fewer),
            part("far", "slice"),
        ]
    );
    let fresh = [
        part("good", "slice"),
        part("properties", fewer),
        part("far", "slice"),
    ];
    assert_eq!(parts(&[]), fresh);
}
