//! Interning: keys that are there, keys that are not, and both.

use std::hint::black_box;
use std::time::Duration;

use crate::case::{BenchError, Case, Ran, Words};
use crate::interners::{Interner, Ours};
use crate::keys::{Keys, Shape, scattered};
use crate::peers;
use crate::threads::timed;

/// One in so many operations of the mixed workload adds a key.
const MIX: usize = 100;

/// How much a map may grow in the mixed workload before it is made anew: to
/// five quarters.
const GROWTH: usize = 4;

pub(crate) fn open(words: &Words<'_>) -> Result<Box<dyn Case>, BenchError> {
    match words.at(2) {
        "ours" => workload::<Ours>(words),
        _ => peers::map(words),
    }
}

/// Prepares the workload that the words name, for one kind of map.
pub(crate) fn workload<I: Interner>(words: &Words<'_>) -> Result<Box<dyn Case>, BenchError> {
    let shape: Shape = words.get("key")?;
    let entries = words.get::<usize>("entries")?.max(1);
    let threads = words.get::<usize>("threads")?.max(1);
    let keys = Keys::new(shape, 0, entries);
    let order = scattered(entries);
    Ok(match words.at(1) {
        "hit" => {
            let (map, bytes) = I::measured(|map: &I| fill(map, &keys, &order));
            Box::new(Hit {
                map,
                overhead: bytes as f64 / entries as f64 - keys.len() as f64,
                keys,
                threads,
            })
        }
        which @ ("insert" | "first") => Box::new(Insert::<I> {
            order: order.iter().map(|at| *at as usize).collect(),
            keys,
            threads,
            last: None,
            first: which == "first",
        }),
        "mixed" => Box::new(Mixed {
            map: filled::<I>(&keys, &order),
            fresh: Keys::new(shape, entries as u64, (entries / GROWTH).max(1)),
            used: 0,
            keys,
            order,
            threads,
        }),
        _ => return Err(words.unknown()),
    })
}

fn fill<I: Interner>(map: &I, keys: &Keys, order: &[u32]) {
    map.put_all(order.iter().map(|at| keys.get(*at as usize)));
}

fn filled<I: Interner>(keys: &Keys, order: &[u32]) -> I {
    let map = I::new();
    fill(&map, keys, order);
    map
}

/// The part of `count` that belongs to a thread.
fn part(count: usize, thread: usize, threads: usize) -> (usize, usize) {
    (count * thread / threads, count * (thread + 1) / threads)
}

/// Every key is there. Each thread asks for all of them, over and over.
struct Hit<I> {
    map: I,
    /// Bytes for an entry beyond its key.
    overhead: f64,
    keys: Keys,
    threads: usize,
}

impl<I: Interner> Case for Hit<I> {
    fn run(&mut self, operations: u64) -> Result<Ran, BenchError> {
        let count = self.keys.count();
        let each = (operations as usize).div_ceil(self.threads);
        let time = timed(self.threads, |thread| {
            // Each begins elsewhere, or all would be at the same key.
            let (mut at, _) = part(count, thread, self.threads);
            let mut left = each;
            while left > 0 {
                let to = count.min(at + left);
                black_box(self.map.put_all(self.keys.range(at, to)));
                left -= to - at;
                at = 0;
            }
        });
        Ok(Ran {
            operations: (each * self.threads) as u64,
            time,
        })
    }

    fn bytes_per_entry(&self) -> Option<f64> {
        Some(self.overhead)
    }
}

/// No key is there: a map is filled, emptied and filled again, or each time another.
struct Insert<I> {
    keys: Keys,
    order: Vec<usize>,
    threads: usize,
    /// The last map: what it takes to be rid of it is in no figure.
    last: Option<I>,
    /// Whether each map is a new one, as in a tracer's first generation.
    first: bool,
}

impl<I: Interner> Case for Insert<I> {
    fn run(&mut self, operations: u64) -> Result<Ran, BenchError> {
        let count = self.order.len();
        let mut ran = Ran {
            operations: 0,
            time: Duration::ZERO,
        };
        while ran.operations < operations {
            let map = match self.last.take() {
                Some(last) if !self.first => last.emptied(),
                last => {
                    drop(last);
                    I::new()
                }
            };
            ran.time += timed(self.threads, |thread| {
                let (from, to) = part(count, thread, self.threads);
                let keys = self.order[from..to].iter().map(|at| self.keys.get(*at));
                black_box(map.put_all(keys));
            });
            self.last = Some(map);
            ran.operations += count as u64;
        }
        Ok(ran)
    }
}

/// One in a hundred is new.
struct Mixed<I> {
    map: I,
    keys: Keys,
    order: Vec<u32>,
    fresh: Keys,
    used: usize,
    threads: usize,
}

impl<I: Interner> Case for Mixed<I> {
    fn run(&mut self, operations: u64) -> Result<Ran, BenchError> {
        let mut ran = Ran {
            operations: 0,
            time: Duration::ZERO,
        };
        while ran.operations < operations {
            if self.used == self.fresh.count() {
                self.map = filled(&self.keys, &self.order);
                self.used = 0;
            }
            let wanted = (operations - ran.operations) as usize;
            let fresh = wanted
                .div_ceil(MIX)
                .min(self.fresh.count() - self.used)
                .max(1);
            let (first, count) = (self.used, self.keys.count());
            ran.time += timed(self.threads, |thread| {
                let (from, to) = part(fresh, thread, self.threads);
                let (mut at, _) = part(count, thread, self.threads);
                for new in from..to {
                    let mut left = MIX - 1;
                    while left > 0 {
                        let end = count.min(at + left);
                        black_box(self.map.put_all(self.keys.range(at, end)));
                        left -= end - at;
                        at = if end == count { 0 } else { end };
                    }
                    black_box(self.map.put_all([self.fresh.get(first + new)].into_iter()));
                }
            });
            self.used += fresh;
            ran.operations += (fresh * MIX) as u64;
        }
        Ok(ran)
    }
}
