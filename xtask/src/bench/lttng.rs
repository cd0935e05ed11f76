//! LTTng's userspace tracer as a peer: builds a program that has tracepoints,
//! and sets up a session in which they are recorded.
//!
//! It takes part where `lttng`, its session daemon, its headers and a C compiler
//! are installed (Debian: `lttng-tools liblttng-ust-dev gcc`), and the daemon
//! runs. The daemon is started for the run and ended after it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::error::XtaskError;
use crate::process::{capture, start};
use crate::root::{root, target};

/// The session's name.
const SESSION: &str = "bench";

/// How often the daemon is asked whether it is there, and how long between.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// A session that records the tracepoints of a program.
pub(super) struct Session {
    daemon: Child,
    home: PathBuf,
    program: PathBuf,
    on: bool,
}

impl Session {
    /// Builds the program and starts the daemon.
    ///
    /// # Errors
    ///
    /// If something that is needed is not there or does not work: then there is
    /// no such peer.
    pub(super) fn new() -> Result<Self, XtaskError> {
        let home = target().join("bench").join("lttng");
        fs::create_dir_all(&home).map_err(XtaskError::file("cannot create", &home))?;
        let program = compile(&home)?;
        let mut daemon = Command::new("lttng-sessiond");
        daemon
            .arg("--no-kernel")
            .env("LTTNG_HOME", &home)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let daemon = daemon.spawn().map_err(|error| start(&daemon, error))?;
        let mut session = Self {
            daemon,
            home,
            program,
            on: false,
        };
        let mut tries = 0;
        while let Err(error) = session.say(&["list"]) {
            tries += 1;
            if tries == TRIES {
                return Err(error);
            }
            thread::sleep(PAUSE);
        }
        let output = format!("--output={}", session.home.join("out").display());
        session.say(&["create", SESSION, &output])?;
        session.on = true;
        // Room for all that a turn writes: what does not fit is dropped, which
        // would look fast.
        session.say(&[
            "enable-channel",
            "--userspace",
            "--subbuf-size=16M",
            "--num-subbuf=4",
            "all",
        ])?;
        session.say(&["enable-event", "--userspace", "--channel=all", "bench:*"])?;
        Ok(session)
    }

    /// Starts or stops to record.
    pub(super) fn record(&self, on: bool) -> Result<(), XtaskError> {
        self.say(&[if on { "start" } else { "stop" }, SESSION])
    }

    /// The program, to be started.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        // It waits at its start until the daemon has told it what is recorded.
        command
            .env("LTTNG_HOME", &self.home)
            .env("LTTNG_UST_REGISTER_TIMEOUT", "-1");
        command
    }

    fn say(&self, args: &[&str]) -> Result<(), XtaskError> {
        let mut command = Command::new("lttng");
        command
            .arg("--no-sessiond")
            .args(args)
            .env("LTTNG_HOME", &self.home);
        capture(&mut command, "lttng").map(drop)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.on {
            // What was recorded is of no use, and the daemon ends anyway.
            let _ = self.say(&["destroy", "--no-wait", SESSION]);
        }
        // Asked to, it ends its helpers as well; killed it would leave them.
        let id = self.daemon.id().to_string();
        let _ = capture(Command::new("kill").args(["-TERM", &id]), "kill");
        let _ = self.daemon.wait();
        let _ = fs::remove_dir_all(self.home.join("out"));
    }
}

fn compile(folder: &Path) -> Result<PathBuf, XtaskError> {
    let sources = root().join("bench/lttng");
    let program = folder.join("lttng-bench");
    let mut cc = Command::new("cc");
    cc.args(["-O2", "-I"])
        .arg(&sources)
        .arg(sources.join("lttng.c"))
        .arg("-o")
        .arg(&program)
        .args(["-llttng-ust", "-ldl"]);
    capture(&mut cc, "compiling the program for LTTng")?;
    Ok(program)
}
