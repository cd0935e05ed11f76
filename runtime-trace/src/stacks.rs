//! The stack table: program counters to stack IDs, resolved at the end.
//!
//! Taking a stack must be cheap, so while a generation runs only its program
//! counters are interned. Now and then [`StackTable::write_new`] walks the map, asks
//! the embedder's [`Symbolizer`] what the counters mean, writes the stacks out that it
//! has not written before, and leaves the names to the string table. When nobody adds
//! to the table any more, [`StackTable::dump`] writes the rest.
//!
//! # Memory
//!
//! Events refer to stacks, so a stack that is in the table must be written, or
//! the generation is worth nothing. How many names it will have nobody knows
//! before the symbolizer is asked, so room for the least that must be written,
//! its root frame, is set aside as the stack comes in; without it the stack is
//! left out. If memory runs out in the dump, frames that cannot be named are left
//! out, all of them if the root is one, and later on stacks are their root frame only.
//!
//! A key is a [`Pcs`]: a first word that says how to read the rest, then the
//! counters from leaf to root.

use core::cell::Cell;
use core::mem::MaybeUninit;

use trace_format::limits::MAX_FRAMES_PER_STACK;
use trace_format::{EventKind, varint};

use crate::batch::{Batch, CAPACITY};
use crate::lock::Rank;
use crate::loss::Text;
use crate::map::{Id, TraceMap, Vacant};
use crate::node::Found;
use crate::pages::{Env, NoMemory};
use crate::queue::Out;
use crate::region::AllocError;
use crate::strings::{StringTable, cut_start, section};
use crate::sync::{AtomicU64, Ordering, const_unless_loom};

/// First word of a stack whose counters are logical frames already.
const LOGICAL: usize = usize::MAX;

/// Longest name of a function or file in a stack, bytes; the end is kept.
const MAX_NAME: usize = 1 << 10;

/// The program counters of one stack, from leaf to root.
///
/// Holds at most 128 counters. What is pushed beyond takes the place of the
/// last one, so that the leaf's side and the root stay: tools name a task after
/// its root frame.
#[derive(Clone, Copy, Debug)]
pub struct Pcs {
    /// Words from the second on; the first `len` are initialised.
    words: [MaybeUninit<usize>; 1 + MAX_FRAMES_PER_STACK],
    len: usize,
    /// Something of all that was pushed, for who keeps stacks in places.
    mix: usize,
}

impl Pcs {
    /// An empty stack of logical frames: each counter stands for what the
    /// symbolizer says, and nothing is skipped.
    #[inline]
    pub const fn logical() -> Self {
        Self::with_first(LOGICAL)
    }

    /// An empty stack of physical frames, of whose expansion the `skip` frames
    /// next to the leaf are left out (the runtime's own, as a rule).
    #[inline]
    pub const fn physical(skip: usize) -> Self {
        let skip = if skip == LOGICAL { LOGICAL - 1 } else { skip };
        Self::with_first(skip)
    }

    const fn with_first(word: usize) -> Self {
        let mut words = [MaybeUninit::uninit(); 1 + MAX_FRAMES_PER_STACK];
        words[0] = MaybeUninit::new(word);
        Self {
            words,
            len: 1,
            mix: word,
        }
    }

    /// Adds a counter, on the root's side of those there.
    #[inline]
    pub fn push(&mut self, pc: usize) {
        self.mix = self.mix.rotate_left(5) ^ pc;
        // No branch, so that who pushes keeps the numbers in registers.
        let at = self.len.min(MAX_FRAMES_PER_STACK);
        self.words[at] = MaybeUninit::new(pc);
        self.len = at + 1;
    }

    /// Whether there is no counter.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 1
    }

    /// A number that is the same for the same stack, and as a rule another for
    /// another.
    #[inline]
    pub(crate) fn mix(&self) -> u64 {
        self.mix as u64
    }

    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        // SAFETY: the first `len` words are initialised: `with_first` writes
        // one, and `push` writes a word before it counts it.
        unsafe {
            core::slice::from_raw_parts(self.words.as_ptr().cast(), self.len * size_of::<usize>())
        }
    }
}

/// A logical frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The function's name. Readers take a task whose root frame's name starts with
    /// `runtime.` for the runtime's own. Without a name the counter stands for it,
    /// as `0x1f40`.
    pub function: &'a str,
    /// The source file. Without one it is `?`.
    pub file: &'a str,
    /// The line in it, from 1, which 0 becomes.
    pub line: u32,
}

/// Says what program counters mean. The embedder provides it.
pub trait Symbolizer {
    /// Calls `visit` for each logical frame that `pc` stands for, from the
    /// innermost (an inlined callee) to the outermost. A counter for which
    /// nothing is visited becomes one frame, named after the counter.
    ///
    /// As long as a trace lasts a counter stands for the same frames: readers
    /// know a frame by a number, and remember what the first one with it said. The
    /// tracer makes that number of the counter and of the frame's place among its
    /// frames; that of the innermost is the counter itself.
    ///
    /// May emit events, and may unwind: while a generation ends, the trace is cut off
    /// there then.
    ///
    /// Called on the thread that ends a generation or calls
    /// [`Tracer::write_stacks`](crate::Tracer::write_stacks), with no lock held.
    fn frames(&self, pc: usize, visit: &mut dyn FnMut(Frame<'_>));
}

/// One generation's stacks.
#[derive(Debug)]
pub(crate) struct StackTable {
    map: TraceMap,
    /// Stacks in the map or on their way into it, and how many there is room
    /// for in the batches set aside. The first never exceeds the second but by
    /// those that are about to be refused.
    claimed: AtomicU64,
    room: AtomicU64,
}

/// Most bytes of a stack of one frame.
const LEAST_STACK: usize = 1 + 6 * varint::MAX_LEN;

/// How many of those fit into a batch, whose header takes less than one.
const LEAST_PER_BATCH: u64 = (CAPACITY / LEAST_STACK - 1) as u64;

/// A frame as it is written.
#[derive(Clone, Copy)]
struct Record {
    number: u64,
    function: Id,
    file: Id,
    line: u64,
}

impl StackTable {
    const_unless_loom! {
        /// An empty table.
        pub(crate) fn new() -> Self {
            Self {
                map: TraceMap::new(Rank::StackRegion),
                claimed: AtomicU64::new(0),
                room: AtomicU64::new(0),
            }
        }
    }

    /// The node of a stack that is there already, or where it would go. An empty one
    /// never is.
    #[inline]
    pub(crate) fn find(&self, pcs: &Pcs) -> Result<Found<'_>, Vacant<'_>> {
        self.map.find(pcs.as_bytes())
    }

    /// The ID of a stack.
    pub(crate) fn put(&self, pcs: &Pcs, out: &Out<'_>) -> Result<Id, NoMemory> {
        if pcs.is_empty() {
            return Ok(Id::EMPTY);
        }
        match self.find(pcs) {
            Ok(node) => Ok(node.id()),
            Err(vacant) => self.add(vacant, pcs, out),
        }
    }

    /// The ID of a stack that was not found a moment ago: `vacant` is where. It is not
    /// empty.
    pub(crate) fn add(&self, vacant: Vacant<'_>, pcs: &Pcs, out: &Out<'_>) -> Result<Id, NoMemory> {
        self.claim(out)?;
        let put = self.map.add(vacant, pcs.as_bytes(), &out.env);
        if !matches!(put, Ok((_, true))) {
            // Relaxed: as in `claim`.
            self.claimed.fetch_sub(1, Ordering::Relaxed);
        }
        // Too large is out of the question: a `Pcs` is small.
        put.map(|(id, _)| id).map_err(AllocError::memory)
    }

    /// Leaves all pages to the system, as [`Region::forget`].
    ///
    /// [`Region::forget`]: crate::region::Region::forget
    pub(crate) fn forget(&mut self) {
        self.map.forget();
    }

    /// Makes sure that one more stack can be written in the end.
    fn claim(&self, out: &Out<'_>) -> Result<(), NoMemory> {
        // Relaxed, all: each number is right by itself, and batches that were
        // set aside are reached through the queue's lock.
        let before = self.claimed.fetch_add(1, Ordering::Relaxed);
        while before >= self.room.load(Ordering::Relaxed) {
            if let Err(error) = out.set_aside(1) {
                self.claimed.fetch_sub(1, Ordering::Relaxed);
                return Err(error);
            }
            self.room.fetch_add(LEAST_PER_BATCH, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Writes out every stack that was not, so that each is written once. Nobody adds
    /// to the table any more.
    ///
    /// Uses about 5 KiB of stack, whatever the table's size or shape.
    ///
    /// # Errors
    ///
    /// [`NoMemory`], if a stack could not be written, which what was set aside
    /// excludes. The generation is not readable then, since events refer to it.
    ///
    /// Returns how many stacks lack names.
    pub(crate) fn dump(
        &self,
        symbolizer: &dyn Symbolizer,
        strings: &StringTable,
        out: &Out<'_>,
    ) -> Result<u64, NoMemory> {
        self.write(Effort::Last, symbolizer, strings, out)
    }

    /// Writes out the stacks that were not, while others may add to the table, as long
    /// as memory is not tight: names stay until the generation ends, and events need the
    /// same memory. One thread at a time.
    pub(crate) fn write_new(
        &self,
        symbolizer: &dyn Symbolizer,
        strings: &StringTable,
        out: &Out<'_>,
    ) {
        // What could not be written is left to `dump`.
        let _ = self.write(Effort::Cheap, symbolizer, strings, out);
    }

    fn write(
        &self,
        effort: Effort,
        symbolizer: &dyn Symbolizer,
        strings: &StringTable,
        out: &Out<'_>,
    ) -> Result<u64, NoMemory> {
        let mut dump = Dump {
            symbolizer,
            strings,
            out,
            batch: None,
            effort,
            nameless: 0,
        };
        let mut result = Ok(());
        self.map.for_each_left(|id, key| {
            if effort == Effort::Cheap && out.env.is_tight() {
                result = Err(NoMemory::Limit);
            }
            if result.is_ok() {
                result = dump.stack(id, key);
            }
            result.is_ok()
        });
        result.map(|()| dump.nameless)
    }

    /// Forgets everything.
    ///
    /// # Safety
    ///
    /// Until it returns nobody else uses the table, and `env` is of the pages that
    /// served it.
    pub(crate) unsafe fn reset(&self, env: &Env<'_>) {
        // Relaxed, both: the caller has the table to itself.
        self.claimed.store(0, Ordering::Relaxed);
        self.room.store(0, Ordering::Relaxed);
        // SAFETY: the caller's word, passed on.
        unsafe { self.map.reset(env) };
    }
}

/// Stacks on their way into the trace.
struct Dump<'a> {
    symbolizer: &'a dyn Symbolizer,
    strings: &'a StringTable,
    out: &'a Out<'a>,
    batch: Option<Batch>,
    effort: Effort,
    nameless: u64,
}

/// What to do for a stack.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effort {
    /// Write it as it is, or not at all: there will be another time.
    Cheap,
    /// Leave out what there is no memory for: there will not.
    Last,
    /// Write the root alone: what was set aside is being used up.
    Frugal,
}

impl Drop for Dump<'_> {
    /// Also when the symbolizer unwinds.
    fn drop(&mut self) {
        if let Some(batch) = self.batch.take() {
            self.out.push_full(batch);
        }
    }
}

impl Dump<'_> {
    fn stack(&mut self, id: Id, key: &[u8]) -> Result<(), NoMemory> {
        let mut frames = [Record::UNKNOWN; MAX_FRAMES_PER_STACK];
        let mut count = 0;
        let mut nameless = false;
        let mut has_root = false;

        let mut words = key.as_chunks::<{ size_of::<usize>() }>().0.iter();
        let first = words
            .next()
            .map_or(LOGICAL, |word| usize::from_ne_bytes(*word));
        let mut skip = if first == LOGICAL { 0 } else { first };
        for word in words {
            let pc = usize::from_ne_bytes(*word);
            let place = Cell::new(0);
            let mut visit = |frame: Frame<'_>| {
                let number = number(pc, place.replace(place.get() + 1));
                if skip > 0 {
                    skip -= 1;
                    return;
                }
                let record = self.record(number, pc, &frame);
                has_root = record.is_ok();
                nameless |= record.is_err();
                if let Ok(record) = record {
                    // As in `Pcs::push`: beyond the limit the root's side wins.
                    let at = count.min(MAX_FRAMES_PER_STACK - 1);
                    frames[at] = record;
                    count = at + 1;
                }
            };
            self.symbolizer.frames(pc, &mut visit);
            if place.get() == 0 {
                // A frame like any other, so it may be one of those left out.
                visit(Frame {
                    function: "",
                    file: "",
                    line: 0,
                });
            }
        }
        if nameless && self.effort == Effort::Cheap {
            return Err(NoMemory::System);
        }
        if !has_root {
            // All was skipped, or the root could not be named. Readers want a frame,
            // and name a task after the root, so another must not stand for it.
            frames[0] = Record::UNKNOWN;
            count = 1;
        }

        if self.effort != Effort::Frugal {
            let size = 1 + (2 + 4 * count) * varint::MAX_LEN;
            match section(&mut self.batch, EventKind::Stacks, size, self.out) {
                Ok(batch) => batch.append(size, |to| encode(id, &frames[..count], to)),
                Err(error) if self.effort == Effort::Cheap => return Err(error),
                Err(_) => self.effort = Effort::Frugal,
            }
        }
        if self.effort == Effort::Frugal {
            nameless |= count > 1;
            let out = self.out.last_resort();
            section(&mut self.batch, EventKind::Stacks, LEAST_STACK, &out)?
                .append(LEAST_STACK, |to| encode(id, &frames[count - 1..count], to));
        }
        self.nameless += u64::from(nameless);
        Ok(())
    }

    /// The frame as it is written. Readers want all of a name, or no frame.
    fn record(&self, number: u64, pc: usize, frame: &Frame<'_>) -> Result<Record, NoMemory> {
        let id = |name: &str| self.strings.put(cut_start(name, MAX_NAME), self.out);
        Ok(Record {
            number,
            function: match frame.function {
                "" => id(Text::<24>::of(&format_args!("{pc:#x}")).as_str()),
                name => id(name),
            }?,
            file: id(if frame.file.is_empty() {
                "?"
            } else {
                frame.file
            })?,
            line: u64::from(frame.line.max(1)),
        })
    }
}

impl Record {
    /// The only frame of a stack of which nothing is known. It shares its number with
    /// no frame that has a name.
    const UNKNOWN: Self = Self {
        number: 0,
        function: Id::EMPTY,
        file: Id::EMPTY,
        line: 0,
    };
}

/// The number of the frame that has this place, from 0, among those of a counter:
/// never 0, and as good as never another's.
///
/// It depends on nothing else, so a frame has the same one in all generations. The
/// innermost frame keeps the counter, which can be looked up; the others get what
/// "splitmix64" (Steele, Lea and Flood, 2014) makes of counter and place.
fn number(pc: usize, place: u64) -> u64 {
    let pc = pc as u64;
    if place == 0 && pc != 0 {
        return pc;
    }
    let mut mixed = pc.wrapping_add((place + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ mixed >> 31).max(1)
}

/// Writes a stack; returns its size.
fn encode(id: Id, frames: &[Record], to: &mut [u8]) -> usize {
    to[0] = EventKind::Stack as u8;
    let mut at = 1;
    let mut put = |value: u64| at += varint::encode(value, &mut to[at..]);
    put(id.0);
    put(frames.len() as u64);
    for frame in frames {
        put(frame.number);
        put(frame.function.0);
        put(frame.file.0);
        put(frame.line);
    }
    at
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn words(pcs: &Pcs) -> std::vec::Vec<usize> {
        pcs.as_bytes()
            .as_chunks()
            .0
            .iter()
            .map(|word| usize::from_ne_bytes(*word))
            .collect()
    }

    #[test]
    fn the_root_survives_a_deep_stack() {
        let mut pcs = Pcs::logical();
        assert!(pcs.is_empty());
        for pc in 1..=100_000 {
            pcs.push(pc);
        }
        let words = words(&pcs);
        assert_eq!(words.len(), 1 + MAX_FRAMES_PER_STACK);
        assert_eq!(words[..3], [LOGICAL, 1, 2]);
        assert_eq!(words[127..], [127, 100_000]);
    }

    #[test]
    fn the_first_word_tells_kinds_apart() {
        assert_eq!(words(&Pcs::logical()), [LOGICAL]);
        assert_eq!(words(&Pcs::physical(2)), [2]);
        assert_ne!(words(&Pcs::physical(usize::MAX)), [LOGICAL]);
    }
}
