//! The region beside a list of what was allocated from it.
//!
//! `PROPTEST_CASES` sets how many cases are tried. A failure prints its smallest
//! case, which then becomes a unit test; no file of regressions is kept.

#![cfg(not(loom))]

use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use proptest::collection::vec;
use proptest::prelude::*;
use runtime_trace::NoMemory;
use runtime_trace::lock::{Held, Rank};
use runtime_trace::pages::{BLOCK_SIZE, Backing, Env, Pages};
use runtime_trace::region::{ALIGN, AllocError, MAX_ALLOC, Region};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

/// An allocation that may be read and written: whoever made it has filled it.
#[derive(Clone, Copy, Debug)]
struct Range {
    at: NonNull<u8>,
    size: usize,
    fill: u8,
}

// SAFETY: the bytes are the holder's alone, and are not tied to a thread.
unsafe impl Send for Range {}

impl Range {
    /// Takes an allocation that was just made and fills it.
    fn new(at: NonNull<u8>, size: usize, fill: u8) -> Result<Self, TestCaseError> {
        prop_assert_eq!(at.addr().get() % ALIGN, 0, "not aligned");
        let range = Self { at, size, fill };
        // SAFETY: `size` bytes that the region has just handed out to us.
        unsafe { at.as_ptr().write_bytes(fill, size) };
        Ok(range)
    }

    fn is_all(&self, byte: u8) -> bool {
        // SAFETY: allocated with this size, filled, and not released yet: every
        // test looks before it releases.
        let bytes = unsafe { std::slice::from_raw_parts(self.at.as_ptr(), self.size) };
        bytes.iter().all(|there| *there == byte)
    }
}

/// What has been allocated and not released, by address.
#[derive(Debug, Default)]
struct Live(BTreeMap<usize, Range>);

impl Live {
    fn add(&mut self, range: Range) -> Result<(), TestCaseError> {
        if range.size == 0 {
            return Ok(());
        }
        let start = range.at.addr().get();
        let end = start + range.size;
        if let Some((before, other)) = self.0.range(..end).next_back() {
            prop_assert!(before + other.size <= start, "two allocations overlap");
        }
        self.0.insert(start, range);
        Ok(())
    }

    /// Everything still has the bytes that were written to it.
    fn check(&self) -> Result<(), TestCaseError> {
        for range in self.0.values() {
            prop_assert!(range.is_all(range.fill), "contents were changed");
        }
        Ok(())
    }
}

#[derive(Clone, Debug)]
enum Op {
    Alloc(usize),
    Release,
    /// So many blocks in all from here on.
    Limit(usize),
}

fn size() -> impl Strategy<Value = usize> {
    prop_oneof![
        20 => 0..300usize,
        4 => 300..MAX_ALLOC / 2,
        2 => MAX_ALLOC / 2..=MAX_ALLOC,
        1 => prop_oneof![Just(MAX_ALLOC + 1), Just(usize::MAX), MAX_ALLOC - 9..MAX_ALLOC + 9],
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        40 => size().prop_map(Op::Alloc),
        1 => Just(Op::Release),
        2 => (0..6usize).prop_map(Op::Limit),
        2 => Just(Op::Limit(1000)),
    ]
}

proptest! {
    #![proptest_config(config(100))]

    /// One thread: what fits the current block comes from it, what does not from
    /// a new one, and what is refused is refused for the right reason.
    #[test]
    fn one_thread(ops in vec(op(), 0..200)) {
        let pages = Pages::new(usize::MAX);
        let region = Region::new(Rank::StackRegion, Backing::Now);
        let held = Held::new();
        let env = Env::new(&pages, &held);
        let mut live = Live::default();
        let mut limit = usize::MAX;
        // Those of the region, and those that wait for reuse.
        let (mut blocks, mut kept) = (0, 0usize);
        // Bytes gone from the current block. What did not fit is gone, too.
        let mut gone = usize::MAX;
        for (op, fill) in ops.into_iter().zip((1..=255).cycle()) {
            match op {
                Op::Alloc(size) if size > MAX_ALLOC => {
                    prop_assert_eq!(region.alloc(size, &env), Err(AllocError::TooLarge));
                }
                Op::Alloc(size) => {
                    let whole = size.next_multiple_of(ALIGN);
                    let fits = gone.saturating_add(whole) <= MAX_ALLOC;
                    let allocated = region.alloc(size, &env);
                    if !fits && blocks >= limit {
                        let refused = AllocError::NoMemory(NoMemory::Limit);
                        prop_assert_eq!(allocated, Err(refused));
                        // It was tried twice, in case that somebody was faster.
                        gone = gone.saturating_add(2 * whole);
                    } else {
                        if fits {
                            gone += whole;
                        } else {
                            gone = whole;
                            blocks += 1;
                            kept = kept.saturating_sub(1);
                        }
                        live.add(Range::new(allocated.expect("there is room"), size, fill)?)?;
                    }
                }
                Op::Release => {
                    live.check()?;
                    live = Live::default();
                    // SAFETY: this thread alone uses the region, and is done
                    // with what it allocated.
                    unsafe { region.release(&env) };
                    let before = kept + blocks;
                    kept = pages.mapped() / BLOCK_SIZE;
                    prop_assert!(kept <= before);
                    (blocks, gone) = (0, usize::MAX);
                }
                Op::Limit(count) => {
                    limit = count;
                    pages.set_limit(limit * BLOCK_SIZE);
                    kept = 0;
                }
            }
            prop_assert_eq!(pages.mapped(), (blocks + kept) * BLOCK_SIZE);
        }
        live.check()?;
    }

    /// Two threads that need a new block at the same moments: one of them keeps
    /// what it has mapped as a spare, and that comes back as well.
    #[test]
    fn full_blocks_at_once(sizes in vec(MAX_ALLOC / 3..=MAX_ALLOC / 2, 1..40)) {
        let pages = Pages::new(usize::MAX);
        let region = Region::new(Rank::StackRegion, Backing::Now);
        let arrived = AtomicUsize::new(0);
        let work = |fill: u8| -> Result<Vec<Range>, TestCaseError> {
            let held = Held::new();
            let env = Env::new(&pages, &held);
            let allocated = sizes.iter().zip(1..).map(|(&size, round)| {
                // AcqRel, Acquire: each comes out after both came in.
                arrived.fetch_add(1, Ordering::AcqRel);
                while arrived.load(Ordering::Acquire) < 2 * round {
                    // On one processor the other would never come.
                    thread::yield_now();
                }
                (region.alloc(size, &env).expect("there is room"), size)
            });
            let allocated: Vec<_> = allocated.collect();
            let ranges = allocated.into_iter();
            ranges.map(|(at, size)| Range::new(at, size, fill)).collect()
        };
        let (one, two) = thread::scope(|scope| {
            let one = scope.spawn(|| work(1));
            (work(2), one.join().expect("it ends"))
        });
        let mut live = Live::default();
        for range in one?.into_iter().chain(two?) {
            live.add(range)?;
        }
        live.check()?;
        let held = Held::new();
        // SAFETY: the other thread is gone, and nothing looks at the ranges again.
        unsafe { region.release(&Env::new(&pages, &held)) };
        pages.unmap_kept();
        prop_assert_eq!(pages.mapped(), 0);
    }

    /// Several threads: nobody gets what another has, and everything comes back.
    #[test]
    fn several_threads(
        threads in vec(vec(size(), 0..80), 2..5),
        limit in prop_oneof![Just(usize::MAX / BLOCK_SIZE), 0..12usize],
    ) {
        let pages = Pages::new(limit * BLOCK_SIZE);
        let region = Region::new(Rank::StackRegion, Backing::Now);
        let start = Barrier::new(threads.len());
        type Done = Result<(Vec<Range>, usize), TestCaseError>;
        let work = |(sizes, fill): (&Vec<usize>, u8)| -> Done {
            start.wait();
            let held = Held::new();
            let env = Env::new(&pages, &held);
            let mut ranges = Vec::new();
            let mut refused = 0;
            for &size in sizes {
                match region.alloc(size, &env) {
                    Ok(at) => ranges.push(Range::new(at, size, fill)?),
                    Err(AllocError::TooLarge) => prop_assert!(size > MAX_ALLOC),
                    Err(AllocError::NoMemory(NoMemory::Limit)) => refused += 1,
                    Err(other) => prop_assert!(false, "{}", other),
                }
            }
            Ok((ranges, refused))
        };
        let done: Vec<Done> = thread::scope(|scope| {
            let running: Vec<_> = threads
                .iter()
                .zip(1..)
                .map(|thread| scope.spawn(move || work(thread)))
                .collect();
            running.into_iter().map(|thread| thread.join().expect("it ends")).collect()
        });

        let mut live = Live::default();
        let (mut used, mut count, mut refused) = (0, 0, 0);
        for done in done {
            let (ranges, refusals) = done?;
            refused += refusals;
            count += ranges.len();
            for range in ranges {
                used += range.size.next_multiple_of(ALIGN);
                live.add(range)?;
            }
        }
        live.check()?;
        let blocks = pages.mapped() / BLOCK_SIZE;
        prop_assert!(used <= blocks * MAX_ALLOC);
        // Each block but the spares, of which each thread leaves one at the most,
        // was installed for an allocation.
        prop_assert!(blocks < count + refused + threads.len() && blocks <= limit);
        prop_assert!(refused == 0 || blocks == limit, "{} refused, {} blocks", refused, blocks);

        let held = Held::new();
        let env = Env::new(&pages, &held);
        // SAFETY: the threads are gone, and nothing looks at the ranges again.
        unsafe { region.release(&env) };
        pages.unmap_kept();
        prop_assert_eq!(pages.mapped(), 0);
        if limit > 0 {
            prop_assert!(region.alloc(MAX_ALLOC, &env).is_ok(), "no bump after the release");
        }
    }
}
