//! Names and stacks that outlive their generation: each generation of a trace
//! numbers its own, so what an analysis wants to add up over all of them is
//! interned here by content.

use hashbrown::HashMap;
use trace_read::Stack;

/// A text, interned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(u32);

/// Texts, each kept once.
#[derive(Debug)]
pub struct Names {
    ids: HashMap<Box<str>, Name>,
    texts: Vec<Box<str>>,
}

impl Names {
    /// The empty text.
    pub const EMPTY: Name = Name(0);

    /// The name of a text, the same each time.
    pub fn intern(&mut self, text: &str) -> Name {
        if text.is_empty() {
            return Self::EMPTY;
        }
        if let Some(&name) = self.ids.get(text) {
            return name;
        }
        let name = Name(self.texts.len() as u32);
        self.texts.push(text.into());
        self.ids.insert(text.into(), name);
        name
    }

    /// The text of that name.
    ///
    /// # Panics
    ///
    /// If the name comes from elsewhere.
    pub fn text(&self, name: Name) -> &str {
        &self.texts[name.0 as usize]
    }
}

impl Default for Names {
    fn default() -> Self {
        Names {
            ids: HashMap::new(),
            texts: vec![Box::default()],
        }
    }
}

/// Forgets everything and keeps the memory, unless little of it was in use: to empty
/// a table takes as long as it is large, and the next one may be as small again.
pub(crate) fn empty<K, V>(map: &mut HashMap<K, V>) {
    const SMALL: usize = 1 << 6;
    match map.capacity() > SMALL.max(8 * map.len()) {
        true => *map = HashMap::new(),
        false => map.clear(),
    }
}

/// A stack, interned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StackKey(u32);

impl StackKey {
    /// No stack, or one without frames.
    pub const EMPTY: StackKey = StackKey(0);

    /// Whether it has no frames.
    pub fn is_empty(self) -> bool {
        self == Self::EMPTY
    }
}

/// A frame of an interned stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameKey {
    /// The program counter.
    pub pc: u64,
    /// The function's name.
    pub function: Name,
    /// The file's name.
    pub file: Name,
    /// The line, from 1; 0 if it is not known.
    pub line: u64,
}

impl FrameKey {
    /// A frame that tells nothing.
    const BLANK: FrameKey = FrameKey {
        pc: 0,
        function: Names::EMPTY,
        file: Names::EMPTY,
        line: 0,
    };
}

/// Stacks, each kept once.
///
/// Memory grows with the distinct stacks of the whole trace.
#[derive(Debug)]
pub struct Stacks {
    ids: HashMap<Box<[FrameKey]>, StackKey>,
    stacks: Vec<Box<[FrameKey]>>,
    /// What this generation's numbers stand for.
    generation: HashMap<u64, StackKey>,
    buffer: Vec<FrameKey>,
}

impl Stacks {
    /// Another generation begins, with numbers of its own. To be called at each
    /// [`Kind::Sync`](trace_read::Kind::Sync).
    pub fn new_generation(&mut self) {
        empty(&mut self.generation);
    }

    /// The key of a stack of the current generation, without outermost frames
    /// that tell nothing. Go's runtime writes a stack of only such a frame where
    /// it has none, and Go's tools take both as the same.
    pub fn intern(&mut self, stack: Stack<'_>, names: &mut Names) -> StackKey {
        if stack.is_empty() {
            return StackKey::EMPTY;
        }
        if let Some(&key) = self.generation.get(&stack.id()) {
            return key;
        }
        self.buffer.clear();
        self.buffer.extend(stack.frames().map(|frame| FrameKey {
            pc: frame.pc,
            function: names.intern(frame.function),
            file: names.intern(frame.file),
            line: frame.line,
        }));
        while self.buffer.last() == Some(&FrameKey::BLANK) {
            self.buffer.pop();
        }
        let key = self.intern_buffer();
        self.generation.insert(stack.id(), key);
        key
    }

    /// The key of a stack that tells only in which function this one starts: the
    /// outermost frame, without a place in it.
    ///
    /// # Panics
    ///
    /// If the key comes from elsewhere.
    pub fn start(&mut self, key: StackKey) -> StackKey {
        let outermost = self.stacks[key.0 as usize].last();
        self.buffer.clear();
        self.buffer.extend(outermost.map(|frame| FrameKey {
            pc: 0,
            line: 0,
            ..*frame
        }));
        self.intern_buffer()
    }

    fn intern_buffer(&mut self) -> StackKey {
        if self.buffer.is_empty() {
            return StackKey::EMPTY;
        }
        if let Some(&key) = self.ids.get(self.buffer.as_slice()) {
            return key;
        }
        let key = StackKey(self.stacks.len() as u32);
        self.stacks.push(self.buffer.as_slice().into());
        self.ids.insert(self.buffer.as_slice().into(), key);
        key
    }

    /// The frames of a stack, innermost first.
    ///
    /// # Panics
    ///
    /// If the key comes from elsewhere.
    pub fn frames(&self, key: StackKey) -> &[FrameKey] {
        &self.stacks[key.0 as usize]
    }
}

impl Default for Stacks {
    fn default() -> Self {
        Stacks {
            ids: HashMap::new(),
            stacks: vec![Box::default()],
            generation: HashMap::new(),
            buffer: Vec::new(),
        }
    }
}
