//! How much is written for what is read. A trace can be made so that a small one
//! becomes an output that fills a disk; whoever runs the command is told in time.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use trace_tools::input::Watch;

/// An output is noteworthy if it has more bytes than this,
const MUCH: u64 = 64 << 20;

/// and more than so many times those of the trace as it lies in the file.
const TIMES: u64 = 100;

/// Bytes of traces, as they lie in their files, that were read.
static READ: AtomicU64 = AtomicU64::new(0);
/// Bytes of output that were written.
static WRITTEN: AtomicU64 = AtomicU64::new(0);
static TOLD: AtomicBool = AtomicBool::new(false);

// Relaxed throughout: these guard no other memory, and only the thread that writes
// adds to what is written.

/// Counts what is read, and tells another one.
pub(super) struct Metered<W>(pub(super) W);

impl<W: Watch> Watch for Metered<W> {
    fn read(&mut self, bytes: u64) {
        READ.fetch_add(bytes, Ordering::Relaxed); // Relaxed: as above.
        self.0.read(bytes);
    }
}

/// So many more bytes of output have been written. Tells once if that is very much.
#[inline]
pub(super) fn written(bytes: usize) {
    // Relaxed, three times: as above.
    let all = WRITTEN.load(Ordering::Relaxed) + bytes as u64;
    WRITTEN.store(all, Ordering::Relaxed);
    if all > MUCH && !TOLD.load(Ordering::Relaxed) {
        tell(all);
    }
}

#[cold]
#[inline(never)]
fn tell(written: u64) {
    // Relaxed, twice: as above.
    let read = READ.load(Ordering::Relaxed);
    if written > read.saturating_mul(TIMES) {
        TOLD.store(true, Ordering::Relaxed);
        // There is nobody left to tell if standard error is closed.
        let _ = writeln!(
            io::stderr(),
            "rtrace: warning: the output is more than {TIMES} times as large as the trace: \
             {} MB so far, for {:.1} MB that were read; it goes on",
            written / 1_000_000,
            read as f64 / 1e6,
        );
    }
}
