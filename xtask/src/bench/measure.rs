//! Runs a program and says what it took.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use wait4::Wait4;

use crate::error::XtaskError;
use crate::process::{collect, start};

/// What a run of a program took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// From start to end.
    pub(super) wall: Duration,
    /// Of all its threads, the system's work for it included.
    pub(super) cpu: Duration,
    /// The most memory that it had, bytes. What is below [`floor`] cannot be told.
    pub(super) peak: u64,
}

/// Runs a program and gives what it took and what it printed.
///
/// # Errors
///
/// If it cannot be started or is not successful.
pub(super) fn run(command: &mut Command) -> Result<(Run, String), XtaskError> {
    forget_peak();
    let before = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| start(command, error))?;
    let mut said = String::new();
    if let Some(mut out) = child.stdout.take() {
        out.read_to_string(&mut said)
            .map_err(|error| start(command, error))?;
    }
    let used = child.wait4().map_err(|error| start(command, error))?;
    let wall = before.elapsed();
    if !used.status.success() {
        return Err(XtaskError::Failed {
            what: format!("{command:?}"),
            status: used.status,
            output: said,
        });
    }
    let run = Run {
        wall,
        cpu: used.rusage.utime + used.rusage.stime,
        peak: used.rusage.maxrss,
    };
    Ok((run, said))
}

/// What the most memory is of a program that needs next to none, bytes.
///
/// # Errors
///
/// If there is no `true`.
pub(super) fn floor() -> Result<u64, XtaskError> {
    run(&mut Command::new("true")).map(|(run, _)| run.peak)
}

/// Makes the most memory that this program has had so far what it has now.
///
/// For a moment a program that is started shares the memory of the one that starts
/// it, and the kernel counts the most that this one has ever had as the other's, too.
fn forget_peak() {
    // What other systems than Linux do about it is not known.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// The same program on one core only.
///
/// # Errors
///
/// If there is no `taskset`.
pub(super) fn on_one_core(command: &Command) -> Result<Command, XtaskError> {
    let mut pinned = Command::new("taskset");
    collect(pinned.arg("--version"))?;
    let mut pinned = Command::new("taskset");
    pinned.args(["-c", "0"]).arg(command.get_program());
    pinned.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => pinned.env(name, value),
            None => pinned.env_remove(name),
        };
    }
    Ok(pinned)
}

/// How many instructions a program executes, by callgrind. `None` if there is no
/// valgrind, or it cannot run the program.
pub(super) fn instructions(command: &Command) -> Option<u64> {
    callgrind(command, &[]).map(|(count, _)| count)
}

/// The same within functions whose name fits `pattern` and in what these call,
/// and what the program printed.
pub(super) fn instructions_within(command: &Command, pattern: &str) -> Option<(u64, String)> {
    callgrind(command, &[&format!("--toggle-collect={pattern}")])
}

fn callgrind(command: &Command, options: &[&str]) -> Option<(u64, String)> {
    let mut counted = Command::new("valgrind");
    counted
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(options)
        .arg(command.get_program())
        .args(command.get_args())
        // Callgrind gives up at the signals by which Go's scheduler preempts.
        .env("GODEBUG", "asyncpreemptoff=1");
    let output = collect(&mut counted).ok()?;
    // "==123== Collected : 45678"
    let count = String::from_utf8_lossy(&output.stderr)
        .lines()
        .filter_map(|line| line.split_once("Collected :"))
        .find_map(|(_, number)| number.trim().parse().ok())
        .filter(|_| output.status.success())?;
    Some((count, String::from_utf8_lossy(&output.stdout).into_owned()))
}
