//! Where the models' batches come from and go to.

use std::collections::BTreeMap;
use std::time::Duration;

use loom::sync::atomic::{AtomicU64, Ordering};
use trace_format::{BatchHeader, EventKind, Version, varint};

use crate::batch::Batch;
use crate::lock::Held;
use crate::pages::{Env, Pages};
use crate::queue::{Out, Pulled, Queue};
use crate::sync::{Fence, OwnFence, Patience};
use crate::thread::Slot;

/// Begins to write, as `Worker::acquire` does. (Models fence for themselves at any
/// rate.)
pub(crate) fn enter(slot: &Slot, epoch: &AtomicU64, busy: impl FnOnce(u64)) -> Option<u64> {
    // Relaxed: looked at again.
    match epoch.load(Ordering::Relaxed) {
        0 => None,
        seen => slot.enter(epoch, seen, &OwnFence::new(Fence::Other), busy),
    }
}

/// A queue, and the memory for its batches.
pub(crate) struct Output {
    pub(crate) queue: Queue,
    pub(crate) pages: Pages,
}

impl Output {
    /// An open queue whose first epoch is 1.
    pub(crate) fn new() -> Self {
        let output = Self {
            queue: Queue::new(),
            pages: Pages::new(usize::MAX),
        };
        let held = Held::new();
        let opened = output.queue.open(1, Version::Go126, &output.env(&held));
        assert!(opened);
        output
    }

    pub(crate) fn env<'a>(&'a self, held: &'a Held) -> Env<'a> {
        Env::new(&self.pages, held)
    }

    pub(crate) fn out<'a>(&'a self, epoch: u64, held: &'a Held) -> Out<'a> {
        Out {
            queue: &self.queue,
            env: self.env(held),
            epoch,
            generation: epoch,
            last_resort: false,
        }
    }

    /// An empty batch that has begun.
    pub(crate) fn begin(&self, epoch: u64, thread: u64, held: &Held) -> Batch {
        let out = self.out(epoch, held);
        let mut batch = out.take_empty().expect("no limit is set");
        batch.begin(&BatchHeader {
            generation: epoch,
            thread,
            time: 0,
        });
        batch
    }

    /// Queues one batch with the creation of task `id`.
    pub(crate) fn push(&self, epoch: u64, thread: u64, id: u64) {
        let held = Held::new();
        let mut batch = self.begin(epoch, thread, &held);
        create(&mut batch, id);
        self.out(epoch, &held).push_full(batch);
    }

    /// Declares that `epoch` is complete, and whether it is the last.
    pub(crate) fn complete(&self, epoch: u64, last: bool) {
        let held = Held::new();
        self.queue.complete(epoch, last, &self.env(&held));
    }
}

/// Patience with threads that leave in the end.
pub(crate) fn endless() -> Patience {
    Patience::new(Duration::MAX)
}

/// Writes the creation of task `id`.
pub(crate) fn create(batch: &mut Batch, id: u64) {
    assert!(batch.append_timed(EventKind::GoCreate, 0, &[id, 0, 0]));
}

/// Reads a queue, piece by piece, as the tracer's reader does.
#[derive(Default)]
pub(crate) struct Reading {
    done: Option<Batch>,
    pub(crate) pieces: Vec<Piece>,
}

/// A piece of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Header,
    /// The batch's generation, thread and bytes behind its header.
    Batch(u64, u64, Vec<u8>),
    EndOfGeneration,
}

impl Reading {
    /// Pulls once: whether there may be more.
    pub(crate) fn pull(&mut self, output: &Output) -> bool {
        let held = Held::new();
        let piece = match output.queue.pull(self.done.take(), &output.env(&held)) {
            Pulled::Header(_) => Piece::Header,
            Pulled::Batch(batch) => {
                let piece = piece(&batch);
                self.done = Some(batch);
                piece
            }
            Pulled::EndOfGeneration => Piece::EndOfGeneration,
            Pulled::Pending | Pulled::End => return false,
        };
        self.pieces.push(piece);
        true
    }

    /// Pulls the rest of a file that is complete, after which no page is left.
    pub(crate) fn finish(mut self, output: &Output) -> Vec<Piece> {
        while self.pull(output) {}
        assert_eq!(output.pages.mapped(), 0, "pages left behind");
        self.pieces
    }
}

fn piece(batch: &Batch) -> Piece {
    let mut rest = batch.bytes();
    assert_eq!(rest[0], EventKind::EventBatch as u8);
    rest = &rest[1..];
    let [generation, thread, _, size] = [(); 4].map(|()| number(&mut rest));
    assert_eq!(rest.len() as u64, size, "sealed with another size");
    Piece::Batch(generation, thread, rest.to_vec())
}

fn number(rest: &mut &[u8]) -> u64 {
    let (value, used) = varint::decode(rest).expect("a whole number");
    *rest = &rest[used..];
    value
}

/// The tasks that a batch's bytes create.
pub(crate) fn created(mut bytes: &[u8]) -> Vec<u64> {
    let mut ids = Vec::new();
    while let [kind, rest @ ..] = bytes {
        assert_eq!(*kind, EventKind::GoCreate as u8);
        bytes = rest;
        let [_, id, _, _] = [(); 4].map(|()| number(&mut bytes));
        ids.push(id);
    }
    ids
}

/// The strings that a batch's bytes define, none twice.
pub(crate) fn defined(mut bytes: &[u8], strings: &mut BTreeMap<u64, String>) {
    assert_eq!(number(&mut bytes), EventKind::Strings as u64);
    while let [kind, rest @ ..] = bytes {
        assert_eq!(*kind, EventKind::String as u8);
        bytes = rest;
        let [id, size] = [(); 2].map(|()| number(&mut bytes));
        let (text, rest) = bytes.split_at(size as usize);
        bytes = rest;
        let text = String::from_utf8(text.to_vec()).expect("UTF-8");
        assert_eq!(strings.insert(id, text), None, "string {id} twice");
    }
}
