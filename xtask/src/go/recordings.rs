//! Recordings of Go programs, made when they are needed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::XtaskError;
use crate::go::{Toolchain, tools};
use crate::process::capture;

/// How a program is recorded: what is added to its file's name, and how long a
/// generation takes, in nanoseconds. Go's own default is a second, which is
/// longer than any of these programs runs.
const WAYS: [(&str, Option<u32>); 2] = [("", None), ("-short", Some(5_000_000))];

/// Records each of our Go programs, with one generation and with several, into
/// a folder.
///
/// # Errors
///
/// If a program does not build or fails.
pub(crate) fn record(toolchain: &Toolchain, folder: &Path) -> Result<Vec<PathBuf>, XtaskError> {
    fs::create_dir_all(folder).map_err(XtaskError::file("cannot create", folder))?;
    let programs = tools::programs(toolchain)?;
    let names = capture(&mut Command::new(&programs), "the list of Go programs")?;
    let mut traces = Vec::new();
    for name in String::from_utf8_lossy(&names).lines() {
        for (suffix, period) in WAYS {
            let trace = folder.join(format!("{name}{suffix}.trace"));
            let mut command = Command::new(&programs);
            command.arg(name).arg(&trace).env_remove("GODEBUG");
            if let Some(period) = period {
                command.env("GODEBUG", format!("traceadvanceperiod={period}"));
            }
            capture(&mut command, &format!("the Go program {name}"))?;
            traces.push(trace);
        }
    }
    Ok(traces)
}
