//! What a report says about itself: when, how, where, and beside whom.

use std::fs;
use std::process::Command;

use crate::error::XtaskError;
use crate::go::Toolchain;
use crate::process::capture;
use crate::root::root;

/// The peers whose versions are told, as `bench/Cargo.lock` has them.
const PEERS: [&str; 11] = [
    "bumpalo",
    "dashmap",
    "hashbrown",
    "lasso",
    "measureme",
    "papaya",
    "parking_lot",
    "scc",
    "spin",
    "tracing",
    "tracing-chrome",
];

/// Prints the head of a report.
///
/// # Errors
///
/// If something that belongs there cannot be found out.
pub(super) fn print(toolchain: &Toolchain) -> Result<(), XtaskError> {
    let say = |program: &str, args: &[&str]| {
        capture(Command::new(program).args(args), program)
            .map(|said| String::from_utf8_lossy(&said).trim().to_owned())
    };
    let args: Vec<String> = std::env::args().skip(1).collect();
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processor
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("an unknown processor", |(_, name)| name.trim());
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    println!("- When: {}", say("date", &["-u", "+%Y-%m-%d %H:%M UTC"])?);
    println!("- Command: `cargo xtask {}`", args.join(" "));
    println!(
        "- Machine: {processor}, {cores} cores, {}",
        say("uname", &["-sr"])?
    );
    println!("- Load before: {}", load());
    println!(
        "- {}; {}",
        say("rustc", &["--version"])?,
        toolchain.version()
    );
    println!("- Peers: {}", peers()?);
    println!(
        "- Figures: min / median / max of all rounds; a ratio is of the same round, \
         \"best\" that of both minima"
    );
    Ok(())
}

/// How many programs wanted a core lately: 1, 5 and 15 minutes.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(", ")
}

/// The peers with their versions.
fn peers() -> Result<String, XtaskError> {
    let path = root().join("bench/Cargo.lock");
    let lock = fs::read_to_string(&path).map_err(XtaskError::file("cannot read", &path))?;
    let mut found = Vec::new();
    let mut name = "";
    for line in lock.lines() {
        if let Some(text) = line.strip_prefix("name = ") {
            name = text.trim_matches('"');
        } else if let Some(text) = line.strip_prefix("version = ")
            && PEERS.contains(&name)
        {
            found.push(format!("{name} {}", text.trim_matches('"')));
        }
    }
    Ok(found.join(", "))
}
