//! Signals that say the same twice, that are ignored, and what bounds the time
//! that a program takes to end after one.

mod support;

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use support::{Pipes, generations, wait_until_ready};

/// More of a trace than a pipe holds; then it waits.
const MUCH: &str = "
    fn main() {
      for i in 0..100000 { yield() }
      print(\"ready\")
      sleep(600000)
    }";

/// Starts a program whose trace goes into the first of these pipes.
fn weft(pipes: &Pipes, program: &str, ignored: Option<i32>) -> Child {
    let file = pipes.folder.join("program.weft");
    fs::write(&file, program).expect("the folder can be written to");
    let mut weft = support::weft();
    weft.args(["run", "--workers", "2", "--trace", &pipes.paths[0]])
        .arg(&file)
        .args(&pipes.paths[1..])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(signal) = ignored {
        let ignore = move || {
            // SAFETY: nothing handles it.
            match unsafe { libc::signal(signal, libc::SIG_IGN) } {
                libc::SIG_ERR => Err(io::Error::last_os_error()),
                _ => Ok(()),
            }
        };
        // SAFETY: it makes a single system call, as it may between fork and exec.
        unsafe { weft.pre_exec(ignore) };
    }
    weft.spawn().expect("weft runs")
}

/// Opens a named pipe so that a writer's open need not wait, though nobody reads.
fn hold(pipe: &str) -> File {
    let held = fs::OpenOptions::new().read(true).write(true).open(pipe);
    held.expect("it is there")
}

/// Sends a signal to a child that has not been waited for, and waits until it
/// has seen it.
fn send(child: &Child, signal: i32) {
    let id = i32::try_from(child.id()).expect("a process");
    // SAFETY: it has no effect on this process, and the child has not been
    // waited for, so that the number is its own.
    assert_eq!(unsafe { libc::kill(id, signal) }, 0);
    let bit = 1_u64 << (signal - 1);
    let pending = || {
        let status = fs::read_to_string(format!("/proc/{id}/status"));
        let status = status.expect("it has not been waited for");
        let field = |name| status.lines().find_map(|line| line.strip_prefix(name));
        // One that it has killed still has it.
        let ended = field("State:").is_none_or(|state| state.trim().starts_with('Z'));
        let set = field("ShdPnd:").and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
        !ended && set.is_some_and(|set| set & bit != 0)
    };
    while pending() {
        thread::yield_now();
    }
}

#[test]
fn a_signal_that_comes_twice_at_once_is_one_wish() {
    for (first, second) in [
        (libc::SIGTERM, libc::SIGTERM),
        (libc::SIGINT, libc::SIGINT),
        (libc::SIGHUP, libc::SIGTERM),
    ] {
        let pipes = Pipes::new("twice", 1);
        let held = hold(&pipes.paths[0]);
        let mut child = weft(&pipes, MUCH, None);
        wait_until_ready(&mut child);
        // It cannot have ended before the second, since nobody reads its trace.
        send(&child, first);
        send(&child, second);
        let mut reader = File::open(&pipes.paths[0]).expect("it is there");
        drop(held);
        let mut trace = Vec::new();
        reader.read_to_end(&mut trace).expect("it can be read");
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(128 + first), "{said}");
        assert!(said.ends_with(" 0 events lost\n"), "{said}");
        assert!(generations(&trace).is_some(), "{} bytes", trace.len());
    }
}

#[test]
fn an_ignored_signal_stays_ignored() {
    let program = "
        fn main() {
          print(\"ready\")
          print(read_file(args()[0]))
        }";
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        let pipes = Pipes::new("ignored", 2);
        let held = hold(&pipes.paths[0]);
        let mut child = weft(&pipes, program, Some(signal));
        wait_until_ready(&mut child);
        send(&child, signal);
        // Its end of what it reads, as soon as it does; unless it has ended.
        let mut writer = fs::OpenOptions::new();
        writer.write(true).custom_flags(libc::O_NONBLOCK);
        while writer.open(&pipes.paths[1]).is_err()
            && child.try_wait().expect("it is ours").is_none()
        {
            thread::yield_now();
        }
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(0), "{signal}: {said}");
        assert_eq!(output.stdout, b"\n", "{signal}: {said}");
        drop(held);
    }
}

#[test]
fn after_a_signal_a_file_that_takes_little_is_given_up() {
    let pipes = Pipes::new("trickle", 1);
    let held = hold(&pipes.paths[0]);
    let mut child = weft(&pipes, MUCH, None);
    wait_until_ready(&mut child);
    let mut reader = File::open(&pipes.paths[0]).expect("it is there");
    drop(held);
    send(&child, libc::SIGTERM);
    // It takes a page now and then, so that it is never stuck for long.
    let reading = thread::spawn(move || {
        let mut page = [0; 4096];
        while reader.read(&mut page).expect("it can be read") > 0 {
            thread::sleep(Duration::from_secs(1));
        }
    });
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(143), "{said}");
    let wanted = format!(
        "warning: the trace in {} is not whole: given up, as it had 8 s after the interrupt\n",
        pipes.paths[0]
    );
    assert!(said.starts_with(&wanted), "{said}");
    // What is left in the pipe is more than anybody wants to wait for.
    drop(reading);
}

#[test]
fn a_program_that_does_not_end_after_a_signal_is_ended() {
    // More output than is read within any patience.
    let program = "
        fn main() {
          print(\"ready\")
          let text = \"0123456789abcdef\"
          for i in 0..18 { text = text + text }
          print(text)
        }";
    let pipes = Pipes::new("slow", 1);
    let held = hold(&pipes.paths[0]);
    let mut child = weft(&pipes, program, None);
    wait_until_ready(&mut child);
    let mut stdout = child.stdout.take().expect("it is piped");
    let mut piece = [0; 4096];
    // It is printing.
    stdout.read_exact(&mut piece).expect("it prints");
    send(&child, libc::SIGTERM);
    let status = loop {
        if let Some(status) = child.try_wait().expect("it is ours") {
            break status;
        }
        let _ = stdout.read(&mut piece).expect("it can be read");
        thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(status.signal(), Some(libc::SIGTERM), "{status}");
    drop(held);
}
