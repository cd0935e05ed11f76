//! Runs a program in this process and gives back what it printed and how it
//! ended; and what such tests need: a place for traces, and named pipes.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
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
        let file = File::create(&self.path).expect("the trace's folder can be written to");
        TraceOptions {
            version,
            period,
            ..TraceOptions::new(file)
        }
    }

    /// Nothing is missing in the file, as far as its report tells.
    #[track_caller]
    pub fn assert_whole(&self, report: &TraceReport) {
        let name = self.path.display();
        assert!(report.is_whole(), "{name}: {report:?}");
        let file = &report.files[0];
        assert!(file.events > 0 && file.generations > 0, "{name}: {file}");
        let length = self.path.metadata().expect("the trace is there").len();
        assert_eq!(length, file.bytes, "{name}");
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

/// How many generations a trace of version 1.26 has, if it is made of whole
/// batches and ends with a mark. It looks for marks where a batch could begin, so
/// that no other byte of that value is taken for one.
pub fn generations(trace: &[u8]) -> Option<usize> {
    const HEADER: usize = 16;
    const BATCH: u8 = 1;
    const END: u8 = 52;
    let mut rest = trace.get(HEADER..)?;
    let mut ended = 0;
    let mut open = false;
    loop {
        match rest.split_first() {
            None => return (ended > 0 && !open).then_some(ended),
            Some((&END, after)) => {
                (rest, open) = (after, false);
                ended += 1;
            }
            Some((&BATCH, mut batch)) => {
                // Generation, worker, time, size: seven bits a byte, low ones
                // first.
                let mut size = 0;
                for _ in 0..4 {
                    let last = batch.iter().position(|&byte| byte < 0x80)?;
                    let (number, after) = batch.split_at(last + 1);
                    let digits = number.iter().rev();
                    size = digits.fold(0, |n: usize, &byte| n << 7 | usize::from(byte & 0x7f));
                    batch = after;
                }
                (rest, open) = (batch.get(size..)?, true);
            }
            Some(_) => return None,
        }
    }
}

/// Waits until a program has printed "ready". No byte behind that is taken.
pub fn wait_until_ready(child: &mut Child) {
    let mut line = String::new();
    let stdout = child.stdout.take().expect("it is piped");
    let mut stdout = BufReader::with_capacity(1, stdout);
    stdout.read_line(&mut line).expect("it prints");
    assert_eq!(line, "ready\n");
    child.stdout = Some(stdout.into_inner());
}

/// Opens a pipe to write into. Somebody is reading it afterwards, and is so
/// until something has been written.
pub fn open(path: &str) -> File {
    let pipe = fs::OpenOptions::new().write(true).open(path);
    pipe.expect("somebody reads it")
}

/// A folder of named pipes that goes away with this.
pub struct Pipes {
    pub folder: PathBuf,
    pub paths: Vec<String>,
}

impl Pipes {
    pub fn new(name: &str, count: usize) -> Self {
        // Several tests of a process may use one name, at the same time. And a
        // process of the same number may have been killed here before.
        static MADE: AtomicU32 = AtomicU32::new(0);
        // Relaxed: only distinctness matters.
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        let folder = std::env::temp_dir().join(format!("weft-{process}-{number}-{name}"));
        let _ = fs::remove_dir_all(&folder);
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

/// The program, which heeds the signals that ask it to end, whatever this process
/// ignores: in the background of a script that is SIGINT.
pub fn weft() -> Command {
    let mut weft = Command::new(env!("CARGO_BIN_EXE_weft"));
    let heed = || {
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGTERM] {
            // SAFETY: what a program is started with is a disposition, no handler.
            if unsafe { libc::signal(signal, libc::SIG_DFL) } == libc::SIG_ERR {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: it makes system calls only, as it may between fork and exec.
    unsafe { weft.pre_exec(heed) };
    weft
}
