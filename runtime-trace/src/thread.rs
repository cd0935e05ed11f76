//! Threads: their buffers by generation, and the flag that says "writing".
//!
//! # Why
//!
//! A thread writes its events into a batch of its own, without a lock. When a
//! generation ends, somebody else must take that batch away, and must know that
//! the thread will not write to it again. So a thread says when it is writing,
//! reads the epoch only after saying so, and has one buffer for even and one
//! for odd epochs.
//!
//! # The handshake
//!
//! ```text
//!   a thread (enter, leave)                   who ends epoch e (`settle`)
//!   e' = epoch                                epoch = e + 1 (or 0)
//!   writing = e'                              ── fence ──
//!   ── fence ──                               wait while writing is e
//!   epoch is still e'? else OUT, again        take buffer[e % 2]
//!   … write into buffer[e' % 2] …
//!   writing = OUT
//! ```
//!
//! # A thread that does not leave
//!
//! A thread may die inside an emission, or an embedder may forget an `Emit`.
//! `settle` waits for it with bounded patience; then the trace ends, and
//! `give_up` takes a copy of what the thread wrote so far, without touching
//! anything that it may still write to. For that each buffer has an [`Offer`].
//!
//! Its slot, its batch and the epoch's tables stay as they are until the thread
//! is out after all, which may be never: `generation.rs` does not start another
//! trace before.
//!
//! # Invariants
//!
//! 1. `buffers[e % 2]` of a slot is touched by the slot's thread only between
//!    `enter` and `leave`, with `e` the epoch that `enter` returned, and by
//!    `settle(e)` only after it saw, behind its fence, that the thread was out
//!    or in another epoch.
//! 2. After both fences, either the thread sees the new epoch, or `settle` sees
//!    the flag up. So when `settle` sees it out or elsewhere, the thread is done
//!    with `e` for good. A thread that emits without pause cannot hold it up:
//!    sooner or later the flag names the new epoch.
//! 3. Epoch `e + 2`, which uses the same buffer, begins only after `settle(e)`.
//! 4. Slots are never freed while the tracer lives; a slot whose thread is gone
//!    is claimed by a later one, under a new ID. IDs are never used again.
//! 5. The latest time a thread wrote never decreases, whatever the clock does. It
//!    is the time of the last event in the thread's batch of the epoch that it
//!    writes into, if there is one: differences are to that.
//!
//! # Memory orderings
//!
//! | operation | ordering | pairs with |
//! | --- | --- | --- |
//! | the two fences | SeqCst | each other (Invariant 2): a store before a load on both sides. Where the system can fence for others, the one in `settle` is for both (`Fence`) |
//! | `writing` stores | Release | the load in `settle`: what the thread wrote before, into a batch of the epoch before or of this, is seen |
//! | `writing` load in `settle` | Acquire | the above |
//! | `epoch` second load in `enter` | SeqCst, as Acquire | the store that opened the epoch: its tables are seen, and (Invariant 3) the buffer left empty |
//! | `claimed` exchange | Acquire | the Release store of the thread that gave the slot up |
//! | `first` load / exchange | Acquire / Release | each other: a slot is initialised before it is on the list, and so are those behind it |

use core::cell::Cell;
use core::ptr::{self, NonNull};

use trace_format::{BatchHeader, EventKind};

use crate::batch::{Batch, Rest, peek};
use crate::lock::Rank;
use crate::offer::{Offer, Offered};
use crate::pages::{Backing, Env, NoMemory};
use crate::queue::parity;
use crate::region::{AllocError, Region};
use crate::shared::Shared;
use crate::sync::{
    AtomicBool, AtomicPtr, AtomicU64, Fence, Ordering, OwnFence, Patience, UnsafeCell,
    const_unless_loom, store_before_load,
};
use crate::sys;

/// What the tracer keeps for one thread, in memory that others can reach.
#[derive(Debug)]
#[repr(C, align(128))]
pub(crate) struct Slot {
    /// `OUT`, or the epoch that the thread writes into, or would if it were still
    /// in force.
    writing: AtomicU64,
    /// Whether a thread has this slot.
    claimed: AtomicBool,
    /// That thread's ID. Changes only as the slot is claimed.
    id: AtomicU64,
    /// Timed events written, ever.
    events: AtomicU64,
    buffers: [UnsafeCell<Option<Batch>>; 2],
    /// Each buffer's batch as others may see it; see the module's documentation.
    offers: [Offer; 2],
    next: AtomicPtr<Slot>,
}

// SAFETY: the buffers are handed back and forth by Invariants 1 to 3; the rest
// is atomic.
unsafe impl Sync for Slot {}

/// The thread is not between `enter` and `leave`.
const OUT: u64 = 0;

/// All threads that ever traced.
#[derive(Debug)]
pub(crate) struct Threads {
    first: AtomicPtr<Slot>,
    last_id: AtomicU64,
    /// Whether whoever settles fences for the threads as well. Never unset.
    fences: AtomicBool,
    memory: Region,
}

impl Threads {
    const_unless_loom! {
        pub(crate) fn new() -> Self {
            Self {
                first: AtomicPtr::new(ptr::null_mut()),
                last_id: AtomicU64::new(0),
                fences: AtomicBool::new(false),
                // Few threads touch little of it, and they may never trace.
                memory: Region::new(Rank::WorkerRegion, Backing::Later),
            }
        }
    }

    /// An ID that no thread has had.
    pub(crate) fn new_id(&self) -> u64 {
        // Relaxed: only distinctness matters.
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Who fences in the handshake, from now on.
    pub(crate) fn fence(&self) -> Fence {
        // Relaxed: the mover's own, or written before the epoch that the caller
        // has acquired.
        match self.fences.load(Ordering::Relaxed) {
            true => Fence::Other,
            false => Fence::Own,
        }
    }

    /// Has whoever settles fence for the threads, if the system can do that. The
    /// mover calls this before it begins an epoch, so that threads of that epoch
    /// may rely on it.
    pub(crate) fn fence_for_others(&self) {
        if self.fence() == Fence::Own && sys::prepare_barrier() {
            // Relaxed: as in `fence`.
            self.fences.store(true, Ordering::Relaxed);
        }
    }

    /// A slot for the calling thread.
    pub(crate) fn claim(&self, env: &Env<'_>) -> Result<&Slot, AllocError> {
        let slot = match self.iter().find(|slot| slot.try_claim()) {
            Some(slot) => slot,
            None => self.add(env)?,
        };
        // Relaxed: read by others for statistics and messages alone; batches
        // carry the ID themselves.
        slot.id.store(self.new_id(), Ordering::Relaxed);
        Ok(slot)
    }

    fn add(&self, env: &Env<'_>) -> Result<&Slot, AllocError> {
        // The region aligns to 8 bytes; a slot wants a cache line of its own.
        let room = size_of::<Slot>() + align_of::<Slot>();
        let memory = self.memory.alloc(room, env)?;
        let slot = memory
            .map_addr(|at| {
                // Not zero: `at` is not, and this rounds up.
                at.saturating_add(at.get().wrapping_neg() % align_of::<Slot>())
            })
            .cast::<Slot>();
        // SAFETY: the allocation is ours, has room for the slot after rounding
        // up, and stays as long as the tracer does (Invariant 4).
        let slot = unsafe {
            slot.write(Slot {
                writing: AtomicU64::new(OUT),
                claimed: AtomicBool::new(true),
                id: AtomicU64::new(0),
                events: AtomicU64::new(0),
                buffers: [UnsafeCell::new(None), UnsafeCell::new(None)],
                offers: [Offer::new(), Offer::new()],
                next: AtomicPtr::new(ptr::null_mut()),
            });
            slot.as_ref()
        };
        // Relaxed: the exchange below checks it.
        let mut first = self.first.load(Ordering::Relaxed);
        loop {
            // Relaxed: published by the exchange.
            slot.next.store(first, Ordering::Relaxed);
            // Release: pairs with the Acquire load in `iter`. Relaxed on
            // failure: tried again.
            match self.first.compare_exchange(
                first,
                ptr::from_ref(slot).cast_mut(),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(slot),
                Err(other) => first = other,
            }
        }
    }

    /// Every slot, whether claimed or not.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Slot> {
        core::iter::successors(self.after(None), |slot| self.after(Some(slot)))
    }

    /// The slot behind this one on the list, or the first. Slots that are added come
    /// before the first.
    pub(crate) fn after(&self, slot: Option<&Slot>) -> Option<&Slot> {
        let next = match slot {
            // Acquire: pairs with the Release exchange in `add`.
            None => self.first.load(Ordering::Acquire),
            // Relaxed: an exchange goes on with the release sequence of those
            // before it, so the load of `first` has acquired every slot behind.
            Some(slot) => slot.next.load(Ordering::Relaxed),
        };
        // SAFETY: initialised before it was put on the list, and never freed while
        // `self` is borrowed (Invariant 4).
        NonNull::new(next).map(|slot| unsafe { slot.as_ref() })
    }

    /// Leaves all slots to the system, as [`Region::forget`].
    pub(crate) fn forget(&mut self) {
        // Relaxed: exclusive access.
        self.first.store(ptr::null_mut(), Ordering::Relaxed);
        self.memory.forget();
    }

    /// Timed events that all threads have written, ever.
    pub(crate) fn events(&self) -> u64 {
        // Relaxed: a figure for people.
        self.iter().map(|s| s.events.load(Ordering::Relaxed)).sum()
    }

    /// Waits until no thread writes into `epoch` any more, and takes the
    /// batches that they left. The epoch in force is already another.
    ///
    /// Returns whether all were out before the patience was at its end. If the
    /// system no longer fences for them there is no saying, and nothing is taken.
    pub(crate) fn settle(
        &self,
        epoch: u64,
        patience: &mut Patience,
        mut take: impl FnMut(Batch),
    ) -> bool {
        // Pairs with the fence in `enter` (Invariant 2).
        if !self.fence().settle() {
            return false;
        }
        let mut all = true;
        for slot in self.iter() {
            // Looked at once a turn: a thread that was out once may be on its way
            // into the next epoch when looked at again.
            let out = loop {
                match slot.is_in(epoch) {
                    false => break true,
                    true if !patience.turn() => break false,
                    true => {}
                }
            };
            match out {
                false => all = false,
                // SAFETY: it was out, as just seen, behind the fence.
                true => unsafe { slot.take_left(epoch) }
                    .into_iter()
                    .for_each(&mut take),
            }
        }
        all
    }

    /// How many threads are in `epoch`, or about to be.
    pub(crate) fn count_in(&self, epoch: u64) -> usize {
        self.iter().filter(|slot| slot.is_in(epoch)).count()
    }

    /// Gives up waiting after [`settle`](Self::settle), with tracing off. Shows
    /// what each thread that is not out has written so far; takes the batches
    /// of those that are out by now.
    ///
    /// Returns whether all of it could be had.
    pub(crate) fn give_up(
        &self,
        epoch: u64,
        mut take: impl FnMut(Batch),
        wait_for_looks: impl Fn(),
        mut copy: impl FnMut(&Rest<'_>) -> bool,
    ) -> bool {
        // The fence of `settle`, which comes before, orders these loads as well;
        // unless it could not be had.
        if !self.fence().settle() {
            return false;
        }
        let mut all = true;
        for slot in self.iter() {
            if !slot.is_in(epoch) {
                // SAFETY: it is out, as just seen, behind the fence.
                unsafe { slot.take_left(epoch) }
                    .into_iter()
                    .for_each(&mut take);
                continue;
            }
            all &= match slot.offers[parity(epoch)].give_up() {
                Offered::Batch(None) => true,
                Offered::Batch(Some(block)) => {
                    // What the reader has had, it has had now (`offer.rs`, Invariant 2).
                    wait_for_looks();
                    // SAFETY: it was begun before it was offered, and by Invariant 1 of
                    // `offer.rs` stays as it is until the thread is out, which is found
                    // out by the thread that does this.
                    copy(&unsafe { peek(block) })
                }
                Offered::Lost => false,
            };
        }
        all
    }
}

impl Slot {
    /// Whether the thread may be writing into `epoch`.
    fn is_in(&self, epoch: u64) -> bool {
        // Acquire: pairs with the Release stores in `leave` and `enter`.
        self.writing.load(Ordering::Acquire) == epoch
    }

    /// Takes what the thread left in the buffer of `epoch`.
    ///
    /// # Safety
    ///
    /// The caller settles, and has seen behind its fence that the thread is not
    /// in `epoch`.
    unsafe fn take_left(&self, epoch: u64) -> Option<Batch> {
        let left = self.buffers[parity(epoch)].with_mut(|buffer| {
            // SAFETY: Invariants 1 and 2: the thread is done with this buffer,
            // and nobody else settles at the same time.
            unsafe { (*buffer).take() }
        });
        self.offers[parity(epoch)].reset();
        left
    }

    fn try_claim(&self) -> bool {
        // Acquire: pairs with the Release store in `give_up`. Relaxed on
        // failure: another slot is tried.
        self.claimed
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Leaves the slot to a later thread. Batches of an epoch that is being
    /// settled stay in it.
    pub(crate) fn give_up(&self) {
        // Release: pairs with the Acquire exchange in `try_claim`.
        self.claimed.store(false, Ordering::Release);
    }

    pub(crate) fn id(&self) -> u64 {
        // Relaxed: called by the slot's thread, which wrote it.
        self.id.load(Ordering::Relaxed)
    }

    /// The epoch that this thread is writing into already. Only a signal handler
    /// or another callback in the middle of an emission can find any, or who
    /// comes after an `Emit` was forgotten.
    #[inline]
    pub(crate) fn is_writing(&self) -> Option<u64> {
        // Relaxed: this thread's own store.
        match self.writing.load(Ordering::Relaxed) {
            OUT => None,
            epoch => Some(epoch),
        }
    }

    /// Starts to write: the epoch to write into, or `None` if tracing is off. Or
    /// if this thread is writing already; then `busy` is called first. `seen` is
    /// what `epoch` was a moment ago, not 0.
    #[inline(always)]
    pub(crate) fn enter(
        &self,
        epoch: &AtomicU64,
        seen: u64,
        fence: &OwnFence,
        busy: impl FnOnce(u64),
    ) -> Option<u64> {
        const { assert!(OUT == 0) };
        // Relaxed: this thread's own store. That it is out and that others fence is
        // one test.
        if self.writing.load(Ordering::Relaxed) | fence.word() == 0 {
            if self.name(epoch, seen, Fence::Other) {
                return Some(seen);
            }
            self.leave();
        }
        match self.enter_slowly(epoch, fence, busy) {
            0 => None,
            seen => Some(seen),
        }
    }

    /// As [`enter`](Self::enter), whatever the case; 0 for `None`.
    #[cold]
    fn enter_slowly(&self, epoch: &AtomicU64, fence: &OwnFence, busy: impl FnOnce(u64)) -> u64 {
        if let Some(epoch) = self.is_writing() {
            busy(epoch);
            return 0;
        }
        loop {
            // Relaxed: looked at again in `name`.
            let seen = epoch.load(Ordering::Relaxed);
            if seen == 0 || self.name(epoch, seen, fence.get()) {
                return seen;
            }
            self.leave();
        }
    }

    /// Says that this thread writes into the epoch `seen`: whether that is still
    /// in force.
    #[inline(always)]
    fn name(&self, epoch: &AtomicU64, seen: u64, fence: Fence) -> bool {
        // Pairs with the fence in `settle` (Invariant 2).
        store_before_load(&self.writing, seen, fence);
        // SeqCst: for that; and, as Acquire, pairs with the Release store that
        // opened the epoch.
        // mutant: models have a true fence between the two loads, behind which
        // it would be enough that the first one saw this epoch.
        epoch.load(Ordering::SeqCst) == seen
    }

    /// Ends what `enter` began.
    #[inline]
    pub(crate) fn leave(&self) {
        // Release: pairs with the Acquire load in `settle`.
        self.writing.store(OUT, Ordering::Release);
    }

    /// Lends the buffer of `epoch`.
    ///
    /// # Safety
    ///
    /// The caller is the slot's thread, between `enter`, which returned
    /// `epoch`, and `leave`, and does not call this again from inside.
    #[inline]
    pub(crate) unsafe fn with_buffer<R>(
        &self,
        epoch: u64,
        write: impl FnOnce(&mut Option<Batch>) -> R,
    ) -> R {
        self.buffers[parity(epoch)].with_mut(|buffer| {
            // SAFETY: Invariant 1, which the caller vouches for.
            write(unsafe { &mut *buffer })
        })
    }

    /// The offer of the buffer of `epoch`.
    #[inline]
    pub(crate) fn offer(&self, epoch: u64) -> &Offer {
        &self.offers[parity(epoch)]
    }

    /// Takes this thread's own batch of `epoch`, unless it was given up.
    ///
    /// # Safety
    ///
    /// As for [`with_buffer`](Self::with_buffer).
    pub(crate) unsafe fn hand_in(&self, epoch: u64, push: impl FnOnce(Batch)) {
        if !self.offer(epoch).begin_change() {
            return;
        }
        // SAFETY: the caller's word, passed on.
        let own = unsafe { self.with_buffer(epoch, Option::take) };
        if let Some(batch) = own {
            push(batch);
        }
        // If it was given up meanwhile, there is no batch to lose.
        self.offer(epoch).end_change(None);
    }

    #[inline]
    pub(crate) fn count_event(&self) {
        // Relaxed, and no read-modify-write: only this thread writes it.
        let events = self.events.load(Ordering::Relaxed);
        self.events.store(events + 1, Ordering::Relaxed);
    }

    /// Takes the buffers of a thread that is known to be gone.
    pub(crate) fn take_buffers(&self) -> impl Iterator<Item = Batch> {
        self.buffers.iter().filter_map(|buffer| {
            // SAFETY: only called with the tracer borrowed exclusively, so no
            // thread has a handle and nobody settles.
            buffer.with_mut(|buffer| unsafe { (*buffer).take() })
        })
    }
}

/// The stream of events of one thread, or of none, in one epoch.
pub(crate) struct Stream<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) env: Env<'a>,
    pub(crate) epoch: u64,
    pub(crate) thread: u64,
    /// The thread's offer, if it is one's.
    pub(crate) offer: Option<&'a Offer>,
    /// Time of the latest event (Invariant 5).
    pub(crate) latest: &'a Cell<u64>,
}

impl Stream<'_> {
    /// Writes a timed event into `current`, beginning another batch when it does not
    /// fit. The time is the clock's, `now`, or that of the latest event if that was
    /// later.
    pub(crate) fn write(
        &self,
        current: &mut Option<Batch>,
        kind: EventKind,
        now: u64,
        args: &[u64],
    ) -> Result<(), NoMemory> {
        let latest = self.latest.get();
        let time = now.max(latest);
        let written = match current {
            Some(batch) => batch.append_timed(kind, time - latest, args),
            None => false,
        };
        if !written {
            let batch = self.refill(current, time)?;
            // It begins at `time`, and any event fits into an empty batch.
            let written = batch.append_timed(kind, 0, args);
            debug_assert!(written, "{kind:?} is larger than a batch");
        }
        self.latest.set(time);
        Ok(())
    }

    fn refill<'b>(
        &self,
        current: &'b mut Option<Batch>,
        time: u64,
    ) -> Result<&'b mut Batch, NoMemory> {
        // What follows an event that was lost must be lost as well, but for
        // what the tracer itself says in the end. (Why is asked of the trace,
        // which has ended, and not of this.)
        let ended = Err(NoMemory::System);
        if self.shared.has_ended_early(self.epoch) && !self.env.is_finishing() {
            return ended;
        }
        if !self.offer.is_none_or(Offer::begin_change) {
            return ended;
        }
        let out = match self.env.is_finishing() {
            true => self.shared.out(self.epoch, &self.env).last_resort(),
            false => self.shared.out(self.epoch, &self.env),
        };
        if let Some(full) = current.take() {
            out.push_full(full);
        }
        let mut fresh = out.take_empty();
        if let Ok(fresh) = &mut fresh {
            fresh.begin(&BatchHeader {
                generation: out.generation,
                thread: self.thread,
                time,
            });
        }
        let kept = self
            .offer
            .is_none_or(|offer| offer.end_change(fresh.as_ref().ok()));
        let fresh = fresh?;
        if kept {
            return Ok(current.insert(fresh));
        }
        // Not to be kept: nobody waits for this thread any more.
        fresh.unmap(self.env.pages);
        ended
    }
}

#[cfg(all(test, target_os = "linux", not(any(loom, heap_pages))))]
mod tests {
    use super::*;
    use crate::lock::Held;
    use crate::pages::{BLOCK_SIZE, Pages};

    /// All that a host has that registers a thread and never traces.
    #[test]
    fn a_slot_takes_a_page() {
        let pages = Pages::new(usize::MAX);
        let held = Held::new();
        let threads = Threads::new();
        // The first one, in the first page.
        let slot = NonNull::from(threads.claim(&Env::new(&pages, &held)).unwrap());
        assert_eq!(sys::resident(slot.cast(), BLOCK_SIZE).0, 1);
    }
}
