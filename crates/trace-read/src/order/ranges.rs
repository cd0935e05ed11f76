//! Ranges of time: the stopped world, the collector's marking, sweeping and
//! being helped.

use std::sync::Arc;

use crate::contradiction::Contradiction;
use crate::cursor::Timed;
use crate::event::{ProcId, Scope, TaskId};
use crate::order::workers::refused;
use crate::order::{Order, Outcome};
use crate::step::{Name, Phase, What};

/// Which range it is, of those that a task or proc may be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RangeKind {
    StopTheWorld,
    Sweep,
    Assist,
}

impl RangeKind {
    fn name(self) -> &'static str {
        match self {
            Self::StopTheWorld => "stop-the-world",
            Self::Sweep => "GC incremental sweep",
            Self::Assist => "GC mark assist",
        }
    }
}

/// The ranges that a task or proc is in: hardly ever more than one.
#[derive(Debug, Default)]
pub(super) struct Ranges(Vec<(RangeKind, Option<Arc<str>>)>);

impl Ranges {
    fn has(&self, kind: RangeKind, reason: Option<&Arc<str>>) -> bool {
        let mut open = self.0.iter();
        open.any(|(open, why)| *open == kind && why.as_ref() == reason)
    }

    /// Begins a range. False if it has been begun.
    fn begin(&mut self, kind: RangeKind, reason: Option<Arc<str>>) -> bool {
        let fresh = !self.has(kind, reason.as_ref());
        if fresh {
            self.0.push((kind, reason));
        }
        fresh
    }

    /// Ends a range and returns its reason. `None` if there is no such range.
    fn end(&mut self, kind: RangeKind) -> Option<Option<Arc<str>>> {
        let at = self.0.iter().position(|(open, _)| *open == kind)?;
        Some(self.0.swap_remove(at).1)
    }

    /// A range is said to go on. In the first generation this is how we learn of
    /// it; later it must be known.
    fn goes_on(&mut self, kind: RangeKind, initial: bool) -> Result<(), Box<Contradiction>> {
        let name = kind.name();
        match (initial, self.has(kind, None)) {
            (true, true) => Err(refused(Contradiction::RangeBegun { name })),
            (false, false) => Err(refused(Contradiction::RangeNotBegun { name })),
            (true, false) => {
                self.0.push((kind, None));
                Ok(())
            }
            (false, true) => Ok(()),
        }
    }
}

/// What is known of the collector.
#[derive(Debug, Default)]
pub(super) struct Collector {
    /// Number of its last event.
    number: u64,
    /// Whether it marks, if that is known.
    marks: Option<bool>,
}

impl Order {
    /// The slot of the worker's task, in whatever status.
    fn any_task(&self, w: u32) -> Result<u32, Box<Contradiction>> {
        let held = self.workers.task(w);
        let task = TaskId(held.id);
        let unknown = || refused(Contradiction::UnknownTask { task });
        self.tasks.held(held).ok_or_else(unknown)
    }

    fn emit_range(&mut self, event: &Timed, w: u32, stack: u64, range: (Phase, Name, Scope)) {
        let (phase, name, scope) = range;
        self.emit(event, w, stack, What::Range { phase, name, scope });
    }

    /// The running task stops the world.
    pub(super) fn world_stops(&mut self, event: &Timed, w: u32) -> Outcome {
        self.workers.on_task(w)?;
        let [reason, stack, ..] = event.args;
        let slot = self.any_task(w)?;
        let text = self.share(reason);
        let ranges = &mut self.tasks[slot].more().ranges;
        if !ranges.begin(RangeKind::StopTheWorld, Some(text)) {
            let name = RangeKind::StopTheWorld.name();
            return Err(refused(Contradiction::RangeBegun { name }));
        }
        let scope = Scope::Task(TaskId(self.workers.task(w).id));
        self.emit_range(event, w, stack, (Phase::Begin, Name::Stw(reason), scope));
        Ok(true)
    }

    /// The world goes on. The event does not repeat why it was stopped.
    pub(super) fn world_goes_on(&mut self, event: &Timed, w: u32) -> Outcome {
        self.workers.on_task(w)?;
        let slot = self.any_task(w)?;
        let more = self.tasks[slot].more.as_mut();
        let Some(reason) = more.and_then(|more| more.ranges.end(RangeKind::StopTheWorld)) else {
            let name = RangeKind::StopTheWorld.name();
            return Err(refused(Contradiction::RangeNotBegun { name }));
        };
        self.carry(reason);
        let scope = Scope::Task(TaskId(self.workers.task(w).id));
        self.emit_range(event, w, 0, (Phase::End, Name::StwCarried, scope));
        Ok(true)
    }

    /// The collector starts or stops marking, or marks as a generation starts.
    ///
    /// Its events are numbered, so that those of one cycle are not taken for
    /// those of another when clocks are wildly off.
    pub(super) fn mark(&mut self, event: &Timed, w: u32, phase: Phase) -> Outcome {
        let [number, stack, ..] = event.args;
        let stack = if phase == Phase::Begin { stack } else { 0 };
        let known = self.collector.marks;
        let first = match phase {
            Phase::Active => self.is_initial(),
            Phase::Begin => known.is_none(),
            Phase::End => false,
        };
        if first {
            if known.is_some() {
                return Err(refused(Contradiction::CollectorKnown));
            }
        } else {
            if number != self.collector.number.wrapping_add(1) {
                return Ok(false);
            }
            let must_mark = phase != Phase::Begin;
            if known != Some(must_mark) {
                return Err(refused(Contradiction::Collector { must_mark }));
            }
            self.workers.on_task(w)?;
        }
        self.collector.number = number;
        self.collector.marks = Some(phase != Phase::End);
        self.emit_range(event, w, stack, (phase, Name::GcMark, Scope::Global));
        Ok(true)
    }

    /// The worker's proc starts to sweep.
    pub(super) fn sweep_begin(&mut self, event: &Timed, w: u32) -> Outcome {
        self.workers.on_proc(w)?;
        let slot = self.current_proc(w)?;
        if !self.procs[slot].ranges.begin(RangeKind::Sweep, None) {
            let name = RangeKind::Sweep.name();
            return Err(refused(Contradiction::RangeBegun { name }));
        }
        let scope = Scope::Proc(ProcId(self.workers.proc(w).id));
        let range = (Phase::Begin, Name::GcSweep, scope);
        self.emit_range(event, w, event.args[0], range);
        Ok(true)
    }

    /// A proc sweeps as a generation starts.
    pub(super) fn sweep_active(&mut self, event: &Timed, w: u32) -> Outcome {
        let proc = ProcId(event.args[0]);
        let Some(slot) = self.procs.slot(proc.0) else {
            return Err(refused(Contradiction::UnknownProc { proc }));
        };
        let initial = self.is_initial();
        self.procs[slot].ranges.goes_on(RangeKind::Sweep, initial)?;
        let range = (Phase::Active, Name::GcSweep, Scope::Proc(proc));
        self.emit_range(event, w, 0, range);
        Ok(true)
    }

    /// The worker's proc ends its sweep.
    pub(super) fn sweep_end(&mut self, event: &Timed, w: u32) -> Outcome {
        self.workers.on_proc(w)?;
        let slot = self.current_proc(w)?;
        if self.procs[slot].ranges.end(RangeKind::Sweep).is_none() {
            let name = RangeKind::Sweep.name();
            return Err(refused(Contradiction::RangeNotBegun { name }));
        }
        let [swept, reclaimed, ..] = event.args;
        let proc = ProcId(self.workers.proc(w).id);
        let what = What::SweepEnd {
            proc,
            swept,
            reclaimed,
        };
        self.emit(event, w, 0, what);
        Ok(true)
    }

    /// The running task starts or stops helping the collector.
    pub(super) fn assist(&mut self, event: &Timed, w: u32, phase: Phase, stack: u64) -> Outcome {
        self.workers.on_task(w)?;
        let slot = self.any_task(w)?;
        let ranges = &mut self.tasks[slot].more().ranges;
        let name = RangeKind::Assist.name();
        if phase == Phase::Begin {
            if !ranges.begin(RangeKind::Assist, None) {
                return Err(refused(Contradiction::RangeBegun { name }));
            }
        } else if ranges.end(RangeKind::Assist).is_none() {
            return Err(refused(Contradiction::RangeNotBegun { name }));
        }
        let scope = Scope::Task(TaskId(self.workers.task(w).id));
        self.emit_range(event, w, stack, (phase, Name::GcMarkAssist, scope));
        Ok(true)
    }

    /// A task, running or not, helps the collector as a generation starts.
    pub(super) fn assist_active(&mut self, event: &Timed, w: u32) -> Outcome {
        let task = TaskId(event.args[0]);
        let Some(slot) = self.tasks.slot(task.0) else {
            return Err(refused(Contradiction::UnknownTask { task }));
        };
        let initial = self.is_initial();
        let ranges = &mut self.tasks[slot].more().ranges;
        ranges.goes_on(RangeKind::Assist, initial)?;
        let range = (Phase::Active, Name::GcMarkAssist, Scope::Task(task));
        self.emit_range(event, w, 0, range);
        Ok(true)
    }
}
