//! How much memory all tasks have together, for the trace.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::task::Body;
use crate::value::Value;

/// A change of so many bytes is worth an event.
const STEP: usize = 64 << 10;

/// The sum of all tasks' heaps and stacks, in bytes.
///
/// All accesses are Relaxed: it is a figure, and orders nothing.
pub(crate) struct Gauge {
    total: AtomicUsize,
    /// The sum that the trace shows.
    shown: AtomicUsize,
    /// Whether the trace is to show it again, changed or not.
    again: AtomicBool,
}

impl Gauge {
    pub(crate) const fn new() -> Self {
        Gauge {
            total: AtomicUsize::new(0),
            shown: AtomicUsize::new(0),
            again: AtomicBool::new(false),
        }
    }

    /// Counts how a task has changed since it was counted last.
    #[inline]
    pub(crate) fn count(&self, body: &mut Body) {
        let now = body.heap.bytes() + body.stack.capacity() * size_of::<Value>();
        if now != body.counted {
            // Wraps around where a task has shrunk; the sum never does.
            self.total
                .fetch_add(now.wrapping_sub(body.counted), Ordering::Relaxed);
            body.counted = now;
        }
    }

    /// Takes a task out that has ended.
    pub(crate) fn forget(&self, body: &mut Body) {
        self.total
            .fetch_sub(std::mem::take(&mut body.counted), Ordering::Relaxed);
    }

    /// Has the sum shown once more, as at the start of a generation.
    pub(crate) fn show_again(&self) {
        self.again.store(true, Ordering::Relaxed);
    }

    /// The sum, if the trace is to show it; whoever asks has to.
    pub(crate) fn due(&self) -> Option<u64> {
        let total = self.total.load(Ordering::Relaxed);
        let shown = self.shown.load(Ordering::Relaxed);
        let again = self.again.load(Ordering::Relaxed) && self.again.swap(false, Ordering::Relaxed);
        if !again && total.abs_diff(shown) <= STEP {
            return None;
        }
        let first = self
            .shown
            .compare_exchange(shown, total, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok();
        (first || again).then_some(total as u64)
    }
}
