//! What `--trace` may name, and what becomes of what is there already.

mod support;

use std::ffi::CString;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use support::{Pipes, generations, open, wait_until_ready};

const PROGRAM: &str = "fn main() { for i in 0..10 { yield() } }";

/// Prints, and then waits for what is in the pipe of its argument.
const WAITS: &str = "
    fn main() {
      print(\"ready\")
      print(read_file(args()[0]))
    }";

/// A header, and something more.
const TRACE: &[u8] = b"go 1.26 trace\0\0\0and more";

/// A command that runs a program in a folder.
fn weft(folder: &Path, program: &str) -> Command {
    fs::write(folder.join("program.weft"), program).expect("the folder can be written to");
    let mut weft = support::weft();
    weft.args(["run", "program.weft", "--workers", "2", "--trace"])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    weft
}

fn run(folder: &Path, trace: &str) -> Output {
    let output = weft(folder, PROGRAM).arg(trace).output();
    output.expect("weft runs")
}

fn said(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("UTF-8")
}

/// It was refused, for this reason, and the program has not run.
#[track_caller]
fn assert_refused(output: &Output, trace: &str, why: &str) {
    let begin = format!("error: cannot write the trace to {trace}: {why}");
    assert!(said(output).starts_with(&begin), "{}", said(output));
    assert_eq!(output.status.code(), Some(64));
    assert!(output.stdout.is_empty());
}

#[track_caller]
fn assert_traced(output: &Output) {
    let said = said(output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.ends_with(" generations, 0 events lost\n"), "{said}");
}

#[track_caller]
fn assert_whole(trace: &Path) {
    let bytes = fs::read(trace).expect("it is there");
    assert!(generations(&bytes).is_some(), "{} bytes", bytes.len());
}

#[test]
fn what_is_no_trace_is_not_replaced() {
    let pipes = Pipes::new("replaced", 0);
    let file = |name: &str| pipes.folder.join(name);
    for (name, bytes, why) in [
        ("letter", &b"Dear Sir or Madam,"[..], Some("what is in it")),
        ("short", b"go 1.26 trace", Some("what is in it")),
        ("other", b"go 1.26 tracer\0\0", Some("what is in it")),
        ("empty", b"", None),
        ("trace", TRACE, None),
        ("old.trace", b"go 1.5 trace\0\0\0\0", None),
    ] {
        fs::write(file(name), bytes).expect("the folder can be written to");
        let output = run(&pipes.folder, name);
        match why {
            None => {
                assert_traced(&output);
                assert_whole(&file(name));
            }
            Some(why) => {
                assert_refused(&output, name, why);
                assert_eq!(fs::read(file(name)).expect("it is there"), bytes);
            }
        }
    }
    let output = run(&pipes.folder, "program.weft");
    assert_refused(&output, "program.weft", "what is in it");
    let program = fs::read_to_string(file("program.weft")).expect("it is there");
    assert_eq!(program, PROGRAM);
}

#[test]
fn links_to_files_are_not_followed() {
    let pipes = Pipes::new("links", 0);
    let file = |name: &str| pipes.folder.join(name);
    fs::write(file("trace"), TRACE).expect("the folder can be written to");
    for (link, to) in [("file", "trace"), ("nothing", "missing"), ("loop", "loop")] {
        symlink(to, file(link)).expect("it can be linked");
        let output = run(&pipes.folder, link);
        let why = match link {
            "loop" => "Too many levels of symbolic links",
            _ => "it is a link",
        };
        assert_refused(&output, link, why);
    }
    assert_eq!(fs::read(file("trace")).expect("it is there"), TRACE);
    assert!(!file("missing").exists());
    // Nothing can be destroyed here.
    symlink("/dev/null", file("null")).expect("it can be linked");
    assert_traced(&run(&pipes.folder, "null"));
}

#[test]
fn a_new_file_is_for_its_owner_only() {
    let pipes = Pipes::new("mode", 0);
    let mode = |name: &str| {
        let found = pipes.folder.join(name).metadata().expect("it is there");
        found.permissions().mode() & 0o777
    };
    let mut weft = weft(&pipes.folder, PROGRAM);
    let allow = || {
        // SAFETY: it changes this child only.
        unsafe { libc::umask(0) };
        Ok(())
    };
    // SAFETY: it makes a single system call, as it may between fork and exec.
    unsafe { weft.pre_exec(allow) };
    assert_traced(&weft.arg("new").output().expect("weft runs"));
    assert_eq!(mode("new"), 0o600);
    // What somebody has allowed stays so.
    let old = pipes.folder.join("old");
    fs::write(&old, TRACE).expect("the folder can be written to");
    fs::set_permissions(&old, Permissions::from_mode(0o640)).expect("it is ours");
    assert_traced(&run(&pipes.folder, "old"));
    assert_eq!(mode("old"), 0o640);
}

#[test]
fn two_programs_do_not_record_into_one_file() {
    let pipes = Pipes::new("locked", 1);
    let mut first = weft(&pipes.folder, WAITS);
    first.arg("out.trace").args(&pipes.paths);
    let mut first = first.spawn().expect("weft runs");
    wait_until_ready(&mut first);
    let second = run(&pipes.folder, "out.trace");
    assert_refused(&second, "out.trace", "another program is recording into it");
    write!(open(&pipes.paths[0]), "read").expect("the program reads it");
    assert_traced(&first.wait_with_output().expect("it ends"));
    assert_whole(&pipes.folder.join("out.trace"));
    assert_traced(&run(&pipes.folder, "out.trace"));
}

/// A named pipe in a folder.
fn named_pipe(folder: &Path) -> PathBuf {
    let path = folder.join("out");
    let name = CString::new(path.as_os_str().as_bytes()).expect("no NUL in it");
    // SAFETY: the name is a C string that lives through the call.
    let made = unsafe { libc::mkfifo(name.as_ptr(), 0o600) };
    assert_eq!(made, 0, "{}", io::Error::last_os_error());
    path
}

#[test]
fn a_pipe_without_a_reader_keeps_no_program_from_starting() {
    let pipes = Pipes::new("unread", 1);
    let trace = named_pipe(&pipes.folder);
    symlink("out", pipes.folder.join("link")).expect("it can be linked");
    for name in ["out", "link"] {
        let mut child = weft(&pipes.folder, WAITS);
        child.arg(name).args(&pipes.paths);
        let mut child = child.spawn().expect("weft runs");
        wait_until_ready(&mut child);
        // It misses nothing that comes so late.
        let mut reader = File::open(&trace).expect("it is there");
        write!(open(&pipes.paths[0]), "read").expect("the program reads it");
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).expect("it can be read");
        assert_traced(&child.wait_with_output().expect("it ends"));
        assert!(generations(&bytes).is_some(), "{} bytes", bytes.len());
    }
}

#[test]
fn a_pipe_that_nobody_ever_reads_is_given_up() {
    let pipes = Pipes::new("never-read", 0);
    let trace = named_pipe(&pipes.folder);
    let output = run(&pipes.folder, "out");
    let begin = "warning: the trace in out is not whole: given up, as nobody has come to read it\n";
    assert!(said(&output).starts_with(begin), "{}", said(&output));
    assert_eq!(output.status.code(), Some(0));
    let kind = trace.metadata().expect("it is there").file_type();
    assert!(kind.is_fifo());
}

#[test]
fn descriptors_are_taken_as_they_are() {
    let pipes = Pipes::new("descriptors", 0);
    let output = run(&pipes.folder, "/dev/stdout");
    assert_traced(&output);
    assert!(generations(&output.stdout).is_some());
    // A file that is not ours to empty: the trace follows what is in it.
    let path = pipes.folder.join("log");
    let log = || {
        let mut log = File::create(&path).expect("the folder can be written to");
        log.write_all(b"before").expect("it can be written to");
        log
    };
    let output = weft(&pipes.folder, PROGRAM)
        .arg("/dev/stdout")
        .stdout(log())
        .output();
    assert_traced(&output.expect("weft runs"));
    let bytes = fs::read(&path).expect("it is there");
    let trace = bytes.strip_prefix(b"before").expect("it is still there");
    assert!(generations(trace).is_some(), "{} bytes", bytes.len());
    // As a shell hands over what is to be read by another command.
    let (mut reader, writer) = io::pipe().expect("a pipe");
    let writer = OwnedFd::from(writer);
    let number = writer.as_raw_fd();
    let mut weft = weft(&pipes.folder, PROGRAM);
    weft.arg(format!("/dev/fd/{number}"));
    let inherit = move || {
        // SAFETY: it is open in the child, and changed there only.
        match unsafe { libc::fcntl(number, libc::F_SETFD, 0) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    };
    // SAFETY: it makes a single system call, as it may between fork and exec.
    unsafe { weft.pre_exec(inherit) };
    let child = weft.spawn().expect("weft runs");
    drop(writer);
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).expect("it can be read");
    assert_traced(&child.wait_with_output().expect("it ends"));
    assert!(generations(&bytes).is_some(), "{} bytes", bytes.len());
    let output = run(&pipes.folder, "/dev/fd/99");
    assert_refused(&output, "/dev/fd/99", "Bad file descriptor");
}

/// Has a command run with so many descriptors at most.
fn limit_descriptors(weft: &mut Command, most: u64) {
    let limit = move || {
        let limit = libc::rlimit {
            rlim_cur: most,
            rlim_max: most,
        };
        // SAFETY: the pointer is to one of these.
        match unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: it makes a single system call, as it may between fork and exec.
    unsafe { weft.pre_exec(limit) };
}

#[test]
fn a_trace_takes_one_descriptor() {
    let pipes = Pipes::new("descriptor", 0);
    // The second time it replaces a trace.
    for _ in 0..2 {
        let mut weft = weft(&pipes.folder, PROGRAM);
        // With the first three, what it takes to read the program.
        limit_descriptors(&mut weft, 4);
        assert_traced(&weft.arg("out.trace").output().expect("weft runs"));
        assert_whole(&pipes.folder.join("out.trace"));
    }
}

#[test]
fn a_lack_of_descriptors_is_told_as_that() {
    let pipes = Pipes::new("no-descriptor", 0);
    let output = weft(
        &pipes.folder,
        "fn main() { print(read_file(\"program.weft\")) }",
    )
    .arg("out.trace")
    .output();
    assert_traced(&output.expect("weft runs"));
    let mut weft = weft(
        &pipes.folder,
        "fn main() { print(read_file(\"program.weft\")) }",
    );
    limit_descriptors(&mut weft, 4);
    let output = weft.arg("out.trace").output().expect("weft runs");
    let begin = "error: cannot read \"program.weft\": Too many open files";
    assert!(said(&output).starts_with(begin), "{}", said(&output));
    assert_eq!(output.status.code(), Some(1));
}
