//! An event as it stands in its batch, and the frames of a stack.

use trace_format::limits::MAX_TIMED_ARGS;
use trace_format::{Arg, EventKind, Shape};

use crate::raw::number;

/// Most arguments that any event has, a timed event's difference not counted.
pub(super) const MAX_ARGS: usize = MAX_TIMED_ARGS;

const _: () = {
    let mut at = 0;
    while at < EventKind::ALL.len() {
        assert!(EventKind::ALL[at].args().len() <= MAX_ARGS);
        at += 1;
    }
};

/// Numbers that describe one frame of a stack: PC, function, file and line.
pub(super) const FRAME_NUMBERS: usize = 4;

/// An event as it stands in its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawEvent<'a> {
    /// Where in the file the event starts.
    pub offset: u64,
    /// What it says.
    pub kind: EventKind,
    /// Its bytes, from its kind to its last argument or the end of its data.
    pub bytes: &'a [u8],
    /// How many arguments it has.
    pub(super) count: u8,
    pub(super) timed: bool,
    /// Where in the bytes a string's text or a stack's frames start.
    pub(super) data_at: u32,
    pub(super) args: [u64; MAX_ARGS],
    pub(super) dt: u64,
    pub(super) time: u64,
}

impl<'a> RawEvent<'a> {
    /// The arguments, as many as [`EventKind::args`] lists.
    #[inline]
    pub fn args(&self) -> &[u64] {
        &self.args[..usize::from(self.count)]
    }

    /// The arguments with what the table says about each.
    pub fn named_args(&self) -> impl Iterator<Item = (Arg, u64)> + use<> {
        self.kind.args().iter().copied().zip(self.args)
    }

    /// A timed event's distance from the event before it in its batch, or from
    /// the batch's time, in clock units.
    pub fn dt(&self) -> Option<u64> {
        self.timed.then_some(self.dt)
    }

    /// When it happened, in clock units, for a timed event or a CPU sample.
    ///
    /// Differences are added as wrapping numbers: a sum that makes no sense is
    /// for the layer that orders events to refuse.
    #[inline]
    pub fn time(&self) -> Option<u64> {
        match self.kind {
            EventKind::CPUSample => Some(self.args[0]),
            _ => self.timed.then_some(self.time),
        }
    }

    /// The bytes of a string table's entry; empty for any other event.
    pub fn text(&self) -> &'a [u8] {
        match self.kind.shape() {
            Shape::Data => self.data(),
            _ => &[],
        }
    }

    fn data(&self) -> &'a [u8] {
        &self.bytes[self.data_at as usize..]
    }

    /// The frames of a stack table's entry, innermost first; none for any other
    /// event.
    pub fn frames(&self) -> Frames<'a> {
        Frames(match self.kind.shape() {
            Shape::Stack => self.data(),
            _ => &[],
        })
    }
}

/// A frame of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StackFrame {
    /// The program counter.
    pub pc: u64,
    /// String ID of the function's name.
    pub function: u64,
    /// String ID of the file's name.
    pub file: u64,
    /// The line, from 1.
    pub line: u64,
}

impl StackFrame {
    /// The numbers in the order of the file.
    pub(crate) fn numbers(&self) -> [u64; FRAME_NUMBERS] {
        [self.pc, self.function, self.file, self.line]
    }
}

/// Iterator over the frames of a stack, from [`RawEvent::frames`].
#[derive(Clone, Debug)]
pub struct Frames<'a>(&'a [u8]);

impl Iterator for Frames<'_> {
    type Item = StackFrame;

    fn next(&mut self) -> Option<StackFrame> {
        if self.0.is_empty() {
            return None;
        }
        let mut at = 0;
        let mut numbers = [0; FRAME_NUMBERS];
        for value in &mut numbers {
            // The bytes were decoded once already, when the event was found.
            *value = number::read(self.0, &mut at).ok()?;
        }
        self.0 = &self.0[at..];
        let [pc, function, file, line] = numbers;
        Some(StackFrame {
            pc,
            function,
            file,
            line,
        })
    }
}
