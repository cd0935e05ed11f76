//! Starting other programs.

use std::process::{Command, Output, Stdio};

use crate::error::XtaskError;

/// The cargo that runs this chore, or the one on the `PATH`.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
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
