//! One generation's strings, stacks and what else its events refer to.

use std::collections::BTreeSet;
use std::fmt;

use crate::event::{ClockSnapshot, WorkerId};
use crate::ids::{IdMap, Index, empty};
use crate::raw::StackFrame;

/// What the events of one generation refer to by number.
#[derive(Clone, Debug)]
pub struct Tables {
    /// Slot 0 is the empty string.
    texts: Vec<Box<str>>,
    /// Bytes of all strings.
    text_bytes: usize,
    strings: Index,
    /// Slot 0 is the empty stack.
    entries: Vec<Entry>,
    /// All stacks' frames, as numbers of frames, one stack after another.
    lists: Vec<u32>,
    stacks: Index,
    frames: Vec<FrameEntry>,
    /// From a PC to the frame that stands for it.
    pcs: IdMap<u32>,
    experiments: Vec<(u8, WorkerId, usize)>,
    /// All experiments' data, one batch after another.
    data: Vec<u8>,
    /// The strings that frames are to be named by and that are not there.
    pub(crate) missing: BTreeSet<u64>,
    pub(crate) clock: Option<ClockSnapshot>,
}

/// A stack.
#[derive(Clone, Copy, Debug)]
struct Entry {
    id: u64,
    /// Where in the frames' list it starts and ends.
    start: usize,
    end: usize,
}

/// A frame, its names first as IDs, then as slots.
#[derive(Clone, Copy, Debug)]
struct FrameEntry {
    frame: StackFrame,
    function: u32,
    file: u32,
    /// Where in the file the stack stands that had it first.
    offset: u64,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            texts: vec![Box::default()],
            text_bytes: 0,
            strings: Index::default(),
            entries: vec![Entry {
                id: 0,
                start: 0,
                end: 0,
            }],
            lists: Vec::new(),
            stacks: Index::default(),
            frames: Vec::new(),
            pcs: IdMap::default(),
            experiments: Vec::new(),
            data: Vec::new(),
            missing: BTreeSet::new(),
            clock: None,
        }
    }
}

impl Tables {
    /// The string with this ID. 0 is the empty one.
    ///
    /// Bytes that are not UTF-8 have become U+FFFD.
    #[inline]
    pub fn string(&self, id: u64) -> Option<&str> {
        self.strings.get(id).map(|slot| self.text_of(slot))
    }

    /// A text whose slot is one. Nothing depends on that, so that where the text is
    /// not looked at its slot need not be either.
    #[inline(always)]
    fn text_of(&self, slot: u32) -> &str {
        self.texts.get(slot as usize).map_or("", |text| text)
    }

    /// The stack with this ID. 0 is the empty one.
    #[inline]
    pub fn stack(&self, id: u64) -> Option<Stack<'_>> {
        let slot = self.stacks.get(id)?;
        Some(Stack { tables: self, slot })
    }

    /// All strings in the order of the file, the empty one not among them.
    pub fn strings(&self) -> impl ExactSizeIterator<Item = &str> {
        self.texts[1..].iter().map(|text| &**text)
    }

    /// All stacks in the order of the file, the empty one not among them.
    pub fn stacks(&self) -> impl ExactSizeIterator<Item = Stack<'_>> {
        let slots = 1..self.entries.len() as u32;
        slots.map(|slot| Stack { tables: self, slot })
    }

    /// The slot of the string with this ID.
    #[inline(always)]
    pub(crate) fn string_slot(&self, id: u64) -> Option<u32> {
        self.strings.get(id)
    }

    /// The slot of the stack with this ID.
    #[inline(always)]
    pub(crate) fn stack_slot(&self, id: u64) -> Option<u32> {
        self.stacks.get(id)
    }

    /// The string in this slot, which must be one.
    #[inline(always)]
    pub(crate) fn string_at(&self, slot: u32) -> &str {
        self.text_of(slot)
    }

    /// The stack in this slot, which must be one.
    #[inline(always)]
    pub(crate) fn stack_at(&self, slot: u32) -> Stack<'_> {
        Stack { tables: self, slot }
    }

    /// The data of experiments, in the order of the file.
    pub fn experiments(&self) -> impl Iterator<Item = ExperimentBatch<'_>> {
        let mut start = 0;
        self.experiments
            .iter()
            .map(move |&(experiment, worker, end)| {
                let data = &self.data[start..end];
                start = end;
                ExperimentBatch {
                    experiment,
                    worker: (worker.0 != u64::MAX).then_some(worker),
                    data,
                }
            })
    }

    /// Adds a string. False if there is one with this ID.
    pub(crate) fn add_string(&mut self, id: u64, bytes: &[u8]) -> bool {
        if self.strings.insert(id).is_none() {
            return false;
        }
        let text = Box::from(String::from_utf8_lossy(bytes));
        self.text_bytes += str::len(&text);
        self.texts.push(text);
        true
    }

    /// Adds a stack that stands at `offset`. False if there is one with this ID.
    ///
    /// The first frame seen with a PC stands for all with that PC.
    pub(crate) fn add_stack(
        &mut self,
        id: u64,
        frames: impl Iterator<Item = StackFrame>,
        offset: u64,
    ) -> bool {
        if self.stacks.insert(id).is_none() {
            return false;
        }
        let start = self.lists.len();
        for frame in frames {
            let next = self.frames.len() as u32;
            let at = *self.pcs.entry(frame.pc).or_insert(next);
            if at == next {
                self.frames.push(FrameEntry {
                    frame,
                    function: 0,
                    file: 0,
                    offset,
                });
            }
            self.lists.push(at);
        }
        let end = self.lists.len();
        self.entries.push(Entry { id, start, end });
        true
    }

    /// Adds a batch of an experiment's data.
    pub(crate) fn add_experiment(&mut self, experiment: u8, worker: u64, data: &[u8]) {
        self.data.extend_from_slice(data);
        let end = self.data.len();
        self.experiments.push((experiment, WorkerId(worker), end));
    }

    /// Looks all frames' names up, once all strings are there.
    ///
    /// A name that is not there becomes empty and is noted. The first such is
    /// returned: the string's ID, and where the stack stands.
    pub(crate) fn resolve_frames(&mut self) -> Option<(u64, u64)> {
        let mut first = None;
        for entry in &mut self.frames {
            let mut slot_of = |id| {
                self.strings.get(id).unwrap_or_else(|| {
                    first.get_or_insert((id, entry.offset));
                    self.missing.insert(id);
                    0
                })
            };
            entry.function = slot_of(entry.frame.function);
            entry.file = slot_of(entry.frame.file);
        }
        first
    }

    /// Forgets everything and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.texts.truncate(1);
        self.text_bytes = 0;
        self.strings.clear();
        self.entries.truncate(1);
        self.lists.clear();
        self.stacks.clear();
        self.frames.clear();
        empty(&mut self.pcs);
        self.experiments.clear();
        self.data.clear();
        self.missing.clear();
        self.clock = None;
    }

    /// Bytes that it takes.
    pub(crate) fn held(&self) -> usize {
        self.text_bytes
            + size_of_val(&self.texts[..])
            + self.strings.held()
            + size_of_val(&self.entries[..])
            + size_of_val(&self.lists[..])
            + self.stacks.held()
            + self.frames.len() * (size_of::<FrameEntry>() + size_of::<(u64, u32)>())
            + size_of_val(&self.experiments[..])
            + self.data.len()
    }
}

/// A stack: where something was when something happened.
#[derive(Clone, Copy)]
pub struct Stack<'a> {
    tables: &'a Tables,
    slot: u32,
}

impl<'a> Stack<'a> {
    /// Whether there is none.
    ///
    /// A file may also have a stack of no frames in its table; that one has an
    /// [`id`](Self::id), [`len`](Self::len) 0, and is not empty in this sense.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.slot == 0
    }

    /// How many frames it has.
    pub fn len(&self) -> usize {
        self.frames().len()
    }

    /// Its number, a name within its generation only. 0 if there is none.
    pub fn id(&self) -> u64 {
        self.tables.entries[self.slot as usize].id
    }

    /// Its frames, innermost first.
    pub fn frames(
        &self,
    ) -> impl ExactSizeIterator<Item = Frame<'a>> + DoubleEndedIterator + use<'a> {
        let tables = self.tables;
        let entry = &tables.entries[self.slot as usize];
        let list = &tables.lists[entry.start..entry.end];
        list.iter().map(|&at| {
            let entry = &tables.frames[at as usize];
            Frame {
                pc: entry.frame.pc,
                function: tables.text_of(entry.function),
                file: tables.text_of(entry.file),
                line: entry.frame.line,
            }
        })
    }
}

impl fmt::Debug for Stack<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.frames()).finish()
    }
}

/// A frame of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Frame<'a> {
    /// The program counter.
    pub pc: u64,
    /// The function's name.
    pub function: &'a str,
    /// The source file's name.
    pub file: &'a str,
    /// The line, from 1.
    pub line: u64,
}

/// Data of an experiment, not interpreted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExperimentBatch<'a> {
    /// Which experiment.
    pub experiment: u8,
    /// The worker that wrote it.
    pub worker: Option<WorkerId>,
    /// The data.
    pub data: &'a [u8],
}
