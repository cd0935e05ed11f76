//! Bump allocation: many small pieces that are freed together.

use std::hint::black_box;
use std::time::Duration;

use runtime_trace::lock::{Held, Rank};
use runtime_trace::pages::{Backing, Env, Pages};
use runtime_trace::region::Region;

use crate::case::{BenchError, Case, Ran, Words};
use crate::peers;
use crate::threads::timed;

/// Allocations between two releases, of all threads together: at 64 bytes each,
/// 4 MiB.
const PIECES: usize = 1 << 16;

pub(crate) fn open(words: &Words<'_>) -> Result<Box<dyn Case>, BenchError> {
    let workload = Workload {
        size: words.get("size")?,
        threads: words.get::<usize>("threads")?.max(1),
        touch: match words.at(1) {
            "bump" => false,
            "touch" => true,
            _ => return Err(words.unknown()),
        },
    };
    match words.at(2) {
        "ours" => Ok(Box::new(Ours {
            workload,
            region: Region::new(Rank::StackRegion, Backing::Now),
            pages: Pages::new(usize::MAX),
        })),
        _ => peers::region(words, workload),
    }
}

/// What is allocated how.
pub(crate) struct Workload {
    /// Bytes a piece.
    pub(crate) size: usize,
    threads: usize,
    /// Whether each piece's first word is written, so that its page has to come.
    touch: bool,
}

impl Workload {
    /// Runs rounds of [`PIECES`]; `round` does its part on each thread, and
    /// `release` frees everything, which takes no part in the time.
    pub(crate) fn run(
        &self,
        operations: u64,
        round: impl Fn(usize) + Sync,
        mut release: impl FnMut(),
    ) -> Ran {
        let each = PIECES / self.threads;
        let mut ran = Ran {
            operations: 0,
            time: Duration::ZERO,
        };
        while ran.operations < operations {
            ran.time += timed(self.threads, |_| round(each));
            ran.operations += (each * self.threads) as u64;
            release();
        }
        ran
    }

    /// Has a piece that was just allocated.
    #[inline]
    pub(crate) fn use_it(&self, at: *mut u8) {
        if self.touch {
            // SAFETY: `at` is a new allocation of at least eight bytes.
            unsafe { at.cast::<u64>().write(1) };
        }
        black_box(at);
    }
}

/// One region for all threads, as each of the tracer's tables has it.
struct Ours {
    workload: Workload,
    region: Region,
    pages: Pages,
}

impl Case for Ours {
    fn run(&mut self, operations: u64) -> Result<Ran, BenchError> {
        let Self {
            workload,
            region,
            pages,
        } = self;
        let work = |count| {
            let held = Held::new();
            let env = Env::new(pages, &held);
            for _ in 0..count {
                if let Ok(at) = region.alloc(workload.size, &env) {
                    workload.use_it(at.as_ptr());
                }
            }
        };
        Ok(workload.run(operations, work, || {
            let held = Held::new();
            // SAFETY: the threads are gone, and nobody has kept a piece.
            unsafe { region.release(&Env::new(pages, &held)) };
        }))
    }
}
