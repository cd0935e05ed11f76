//! Building and starting other programs.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::error::XtaskError;
use crate::root::{root, target};

/// The cargo that runs this chore, or the one on the `PATH`.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Builds a program of the project, optimized, and says where it is.
///
/// # Errors
///
/// If it does not build.
pub(crate) fn release(package: &str, program: &str) -> Result<PathBuf, XtaskError> {
    let mut build = cargo();
    build
        .args(["build", "--release", "-p", package, "--bin", program])
        .arg("--target-dir")
        .arg(target())
        .current_dir(root());
    show(&mut build, &format!("building {program}"))?;
    Ok(target().join("release").join(program))
}

/// Runs a program whose output is for the user.
///
/// # Errors
///
/// If it cannot be started or is not successful; `what` says what it was to do.
pub(crate) fn show(command: &mut Command, what: &str) -> Result<(), XtaskError> {
    let status = command.status().map_err(|error| start(command, error))?;
    match status.success() {
        true => Ok(()),
        false => Err(XtaskError::Failed {
            what: what.to_owned(),
            status,
            output: String::new(),
        }),
    }
}

/// Runs a program without input and returns its standard output.
///
/// # Errors
///
/// As [`show`], with what the program said on standard error.
pub(crate) fn capture(command: &mut Command, what: &str) -> Result<Vec<u8>, XtaskError> {
    let output = collect(command)?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(XtaskError::Failed {
            what: what.to_owned(),
            status: output.status,
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        }),
    }
}

/// What cargo says that it built: a message a line, as `--message-format json…` has
/// them.
///
/// # Errors
///
/// If a line is no JSON.
pub(crate) fn messages(said: &str) -> Result<Vec<serde_json::Value>, XtaskError> {
    said.lines()
        .map(|line| {
            serde_json::from_str(line).map_err(|error| XtaskError::Json {
                what: "cargo test",
                error,
            })
        })
        .collect()
}

/// Runs a program without input whose output is for the user, and returns its
/// standard output too.
///
/// # Errors
///
/// As [`show`].
pub(crate) fn capture_shown(command: &mut Command, what: &str) -> Result<String, XtaskError> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| start(command, error))?;
    let mut said = String::new();
    if let Some(stdout) = child.stdout.take() {
        let mut stdout = BufReader::new(stdout);
        let mut line = Vec::new();
        while stdout
            .read_until(b'\n', &mut line)
            .map_err(|error| start(command, error))?
            > 0
        {
            let text = String::from_utf8_lossy(&line);
            print!("{text}");
            said.push_str(&text);
            line.clear();
        }
    }
    let status = child.wait().map_err(|error| start(command, error))?;
    match status.success() {
        true => Ok(said),
        false => Err(XtaskError::Failed {
            what: what.to_owned(),
            status,
            output: String::new(),
        }),
    }
}

/// Runs a program without input and returns all that it said, and how it ended.
///
/// # Errors
///
/// If it cannot be started.
pub(crate) fn collect(command: &mut Command) -> Result<Output, XtaskError> {
    command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| start(command, error))
}

/// The error of a program that cannot be started.
pub(crate) fn start(command: &Command, error: std::io::Error) -> XtaskError {
    XtaskError::Start {
        program: command.get_program().into(),
        error,
    }
}
