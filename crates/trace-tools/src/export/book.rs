//! A stack in words, made only where it is wanted.

use std::fmt;

use crate::intervals::Intervals;
use crate::stacks::{FrameKey, Names, StackKey};

/// A stack that can be printed: one line a frame, innermost first.
#[derive(Clone, Copy, Debug)]
pub struct Frames<'a> {
    key: StackKey,
    frames: &'a [FrameKey],
    names: &'a Names,
}

impl<'a> Frames<'a> {
    /// The stack with this key, if it has any frames.
    pub fn of(key: StackKey, known: &'a Intervals) -> Option<Self> {
        (!key.is_empty()).then(|| Frames {
            key,
            frames: known.stacks.frames(key),
            names: &known.names,
        })
    }

    /// The same for the same stack, all through a trace.
    pub fn key(&self) -> StackKey {
        self.key
    }

    /// The functions' names, innermost first.
    pub fn functions(&self) -> impl DoubleEndedIterator<Item = &'a str> + use<'a> {
        let names = self.names;
        self.frames
            .iter()
            .map(move |frame| names.text(frame.function))
    }
}

impl fmt::Display for Frames<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, frame) in self.frames.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            let (function, file) = (self.names.text(frame.function), self.names.text(frame.file));
            write!(f, "{function} ({file}:{})", frame.line)?;
        }
        Ok(())
    }
}
