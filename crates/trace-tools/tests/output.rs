//! What `-o` does to the folder that it writes to, and to what is there already.

#![cfg(unix)]

mod support;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use support::{input, known};

/// A folder of a test's own with a trace in it.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("output")
        .join(test);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let mut bytes = Vec::new();
    input(&known(0)).read_to_end(&mut bytes).unwrap();
    fs::write(folder.join("in"), bytes).unwrap();
    folder
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn rtrace(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rtrace"));
    command.args(args).current_dir(folder).stdin(Stdio::null());
    command
}

/// The exit status, what it printed, and what it said.
fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let ran = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (ran.status.code(), text(ran.stdout), text(ran.stderr))
}

const FOLDED: [&str; 6] = [
    "profile",
    "in",
    "--kind=block",
    "--format=folded",
    "-o",
    "out",
];

#[test]
fn what_is_there_keeps_its_mode() {
    let folder = folder("mode");
    let out = folder.join("out");
    for mode in [0o600, 0o640, 0o444, 0o666] {
        fs::write(&out, "before").unwrap();
        fs::set_permissions(&out, fs::Permissions::from_mode(mode)).unwrap();
        let before = fs::metadata(&out).unwrap();
        let (status, _, said) = run(&mut rtrace(&folder, &FOLDED));
        assert_eq!((status, &*said), (Some(0), ""));
        let after = fs::metadata(&out).unwrap();
        assert_eq!(after.mode(), before.mode(), "{mode:o}");
        assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()));
        assert!(fs::read_to_string(&out).unwrap().starts_with("main.main"));
        fs::remove_file(&out).unwrap();
    }
    assert_eq!(names(&folder), ["in"]);
}

#[test]
fn no_link_is_followed() {
    let folder = folder("links");
    fs::write(folder.join("precious"), "precious").unwrap();
    symlink("precious", folder.join("out")).unwrap();
    let (status, _, said) = run(&mut rtrace(&folder, &FOLDED));
    assert_eq!(status, Some(1));
    assert!(said.contains("symbolic link"), "{said}");
    // One that leads nowhere yet.
    fs::remove_file(folder.join("out")).unwrap();
    symlink("nothing", folder.join("out")).unwrap();
    let (status, _, said) = run(&mut rtrace(&folder, &FOLDED));
    assert_eq!(status, Some(1));
    assert!(said.contains("symbolic link"), "{said}");
    assert_eq!(names(&folder), ["in", "out", "precious"]);
    let precious = fs::read_to_string(folder.join("precious")).unwrap();
    assert_eq!(precious, "precious");
}

#[test]
fn the_longest_name_will_do() {
    let folder = folder("long");
    let name = "n".repeat(255);
    let args = [&FOLDED[..5], &[&name]].concat();
    let (status, _, said) = run(&mut rtrace(&folder, &args));
    assert_eq!((status, &*said), (Some(0), ""));
    assert_eq!(names(&folder), ["in", &name]);
}

#[test]
fn an_output_is_no_input() {
    let folder = folder("same");
    let whole = fs::read(folder.join("in")).unwrap();
    fs::hard_link(folder.join("in"), folder.join("other")).unwrap();
    symlink("in", folder.join("link")).unwrap();
    let commands: [&[&str]; 6] = [
        &["check", "in"],
        &["dump", "in"],
        &["summary", "in"],
        &["diff", "in", "in"],
        &["profile", "in", "--kind=block"],
        &["export", "in", "--format=chrome"],
    ];
    let refused = |command: &mut Command| {
        let (status, _, said) = run(command);
        assert_eq!(status, Some(1), "{command:?}: {said}");
        assert!(said.contains("it is read as well"), "{command:?}: {said}");
        assert!(fs::read(folder.join("in")).unwrap() == whole, "{command:?}");
    };
    for args in commands {
        // As with `>> in`: a shell that says `> in` has emptied it before.
        let file = File::options()
            .append(true)
            .open(folder.join("in"))
            .unwrap();
        let ran = rtrace(&folder, args).stdout(file).output().unwrap();
        let said = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.contains("it is read as well"), "{args:?}: {said}");
        assert!(fs::read(folder.join("in")).unwrap() == whole, "{args:?}");
    }
    for args in &commands[4..] {
        for out in ["in", "./in", "other", "link"] {
            refused(&mut rtrace(&folder, &[args, &["-o", out][..]].concat()));
        }
        // Standard input as well.
        let args: Vec<_> = args
            .iter()
            .map(|&arg| if arg == "in" { "-" } else { arg })
            .collect();
        let mut command = rtrace(&folder, &[&args[..], &["-o", "in"]].concat());
        refused(command.stdin(File::open(folder.join("in")).unwrap()));
    }
    assert_eq!(names(&folder), ["in", "link", "other"]);
}

#[test]
fn what_is_no_file_is_written_to_as_it_is() {
    let folder = folder("devices");
    let expected = run(&mut rtrace(&folder, &FOLDED[..4])).1;
    for out in ["/dev/stdout", "-", "/dev/fd/1"] {
        let args = [&FOLDED[..5], &[out]].concat();
        let (status, printed, said) = run(&mut rtrace(&folder, &args));
        assert_eq!((status, printed, &*said), (Some(0), expected.clone(), ""));
        // A file that standard output goes to is not replaced.
        let mut file = File::create(folder.join("kept")).unwrap();
        file.write_all(b"begun\n").unwrap();
        let status = rtrace(&folder, &args).stdout(file).status().unwrap();
        assert!(status.success(), "{out}");
        let kept = fs::read_to_string(folder.join("kept")).unwrap();
        assert_eq!(kept, format!("begun\n{expected}"), "{out}");
    }
    let args = [&FOLDED[..5], &["/dev/null"]].concat();
    assert_eq!(run(&mut rtrace(&folder, &args)).0, Some(0));

    let made = Command::new("mkfifo")
        .arg(folder.join("out"))
        .status()
        .unwrap();
    assert!(made.success());
    let pipe = folder.join("out");
    let reader = thread::spawn(move || fs::read_to_string(pipe).unwrap());
    assert_eq!(run(&mut rtrace(&folder, &FOLDED)).0, Some(0));
    assert_eq!(reader.join().unwrap(), expected);
    assert_eq!(names(&folder), ["in", "kept", "out"]);
}

/// Has a command heed a signal that this process may ignore, as everything does with
/// SIGINT that a script runs in the background.
fn heed(command: &mut Command, signal: i32) {
    let heed = move || {
        // SAFETY: what a program is started with is a disposition, no handler.
        match unsafe { libc::signal(signal, libc::SIG_DFL) } {
            libc::SIG_ERR => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    };
    // SAFETY: it makes a single system call, as it may between fork and exec.
    unsafe { command.pre_exec(heed) };
}

/// Whatever ends it, nothing unfinished stays; and a signal that is ignored, as
/// `nohup` has it, does not end it.
#[test]
fn nothing_stays_behind_a_signal() {
    for (signal, name) in [(2, "INT"), (15, "TERM"), (1, "HUP")] {
        let folder = folder(&format!("signal-{name}"));
        let mut rtrace = rtrace(&folder, &["profile", "-", "--kind=block", "-o", "out"]);
        heed(&mut rtrace, signal);
        let mut child = rtrace.stdin(Stdio::piped()).spawn().unwrap();
        // Waiting for it would close its input, which would end it as well.
        let input = child.stdin.take();
        while names(&folder).len() < 2 {
            thread::sleep(Duration::from_millis(1));
        }
        let sent = Command::new("kill")
            .args([format!("-{name}"), child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
        assert_eq!(child.wait().unwrap().signal(), Some(signal), "{name}");
        drop(input);
        assert_eq!(names(&folder), ["in"], "{name}");
    }
    let folder = folder("signal-ignored");
    let mut child = Command::new("sh")
        .args([
            "-c",
            "trap '' HUP; exec \"$0\" profile - --kind=block --format=folded -o out",
        ])
        .arg(env!("CARGO_BIN_EXE_rtrace"))
        .current_dir(&folder)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    while names(&folder).len() < 2 {
        thread::sleep(Duration::from_millis(1));
    }
    let sent = Command::new("kill")
        .args(["-HUP", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
    let trace = fs::read(folder.join("in")).unwrap();
    child.stdin.take().unwrap().write_all(&trace).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(names(&folder), ["in", "out"]);
}
