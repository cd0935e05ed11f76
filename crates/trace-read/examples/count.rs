//! Counts the events of traces by kind: `count FILE…`.
//!
//! It does next to nothing with an event, which makes it good for measuring what
//! reading one costs.

#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::fs::File;
use std::process::ExitCode;

use trace_read::{Kind, ReadError, Reader};

fn main() -> ExitCode {
    for name in std::env::args().skip(1) {
        let file = match File::open(&name) {
            Ok(file) => file,
            Err(error) => {
                eprintln!("{name}: {error}");
                return ExitCode::FAILURE;
            }
        };
        if let Err(error) = count(&name, file) {
            eprintln!("{name}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn count(name: &str, file: File) -> Result<(), ReadError> {
    let mut reader = Reader::new(file)?;
    let mut by_kind = [0u64; Kind::NAMES.len()];
    let mut with_stack = 0u64;
    let mut tasks = HashSet::new();
    let mut last = None;
    while let Some(event) = reader.next_event()? {
        by_kind[event.kind.index()] += 1;
        with_stack += u64::from(!event.stack.is_empty());
        // Most events are of the same task as the one before.
        if event.task != last {
            last = event.task;
            tasks.extend(event.task);
        }
    }
    let mut sorted: Vec<_> = Kind::NAMES.iter().zip(by_kind).collect();
    sorted.sort();
    for (kind, count) in sorted.into_iter().filter(|&(_, count)| count > 0) {
        println!("  {kind:<22} {count}");
    }
    println!(
        "{name}: events={} goroutines={} with_stack={with_stack}",
        by_kind.iter().sum::<u64>(),
        tasks.len()
    );
    Ok(())
}
