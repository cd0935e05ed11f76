//! Stacks as text, made once for each stack and not for each event that has it.

use std::ops::Range;

use hashbrown::HashMap;
use trace_read::Stack;

use crate::dump::line::Line;
use crate::stacks::empty;

/// Bytes of text after which all is forgotten and begun anew. A stack is a few
/// hundred bytes to a few KiB, and a file may have any number of them.
const KEPT: usize = 16 << 20;

/// The texts of one generation's stacks.
#[derive(Debug, Default)]
pub(super) struct StackTexts {
    texts: HashMap<u64, Range<usize>>,
    all: Line,
}

impl StackTexts {
    /// Another generation has begun: the same numbers mean other stacks.
    pub(super) fn next_generation(&mut self) {
        empty(&mut self.texts);
        self.all.clear();
    }

    /// The text of a stack, made by `print` if it is not at hand.
    pub(super) fn get(&mut self, stack: Stack<'_>, print: fn(&mut Line, Stack<'_>)) -> &[u8] {
        let id = stack.id();
        if !self.texts.contains_key(&id) {
            if self.all.bytes().len() > KEPT {
                self.next_generation();
            }
            let start = self.all.bytes().len();
            print(&mut self.all, stack);
            self.texts.insert(id, start..self.all.bytes().len());
        }
        &self.all.bytes()[self.texts[&id].clone()]
    }
}
