//! The tools: whether they are there, how programs are built for them and started
//! under them.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;

use crate::error::XtaskError;
use crate::process::{cargo, collect};
use crate::root::{root, target};

/// A tool that watches a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tool {
    /// AddressSanitizer.
    Address,
    /// ThreadSanitizer.
    Thread,
    /// Valgrind's memcheck.
    Memcheck,
    /// Valgrind's helgrind.
    Helgrind,
    /// Valgrind's DRD.
    Drd,
}

/// What is built for: sanitizers want to be told, even if it is the machine's own.
const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// The status of a program in which valgrind found something.
const FOUND: u8 = 99;

/// What a program is linked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Std {
    /// It has no `std`.
    Without,
    /// It has one.
    With,
}

impl Tool {
    pub(crate) const ALL: &[Self] = &[
        Self::Address,
        Self::Thread,
        Self::Memcheck,
        Self::Helgrind,
        Self::Drd,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Thread => "thread",
            Self::Memcheck => "memcheck",
            Self::Helgrind => "helgrind",
            Self::Drd => "drd",
        }
    }

    /// Whether the compiler has to know of it.
    const fn is_sanitizer(self) -> bool {
        matches!(self, Self::Address | Self::Thread)
    }

    /// Looks for it.
    ///
    /// # Errors
    ///
    /// What is missing, and what to install.
    pub(super) fn find(self) -> Result<(), String> {
        if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
            return Err(format!("it is set up for {TRIPLE} alone"));
        }
        if !self.is_sanitizer() {
            return match collect(Command::new("valgrind").arg("--version")) {
                Ok(output) if output.status.success() => Ok(()),
                _ => Err("no valgrind; install it (Debian: apt-get install valgrind)".to_owned()),
            };
        }
        let toolchain =
            "no nightly toolchain with sanitizers; install it (rustup toolchain install nightly)";
        let libraries = libraries().ok_or(toolchain)?;
        let runtime = match self {
            Self::Address => "rt.asan.a",
            _ => "rt.tsan.a",
        };
        let entries = std::fs::read_dir(&libraries).map_err(|_| toolchain)?;
        let is_runtime = |name: &str| name.ends_with(runtime);
        let mut names = entries.flatten().map(|entry| entry.file_name());
        match names.any(|name| name.to_str().is_some_and(is_runtime)) {
            true => Ok(()),
            false => Err(format!("no *{runtime} in {}", libraries.display())),
        }
    }

    /// A cargo command, such as `build`, that builds for this tool.
    pub(super) fn cargo(self, command: &str, std: Std) -> Command {
        let mut cargo = match self.is_sanitizer() {
            true => nightly("cargo"),
            false => cargo(),
        };
        let mut flags = Vec::new();
        if self.is_sanitizer() {
            flags.push(format!("-Zsanitizer={}", self.name()));
            // The libraries that come compiled were compiled without.
            flags.push("-Cunsafe-allow-abi-mismatch=sanitizer".to_owned());
            if std == Std::Without {
                // The sanitizer's own library unwinds.
                flags.push("-Clink-arg=-lgcc_s".to_owned());
            }
        }
        if (self, std) == (Self::Thread, Std::With) {
            // So that what `std` does can be told from what we do.
            flags.push("-Cprefer-dynamic".to_owned());
        }
        if matches!(self, Self::Address | Self::Memcheck) {
            flags.push("--cfg heap_pages".to_owned());
        }
        cargo
            .args([command, "--target", TRIPLE])
            .env("RUSTFLAGS", flags.join(" "))
            .current_dir(root());
        cargo
    }

    /// Where cargo puts what it builds for this tool, below its target folder.
    pub(super) fn built(self, target: &Path, program: &str) -> PathBuf {
        target.join(TRIPLE).join("debug").join(program)
    }

    /// The folder for whatever is built for it.
    pub(super) fn target(self) -> PathBuf {
        let name = match self {
            // Built alike.
            Self::Helgrind | Self::Drd => "threads",
            tool => tool.name(),
        };
        target().join("sanitize").join(name)
    }

    /// The program under this tool, which is not successful if something is found.
    pub(super) fn start(self, program: &Path, std: Std) -> Command {
        let files = root().join("xtask/sanitize");
        if self.is_sanitizer() {
            let mut command = Command::new(program);
            if (self, std) == (Self::Address, Std::With) {
                // Tests leak on purpose what has to be static.
                command.env("ASAN_OPTIONS", "detect_leaks=0");
            }
            if (self, std) == (Self::Thread, Std::With) {
                let suppressions = files.join("tsan.supp");
                command.env(
                    "TSAN_OPTIONS",
                    format!("suppressions={}", suppressions.display()),
                );
                command.env("LD_LIBRARY_PATH", libraries().unwrap_or_default());
            }
            return command;
        }
        let mut command = Command::new("valgrind");
        command
            .arg(format!("--tool={}", self.name()))
            .arg(format!("--error-exitcode={FOUND}"))
            // Threads that wait for each other in a loop would starve.
            .args(["--fair-sched=yes", "--quiet"]);
        match self {
            Self::Memcheck => command.args([
                "--leak-check=full",
                // What a static leads to at the end is no leak.
                "--show-leak-kinds=definite,indirect,possible",
                "--errors-for-leak-kinds=definite,indirect,possible",
                "--track-origins=yes",
            ]),
            _ => command.arg(format!(
                "--suppressions={}",
                files.join("valgrind.supp").display()
            )),
        };
        command.arg(program);
        command
    }
}

/// A program of the nightly toolchain, whatever toolchain runs this chore.
fn nightly(program: &str) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", program]);
    // Cargo tells the programs that it runs which one it is.
    for inherited in ["CARGO", "RUSTC", "RUSTDOC", "LD_LIBRARY_PATH"] {
        command.env_remove(inherited);
    }
    command
}

/// Where the nightly toolchain's libraries are, if there is one.
fn libraries() -> Option<PathBuf> {
    let mut rustc = nightly("rustc");
    let output = collect(rustc.args(["--print", "target-libdir"])).ok()?;
    let path = String::from_utf8(output.stdout).ok()?;
    output
        .status
        .success()
        .then(|| PathBuf::from(path.trim_end()))
}

/// Runs a program under a tool and returns what it wrote to standard output, or
/// `None`, with all of it shown, if it was not successful.
///
/// # Errors
///
/// If it cannot be started.
pub(super) fn watch(command: &mut Command, what: &str) -> Result<Option<String>, XtaskError> {
    let output = collect(command)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(Some(said));
    }
    eprintln!(
        "{what} failed ({}):\n{said}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(None)
}
