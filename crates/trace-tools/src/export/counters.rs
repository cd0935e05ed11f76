//! Counters: what the trace measures, and how many tasks are in which state.
//!
//! A trace mentions a task that was there before it no later than at the end of
//! its first generation. Until then nobody knows how many there are: so the
//! tasks' counts of the first generation are held back until it is over, and
//! what was found by then is added to all of them.

use std::io;

use trace_read::{Metric, TaskState};

use crate::export::timeline::Out;
use crate::export::{Group, Holds, Place, Sink};

/// At most one value of the tasks' counters is told in so many nanoseconds: what
/// a viewer can show, and far less than one for each of two transitions a task
/// switch.
const STEP: u64 = 10_000;

/// The states that are counted.
const STATES: [(TaskState, &str); 4] = [
    (TaskState::Running, "Tasks running"),
    (TaskState::Runnable, "Tasks runnable"),
    (TaskState::Waiting, "Tasks waiting"),
    (TaskState::Syscall, "Tasks in system calls"),
];

/// The metrics, and what they are called.
const METRICS: [(Metric, &str, Holds); 3] = [
    (Metric::HeapAlloc, "Heap", Holds::Bytes),
    (Metric::HeapGoal, "Heap goal", Holds::Bytes),
    (Metric::Procs, "Procs", Holds::Count),
];

/// How many tasks there are in each of [`STATES`].
type Counts = [i64; STATES.len()];

#[derive(Debug, Default)]
pub(super) struct Counters {
    metrics: [Option<Place>; METRICS.len()],
    states: [Option<Place>; STATES.len()],
    now: Counts,
    /// When that was last changed, if it was not told since.
    changed: Option<u64>,
    told: Option<Counts>,
    /// When the next value may be told.
    due: u64,
    generations: u64,
    /// What was found in the first generation.
    found: Counts,
    /// What was counted in the first generation, as far as it is over, without
    /// what was found.
    held: Vec<(u64, Counts)>,
}

impl Counters {
    /// A metric has a value.
    pub(super) fn metric(
        &mut self,
        out: &mut Out<'_, impl Sink>,
        metric: Metric,
        time: u64,
        value: u64,
    ) -> io::Result<()> {
        let nth = METRICS.iter().position(|&(known, ..)| known == metric);
        let Some(nth) = nth else {
            return Ok(());
        };
        let (_, name, holds) = METRICS[nth];
        let place = place(&mut self.metrics[nth], out, name, 10 + nth, holds)?;
        out.sink.count(place, name, time, value)
    }

    /// A generation begins, or the last one has ended.
    pub(super) fn new_generation(
        &mut self,
        out: &mut Out<'_, impl Sink>,
        time: u64,
    ) -> io::Result<()> {
        self.generations += 1;
        match self.generations {
            // What is found was there all the time.
            1 => {
                self.changed = Some(time);
                Ok(())
            }
            2 => self.release(out),
            _ => Ok(()),
        }
    }

    /// A task's state changes.
    pub(super) fn transition(
        &mut self,
        out: &mut Out<'_, impl Sink>,
        from: TaskState,
        to: TaskState,
        time: u64,
    ) -> io::Result<()> {
        if let Some(changed) = self.changed
            && time >= self.due
        {
            self.tell(out, changed)?;
            self.due = changed.saturating_add(STEP);
        }
        let counted = |state| STATES.iter().position(|&(known, _)| known == state);
        if from == TaskState::Undetermined && self.generations < 2 {
            if let Some(to) = counted(to) {
                self.found[to] += 1;
            }
            return Ok(());
        }
        if let Some(from) = counted(from) {
            self.now[from] -= 1;
        }
        if let Some(to) = counted(to) {
            self.now[to] += 1;
        }
        self.changed = Some(time);
        Ok(())
    }

    /// Tells the counts as they are since `time`, or keeps them for later.
    fn tell(&mut self, out: &mut Out<'_, impl Sink>, time: u64) -> io::Result<()> {
        self.changed = None;
        if self.generations < 2 {
            self.held.push((time, self.now));
            return Ok(());
        }
        self.write(out, time, self.now)
    }

    fn write(&mut self, out: &mut Out<'_, impl Sink>, time: u64, now: Counts) -> io::Result<()> {
        let told = self.told.replace(now);
        for (nth, &(_, name)) in STATES.iter().enumerate() {
            if told.is_none_or(|told| told[nth] != now[nth]) {
                let place = place(&mut self.states[nth], out, name, 20 + nth, Holds::Count)?;
                // Never below nothing, whatever a damaged trace says.
                let value = now[nth].max(0) as u64;
                out.sink.count(place, name, time, value)?;
            }
        }
        Ok(())
    }

    /// The first generation is over: all that was there is known.
    fn release(&mut self, out: &mut Out<'_, impl Sink>) -> io::Result<()> {
        let found = self.found;
        let add = |counts: Counts| std::array::from_fn(|nth| counts[nth] + found[nth]);
        for (time, counts) in std::mem::take(&mut self.held) {
            self.write(out, time, add(counts))?;
        }
        self.now = add(self.now);
        Ok(())
    }

    /// The trace ends.
    pub(super) fn finish(&mut self, out: &mut Out<'_, impl Sink>) -> io::Result<()> {
        if self.generations < 2 {
            self.generations = 2;
            self.release(out)?;
        }
        match self.changed {
            Some(changed) => self.tell(out, changed),
            None => Ok(()),
        }
    }
}

/// The track of a counter.
fn place(
    made: &mut Option<Place>,
    out: &mut Out<'_, impl Sink>,
    name: &str,
    rank: usize,
    holds: Holds,
) -> io::Result<Place> {
    match *made {
        Some(place) => Ok(place),
        None => {
            let place = out.track(Group::Program, name, rank as u64, holds)?;
            Ok(*made.insert(place))
        }
    }
}
