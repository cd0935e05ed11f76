//! User tasks, user regions, and the runtime's own ranges of time, each by name.

use hashbrown::HashMap;
use trace_read::event::{Range, RangeAttributes, RangeName};
use trace_read::{Event, Kind, Scope, TaskId, UserTaskId};

use crate::intervals::{Life, Visitor};
use crate::spread::Spread;
use crate::stacks::{Name, Names};

/// Things of the same name that have a beginning and an end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spans {
    /// Those that begin and end within the trace.
    pub whole: Spread,
    /// How many of them began before the trace.
    pub begun_before: u64,
    /// How many of them have not ended when the trace does, or when the task
    /// ends that they are bound to.
    pub unfinished: u64,
}

/// Gathers things that have a beginning and an end.
#[derive(Debug, Default)]
pub(super) struct Annotations {
    user_tasks: HashMap<Name, Spans>,
    regions: HashMap<Name, Spans>,
    ranges: HashMap<Name, Spans>,
    open_tasks: HashMap<UserTaskId, (Name, u64)>,
    /// By task, innermost last.
    open_regions: HashMap<TaskId, Vec<(Name, u64)>>,
    /// When they began; `None` if before the trace.
    open_ranges: HashMap<(Name, Scope), Option<u64>>,
    swept: u64,
    reclaimed: u64,
}

/// Spans by name, in no order.
pub(super) type ByName = Vec<(Name, Spans)>;

/// What was gathered.
pub(super) struct Found {
    pub(super) user_tasks: ByName,
    pub(super) regions: ByName,
    pub(super) ranges: ByName,
    pub(super) swept: u64,
    pub(super) reclaimed: u64,
}

impl Annotations {
    pub(super) fn event(&mut self, event: &Event<'_>, names: &mut Names) {
        let time = event.time;
        match &event.kind {
            Kind::UserTaskBegin(task) => {
                let name = names.intern(task.name);
                self.open_tasks.insert(task.id, (name, time));
            }
            Kind::UserTaskEnd(task) => match self.open_tasks.remove(&task.id) {
                Some((name, begun)) => {
                    let spans = self.user_tasks.entry(name).or_default();
                    spans.whole.add(time - begun);
                }
                None => {
                    let name = names.intern(task.name);
                    self.user_tasks.entry(name).or_default().begun_before += 1;
                }
            },
            Kind::UserRegionBegin(region) => {
                if let Some(task) = event.task {
                    let name = names.intern(region.name);
                    let open = self.open_regions.entry(task).or_default();
                    open.push((name, time));
                }
            }
            Kind::UserRegionEnd(region) => {
                let open = event.task.and_then(|task| self.open_regions.get_mut(&task));
                match open.and_then(Vec::pop) {
                    Some((name, begun)) => {
                        let spans = self.regions.entry(name).or_default();
                        spans.whole.add(time - begun);
                    }
                    None => {
                        let name = names.intern(region.name);
                        self.regions.entry(name).or_default().begun_before += 1;
                    }
                }
            }
            Kind::RangeBegin(range) => {
                self.open_ranges.insert(key(range, names), Some(time));
            }
            // It may have begun within the trace, in an earlier generation.
            Kind::RangeActive(range) => {
                self.open_ranges.entry(key(range, names)).or_insert(None);
            }
            Kind::RangeEnd(range, attributes) => {
                let key = key(range, names);
                let spans = self.ranges.entry(key.0).or_default();
                match self.open_ranges.remove(&key).flatten() {
                    Some(begun) => spans.whole.add(time - begun),
                    None => spans.begun_before += 1,
                }
                if let RangeAttributes::Swept { swept, reclaimed } = *attributes {
                    self.swept = self.swept.saturating_add(swept);
                    self.reclaimed = self.reclaimed.saturating_add(reclaimed);
                }
            }
            _ => {}
        }
    }

    /// All of them, at the end of the trace and after the last task's end.
    pub(super) fn finish(mut self) -> Found {
        for (_, (name, _)) in self.open_tasks.drain() {
            self.user_tasks.entry(name).or_default().unfinished += 1;
        }
        for ((name, _), _) in self.open_ranges.drain() {
            self.ranges.entry(name).or_default().unfinished += 1;
        }
        Found {
            user_tasks: self.user_tasks.into_iter().collect(),
            regions: self.regions.into_iter().collect(),
            ranges: self.ranges.into_iter().collect(),
            swept: self.swept,
            reclaimed: self.reclaimed,
        }
    }
}

impl Visitor for Annotations {
    fn interval(&mut self, _: &crate::intervals::Interval, _: &Life) {}

    fn task(&mut self, life: &Life) {
        if self.open_regions.is_empty() {
            return;
        }
        for (name, _) in self.open_regions.remove(&life.task).into_iter().flatten() {
            self.regions.entry(name).or_default().unfinished += 1;
        }
    }
}

/// What a range is known by until it ends.
fn key(range: &Range<'_>, names: &mut Names) -> (Name, Scope) {
    let name = match range.name {
        // The most frequent ones, so as not to make a text each time.
        RangeName::GcSweep => names.intern("GC incremental sweep"),
        RangeName::GcMarkAssist => names.intern("GC mark assist"),
        other => names.intern(&other.to_string()),
    };
    (name, range.scope)
}
