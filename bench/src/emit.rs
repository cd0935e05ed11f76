//! Emitting events: what a program that is traced pays for each.
//!
//! Ours is one worker with a task, as an embedder has them. After so many events
//! what was written is pulled out by the same thread, outside of the time: the
//! emitting thread's own cost is the figure, whatever another core may do.

use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::ops::Range;
use std::time::Duration;

use runtime_trace::{
    Chunk, Config, Emit, Frame, Host, KeptStack, Pcs, ProcTrace, Reader, StackId, StopReason,
    Sweep, Symbolizer, TaskTrace, Tracer, Worker,
};

use crate::case::{BenchError, Case, Ran, Words};
use crate::peers;
use crate::threads::timed_here;

/// Operations between two looks at what was written.
const STRETCH: u64 = 2_000;

/// Different stacks in the cases where they are known already, a power of two.
const STACKS: u64 = 64;

/// The labels that take turns.
const LABELS: [&str; 4] = [
    "reading",
    "parsing the input",
    "waiting for the disk",
    "done",
];

pub(crate) fn open(words: &Words<'_>) -> Result<Box<dyn Case>, BenchError> {
    let what = match words.at(1) {
        "off" => What::Off,
        "plain" => What::Plain,
        "switch" => What::Switch,
        "stack-hit" => What::StackHit,
        "stack-miss" => What::StackMiss,
        "label" => What::Label,
        "region" => What::Region,
        "region-stack" => What::RegionStack,
        "region-recalled" => What::RegionRecalled,
        "log-stack" => What::LogStack,
        _ => return Err(words.unknown()),
    };
    match words.at(2) {
        "ours" => {
            let depth = words.get("depth")?;
            Ok(Box::new(Ours {
                what,
                depth,
                recalled: Recalled::new(depth),
            }))
        }
        _ => peers::emit(words),
    }
}

/// What an operation is.
#[derive(Clone, Copy, Debug)]
enum What {
    /// Tracing is off.
    Off,
    /// An event with a number and nothing else.
    Plain,
    /// Two events: the task stops and starts again.
    Switch,
    /// An event with a stack that is known.
    StackHit,
    /// An event with a stack that is new.
    StackMiss,
    /// An event with a name that is known.
    Label,
    /// Two events: a region with a known name begins and ends.
    Region,
    /// The same with a known stack at each.
    RegionStack,
    /// The same, for who keeps the IDs of stacks that it recognises.
    RegionRecalled,
    /// A message, with a category and a stack that are known.
    LogStack,
}

impl What {
    /// Events that an operation writes, 1 if it would.
    fn events(self) -> u64 {
        match self {
            Self::Switch | Self::Region | Self::RegionStack | Self::RegionRecalled => 2,
            _ => 1,
        }
    }
}

/// The tracer, with stacks of so many counters.
struct Ours {
    what: What,
    depth: usize,
    recalled: Recalled,
}

impl Case for Ours {
    fn run(&mut self, operations: u64) -> Result<Ran, BenchError> {
        let (proc, task) = (ProcTrace::new(0), TaskTrace::new(1));
        let tracer = Tracer::new();
        let worker = tracer
            .worker()
            .map_err(|_| BenchError::Refused("a worker"))?;
        let runtime = Runtime {
            worker: &worker,
            proc: &proc,
            task: &task,
        };
        let mut reader = tracer.reader().ok_or(BenchError::Refused("a reader"))?;
        if !matches!(self.what, What::Off) {
            tracer
                .start(&Config::new(1), &runtime)
                .map_err(|_| BenchError::Refused("to start"))?;
            runtime.begin();
        }
        let mut ran = Ran {
            operations: 0,
            time: Duration::ZERO,
        };
        let mut done = 0;
        while ran.operations < operations {
            let to = done + STRETCH;
            ran.time += timed_here(|| self.stretch(&runtime, done, to));
            ran.operations += STRETCH * self.what.events();
            done = to;
            drain(&mut reader);
            if tracer.advance_due() {
                // Refused if the reader lags, which it does not.
                let _ = tracer.advance(&runtime);
                drain(&mut reader);
            }
        }
        let losses = tracer.stats().losses;
        if tracer.enabled() {
            tracer
                .stop(&runtime)
                .map_err(|_| BenchError::Refused("to stop"))?;
            drain(&mut reader);
        }
        match losses.total() {
            0 => Ok(ran),
            _ => Err(BenchError::Refused("to record every event")),
        }
    }
}

impl Ours {
    /// The operations with these numbers. Each kind is compiled by itself, as it is
    /// where an embedder has it.
    fn stretch(&self, runtime: &Runtime<'_, '_>, from: u64, to: u64) {
        let numbers = from..to;
        match self.what {
            What::Off | What::Plain => runtime.numbers(numbers),
            What::Switch => runtime.switches(numbers),
            What::StackHit => self.stacks(runtime, numbers, STACKS - 1),
            What::StackMiss => self.stacks(runtime, numbers, u64::MAX),
            What::Label => runtime.labels(numbers),
            What::Region => runtime.regions(numbers),
            What::RegionStack => self.regions_with_stack(runtime, numbers),
            What::RegionRecalled => self.regions_recalled(runtime, numbers),
            What::LogStack => self.logs(runtime, numbers),
        }
    }

    #[inline(never)]
    fn stacks(&self, runtime: &Runtime<'_, '_>, numbers: Range<u64>, mask: u64) {
        for number in numbers {
            if let Some(emit) = runtime.acquire() {
                let stack = emit.stack(self.stack(number & mask, &mut Pcs::logical()));
                emit.user_task_end(1, stack);
            }
        }
    }

    #[inline(never)]
    fn regions_with_stack(&self, runtime: &Runtime<'_, '_>, numbers: Range<u64>) {
        for number in numbers {
            if let Some(emit) = runtime.acquire() {
                let stack = emit.stack(self.stack(number % STACKS, &mut Pcs::logical()));
                emit.region_begin(0, "region", stack);
            }
            if let Some(emit) = runtime.acquire() {
                let stack = emit.stack(self.stack(number % STACKS, &mut Pcs::logical()));
                emit.region_end(0, "region", stack);
            }
        }
    }

    #[inline(never)]
    fn regions_recalled(&self, runtime: &Runtime<'_, '_>, numbers: Range<u64>) {
        for number in numbers {
            let number = number % STACKS;
            if let Some(emit) = runtime.acquire() {
                let stack = self
                    .recalled
                    .id(&emit, number, || self.known(&emit, number));
                emit.region_begin(0, "region", stack);
            }
            if let Some(emit) = runtime.acquire() {
                let stack = self
                    .recalled
                    .id(&emit, number, || self.known(&emit, number));
                emit.region_end(0, "region", stack);
            }
        }
    }

    #[inline(never)]
    fn logs(&self, runtime: &Runtime<'_, '_>, numbers: Range<u64>) {
        for number in numbers {
            if let Some(emit) = runtime.acquire() {
                let stack = emit.stack(self.stack(number % STACKS, &mut Pcs::logical()));
                emit.log(0, "category", "a message", stack);
            }
        }
    }

    #[cold]
    fn known<'i>(&self, emit: &'i Emit<'_, '_>, number: u64) -> StackId<'i> {
        emit.stack(self.stack(number, &mut Pcs::logical()))
    }

    /// The stack with this number, as an embedder hands it over: its leaf is its
    /// own, the rest is the same for all.
    #[inline]
    fn stack<'p>(&self, number: u64, pcs: &'p mut Pcs) -> &'p Pcs {
        pcs.push(0x1_0000 + number as usize);
        for at in 1..self.depth {
            pcs.push(0x1000 + at);
        }
        pcs
    }
}

/// What an embedder keeps that recognises its stacks, as our virtual machine does:
/// the calls of each as they were when it asked for the ID.
struct Recalled(Vec<Kept>);

struct Kept {
    /// The calls as they are now.
    calls: Vec<usize>,
    then: RefCell<Vec<usize>>,
    id: Cell<KeptStack>,
}

impl Recalled {
    fn new(depth: usize) -> Self {
        let kept = |number| Kept {
            calls: (0..depth).map(|at| number << 8 | at).collect(),
            then: RefCell::default(),
            id: Cell::new(KeptStack::NONE),
        };
        Self((0..STACKS as usize).map(kept).collect())
    }

    /// The ID of the stack with this number: kept, or else what `find` says.
    #[inline]
    fn id<'i>(
        &self,
        emit: &'i Emit<'_, '_>,
        number: u64,
        find: impl FnOnce() -> StackId<'i>,
    ) -> StackId<'i> {
        let kept = &self.0[number as usize];
        if *kept.then.borrow() == kept.calls
            && let Some(id) = emit.recall(kept.id.get())
        {
            return id;
        }
        let id = find();
        kept.id.set(emit.keep(id));
        kept.then.borrow_mut().clone_from(&kept.calls);
        id
    }
}

/// Pulls out what was written.
fn drain(reader: &mut Reader<'_>) {
    while let Chunk::Data(bytes) = reader.next() {
        black_box(bytes);
    }
}

/// The least scheduler: one worker that runs one task.
struct Runtime<'r, 't> {
    worker: &'r Worker<'t>,
    proc: &'t ProcTrace,
    task: &'r TaskTrace,
}

/// The cases that need no stack.
impl<'r, 't> Runtime<'r, 't> {
    #[inline(always)]
    fn acquire(&self) -> Option<Emit<'r, 't>> {
        self.worker.acquire(Some(self.proc), Some(self.task))
    }

    #[inline(never)]
    fn numbers(&self, numbers: Range<u64>) {
        for number in numbers {
            if let Some(emit) = self.acquire() {
                emit.heap_alloc(number);
            }
        }
    }

    #[inline(never)]
    fn switches(&self, numbers: Range<u64>) {
        for _ in numbers {
            if let Some(emit) = self.acquire() {
                emit.task_stop(StopReason::Yield, StackId::NONE);
            }
            if let Some(emit) = self.worker.acquire(Some(self.proc), None) {
                emit.task_start(self.task);
            }
        }
    }

    #[inline(never)]
    fn labels(&self, numbers: Range<u64>) {
        for number in numbers {
            if let Some(emit) = self.acquire() {
                emit.label(LABELS[number as usize % LABELS.len()]);
            }
        }
    }

    #[inline(never)]
    fn regions(&self, numbers: Range<u64>) {
        for _ in numbers {
            if let Some(emit) = self.acquire() {
                emit.region_begin(0, "region", StackId::NONE);
            }
            if let Some(emit) = self.acquire() {
                emit.region_end(0, "region", StackId::NONE);
            }
        }
    }
}

impl Runtime<'_, '_> {
    /// The worker takes its proc, and the task starts.
    fn begin(&self) {
        if let Some(emit) = self.worker.acquire(None, None) {
            emit.proc_start(self.proc);
            emit.task_start(self.task);
        }
    }
}

impl Symbolizer for Runtime<'_, '_> {
    fn frames(&self, _: usize, visit: &mut dyn FnMut(Frame<'_>)) {
        visit(Frame {
            function: "bench.work",
            file: "bench.weft",
            line: 1,
        });
    }
}

impl Host for Runtime<'_, '_> {
    /// The worker is this thread.
    fn checkpoint(&self) {
        self.worker
            .checkpoint(Some(self.proc), Some(self.task), |_| {});
    }

    /// The only task runs.
    fn sweep(&self, _: &Sweep<'_>) {}
}
