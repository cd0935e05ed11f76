//! Systems with larger pages, emulated: qemu's user mode tells a program that
//! pages have any size, and places its mappings accordingly.
//!
//! What is emulated is linked statically and for large pages, since the system's
//! own shared libraries are made for pages of 4 KiB: with them the emulator gives
//! its page size up without a word. So the tests say what they were told.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::Figures;
use crate::error::XtaskError;
use crate::go::Toolchain;
use crate::go_check;
use crate::process::{capture, cargo};
use crate::root::{root, target};
use crate::test::{empty, traces_in};

/// Sizes of pages, KiB: as on most systems, as on some of ARM's, as on others of
/// them and of PowerPC's, and larger than a block of the tracer's.
const PAGES_KIB: [usize; 4] = [4, 16, 64, 256];

/// In Debian's package `qemu-user`.
const EMULATOR: &str = "qemu-x86_64";

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// By which cargo is told how to run what it has built for [`TARGET`].
const RUNNER: &str = "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER";

/// Static, also where there is no `std` to name the C library's companions, and
/// aligned for the largest pages.
const FLAGS: &str = "-C target-feature=+crt-static -C relocation-model=static \
                     -C default-linker-libraries=yes -C link-arg=-Wl,-Bstatic \
                     -C link-arg=-Wl,-z,max-page-size=262144";

/// What a person would type, for pages of 64 KiB.
pub(super) const COMMANDS: &[&str] = &[
    "export RUSTFLAGS='-C target-feature=+crt-static -C relocation-model=static -C default-linker-libraries=yes -C link-arg=-Wl,-Bstatic -C link-arg=-Wl,-z,max-page-size=262144'",
    "export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER='qemu-x86_64 -p 65536'",
    "cargo test --target x86_64-unknown-linux-gnu -p e2e --test page_size -- --nocapture",
];

/// Runs the tests of page sizes, the embedder without `std` and a Weft program
/// with pages of every size, and has Go judge what they record.
pub(super) fn full() -> Figures {
    capture(
        Command::new(EMULATOR).arg("--version"),
        "the emulator, in Debian's qemu-user,",
    )?;
    let mut tests = 0;
    let (mut traces, mut early) = (Vec::new(), Vec::new());
    for kib in PAGES_KIB {
        let system = System {
            page: kib << 10,
            folder: target().join("page-size").join(format!("{kib}-kib")),
        };
        empty(&system.folder)?;
        tests += system.tests()?;
        system.embedder()?;
        system.program()?;
        traces.extend(traces_in(&system.folder, "trace")?);
        early.extend(traces_in(&system.folder, "early")?);
    }
    let toolchain = Toolchain::find()?;
    go_check::check(&toolchain, &traces, &["-strict", "-quiet"])?;
    go_check::check(&toolchain, &early, &["-quiet"])?;
    let sizes = PAGES_KIB.map(|kib| kib.to_string()).join(", ");
    Ok(format!(
        "pages of {sizes} KiB: {tests} tests, {} traces accepted by Go ({} of them ended early)",
        traces.len() + early.len(),
        early.len()
    ))
}

/// A system that is emulated.
struct System {
    /// Bytes in a page.
    page: usize,
    /// Where traces go.
    folder: PathBuf,
}

impl System {
    /// Cargo, with what it runs on this system.
    fn cargo(&self, command: &str) -> Command {
        let mut cargo = cargo();
        cargo
            .args([command, "--quiet", "--target", TARGET, "--target-dir"])
            .arg(target().join("page-size").join("build"))
            .env("RUSTFLAGS", FLAGS)
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env(RUNNER, format!("{EMULATOR} -p {}", self.page))
            .current_dir(root())
            .stdin(Stdio::null());
        cargo
    }

    fn what(&self, what: &str) -> String {
        format!("{what} on pages of {} bytes", self.page)
    }

    /// The tests, of which each asks for the size of pages: how many passed.
    fn tests(&self) -> Result<usize, XtaskError> {
        let mut tests = self.cargo("test");
        tests
            .args(["-p", "e2e", "--test", "page_size"])
            .args(["--", "--nocapture", "--test-threads=1"])
            .env("TRACE_KEEP_DIR", &self.folder);
        let what = self.what("the tests");
        let said = capture(&mut tests, &what)?;
        let said = String::from_utf8_lossy(&said);
        let passed = said
            .split_once("test result: ok. ")
            .and_then(|(_, rest)| rest.split_once(" passed"))
            .and_then(|(count, _)| count.parse().ok());
        let told = format!("pages of {} bytes", self.page);
        match passed {
            Some(passed) if said.contains(&told) => Ok(passed),
            _ => Err(XtaskError::NoFigures { what }),
        }
    }

    /// The program without `std`, which fails unless all goes well.
    fn embedder(&self) -> Result<(), XtaskError> {
        let mut run = self.cargo("run");
        run.arg("--manifest-path")
            .arg(root().join("runtime-trace/no-std-embedder/Cargo.toml"))
            .arg("--")
            .arg(self.folder.join("no-std.trace"));
        capture(&mut run, &self.what("the embedder without std")).map(|_| ())
    }

    /// A Weft program, which says the same with a trace as without.
    fn program(&self) -> Result<(), XtaskError> {
        let trace = self.folder.join("weft.trace");
        let plain = self.weft(&[])?;
        let traced = self.weft(&[OsStr::new("--trace"), trace.as_os_str()])?;
        match plain == traced && trace.is_file() {
            true => Ok(()),
            false => Err(XtaskError::NoFigures {
                what: self.what("the traced program"),
            }),
        }
    }

    fn weft(&self, options: &[&OsStr]) -> Result<Vec<u8>, XtaskError> {
        let mut run = self.cargo("run");
        run.args(["-p", "vm", "--bin", "weft", "--", "run", "--workers", "2"])
            .args(options)
            .arg("examples/pipeline.weft");
        capture(&mut run, &self.what("a Weft program"))
    }
}
