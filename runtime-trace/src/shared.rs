//! What the threads of a traced program share: the generation in force, the
//! tables, the queue, the budget.
//!
//! The fields are grouped by who writes them. `epoch` is the one word that
//! every emission reads; it lies on cache lines of its own.

use trace_format::{BlockReason, StopReason};

use crate::lock::Held;
use crate::loss::LossCounters;
use crate::map::Id;
use crate::pages::{Env, NoMemory, Pages};
use crate::queue::{Out, Queue, parity};
use crate::stacks::StackTable;
use crate::strings::StringTable;
use crate::sync::{
    AtomicBool, AtomicU32, AtomicU64, CachePadded, Ordering, atomic_array, const_unless_loom,
};
use crate::thread::Threads;

/// One generation's tables. There are two sets: one for the generation being
/// written, one for the generation before or after it.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) strings: StringTable,
    pub(crate) stacks: StackTable,
    block_reasons: [AtomicU64; BlockReason::ALL.len()],
    stop_reasons: [AtomicU64; StopReason::ALL.len()],
}

impl Tables {
    const_unless_loom! {
        fn new() -> Self {
            Self {
                strings: StringTable::new(),
                stacks: StackTable::new(),
                block_reasons: atomic_array![AtomicU64; BlockReason::ALL.len()],
                stop_reasons: atomic_array![AtomicU64; StopReason::ALL.len()],
            }
        }
    }

    /// Puts the reasons into the string table, so that emitting one is a load.
    pub(crate) fn open(&self, out: &Out<'_>) -> Result<(), NoMemory> {
        for &reason in BlockReason::ALL {
            let id = self.strings.put(reason.as_str(), out)?;
            // Relaxed: published by the store of the epoch that opens these
            // tables to workers.
            self.block_reasons[reason as usize].store(id.0, Ordering::Relaxed);
        }
        for &reason in StopReason::ALL {
            let id = self.strings.put(reason.as_str(), out)?;
            // Relaxed: as above.
            self.stop_reasons[reason as usize].store(id.0, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Forgets everything.
    ///
    /// # Safety
    ///
    /// Until it returns nobody else uses the tables.
    pub(crate) unsafe fn reset(&self, env: &Env<'_>) {
        // SAFETY: the caller's word, passed on.
        unsafe {
            self.stacks.reset(env);
            self.strings.reset(env);
        }
    }

    #[inline]
    pub(crate) fn block_reason(&self, reason: BlockReason) -> Id {
        // Relaxed: written before the epoch that the caller has acquired.
        Id(self.block_reasons[reason as usize].load(Ordering::Relaxed))
    }

    #[inline]
    pub(crate) fn stop_reason(&self, reason: StopReason) -> Id {
        // Relaxed: as above.
        Id(self.stop_reasons[reason as usize].load(Ordering::Relaxed))
    }
}

/// The state that all threads share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The epoch being written, 0 when tracing is off. See `generation.rs` for
    /// its orderings.
    pub(crate) epoch: CachePadded<AtomicU64>,

    /// The earliest epoch that ended early, because an event that may not be
    /// dropped could not be written; `u64::MAX` if none did. Later ones have
    /// nothing to stand on then.
    pub(crate) ended_early: AtomicU64,
    /// The epoch in which the next running task has something to note (the
    /// number of procs, losses); 0 if there is nothing.
    pub(crate) notes_due: AtomicU64,
    /// How many procs there are, and the most that there were in this file.
    pub(crate) procs: AtomicU32,
    pub(crate) most_procs: AtomicU32,

    /// The epoch that is the file's first generation.
    pub(crate) first_epoch: AtomicU64,
    /// The newest epoch ever used.
    pub(crate) last_epoch: AtomicU64,
    /// The epoch that the file being written is at, even if it ended early; 0
    /// when tracing is off.
    pub(crate) open_epoch: AtomicU64,
    /// Set while generations move; who sets it may use the fields below.
    pub(crate) moving: AtomicBool,
    /// When the current epoch began, nanoseconds of the monotonic clock.
    pub(crate) began_ns: AtomicU64,
    /// Bytes that had been pushed then.
    pub(crate) began_bytes: AtomicU64,
    /// How long a generation may last, nanoseconds, and how many bytes it may
    /// have.
    pub(crate) period_ns: AtomicU64,
    pub(crate) generation_bytes: AtomicU64,
    /// Events that were in the threads' counts when the file began, and events
    /// that no worker counts.
    pub(crate) events_before: AtomicU64,
    pub(crate) other_events: AtomicU64,

    /// Whether there is a reader.
    pub(crate) reading: AtomicBool,

    pub(crate) losses: LossCounters,
    pub(crate) pages: Pages,
    pub(crate) queue: Queue,
    pub(crate) tables: [Tables; 2],
    pub(crate) threads: Threads,
}

impl Shared {
    const_unless_loom! {
        pub(crate) fn new() -> Self {
            Self {
                epoch: CachePadded(AtomicU64::new(0)),
                ended_early: AtomicU64::new(u64::MAX),
                notes_due: AtomicU64::new(0),
                procs: AtomicU32::new(0),
                most_procs: AtomicU32::new(0),
                first_epoch: AtomicU64::new(0),
                last_epoch: AtomicU64::new(0),
                open_epoch: AtomicU64::new(0),
                moving: AtomicBool::new(false),
                began_ns: AtomicU64::new(0),
                began_bytes: AtomicU64::new(0),
                period_ns: AtomicU64::new(u64::MAX),
                generation_bytes: AtomicU64::new(u64::MAX),
                events_before: AtomicU64::new(0),
                other_events: AtomicU64::new(0),
                reading: AtomicBool::new(false),
                losses: LossCounters::new(),
                pages: Pages::new(usize::MAX),
                queue: Queue::new(),
                tables: [Tables::new(), Tables::new()],
                threads: Threads::new(),
            }
        }
    }

    pub(crate) fn tables(&self, epoch: u64) -> &Tables {
        &self.tables[parity(epoch)]
    }

    pub(crate) fn env<'a>(&'a self, held: &'a Held) -> Env<'a> {
        Env::new(&self.pages, held)
    }

    /// What writing into `epoch` needs.
    pub(crate) fn out<'a>(&'a self, epoch: u64, env: &Env<'a>) -> Out<'a> {
        // Relaxed: written before the epoch that the caller has acquired.
        let first = self.first_epoch.load(Ordering::Relaxed);
        Out {
            queue: &self.queue,
            env: *env,
            epoch,
            generation: epoch - first + 1,
        }
    }

    /// Ends the trace at this point: an event of `epoch` that may not be
    /// dropped could not be written.
    ///
    /// The caller owns the task or proc that the event is about and has not yet
    /// passed it on. So whatever happens because of that event happens after
    /// this store, and whoever does it finds tracing off: the events written
    /// are a consistent cut.
    pub(crate) fn end_early(&self, epoch: u64) {
        // Release: pairs with the Acquire load in `has_ended_early`. The minimum,
        // since two threads may be in two epochs as memory runs out.
        self.ended_early.fetch_min(epoch, Ordering::Release);
        // Relaxed: who depends on it learns of it through the embedder's own
        // synchronisation, with the task or proc itself. If the next epoch has
        // begun already it ends as well, and `generation.rs` discards it.
        self.epoch.store(0, Ordering::Relaxed);
    }

    /// Whether the trace ended in `epoch` or before.
    pub(crate) fn has_ended_early(&self, epoch: u64) -> bool {
        // Acquire: pairs with the Release operation in `end_early`.
        self.ended_early.load(Ordering::Acquire) <= epoch
    }

    /// Says how many procs there are from now on.
    pub(crate) fn set_procs(&self, procs: u32) {
        // Relaxed, both: figures.
        self.procs.store(procs, Ordering::Relaxed);
        self.most_procs.fetch_max(procs, Ordering::Relaxed);
    }
}
