//! Runs a program in this process and gives back what it printed and how it
//! ended.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use vm::{Options, Outcome, TraceOptions, TraceVersion};

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
    options.trace = kept.as_ref().map(|kept| TraceOptions {
        file: File::create(&kept.path).expect("the trace's folder can be written to"),
        version: how.version,
        period: how.period,
    });
    let mut output = Vec::new();
    let outcome = vm::run(&program, options, &mut output).expect("the program can be started");
    if let (Some(report), Some(kept)) = (&outcome.trace, &kept) {
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
        let length = kept.path.metadata().expect("the trace is there").len();
        assert!(
            length >= report.bytes,
            "{name}: {length} bytes on disk, {report}"
        );
    }
    Ran {
        output: String::from_utf8(output).expect("programs print UTF-8"),
        message: outcome.end.to_string(),
        status: outcome.end.status(),
        outcome: Some(outcome),
    }
}

/// A trace file that is kept, or goes away when this is dropped.
struct TraceFile {
    path: PathBuf,
    keep: bool,
}

impl TraceFile {
    fn new(name: &str) -> Self {
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
}

impl Drop for TraceFile {
    fn drop(&mut self) {
        if !self.keep {
            // A file that is gone already is gone.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
