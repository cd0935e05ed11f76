//! What procs did: the share of their time for which they were put to use.

use std::collections::BTreeMap;

use trace_read::{Event, Kind, ProcId, ProcState, TaskState};

use crate::intervals::{Interval, Life, Visitor};

/// What a proc did, nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proc {
    /// A task ran on it.
    pub running: u64,
    /// A system call had it and could lose it at any time.
    pub syscall: u64,
    /// No worker held it.
    pub idle: u64,
    /// A worker held it for whatever purpose: `running` and `syscall`, and what
    /// is between, as looking for a task to run.
    pub held: u64,
}

impl Proc {
    /// A worker held it and did neither of the rest.
    pub fn rest(&self) -> u64 {
        self.held
            .saturating_sub(self.running)
            .saturating_sub(self.syscall)
    }
}

/// Gathers what procs did.
#[derive(Debug, Default)]
pub(super) struct Procs {
    procs: BTreeMap<ProcId, (Proc, Option<(ProcState, u64)>)>,
    sync: u64,
}

impl Procs {
    pub(super) fn event(&mut self, event: &Event<'_>) {
        match &event.kind {
            Kind::Sync(_) => self.sync = event.time,
            Kind::Proc(change) if change.from != change.to => {
                let since = match change.from {
                    ProcState::Undetermined => self.sync,
                    _ => event.time,
                };
                let (proc, now) = self.procs.entry(change.proc).or_default();
                close(proc, now.replace((change.to, since)), event.time);
            }
            _ => {}
        }
    }

    /// All of them by number, at the end of the trace.
    pub(super) fn finish(self, end: u64) -> Vec<(ProcId, Proc)> {
        let procs = self.procs.into_iter();
        procs
            .map(|(id, (mut proc, now))| {
                close(&mut proc, now, end);
                (id, proc)
            })
            .collect()
    }
}

/// Adds the time in a state that ends.
fn close(proc: &mut Proc, state: Option<(ProcState, u64)>, end: u64) {
    match state {
        Some((ProcState::Running, since)) => proc.held += end - since,
        Some((ProcState::Idle, since)) => proc.idle += end - since,
        _ => {}
    }
}

impl Visitor for Procs {
    fn interval(&mut self, interval: &Interval, _: &Life) {
        let Some(id) = interval.proc else {
            return;
        };
        let (proc, _) = self.procs.entry(id).or_default();
        match interval.state {
            TaskState::Running => proc.running += interval.duration(),
            TaskState::Syscall => {
                proc.syscall += interval.lost_proc.unwrap_or(interval.end) - interval.start;
            }
            _ => {}
        }
    }
}
