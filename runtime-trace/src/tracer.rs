//! A tracer as a whole: made, started, stopped, read.
//!
//! ```text
//!  Tracer ──worker()──► Worker             emit.rs: what a scheduler calls
//!    │ start, advance, stop
//!    └──reader()──► Reader ──next()──► chunks of the file
//! ```

use trace_format::EventKind;
use trace_format::version::HEADER_LEN;

use crate::batch::Batch;
use crate::emit::Worker;
use crate::generation::{self, AdvanceError, Config, Host, StartError, StopError, WorkerError};
use crate::lock::Held;
use crate::loss::Losses;
use crate::pages::Env;
use crate::queue::{Pulled, Unseen, parity};
use crate::shared::{End, Shared, Tables};
use crate::stacks::Symbolizer;
use crate::sync::{Ordering, const_unless_loom};
use crate::sys;
use crate::thread::Slot;

/// An execution tracer.
///
/// It maps memory when it is first used, keeps little while tracing is off,
/// and gives everything back when it is dropped.
#[derive(Debug)]
pub struct Tracer {
    shared: Shared,
}

static_assertions::assert_impl_all!(Tracer: Send, Sync);

/// Figures about the trace being written, or the last one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Timed events written, statuses included. (What a thread writes after it
    /// was given up, see [`AdvanceError::ThreadStuck`], is in the count and not
    /// in the file.)
    pub events: u64,
    /// Bytes of batches queued for the reader.
    pub bytes: u64,
    /// Batches queued for the reader.
    pub batches: u64,
    /// Generations begun.
    pub generations: u64,
    /// Bytes of memory mapped now, with what is kept for reuse until the trace
    /// has been stopped and read.
    pub mapped: usize,
    /// What was lost.
    pub losses: Losses,
    /// What was lost in the newest generation, and in the one before it.
    pub recent: [GenerationLosses; 2],
    /// Threads that did not leave a generation before its trace was ended
    /// without them, and have not since. The generation's tables and a batch of
    /// each stay mapped for them, within [`Config::memory_limit`].
    pub stuck_threads: usize,
}

/// What was lost in one generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GenerationLosses {
    /// Its number in the file, from 1; 0 if there was no such generation.
    pub generation: u64,
    /// What was lost in it.
    pub losses: Losses,
}

impl Tracer {
    const_unless_loom! {
        /// A tracer that is off.
        pub fn new() -> Self {
            Self { shared: Shared::new() }
        }
    }

    /// Whether events are recorded at this moment.
    #[inline]
    pub fn enabled(&self) -> bool {
        // Relaxed: a hint; `acquire` looks again behind its fence.
        self.shared.switch.epoch().load(Ordering::Relaxed) != 0
    }

    /// Does now, for all tracers, what the first start in a process does, and
    /// what takes some milliseconds (on Linux) if the process has several
    /// threads by then. To be called, if at all, while it has one.
    pub fn prepare() {
        let _ = crate::sys::prepare_barrier();
    }

    /// Registers the calling thread, whether tracing is on or not. The handle
    /// stays with the thread, and its ID is never given out again.
    ///
    /// # Errors
    ///
    /// See [`WorkerError`].
    pub fn worker(&self) -> Result<Worker<'_>, WorkerError> {
        Worker::register(&self.shared)
    }

    /// Starts tracing into a new file, at any time, also in the middle of a
    /// running program. When it returns, every worker that holds a proc knows.
    ///
    /// # Errors
    ///
    /// See [`StartError`]; tracing stays as it was.
    pub fn start(&self, config: &Config, host: &dyn Host) -> Result<(), StartError> {
        generation::start(&self.shared, config, host)
    }

    /// Ends the generation and begins the next. Workers are not stopped; the
    /// call takes as long as they need to pass a checkpoint.
    ///
    /// # Errors
    ///
    /// See [`AdvanceError`]. After the first four it goes on as it was, which is off
    /// if it was not tracing; after the others it is off.
    pub fn advance(&self, host: &dyn Host) -> Result<(), AdvanceError> {
        generation::advance(&self.shared, host)
    }

    /// Whether the generation is old or large enough to be ended, or has had to
    /// end early.
    pub fn advance_due(&self) -> bool {
        generation::advance_due(&self.shared)
    }

    /// Writes out the stacks that are new, unless that was done within
    /// [`Config::latency`] or a generation is being moved: whether it did.
    ///
    /// Stacks are written with their generation's end at the latest. The thread that
    /// advances calls this every 10 to 50 ms, so that a file can be read, with names,
    /// although the process dies before that. It takes as long as the symbolizer, and
    /// where there are very many stacks, as long as it takes to find the new ones; then
    /// it pauses for 20 times that, unless the latency is zero.
    pub fn write_stacks(&self, symbolizer: &dyn Symbolizer) -> bool {
        generation::write_stacks(&self.shared, symbolizer)
    }

    /// Stops tracing. When it returns the file is complete, and the reader will
    /// come to its end.
    ///
    /// # Errors
    ///
    /// See [`StopError`]; tracing is off in every case but `Busy`.
    pub fn stop(&self, host: &dyn Host) -> Result<(), StopError> {
        generation::stop(&self.shared, host)
    }

    /// Says how many procs there are from now on.
    pub fn set_procs(&self, procs: u32) {
        self.shared.set_procs(procs);
        // Relaxed: a figure; the note is due to the task that runs next.
        let epoch = self.shared.switch.epoch().load(Ordering::Relaxed);
        self.shared.notes_due.store(epoch, Ordering::Relaxed);
    }

    /// The one reader of what is written, unless there is one already.
    pub fn reader(&self) -> Option<Reader<'_>> {
        // Acquire: pairs with the Release store in the last reader's drop: this
        // one knows whether that one has failed. Relaxed on failure: nothing is
        // read then.
        let claimed =
            self.shared
                .reading
                .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed);
        claimed.is_ok().then(|| Reader {
            shared: &self.shared,
            batch: None,
            header: [0; HEADER_LEN],
            at_end: false,
            looks: Looks::new(),
            held: Held::new(),
        })
    }

    /// Figures about the trace being written, or the last one. Exact when nobody
    /// emits, starts or stops meanwhile.
    pub fn stats(&self) -> Stats {
        let shared = &self.shared;
        if shared.switch.is_forked() {
            // Another's figures, and perhaps in the middle of a change.
            return Stats::default();
        }
        let held = Held::new();
        let (bytes, batches) = shared.queue.pushed(&shared.env(&held));
        // Relaxed, all: figures. Beside a start, threads may seem to have written less
        // than that has counted, which is nothing of the trace that begins.
        let before = shared.events_before.load(Ordering::Relaxed);
        let threads = shared.threads.events().saturating_sub(before);
        let first = shared.first_epoch.load(Ordering::Relaxed);
        let last = shared.last_epoch.load(Ordering::Relaxed);
        let recent = |epoch: u64| match epoch {
            epoch if epoch < first || first == 0 => GenerationLosses::default(),
            epoch => GenerationLosses {
                generation: epoch - first + 1,
                losses: shared.generation_losses[parity(epoch)].get(),
            },
        };
        let stuck = shared.stuck.each_ref().map(|s| s.load(Ordering::Relaxed));
        let stuck_in = |epoch: u64| match epoch {
            0 => 0,
            epoch => shared.threads.count_in(epoch),
        };
        let events = threads + shared.other_events.load(Ordering::Relaxed);
        Stats {
            events: events - shared.discarded_events.load(Ordering::Relaxed).min(events),
            bytes,
            batches,
            generations: if first == 0 {
                0
            } else {
                (last + 1).saturating_sub(first)
            },
            mapped: shared.pages.mapped(),
            losses: shared.losses.get(),
            recent: [recent(last), recent(last.saturating_sub(1))],
            stuck_threads: stuck.map(stuck_in).into_iter().sum(),
        }
    }
}

impl Default for Tracer {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // No handle is left, since they borrow the tracer: all is ours. The
        // regions of tables and slots give their pages back themselves, and so
        // do the pages that are kept.
        if self.shared.switch.is_forked() {
            // Locks may be held by threads that are not here, and lists be half
            // changed. All is left to the system.
            self.shared.threads.forget();
            self.shared.tables.iter_mut().for_each(Tables::forget);
            return;
        }
        let shared = &self.shared;
        let held = Held::new();
        let env = shared.env(&held);
        for slot in shared.threads.iter() {
            for batch in slot.take_buffers() {
                batch.unmap(&shared.pages);
            }
        }
        for epoch in 0..2 {
            shared.queue.discard(epoch, &env, |_| {});
            shared.queue.release_aside(epoch, &env);
            // SAFETY: as above.
            unsafe { shared.tables[parity(epoch)].reset(&env) };
        }
    }
}

/// Reads what the tracer writes, piece by piece.
#[derive(Debug)]
pub struct Reader<'t> {
    shared: &'t Shared,
    /// What was lent last.
    batch: Option<Batch>,
    header: [u8; HEADER_LEN],
    /// Whether the file has been read to its end.
    at_end: bool,
    /// Into what threads have not pushed.
    looks: Looks<'t>,
    held: Held,
}

/// The next piece of a trace file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk<'r> {
    /// The file's next bytes.
    Data(&'r [u8]),
    /// Nothing at this moment. Ask again later.
    Pending,
    /// The file is complete, or there is none. When tracing is started again,
    /// the next chunk is the start of another file.
    End,
}

impl Reader<'_> {
    /// The next piece. Never waits.
    ///
    /// What a thread has emitted comes after [`Config::latency`], or when this is called
    /// next after that, also if the thread emits nothing more: once all full batches
    /// have been read. So if the process dies, the file lacks only what was emitted
    /// shortly before, provided that the reader keeps up and each piece is written as it
    /// comes. Names come as soon whether it keeps up or not, those of stacks with
    /// [`Tracer::write_stacks`].
    #[expect(
        clippy::should_implement_trait,
        reason = "it lends its bytes, which an Iterator cannot"
    )]
    pub fn next(&mut self) -> Chunk<'_> {
        if self.shared.switch.is_forked() {
            return Chunk::End; // The file is the parent's.
        }
        let env = self.shared.env(&self.held);
        self.looks.begin_if_due(self.shared, &env);
        loop {
            let pulled = self.shared.queue.pull(self.batch.take(), &env);
            self.at_end = matches!(pulled, Pulled::End);
            match pulled {
                // Relaxed: as below.
                Pulled::Pending if self.shared.sink_failed.load(Ordering::Relaxed) => {
                    return Chunk::Pending;
                }
                Pulled::Pending => match self.looks.next(self.shared, &env) {
                    Ok(part) => return Chunk::Data(self.batch.insert(part).bytes()),
                    Err(Unseen::Nothing) => return Chunk::Pending,
                    Err(Unseen::Pushed) => {}
                },
                Pulled::End => return Chunk::End,
                // Relaxed: this thread's own store, or that of the reader before,
                // or of who started.
                _ if self.shared.sink_failed.load(Ordering::Relaxed) => {
                    if let Pulled::Batch(batch) = pulled {
                        self.lose(&batch);
                        self.batch = Some(batch);
                    }
                }
                Pulled::Header(version) => {
                    self.header = version.header();
                    return Chunk::Data(&self.header);
                }
                Pulled::Batch(batch) => return Chunk::Data(self.batch.insert(batch).bytes()),
                Pulled::EndOfGeneration => {
                    return Chunk::Data(&[EventKind::EndOfGeneration as u8]);
                }
            }
        }
    }

    /// Says that the piece that was read last could not be written, nor will
    /// what follows: the trace ends, and its events from that piece on are lost
    /// ([`Loss::FailedSink`](crate::Loss::FailedSink)).
    ///
    /// [`next`](Self::next) gives no more data, only `Pending` and in the end,
    /// after [`Tracer::advance`] or [`Tracer::stop`], `End`; so it is called on
    /// as before. After `End` this does nothing.
    pub fn fail(&mut self) {
        if self.at_end || self.shared.switch.is_forked() {
            return;
        }
        // Relaxed: a message to this thread, and a cause for others.
        if self.shared.sink_failed.swap(true, Ordering::Relaxed) {
            return; // What was read last is counted already.
        }
        if let Some(batch) = &self.batch {
            self.lose(batch);
        }
        // Relaxed: it is this trace's, since another does not start before this
        // one was read to its end. If the next generation begins meanwhile,
        // `advance` sees that the one before it has ended.
        let open = self.shared.open_epoch.load(Ordering::Relaxed);
        if open != 0 {
            self.shared.end_early(open, End::Sink);
        }
    }

    fn lose(&self, batch: &Batch) {
        // Relaxed: as in `fail`.
        let first = self.shared.first_epoch.load(Ordering::Relaxed);
        let epoch = first + batch.generation() - 1;
        self.shared
            .lose_batch(epoch, crate::Loss::FailedSink, batch);
    }
}

/// The reader's looks into what threads are still writing (`queue.rs`): one after the
/// other, a round of them now and then.
#[derive(Debug)]
struct Looks<'t> {
    /// When the round began, nanoseconds of the monotonic clock, and what the reader was
    /// at then.
    began_ns: u64,
    epoch: u64,
    /// The thread to look at next in it; `None` between two rounds.
    at: Option<&'t Slot>,
}

impl<'t> Looks<'t> {
    const fn new() -> Self {
        Self {
            began_ns: 0,
            epoch: 0,
            at: None,
        }
    }

    /// Begins a round if it is time for one: names first, whatever is queued. (What is
    /// emitted during the round may still come before its name.)
    fn begin_if_due(&mut self, shared: &'t Shared, env: &Env<'_>) {
        let Some(epoch) = shared.queue.reading(env) else {
            return;
        };
        if core::mem::replace(&mut self.epoch, epoch) != epoch {
            self.at = None;
        }
        let now = sys::monotonic_ns();
        // Relaxed: written before the epoch was open.
        let latency = shared.latency_ns.load(Ordering::Relaxed);
        if self.at.is_none() && now.saturating_sub(self.began_ns) >= latency {
            self.began_ns = now;
            self.at = shared.threads.after(None);
            shared.tables(epoch).strings.flush(&shared.out(epoch, env));
        }
    }

    /// What one thread has written and not pushed, as long as there is a round.
    fn next(&mut self, shared: &'t Shared, env: &Env<'_>) -> Result<Batch, Unseen> {
        if self.at.is_none() {
            return Err(Unseen::Nothing);
        }
        let epoch = shared.queue.reading(env).ok_or(Unseen::Nothing)?;
        let out = shared.out(epoch, env);
        // Without memory for a copy, threads' batches are read when they are pushed.
        let mut part = out.take_empty().map_err(|_| Unseen::Nothing)?;
        let mut seen = Err(Unseen::Nothing);
        while let Some(slot) = self.at
            && let Err(Unseen::Nothing) = seen
        {
            seen = shared.queue.part(epoch, slot.offer(epoch), &mut part, env);
            if !matches!(seen, Err(Unseen::Pushed)) {
                self.at = shared.threads.after(Some(slot));
            }
        }
        match seen {
            Ok(()) => Ok(part),
            Err(unseen) => {
                part.give_back(env.pages);
                Err(unseen)
            }
        }
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if let Some(batch) = self.batch.take() {
            batch.unmap(&self.shared.pages);
        }
        // Release: pairs with the Acquire exchange in `Tracer::reader`.
        self.shared.reading.store(false, Ordering::Release);
    }
}
