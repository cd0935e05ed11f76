//! Memory stays within a multiple of the file's size, whatever is in it.
//!
//! The file's only test: what is counted is the whole program's.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use support::lines::count;
use support::{Payload, Trace, damaged, orderly};
use trace_format::limits::NO_THREAD;
use trace_format::{EventKind, Version};

/// Bytes for each byte of the file, and bytes besides.
const MULTIPLE: usize = 100;
const BESIDES: usize = 1 << 20;

/// Counts what the program holds, and the most it held.
struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Relaxed, here and below: the numbers order nothing, and the test that
        // reads them is the only thread that allocates much.
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        // Relaxed: as above.
        MOST.fetch_max(held, Ordering::Relaxed);
        // SAFETY: the caller keeps `alloc`'s contract, which is the same there.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // Relaxed: as above.
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: `at` came from `System.alloc` with this layout.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes held while a file is read, the file itself not counted.
fn most_held(file: &[u8]) -> usize {
    // Relaxed: one thread, see above.
    let before = HELD.load(Ordering::Relaxed);
    // Relaxed: one thread, see above.
    MOST.store(before, Ordering::Relaxed);
    let _ = count(file);
    // Relaxed: one thread, see above.
    MOST.load(Ordering::Relaxed) - before
}

fn check(name: &str, file: &[u8]) {
    let most = most_held(file);
    let allowed = MULTIPLE * file.len() + BESIDES;
    assert!(
        most <= allowed,
        "{name}: {most} bytes for a file of {}",
        file.len()
    );
}

/// A generation of these batches, each of a worker of its own.
fn trace(batches: impl Iterator<Item = (u64, Payload)>) -> Vec<u8> {
    let mut trace = Trace::new(Version::Go126);
    for (thread, payload) in batches {
        // With short sizes, since every byte makes it easier.
        trace.bytes.push(EventKind::EventBatch as u8);
        for number in [1, thread, 0, payload.0.len() as u64] {
            support::push(&mut trace.bytes, number);
        }
        trace.bytes.extend_from_slice(&payload.0);
    }
    trace.end(Version::Go126);
    trace.bytes
}

#[test]
fn a_multiple_of_the_file() {
    use EventKind::*;
    let many = 20_000;
    let spread = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    check(
        "empty batches",
        &trace((0..many).map(|n| (n, Payload::new()))),
    );
    check(
        "a worker an event",
        &trace((0..many).map(|n| (n, Payload::new().event(GCBegin, &[0, n, 0])))),
    );
    check(
        "a worker a task",
        &trace((0..many).map(|n| (n, Payload::new().event(GoStatus, &[0, n, n, 3])))),
    );
    let filled = |kind: EventKind, event: fn(Payload, u64) -> Payload| {
        let batches = (0..many / 1_000).map(|batch| {
            let mut payload = Payload::new().event(kind, &[0, 0, 1]);
            if !kind.is_timed() {
                payload = Payload::new().event(kind, &[]);
            }
            for n in 0..1_000 {
                payload = event(payload, batch * 1_000 + n);
            }
            let thread = if kind.is_timed() { 1 } else { NO_THREAD };
            (thread, payload)
        });
        trace(batches)
    };
    check(
        "strings",
        &filled(Strings, |with, n| with.string(n + 1, "")),
    );
    check("stacks", &filled(Stacks, |with, n| with.stack(n + 1, &[])));
    check(
        "frames",
        &filled(Stacks, |with, n| with.stack(n + 1, &[[n, 0, 0, 0]])),
    );
    check(
        "samples",
        &filled(CPUSamples, |with, n| {
            with.event(CPUSample, &[n, 0, 0, 0, 0])
        }),
    );
    check(
        "tasks",
        &filled(ProcStatus, |with, n| with.event(GoCreate, &[0, n, 0, 0])),
    );
    check(
        "procs",
        &filled(ProcStatus, |with, n| with.event(ProcStatus, &[0, n + 1, 2])),
    );
    let sparse = (0..20).map(|batch| {
        let strings = Payload::new().event(Strings, &[]);
        let strings = (0..1_000).fold(strings, |with, n| {
            with.string(spread(batch * 1_000 + n), "")
        });
        (NO_THREAD, strings)
    });
    check("sparse strings", &trace(sparse));

    for seed in 0..500 {
        let file = damaged(&orderly(Version::Go126), seed);
        check("damaged", &file);
    }
    for recording in [
        &include_bytes!("traces/stacks.trace")[..],
        include_bytes!("traces/futile-wakeup.trace"),
    ] {
        // Real files are far from it.
        let most = most_held(recording);
        let allowed = 4 * recording.len() + BESIDES;
        assert!(most < allowed, "{most} for {}", recording.len());
    }
}
