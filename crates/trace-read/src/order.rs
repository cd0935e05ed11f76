//! The order layer: which event is next, and what must be true for it to happen.
//!
//! Workers' clocks may disagree, so times only propose who goes first. What
//! decides is the state of tasks, procs and workers, and the sequence numbers
//! that events of the same task, proc or collector carry: an event goes ahead,
//! waits until another worker's events have made it possible, or can never have
//! happened.
//!
//! The rules are those of Go's reader (`internal/trace/order.go`), one function
//! an event, in a file for each kind of thing.
//!
//! [`Ordered`] is all that, and takes generations from anywhere:
//!
//! ```
//! use trace_read::generation::Generations;
//! use trace_read::order::Ordered;
//! use trace_read::{ReadError, text};
//!
//! # fn main() -> Result<(), ReadError> {
//! let file = text::to_bytes(r#"
//! Trace Go1.22
//! EventBatch gen=1 m=1 time=20
//! ProcStatus dt=0 p=0 pstatus=1
//! GoStatus dt=1 g=4 m=1 gstatus=2
//! GoCreate dt=1 new_g=5 new_stack=0 stack=0
//! EventBatch gen=1 m=2 time=10
//! ProcStatus dt=0 p=1 pstatus=1
//! GoStart dt=5 g=5 g_seq=1    # by its clock before task 5 is there
//! EventBatch gen=1 m=18446744073709551615 time=10
//! Frequency freq=1000000000
//! "#)?;
//! let mut ordered = Ordered::new();
//! let mut workers = Vec::new();
//! for generation in Generations::new(&file[..])? {
//!     ordered.open(generation);
//!     while let Some(event) = ordered.next_event()? {
//!         workers.extend(event.worker.map(|worker| worker.0));
//!     }
//! }
//! assert_eq!(workers, [2, 1, 1, 1, 2]);
//! # Ok(())
//! # }
//! ```

mod ordered;
mod procs;
mod ranges;
mod roster;
mod syscalls;
mod tasks;
mod user;
mod workers;

use std::sync::Arc;

use trace_format::{EventKind, ProcStatus};

use crate::contradiction::Contradiction;
use crate::cursor::Timed;
use crate::event::{Metric, TaskState};
use crate::generation::Sample;
use crate::ids::{IdMap, empty};
use crate::order::procs::Procs;
use crate::order::ranges::Collector;
use crate::order::roster::Roster;
use crate::order::user::UserTasks;
use crate::order::workers::{Worker, Workers};
use crate::step::{Phase, Step, What};
use crate::steps::{Keep, Sink, Steps};
use crate::tables::Tables;

pub use ordered::Ordered;

/// Whether an event goes ahead (true) or waits, or why it cannot have happened. Only
/// if it goes ahead has it changed anything: it may be tried again.
pub(crate) type Outcome = Result<bool, Box<Contradiction>>;

/// The state of everything that events are about.
#[derive(Debug)]
pub(crate) struct Order {
    tasks: Roster,
    procs: Procs,
    workers: Workers,
    user_tasks: UserTasks,
    collector: Collector,
    /// How many generations with events there were so far, this one included.
    round: u32,
    /// The generation's tables.
    tables: Arc<Tables>,
    /// Strings of this generation that outlive it, by ID.
    shared: IdMap<Arc<str>>,
    /// The text that belongs to the last step found, if it has one.
    carried: Option<Arc<str>>,
    /// The steps that events have made.
    pub steps: Steps,
}

/// A sequence number: only the one after the last of the same generation fits.
#[derive(Clone, Copy, Debug)]
struct Sequence {
    number: u64,
    /// Which generation, as the order counts them.
    round: u32,
}

impl Sequence {
    #[inline(always)]
    fn is_followed_by(self, next: Self) -> bool {
        self.round == next.round && self.number.wrapping_add(1) == next.number
    }
}

impl Order {
    pub fn new() -> Self {
        Self {
            tasks: Roster::default(),
            procs: Procs::default(),
            workers: Workers::default(),
            user_tasks: UserTasks::default(),
            collector: Collector::default(),
            round: 0,
            tables: Arc::default(),
            shared: IdMap::default(),
            carried: None,
            steps: Steps::new(),
        }
    }

    /// Starts with a generation, which may have no events.
    pub fn begin_generation(&mut self, generation: u64, tables: Tables, has_events: bool) {
        self.tables = Arc::new(tables);
        self.steps.generation = generation;
        if has_events {
            self.round = self.round.wrapping_add(1);
            empty(&mut self.shared);
        }
    }

    /// The generation's tables, to which the steps refer.
    #[inline(always)]
    pub fn tables(&self) -> &Arc<Tables> {
        &self.tables
    }

    /// Gives the generation's tables back, unless an event has kept them.
    pub fn take_tables(&mut self) -> Option<Tables> {
        Arc::try_unwrap(std::mem::take(&mut self.tables)).ok()
    }

    /// The ID of the worker in this slot.
    pub fn worker_id(&self, w: u32) -> u64 {
        self.workers.at(w).id
    }

    /// The slot of the worker with this ID.
    pub fn worker(&mut self, id: u64) -> u32 {
        self.workers.slot(id)
    }

    /// Makes a step of a CPU sample.
    pub fn put_sample(&mut self, sample: &Sample) {
        let stack = match self.tables.stack_slot(sample.stack) {
            Some(slot) => slot,
            None => {
                let kind = EventKind::CPUSample;
                self.steps
                    .lose_stack(kind, sample.stack, sample.offset, sample.worker)
            }
        };
        self.steps.push(Step {
            time: sample.time,
            worker: sample.worker,
            proc: sample.proc,
            task: sample.task,
            stack,
            wire: Some(EventKind::CPUSample),
            what: What::Sample,
        });
    }

    /// Makes this text belong to the step that is found next, the last one for
    /// now.
    #[cold]
    fn carry(&mut self, text: Option<Arc<str>>) {
        self.carried = text;
        self.steps.stop();
    }

    /// Lets the sink know of what events have been made into.
    #[inline(always)]
    pub fn show<S: Sink>(&mut self, sink: &mut S) {
        sink.see(&mut self.steps, &self.tables, self.carried.as_ref());
    }

    /// The text that belongs to the step found last.
    pub fn carried(&self) -> Option<&Arc<str>> {
        self.carried.as_ref()
    }

    /// The task that the worker in slot `w` runs and the proc that it holds, if any.
    pub fn holds(&self, w: u32) -> (u64, u64) {
        (self.workers.task(w).id, self.workers.proc(w).id)
    }

    /// The state of this task, and the number that its next event has to have, if any
    /// number fits.
    pub fn next_of_task(&self, id: u64) -> Option<(TaskState, u64)> {
        let task = &self.tasks[self.tasks.slot(id)?];
        Some((task.status, task.next_number(self.round)?))
    }

    /// The status of this proc, and the number that its next event has to have, if any
    /// number fits.
    pub fn next_of_proc(&self, id: u64) -> Option<(Option<ProcStatus>, Option<u64>)> {
        let proc = &self.procs[self.procs.slot(id)?];
        let fits = proc.sequence.round == self.round;
        let number = fits.then(|| proc.sequence.number.wrapping_add(1));
        Some((proc.status, number))
    }

    /// The number that the collector's next event has to have.
    pub fn next_of_collector(&self) -> u64 {
        self.collector.next_number()
    }

    /// The slot of the worker with this ID, if it has been seen.
    pub fn seen(&self, id: u64) -> Option<u32> {
        self.workers.seen(id)
    }

    /// Notes that events of the worker in slot `w` are going to be tried.
    pub fn appears(&mut self, w: u32) {
        self.workers.appears(w);
    }

    /// Tries to make `event`, of the worker in slot `w`, the next one.
    #[inline(never)]
    pub fn advance(&mut self, event: &Timed, w: u32) -> Outcome {
        use EventKind::*;
        match event.kind {
            // Procs.
            ProcStart => self.proc_start(event, w),
            ProcStop => self.proc_stop(event, w),
            ProcSteal => self.proc_steal(event, w),
            ProcStatus => self.proc_status(event, w),

            // Tasks.
            GoStart => self.task_start(event, w, &mut Keep),
            GoStop => self.task_stop(event, w, false, &mut Keep),
            GoBlock => self.task_stop(event, w, true, &mut Keep),
            GoUnblock => self.task_unblock(event, w, &mut Keep),
            GoCreate => self.task_create(event, w, false, &mut Keep),
            GoCreateBlocked => self.task_create(event, w, true, &mut Keep),
            GoDestroy => self.task_destroy(event, w, &mut Keep),
            GoSwitch => self.task_switch(event, w, false),
            GoSwitchDestroy => self.task_switch(event, w, true),
            GoStatus => self.task_status(event, w, 0),
            GoStatusStack => self.task_status(event, w, event.args[3]),

            // System calls.
            GoCreateSyscall => self.syscall_create(event, w),
            GoDestroySyscall => self.syscall_destroy(event, w),
            GoSyscallBegin => self.syscall_begin(event, w),
            GoSyscallEnd => self.syscall_end(event, w),
            GoSyscallEndBlocked => self.syscall_end_blocked(event, w),

            // Ranges.
            STWBegin => self.world_stops(event, w),
            STWEnd => self.world_goes_on(event, w),
            GCActive => self.mark(event, w, Phase::Active),
            GCBegin => self.mark(event, w, Phase::Begin),
            GCEnd => self.mark(event, w, Phase::End),
            GCSweepActive => self.sweep_active(event, w),
            GCSweepBegin => self.sweep_begin(event, w),
            GCSweepEnd => self.sweep_end(event, w),
            GCMarkAssistActive => self.assist_active(event, w),
            GCMarkAssistBegin => self.assist(event, w, Phase::Begin, event.args[0]),
            GCMarkAssistEnd => self.assist(event, w, Phase::End, 0),

            // Annotations.
            UserTaskBegin => self.user_task_begin(event, w),
            UserTaskEnd => self.user_task_end(event, w),
            UserRegionBegin => self.user_region(event, w, true),
            UserRegionEnd => self.user_region(event, w, false),
            _ => self.remark(event, w),
        }
    }

    /// Events that change nothing: metrics, labels, logs and experiments.
    fn remark(&mut self, event: &Timed, w: u32) -> Outcome {
        let args = event.args;
        let (stack, what) = match event.kind {
            EventKind::ProcsChange => {
                self.workers.on_task(w)?;
                (args[1], metric(Metric::Procs, args[0]))
            }
            EventKind::HeapAlloc => {
                self.workers.on_proc(w)?;
                (0, metric(Metric::HeapAlloc, args[0]))
            }
            EventKind::HeapGoal => {
                self.workers.on_proc(w)?;
                (0, metric(Metric::HeapGoal, args[0]))
            }
            EventKind::GoLabel => {
                self.workers.on_task(w)?;
                (0, What::Label(args[0]))
            }
            EventKind::UserLog => {
                self.workers.on_task(w)?;
                let [user_task, category, message, stack] = args;
                let what = What::Log {
                    user_task,
                    category,
                    message,
                };
                (stack, what)
            }
            // All other timed events are experiments'.
            kind => {
                self.workers.on_worker(w)?;
                let mut args = args;
                args[kind.args().len()..].fill(0);
                (0, What::Experimental { args })
            }
        };
        self.emit(event, w, stack, what);
        Ok(true)
    }

    /// Makes a step of `event`, in the state that its worker is in. Strings and
    /// stacks are still IDs: for events that are rare.
    #[inline(never)]
    fn emit(&mut self, event: &Timed, w: u32, stack: u64, what: What) {
        let worker = self.workers.at(w);
        let stack = self.stack(event, worker, stack);
        let mut what = what;
        what.strings(|id| *id = self.string(event, worker, *id).into());
        self.emit_as(event, worker, event.kind, stack, what);
    }

    /// Makes a step of `event` that looks as if `wire` had said it there. Strings
    /// and stacks are slots of the tables.
    #[inline(always)]
    fn emit_as(&mut self, event: &Timed, there: Worker, wire: EventKind, stack: u32, what: What) {
        self.steps.push(Step {
            time: event.time,
            worker: there.id,
            proc: there.proc.id,
            task: there.task.id,
            stack,
            wire: Some(wire),
            what,
        });
    }

    /// The slot of the stack with this ID, to which `event` refers.
    #[inline(always)]
    fn stack(&mut self, event: &Timed, worker: Worker, id: u64) -> u32 {
        self.steps.stack(&self.tables, event, worker.id, id)
    }

    /// The same for a string.
    fn string(&mut self, event: &Timed, worker: Worker, id: u64) -> u32 {
        self.steps.string(&self.tables, event, worker.id, id)
    }

    /// A sequence number of the generation that events come from.
    #[inline(always)]
    fn sequence(&self, number: u64) -> Sequence {
        let round = self.round;
        Sequence { number, round }
    }

    /// Whether this is the first generation with events: what exists may be new
    /// to us there.
    fn is_initial(&self) -> bool {
        self.round == 1
    }

    /// A string of this generation, to be kept longer than the generation.
    fn share(&mut self, id: u64) -> Arc<str> {
        let text = || self.tables.string(id).unwrap_or_default().into();
        self.shared.entry(id).or_insert_with(text).clone()
    }
}

fn metric(metric: Metric, value: u64) -> What {
    What::Metric { metric, value }
}
