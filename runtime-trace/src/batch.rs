//! One batch: a block that a stretch of the trace is written into.
//!
//! ```text
//!  block header │ link │ place, handed │ batch header │ handed in │ events … │ free
//!                                                     └► `upto`
//!                                       └────────── `used` bytes ───────────┘
//! ```
//!
//! A batch starts with its header on the wire, in which the place of the size
//! is reserved; [`Batch::seal`] fills it in. Writing is two steps, so that a
//! record is never torn: make sure of the room, then write the whole record.
//!
//! # Invariants
//!
//! 1. A `Batch` owns its block: its owner alone writes to it, or the code that it was
//!    [lent](Lent) to meanwhile. Invariant 4 has the one exception.
//! 2. `used` never exceeds the capacity, and the bytes below it are a batch
//!    header followed by whole records.
//! 3. Between `begin` and `seal` the bytes below `used` do not change, and `seal`
//!    changes those of the size alone. So who keeps the owner from beginning the
//!    batch again, and from giving it back, may read its events while the owner goes
//!    on writing behind them: see [`peek`].
//! 4. What lies below `upto` is in the file already: as a batch of its own, whose last
//!    event has the time `handed.time`. Both change under the queue's lock, and so does
//!    the batch's start in [`Batch::cut`], which leaves that out.
//!
//! `used` is read and written by the owner, so Relaxed is enough but for
//! `peek`, and a batch changes hands through the queue's lock.

use core::ptr::{self, NonNull};
use core::slice;

use trace_format::{BatchHeader, EventKind, limits, varint};

use crate::pages::{BLOCK_SIZE, Backing, BlockHeader, Env, Kind, NoMemory, Pages};
use crate::sync::{AtomicU64, AtomicUsize, Ordering, UnsafeCell};

/// Bytes of trace that a batch holds, its header on the wire included.
pub(crate) const CAPACITY: usize = BLOCK_SIZE - CONTENT_AT;
const CONTENT_AT: usize = size_of::<Prefix>();

/// What stands before the bytes, for its size alone.
#[repr(C)]
struct Prefix {
    _header: BlockHeader,
    _next: *mut Block,
    _place: UnsafeCell<Place>,
    _handed: Handed,
}

#[repr(C)]
struct Block {
    header: BlockHeader,
    /// Next in a list of batches; belongs to the list's owner.
    next: *mut Block,
    /// Stands for `bytes` as well: the owner reads and writes them only while
    /// it has this cell, so that models see it. (`peek` does not, and says why.)
    place: UnsafeCell<Place>,
    handed: Handed,
    bytes: [u8; CAPACITY],
}

#[derive(Default)]
#[repr(C)]
struct Place {
    /// Where the batch starts: 0, unless something was left out.
    start: usize,
    /// Where the reserved size stands.
    size_at: usize,
}

/// What is in the file already (Invariant 4). Relaxed, all: `begin` writes them before
/// the batch is offered, and then the queue's lock orders them.
#[derive(Default)]
#[repr(C)]
struct Handed {
    /// Where the rest begins; at first behind the header.
    upto: AtomicUsize,
    /// The time that the rest counts from.
    time: AtomicU64,
    /// Whose batch it is; the header says so as well, beside bytes that change.
    thread: AtomicU64,
}

static_assertions::const_assert_eq!(size_of::<Block>(), BLOCK_SIZE);
// A batch as a whole is smaller than the format's limit for its payload alone.
static_assertions::const_assert!(CAPACITY <= limits::MAX_BATCH_SIZE);

/// A batch, owned. It must be handed on (to a queue) or given back.
#[derive(Debug)]
#[must_use]
pub(crate) struct Batch(NonNull<Block>);

// SAFETY: a batch owns its block (Invariant 1), which is tied to no thread.
unsafe impl Send for Batch {}

impl Batch {
    /// Takes a block for an empty batch.
    pub(crate) fn take(env: &Env<'_>) -> Result<Self, NoMemory> {
        let block = env.take(Backing::Later)?.cast::<Block>();
        // SAFETY: the block is ours, as large as a `Block`, and page-aligned. Of
        // the rest nothing is read before it is written: the link in `push_back`,
        // the bytes up to `used` in `begin` and after.
        unsafe {
            (&raw mut (*block.as_ptr()).header).write(BlockHeader::new(Kind::Batch));
            (&raw mut (*block.as_ptr()).place).write(UnsafeCell::new(Place::default()));
            (&raw mut (*block.as_ptr()).handed).write(Handed::default());
        }
        Ok(Self(block))
    }

    /// Gives the block back, to be kept for reuse: for who is certain that kept
    /// blocks are unmapped after that.
    pub(crate) fn give_back(self, pages: &Pages) {
        debug_assert_eq!(self.header().kind(), Some(Kind::Batch));
        // SAFETY: we own the block (Invariant 1) and end here. It came from `pages`:
        // a tracer has one, and so has a test.
        unsafe { pages.give_back(self.0.cast()) };
    }

    /// Gives the block back to the system.
    pub(crate) fn unmap(self, pages: &Pages) {
        debug_assert_eq!(self.header().kind(), Some(Kind::Batch));
        // SAFETY: as in `give_back`.
        unsafe { pages.unmap(self.0.cast()) };
    }

    #[inline(always)]
    fn header(&self) -> &BlockHeader {
        // SAFETY: the block is mapped and initialised as long as we own it.
        unsafe { &(*self.0.as_ptr()).header }
    }

    /// Lends the place and the bytes from `from` on. Whatever lies below may be
    /// read by somebody else (Invariant 3).
    #[inline(always)]
    fn with_mut<R>(&mut self, from: usize, write: impl FnOnce(&mut Place, &mut [u8]) -> R) -> R {
        // SAFETY: as above; `&mut self` keeps everybody else out, but for
        // `peek`, which stays below `used`.
        unsafe {
            let bytes = (&raw mut (*self.0.as_ptr()).bytes).cast::<u8>();
            (*self.0.as_ptr()).place.with_mut(|place| {
                let free = slice::from_raw_parts_mut(bytes.add(from), CAPACITY - from);
                write(&mut *place, free)
            })
        }
    }

    fn handed(&self) -> &Handed {
        // SAFETY: as for the header.
        unsafe { &(*self.0.as_ptr()).handed }
    }

    /// Where the block is, to be given to [`peek`].
    pub(crate) fn address(&self) -> *mut u8 {
        self.0.as_ptr().cast()
    }

    /// Empties the batch and writes its header.
    pub(crate) fn begin(&mut self, header: &BatchHeader) {
        let (used, size_at) = self.with_mut(0, |place, bytes| {
            let (used, size_at) = header.encode(bytes);
            *place = Place { start: 0, size_at };
            (used, size_at)
        });
        debug_assert!(size_at < used);
        self.header().set_generation(header.generation);
        self.handed().upto.store(used, Ordering::Relaxed);
        self.handed().time.store(header.time, Ordering::Relaxed);
        self.handed().thread.store(header.thread, Ordering::Relaxed);
        // Relaxed: see the module's documentation.
        self.header().used.store(used, Ordering::Relaxed);
    }

    /// Whether `size` more bytes fit.
    pub(crate) fn has_room(&self, size: usize) -> bool {
        // Relaxed: see the module's documentation.
        size <= CAPACITY - self.header().used.load(Ordering::Relaxed)
    }

    /// Writes a record of at most `max` bytes, for which there is room: `write`
    /// gets as many bytes and returns how many it used. No more than `max` become
    /// part of the batch, whatever it returns, and none if there is no room.
    ///
    /// # Panics
    ///
    /// If `write` panics for lack of room; the batch is as it was then.
    pub(crate) fn append(&mut self, max: usize, write: impl FnOnce(&mut [u8]) -> usize) {
        // Relaxed: see the module's documentation.
        let used = self.header().used.load(Ordering::Relaxed);
        let size = self.with_mut(used, |_, free| free.get_mut(..max).map_or(0, write));
        debug_assert!(
            size > 0 && size <= max,
            "a record of {size} bytes was announced as {max}"
        );
        let size = size.min(max);
        // Only now does the record exist (Invariant 2).
        // Release: pairs with the Acquire load in `peek`, which reads the bytes.
        // mutant: models do not see bytes that `peek` reads (Invariant 3).
        self.header().used.store(used + size, Ordering::Release);
    }

    /// Writes a timed event, `since` units after the one before or the batch's
    /// beginning, and says whether it did: if there is room for any event of so
    /// many arguments.
    #[must_use]
    pub(crate) fn append_timed(&mut self, kind: EventKind, since: u64, args: &[u64]) -> bool {
        // SAFETY: we own the batch (Invariant 1), and it is there as long.
        unsafe { self.lend().append_timed(kind, since, args) }
    }

    /// The batch, for who knows better than by looking that it may append to it.
    #[inline(always)]
    pub(crate) fn lend(&self) -> Lent {
        Lent(self.0)
    }

    /// Fills in the size; the batch is complete. One that has not begun stays empty.
    pub(crate) fn seal(&mut self) {
        // Relaxed: see the module's documentation.
        let used = self.header().used.load(Ordering::Relaxed);
        debug_assert!(used > 0, "it has begun");
        // SAFETY: as in `with_mut`; the size's bytes, which nobody reads meanwhile
        // (Invariant 3), are in the header.
        unsafe {
            let bytes = (&raw mut (*self.0.as_ptr()).bytes).cast::<u8>();
            (*self.0.as_ptr()).place.with_mut(|place| {
                let size_at = (*place).size_at;
                if let Some(size) = used.checked_sub(size_at + varint::MAX_LEN) {
                    let size = varint::encode_padded(size as u64);
                    bytes
                        .add(size_at)
                        .copy_from_nonoverlapping(size.as_ptr(), size.len());
                }
            });
        }
    }

    /// Leaves out what was handed in, with the queue's lock held. The rest gets a header
    /// of its own, in front of it. The batch is sealed.
    pub(crate) fn cut(&mut self) {
        // Relaxed: Invariant 4.
        let upto = self.handed().upto.load(Ordering::Relaxed);
        let mut header = [0; BatchHeader::MAX_LEN];
        let (len, size_at) = self.rest().header.encode(&mut header);
        let is_cut = self.with_mut(0, |place, bytes| {
            let is_part = upto > place.size_at + varint::MAX_LEN;
            // It fits: see `hand_in`.
            let start = upto.checked_sub(len).filter(|_| is_part)?;
            bytes[start..upto].copy_from_slice(&header[..len]);
            let size_at = start + size_at;
            *place = Place { start, size_at };
            Some(())
        });
        if is_cut.is_some() {
            self.seal();
        }
    }

    /// What was not handed in.
    fn rest(&self) -> Rest<'_> {
        // SAFETY: we own the batch, which was begun, and it stays as it is while it is
        // borrowed.
        unsafe { peek(self.0.cast()) }
    }

    /// The bytes written so far, without those that were left out.
    pub(crate) fn bytes(&self) -> &[u8] {
        // Relaxed: see the module's documentation.
        let used = self.header().used.load(Ordering::Relaxed);
        // SAFETY: we own the block; the bytes live as long as the batch is
        // borrowed, and a borrowed batch is not written to (Invariant 1).
        unsafe {
            let bytes = (&raw const (*self.0.as_ptr()).bytes).cast::<u8>();
            (*self.0.as_ptr()).place.with(|place| {
                let start = (*place).start;
                slice::from_raw_parts(bytes.add(start), used - start)
            })
        }
    }

    /// Whether all of it was handed in and left out.
    pub(crate) fn is_spent(&self) -> bool {
        // SAFETY: as in `bytes`.
        let start = unsafe { (*self.0.as_ptr()).place.with(|place| (*place).start) };
        start > 0 && self.rest().events.is_empty()
    }

    /// Makes this empty batch one of what another has that was not handed in.
    pub(crate) fn copy(&mut self, rest: &Rest<'_>) {
        self.begin(&rest.header);
        let events = rest.events;
        if self.has_room(events.len()) && !events.is_empty() {
            self.append(events.len(), |to| {
                to.copy_from_slice(events);
                events.len()
            });
        }
    }

    /// The time of the last event in it.
    pub(crate) fn end_time(&self) -> u64 {
        let Rest { header, events } = self.rest();
        let mut time = header.time;
        each_event(events, |_, args| time = time.saturating_add(args[0]));
        time
    }

    /// The generation, as numbered in the file.
    pub(crate) fn generation(&self) -> u64 {
        self.header().generation()
    }

    /// Calls `visit` with the kind and the arguments, the time difference not
    /// among them, of each timed event in it.
    pub(crate) fn events(&self, mut visit: impl FnMut(EventKind, &[u64])) {
        each_event(self.rest().events, |kind, args| visit(kind, &args[1..]));
    }
}

/// A batch that belongs to somebody else, to append to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lent(NonNull<Block>);

// SAFETY: what is done with it is promised by who does it.
unsafe impl Send for Lent {}

impl Lent {
    /// No batch. Not to be appended to.
    pub(crate) const NONE: Self = Self(NonNull::dangling());

    /// As [`Batch::append_timed`], if besides no number is too large to be written
    /// as a word.
    ///
    /// # Safety
    ///
    /// The batch is still there, and whoever has it leaves it alone.
    #[inline(always)]
    #[must_use]
    pub(crate) unsafe fn append_short(self, kind: EventKind, since: u64, args: &[u64]) -> bool {
        // SAFETY: the caller's word; `put` writes no more than `MAX_LEN` bytes.
        unsafe { self.append(kind, since, args, |bytes, at, value| put(bytes, at, value)) }
    }

    /// As [`Batch::append_timed`], whatever the numbers.
    ///
    /// # Safety
    ///
    /// As for [`append_short`](Self::append_short).
    #[must_use]
    pub(crate) unsafe fn append_timed(self, kind: EventKind, since: u64, args: &[u64]) -> bool {
        // SAFETY: the caller's word; nor does `put_long`.
        unsafe {
            self.append(kind, since, args, |bytes, at, value| {
                put(bytes, at, value).or_else(|| Some(put_long(bytes, at, value)))
            })
        }
    }

    /// Appends with `put`, which writes a number at a place and returns where the next
    /// one goes, or that it does not.
    ///
    /// # Safety
    ///
    /// As for [`append_short`](Self::append_short); and of `MAX_LEN` bytes at the place
    /// `put` writes no more.
    #[inline(always)]
    unsafe fn append(
        self,
        kind: EventKind,
        since: u64,
        args: &[u64],
        put: impl Fn(*mut u8, usize, u64) -> Option<usize>,
    ) -> bool {
        debug_assert_eq!(kind.args().len(), args.len(), "{kind:?}");
        let block = self.0.as_ptr();
        // SAFETY: the caller's word: there is a block, whose header nobody has
        // exclusively.
        let stands = unsafe { &(*block).header.used };
        // Relaxed: see the module's documentation.
        let used = stands.load(Ordering::Relaxed);
        if used > CAPACITY - timed_size(args.len()) {
            return false;
        }
        // SAFETY: the caller's word: nobody else has the cell. What is written is
        // behind `used`, which `peek` does not reach, and there are at least
        // `timed_size` bytes, as just checked: one, and `MAX_LEN` for each number.
        let end = unsafe {
            let bytes = (&raw mut (*block).bytes).cast::<u8>();
            (*block).place.with_mut(|_| {
                bytes.add(used).write(kind as u8);
                let mut at = put(bytes, used + 1, since)?;
                for &arg in args {
                    at = put(bytes, at, arg)?;
                }
                Some(at)
            })
        };
        let Some(end) = end else {
            return false;
        };
        // As in `append`.
        // Release: pairs with the Acquire load in `peek`, which reads the bytes.
        // mutant: models do not see bytes that `peek` reads (Invariant 3).
        stands.store(end, Ordering::Release);
        true
    }
}

/// Calls `visit` with the kind and the arguments, the time difference first, of each
/// timed event.
fn each_event(mut rest: &[u8], mut visit: impl FnMut(EventKind, &[u64])) {
    while let [code, after @ ..] = rest {
        // What is no timed event begins a table: there are none in it.
        let Some(kind) = EventKind::from_code(*code).filter(|kind| kind.is_timed()) else {
            return;
        };
        rest = after;
        let mut args = [0; limits::MAX_TIMED_ARGS];
        let count = 1 + kind.args().len();
        for arg in &mut args[..count] {
            let Ok((value, len)) = varint::decode(rest) else {
                return;
            };
            (*arg, rest) = (value, &rest[len..]);
        }
        visit(kind, &args[..count]);
    }
}

/// What a batch holds that was not handed in, as a batch of its own.
#[derive(Debug)]
pub(crate) struct Rest<'b> {
    pub(crate) header: BatchHeader,
    /// Whole records.
    pub(crate) events: &'b [u8],
}

/// What of the batch at `block` has been written so far and was not handed in, while
/// its owner may go on.
///
/// # Safety
///
/// `block` is the address of a batch that was begun. For as long as the bytes are used
/// its owner neither begins it again nor gives it back, and nobody hands a part in or
/// leaves one out.
pub(crate) unsafe fn peek<'b>(block: NonNull<u8>) -> Rest<'b> {
    let block = block.cast::<Block>().as_ptr();
    // SAFETY: the caller's word: the block stays, and the bytes below `used`, but for
    // the size, are written and do not change (Invariant 3). The owner writes behind
    // them, and its cell is not ours to have.
    unsafe {
        let (header, handed) = (&(*block).header, &(*block).handed);
        // Acquire: pairs with the Release store in `append`.
        // mutant: models do not see the bytes behind it.
        let used = header.used.load(Ordering::Acquire);
        // Relaxed, all: Invariant 4.
        let upto = handed.upto.load(Ordering::Relaxed);
        let time = handed.time.load(Ordering::Relaxed);
        let thread = handed.thread.load(Ordering::Relaxed);
        let bytes = (&raw const (*block).bytes).cast::<u8>();
        Rest {
            header: BatchHeader {
                generation: header.generation(),
                thread,
                time,
            },
            events: slice::from_raw_parts(bytes.add(upto), used.saturating_sub(upto)),
        }
    }
}

/// Notes that the first `len` bytes of [`peek`]'s, up to an event at `time`, are handed in.
///
/// So many bytes are always more than a header grows by that has this time and not the
/// one before. The time is the one before and the differences of `n` events. Their sum
/// has at most log2(n + 1) bits, rounded up, more than the longest of them, and each
/// event takes a byte for its kind and one at least for its difference.
///
/// # Safety
///
/// As for `peek`, which showed them; and the queue's lock is held.
pub(crate) unsafe fn hand_in(block: NonNull<u8>, len: usize, time: u64) {
    // SAFETY: the caller's word.
    let handed = unsafe { &(*block.cast::<Block>().as_ptr()).handed };
    // Relaxed, all: Invariant 4.
    let upto = handed.upto.load(Ordering::Relaxed);
    handed.upto.store(upto + len, Ordering::Relaxed);
    handed.time.store(time, Ordering::Relaxed);
}

/// Writes a number at `at`, and returns where the next one goes, or `None` if it is
/// too large. What follows up to there and beyond may be overwritten with anything,
/// up to the limit below.
///
/// # Safety
///
/// `MAX_LEN` bytes from `at` on, counted from `bytes`, may be written.
#[inline(always)]
unsafe fn put(bytes: *mut u8, at: usize, value: u64) -> Option<usize> {
    const _: () = assert!(size_of::<u64>() <= varint::MAX_LEN);
    // SAFETY: the caller's word; a word and its used part are no longer.
    unsafe {
        let to = bytes.add(at);
        // As `pack` has it, too; by itself it takes no length to be added.
        if value < 1 << 7 {
            to.write(value as u8);
            return Some(at + 1);
        }
        let (word, len) = varint::pack(value)?;
        to.cast::<u64>().write_unaligned(word.to_le());
        Some(at + len)
    }
}

/// As [`put`], for numbers that are too large for it.
///
/// # Safety
///
/// As there.
unsafe fn put_long(bytes: *mut u8, at: usize, value: u64) -> usize {
    // SAFETY: the caller's word.
    let to = unsafe { slice::from_raw_parts_mut(bytes.add(at), varint::MAX_LEN) };
    at + varint::encode(value, to)
}

/// Most bytes that a timed event with `args` arguments takes.
pub(crate) const fn timed_size(args: usize) -> usize {
    1 + (1 + args) * varint::MAX_LEN
}

/// A first-in-first-out list of batches, linked through their blocks.
#[derive(Debug)]
pub(crate) struct List {
    head: *mut Block,
    tail: *mut Block,
    len: usize,
}

// SAFETY: a list owns its batches, which are `Send`.
unsafe impl Send for List {}

impl List {
    pub(crate) const fn new() -> Self {
        Self {
            head: ptr::null_mut(),
            tail: ptr::null_mut(),
            len: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn push_back(&mut self, batch: Batch) {
        let block = batch.0.as_ptr();
        // SAFETY: the list owns `block` from here on, and its tail since before;
        // `next` belongs to the list's owner.
        unsafe {
            (*block).next = ptr::null_mut();
            if self.head.is_null() {
                self.head = block;
            } else {
                (*self.tail).next = block;
            }
        }
        self.tail = block;
        self.len += 1;
    }

    pub(crate) fn pop_front(&mut self) -> Option<Batch> {
        let block = NonNull::new(self.head)?;
        // SAFETY: the list owns its head.
        self.head = unsafe { (*block.as_ptr()).next };
        self.len -= 1;
        Some(Batch(block))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::lock::Held;

    const HEADER: BatchHeader = BatchHeader {
        generation: 3,
        thread: 7,
        time: 1000,
    };

    fn with_batch(test: impl FnOnce(&mut Batch)) {
        let pages = Pages::new(usize::MAX);
        let mut batch = Batch::take(&Env::new(&pages, &Held::new())).unwrap();
        batch.begin(&HEADER);
        test(&mut batch);
        batch.unmap(&pages);
        assert_eq!(pages.mapped(), 0);
    }

    #[test]
    fn bytes_of_a_small_batch() {
        with_batch(|batch| {
            assert!(batch.append_timed(EventKind::GoStart, 2, &[300, 1]));
            assert!(batch.append_timed(EventKind::ProcStop, 0, &[]));
            batch.seal();
            assert_eq!(
                batch.bytes(),
                [
                    1, 3, 7, 0xe8, 0x07, // EventBatch, generation, thread, time
                    0x87, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0, // size: 7
                    16, 2, 0xac, 0x02, 1, // GoStart, 2 later, task 300, sequence 1
                    11, 0, // ProcStop, at the same time
                ]
            );
        });
    }

    /// Both ways to write an event write the same, and the one for short numbers
    /// nothing at all if there is a long one.
    #[test]
    fn short_events_are_the_same() {
        const LONG: u64 = 1 << 28;
        // SAFETY: the batch was begun, and its owner waits.
        let short = |batch: &Batch, since, args: &[u64]| unsafe {
            batch.lend().append_short(EventKind::GoUnblock, since, args)
        };
        let edges = [
            0,
            1,
            127,
            128,
            300,
            (1 << 14) - 1,
            1 << 14,
            1 << 21,
            LONG - 1,
            LONG,
            u64::MAX,
        ];
        with_batch(|one| {
            with_batch(|other| {
                let mut wrote = std::vec::Vec::new();
                for since in edges {
                    for args in [[since, 5, 0], [7, since, 1 << 14], [1, 2, since]] {
                        let is_short = short(one, since, &args);
                        assert_eq!(is_short, since < LONG, "{since}, {args:?}");
                        if is_short {
                            assert!(other.append_timed(EventKind::GoUnblock, since, &args));
                            wrote.push(args);
                        }
                        assert_eq!(one.bytes(), other.bytes());
                    }
                }
                while short(one, 1, &[2, 3, 4]) {
                    assert!(other.append_timed(EventKind::GoUnblock, 1, &[2, 3, 4]));
                    wrote.push([2, 3, 4]);
                }
                assert!(!other.append_timed(EventKind::GoUnblock, 1, &[2, 3, 4]));
                assert_eq!(one.bytes(), other.bytes());
                let mut read = wrote.iter();
                one.events(|_, args| assert_eq!(read.next().map(|args| &args[..]), Some(args)));
                assert_eq!(read.next(), None);
            });
        });
    }

    #[test]
    fn a_batch_is_filled_to_the_last_byte_and_no_further() {
        with_batch(|batch| {
            let free = CAPACITY - batch.bytes().len();
            assert!(batch.has_room(free) && !batch.has_room(free + 1));
            batch.append(free, |out| {
                out.fill(0x55);
                out.len()
            });
            assert!(batch.has_room(0) && !batch.has_room(1));
            batch.seal();
            assert_eq!(batch.bytes().len(), CAPACITY);
        });
    }

    #[test]
    fn lists_keep_order() {
        let pages = Pages::new(usize::MAX);
        let mut list = List::new();
        for thread in 0..3 {
            let mut batch = Batch::take(&Env::new(&pages, &Held::new())).unwrap();
            batch.begin(&BatchHeader { thread, ..HEADER });
            list.push_back(batch);
        }
        for thread in 0..3 {
            let batch = list.pop_front().unwrap();
            assert_eq!(u64::from(batch.bytes()[2]), thread);
            batch.unmap(&pages);
        }
        assert!(list.pop_front().is_none());
        assert_eq!(list.len(), 0);
    }
}
