//! `storm`: storms for so many seconds, seed after seed; ends at the first thing
//! that is wrong, with the seed that shows it.

#![forbid(unsafe_code)]

use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::{Parser, ValueEnum};
use e2e::storm::keep::Keep;
use e2e::storm::pulse::Pulse;
use e2e::storm::{Damage, Figures, Size, program, tracer};

/// Storms over the tracer and over programs that are traced, seed after seed.
#[derive(Debug, Parser)]
struct Options {
    /// For how long; the storm that is going on then is the last one.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// The first seed; by default the time. A failure is replayed with its seed
    /// and `--storms 1`.
    #[arg(long)]
    seed: Option<u64>,
    /// At most so many seeds.
    #[arg(long)]
    storms: Option<u64>,
    /// What storms.
    #[arg(long, value_enum, default_value_t = Level::Both)]
    level: Level,
    /// Keeps traces in this folder, for `cargo xtask go-check --strict` of those
    /// that end in `.trace` (and without `--strict` of those that end in
    /// `.early`).
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Keeps one in so many traces; by default one for each 6 seconds of
    /// `--seconds`, so that there are about as many whatever the time.
    #[arg(long, value_name = "N")]
    keep_every: Option<u64>,
    /// Slices of tasks in a storm over the tracer.
    #[arg(long, default_value_t = 4000)]
    slices: u64,
    /// Rounds of a program in a storm over programs.
    #[arg(long, default_value_t = 150)]
    rounds: u32,
    /// Seconds without anything done after which a storm hangs.
    #[arg(long, default_value_t = 60)]
    patience: u64,
}

/// What storms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Level {
    /// Threads of a simulated scheduler.
    Tracer,
    /// Threads beside programs in the virtual machine.
    Program,
    /// With each seed one, then the other.
    Both,
}

/// How often figures are printed.
const LINE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let options = Options::parse();
    let seed = options.seed.unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| since.as_secs())
    });
    let every = options.keep_every.unwrap_or(options.seconds / 6);
    let mut keep = Keep::new(options.keep.clone(), every);
    let pulse = Arc::new(Pulse::default());
    let watched = Arc::clone(&pulse);
    let patience = Duration::from_secs(options.patience);
    thread::spawn(move || {
        let seed = watched.watch(patience);
        eprintln!(
            "storm: seed {seed} hangs: nothing has been done for {} s",
            patience.as_secs()
        );
        std::process::exit(2);
    });

    let begun = Instant::now();
    let mut told = begun;
    let mut figures = Figures::default();
    for seed in seed..=seed.saturating_add(options.storms.unwrap_or(u64::MAX).saturating_sub(1)) {
        pulse.begin(seed);
        match storm(&options, seed, &pulse, &mut keep) {
            Ok(its) => figures.add(&its),
            Err(wrong) => {
                eprintln!("storm: seed {seed}: {wrong}");
                eprintln!(
                    "storm: after {:.1} s; again with --seed {seed} --storms 1",
                    begun.elapsed().as_secs_f64()
                );
                println!("{figures}");
                return ExitCode::FAILURE;
            }
        }
        if told.elapsed() >= LINE {
            told = Instant::now();
            println!("seed {seed} is done; so far {figures}");
        }
        if begun.elapsed() >= Duration::from_secs(options.seconds) {
            break;
        }
    }
    println!("from seed {seed} on: {figures}; {} files kept", keep.kept());
    ExitCode::SUCCESS
}

/// Why a storm failed.
enum Wrong {
    Damage(Damage),
    /// A thread panicked; what it said is on standard error.
    Panic,
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Damage(damage) => damage.fmt(f),
            Self::Panic => f.write_str("a thread panicked"),
        }
    }
}

fn storm(options: &Options, seed: u64, pulse: &Pulse, keep: &mut Keep) -> Result<Figures, Wrong> {
    let size = Size {
        slices: options.slices,
        rounds: options.rounds,
    };
    let mut figures = Figures::default();
    for (level, storm) in [
        (Level::Tracer, tracer::storm as fn(_, _, &_, &mut _) -> _),
        (Level::Program, program::storm),
    ] {
        if options.level != level && options.level != Level::Both {
            continue;
        }
        let stormed = panic::catch_unwind(AssertUnwindSafe(|| storm(seed, size, pulse, keep)));
        let its: Figures = stormed.map_err(|_| Wrong::Panic)?.map_err(Wrong::Damage)?;
        figures.add(&its);
    }
    // With both levels, one seed.
    figures.storms = 1;
    Ok(figures)
}
