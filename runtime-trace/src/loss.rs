//! What was lost, by cause.
//!
//! The tracer never takes its host down: where it cannot record, it drops,
//! counts and says so, here, in the trace and wherever the embedder shows
//! [`Losses`].
//!
//! Counted is what the embedder said and the file does not say: one for each
//! event, and one for each refused [`acquire`](crate::Worker::acquire), whose
//! events nobody knows. What the tracer writes by itself (statuses, notes) is
//! not counted. So with everybody out of their emissions
//!
//! ```text
//! said while tracing was on  =  in the file  +  Losses::events()
//! ```
//!
//! No event is too large: strings are cut at 1,024 bytes and stacks at 128
//! frames, and neither counts as lost. No table is full before memory is: that
//! is [`Loss::Limit`].

use core::fmt;

use crate::sync::{AtomicU64, Ordering, atomic_array, const_unless_loom};

macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Why something was not recorded.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Loss { $($(#[$doc])* $name,)* }

        impl Loss {
            /// Every cause.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The cause in words.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

causes! {
    /// The system refused pages.
    NoMemory = "no memory",
    /// The memory limit was reached by the tables and the batches being
    /// written; no batch was waiting for the reader.
    Limit = "memory limit",
    /// The memory limit was reached while batches waited for the reader.
    SlowReader = "reader too slow",
    /// What the reader took did not reach the file, or was not taken any more:
    /// see [`Reader::fail`](crate::Reader::fail).
    FailedSink = "file not written",
    /// Emitted from inside an emission of the same thread, as from a signal
    /// handler.
    Reentrant = "re-entrant",
    /// Emitted after the trace had to end early.
    AfterEnd = "after the trace's early end",
    /// An annotation from a thread on which no task runs, or a figure of the heap
    /// from one without a proc: readers would refuse it.
    NoTask = "no running task",
    /// A stack that was left out of an event, because its ID is of another
    /// generation or of another tracer.
    ForeignStack = "stack of another generation",
    /// A stack that was left out of an event, for want of memory.
    Stack = "stack left out",
    /// A stack that was written without some of its frames, for want of memory for
    /// their names: perhaps with its root only.
    Names = "stack without names",
}

const CAUSES: usize = Loss::ALL.len();

/// Numbers of losses by cause since tracing started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    counts: [u64; CAUSES],
}

impl Losses {
    /// How many were lost for this cause.
    pub const fn count(&self, cause: Loss) -> u64 {
        self.counts[cause as usize]
    }

    /// How many events were lost, whatever the cause. An event without its
    /// stack, or without some frames of it, is not lost.
    pub fn events(&self) -> u64 {
        let stacks = [Loss::ForeignStack, Loss::Stack, Loss::Names];
        self.total() - stacks.map(|cause| self.count(cause)).iter().sum::<u64>()
    }

    /// How much was lost, stacks included.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// "12 events lost (no memory: 10, re-entrant: 2)".
impl fmt::Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} events lost", self.events())?;
        let mut separator = " (";
        for &cause in Loss::ALL {
            if self.count(cause) > 0 {
                write!(f, "{separator}{}: {}", cause.as_str(), self.count(cause))?;
                separator = ", ";
            }
        }
        f.write_str(if separator == " (" { "" } else { ")" })
    }
}

/// Counters that any thread may raise.
#[derive(Debug)]
pub(crate) struct LossCounters {
    counts: [AtomicU64; CAUSES],
    /// Of a generation's: the total of all losses that the trace has been told
    /// of in it or before.
    told: AtomicU64,
}

// All accesses are Relaxed: the counters order nothing, and who wants exact
// figures asks when nobody emits.
impl LossCounters {
    const_unless_loom! {
        pub(crate) fn new() -> Self {
            Self {
                counts: atomic_array![AtomicU64::new(0); CAUSES],
                told: AtomicU64::new(0),
            }
        }
    }

    pub(crate) fn add(&self, cause: Loss, count: u64) {
        self.counts[cause as usize].fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Losses {
        Losses {
            counts: self.counts.each_ref().map(|n| n.load(Ordering::Relaxed)),
        }
    }

    /// How much the trace has been told of, as [`tell`](Self::tell) says.
    pub(crate) fn told(&self) -> u64 {
        self.told.load(Ordering::Relaxed)
    }

    /// The trace has been told of so much, up to this generation.
    pub(crate) fn tell(&self, total: u64) {
        self.told.store(total, Ordering::Relaxed);
    }

    pub(crate) fn reset(&self) {
        for count in &self.counts {
            count.store(0, Ordering::Relaxed);
        }
        self.told.store(0, Ordering::Relaxed);
    }
}

/// A short text without a heap; what does not fit is cut off. By default there
/// is room for every cause with its largest number.
pub(crate) struct Text<const N: usize = 512> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Text<N> {
    pub(crate) fn of(value: &dyn fmt::Display) -> Self {
        let mut text = Self {
            bytes: [0; N],
            len: 0,
        };
        // Writing to a `Text` never fails; a `Display` that does so by itself
        // leaves what it wrote.
        let _ = fmt::Write::write_fmt(&mut text, format_args!("{value}"));
        text
    }

    pub(crate) fn as_str(&self) -> &str {
        // Only whole characters are ever copied in.
        core::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

impl<const N: usize> fmt::Write for Text<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let text = &text[..text.floor_char_boundary(N - self.len)];
        self.bytes[self.len..self.len + text.len()].copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn losses_in_words() {
        let counters = LossCounters::new();
        assert_eq!(counters.get().to_string(), "0 events lost");
        for cause in [Loss::NoMemory, Loss::NoMemory, Loss::Reentrant, Loss::Stack] {
            counters.add(cause, 1);
        }
        let losses = counters.get();
        let text = "3 events lost (no memory: 2, re-entrant: 1, stack left out: 1)";
        assert_eq!(losses.to_string(), text);
        assert_eq!(Text::<200>::of(&losses).as_str(), text);
        assert_eq!(Text::<8>::of(&losses).as_str(), "3 events");
    }
}
