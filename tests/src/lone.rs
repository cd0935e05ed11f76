//! Threads with a proc and a task each, which never meet: for what happens to a
//! tracer under strain, where what is said matters less than that all of it is
//! accounted for.

use std::cell::Cell;

use runtime_trace::{
    Emit, Frame, Host, ProcTrace, StackId, Sweep, Symbolizer, TaskTrace, Tracer, Worker,
};

use trace_format::end::LAST_NOTE;

use crate::sim::said::by_itself;
use crate::wire::{Generation, Trace};

/// A host that has nothing to say. Program counters are frames of their own.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Symbolizer for Silent {
    fn frames(&self, pc: usize, visit: &mut dyn FnMut(Frame<'_>)) {
        visit(Frame {
            function: &format!("function {pc}"),
            file: "lone.weft",
            line: pc as u32,
        });
    }
}

impl Host for Silent {
    fn checkpoint(&self) {}
    fn sweep(&self, _: &Sweep<'_>) {}
}

/// A thread that takes its proc and runs its task.
#[derive(Debug)]
pub struct Lone<'t> {
    /// What traces it.
    pub tracer: &'t Tracer,
    /// Its handle.
    pub worker: Worker<'t>,
    proc: &'t ProcTrace,
    task: &'t TaskTrace,
    /// Whether the trace knows that it runs.
    runs: Cell<bool>,
    said: Cell<u64>,
}

impl<'t> Lone<'t> {
    /// For the calling thread, with this proc and task.
    ///
    /// # Panics
    ///
    /// If there is no memory for a worker.
    pub fn new(tracer: &'t Tracer, proc: &'t ProcTrace, task: &'t TaskTrace) -> Self {
        Self {
            tracer,
            worker: tracer.worker().expect("memory for a worker"),
            proc,
            task,
            runs: Cell::new(false),
            said: Cell::new(0),
        }
    }

    /// How much was said to the tracer while it listened: events, and
    /// emissions that were refused.
    pub fn said(&self) -> u64 {
        self.said.get()
    }

    /// Counts something said by other means.
    pub fn count(&self, said: u64) {
        self.said.set(self.said.get() + said);
    }

    /// Takes the proc, creates the task and runs it.
    pub fn begins(&self) {
        if let Some(emit) = self.worker.acquire(None, None) {
            emit.proc_start(self.proc);
            emit.task_create(self.task, StackId::NONE, StackId::NONE);
            emit.task_start(self.task);
            self.count(3);
            self.runs.set(true);
        }
    }

    /// Emits as the running task: `say` returns how much it said. Whether
    /// tracing was on.
    pub fn emits(&self, say: impl FnOnce(&Emit<'_, 't>) -> u64) -> bool {
        match self.acquires() {
            Some(emit) => {
                self.count(say(&emit));
                true
            }
            None => false,
        }
    }

    /// The right to emit as the running task, uncounted: what a signal's handler
    /// may use.
    pub fn acquires(&self) -> Option<Emit<'_, 't>> {
        if !self.runs.get() {
            return None;
        }
        self.worker.acquire(Some(self.proc), Some(self.task))
    }

    /// Logs a message: whether tracing was on.
    pub fn logs(&self, message: &str) -> bool {
        self.emits(|emit| {
            emit.log(0, "lone", message, StackId::NONE);
            1
        })
    }

    /// Tries to emit inside an emission.
    pub fn reenters(&self) {
        self.emits(|emit| {
            emit.log(0, "lone", "around", StackId::NONE);
            let refused = self.worker.acquire(Some(self.proc), Some(self.task));
            assert!(refused.is_none(), "it is let in twice");
            2
        });
    }

    /// Passes a checkpoint.
    pub fn checkpoint(&self) {
        if self.runs.get() {
            self.worker
                .checkpoint(Some(self.proc), Some(self.task), |pcs| pcs.push(1));
        }
    }

    /// Ends the task and gives the proc up.
    pub fn ends(&self) {
        self.emits(|emit| {
            emit.task_end();
            emit.proc_stop();
            2
        });
        self.runs.set(false);
    }
}

/// A host with one thread, which runs.
#[derive(Debug)]
pub struct Running<'a, 't>(pub &'a Lone<'t>);

impl Symbolizer for Running<'_, '_> {
    fn frames(&self, pc: usize, visit: &mut dyn FnMut(Frame<'_>)) {
        Silent.frames(pc, visit);
    }
}

impl Host for Running<'_, '_> {
    fn checkpoint(&self) {
        self.0.checkpoint();
    }

    fn sweep(&self, _: &Sweep<'_>) {}
}

/// How many events a trace holds that the tracer did not write by itself.
pub fn said_in(trace: &Trace) -> u64 {
    let said_in = |generation: &Generation| {
        let streams = generation.streams.iter();
        let streams = streams.filter(|&(&thread, _)| thread != LAST_NOTE);
        let events = streams.flat_map(|(_, events)| events);
        events.filter(|event| !by_itself(event, generation)).count() as u64
    };
    trace.generations.iter().map(said_in).sum()
}
