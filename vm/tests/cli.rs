//! The command line: statuses, what goes to which stream, and what a trace
//! must not change.

mod support;

use std::ffi::CString;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::Duration;

use support::{wait_until_ready, weft};

const STATUS_CLOSED_PIPE: i32 = 141;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
        .join("examples")
        .join(name)
}

/// A file in the temporary folder that goes away with this.
struct Temp(PathBuf);

impl Temp {
    fn new(name: &str) -> Self {
        Temp(std::env::temp_dir().join(format!("weft-cli-{}-{name}", std::process::id())))
    }

    fn with(name: &str, text: &str) -> Self {
        let temp = Temp::new(name);
        std::fs::write(&temp.0, text).expect("the temporary folder can be written to");
        temp
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

#[track_caller]
fn assert_status(output: &Output, status: i32) {
    assert_eq!(
        output.status.code(),
        Some(status),
        "stderr: {}",
        text(&output.stderr)
    );
}

#[test]
fn a_command_line_that_cannot_be_carried_out_has_status_64() {
    let hello = example("hello.weft");
    let hello = hello.to_str().expect("UTF-8");
    for arguments in [
        &[][..],
        &["fly"],
        &["run"],
        &["run", hello, "--workers", "0"],
        &["run", hello, "--workers", "257"],
        &["run", hello, "--trace-version", "1.22"],
        &["run", hello, "--trace-period", "0"],
        &["run", "no/such/program.weft"],
        &["run", hello, "--trace", "no/such/folder/out.trace"],
    ] {
        let output = weft().args(arguments).output().expect("weft runs");
        assert_status(&output, 64);
        assert!(
            output.stdout.is_empty(),
            "{arguments:?} printed {}",
            text(&output.stdout)
        );
        assert!(!output.stderr.is_empty(), "{arguments:?} said nothing");
    }
}

#[test]
fn a_traced_run_adds_one_closing_line_and_nothing_else() {
    let trace = Temp::new("pipeline.trace");
    let plain = weft()
        .arg("run")
        .arg(example("pipeline.weft"))
        .output()
        .expect("weft runs");
    let traced = weft()
        .arg("run")
        .arg(example("pipeline.weft"))
        .arg("--trace")
        .arg(&trace.0)
        .args(["--workers", "2", "--trace-version", "1.25"])
        .output()
        .expect("weft runs");
    assert_status(&plain, 0);
    assert_status(&traced, 0);
    assert_eq!(text(&plain.stdout), text(&traced.stdout));
    assert_eq!(text(&plain.stderr), "");
    let line = text(&traced.stderr).strip_suffix('\n').expect("a line");
    assert!(!line.contains('\n'), "{line}");
    let rest = line
        .strip_prefix(&format!("trace: {}: ", trace.0.display()))
        .expect("the file's name first");
    let words: Vec<&str> = rest.split(' ').collect();
    let [
        events,
        "events,",
        bytes,
        "bytes,",
        generations,
        "generations,",
        "0",
        "events",
        "lost",
    ] = words[..]
    else {
        panic!("{line}");
    };
    for number in [events, bytes, generations] {
        assert!(
            number.parse::<u64>().is_ok_and(|n| n > 0),
            "{number} in {line}"
        );
    }
    let file = std::fs::read(&trace.0).expect("the trace is there");
    assert!(file.starts_with(b"go 1.25 trace\0\0\0"));
}

#[test]
fn a_full_disk_costs_the_trace_and_not_the_program() {
    let full = Path::new("/dev/full");
    if !full.exists() {
        return;
    }
    let output = weft()
        .arg("run")
        .arg(example("ring.weft"))
        .arg("--trace")
        .arg(full)
        .output()
        .expect("weft runs");
    assert_status(&output, 0);
    assert_eq!(text(&output.stdout), "100 tasks, 10 laps, 1000 hops\n");
    assert!(text(&output.stderr).starts_with("warning: the trace in /dev/full is not whole: "));
}

#[test]
fn a_closed_pipe_ends_the_program_quietly() {
    let program = Temp::with(
        "endless.weft",
        "fn main() { let i = 0\n while true { print(i)\n i = i + 1 } }",
    );
    let mut child = weft()
        .arg("run")
        .arg(&program.0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("weft runs");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped"))
        .read_line(&mut line)
        .expect("a line comes");
    assert_eq!(line, "0\n");
    let output = child.wait_with_output().expect("it ends");
    assert_status(&output, STATUS_CLOSED_PIPE);
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn output_is_written_before_everything_waits() {
    // The last line before a long sleep arrives; the program is still asleep.
    let program = Temp::with(
        "sleeper.weft",
        "fn main() { print(\"first\")\n sleep(600000) }",
    );
    let mut child = weft()
        .arg("run")
        .arg(&program.0)
        .stdout(Stdio::piped())
        .spawn()
        .expect("weft runs");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped"))
        .read_line(&mut line)
        .expect("a line comes");
    child.kill().expect("it still runs");
    child.wait().expect("it ends");
    assert_eq!(line, "first\n");
}

#[test]
fn errors_keep_what_was_printed_before() {
    let program = Temp::with(
        "fails.weft",
        "fn main() {\n  print(\"before\")\n  let zero = 0\n  print(1 / zero)\n}\n",
    );
    let output = weft()
        .arg("run")
        .arg(&program.0)
        .output()
        .expect("weft runs");
    assert_status(&output, 1);
    assert_eq!(text(&output.stdout), "before\n");
    let name = program.0.display();
    let wanted = format!(
        "error: division by zero\n --> {name}:4:11\nstack of task 1 (main):\n  main at {name}:4:11\n"
    );
    assert_eq!(text(&output.stderr), wanted);
}

#[test]
fn check_and_disasm_run_nothing() {
    let good = weft()
        .arg("check")
        .arg(example("hello.weft"))
        .output()
        .expect("weft runs");
    assert_status(&good, 0);
    assert!(good.stdout.is_empty() && good.stderr.is_empty());
    let bad = Temp::with("bad.weft", "fn main() { print(missing) }");
    let output = weft().arg("check").arg(&bad.0).output().expect("weft runs");
    assert_status(&output, 1);
    assert!(text(&output.stderr).contains("missing"));
    let listing = weft()
        .arg("disasm")
        .arg(example("hello.weft"))
        .output()
        .expect("weft runs");
    assert_status(&listing, 0);
    assert!(text(&listing.stdout).contains("fn greet/1"));
}

/// Names and programs may come from elsewhere: none of them gets at a terminal.
#[test]
fn nothing_that_is_named_or_quoted_commands_a_terminal() {
    let hostile = "\u{1b}]0;title\u{7}\r\u{9b}2J\u{202e}";
    let bad = format!("fn main() {{ print(\"{hostile}\") {hostile} }}\nfn fails() {{ 1/0 }}");
    let bad = Temp::with(&format!("bad{hostile}.weft"), &bad);
    let fails = "fn main() {\n    print([][1])\n}";
    let fails = Temp::with(&format!("fails{hostile}.weft"), fails);
    let missing = Temp::new(&format!("missing{hostile}"));
    let folder = missing.0.join("out.trace");
    for (program, arguments, status) in [
        (&bad.0, &["check"][..], 1),
        (&fails.0, &["run"], 1),
        (&missing.0, &["run"], 64),
        (&fails.0, &["run", "--trace", &folder.to_string_lossy()], 64),
    ] {
        let mut weft = weft();
        let output = weft.args(arguments).arg(program).output();
        let output = output.expect("weft runs");
        assert_status(&output, status);
        let said = text(&output.stderr);
        assert!(said.contains("\\u{1b}]0;title\\u{7}\\r"), "{said:?}");
        let commands = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        assert!(!said.contains(commands), "{said:?}");
    }
}

#[test]
fn a_program_without_an_end_is_not_read_for_ever() {
    for command in ["check", "run", "disasm"] {
        let mut weft = weft();
        weft.args([command, "/dev/zero"]);
        // Some times the longest program: what reads on ends there.
        let limit = || {
            let limit = libc::rlimit {
                rlim_cur: 512 << 20,
                rlim_max: 512 << 20,
            };
            // SAFETY: the pointer is to one of these.
            match unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) } {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        };
        // SAFETY: it makes a single system call, as it may between fork and exec.
        unsafe { weft.pre_exec(limit) };
        let output = weft.output().expect("weft runs");
        assert_status(&output, 1);
        let said = text(&output.stderr);
        assert!(said.contains("longer than 16777216 bytes"), "{said}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn everything_after_the_file_s_own_arguments_is_theirs() {
    let program = Temp::with("args.weft", "fn main() { print(args()) }");
    let output = weft()
        .arg("run")
        .arg(&program.0)
        .args(["--workers", "1", "a", "--b"])
        .output()
        .expect("weft runs");
    assert_eq!(text(&output.stdout), "[\"a\", \"--b\"]\n");
    let output = weft()
        .arg("run")
        .arg(&program.0)
        .args(["--", "--workers", "x"])
        .output()
        .expect("weft runs");
    assert_eq!(text(&output.stdout), "[\"--workers\", \"x\"]\n");
}

/// What asks a program to end, and the status that it then has.
const SIGNALS: [(i32, i32); 3] = [
    (libc::SIGINT, 130),
    (libc::SIGTERM, 143),
    (libc::SIGHUP, 129),
];

/// Sends a signal to a child that has not been waited for.
fn send(child: &Child, signal: i32) {
    let id = i32::try_from(child.id()).expect("a process");
    // SAFETY: it has no effect on this process, and the child has not been
    // waited for, so that the number is its own.
    assert_eq!(unsafe { libc::kill(id, signal) }, 0);
}

/// Asserts that a program that was stopped said of its trace that it is whole,
/// and nothing else.
#[track_caller]
fn assert_whole(name: &str, said: &str) {
    assert!(said.starts_with("trace: "), "{name}: {said}");
    assert!(said.ends_with(" 0 events lost\n"), "{name}: {said}");
    assert_eq!(said.lines().count(), 1, "{name}: {said}");
}

/// Keeps a trace for Go's judgement, if there is a folder for that.
fn keep(name: &str, trace: &Temp) {
    if let Some(folder) = std::env::var_os("TRACE_KEEP_DIR") {
        let kept = Path::new(&folder).join(format!("vm-signal-{name}.trace"));
        std::fs::copy(&trace.0, kept).expect("the folder can be written to");
    }
}

/// Starts a program, waits for its first line, sends it a signal, and gives back
/// how it ended.
fn interrupted(name: &str, source: &str, signal: i32, workers: &str) -> (Output, Temp) {
    let program = Temp::with(&format!("{name}.weft"), source);
    let trace = Temp::new(&format!("{name}.trace"));
    let mut child = weft()
        .arg("run")
        .arg(&program.0)
        .args(["--workers", workers, "--trace-period", "5", "--trace"])
        .arg(&trace.0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("weft runs");
    let stdin = child.stdin.take();
    wait_until_ready(&mut child);
    send(&child, signal);
    let output = child.wait_with_output().expect("it ends");
    drop(stdin);
    (output, trace)
}

#[test]
fn a_signal_stops_the_program_and_finishes_the_trace() {
    let asleep = "fn main() {
        print(\"ready\")
        sleep(100000)
      }";
    let busy = "fn spin() { while true {} }
      fn main() {
        print(\"ready\")
        sleep(1)
        for i in 0..4 { spawn spin() }
        spin()
      }";
    let reading = "fn main() {
        print(\"ready\")
        read_file(\"/dev/stdin\")
        recv(chan(0))
      }";
    let programs = [("asleep", asleep), ("busy", busy), ("reading", reading)];
    for (name, source) in programs {
        for (signal, status) in SIGNALS {
            for workers in ["1", "2", "8"] {
                // The child's input stays open, and silent, for the last one.
                let name = format!("{name}-{signal}-{workers}");
                let (output, trace) = interrupted(&name, source, signal, workers);
                assert_status(&output, status);
                assert_whole(&name, text(&output.stderr));
                keep(&name, &trace);
            }
        }
    }
}

/// What nobody reads: both ends of it, the one to write to last.
fn unread() -> [(&'static str, OwnedFd, OwnedFd); 3] {
    let (pipe, into_pipe) = std::io::pipe().expect("a pipe");
    let (socket, into_socket) = UnixStream::pair().expect("a pair of sockets");
    let (mut terminal, mut into_terminal) = (-1, -1);
    // SAFETY: the two numbers are there to be written to; nothing else is asked
    // for or given.
    let opened = unsafe {
        libc::openpty(
            &mut terminal,
            &mut into_terminal,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
        )
    };
    assert_eq!(opened, 0, "no terminal");
    // SAFETY: both are open, and nobody else's.
    let (terminal, into_terminal) = unsafe {
        (
            OwnedFd::from_raw_fd(terminal),
            OwnedFd::from_raw_fd(into_terminal),
        )
    };
    [
        ("pipe", pipe.into(), into_pipe.into()),
        ("socket", socket.into(), into_socket.into()),
        ("terminal", terminal, into_terminal),
    ]
}

/// Waits until there is no room for a single byte.
fn wait_until_full(stream: &OwnedFd) {
    loop {
        let mut waits = libc::pollfd {
            fd: stream.as_raw_fd(),
            events: libc::POLLOUT,
            revents: 0,
        };
        // SAFETY: the pointer is to one of these, and the stream is open.
        let ready = unsafe { libc::poll(&mut waits, 1, 0) };
        if ready == 0 {
            return;
        }
        assert_eq!(waits.revents, libc::POLLOUT, "it can only be written to");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn one_signal_stops_a_program_that_cannot_write() {
    let program = Temp::with(
        "unread.weft",
        "fn chatter() { while true { print(\"nobody reads this\") } }
        fn main() {
          spawn chatter()
          chatter()
        }",
    );
    for (signal, status) in SIGNALS {
        for deaf in [false, true] {
            for (kind, reader, stream) in unread() {
                let name = format!("unread-{kind}-{signal}-{deaf}");
                let trace = Temp::new(&format!("{name}.trace"));
                let clone = || stream.try_clone().expect("it is open");
                let stderr = if deaf { clone().into() } else { Stdio::piped() };
                let child = weft()
                    .arg("run")
                    .arg(&program.0)
                    .args(["--workers", "2", "--trace-period", "5", "--trace"])
                    .arg(&trace.0)
                    .stdout(clone())
                    .stderr(stderr)
                    .spawn()
                    .expect("weft runs");
                wait_until_full(&stream);
                send(&child, signal);
                let output = child.wait_with_output().expect("it ends");
                assert_status(&output, status);
                if !deaf {
                    assert_whole(&name, text(&output.stderr));
                }
                keep(&name, &trace);
                drop(reader);
            }
        }
    }
}

#[test]
fn a_second_ctrl_c_ends_even_a_program_whose_trace_cannot_be_finished() {
    // The trace goes into a pipe that nobody reads, and is more than that holds.
    let program = Temp::with(
        "stuck.weft",
        "fn main() {
          for i in 0..100000 { yield() }
          print(\"ready\")
          sleep(600000)
        }",
    );
    // It stays until the program has opened it.
    let trace = Temp::new("stuck.trace");
    let path = CString::new(trace.0.as_os_str().as_bytes()).expect("a path");
    // SAFETY: it is a string, which lives through the call.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    let reader = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(&trace.0)
        .expect("its reader need not wait");
    let mut child = weft()
        .arg("run")
        .arg(&program.0)
        .arg("--trace")
        .arg(&trace.0)
        .stdout(Stdio::piped())
        .spawn()
        .expect("weft runs");
    wait_until_ready(&mut child);
    let status = loop {
        send(&child, libc::SIGINT);
        if let Some(status) = child.try_wait().expect("it is a child") {
            break status;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    assert_eq!(status.signal(), Some(libc::SIGINT), "{status}");
    drop(reader);
}
