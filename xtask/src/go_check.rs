//! `cargo xtask go-check`: judges traces by Go's own tools.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Args, ValueEnum};

use crate::error::XtaskError;
use crate::go::{self, Toolchain};
use crate::process::{capture, show, start};
use crate::profile_check;
use crate::root::target;

/// Most files that the checker is given at once; a command line has its limits.
const AT_ONCE: usize = 500;

/// What to check.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The traces.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Also check what Go's reader takes on trust: every live task is mentioned
    /// in every generation, and tasks and procs run one to one.
    #[arg(long)]
    strict: bool,
    /// Also serve each trace with Go's viewer and fetch its pages.
    #[arg(long)]
    views: bool,
    /// Also compare our profiles of each trace with those that Go makes of it.
    #[arg(long)]
    profiles: bool,
    /// Instead of checking, print what Go makes of the trace as a profile.
    #[arg(long, value_enum, value_name = "KIND", conflicts_with_all = ["strict", "views", "profiles"])]
    pprof: Option<Profile>,
}

/// The profiles that Go's viewer makes of a trace.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Profile {
    /// Time from being ready to running.
    Sched,
    /// Time blocked on other tasks.
    #[value(alias = "block")]
    Sync,
    /// Time in system calls.
    Syscall,
    /// Time blocked on the network.
    Net,
}

impl Profile {
    /// The name by which Go's viewer knows it.
    fn name(self) -> &'static str {
        match self {
            Self::Sched => "sched",
            Self::Sync => "sync",
            Self::Syscall => "syscall",
            Self::Net => "net",
        }
    }
}

/// Runs the command.
///
/// # Errors
///
/// [`XtaskError::Refused`], [`XtaskError::View`] or [`XtaskError::Profile`] if a
/// trace does not pass, or whatever kept Go from judging.
pub(crate) fn run(options: &Options) -> Result<(), XtaskError> {
    let toolchain = Toolchain::find()?;
    if let Some(profile) = options.pprof {
        return options
            .files
            .iter()
            .try_for_each(|file| print_profile(&toolchain, profile, file));
    }
    let flags: &[&str] = match options.strict {
        true => &["-strict"],
        false => &[],
    };
    check(&toolchain, &options.files, flags)?;
    if options.views {
        let viewer = go::viewer(&toolchain)?;
        for file in &options.files {
            let pages = go::check_views(&viewer, file)?;
            println!("views {}: {pages} pages", file.display());
        }
    }
    if options.profiles {
        println!("{}", profile_check::check(&toolchain, &options.files)?);
    }
    Ok(())
}

/// Has Go's reader read the files and prints what it found. The checker's flags
/// are `-strict` and `-quiet`, which has nothing said of a file that is sound.
///
/// # Errors
///
/// [`XtaskError::Refused`] if it refuses one; all are read first.
pub(crate) fn check(
    toolchain: &Toolchain,
    files: &[PathBuf],
    flags: &[&str],
) -> Result<(), XtaskError> {
    let checker = go::checker(toolchain)?;
    let mut passed = true;
    for files in files.chunks(AT_ONCE) {
        let mut command = Command::new(&checker);
        command.args(flags).arg("--").args(files);
        let status = command.status().map_err(|error| start(&command, error))?;
        match status.code() {
            Some(0) => {}
            Some(1) => passed = false,
            _ => {
                return Err(XtaskError::Failed {
                    what: "the checker".to_owned(),
                    status,
                    output: String::new(),
                });
            }
        }
    }
    match passed {
        true => Ok(()),
        false => Err(XtaskError::Refused),
    }
}

/// Prints `go tool pprof -top` of a profile that `go tool trace` makes.
fn print_profile(toolchain: &Toolchain, profile: Profile, file: &Path) -> Result<(), XtaskError> {
    let mut viewer = Command::new(go::viewer(toolchain)?);
    viewer.arg(format!("-pprof={}", profile.name())).arg(file);
    let bytes = capture(&mut viewer, &format!("go tool trace {}", file.display()))?;
    let folder = target().join("go-tools");
    let kept = folder.join(format!("profile-{}.pb.gz", std::process::id()));
    fs::write(&kept, bytes).map_err(XtaskError::file("cannot write", &kept))?;
    println!("{} {}", profile.name(), file.display());
    let mut pprof = Command::new(go::pprof(toolchain)?);
    let shown = show(
        pprof.args(["-top", "-symbolize=none"]).arg(&kept),
        "go tool pprof",
    );
    fs::remove_file(&kept).map_err(XtaskError::file("cannot remove", &kept))?;
    shown
}

#[cfg(test)]
mod tests {
    use trace_format::EventKind::{
        self, ClockSnapshot, Frequency, GoCreate, GoStatus, ProcStatus, Sync,
    };
    use trace_format::Version;
    use trace_format::limits::NO_THREAD;

    use super::*;
    use crate::support::{Payload, THREAD, Trace};
    use crate::test::KEEP_DIR;

    /// The events of a thread in each generation; numbers start with `dt`.
    type Generations<'a> = &'a [&'a [(EventKind, &'a [u64])]];

    fn trace(generations: Generations<'_>) -> Vec<u8> {
        let version = Version::Go126;
        let mut trace = Trace::new(version);
        for (number, events) in (1..).zip(generations) {
            let sync = Payload::new()
                .event(Sync, &[])
                .event(Frequency, &[1_000_000_000])
                .event(ClockSnapshot, &[1, 1, 1, 1]);
            trace.batch(number, NO_THREAD, 1000 * number, &sync);
            let events = events
                .iter()
                .fold(Payload::new(), |payload, (kind, numbers)| {
                    payload.event(*kind, numbers)
                });
            trace.batch(number, THREAD, 1000 * number, &events);
            trace.end(version);
        }
        trace.bytes
    }

    /// Traces that Go's reader accepts although they cannot be true, and one
    /// that is.
    ///
    /// Needs Go, so it does something only under `cargo xtask test --go`.
    #[test]
    fn strict_finds_what_go_does_not() {
        if std::env::var_os(KEEP_DIR).is_none() {
            return;
        }
        const PROC: (EventKind, &[u64]) = (ProcStatus, &[1, 0, 1]);
        const RUNS: (EventKind, &[u64]) = (GoStatus, &[1, 1, THREAD, 2]);
        const WAITS: (EventKind, &[u64]) = (GoStatus, &[1, 2, NO_THREAD, 4]);
        let cases: [(Generations<'_>, &str); 5] = [
            (&[&[PROC, RUNS, WAITS], &[PROC, RUNS, WAITS]], ""),
            (
                &[&[PROC, RUNS, WAITS], &[PROC, RUNS], &[PROC, RUNS, WAITS]],
                "generation 2, time",
            ),
            (
                &[&[PROC, RUNS, (GoCreate, &[1, 2, 0, 0])], &[PROC, RUNS]],
                "task 2 is alive and not mentioned in this generation",
            ),
            (
                &[&[PROC, RUNS, (GoStatus, &[1, 3, THREAD, 2])]],
                "proc 0 runs task 1 and task 3 at a time",
            ),
            (&[&[RUNS]], "task 1 runs without a proc"),
        ];
        let checker = go::checker(&Toolchain::find().unwrap()).unwrap();
        let file = std::env::temp_dir().join(format!("xtask-strict-{}.trace", std::process::id()));
        for (generations, says) in cases {
            fs::write(&file, trace(generations)).unwrap();
            let run = |flags: &[&str]| {
                let output = Command::new(&checker)
                    .args(flags)
                    .arg(&file)
                    .output()
                    .unwrap();
                let said = String::from_utf8(output.stdout).unwrap();
                (output.status.success(), said)
            };
            let (accepted, said) = run(&[]);
            assert!(accepted, "{said}");
            let (accepted, said) = run(&["-strict"]);
            assert_eq!(accepted, says.is_empty(), "{said}");
            assert!(said.contains(says), "{said}");
        }
        fs::remove_file(&file).unwrap();
    }
}
