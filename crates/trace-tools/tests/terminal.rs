//! What `rtrace` prints on a terminal, of a trace whose every name is an attack and
//! of files that are called so: nothing but what can be seen, in lines that it
//! began itself.

#![cfg(unix)]

mod support;

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::{input, known};

/// A line that is not ours, the clipboard, the title, colours and the cursor, in
/// two encodings, text that runs backwards, text without width, a formula, the
/// ends of a string and of a script.
const HOSTILE: &str = "\nforged: ok\r\x1b]52;c;cm0gLXJm\x07\x1b]0;title\x1b\\\x1b[2J\x1b[31m\u{8}\0\
    \u{85}\u{9b}31m\u{9d}0;title\u{9c}\u{7f}\u{202e}\u{2066}\u{200b}\u{200d}\u{2028}\u{feff}\u{ad}\
    =cmd|' /C calc'!A0\"'</script><svg onload=x>";

/// The same, as far as a file can be called so.
const FILE: &str = "\nforged: ok\r\x1b]52;c;cm0\x07\x1b[31m\u{9b}\u{202e}\u{200b}=1\".trace";

/// The trace of known durations, with its names made hostile.
fn hostile(more: u64) -> Vec<u8> {
    let escaped = |byte: &u8| format!("\\x{byte:02x}");
    let escaped: String = HOSTILE.as_bytes().iter().map(escaped).collect();
    let long = "n".repeat(500);
    let mut trace = String::new();
    for line in known(more).lines() {
        let line = match line.trim_start().strip_prefix("data=\"") {
            // Notes of losses are known by their category.
            Some(rest) if !rest.starts_with("runtime-trace") => {
                format!("\tdata=\"{escaped}{long}{rest}")
            }
            _ => line.to_owned(),
        };
        trace.push_str(&line);
        trace.push('\n');
    }
    bytes(&trace)
}

/// The trace of a text.
fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    input(text).read_to_end(&mut bytes).unwrap();
    bytes
}

/// What a command prints on a terminal, both outputs in one.
fn on_a_terminal(args: &[&str], folder: &Path) -> String {
    let (mut ours, mut theirs) = (0, 0);
    let none = std::ptr::null_mut();
    // SAFETY: both places are this function's own; a terminal's name, modes and size
    // are not asked for.
    let opened = unsafe {
        libc::openpty(
            &raw mut ours,
            &raw mut theirs,
            none,
            none.cast(),
            none.cast(),
        )
    };
    assert_eq!(opened, 0, "no terminal");
    // SAFETY: they were opened just now, and nothing else owns them.
    let (ours, theirs) = unsafe { (OwnedFd::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) };
    let mut child = Command::new(env!("CARGO_BIN_EXE_rtrace"))
        .args(args)
        .current_dir(folder)
        // Colours would be escapes of our own.
        .env("NO_COLOR", "1")
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stdout(theirs.try_clone().unwrap())
        .stderr(theirs)
        .spawn()
        .unwrap();
    let (mut printed, mut terminal) = (Vec::new(), File::from(ours));
    let mut some = [0; 4096];
    // Linux tells by an error that nobody has the other side any more.
    while let Ok(len @ 1..) = terminal.read(&mut some) {
        printed.extend_from_slice(&some[..len]);
    }
    child.wait().unwrap();
    // What is no text is binary.
    String::from_utf8(printed).unwrap_or_else(|_| "\0".to_owned())
}

/// Whether a terminal shows a character where it stands.
fn is_harmless(c: char) -> bool {
    let moves = matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    let unseen = matches!(
        c,
        '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200d}' | '\u{2028}' | '\u{2029}'
            | '\u{2060}'..='\u{2064}' | '\u{feff}'
    );
    !(c.is_control() || moves || unseen)
}

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("terminal");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("a"), hostile(0)).unwrap();
    fs::write(folder.join("b"), hostile(70)).unwrap();
    fs::write(folder.join(FILE), hostile(0)).unwrap();
    let torn = hostile(0);
    fs::write(folder.join("torn"), &torn[..torn.len() - 900]).unwrap();
    folder
}

#[test]
fn nothing_reaches_a_terminal_but_text() {
    let mut runs: Vec<Vec<&str>> = vec![
        vec!["check", "a"],
        vec!["check", "--json", "a"],
        vec!["check", "torn"],
        vec!["check", FILE],
        vec!["dump", "a"],
        vec!["dump", "--json", "a"],
        vec!["dump", "--mode", "wire", "a"],
        vec!["dump", "--mode", "wire", "--json", "a"],
        vec!["dump", "torn"],
        vec!["summary", "a"],
        vec!["summary", "--json", "a"],
        vec!["export", "--format", "csv", "a"],
        vec!["export", "--format", "csv", "a", "-o", "-"],
        vec!["export", "--format", "csv", "a", "-o", "/dev/tty"],
        vec!["export", "--format", "chrome", "a"],
        vec!["export", "--format", "perfetto", "a"],
        vec![
            "export",
            "--format",
            "chrome",
            "a",
            "-o",
            "no/such/\x1b[31m\u{202e}folder",
        ],
        vec!["diff", "a", "b"],
        vec!["diff", "--json", "a", "b"],
        vec!["diff", "a", FILE],
        vec!["diff", "a", "no\x1b]0;x\x07\u{9b}such\nforged: ok"],
        vec!["check", "no\x1b]0;x\x07\u{9b}such\nforged: ok"],
        vec!["check", "a", FILE],
        vec!["dump", "--kind", "\nforged: ok\x1b[31m", "a"],
        vec!["dump", "--from", "\nforged: ok\x1b[31m", "a"],
        vec!["summary", "--top", "\nforged: ok\x1b[31m", "a"],
        vec!["\nforged: ok\x1b[31m\u{202e}"],
        vec!["--\nforged: ok\x1b[31m\u{202e}"],
    ];
    let formats = ["text", "folded", "svg", "pprof"];
    for kind in ["sched", "block", "net", "syscall", "cpu", "running"] {
        for format in formats {
            runs.push(vec!["profile", "--kind", kind, "--format", format, "a"]);
        }
    }
    let all = ["profile", "--kind", "block", "--all-reasons"];
    runs.push([&all[..], &["a"]].concat());
    runs.push([&all[..], &["--format", "svg", FILE]].concat());
    let folder = folder();
    let mut bad = Vec::new();
    for args in runs {
        let printed = on_a_terminal(&args, &folder);
        assert!(!printed.is_empty(), "{args:?} prints nothing");
        // The terminal makes `\r\n` of the ends of lines.
        for line in printed.split_terminator('\n') {
            let line = line.strip_suffix('\r').unwrap_or(line);
            let harmful = line.chars().find(|&c| c != '\t' && !is_harmless(c));
            if let Some(c) = harmful {
                bad.push(format!("{args:?}: {c:?} in {line:?}"));
                break;
            }
            if line.starts_with("forged") {
                bad.push(format!("{args:?}: {line:?}"));
                break;
            }
        }
    }
    assert!(bad.is_empty(), "{}\n{}", bad.len(), bad.join("\n"));
}

/// Where it is no terminal, a table for databases is exact, and one for
/// spreadsheets has no formulas.
#[test]
fn tables_are_exact_elsewhere() {
    let folder = folder();
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rtrace"));
        let ran = command.args(args).current_dir(&folder).output().unwrap();
        assert!(ran.status.success(), "{args:?}: {ran:?}");
        String::from_utf8(ran.stdout).unwrap()
    };
    let exact = run(&["export", "--format", "csv", "a"]);
    assert!(exact.contains(&HOSTILE.replace('"', "\"\"")), "{exact}");
    let formulas = known(0).replace("data=\"main.", "data=\"=main.");
    fs::write(folder.join("formulas"), bytes(&formulas)).unwrap();
    let exact = run(&["export", "--format", "csv", "formulas"]);
    assert!(exact.contains(",=main.main,"), "{exact}");
    let safe = run(&["export", "--format", "csv", "--spreadsheet", "formulas"]);
    assert!(safe.contains(",'=main.main,"), "{safe}");
    assert!(!safe.contains(",=") && !safe.contains("\"="), "{safe}");
}
