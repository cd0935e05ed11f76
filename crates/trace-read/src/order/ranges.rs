//! Ranges of time: the stopped world, the collector's marking, sweeping and
//! being helped.

use std::collections::HashSet;
use std::sync::Arc;

use crate::contradiction::Contradiction;
use crate::cursor::Timed;
use crate::event::{ProcId, Scope, TaskId};
use crate::order::workers::refused;
use crate::order::{Order, Outcome};
use crate::step::{Name, Phase, What};

/// What a stop of the world is called.
const STOP: &str = "stop-the-world";
/// What a proc's sweep is called.
const SWEEP: &str = "GC incremental sweep";
/// What a task's help for the collector is called.
const ASSIST: &str = "GC mark assist";

/// The ranges that a task or proc is in: hardly ever more than one.
///
/// A proc may sweep. A task may help the collector, and stop the world, for any
/// number of reasons. Which of these ends first depends on the order of the list,
/// which is that of Go's reader: when a range ends the last one takes its place.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    /// Why the world is stopped; `None` for the sweep or the help.
    open: Vec<Option<Arc<str>>>,
    /// Where the sweep or the help is in the list.
    work: Option<usize>,
    /// All reasons in the list, if they are many.
    #[expect(clippy::box_collection, reason = "hardly anybody has one")]
    reasons: Option<Box<HashSet<Arc<str>>>>,
}

impl Ranges {
    /// So many are looked through.
    const FEW: usize = 8;

    /// Begins a stop of the world. False if there is one for this reason.
    fn begin_stop(&mut self, reason: Arc<str>) -> bool {
        if self.reasons.is_none() && self.open.len() >= Self::FEW {
            let reasons = self.open.iter().flatten().cloned();
            self.reasons = Some(Box::new(reasons.collect()));
        }
        let fresh = match &mut self.reasons {
            Some(reasons) => reasons.insert(reason.clone()),
            None => !self.open.iter().flatten().any(|open| *open == reason),
        };
        if fresh {
            self.open.push(Some(reason));
        }
        fresh
    }

    /// Ends the first stop of the world and returns its reason.
    fn end_stop(&mut self) -> Option<Arc<str>> {
        let first = usize::from(self.work == Some(0));
        let reason = self.remove(first)?;
        if let (Some(reasons), Some(reason)) = (&mut self.reasons, &reason) {
            reasons.remove(reason);
        }
        reason
    }

    /// Begins the sweep or the help. False if there is one.
    fn begin_work(&mut self) -> bool {
        let fresh = self.work.is_none();
        if fresh {
            self.work = Some(self.open.len());
            self.open.push(None);
        }
        fresh
    }

    /// Ends the sweep or the help. False if there is none.
    fn end_work(&mut self) -> bool {
        let at = self.work.take();
        at.is_some_and(|at| self.remove(at).is_some())
    }

    fn remove(&mut self, at: usize) -> Option<Option<Arc<str>>> {
        let last = self.open.len().checked_sub(1)?;
        if at > last {
            return None;
        }
        if self.work == Some(last) {
            self.work = Some(at);
        }
        Some(self.open.swap_remove(at))
    }

    /// The sweep or the help is said to go on. In the first generation this is how
    /// we learn of it; later it must be known.
    fn goes_on(&mut self, name: &'static str, initial: bool) -> Result<(), Box<Contradiction>> {
        match (initial, self.work.is_some()) {
            (true, true) => Err(refused(Contradiction::RangeBegun { name })),
            (false, false) => Err(refused(Contradiction::RangeNotBegun { name })),
            (true, false) => {
                self.begin_work();
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

impl Collector {
    /// The number that its next event has to have.
    pub fn next_number(&self) -> u64 {
        self.number.wrapping_add(1)
    }
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
        if !ranges.begin_stop(text) {
            return Err(refused(Contradiction::RangeBegun { name: STOP }));
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
        let Some(reason) = more.and_then(|more| more.ranges.end_stop()) else {
            return Err(refused(Contradiction::RangeNotBegun { name: STOP }));
        };
        self.carry(Some(reason));
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
            if number != self.collector.next_number() {
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
        if !self.procs[slot].ranges.begin_work() {
            return Err(refused(Contradiction::RangeBegun { name: SWEEP }));
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
        self.procs[slot].ranges.goes_on(SWEEP, initial)?;
        let range = (Phase::Active, Name::GcSweep, Scope::Proc(proc));
        self.emit_range(event, w, 0, range);
        Ok(true)
    }

    /// The worker's proc ends its sweep.
    pub(super) fn sweep_end(&mut self, event: &Timed, w: u32) -> Outcome {
        self.workers.on_proc(w)?;
        let slot = self.current_proc(w)?;
        if !self.procs[slot].ranges.end_work() {
            return Err(refused(Contradiction::RangeNotBegun { name: SWEEP }));
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
        if phase == Phase::Begin {
            if !ranges.begin_work() {
                return Err(refused(Contradiction::RangeBegun { name: ASSIST }));
            }
        } else if !ranges.end_work() {
            return Err(refused(Contradiction::RangeNotBegun { name: ASSIST }));
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
        ranges.goes_on(ASSIST, initial)?;
        let range = (Phase::Active, Name::GcMarkAssist, Scope::Task(task));
        self.emit_range(event, w, 0, range);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Go's reader has them: one list that is looked through.
    #[derive(Default)]
    struct Model(Vec<Option<Arc<str>>>);

    impl Model {
        fn begin(&mut self, range: Option<Arc<str>>) -> bool {
            let fresh = !self.0.contains(&range);
            if fresh {
                self.0.push(range);
            }
            fresh
        }

        fn end(&mut self, stop: bool) -> Option<Option<Arc<str>>> {
            let at = self.0.iter().position(|open| open.is_some() == stop)?;
            Some(self.0.swap_remove(at))
        }
    }

    #[test]
    fn in_the_order_of_gos_reader() {
        let mut random = 1u64;
        for rare in [2, 3, 8] {
            let (mut ranges, mut model) = (Ranges::default(), Model::default());
            for step in 0..20_000u64 {
                random = random.wrapping_mul(0x5851_f42d_4c95_7f2d) ^ step;
                match (random >> 40) % (2 + rare) {
                    0 => assert_eq!(ranges.end_stop(), model.end(true).flatten()),
                    1 if random >> 63 == 0 => {
                        assert_eq!(ranges.end_work(), model.end(false).is_some());
                    }
                    1 => assert_eq!(ranges.begin_work(), model.begin(None)),
                    _ => {
                        // As strings of different generations: equal, and not the same.
                        let reason: Arc<str> = ((random >> 48) % 40).to_string().into();
                        assert_eq!(ranges.begin_stop(reason.clone()), model.begin(Some(reason)));
                    }
                }
                assert_eq!(ranges.open, model.0);
            }
            assert!(ranges.reasons.is_some());
        }
    }
}
