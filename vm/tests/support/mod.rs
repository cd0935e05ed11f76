//! Runs a program in this process and gives back what it printed and how it
//! ended; and what such tests need: a place for traces, and named pipes.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::ffi::CString;
use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Duration;

use vm::{Options, Outcome, TraceOptions, TraceReport, TraceVersion};

/// What a run has shown.
pub struct Ran {
    pub output: String,
    /// What goes to stderr.
    pub message: String,
    pub status: u8,
    pub outcome: Option<Outcome>,
}

/// How to run.
pub struct How<'a> {
    pub workers: u32,
    pub args: Vec<String>,
    /// The trace's name, if there is to be one.
    pub trace: Option<&'a str>,
    pub version: TraceVersion,
    pub period: Duration,
}

impl How<'_> {
    pub fn workers(workers: u32) -> Self {
        How {
            workers,
            args: Vec::new(),
            trace: None,
            version: TraceVersion::default(),
            period: Duration::from_secs(1),
        }
    }
}

/// Compiles and runs `source`; a trace is kept if `TRACE_KEEP_DIR` says where.
pub fn run(name: &str, source: &str, how: How<'_>) -> Ran {
    let program = match weft::compile(name, source) {
        Ok(program) => program,
        Err(errors) => {
            return Ran {
                output: String::new(),
                message: errors.to_string(),
                status: 1,
                outcome: None,
            };
        }
    };
    let kept = how.trace.map(TraceFile::new);
    let mut options = Options::new(how.workers);
    options.args = how.args;
    options.trace = kept
        .as_ref()
        .map(|kept| kept.options(how.version, how.period));
    let mut output = Vec::new();
    let outcome = vm::run(&program, options, &mut output).expect("the program can be started");
    if let (Some(report), Some(kept)) = (&outcome.trace, &kept) {
        kept.assert_whole(report);
    }
    Ran {
        output: String::from_utf8(output).expect("programs print UTF-8"),
        message: outcome.end.to_string(),
        status: outcome.end.status(),
        outcome: Some(outcome),
    }
}

/// A trace file that is kept, or goes away when this is dropped.
pub struct TraceFile {
    pub path: PathBuf,
    keep: bool,
}

impl TraceFile {
    pub fn new(name: &str) -> Self {
        match std::env::var_os("TRACE_KEEP_DIR") {
            Some(folder) => TraceFile {
                path: PathBuf::from(folder).join(format!("vm-{name}.trace")),
                keep: true,
            },
            None => {
                let name = format!("vm-{}-{name}.trace", std::process::id());
                TraceFile {
                    path: std::env::temp_dir().join(name),
                    keep: false,
                }
            }
        }
    }

    /// Creates the file, to be recorded into.
    pub fn options(&self, version: TraceVersion, period: Duration) -> TraceOptions {
        TraceOptions {
            file: File::create(&self.path).expect("the trace's folder can be written to"),
            version,
            period,
        }
    }

    /// Nothing is missing in the file, as far as its report tells.
    #[track_caller]
    pub fn assert_whole(&self, report: &TraceReport) {
        let name = self.path.display();
        assert!(
            report.file_error.is_none() && report.incomplete.is_none(),
            "{name}: {report:?}"
        );
        assert_eq!(report.lost, 0, "{name}: {report}");
        assert!(
            report.events > 0 && report.generations > 0,
            "{name}: {report}"
        );
        // The header and the marks of the generations are not in batches.
        let length = self.path.metadata().expect("the trace is there").len();
        assert!(
            length >= report.bytes,
            "{name}: {length} bytes on disk, {report}"
        );
    }
}

impl Drop for TraceFile {
    fn drop(&mut self) {
        if !self.keep {
            // A file that is gone already is gone.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// A folder of named pipes that goes away with this.
pub struct Pipes {
    pub folder: PathBuf,
    pub paths: Vec<String>,
}

impl Pipes {
    pub fn new(name: &str, count: usize) -> Self {
        let folder = std::env::temp_dir().join(format!("weft-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).expect("the temporary folder can be written to");
        let paths = (0..count)
            .map(|i| {
                let path = folder.join(i.to_string()).display().to_string();
                let name = CString::new(path.clone()).expect("no NUL in it");
                // SAFETY: the name is a C string that lives through the call.
                let made = unsafe { libc::mkfifo(name.as_ptr(), 0o600) };
                assert_eq!(made, 0, "{}", std::io::Error::last_os_error());
                path
            })
            .collect();
        Pipes { folder, paths }
    }
}

impl Drop for Pipes {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
