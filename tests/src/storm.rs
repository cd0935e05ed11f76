//! Storms: threads start, advance and stop the trace at random and all at once,
//! while all that can be traced goes on. What comes of it is judged file by file.
//!
//! ```text
//!  seed ──► tracer   threads of the simulator move the trace in the middle of
//!       │            their work ──► files, and what was said to the tracer
//!       └─► program  a generated program runs in the VM, threads beside it start
//!                    and stop traces ──► files, reports, the program's output
//!                                               │
//!  pulse ──► a watch: nothing moves any more?   ▼
//!                                            judged, kept
//! ```
//!
//! A seed determines what is done, not when the system lets which thread run: a
//! failure that needs a rare moment may take some tries of its seed.

pub mod keep;
pub mod program;
pub mod pulse;
pub mod tracer;

mod damage;
mod judge;
mod source;

use std::fmt;

use runtime_trace::Loss;

pub use damage::Damage;

/// What storms consisted of, and what came of them.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// How many there were.
    pub storms: u64,
    /// How often a trace was started, its generation advanced, and stopped.
    pub moves: [u64; 3],
    /// How often that was refused, as it must be.
    pub refused: u64,
    /// Files judged, and how many of them ended early or were cut off.
    pub files: u64,
    /// Of these, those that had to end early.
    pub early: u64,
    /// Of these, those that are cut off, as their sink had failed.
    pub cut: u64,
    /// Files whose events were held against what was said, one by one and
    /// without a gap.
    pub exact: u64,
    /// Events in all files.
    pub events: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// What was lost, by cause.
    pub lost: [u64; Loss::ALL.len()],
}

impl Figures {
    /// Adds those of another.
    pub fn add(&mut self, other: &Self) {
        let Self {
            storms,
            moves,
            refused,
            files,
            early,
            cut,
            exact,
            events,
            bytes,
            lost,
        } = other;
        for (mine, its) in [
            (&mut self.storms, storms),
            (&mut self.refused, refused),
            (&mut self.files, files),
            (&mut self.early, early),
            (&mut self.cut, cut),
            (&mut self.exact, exact),
            (&mut self.events, events),
            (&mut self.bytes, bytes),
        ] {
            *mine += its;
        }
        for (mine, its) in self.moves.iter_mut().zip(moves) {
            *mine += its;
        }
        for (mine, its) in self.lost.iter_mut().zip(lost) {
            *mine += its;
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [starts, advances, stops] = self.moves;
        write!(
            f,
            "{} seeds: {starts} starts, {stops} stops, {advances} advances, {} refused; \
             {} files ({} ended early, {} cut, {} exact), {} events, {} MiB; lost:",
            self.storms,
            self.refused,
            self.files,
            self.early,
            self.cut,
            self.exact,
            self.events,
            self.bytes >> 20,
        )?;
        let mut separator = ' ';
        for cause in Loss::ALL {
            let count = self.lost[*cause as usize];
            if count > 0 {
                write!(f, "{separator}{count} {}", cause.as_str())?;
                separator = ',';
            }
        }
        if separator == ' ' {
            f.write_str(" nothing")?;
        }
        Ok(())
    }
}

/// How much a storm does before it calms down.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Slices of tasks that the simulator runs.
    pub slices: u64,
    /// How often a program's functions are called.
    pub rounds: u32,
}
