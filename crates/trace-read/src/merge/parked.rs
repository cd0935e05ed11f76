//! The merge of a generation that is cut off: workers wait there for what is missing,
//! and may be many, with many events of others to come.
//!
//! In a whole generation a worker that waits is tried again after each event of another
//! worker, as Go's reader does it; that is rare, and soon over. Here it may be for
//! good. So a worker that waits is set aside, by what it waits for, and is tried again
//! when an event touches that:
//!
//! ```text
//!            waits, cannot have happened
//!  frontier ────────────────────────────► parked, by Key
//!           ◄────────────────────────────
//!            an event touches the key, or nobody else can go on
//! ```
//!
//! For an event that cannot have happened many things may be missing. It is tried
//! again after events of the rarer kinds; and before the end everybody is, until
//! nobody can go on. So it is right that nothing is left that could be told, whatever
//! the keys are: they only see to it that it comes in time.

use std::collections::BTreeSet;

use trace_format::EventKind;

use super::{Entry, Merge, Why, go_on, take};
use crate::cursor::Timed;
use crate::error::ReadError;
use crate::event::WorkerId;
use crate::left::Left;
use crate::step::{NONE, known};
use crate::steps::Sink;

/// What a worker waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// The event of this task that has the number before this one, and the right state.
    Task(u64, u64),
    /// The same of a proc.
    Proc(u64, u64),
    /// That this proc, which the worker holds, is taken from it.
    Loss(u64),
    /// Something else.
    Other,
}

/// The workers that wait in a generation that is cut off.
#[derive(Debug, Default)]
pub(super) struct Parked {
    /// The cursors, by what they wait for.
    waiting: BTreeSet<(Key, u32)>,
    /// Whether an event was taken since all of them were tried.
    progress: bool,
}

impl Parked {
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub fn clear(&mut self) {
        self.waiting.clear();
        self.progress = false;
    }
}

impl Merge {
    /// What is left of the workers' events, if none of them could go on and the
    /// generation is cut off.
    pub fn left(&self) -> impl ExactSizeIterator<Item = Left> {
        self.left.all().iter().map(|entry| {
            let cursor = &self.cursors[entry.cursor as usize];
            let mut head = cursor.clone();
            if !head.is_decoded {
                // It is known that it can be.
                let _ = head.advance(&self.generation);
            }
            Left {
                worker: known(self.order.worker_id(cursor.worker)).map(WorkerId),
                events: cursor.count(&self.generation),
                from: head.event.time as u64,
                kind: head.event.kind,
                offset: head.event.offset,
            }
        })
    }

    /// Sets the first worker of the frontier aside, whose next event waits.
    pub(super) fn park(&mut self, first: Entry) {
        self.frontier.remove(0);
        self.patience = self.patience.saturating_sub(1);
        let cursor = &self.cursors[first.cursor as usize];
        let (_, proc) = self.order.holds(cursor.worker);
        let [id, number, ..] = cursor.event.args;
        let key = match cursor.event.kind {
            EventKind::GoStart
            | EventKind::GoUnblock
            | EventKind::GoSwitch
            | EventKind::GoSwitchDestroy => Key::Task(id, number),
            EventKind::ProcStart | EventKind::GoSyscallEndBlocked if proc != NONE => {
                Key::Loss(proc)
            }
            EventKind::ProcStart | EventKind::ProcSteal => Key::Proc(id, number),
            _ => Key::Other,
        };
        self.parked.waiting.insert((key, first.cursor));
    }

    /// Takes one event, or a CPU sample, where workers are set aside. False if there is
    /// none that could be taken.
    #[cold]
    #[inline(never)]
    pub(super) fn find_past_parked<S: Sink>(&mut self, sink: &mut S) -> bool {
        // A worker that this one wakes may be the next.
        self.order.steps.stop();
        while self.patience > 0 {
            let taken = match self.frontier.first() {
                Some(first) if self.sample_time >= first.time => self.try_first(first, sink),
                None if self.parked.progress => {
                    self.parked.progress = false;
                    self.wake_everybody();
                    false
                }
                None => break,
                Some(_) => self.take_sample(sink),
            };
            if taken {
                return true;
            }
        }
        self.give_up();
        self.take_sample(sink)
    }

    /// Tries the next event of the worker that is the first. Whether it was taken.
    fn try_first<S: Sink>(&mut self, first: Entry, sink: &mut S) -> bool {
        let cursor = &mut self.cursors[first.cursor as usize];
        let worker = cursor.worker;
        self.order.appears(worker);
        let why = match cursor.is_decoded {
            true => Why::Later,
            false => go_on(cursor, &self.generation),
        };
        let event = cursor.event;
        let held = self.order.holds(worker);
        let why = match why {
            Why::Later => take(cursor, &mut self.order, sink),
            why => why,
        };
        let taken = matches!(why, Why::Later);
        let then = match taken {
            true => go_on(cursor, &self.generation),
            false => why,
        };
        let time = cursor.time();
        match self.unless_missing(first, then) {
            Why::Later => self.frontier.update_first(time),
            Why::End => self.frontier.remove(0),
            // If it is for want of memory, nobody goes on.
            Why::Bytes(error) => _ = self.leave_out(0, error),
            Why::Waits | Why::Never(_) => self.park(first),
        }
        if taken {
            self.parked.progress = true;
            self.touch(&event, held);
        }
        taken
    }

    /// Wakes those that wait for what an event has touched. Before it, its worker has
    /// held this task and this proc.
    fn touch(&mut self, event: &Timed, (task, proc): (u64, u64)) {
        let id = event.args[0];
        let (mut tasks, mut procs) = ([task, NONE], [proc, NONE]);
        let mut is_frequent = false;
        match event.kind {
            EventKind::GoStop | EventKind::GoBlock | EventKind::GoDestroy => is_frequent = true,
            EventKind::GoCreate | EventKind::GoStart | EventKind::GoUnblock => {
                is_frequent = true;
                tasks[1] = id;
            }
            EventKind::GoCreateBlocked
            | EventKind::GoCreateSyscall
            | EventKind::GoSwitch
            | EventKind::GoSwitchDestroy
            | EventKind::GoStatus
            | EventKind::GoStatusStack => tasks[1] = id,
            EventKind::ProcStart | EventKind::ProcStatus | EventKind::ProcSteal => procs[1] = id,
            _ => {}
        }
        for task in tasks {
            if let Some(number) = self.order.next_of_task(task) {
                self.wake_all_of(Key::Task(task, number));
            }
        }
        if is_frequent {
            return;
        }
        for proc in procs {
            if let Some(number) = self.order.next_of_proc(proc) {
                self.wake_all_of(Key::Proc(proc, number));
                self.wake_all_of(Key::Loss(proc));
            }
        }
        self.wake_all_of(Key::Other);
    }

    fn wake_all_of(&mut self, key: Key) {
        let range = (key, 0)..=(key, u32::MAX);
        while let Some(&woken) = self.parked.waiting.range(range.clone()).next() {
            self.parked.waiting.remove(&woken);
            self.unpark(woken.1);
        }
    }

    fn wake_everybody(&mut self) {
        for (_, cursor) in std::mem::take(&mut self.parked.waiting) {
            self.unpark(cursor);
        }
    }

    fn unpark(&mut self, cursor: u32) {
        let time = self.cursors[cursor as usize].time();
        self.frontier.push(Entry { time, cursor });
    }

    /// Nobody can go on: what there is, is left.
    fn give_up(&mut self) {
        let is_tangled = self.patience == 0;
        self.wake_everybody();
        let Some(first) = self.frontier.first() else {
            return;
        };
        let cursor = &self.cursors[first.cursor as usize];
        let (at, kind) = (self.place(cursor), cursor.event.kind);
        let workers = self.frontier.len() as u64;
        self.note(match is_tangled {
            true => ReadError::Tangled { at, kind, workers },
            false => ReadError::Stuck { at, kind, workers },
        });
        self.left = std::mem::take(&mut self.frontier);
    }
}
