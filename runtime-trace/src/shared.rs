//! What the threads of a traced program share: the generation in force, the
//! tables, the queue, the budget.
//!
//! The fields are grouped by the threads that write them. The switch leads to the one word
//! that every emission reads; it lies on a page of its own.

use trace_format::end::LAST_NOTE;
use trace_format::{BlockReason, EventKind, StopReason, loss};

use crate::batch::Batch;
use crate::clock::{Clock, Timekeeper};
use crate::lock::Held;
use crate::loss::{Loss, LossCounters, Losses};
use crate::map::Id;
use crate::pages::{Env, NoMemory, Pages};
use crate::queue::{Out, Queue, parity};
use crate::stacks::StackTable;
use crate::strings::StringTable;
use crate::switch::Switch;
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Ordering, atomic_array, const_unless_loom};
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
                block_reasons: atomic_array![AtomicU64::new(0); BlockReason::ALL.len()],
                stop_reasons: atomic_array![AtomicU64::new(0); StopReason::ALL.len()],
            }
        }
    }

    /// Puts the reasons into the string table, so that emitting one is a load,
    /// and the category of notes, whose ID is returned: nobody else puts strings
    /// yet, so it is the same each time.
    pub(crate) fn open(&self, out: &Out<'_>) -> Result<Id, NoMemory> {
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
        self.strings.put(loss::CATEGORY, out)
    }

    /// Forgets everything.
    ///
    /// # Safety
    ///
    /// Until it returns nobody else uses the tables, and `env` is of the pages that
    /// served them.
    pub(crate) unsafe fn reset(&self, env: &Env<'_>) {
        // SAFETY: the caller's word, passed on.
        unsafe {
            self.stacks.reset(env);
            self.strings.reset(env);
        }
    }

    /// Leaves all pages to the system, as [`Region::forget`].
    ///
    /// [`Region::forget`]: crate::region::Region::forget
    pub(crate) fn forget(&mut self) {
        self.stacks.forget();
        self.strings.forget();
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

/// Why a trace ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// An event that may not be dropped could not be written.
    Memory = 1,
    /// A thread did not leave the generation.
    Stuck,
    /// What is read goes nowhere.
    Sink,
    /// The host unwound while the trace began.
    Host,
}

/// The state that all threads share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The epoch being written, 0 when tracing is off. See `generation.rs` for
    /// its orderings.
    pub(crate) switch: Switch,

    /// The earliest epoch that ended early; `u64::MAX` if none did. Later ones
    /// have nothing to stand on then.
    pub(crate) ended_early: AtomicU64,
    /// Why, as an [`End`].
    ended_by: AtomicU32,
    /// The string ID of the category of notes, the same in every generation.
    pub(crate) note_category: AtomicU64,
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
    /// Set while generations move; the thread that sets it may use the fields below.
    pub(crate) moving: AtomicBool,
    /// When the current epoch began, nanoseconds of the monotonic clock.
    pub(crate) began_ns: AtomicU64,
    /// Bytes that had been pushed then.
    pub(crate) began_bytes: AtomicU64,
    /// How long a generation may last, nanoseconds, and how many bytes it may
    /// have.
    pub(crate) period_ns: AtomicU64,
    pub(crate) generation_bytes: AtomicU64,
    /// How long what is written may wait for the reader to look, nanoseconds.
    pub(crate) latency_ns: AtomicU64,
    /// When new stacks are to be written next, nanoseconds of the monotonic clock.
    pub(crate) stacks_due_ns: AtomicU64,
    /// How long to wait for threads that do not leave an epoch, nanoseconds.
    pub(crate) patience_ns: AtomicU64,
    /// The latest time of an event that no worker wrote.
    pub(crate) latest: AtomicU64,
    /// By parity: an epoch that threads are still in after its end, or 0. Its
    /// tables and those threads' batches are not touched until they are out.
    pub(crate) stuck: [AtomicU64; 2],
    /// Events that were in the threads' counts when the file began, events that
    /// no worker counts, and events that were thrown away after all.
    pub(crate) events_before: AtomicU64,
    pub(crate) other_events: AtomicU64,
    pub(crate) discarded_events: AtomicU64,

    /// Whether there is a reader.
    pub(crate) reading: AtomicBool,

    /// Whether what is read goes nowhere.
    pub(crate) sink_failed: AtomicBool,

    pub(crate) losses: LossCounters,
    /// The same of one generation, by parity.
    pub(crate) generation_losses: [LossCounters; 2],
    pub(crate) pages: Pages,
    pub(crate) queue: Queue,
    pub(crate) tables: [Tables; 2],
    /// By parity: how events are timed.
    pub(crate) clocks: [Clock; 2],
    /// The mover's.
    pub(crate) timekeeper: Timekeeper,
    pub(crate) threads: Threads,
}

impl Shared {
    const_unless_loom! {
        pub(crate) fn new() -> Self {
            Self {
                switch: Switch::new(),
                ended_early: AtomicU64::new(u64::MAX),
                ended_by: AtomicU32::new(0),
                note_category: AtomicU64::new(0),
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
                latency_ns: AtomicU64::new(u64::MAX),
                stacks_due_ns: AtomicU64::new(0),
                patience_ns: AtomicU64::new(0),
                latest: AtomicU64::new(0),
                stuck: [AtomicU64::new(0), AtomicU64::new(0)],
                events_before: AtomicU64::new(0),
                other_events: AtomicU64::new(0),
                discarded_events: AtomicU64::new(0),
                reading: AtomicBool::new(false),
                sink_failed: AtomicBool::new(false),
                losses: LossCounters::new(),
                generation_losses: [LossCounters::new(), LossCounters::new()],
                pages: Pages::new(usize::MAX),
                queue: Queue::new(),
                tables: [Tables::new(), Tables::new()],
                clocks: [Clock::new(), Clock::new()],
                timekeeper: Timekeeper::new(),
                threads: Threads::new(),
            }
        }
    }

    #[inline]
    pub(crate) fn tables(&self, epoch: u64) -> &Tables {
        &self.tables[parity(epoch)]
    }

    #[inline]
    pub(crate) fn clock(&self, epoch: u64) -> &Clock {
        &self.clocks[parity(epoch)]
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
            last_resort: false,
        }
    }

    /// Ends the trace at this point of `epoch`: an event that may not be dropped
    /// could not be written, or see [`End`].
    ///
    /// The caller owns the task or proc that the event is about and has not yet
    /// passed it on. So whatever happens because of that event happens after
    /// this store, and the thread that does it finds tracing off: the events written
    /// are a consistent cut.
    pub(crate) fn end_early(&self, epoch: u64, end: End) {
        // Relaxed, both: a message, which the exchange below publishes; the
        // first one holds.
        let _ = self
            .ended_by
            .compare_exchange(0, end as u32, Ordering::Relaxed, Ordering::Relaxed);
        // Release: pairs with the Acquire load in `has_ended_early`. The minimum,
        // since two threads may be in two epochs as memory runs out.
        self.ended_early.fetch_min(epoch, Ordering::Release);
        // Relaxed: a thread that depends on it learns of it through the embedder's own
        // synchronisation, with the task or proc itself. If the next epoch has
        // begun already it ends as well, and `generation.rs` discards it.
        self.switch.epoch().store(0, Ordering::Relaxed);
    }

    /// Whether the trace ended in `epoch` or before.
    pub(crate) fn has_ended_early(&self, epoch: u64) -> bool {
        // Acquire: pairs with the Release operation in `end_early`.
        self.ended_early.load(Ordering::Acquire) <= epoch
    }

    /// Why the trace ended early.
    pub(crate) fn ended_by(&self) -> End {
        // Relaxed: asked after `has_ended_early`.
        match self.ended_by.load(Ordering::Relaxed) {
            end if end == End::Stuck as u32 => End::Stuck,
            end if end == End::Sink as u32 => End::Sink,
            end if end == End::Host as u32 => End::Host,
            _ => End::Memory,
        }
    }

    /// Forgets how the last trace ended.
    pub(crate) fn begin_again(&self) {
        // Relaxed, all: published by the store of the epoch.
        self.ended_early.store(u64::MAX, Ordering::Relaxed);
        self.ended_by.store(0, Ordering::Relaxed);
        self.sink_failed.store(false, Ordering::Relaxed);
        self.losses.reset();
    }

    /// Counts a loss in `epoch`.
    pub(crate) fn lose(&self, epoch: u64, cause: Loss, count: u64) {
        self.losses.add(cause, count);
        self.generation_losses[parity(epoch)].add(cause, count);
    }

    /// Counts an event of `epoch` that could not be written, since this was
    /// `refused`.
    #[cold]
    pub(crate) fn lose_event(&self, epoch: u64, refused: NoMemory, env: &Env<'_>) {
        self.lose(epoch, self.why_lost(epoch, refused, env), 1);
    }

    /// Why an event of `epoch` is lost.
    pub(crate) fn why_lost(&self, epoch: u64, refused: NoMemory, env: &Env<'_>) -> Loss {
        match refused {
            _ if self.has_ended_early(epoch) => self.after_end(),
            NoMemory::System => Loss::NoMemory,
            NoMemory::Limit if self.queue.is_waited_for(env) => Loss::SlowReader,
            NoMemory::Limit => Loss::Limit,
        }
    }

    /// Why what comes after an early end is lost.
    pub(crate) fn after_end(&self) -> Loss {
        // Relaxed: a figure's cause.
        match self.sink_failed.load(Ordering::Relaxed) {
            true => Loss::FailedSink,
            false => Loss::AfterEnd,
        }
    }

    /// Takes the events in a batch of `epoch`, which no file will show, for
    /// lost.
    pub(crate) fn lose_batch(&self, epoch: u64, cause: Loss, batch: &Batch) {
        // Relaxed: the same in every generation.
        let note = self.note_category.load(Ordering::Relaxed);
        let (mut all, mut said, mut last_note) = (0, 0, false);
        batch.events(|kind, args| {
            all += 1;
            // What a last note runs in stands in a batch of its own.
            last_note |= kind == EventKind::GoCreate && args[0] == LAST_NOTE;
            said += u64::from(match kind {
                EventKind::GoStatus
                | EventKind::GoStatusStack
                | EventKind::ProcStatus
                | EventKind::ProcsChange => false,
                EventKind::UserLog => args[1] != note,
                _ => true,
            });
        });
        // Relaxed: a figure.
        self.discarded_events.fetch_add(all, Ordering::Relaxed);
        self.lose(epoch, cause, if last_note { 0 } else { said });
    }

    /// What was lost, if it is more than the trace has been told of up to
    /// `epoch`. What a later generation says does not count: no file may show
    /// it.
    pub(crate) fn untold(&self, epoch: u64) -> Option<Losses> {
        let losses = self.losses.get();
        let told = self.generation_losses[parity(epoch)].told();
        (losses.total() > told).then_some(losses)
    }

    /// Says how many procs there are from now on.
    pub(crate) fn set_procs(&self, procs: u32) {
        // Relaxed, both: figures.
        self.procs.store(procs, Ordering::Relaxed);
        self.most_procs.fetch_max(procs, Ordering::Relaxed);
    }
}
