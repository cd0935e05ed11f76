//! An offer: a thread's batch, as others may see it.
//!
//! # Why
//!
//! A thread writes into a batch of its own. Two other threads read what it has written
//! so far, without disturbing it: the reader, if the batch does not fill (`queue.rs`),
//! and the mover, if the thread does not leave a generation that is to end
//! (`thread.rs`). They must know which block it is, and that it stays for as long.
//!
//! ```text
//!   the thread, to change batches       the mover, to give it up
//!   offer: batch ─► CHANGING            offer: any ─► GIVEN_UP
//!   seal, push, take another              was a batch: it stays with the thread,
//!   offer: CHANGING ─► new batch            and may be read up to `used`
//!   (either fails when GIVEN_UP: the      was CHANGING: it cannot be had
//!   thread has lost its batch's future)
//!                                       the reader, with the queue's lock
//!                                         a batch: it may be read until the lock is free
//! ```
//!
//! # Invariants
//!
//! 1. A mover that finds a batch in an offer and puts `GIVEN_UP` there may read the
//!    batch until the thread is out: the thread changes batches only from an offer that
//!    is not `GIVEN_UP`, and adds only behind what was read.
//! 2. A reader that holds the queue's lock and finds a batch of the epoch being read in
//!    an offer may read it until it frees the lock: the offer changes before the batch
//!    goes anywhere, and such a batch goes through that lock. A mover that gives up waits
//!    for the lock once before it reads, and so knows how much the reader has had.
//!
//! # Memory orderings
//!
//! | operation | ordering | pairs with |
//! | --- | --- | --- |
//! | store of a new batch | Release | the swap in `give_up`, and the load in `look`: the batch is seen as begun |
//! | swap in `give_up`, load in `look` | Acquire | the above |
//! | the rest | Relaxed | nothing: the queue's lock or the epoch orders it |

use core::ptr::{self, NonNull};

use crate::batch::Batch;
use crate::sync::{AtomicPtr, Ordering, const_unless_loom};

/// The batch in a buffer, `NONE`, `CHANGING` or `GIVEN_UP`.
#[derive(Debug)]
pub(crate) struct Offer(AtomicPtr<u8>);

const NONE: *mut u8 = ptr::null_mut();
const CHANGING: *mut u8 = ptr::without_provenance_mut(1);
const GIVEN_UP: *mut u8 = ptr::without_provenance_mut(2);

impl Offer {
    const_unless_loom! {
        pub(crate) fn new() -> Self {
            Self(AtomicPtr::new(NONE))
        }
    }

    /// The thread is about to change batches: whether it may.
    pub(crate) fn begin_change(&self) -> bool {
        // Relaxed, all: only this thread stores anything but `GIVEN_UP`, and
        // who put that there reads nothing that this thread wrote before.
        let at = self.0.load(Ordering::Relaxed);
        at != GIVEN_UP
            && self
                .0
                .compare_exchange(at, CHANGING, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// It has done so, and `batch` is in the buffer: whether it may be used.
    pub(crate) fn end_change(&self, batch: Option<&Batch>) -> bool {
        let at = batch.map_or(NONE, Batch::address);
        // Release: pairs with the Acquire swap in `give_up`. Relaxed on
        // failure: nothing is read.
        self.0
            .compare_exchange(CHANGING, at, Ordering::Release, Ordering::Relaxed)
            .is_ok()
    }

    /// The batch in it. The caller holds the queue's lock (Invariant 2).
    pub(crate) fn look(&self) -> Option<NonNull<u8>> {
        // Acquire: pairs with the Release exchange in `end_change`.
        match self.0.load(Ordering::Acquire) {
            CHANGING | GIVEN_UP => None,
            at => NonNull::new(at),
        }
    }

    pub(crate) fn give_up(&self) -> Offered {
        // Acquire: pairs with the Release exchange in `end_change`.
        match self.0.swap(GIVEN_UP, Ordering::Acquire) {
            CHANGING | GIVEN_UP => Offered::Lost,
            at => Offered::Batch(NonNull::new(at)),
        }
    }

    /// The buffer is empty, and the thread that fills it next learns of that by
    /// the epoch.
    pub(crate) fn reset(&self) {
        // Relaxed: see above.
        self.0.store(NONE, Ordering::Relaxed);
    }
}

/// What a thread that does not leave had in its buffer.
pub(crate) enum Offered {
    /// A batch, if any; it stays where it is.
    Batch(Option<NonNull<u8>>),
    /// There is no saying.
    Lost,
}
