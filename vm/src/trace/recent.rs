//! The stacks that a thread has put into the trace lately.
//!
//! A task that throws a ball to and fro blocks in the same two places all the
//! time. To find its stack in the tracer's table it must be written down as
//! program counters first, and hashed. Here its calls are compared as they are
//! with those of a stack that had the same innermost call, whose ID was kept.

use std::cell::Cell;

use runtime_trace::{Emit, KeptStack, StackId};

use crate::task::{Frame, Stack};

/// How many stacks are kept, a power of two.
const KEPT: usize = 16;

/// How many calls the deepest of them has.
const DEEPEST: usize = 16;

/// What a thread remembers.
pub(super) struct Recent([Entry; KEPT]);

struct Entry {
    id: Cell<KeptStack>,
    depth: Cell<usize>,
    calls: [Cell<u64>; DEEPEST],
}

impl Recent {
    pub(super) fn new() -> Recent {
        Recent(std::array::from_fn(|_| Entry {
            id: Cell::new(KeptStack::NONE),
            depth: Cell::new(0),
            calls: [const { Cell::new(0) }; DEEPEST],
        }))
    }

    /// The ID of a stack: kept, or else what `find` says.
    #[inline]
    pub(super) fn id<'i>(
        &self,
        emit: &'i Emit<'_, '_>,
        stack: Stack<'_>,
        find: impl FnOnce() -> StackId<'i>,
    ) -> StackId<'i> {
        let Some(innermost) = stack.frames.last() else {
            return find();
        };
        let entry = &self.0[place(innermost)];
        if entry.is(stack.frames)
            && let Some(id) = emit.recall(entry.id.get())
        {
            return id;
        }
        let id = find();
        if stack.frames.len() <= DEEPEST {
            entry.set(emit.keep(id), stack.frames);
        }
        id
    }
}

/// Where the stacks of this innermost call are kept. (The multiplier is the
/// golden ratio's: it spreads neighbours.)
#[inline]
fn place(call: &Frame) -> usize {
    let call = call.pc.wrapping_add(call.function << 16);
    (call.wrapping_mul(0x9e37_79b9) >> (u32::BITS - KEPT.ilog2())) as usize
}

/// Function and next instruction of a call: what the trace says of a stack
/// follows from these alone.
#[inline]
fn call(frame: &Frame) -> u64 {
    u64::from(frame.function) << 32 | u64::from(frame.pc)
}

impl Entry {
    #[inline]
    fn is(&self, frames: &[Frame]) -> bool {
        self.depth.get() == frames.len()
            && self
                .calls
                .iter()
                .zip(frames)
                .all(|(kept, frame)| kept.get() == call(frame))
    }

    /// Keeps the ID of a stack of at most `DEEPEST` calls.
    fn set(&self, id: KeptStack, frames: &[Frame]) {
        self.id.set(id);
        self.depth.set(frames.len());
        for (kept, frame) in self.calls.iter().zip(frames) {
            kept.set(call(frame));
        }
    }
}
