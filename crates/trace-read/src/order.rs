//! The order of events, and what must be true for one to happen.
//!
//! Workers' clocks may disagree, so times only propose who goes first. What
//! decides is the state of tasks, procs and workers, and the sequence numbers
//! that events of the same task, proc or collector carry: an event goes ahead,
//! waits until another worker's events have made it possible, or can never have
//! happened.
//!
//! The rules are those of Go's reader (`internal/trace/order.go`), one function
//! an event, in a file for each kind of thing.

mod procs;
mod ranges;
mod syscalls;
mod tasks;
mod user;
mod workers;

use std::sync::Arc;

use trace_format::EventKind;

use crate::contradiction::Contradiction;
use crate::cursor::Timed;
use crate::event::Metric;
use crate::ids::IdMap;
use crate::order::procs::Procs;
use crate::order::ranges::Collector;
use crate::order::tasks::Tasks;
use crate::order::user::UserTasks;
use crate::order::workers::{Context, Workers};
use crate::step::{NONE, Phase, Step, What};
use crate::tables::Tables;

/// Whether an event goes ahead (true) or waits, or why it cannot have happened.
pub(crate) type Outcome = Result<bool, Box<Contradiction>>;

/// The state of everything that events are about.
#[derive(Debug)]
pub(crate) struct Order {
    tasks: Tasks,
    procs: Procs,
    workers: Workers,
    user_tasks: UserTasks,
    collector: Collector,
    /// The first generation with events: what exists may be new to us there.
    initial: Option<u64>,
    /// The generation that events come from.
    generation: u64,
    /// Strings of this generation that outlive it, by ID.
    shared: IdMap<Arc<str>>,
    /// The text that belongs to the last step, if it has one.
    carried: Option<Arc<str>>,
    steps: Steps,
}

/// The steps that the last event made, up to three.
#[derive(Debug)]
struct Steps {
    made: [Step; Self::ROOM],
    /// Which of them was found last.
    at: usize,
    len: usize,
}

impl Steps {
    /// A power of two, so that no position has to be checked.
    const ROOM: usize = 4;
}

/// A sequence number: only the one after the last of the same generation fits.
#[derive(Clone, Copy, Debug)]
struct Sequence {
    generation: u64,
    number: u64,
}

impl Sequence {
    fn start(generation: u64) -> Self {
        let number = 0;
        Self { generation, number }
    }

    #[inline]
    fn is_followed_by(self, next: Self) -> bool {
        self.generation == next.generation && self.number.wrapping_add(1) == next.number
    }
}

impl Order {
    pub fn new() -> Self {
        let nothing = Step {
            time: 0,
            worker: NONE,
            proc: NONE,
            task: NONE,
            stack: 0,
            wire: None,
            offset: 0,
            what: What::Sample,
        };
        Self {
            tasks: Tasks::default(),
            procs: Procs::default(),
            workers: Workers::default(),
            user_tasks: UserTasks::default(),
            collector: Collector::default(),
            initial: None,
            generation: 0,
            shared: IdMap::default(),
            carried: None,
            steps: Steps {
                made: [nothing; Steps::ROOM],
                at: 0,
                len: 0,
            },
        }
    }

    /// Starts with a generation's events.
    pub fn begin_generation(&mut self, generation: u64) {
        self.generation = generation;
        self.initial.get_or_insert(generation);
        self.shared.clear();
    }

    /// The slot of the worker with this ID.
    pub fn worker(&mut self, id: u64) -> u32 {
        self.workers.slot(id)
    }

    /// The step found last.
    #[inline(always)]
    pub fn step(&self) -> &Step {
        &self.steps.made[self.steps.at % Steps::ROOM]
    }

    /// The same, to be changed.
    #[inline(always)]
    pub fn step_mut(&mut self) -> &mut Step {
        &mut self.steps.made[self.steps.at % Steps::ROOM]
    }

    /// Goes on to the next step of the same event, if there is one.
    #[inline(always)]
    pub fn next_step(&mut self) -> bool {
        let more = self.steps.at + 1 < self.steps.len;
        if more {
            self.steps.at += 1;
        }
        more
    }

    /// Makes this the step found last.
    pub fn put(&mut self, step: Step) {
        self.steps.made[0] = step;
        self.steps.at = 0;
        self.steps.len = 1;
    }

    /// The text that belongs to the step found last.
    pub fn carried(&self) -> Option<&Arc<str>> {
        self.carried.as_ref()
    }

    /// Tries to make `event`, of the worker in slot `w`, the next one.
    ///
    /// If it goes ahead, the step found last is its first one.
    #[inline(always)]
    pub fn advance(&mut self, event: &Timed, w: u32, tables: &Tables) -> Outcome {
        use EventKind::*;
        self.steps.at = 0;
        self.steps.len = 0;
        self.workers.appears(w);
        match event.kind {
            // Procs.
            ProcStart => self.proc_start(event, w),
            ProcStop => self.proc_stop(event, w),
            ProcSteal => self.proc_steal(event, w),
            ProcStatus => self.proc_status(event, w),

            // Tasks.
            GoCreate => self.task_create(event, w, false),
            GoCreateBlocked => self.task_create(event, w, true),
            GoStart => self.task_start(event, w),
            GoDestroy => self.task_destroy(event, w),
            GoStop => self.task_stop(event, w, false),
            GoBlock => self.task_stop(event, w, true),
            GoUnblock => self.task_unblock(event, w),
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
            STWBegin => self.world_stops(event, w, tables),
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
            UserTaskBegin => self.user_task_begin(event, w, tables),
            UserTaskEnd => self.user_task_end(event, w),
            UserRegionBegin => self.user_region(event, w, tables, true),
            UserRegionEnd => self.user_region(event, w, tables, false),
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

    /// Makes a step of `event`, in the state that its worker is in.
    #[inline(always)]
    fn emit(&mut self, event: &Timed, w: u32, stack: u64, what: What) {
        let context = self.workers.context(w);
        self.emit_as(event, context, event.kind, stack, what);
    }

    /// Makes a step of `event` that looks as if `wire` had said it there.
    #[inline(always)]
    fn emit_as(
        &mut self,
        event: &Timed,
        context: Context,
        wire: EventKind,
        stack: u64,
        what: What,
    ) {
        // No event makes more steps than there is room for.
        self.steps.made[self.steps.len % Steps::ROOM] = Step {
            time: event.time,
            worker: context.worker,
            proc: context.proc,
            task: context.task,
            stack,
            wire: Some(wire),
            offset: event.offset,
            what,
        };
        self.steps.len += 1;
    }

    /// A sequence number of the generation that events come from.
    #[inline(always)]
    fn sequence(&self, number: u64) -> Sequence {
        Sequence {
            generation: self.generation,
            number,
        }
    }

    fn is_initial(&self) -> bool {
        self.initial == Some(self.generation)
    }

    /// A string of this generation, to be kept longer than the generation.
    fn share(&mut self, id: u64, tables: &Tables) -> Arc<str> {
        let text = || tables.string(id).unwrap_or_default().into();
        self.shared.entry(id).or_insert_with(text).clone()
    }
}

fn metric(metric: Metric, value: u64) -> What {
    What::Metric { metric, value }
}
