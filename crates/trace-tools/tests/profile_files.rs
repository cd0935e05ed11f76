//! Where `rtrace profile` puts what it makes, and what it says of it.

mod support;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{input, known};

/// A trace of one task that runs all the time.
const NO_WAITS: &str = "
Trace Go1.26
EventBatch gen=1 m=18446744073709551615 time=1000
Sync
Frequency freq=1000000000
ClockSnapshot dt=0 mono=5000 sec=1700000000 nsec=17
EventBatch gen=1 m=7 time=1000
ProcStatus dt=10 p=0 pstatus=1
GoStatus dt=10 g=1 m=7 gstatus=2
EndOfGeneration
";

fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    input(text)
        .read_to_end(&mut bytes)
        .expect("it is in memory");
    bytes
}

/// A folder of its own for a test, which is gone with this.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let name = format!("rtrace-profile-{test}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).expect("a temporary folder");
        Folder(folder)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).expect("a temporary file");
        path
    }

    /// The names of all files in it.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("the folder");
        let mut names: Vec<_> = entries
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .into_string()
                    .expect("text")
            })
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs `rtrace profile`; returns its exit status and what it printed.
fn rtrace(trace: &Path, args: &[&str]) -> (Option<i32>, Vec<u8>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_rtrace"))
        .arg("profile")
        .arg(trace)
        .args(args)
        .output()
        .expect("rtrace starts");
    let said = String::from_utf8(output.stderr).expect("text");
    (output.status.code(), output.stdout, said)
}

#[test]
fn every_format_goes_where_it_is_to_go() {
    let folder = Folder::new("formats");
    let trace = folder.file("in.trace", &bytes(&known(0)));
    for format in ["text", "folded", "pprof", "svg"] {
        let (status, printed, said) = rtrace(&trace, &["--kind", "sync", "--format", format]);
        assert_eq!((status, &*said), (Some(0), ""), "{format}");
        let out = folder.0.join("out");
        let to_file = [
            "--kind=block",
            "--format",
            format,
            "-o",
            out.to_str().expect("text"),
        ];
        assert_eq!(
            rtrace(&trace, &to_file),
            (Some(0), Vec::new(), String::new())
        );
        assert_eq!(fs::read(&out).expect("the output"), printed, "{format}");
        assert!(!printed.is_empty());
    }
    assert_eq!(folder.names(), ["in.trace", "out"]);
}

#[test]
fn a_file_is_there_when_it_is_complete() {
    let folder = Folder::new("complete");
    let whole = bytes(&known(0));
    let cut = folder.file("cut.trace", &whole[..whole.len() - 1]);
    let no_trace = folder.file("no.trace", b"not a trace");
    let empty = folder.file("empty.trace", &bytes(NO_WAITS));
    let out = folder.0.join("out");
    let args = [
        "--kind",
        "sched",
        "--format",
        "folded",
        "-o",
        out.to_str().expect("text"),
    ];

    let (status, _, said) = rtrace(&no_trace, &args);
    assert_eq!(status, Some(1), "{said}");
    assert!(!folder.names().contains(&"out".to_owned()));

    let (status, _, said) = rtrace(&empty, &args);
    assert_eq!(status, Some(0), "{said}");
    assert!(
        said.contains("there are no waits to be scheduled in"),
        "{said}"
    );
    assert_eq!(fs::read(&out).expect("an empty profile"), b"");

    // What could be read of it is worth having.
    let (status, _, said) = rtrace(&cut, &args);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("events were read"), "{said}");
    assert!(!fs::read(&out).expect("a profile").is_empty());
    assert_eq!(
        folder.names(),
        ["cut.trace", "empty.trace", "no.trace", "out"]
    );

    let (status, _, said) = rtrace(
        &cut,
        &["--kind", "sched", "-o", folder.0.to_str().expect("text")],
    );
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("cannot write"), "{said}");
    assert_eq!(folder.names().len(), 4);
}

#[test]
fn reasons_are_for_what_blocks() {
    let folder = Folder::new("reasons");
    let trace = folder.file("in.trace", &bytes(&known(0)));
    let (status, printed, said) = rtrace(&trace, &["--kind", "sched", "--all-reasons"]);
    assert_eq!((status, &printed[..]), (Some(2), &b""[..]));
    assert!(
        said.contains("--all-reasons goes only with --kind block"),
        "{said}"
    );
}
