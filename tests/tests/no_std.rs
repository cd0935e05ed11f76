//! The tracer in a program without `std` and without a heap.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::check::{Ends, check};
use e2e::kept::Kept;
use trace_format::EventKind;

fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("it lies in the project").to_owned()
}

fn package() -> PathBuf {
    root().join("runtime-trace/no-std-embedder")
}

/// Builds the program, which is a workspace of its own.
fn build() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-std-embedder");
    let built = Command::new(env!("CARGO"))
        // What this build needs was fetched for this test.
        .args(["build", "--release", "--locked", "--offline", "--quiet"])
        .arg("--manifest-path")
        .arg(package().join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .output()
        .expect("cargo runs");
    assert!(
        built.status.success(),
        "it does not build:\n{}",
        String::from_utf8_lossy(&built.stderr)
    );
    target.join("release/no-std-embedder")
}

#[test]
fn it_records_a_trace() {
    let program = build();
    let kept = Kept::place("no-std").expect("the folder for traces can be made");
    let run = Command::new(&program)
        .arg(kept.path())
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "it failed: {said}");

    let trace = kept.read();
    let checked = match check(&trace, Ends::Whole) {
        Ok(checked) => checked,
        Err(fault) => panic!("{fault}"),
    };
    let of = |kind| checked.counts.get(&kind).copied().unwrap_or(0);
    assert_eq!(trace.generations.len(), 2);
    // Six tasks, each of which runs fifty times, and the one of the last notes.
    assert_eq!(of(EventKind::GoCreate), 6 + 1);
    assert_eq!(of(EventKind::GoStart), 6 * 50 + 1);
    assert_eq!(of(EventKind::GoDestroy), 6 + 1);
    assert_eq!(of(EventKind::GoBlock), of(EventKind::GoUnblock));
    let procs = (of(EventKind::ProcStart), of(EventKind::ProcStop));
    assert_eq!(procs, (2 + 1, 2 + 1));
    assert_eq!(checked.live, 0);

    // It says so when it cannot do its work.
    for (args, says) in [
        (&[][..], "usage: no-std-embedder FILE"),
        (&["no/such/folder/x.trace"], "cannot create the file"),
    ] {
        let run = Command::new(&program).args(args).output().expect("it runs");
        let said = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(1));
        assert!(said.contains(says), "{said}");
    }
}

/// Neither `std` nor an allocator is in it.
#[test]
fn it_has_no_std_and_no_heap() {
    let bytes = fs::read(build()).expect("it was built");
    let has = |text: &str| {
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    // The first two are there, so the others would be found.
    for name in ["no_std_embedder", "pthread_create\0"] {
        assert!(
            has(name),
            "{name} is missing: are the symbols there at all?"
        );
    }
    let forbidden = [
        "lang_start",
        "3std2rt",
        "library/std/",
        "__rust_alloc",
        "\0malloc\0",
        "\0free\0",
        "\0calloc\0",
        "\0realloc\0",
    ];
    for name in forbidden {
        assert!(!has(name), "{name:?} is in it");
    }
}

/// So it builds wherever the rest does, without a network.
#[test]
fn it_uses_the_same_versions() {
    let packages = |folder: &Path| -> BTreeSet<(String, String)> {
        let path = folder.join("Cargo.lock");
        let text = fs::read_to_string(&path).expect("there is a lock file");
        let lines: Vec<&str> = text.lines().collect();
        let field = |line: &str, name: &str| {
            let value = line.strip_prefix(name)?.strip_prefix(" = ")?;
            Some(value.trim_matches('"').to_owned())
        };
        let found = lines.windows(2);
        found
            .filter_map(|pair| Some((field(pair[0], "name")?, field(pair[1], "version")?)))
            .collect()
    };
    let (ours, all) = (packages(&package()), packages(&root()));
    let others: Vec<_> = ours
        .difference(&all)
        .filter(|(name, _)| name != "no-std-embedder")
        .collect();
    assert!(
        others.is_empty(),
        "not in the workspace's Cargo.lock: {others:?}; run `cargo update` in {}",
        package().display()
    );
    assert!(ours.len() > 5, "{} packages were read", ours.len());
}
