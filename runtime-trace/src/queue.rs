//! Batches on their way out, and back again.
//!
//! Workers and tables push full batches; the thread that writes the file pulls them; the
//! blocks of what has been pulled are kept for others. Nothing is pushed at the
//! reader, so a slow disk holds up nobody but itself.
//!
//! ```text
//!  writers ──push──► full[generation even/odd] ──pull──► reader ──► file
//!     ▲                                                    │
//!     └───────────── take ──── pages ◄─────────────────────┘
//! ```
//!
//! # What the reader gets
//!
//! ```text
//! Closed ──open──► header, then for each generation: its batches, its end mark
//!    ▲                                                        │
//!    └──────── End, once the last generation has been read ◄──┘
//! ```
//!
//! Between two files there is an `End`, always, or nobody could tell them apart.
//!
//! # What is not full yet
//!
//! A thread that emits little keeps its batch for as long as a generation lasts, and
//! readers of a file that is cut off would wait for its events. So the reader, when
//! there is no full batch, [looks](Queue::part) into what threads are still writing,
//! and takes a copy of what it has not had. The thread does not notice. When it pushes
//! the batch in the end, only the rest is queued.
//!
//! ```text
//!   a thread's batch   │ header │ had before │ new │ free      copied under the lock,
//!                               └► `upto` ──────►│             which every batch passes
//!                                                              on its way out
//! ```
//!
//! # Invariants
//!
//! 1. At most two generations are in the queue: the one being read, and the one
//!    after it. `generation.rs` keeps a third from starting.
//! 2. A generation's end is read only after all its batches: `complete` moves
//!    to it when the last one has been pushed.
//! 3. Batches of one thread are read in the order in which it pushed them.
//! 4. All state is behind one lock of the highest rank. It is held for a few
//!    steps, or for a copy, per 64 KiB of trace, so contention on it is of no account.
//! 5. A batch that a thread has offered in the epoch being read leaves the thread only
//!    by a push, which takes the lock after the offer has changed. While the lock is
//!    held, a batch that is found in an offer is whole, and nobody begins it again or
//!    gives it back. (A batch that is thrown away without a push is of an epoch that is
//!    never read, or of one that has been read to its end.)
//! 6. A part of a batch is read after all that its thread has pushed, and before the
//!    rest: it is taken while no batch of that generation is queued.
//!
//! *Epochs* here are generations by numbers that are not used twice; see
//! `generation.rs`.

use core::ptr::NonNull;

use trace_format::Version;

use crate::batch::{Batch, List, hand_in, peek};
use crate::lock::{Rank, RankedLock};
use crate::offer::Offer;
use crate::pages::{Env, NoMemory};
use crate::sync::const_unless_loom;

/// What a generation's writers need to write batches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Out<'a> {
    pub(crate) queue: &'a Queue,
    pub(crate) env: Env<'a>,
    /// The generation's epoch.
    pub(crate) epoch: u64,
    /// The generation, as numbered in the file.
    pub(crate) generation: u64,
    /// Whether what was set aside may be used.
    pub(crate) last_resort: bool,
}

impl Out<'_> {
    /// The same, and what was set aside may be used.
    pub(crate) const fn last_resort(self) -> Self {
        Self {
            last_resort: true,
            ..self
        }
    }

    /// An empty batch. It has yet to begin.
    pub(crate) fn take_empty(&self) -> Result<Batch, NoMemory> {
        Batch::take(&self.env).or_else(|error| {
            let mut state = self.queue.state.lock(self.env.held);
            let aside = &mut state.aside[parity(self.epoch)];
            let batch = self.last_resort.then(|| aside.pop_front()).flatten();
            batch.ok_or(error)
        })
    }

    /// Sets `count` empty batches aside, for what finishes the generation:
    /// taken now, so that they are there then. All or none.
    pub(crate) fn set_aside(&self, count: usize) -> Result<(), NoMemory> {
        let mut taken = List::new();
        for _ in 0..count {
            match self.take_empty() {
                Ok(batch) => taken.push_back(batch),
                Err(error) => {
                    while let Some(batch) = taken.pop_front() {
                        batch.unmap(self.env.pages);
                    }
                    return Err(error);
                }
            }
        }
        let mut state = self.queue.state.lock(self.env.held);
        while let Some(batch) = taken.pop_front() {
            state.aside[parity(self.epoch)].push_back(batch);
        }
        Ok(())
    }

    /// Seals a batch and queues it for the reader, without what the reader has had.
    pub(crate) fn push_full(&self, mut batch: Batch) {
        batch.seal();
        let mut state = self.queue.state.lock(self.env.held);
        batch.cut();
        if batch.is_spent() {
            drop(state);
            batch.give_back(self.env.pages);
        } else {
            state.count(&batch);
            state.full[parity(self.epoch)].push_back(batch);
        }
    }
}

/// Which of two slots belongs to this generation.
pub(crate) const fn parity(epoch: u64) -> usize {
    (epoch % 2) as usize
}

/// What the reader is given next.
#[derive(Debug)]
pub(crate) enum Pulled {
    /// The start of a file.
    Header(Version),
    /// A full batch.
    Batch(Batch),
    /// The mark behind a generation.
    EndOfGeneration,
    /// Nothing now; more will come.
    Pending,
    /// Nothing more will come.
    End,
}

/// Why a look into a thread's batch shows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unseen {
    /// There is nothing to be seen.
    Nothing,
    /// Something has been pushed meanwhile, which is read before.
    Pushed,
}

/// The queue of batches; see the module's documentation.
#[derive(Debug)]
pub(crate) struct Queue {
    state: RankedLock<State>,
}

#[derive(Debug)]
struct State {
    full: [List; 2],
    /// What was set aside for finishing each.
    aside: [List; 2],
    version: Version,
    header_due: bool,
    /// The epoch being read; 0 when closed.
    reading: u64,
    /// Whether the reader has yet to be told that the file was its last piece.
    end_due: bool,
    /// The newest epoch that is complete.
    complete: u64,
    /// The epoch behind which nothing follows; `u64::MAX` while it is unknown.
    last: u64,
    /// Whether the last generation is not whole and gets no end mark.
    cut: bool,
    pushed_bytes: u64,
    pushed_batches: u64,
}

impl Queue {
    const_unless_loom! {
        /// An empty, closed queue.
        pub(crate) fn new() -> Self {
            Self {
                state: RankedLock::new(Rank::Tracer, State {
                    full: [List::new(), List::new()],
                    aside: [List::new(), List::new()],
                    version: Version::Go126,
                    header_due: false,
                    reading: 0,
                    end_due: false,
                    complete: 0,
                    last: 0,
                    cut: false,
                    pushed_bytes: 0,
                    pushed_batches: 0,
                }),
            }
        }
    }

    /// Whether the last file has been read to its end, and the reader knows.
    pub(crate) fn is_read(&self, env: &Env<'_>) -> bool {
        self.state.lock(env.held).is_read()
    }

    /// Prepares for another file: figures begin anew. The reader sees nothing of
    /// it until it is [open](Self::open).
    pub(crate) fn prepare(&self, env: &Env<'_>) {
        let mut state = self.state.lock(env.held);
        state.pushed_bytes = 0;
        state.pushed_batches = 0;
    }

    /// Starts a file whose first generation is `epoch`, if the last one has
    /// been read to its end.
    pub(crate) fn open(&self, epoch: u64, version: Version, env: &Env<'_>) -> bool {
        let mut state = self.state.lock(env.held);
        if !state.is_read() {
            return false;
        }
        state.version = version;
        state.header_due = true;
        state.reading = epoch;
        state.complete = epoch - 1;
        state.last = u64::MAX;
        state.cut = false;
        true
    }

    /// Throws the full batches of `epoch` away; each is shown before.
    pub(crate) fn discard(&self, epoch: u64, env: &Env<'_>, mut show: impl FnMut(&Batch)) {
        loop {
            let batch = self.state.lock(env.held).full[parity(epoch)].pop_front();
            let Some(batch) = batch else { return };
            show(&batch);
            batch.unmap(env.pages);
        }
    }

    /// Gives back what was set aside for finishing `epoch`.
    pub(crate) fn release_aside(&self, epoch: u64, env: &Env<'_>) {
        loop {
            let batch = self.state.lock(env.held).aside[parity(epoch)].pop_front();
            match batch {
                None => return,
                Some(batch) => batch.give_back(env.pages),
            }
        }
    }

    /// Whether batches wait for the reader.
    pub(crate) fn is_waited_for(&self, env: &Env<'_>) -> bool {
        let state = self.state.lock(env.held);
        state.full.iter().any(|list| list.len() > 0)
    }

    /// Whether the reader has come as far as `epoch`.
    pub(crate) fn has_reached(&self, epoch: u64, env: &Env<'_>) -> bool {
        self.state.lock(env.held).reading >= epoch
    }

    /// Declares that all batches of `epoch` have been pushed, and whether it is
    /// the last.
    pub(crate) fn complete(&self, epoch: u64, last: bool, env: &Env<'_>) {
        let mut state = self.state.lock(env.held);
        state.complete = epoch;
        if last {
            state.last = epoch;
        }
    }

    /// Declares that the file ends within `epoch`, without a mark.
    pub(crate) fn cut(&self, epoch: u64, env: &Env<'_>) {
        let mut state = self.state.lock(env.held);
        state.complete = epoch;
        state.last = epoch;
        state.cut = true;
    }

    /// Gives back what was pulled before, and pulls what is next.
    pub(crate) fn pull(&self, done: Option<Batch>, env: &Env<'_>) -> Pulled {
        if let Some(done) = done {
            done.give_back(env.pages);
        }
        let pulled = self.state.lock(env.held).pull();
        if matches!(pulled, Pulled::End) {
            // This was the last batch. (If the tables come after it, who gives
            // them back sees to it.)
            env.pages.unmap_kept();
        }
        pulled
    }

    /// The epoch that the reader is at, as long as it is not complete.
    pub(crate) fn reading(&self, env: &Env<'_>) -> Option<u64> {
        let state = self.state.lock(env.held);
        (state.complete < state.reading).then_some(state.reading)
    }

    /// Copies into `part`, which is empty, what the thread that makes this offer has
    /// written into `epoch` and the reader has not had. Called by the reader.
    pub(crate) fn part(
        &self,
        epoch: u64,
        offer: &Offer,
        part: &mut Batch,
        env: &Env<'_>,
    ) -> Result<(), Unseen> {
        let (block, len) = {
            let state = self.state.lock(env.held);
            let block = state.offered(epoch, offer)?;
            // SAFETY: Invariant 5, until the lock is free.
            let rest = unsafe { peek(block) };
            if rest.events.is_empty() {
                return Err(Unseen::Nothing);
            }
            part.copy(&rest);
            (block, rest.events.len())
        };
        // Without the lock, since it takes a while.
        let time = part.end_time();
        part.seal();
        let mut state = self.state.lock(env.held);
        // If the thread has gone on to another batch, this one is read as a whole.
        if state.offered(epoch, offer)? != block {
            return Err(Unseen::Nothing);
        }
        // SAFETY: Invariant 5. It holds what it held: nobody else looks into batches, and
        // to be begun again it would have to be pulled, by the reader.
        unsafe { hand_in(block, len, time) };
        state.count(part);
        Ok(())
    }

    /// Waits until nobody looks into a batch that is not offered any more.
    pub(crate) fn wait_for_looks(&self, env: &Env<'_>) {
        drop(self.state.lock(env.held));
    }

    /// Bytes and batches pushed since the file was prepared.
    pub(crate) fn pushed(&self, env: &Env<'_>) -> (u64, u64) {
        let state = self.state.lock(env.held);
        (state.pushed_bytes, state.pushed_batches)
    }
}

impl State {
    fn is_read(&self) -> bool {
        self.reading == 0 && !self.end_due
    }

    /// Counts a batch that will be in the file.
    fn count(&mut self, batch: &Batch) {
        self.pushed_bytes += batch.bytes().len() as u64;
        self.pushed_batches += 1;
    }

    /// The batch in this offer, if it may be looked into: the reader is at `epoch`, has
    /// read all that was pushed, and is not yet told that no more will come.
    fn offered(&self, epoch: u64, offer: &Offer) -> Result<NonNull<u8>, Unseen> {
        if self.reading != epoch || self.complete >= epoch {
            return Err(Unseen::Nothing);
        }
        if self.full[parity(epoch)].len() > 0 {
            return Err(Unseen::Pushed);
        }
        offer.look().ok_or(Unseen::Nothing)
    }

    fn pull(&mut self) -> Pulled {
        if self.reading == 0 {
            self.end_due = false;
            return Pulled::End;
        }
        if self.header_due {
            self.header_due = false;
            return Pulled::Header(self.version);
        }
        loop {
            if let Some(batch) = self.full[parity(self.reading)].pop_front() {
                return Pulled::Batch(batch);
            }
            if self.complete < self.reading {
                return Pulled::Pending;
            }
            // Invariant 2: this generation has been read to its end.
            self.reading = if self.reading == self.last {
                0
            } else {
                self.reading + 1
            };
            let marked = self.reading != 0 || !self.cut;
            if self.version.has_end_of_generation() && marked {
                self.end_due = self.reading == 0;
                return Pulled::EndOfGeneration;
            }
            if self.reading == 0 {
                return Pulled::End;
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::lock::Held;
    use crate::pages::{BLOCK_SIZE, MAX_KEPT, Pages};
    use std::string::String;
    use trace_format::BatchHeader;

    struct Fixture {
        queue: Queue,
        pages: Pages,
        held: Held,
    }

    impl Fixture {
        fn env(&self) -> Env<'_> {
            Env::new(&self.pages, &self.held)
        }

        fn push(&self, epoch: u64, thread: u64) {
            let out = Out {
                queue: &self.queue,
                env: self.env(),
                epoch,
                generation: epoch,
                last_resort: false,
            };
            let mut batch = out.take_empty().unwrap();
            batch.begin(&BatchHeader {
                generation: epoch,
                thread,
                time: 0,
            });
            out.push_full(batch);
        }

        /// Everything that can be pulled now, in words.
        fn pull_all(&self) -> String {
            let mut text = String::new();
            let mut done = None;
            loop {
                let pulled = self.queue.pull(done.take(), &self.env());
                match pulled {
                    Pulled::Header(version) => text += &std::format!("[{version}]"),
                    Pulled::Batch(batch) => {
                        let bytes = batch.bytes();
                        text += &std::format!(" {}.{}", bytes[1], bytes[2]);
                        done = Some(batch);
                    }
                    Pulled::EndOfGeneration => text += " |",
                    Pulled::Pending => return text + " ?",
                    Pulled::End => return text + " .",
                }
            }
        }
    }

    fn fixture() -> Fixture {
        Fixture {
            queue: Queue::new(),
            pages: Pages::new(usize::MAX),
            held: Held::new(),
        }
    }

    #[test]
    fn generations_come_out_one_after_the_other() {
        let f = fixture();
        assert_eq!(f.pull_all(), " .");
        assert!(f.queue.open(4, Version::Go126, &f.env()));
        f.push(4, 1);
        f.push(5, 2);
        f.push(4, 3);
        assert_eq!(f.pull_all(), "[go 1.26] 4.1 4.3 ?");
        assert!(!f.queue.has_reached(5, &f.env()));
        f.push(4, 4);
        f.queue.complete(4, false, &f.env());
        assert_eq!(f.pull_all(), " 4.4 | 5.2 ?");
        assert!(f.queue.has_reached(5, &f.env()));
        assert!(!f.queue.open(6, Version::Go126, &f.env()), "opened twice");
        f.queue.complete(5, true, &f.env());
        assert_eq!(f.pull_all(), " | .");
        assert_eq!(f.pages.mapped(), 0);
        assert!(f.queue.open(6, Version::Go125, &f.env()));
        f.push(6, 1);
        f.queue.complete(6, true, &f.env());
        assert_eq!(f.pull_all(), "[go 1.25] 6.1 .");
    }

    #[test]
    fn the_end_comes_before_another_file() {
        let f = fixture();
        for (version, mark) in [(Version::Go125, false), (Version::Go126, true)] {
            let epoch = u64::from(mark) + 1;
            assert!(f.queue.is_read(&f.env()));
            f.push(epoch, 1);
            assert_eq!(f.pull_all(), " .", "not before it is open");
            assert!(f.queue.open(epoch, version, &f.env()));
            f.queue.complete(epoch, true, &f.env());
            let mut done = None;
            for _ in 0..2 + usize::from(mark) {
                assert!(!f.queue.is_read(&f.env()));
                let pulled = f.queue.pull(done.take(), &f.env());
                assert!(!matches!(pulled, Pulled::End | Pulled::Pending));
                done = match pulled {
                    Pulled::Batch(batch) => Some(batch),
                    _ => None,
                };
            }
            assert!(!f.queue.is_read(&f.env()), "{version}: End is yet to come");
            assert!(!f.queue.open(epoch + 1, version, &f.env()));
            assert!(matches!(f.queue.pull(done, &f.env()), Pulled::End));
        }
        assert!(f.queue.is_read(&f.env()));
    }

    #[test]
    fn batches_are_kept_until_the_end() {
        let f = fixture();
        assert!(f.queue.open(1, Version::Go126, &f.env()));
        for thread in 0..50 {
            f.push(1, thread);
        }
        f.pull_all();
        assert_eq!(f.pages.mapped(), MAX_KEPT * BLOCK_SIZE);
        f.queue.complete(1, true, &f.env());
        assert_eq!(f.pull_all(), " | .");
        assert_eq!(f.pages.mapped(), 0);
    }
}
