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
//! a process (`epochs.rs`); in the file they count from 1.
//!
//! # Invariants
//!
//! 1. The thread that set `moving` moves generations, or writes stacks out, one at a
//!    time. It is a claim, not a lock: nobody waits for it, and no lock is held while
//!    the host is called.
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
//!    without a lock that a worker needs. If a thread had to be given up, they
//!    stay until it is out, and no epoch begins before (`reclaim`).
//! 6. What finishing takes was set aside before it is needed (`ASIDE`, and
//!    `stacks.rs`): a generation that has begun can be finished within the
//!    memory limit.
//! 7. After `start` every worker that holds a proc passes a checkpoint, so none
//!    that still takes tracing for off can create a task that the first sweep
//!    misses. (One without a proc is the host's matter: see
//!    [`Emit::task_create_in_syscall`](crate::Emit::task_create_in_syscall).)
//!
//! # Memory orderings
//!
//! | operation | ordering | pairs with |
//! | --- | --- | --- |
//! | `epoch` store | Release | the load in `thread.rs::enter`: tables, reasons and numbers are set up |
//! | `moving` swap / store | Acquire / Release | each other: one mover sees what the last one left |

mod config;
mod epochs;
mod sweep;

use core::time::Duration;

use trace_format::limits::NO_THREAD;
use trace_format::{BatchHeader, EventKind, varint};

use crate::batch::Batch;
use crate::clock;
use crate::lock::Held;
use crate::loss::Loss;
use crate::pages::{Env, NoMemory};
use crate::queue::parity;
use crate::shared::{End, Shared};
use crate::stacks::Symbolizer;
use crate::sync::{Ordering, Patience};
use crate::sys;

pub use config::{AdvanceError, Config, Host, StartError, StopError, WorkerError};
pub use sweep::{Sweep, SweptState};

/// The right to move generations (Invariant 1).
struct Moving<'a>(&'a Shared);

impl<'a> Moving<'a> {
    fn claim(shared: &'a Shared) -> Option<Self> {
        // Acquire: pairs with the Release store below. Relaxed on failure:
        // nothing is read then. (Not a swap: a thread that is refused writes nothing.)
        shared
            .moving
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .ok()
            .map(|_| Self(shared))
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
        // Release: pairs with the Acquire exchange above.
        self.0.moving.store(false, Ordering::Release);
    }
}

/// Starts tracing; see [`Tracer::start`](crate::Tracer::start).
pub(crate) fn start(shared: &Shared, config: &Config, host: &dyn Host) -> Result<(), StartError> {
    if !config.version.has_sync_batch() {
        return Err(StartError::Version(config.version));
    }
    if shared.switch.is_forked() {
        return Err(StartError::Forked);
    }
    let moving = Moving::claim(shared).ok_or(StartError::Busy)?;
    if moving.current().is_some() {
        return Err(StartError::AlreadyTracing);
    }
    let held = Held::new();
    let env = shared.env(&held);
    // Relaxed, here and below: fields of the mover's, published by the store of
    // the epoch.
    let last = match shared.last_epoch.load(Ordering::Relaxed) {
        0 => epochs::draw().ok_or(StartError::TooManyTracers)?,
        last => last,
    };
    shared.last_epoch.store(last, Ordering::Relaxed);
    let epoch = last + 1;
    // Asked first: what is taken back may be waiting for the reader.
    if !shared.queue.is_read(&env) {
        return Err(StartError::StillReading);
    }
    if !reclaim(shared, &env) {
        return Err(StartError::ThreadStuck);
    }
    shared.switch.map(&env).map_err(|_| StartError::NoMemory)?;
    shared.queue.prepare(&env);
    shared.first_epoch.store(epoch, Ordering::Relaxed);
    shared.most_procs.store(0, Ordering::Relaxed);
    shared.set_procs(config.procs);
    shared
        .period_ns
        .store(nanos(config.period), Ordering::Relaxed);
    shared
        .generation_bytes
        .store(config.generation_bytes, Ordering::Relaxed);
    shared
        .events_before
        .store(shared.threads.events(), Ordering::Relaxed);
    shared.other_events.store(0, Ordering::Relaxed);
    shared.discarded_events.store(0, Ordering::Relaxed);
    shared
        .latency_ns
        .store(nanos(config.latency), Ordering::Relaxed);
    shared.stacks_due_ns.store(0, Ordering::Relaxed);
    shared
        .patience_ns
        .store(nanos(config.patience), Ordering::Relaxed);
    shared.begin_again();
    let limit = config.memory_limit;
    let limit_before = shared.pages.set_limit(limit);
    shared.pages.set_headroom(limit / HEADROOM);

    shared.timekeeper.begin(config.counter);
    shared.threads.fence_for_others();
    if open_generation(shared, epoch, &env).is_err() {
        abandon(shared, epoch, &env);
        // Threads that come while nothing is traced need not fit a limit that is
        // too small for a trace.
        shared.pages.set_limit(limit_before);
        shared.pages.set_headroom(0);
        return Err(StartError::NoMemory);
    }
    let opened = shared.queue.open(epoch, config.version, &env);
    debug_assert!(opened, "nobody else opens it");
    put_in_force(shared, epoch, &env);
    let ending = EndIfUnwinding(shared, epoch);
    host.checkpoint(); // Invariant 7.
    core::mem::forget(ending);
    Ok(())
}

/// A time in nanoseconds, or the longest that there is.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Ends a trace whose start unwinds: Invariant 7 does not hold in it.
struct EndIfUnwinding<'a>(&'a Shared, u64);

impl Drop for EndIfUnwinding<'_> {
    fn drop(&mut self) {
        self.0.end_early(self.1, End::Host);
    }
}

/// Moves to the next generation; see [`Tracer::advance`](crate::Tracer::advance).
pub(crate) fn advance(shared: &Shared, host: &dyn Host) -> Result<(), AdvanceError> {
    if shared.switch.is_forked() {
        return Err(AdvanceError::NotTracing);
    }
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
        if open_generation(shared, epoch + 1, &env).is_err() {
            abandon(shared, epoch + 1, &env);
            return Err(AdvanceError::NoMemory);
        }
        put_in_force(shared, epoch + 1, &env);
        // The trace may have ended while the next epoch began: tracing must be
        // off then. (Were it to end later, `end_early` itself would see to it.)
        if shared.has_ended_early(epoch) {
            // Relaxed: as in `end_early`.
            shared.switch.epoch().store(0, Ordering::Relaxed);
        }
    }
    let settled = settle(shared, epoch, &env);
    // From here on nobody writes into `epoch`, so this is the last word.
    last |= shared.has_ended_early(epoch);
    match (finish(shared, &sweep, host, settled, last), last) {
        (false, _) => Err(AdvanceError::Unfinished),
        (true, false) => Ok(()),
        (true, true) => Err(match shared.ended_by() {
            End::Memory => AdvanceError::EndedEarly,
            End::Stuck => AdvanceError::ThreadStuck,
            End::Sink => AdvanceError::SinkFailed,
            End::Host => AdvanceError::HostUnwound,
        }),
    }
}

/// Writes new stacks; see [`Tracer::write_stacks`](crate::Tracer::write_stacks).
pub(crate) fn write_stacks(shared: &Shared, symbolizer: &dyn Symbolizer) -> bool {
    if shared.switch.is_forked() {
        return false;
    }
    // Relaxed: it may be out of date, and is looked at to no harm by a thread that does
    // not get to move.
    if sys::monotonic_ns() < shared.stacks_due_ns.load(Ordering::Relaxed) {
        return false;
    }
    let Some(moving) = Moving::claim(shared) else {
        return false;
    };
    let open = moving.current();
    let Some(epoch) = open.filter(|epoch| !shared.has_ended_early(*epoch)) else {
        return false;
    };
    let held = Held::new();
    let env = shared.env(&held);
    let out = shared.out(epoch, &env);
    let began = sys::monotonic_ns();
    let tables = shared.tables(epoch);
    tables.stacks.write_new(symbolizer, &tables.strings, &out);
    // With the names of their frames.
    tables.strings.flush(&out);
    let now = sys::monotonic_ns();
    // Relaxed: the mover's, and see above.
    let latency = shared.latency_ns.load(Ordering::Relaxed);
    let pause = now.saturating_sub(began).saturating_mul(STACKS_PAUSE);
    let due = match latency {
        0 => now,
        latency => now.saturating_add(pause.max(latency)),
    };
    shared.stacks_due_ns.store(due, Ordering::Relaxed);
    true
}

/// How much longer than it takes to write new stacks the pause after that is at least:
/// with many stacks the walk alone takes a while.
const STACKS_PAUSE: u64 = 20;

/// Stops tracing; see [`Tracer::stop`](crate::Tracer::stop).
pub(crate) fn stop(shared: &Shared, host: &dyn Host) -> Result<(), StopError> {
    if shared.switch.is_forked() {
        return Err(StopError::NotTracing);
    }
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
        shared.switch.epoch().store(0, Ordering::Relaxed);
    }
    let settled = settle(shared, epoch, &env);
    let early = shared.has_ended_early(epoch);
    match (finish(shared, &sweep, host, settled, true), early) {
        (false, _) => Err(StopError::Unfinished),
        (true, false) => Ok(()),
        (true, true) => Err(match shared.ended_by() {
            End::Memory => StopError::EndedEarly,
            End::Stuck => StopError::ThreadStuck,
            End::Sink => StopError::SinkFailed,
            End::Host => StopError::HostUnwound,
        }),
    }
}

/// What became of the threads in an epoch that is over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Settled {
    /// All are out.
    Out,
    /// Some were given up, and what they wrote is queued.
    GivenUp,
    /// What some of those wrote could not be had.
    Lost,
}

/// Waits until nobody writes into `epoch` any more, and queues what was
/// written. If somebody does not leave, the trace ends here.
fn settle(shared: &Shared, epoch: u64, env: &Env<'_>) -> Settled {
    let out = shared.out(epoch, &env.finishing()).last_resort();
    let push = |batch| out.push_full(batch);
    if shared.threads.settle(epoch, &mut patience(shared), push) {
        return Settled::Out;
    }
    // Everybody else is out of `epoch`: what they wrote because of the missing
    // threads' events was written after those. And from here on nobody writes
    // anything into a file because of events still to come from them. So what
    // they wrote until now, or until any moment hereafter, is a consistent cut.
    shared.end_early(epoch, End::Stuck);
    // Relaxed: the mover's.
    shared.stuck[parity(epoch)].store(epoch, Ordering::Relaxed);
    let wait_for_looks = || shared.queue.wait_for_looks(env);
    let copied = shared
        .threads
        .give_up(epoch, push, wait_for_looks, |written| {
            let Ok(mut copy) = out.take_empty() else {
                return false;
            };
            copy.copy(written);
            out.push_full(copy);
            true
        });
    if copied {
        Settled::GivenUp
    } else {
        Settled::Lost
    }
}

fn patience(shared: &Shared) -> Patience {
    // Relaxed: the mover's.
    let patience = shared.patience_ns.load(Ordering::Relaxed);
    Patience::new(Duration::from_nanos(patience))
}

/// Takes back what threads had that did not leave an earlier trace: whether all
/// have left since.
fn reclaim(shared: &Shared, env: &Env<'_>) -> bool {
    let mut all = true;
    for stuck in &shared.stuck {
        // Relaxed, here and below: the mover's.
        let epoch = stuck.load(Ordering::Relaxed);
        if epoch == 0 {
            continue;
        }
        let unmap = |batch: Batch| batch.unmap(&shared.pages);
        let mut none = Patience::new(Duration::ZERO);
        if shared.threads.settle(epoch, &mut none, unmap) {
            abandon(shared, epoch, env);
            stuck.store(0, Ordering::Relaxed);
        } else {
            all = false;
        }
    }
    // They are kept for a trace, and this one is over.
    shared.pages.unmap_kept();
    all
}

/// Whether the generation is old or large enough for an advance.
pub(crate) fn advance_due(shared: &Shared) -> bool {
    if shared.switch.is_forked() {
        // Nor may the queue's lock be taken: somebody else may have had it then.
        return false;
    }
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
    let category = shared.tables(epoch).open(&out)?;
    // Relaxed: published by the store of the epoch.
    shared.note_category.store(category.0, Ordering::Relaxed);
    out.set_aside(ASIDE)?;

    let mut batch = out.take_empty()?;
    // From here on it cannot fail: what was lost in the generation whose place
    // it takes may be forgotten.
    let told = match epoch {
        // Relaxed: as above.
        epoch if epoch == shared.first_epoch.load(Ordering::Relaxed) => 0,
        epoch => shared.generation_losses[parity(epoch - 1)].told(),
    };
    let losses = &shared.generation_losses[parity(epoch)];
    losses.reset();
    losses.tell(told);
    let now = shared
        .timekeeper
        .open(shared.clock(epoch - 1), shared.clock(epoch));
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
    let written = batch.append_timed(
        EventKind::ClockSnapshot,
        0,
        &[now.mono, sec, u64::from(nsec)],
    );
    debug_assert!(written, "a sync batch is small");
    out.push_full(batch);
    Ok(())
}

/// Takes back [`open_generation`], and whatever was written into the epoch.
fn abandon(shared: &Shared, epoch: u64, env: &Env<'_>) {
    shared.queue.discard(epoch, env, |batch| {
        shared.lose_batch(epoch, shared.after_end(), batch);
    });
    shared.queue.release_aside(epoch, env);
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
    shared.switch.epoch().store(epoch, Ordering::Release);
}

/// Queues what is left of a settled epoch and frees its tables; closes the trace
/// if it was the last one. Returns whether it is whole.
fn finish(
    shared: &Shared,
    sweep: &Sweep<'_>,
    host: &dyn Host,
    settled: Settled,
    last: bool,
) -> bool {
    let epoch = sweep.epoch;
    let held = Held::new();
    let env = shared.env(&held);
    let mut finishing = Finishing {
        shared,
        epoch,
        env,
        stuck: settled != Settled::Out,
        whole: false,
        last,
    };
    let out = shared.out(epoch, &env.finishing());
    let tables = shared.tables(epoch);
    if settled != Settled::Lost
        && let Ok(nameless) = tables.stacks.dump(host, &tables.strings, &out)
    {
        if nameless > 0 {
            shared.lose(epoch, Loss::Names, nameless);
        }
        finishing.whole = true;
    }
    if last {
        sweep.note_end();
    }
    sweep.flush();
    finishing.whole
}

/// A generation being finished; its end, also when the host unwinds.
struct Finishing<'a> {
    shared: &'a Shared,
    epoch: u64,
    env: Env<'a>,
    stuck: bool,
    whole: bool,
    last: bool,
}

impl Drop for Finishing<'_> {
    fn drop(&mut self) {
        let Self {
            shared, epoch, env, ..
        } = self;
        let tables = shared.tables(*epoch);
        tables.strings.flush(&shared.out(*epoch, env));
        if self.whole {
            shared.queue.complete(*epoch, self.last, env);
        } else {
            // A generation that is not whole gets no end mark, so that readers
            // notice. And nothing can follow it.
            shared.queue.cut(*epoch, env);
            shared.end_early(*epoch, End::Memory);
        }
        shared.queue.release_aside(*epoch, env);
        if !self.stuck {
            // SAFETY: Invariant 5: the epoch is settled and its tables are
            // dumped.
            unsafe { tables.reset(env) };
        }
        if self.last || !self.whole {
            close(shared, *epoch, env);
        }
    }
}

/// Tracing is off from here on.
fn close(shared: &Shared, epoch: u64, env: &Env<'_>) {
    // Relaxed: `epoch` was set to 0 before; the rest is the mover's.
    let last = shared.last_epoch.load(Ordering::Relaxed);
    shared.open_epoch.store(0, Ordering::Relaxed);
    if last > epoch {
        // The next generation had begun, to no avail: no file shows it.
        let lost = shared.after_end();
        let discard = |batch: Batch| {
            shared.lose_batch(last, lost, &batch);
            batch.unmap(&shared.pages);
        };
        if shared.threads.settle(last, &mut patience(shared), discard) {
            abandon(shared, last, env);
        } else {
            // Relaxed: the mover's.
            shared.stuck[parity(last)].store(last, Ordering::Relaxed);
        }
    }
    // There is no generation to keep them for. (What the reader still has goes when
    // it comes to the end.)
    shared.pages.unmap_kept();
}

/// The part of the memory limit that is kept for names.
const HEADROOM: usize = 8;

/// Batches set aside for each generation, whatever it holds: two for a last
/// note, one for what a dead thread wrote.
const ASIDE: usize = 3;
