//! The stack table: program counters to stack IDs, resolved at the end.
//!
//! Taking a stack must be cheap, so while a generation runs only its program
//! counters are interned. When nobody writes any more, [`StackTable::dump`]
//! walks the map, asks the embedder's [`Symbolizer`] what the counters mean,
//! writes the stacks out and leaves the names to the string table.
//!
//! A key is a [`Pcs`]: a first word that says how to read the rest, then the
//! counters from leaf to root.

use core::mem::MaybeUninit;

use trace_format::limits::MAX_FRAMES_PER_STACK;
use trace_format::{EventKind, varint};

use crate::lock::Rank;
use crate::map::{Id, TraceMap};
use crate::pages::{Env, NoMemory};
use crate::queue::Out;
use crate::region::AllocError;
use crate::strings::{StringTable, cut_start, section};
use crate::sync::const_unless_loom;

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
        Self { words, len: 1 }
    }

    /// Adds a counter, on the root's side of those there.
    #[inline]
    pub fn push(&mut self, pc: usize) {
        let at = self.len.min(MAX_FRAMES_PER_STACK);
        self.words[at] = MaybeUninit::new(pc);
        self.len = at + 1;
    }

    /// Whether there is no counter.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 1
    }

    fn as_bytes(&self) -> &[u8] {
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
    /// A counter that stands for exactly this function, file and line in the
    /// whole trace; not zero. Readers key frames by it, and the first one seen
    /// wins, so two frames that share one become the same.
    pub pc: usize,
    /// The function's name. Readers take a task whose root frame has no name,
    /// or one that starts with `runtime.`, for the runtime's own.
    pub function: &'a str,
    /// The source file.
    pub file: &'a str,
    /// The line in it, from 1.
    pub line: u32,
}

/// Says what program counters mean. The embedder provides it.
pub trait Symbolizer {
    /// Calls `visit` for each logical frame that `pc` stands for, from the
    /// innermost (an inlined callee) to the outermost.
    ///
    /// Called on the thread that ends a generation, with no lock held.
    fn frames(&self, pc: usize, visit: &mut dyn FnMut(Frame<'_>));
}

/// One generation's stacks.
#[derive(Debug)]
pub(crate) struct StackTable {
    map: TraceMap,
}

/// A frame as it is written.
#[derive(Clone, Copy)]
struct Record {
    pc: u64,
    function: Id,
    file: Id,
    line: u64,
}

impl StackTable {
    const_unless_loom! {
        /// An empty table.
        pub(crate) fn new() -> Self {
            Self { map: TraceMap::new(Rank::StackRegion) }
        }
    }

    /// The ID of a stack.
    pub(crate) fn put(&self, pcs: &Pcs, env: &Env<'_>) -> Result<Id, AllocError> {
        if pcs.is_empty() {
            return Ok(Id::EMPTY);
        }
        self.map.put(pcs.as_bytes(), env).map(|(id, _)| id)
    }

    /// Writes every stack out. Nobody adds to the table any more.
    ///
    /// Uses about 5 KiB of stack, whatever the table's size or shape.
    ///
    /// # Errors
    ///
    /// [`NoMemory`], if a stack or one of its names could not be written. The
    /// generation is not readable then, since events refer to it.
    pub(crate) fn dump(
        &self,
        symbolizer: &dyn Symbolizer,
        strings: &StringTable,
        out: &Out<'_>,
    ) -> Result<(), NoMemory> {
        let mut current = None;
        let mut result = Ok(());
        self.map.for_each(|id, key| {
            if result.is_ok() {
                result = write_stack(&mut current, id, key, symbolizer, strings, out);
            }
        });
        if let Some(batch) = current {
            out.push_full(batch);
        }
        result
    }

    /// Forgets everything.
    ///
    /// # Safety
    ///
    /// Until it returns nobody else uses the table.
    pub(crate) unsafe fn reset(&self, env: &Env<'_>) {
        // SAFETY: the caller's word, passed on.
        unsafe { self.map.reset(env) };
    }
}

fn write_stack(
    current: &mut Option<crate::batch::Batch>,
    id: Id,
    key: &[u8],
    symbolizer: &dyn Symbolizer,
    strings: &StringTable,
    out: &Out<'_>,
) -> Result<(), NoMemory> {
    let empty = Record {
        pc: 0,
        function: Id::EMPTY,
        file: Id::EMPTY,
        line: 0,
    };
    let mut frames = [empty; MAX_FRAMES_PER_STACK];
    let mut count = 0;
    let mut result = Ok(());

    let mut words = key.as_chunks::<{ size_of::<usize>() }>().0.iter();
    let first = words
        .next()
        .map_or(LOGICAL, |word| usize::from_ne_bytes(*word));
    let mut skip = if first == LOGICAL { 0 } else { first };
    for word in words {
        symbolizer.frames(usize::from_ne_bytes(*word), &mut |frame| {
            if skip > 0 {
                skip -= 1;
                return;
            }
            let record = intern(&frame, strings, out);
            match record {
                // As in `Pcs::push`: beyond the limit the root's side wins.
                Ok(record) => {
                    let at = count.min(MAX_FRAMES_PER_STACK - 1);
                    frames[at] = record;
                    count = at + 1;
                }
                Err(error) => result = Err(error),
            }
        });
    }
    result?;

    let size = 1 + (2 + 4 * count) * varint::MAX_LEN;
    section(current, EventKind::Stacks, size, out)?.append(size, |to| {
        to[0] = EventKind::Stack as u8;
        let mut at = 1;
        let mut number = |value: u64| at += varint::encode(value, &mut to[at..]);
        number(id.0);
        number(count as u64);
        for frame in &frames[..count] {
            number(frame.pc);
            number(frame.function.0);
            number(frame.file.0);
            number(frame.line);
        }
        at
    });
    Ok(())
}

fn intern(frame: &Frame<'_>, strings: &StringTable, out: &Out<'_>) -> Result<Record, NoMemory> {
    Ok(Record {
        pc: frame.pc as u64,
        function: strings.put(cut_start(frame.function, MAX_NAME), out)?,
        file: strings.put(cut_start(frame.file, MAX_NAME), out)?,
        line: u64::from(frame.line),
    })
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
