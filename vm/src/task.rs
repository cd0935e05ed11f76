//! A task: the memory of one lightweight thread and the word that says who may
//! touch it.
//!
//! Everything that runs belongs to the [`Body`]; who has it is decided by the
//! task's [state](crate::state), never by a lock.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use crate::code::Code;
use crate::copy::Copier;
use crate::gauge::Gauge;
use crate::handle::Handle;
use crate::heap::Heap;
use crate::sched::Done;
use crate::state::Owned;
use crate::ticket::Selecting;
use crate::trace::TaskTrace;
use crate::value::Value;

/// The most registers that all frames of a task have together: 16 MiB of them.
pub(crate) const MAX_STACK: usize = 1 << 21;

/// A task, shared by whoever may wake, run, or look at it.
pub(crate) struct Task {
    /// Its number, from 1 on, never used again.
    pub(crate) id: u64,
    /// Its place in the registry; only the registry reads and writes it.
    pub(crate) slot: AtomicU32,
    /// What the tracer keeps of it.
    pub(crate) trace: TaskTrace,
    /// What others know it by.
    pub(crate) handle: Arc<Handle>,
    /// Its memory.
    pub(crate) body: Owned<Body>,
}

/// What a task runs on.
#[derive(Debug, Default)]
pub(crate) struct Body {
    /// The registers of all frames.
    pub(crate) stack: Vec<Value>,
    /// The calls in progress, outermost first; empty once the task has ended.
    pub(crate) frames: Vec<Frame>,
    pub(crate) heap: Heap,
    /// The regions and user tasks that are open, outermost first.
    pub(crate) open: Vec<Open>,
    /// The innermost user task, also if another task has begun it; 0 for none.
    pub(crate) user_task: u64,
    /// What the trace calls it, if it has a label.
    pub(crate) label: Option<Box<Label>>,
    /// Where it waits, while it is in a `select`.
    pub(crate) selecting: Option<Box<Selecting>>,
    /// What it waits for, while it waits.
    pub(crate) wait: Wait,
    /// What its system call has brought, until it takes it.
    pub(crate) done: Option<Box<Done>>,
    /// How many bytes of it the sum of all heaps counts already.
    pub(crate) counted: usize,
}

/// A region or user task that ends when the block does that has opened it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Open {
    /// A region of this name.
    Region(Value),
    /// The innermost user task; inside this other one, or 0.
    UserTask { outer: u64 },
}

/// A task's label.
#[derive(Debug)]
pub(crate) struct Label {
    pub(crate) text: Arc<str>,
    /// The epoch of the trace that was told it last; 0 for none.
    pub(crate) told: u64,
}

/// A call in progress.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub(crate) function: u32,
    /// The next instruction. While the task does not run, that of the innermost
    /// frame is the one that it stopped at; those of the others follow a call.
    pub(crate) pc: u32,
    /// The index of its first register.
    pub(crate) base: u32,
}

/// What a waiting task waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wait {
    #[default]
    Nothing,
    Send,
    Receive,
    /// The end of the task of this number.
    Join(u64),
    Sleep,
    Select,
}

/// The calls in progress of a task that holds still, for traces and messages.
#[derive(Clone, Copy)]
pub(crate) struct Stack<'a> {
    pub(crate) code: &'a Code,
    pub(crate) frames: &'a [Frame],
}

impl Task {
    /// A new task, in the state New, about to call a function with copies of
    /// `arguments`, which are values of the heap beside them, inside a user
    /// task or none (0). `gauge` counts its memory.
    pub(crate) fn new(
        id: u64,
        code: &Code,
        function: u32,
        user_task: u64,
        (heap, arguments): (&Heap, &[Value]),
        gauge: &Gauge,
    ) -> Arc<Task> {
        let registers = usize::from(code.function(function).registers);
        let mut body = Body {
            user_task,
            ..Body::default()
        };
        body.stack.reserve_exact(registers);
        let mut copier = Copier::new(heap, &mut body.heap);
        body.stack
            .extend(arguments.iter().map(|&argument| copier.copy(argument)));
        body.stack.resize(registers, Value::NIL);
        body.frames.push(Frame {
            function,
            pc: 0,
            base: 0,
        });
        gauge.count(&mut body);
        Arc::new(Task {
            id,
            slot: AtomicU32::new(u32::MAX),
            trace: TaskTrace::new(id),
            handle: Arc::new(Handle::new(id)),
            body: Owned::new(body),
        })
    }
}

impl Body {
    /// The innermost frame's register.
    ///
    /// # Panics
    /// If the task has ended.
    pub(crate) fn register(&mut self, register: u8) -> &mut Value {
        let base = self.frames.last().expect("a task that has not ended").base;
        &mut self.stack[base as usize + usize::from(register)]
    }

    /// Lets the innermost frame go on after the instruction it stopped at.
    pub(crate) fn step_over(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            frame.pc += 1;
        }
    }

    /// Lets the innermost frame go on at another instruction.
    pub(crate) fn go_on_at(&mut self, pc: u32) {
        if let Some(frame) = self.frames.last_mut() {
            frame.pc = pc;
        }
    }

    pub(crate) fn calls<'a>(&'a self, code: &'a Code) -> Stack<'a> {
        Stack {
            code,
            frames: &self.frames,
        }
    }
}

impl<'a> Stack<'a> {
    pub(crate) fn depth(self) -> usize {
        self.frames.len()
    }

    /// Function and instruction of each frame, from the innermost out.
    pub(crate) fn calls(self) -> impl ExactSizeIterator<Item = (u32, u32)> + Clone + use<'a> {
        let innermost = self.frames.len().saturating_sub(1);
        self.frames.iter().enumerate().rev().map(move |(i, frame)| {
            let at = if i == innermost {
                frame.pc
            } else {
                frame.pc.saturating_sub(1)
            };
            (frame.function, at)
        })
    }

    /// The name of the function that the task started with.
    pub(crate) fn root_name(self) -> &'a str {
        self.frames
            .first()
            .map_or("?", |frame| &self.code.function(frame.function).name)
    }
}
