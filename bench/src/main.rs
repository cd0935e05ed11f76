//! The tracer beside its Rust peers, as a program that is asked for figures.
//!
//! `cargo xtask bench` starts it, and a Go program that answers to the same
//! lines (`xtask/go/tracebench`), and has both take turns, so that every figure
//! has beside it what the same machine made of the peers at the same moment.
//!
//! ```text
//! bench serve             reads lines from its standard input:
//!   open CASE               ─► "opened ID" and, if known, bytes per entry
//!   run ID OPERATIONS       ─► "ran OPERATIONS NANOSECONDS", as many as fit the case
//!   close ID                ─► "closed"
//! bench count N CASE      runs about N operations and ends: for callgrind
//! ```
//!
//! A case is what, how and who: `map hit papaya key=32 entries=1000 threads=1`.

mod case;
mod emit;
mod interners;
mod keys;
mod map;
#[cfg_attr(not(feature = "peers"), path = "no_peers.rs")]
mod peers;
mod region;
mod threads;

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use crate::case::{BenchError, Case, open};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve"] => serve(io::stdin().lock(), io::stdout()),
        ["count", operations, ref case @ ..] => count(operations, &case.join(" ")),
        _ => Err(BenchError::Usage),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Answers every line of `requests` with a line.
fn serve(requests: impl BufRead, mut answers: impl Write) -> Result<(), BenchError> {
    let mut cases: BTreeMap<u64, Box<dyn Case>> = BTreeMap::new();
    let mut last = 0;
    for line in requests.lines() {
        let line = line.map_err(BenchError::Io)?;
        let answer = match line.split_once(' ') {
            Some(("open", case)) => {
                let case = open(case)?;
                let bytes = case.bytes_per_entry();
                last += 1;
                cases.insert(last, case);
                match bytes {
                    Some(bytes) => format!("opened {last} {bytes:.1}"),
                    None => format!("opened {last}"),
                }
            }
            Some(("run", rest)) => {
                let (id, operations) = rest.split_once(' ').ok_or(BenchError::Usage)?;
                let id = number(id)?;
                let case = cases.get_mut(&id).ok_or(BenchError::Usage)?;
                let ran = case.run(number(operations)?)?;
                format!("ran {} {}", ran.operations, ran.time.as_nanos())
            }
            Some(("close", id)) => {
                cases.remove(&number(id)?);
                "closed".to_owned()
            }
            _ => return Err(BenchError::Usage),
        };
        writeln!(answers, "{answer}").map_err(BenchError::Io)?;
        answers.flush().map_err(BenchError::Io)?;
    }
    Ok(())
}

/// Runs a case once. Whoever counts instructions takes the difference between
/// two runs, so nothing is tidied up, which would count.
fn count(operations: &str, case: &str) -> Result<(), BenchError> {
    let operations = number(operations)?;
    let mut case = open(case)?;
    let ran = case.run(operations)?;
    println!("ran {} {}", ran.operations, ran.time.as_nanos());
    std::process::exit(0);
}

fn number(text: &str) -> Result<u64, BenchError> {
    text.parse().map_err(|_| BenchError::Usage)
}
