//! Generations: start, advance, stop. The only place where they move.
//!
//! # Why
//!
//! A generation is a stretch of the trace with its own tables and with the
//! status of everything that lives, so that it can be read alone and its tables
//! can be freed. Moving to the next one must not stop the program: workers go
//! on, and find out at their next event.
//!
//! # One advance, from epoch e to e + 1
//!
//! ```text
//!  the host, for us               here                          workers
//!  ─────────────────              ───────────────────────       ───────────
//!  sweep: each task and proc  ──► status into e, if not
//!    held still, not running        mentioned in e yet           write into e
//!  checkpoint: each runner    ──────────────────────────────►    mention themselves
//!                                 reasons and sync batch of e+1
//!                                 epoch = e + 1               ─► write into e + 1
//!                                 settle(e): wait for the last writers
//!                                 queue their batches, the sweep's,
//!                                 the stacks, the strings
//!                                 complete(e), free the tables
//! ```
//!
//! An *epoch* is a generation's number that is never used twice in the life of
//! a tracer; in the file they count from 1.
//!
//! # Invariants
//!
//! 1. Whoever set `moving` moves generations, one at a time. It is a claim, not
//!    a lock: nobody waits for it, and no lock is held while the host is called.
//! 2. Epoch `e + 1` begins only when the reader has come to `e`, so at most two
//!    generations are in memory. A reader that lags makes generations longer,
//!    never the queue.
//! 3. Every live task and every proc is mentioned in every generation: what
//!    does not run by the sweep, what runs by its worker, at a checkpoint after
//!    the sweep. (A task that starts or stops to run in between is mentioned by
//!    that very event.)
//! 4. A status that the sweep writes agrees with the events around it: the host
//!    holds the task still from before its state changes until after the event.
//! 5. Tables of `e` are freed after `settle(e)` and the dump, by this thread,
//!    without a lock that a worker needs.
//! 6. After `start` every worker passes a checkpoint, so no worker that still
//!    takes tracing for off can create a task that the first sweep misses.
//!
//! # Memory orderings
//!
//! | operation | ordering | pairs with |
//! | --- | --- | --- |
//! | `epoch` store | Release | the load in `thread.rs::enter`: tables, reasons and numbers are set up |
//! | `moving` swap / store | Acquire / Release | each other: one mover sees what the last one left |

use core::cell::{Cell, RefCell};
use core::time::Duration;

use trace_format::limits::NO_THREAD;
use trace_format::{BatchHeader, EventKind, ProcStatus, TaskStatus, Version, loss, varint};

use crate::batch::Batch;
use crate::clock;
use crate::lock::Held;
use crate::loss::{Loss, Text};
use crate::pages::{Env, NoMemory};
use crate::shared::Shared;
use crate::stacks::{Pcs, Symbolizer};
use crate::status::{ProcTrace, TaskTrace};
use crate::sync::Ordering;
use crate::sys;
use crate::thread::Stream;

/// How to trace.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The format to write: 1.26 (the default) or 1.25.
    pub version: Version,
    /// How many procs there are.
    pub procs: u32,
    /// How long a generation lasts before [`Tracer::advance_due`] says so;
    /// 1 s by default.
    ///
    /// [`Tracer::advance_due`]: crate::Tracer::advance_due
    pub period: Duration,
    /// How many bytes a generation has before `advance_due` says so; 16 MiB by
    /// default.
    pub generation_bytes: u64,
    /// How much memory the tracer may map, bytes; 256 MiB by default. The
    /// tables' dump at a generation's end may go beyond it.
    pub memory_limit: usize,
}

impl Config {
    /// The defaults, for so many procs.
    pub const fn new(procs: u32) -> Self {
        Self {
            version: Version::Go126,
            procs,
            period: Duration::from_secs(1),
            generation_bytes: 16 << 20,
            memory_limit: 256 << 20,
        }
    }
}

/// The scheduler, as the tracer sees it: asked when a generation moves.
///
/// Both methods are called on the thread that moves the generation, with no
/// lock of the tracer's held.
pub trait Host: Symbolizer {
    /// Returns once every worker that holds a proc has called
    /// [`Worker::checkpoint`](crate::Worker::checkpoint) since this call began,
    /// or has been without a proc since.
    fn checkpoint(&self);

    /// Calls [`Sweep::task`] for every live task that is not running, and
    /// [`Sweep::proc_idle`] for every proc that no worker holds, each held
    /// still during its visit: it does not change its state, and nobody is
    /// between changing its state and emitting the event that says so.
    ///
    /// That goes for tasks in system calls as well: a worker that comes back
    /// from one holds its task before it emits anything. And a proc whose task
    /// is in a system call is stolen first ([`Emit::proc_steal`]), or its worker
    /// passes the checkpoint.
    ///
    /// [`Emit::proc_steal`]: crate::Emit::proc_steal
    ///
    /// Tasks that are created or end meanwhile need not be visited, nor those
    /// that run.
    fn sweep(&self, sweep: &Sweep<'_>);
}

/// Why tracing did not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartError {
    /// It is on already.
    AlreadyTracing,
    /// The file before has not been read to its end.
    StillReading,
    /// Another thread is starting, advancing or stopping at this moment.
    Busy,
    /// Versions other than 1.25 and 1.26 are not written.
    Version(Version),
    /// There was no memory to begin.
    NoMemory,
}

/// Why the next generation did not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdvanceError {
    /// Tracing is off.
    NotTracing,
    /// The reader is still at the generation before: this one goes on. Try
    /// again later.
    ReaderBehind,
    /// Another thread is starting, advancing or stopping at this moment.
    Busy,
    /// There was no memory to begin the next generation: this one goes on.
    NoMemory,
    /// The trace had to end, because an event that may not be dropped could not
    /// be written. The file ends there; what it holds is complete. Tracing can
    /// be started again, into another file.
    EndedEarly,
    /// There was no memory to finish the generation: the file is cut off where
    /// it began, and tracing is off.
    Unfinished,
}

/// Why tracing did not stop as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopError {
    /// It was off.
    NotTracing,
    /// Another thread is starting, advancing or stopping at this moment.
    Busy,
    /// It is off, but had ended before: see [`AdvanceError::EndedEarly`].
    EndedEarly,
    /// It is off, but see [`AdvanceError::Unfinished`].
    Unfinished,
}

macro_rules! display {
    ($($error:ident { $($pattern:pat => $text:expr,)* })*) => {$(
        impl core::fmt::Display for $error {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self { $($pattern => write!(f, "{}", $text),)* }
            }
        }

        impl core::error::Error for $error {}
    )*};
}

const BUSY: &str = "another thread is moving the trace's generation";
const EARLY: &str =
    "the trace ended early, because there was no memory for an event that may not be dropped";
const UNFINISHED: &str = "no memory to finish the trace's last generation, which is cut off";

display! {
    StartError {
        Self::AlreadyTracing => "tracing is on already",
        Self::StillReading => "the trace before has not been read to its end",
        Self::Busy => BUSY,
        Self::Version(_) => "only versions 1.25 and 1.26 of the format can be written",
        Self::NoMemory => NoMemory,
    }
    AdvanceError {
        Self::NotTracing => "tracing is off",
        Self::ReaderBehind => "the generation before has not been read yet",
        Self::Busy => BUSY,
        Self::NoMemory => NoMemory,
        Self::EndedEarly => EARLY,
        Self::Unfinished => UNFINISHED,
    }
    StopError {
        Self::NotTracing => "tracing is off",
        Self::Busy => BUSY,
        Self::EndedEarly => EARLY,
        Self::Unfinished => UNFINISHED,
    }
}

/// The right to move generations (Invariant 1).
struct Moving<'a>(&'a Shared);

impl<'a> Moving<'a> {
    fn claim(shared: &'a Shared) -> Option<Self> {
        // Acquire: pairs with the Release store below.
        (!shared.moving.swap(true, Ordering::Acquire)).then(|| Self(shared))
    }

    /// The epoch that is going on or has ended early, if tracing is on.
    fn current(&self) -> Option<u64> {
        // Relaxed: written by movers only, and we are the mover.
        let last = self.0.last_epoch.load(Ordering::Relaxed);
        let open = self.0.open_epoch.load(Ordering::Relaxed);
        debug_assert!(open == 0 || open == last);
        (open != 0).then_some(open)
    }
}

impl Drop for Moving<'_> {
    fn drop(&mut self) {
        // Release: pairs with the Acquire swap above.
        self.0.moving.store(false, Ordering::Release);
    }
}

/// Starts tracing; see [`Tracer::start`](crate::Tracer::start).
pub(crate) fn start(shared: &Shared, config: &Config, host: &dyn Host) -> Result<(), StartError> {
    if !config.version.has_sync_batch() {
        return Err(StartError::Version(config.version));
    }
    let moving = Moving::claim(shared).ok_or(StartError::Busy)?;
    if moving.current().is_some() {
        return Err(StartError::AlreadyTracing);
    }
    let held = Held::new();
    let env = shared.env(&held);
    // Relaxed, here and below: fields of the mover's, published by the store of
    // the epoch.
    let epoch = shared.last_epoch.load(Ordering::Relaxed) + 1;
    if !shared.queue.open(epoch, config.version, &env) {
        return Err(StartError::StillReading);
    }
    shared.first_epoch.store(epoch, Ordering::Relaxed);
    shared.most_procs.store(0, Ordering::Relaxed);
    shared.set_procs(config.procs);
    let period = u64::try_from(config.period.as_nanos()).unwrap_or(u64::MAX);
    shared.period_ns.store(period, Ordering::Relaxed);
    shared
        .generation_bytes
        .store(config.generation_bytes, Ordering::Relaxed);
    shared
        .events_before
        .store(shared.threads.events(), Ordering::Relaxed);
    shared.other_events.store(0, Ordering::Relaxed);
    shared.ended_early.store(u64::MAX, Ordering::Relaxed);
    shared.losses.reset();
    shared.pages.set_limit(config.memory_limit);

    if let Err(NoMemory) = open_generation(shared, epoch, &env) {
        shared.queue.close(epoch, &env);
        // SAFETY: the epoch was never in force, so nobody uses its tables.
        unsafe { shared.tables(epoch).reset(&env) };
        return Err(StartError::NoMemory);
    }
    put_in_force(shared, epoch, &env);
    host.checkpoint(); // Invariant 6.
    Ok(())
}

/// Moves to the next generation; see [`Tracer::advance`](crate::Tracer::advance).
pub(crate) fn advance(shared: &Shared, host: &dyn Host) -> Result<(), AdvanceError> {
    let moving = Moving::claim(shared).ok_or(AdvanceError::Busy)?;
    let epoch = moving.current().ok_or(AdvanceError::NotTracing)?;
    let held = Held::new();
    let env = shared.env(&held);
    if !shared.queue.has_reached(epoch, &env) {
        return Err(AdvanceError::ReaderBehind); // Invariant 2.
    }
    let mut last = shared.has_ended_early(epoch);
    let sweep = Sweep::new(shared, epoch, env);
    if !last {
        host.sweep(&sweep);
        host.checkpoint();
        if let Err(NoMemory) = open_generation(shared, epoch + 1, &env) {
            abandon(shared, epoch + 1, &env);
            sweep.flush();
            return Err(AdvanceError::NoMemory);
        }
        put_in_force(shared, epoch + 1, &env);
        // The trace may have ended while the next epoch began: tracing must be
        // off then. (Were it to end later, `end_early` itself would see to it.)
        if shared.has_ended_early(epoch) {
            // Relaxed: as in `end_early`.
            shared.epoch.store(0, Ordering::Relaxed);
        }
    }
    shared.threads.settle(epoch, |batch| {
        shared.out(epoch, &env).push_full(batch);
    });
    // From here on nobody writes into `epoch`, so this is the last word.
    last |= shared.has_ended_early(epoch);
    let finished = finish(shared, &sweep, host, last);
    if last || finished.is_err() {
        close(shared, epoch, &env);
    }
    match (finished, last) {
        (Err(NoMemory), _) => Err(AdvanceError::Unfinished),
        (Ok(()), true) => Err(AdvanceError::EndedEarly),
        (Ok(()), false) => Ok(()),
    }
}

/// Stops tracing; see [`Tracer::stop`](crate::Tracer::stop).
pub(crate) fn stop(shared: &Shared, host: &dyn Host) -> Result<(), StopError> {
    let moving = Moving::claim(shared).ok_or(StopError::Busy)?;
    let epoch = moving.current().ok_or(StopError::NotTracing)?;
    let held = Held::new();
    let env = shared.env(&held);
    let sweep = Sweep::new(shared, epoch, env);
    if !shared.has_ended_early(epoch) {
        host.sweep(&sweep);
        host.checkpoint();
        // Relaxed: nothing is published by ending; the fence in `settle` orders
        // it against writers.
        shared.epoch.store(0, Ordering::Relaxed);
    }
    shared.threads.settle(epoch, |batch| {
        shared.out(epoch, &env).push_full(batch);
    });
    let early = shared.has_ended_early(epoch);
    let finished = finish(shared, &sweep, host, true);
    close(shared, epoch, &env);
    match finished {
        Err(NoMemory) => Err(StopError::Unfinished),
        Ok(()) if early => Err(StopError::EndedEarly),
        Ok(()) => Ok(()),
    }
}

/// Whether the generation is old or large enough for an advance.
pub(crate) fn advance_due(shared: &Shared) -> bool {
    let held = Held::new();
    // Relaxed: figures that order nothing; a wrong guess costs a refused or a
    // late advance.
    let open = shared.open_epoch.load(Ordering::Relaxed);
    if open == 0 {
        return false;
    }
    let age = sys::monotonic_ns().saturating_sub(shared.began_ns.load(Ordering::Relaxed));
    let (bytes, _) = shared.queue.pushed(&shared.env(&held));
    let size = bytes.saturating_sub(shared.began_bytes.load(Ordering::Relaxed));
    age >= shared.period_ns.load(Ordering::Relaxed)
        || size >= shared.generation_bytes.load(Ordering::Relaxed)
        || shared.has_ended_early(open)
}

/// Makes what a generation needs before anybody writes into it: its tables'
/// reasons, and its sync batch.
fn open_generation(shared: &Shared, epoch: u64, env: &Env<'_>) -> Result<(), NoMemory> {
    let out = shared.out(epoch, env);
    shared.tables(epoch).open(&out)?;

    let now = clock::snapshot();
    let mut batch = out.take_empty()?;
    batch.begin(&BatchHeader {
        generation: out.generation,
        thread: NO_THREAD,
        time: now.trace,
    });
    batch.append(2 + varint::MAX_LEN, |to| {
        to[0] = EventKind::Sync as u8;
        to[1] = EventKind::Frequency as u8;
        2 + varint::encode(clock::UNITS_PER_SECOND, &mut to[2..])
    });
    let (sec, nsec) = now.wall;
    batch.append_timed(
        EventKind::ClockSnapshot,
        now.trace,
        &[now.mono, sec, u64::from(nsec)],
    );
    out.push_full(batch);
    Ok(())
}

/// Takes back [`open_generation`], and whatever was written into the epoch.
fn abandon(shared: &Shared, epoch: u64, env: &Env<'_>) {
    shared.queue.discard(epoch, env);
    // SAFETY: the epoch is not in force, and either never was or was settled.
    unsafe { shared.tables(epoch).reset(env) };
}

/// Lets workers write into `epoch`.
fn put_in_force(shared: &Shared, epoch: u64, env: &Env<'_>) {
    let (bytes, _) = shared.queue.pushed(env);
    // Relaxed: fields of the mover's, and figures.
    shared
        .began_ns
        .store(sys::monotonic_ns(), Ordering::Relaxed);
    shared.began_bytes.store(bytes, Ordering::Relaxed);
    shared.last_epoch.store(epoch, Ordering::Relaxed);
    shared.open_epoch.store(epoch, Ordering::Relaxed);
    // Relaxed: published by the store below; the number of procs is stated in
    // each generation.
    shared.notes_due.store(epoch, Ordering::Relaxed);
    // Release: pairs with the Acquire load in `enter`.
    shared.epoch.store(epoch, Ordering::Release);
}

/// Queues what is left of a settled epoch and frees its tables.
fn finish(shared: &Shared, sweep: &Sweep<'_>, host: &dyn Host, last: bool) -> Result<(), NoMemory> {
    let epoch = sweep.epoch;
    let held = Held::new();
    let env = shared.env(&held);
    let out = shared.out(epoch, &env.unlimited());
    let tables = shared.tables(epoch);
    if last {
        sweep.note_losses();
    }
    sweep.flush();
    let dumped = tables.stacks.dump(host, &tables.strings, &out);
    tables.strings.flush(&out);
    // A generation that is not whole gets no end mark, so that readers notice.
    if dumped.is_ok() {
        shared.queue.complete(epoch, last, &env);
    } else {
        shared.queue.cut(epoch, &env);
    }
    // SAFETY: Invariant 5: the epoch is settled and its tables are dumped.
    unsafe { tables.reset(&env) };
    dumped
}

/// Tracing is off from here on.
fn close(shared: &Shared, epoch: u64, env: &Env<'_>) {
    // Relaxed: `epoch` was set to 0 before, or is set now because the
    // generation could not be finished; the rest is the mover's.
    shared.epoch.store(0, Ordering::Relaxed);
    let last = shared.last_epoch.load(Ordering::Relaxed);
    shared.open_epoch.store(0, Ordering::Relaxed);
    if last > epoch {
        // The next generation had begun, to no avail: no file shows it.
        shared
            .threads
            .settle(last, |batch| batch.unmap(&shared.pages));
        abandon(shared, last, env);
    }
}

/// What a swept task is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SweptState {
    /// Ready, in some queue.
    Runnable,
    /// Blocked.
    Waiting,
    /// In a system call, on the worker with this ID, and without a proc.
    Syscall {
        /// The worker's ID.
        worker: u64,
    },
}

/// Takes down the statuses that a [`Host`] reports in its
/// [`sweep`](Host::sweep).
pub struct Sweep<'a> {
    shared: &'a Shared,
    epoch: u64,
    env: Env<'a>,
    latest: Cell<u64>,
    batch: RefCell<Option<Batch>>,
}

impl<'a> Sweep<'a> {
    fn new(shared: &'a Shared, epoch: u64, env: Env<'a>) -> Self {
        Self {
            shared,
            epoch,
            env,
            latest: Cell::new(0),
            batch: RefCell::new(None),
        }
    }

    /// Mentions a task that does not run, unless the generation has done so.
    ///
    /// `stack` is asked for the task's stack, leaf first, only if it is needed.
    pub fn task(&self, task: &TaskTrace, state: SweptState, stack: impl FnOnce(&mut Pcs)) {
        if !task.mention(self.epoch) {
            return;
        }
        let (worker, status) = match state {
            SweptState::Runnable => (NO_THREAD, TaskStatus::Runnable),
            SweptState::Waiting => (NO_THREAD, TaskStatus::Waiting),
            SweptState::Syscall { worker } => (worker, TaskStatus::Syscall),
        };
        let mut pcs = Pcs::logical();
        stack(&mut pcs);
        let stack = self.shared.tables(self.epoch).stacks.put(&pcs, &self.env);
        let stack = stack.unwrap_or_else(|_| {
            self.shared.losses.add(Loss::Stack);
            crate::map::Id::EMPTY
        });
        let args = [task.id(), worker, status as u64, stack.0];
        match stack.0 {
            0 => self.status(EventKind::GoStatus, &args[..3]),
            _ => self.status(EventKind::GoStatusStack, &args),
        }
    }

    /// Mentions a proc that nobody holds, unless the generation has done so.
    pub fn proc_idle(&self, proc: &ProcTrace) {
        if proc.mention(self.epoch) {
            let args = [u64::from(proc.id()), ProcStatus::Idle as u64];
            self.status(EventKind::ProcStatus, &args);
        }
    }

    /// Writes a status. A task without one can have no event in this
    /// generation, so the trace ends where it cannot be written.
    fn status(&self, kind: EventKind, args: &[u64]) {
        if self.write(NO_THREAD, kind, args, self.env).is_err() {
            self.shared.losses.add(Loss::NoMemory);
            self.shared.end_early(self.epoch);
        }
    }

    fn write(
        &self,
        thread: u64,
        kind: EventKind,
        args: &[u64],
        env: Env<'a>,
    ) -> Result<(), NoMemory> {
        let stream = Stream {
            shared: self.shared,
            env,
            epoch: self.epoch,
            thread,
            latest: &self.latest,
        };
        stream.write(&mut self.batch.borrow_mut(), kind, args)?;
        // Relaxed: a figure.
        self.shared.other_events.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Queues what was written.
    fn flush(&self) {
        if let Some(batch) = self.batch.borrow_mut().take() {
            self.shared.out(self.epoch, &self.env).push_full(batch);
        }
    }

    /// Says in the trace what was lost since it last said so, from a task, a
    /// proc and a worker that exist for this only: nobody else will run in
    /// this trace any more.
    fn note_losses(&self) {
        let Some(losses) = self.shared.losses.take_unreported() else {
            return;
        };
        self.flush();
        let env = self.env.unlimited();
        let out = self.shared.out(self.epoch, &env);
        let tables = self.shared.tables(self.epoch);
        let text = Text::<256>::of(&losses);
        let (Ok(category), Ok(message)) = (
            tables.strings.put(loss::CATEGORY, &out),
            tables.strings.emit(text.as_str(), &out),
        ) else {
            return; // The API still has the figures.
        };
        // A proc that never was. Relaxed: a figure.
        let proc = u64::from(self.shared.most_procs.load(Ordering::Relaxed));
        let thread = self.shared.threads.new_id();
        for (kind, args) in [
            (EventKind::ProcStatus, &[proc, ProcStatus::Idle as u64][..]),
            (EventKind::ProcStart, &[proc, 1]),
            (EventKind::GoCreate, &[NOTE_TASK, 0, 0]),
            (EventKind::GoStart, &[NOTE_TASK, 1]),
            (EventKind::UserLog, &[0, category.0, message.0, 0]),
            (EventKind::GoDestroy, &[]),
            (EventKind::ProcStop, &[]),
        ] {
            // All fit into the batch that the first one begins, so this either
            // happens at once or not at all.
            if self.write(thread, kind, args, env).is_err() {
                return;
            }
        }
    }
}

/// The ID of the task that exists for a last note only.
const NOTE_TASK: u64 = i64::MAX as u64;
