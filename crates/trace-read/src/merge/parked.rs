//! Workers that wait, set aside until what they wait for may have come.
//!
//! Go's reader tries a worker that waits again after each event of another one. That
//! is rare, and soon over, and in a whole generation it is done here in the same way,
//! so that events of the same time come in the same order. But a file can be made in
//! which nearly all workers wait for each other; and in a generation that is cut off
//! they may wait for good. There a worker that waits is parked, by what it waits for,
//! and is tried again when an event has changed that:
//!
//! ```text
//!            waits, cannot have happened
//!  frontier ────────────────────────────► parked, by Key
//!           ◄────────────────────────────
//!            its key has come, or nobody else can go on
//! ```
//!
//! 1. An event waits for exactly what its key says ([`Merge::key`]), and every event
//!    that can make a key come wakes the earliest worker that waits for it
//!    ([`Merge::touch`]). So the earliest event that can be taken is always the next.
//! 2. A worker that was woken is taken, unless another one has taken its turn: an event
//!    wakes few in vain, and a generation takes n log n steps.
//! 3. In a generation that is cut off, an event that cannot have happened may lack
//!    something as well, and many things may be what it lacks ([`Key::Missing`]). It is
//!    tried again after events of the rarer kinds, and so is everybody before the end,
//!    until nobody can go on. Only this is bounded by patience.

use std::collections::BTreeSet;

use trace_format::{EventKind, ProcStatus};

use super::{Entry, Merge, Why, go_on, take};
use crate::contradiction::Contradiction;
use crate::cursor::Timed;
use crate::error::ReadError;
use crate::event::{TaskState, WorkerId};
use crate::left::Left;
use crate::step::{NONE, known};
use crate::steps::Sink;

/// What a worker waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// That this task is runnable, and its next event the one of this number.
    Runnable(u64, u64),
    /// That this task waits, and its next event is the one of this number.
    Waiting(u64, u64),
    /// That this proc is idle, and its next event the one of this number.
    Idle(u64, u64),
    /// That this proc is in a system call, and its next event the one of this number.
    InSyscall(u64, u64),
    /// That this proc, which is in a system call, is taken away or comes out of it.
    Out(u64),
    /// That the worker in this slot loses its proc.
    Loss(u32),
    /// That the collector's next event is the one of this number.
    Collector(u64),
    /// That something comes that may be missing.
    Missing,
}

/// The workers that wait and are not in the frontier.
#[derive(Debug, Default)]
pub(super) struct Parked {
    /// What each waits for, since when by its clock, and its cursor.
    waiting: BTreeSet<(Key, i64, u32)>,
    /// Whether an event was taken since all of them were tried.
    progress: bool,
    /// How many more times one may be parked.
    pub(super) patience: u64,
}

impl Parked {
    /// How many times workers may be parked for each byte of a generation, and how
    /// many times besides.
    const PATIENCE: u64 = 32;
    const BESIDES: u64 = 1 << 20;

    /// Starts with a generation of so many bytes.
    pub fn begin(&mut self, bytes: u64) {
        self.clear();
        self.patience = Self::PATIENCE * bytes + Self::BESIDES;
    }

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

    /// Sets the first worker of the frontier aside, whose next event waits; or cannot
    /// have happened, because of this, as far as it is known in a generation that is
    /// cut off. That is wrong all the same.
    pub(super) fn park(&mut self, first: Entry, impossible: Option<Box<Contradiction>>) {
        let key = match impossible {
            None => self.key(first),
            Some(what) => {
                let cursor = &self.cursors[first.cursor as usize];
                self.note(self.impossible(cursor, what));
                Key::Missing
            }
        };
        self.frontier.remove(0);
        self.parked.patience = self.parked.patience.saturating_sub(1);
        let time = self.cursors[first.cursor as usize].time();
        self.parked.waiting.insert((key, time, first.cursor));
    }

    /// What a worker's next event waits for, if it waits.
    fn key(&self, entry: Entry) -> Key {
        let cursor = &self.cursors[entry.cursor as usize];
        let (_, proc) = self.order.holds(cursor.worker);
        let [id, number, ..] = cursor.event.args;
        match cursor.event.kind {
            EventKind::GoStart => Key::Runnable(id, number),
            EventKind::GoUnblock | EventKind::GoSwitch | EventKind::GoSwitchDestroy => {
                Key::Waiting(id, number)
            }
            EventKind::ProcStart if proc != NONE => Key::Loss(cursor.worker),
            EventKind::ProcStart => Key::Idle(id, number),
            EventKind::ProcSteal => Key::InSyscall(id, number),
            EventKind::GoSyscallEndBlocked => Key::Out(proc),
            EventKind::GCActive | EventKind::GCBegin | EventKind::GCEnd => Key::Collector(id),
            _ => Key::Missing,
        }
    }

    /// Takes one event, or a CPU sample, where workers are set aside. False if there is
    /// none that could be taken.
    #[cold]
    #[inline(never)]
    pub(super) fn find_past_parked<S: Sink>(&mut self, sink: &mut S) -> bool {
        // A worker that this one wakes may be the next.
        self.order.steps.stop();
        while self.parked.patience > 0 {
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
        match then {
            Why::Later => self.frontier.update_first(time),
            Why::End => self.frontier.remove(0),
            // If it is for want of memory, nobody goes on.
            Why::Bytes(error) => _ = self.leave_out(0, error),
            Why::Waits => self.park(first, None),
            Why::Never(what) if self.generation.is_cut => self.park(first, Some(what)),
            Why::Never(what) => self.stop_at(first, what),
        }
        if taken {
            self.parked.progress = true;
            self.touch(&event, held);
        }
        taken
    }

    /// Wakes workers that wait for what an event has changed. Before it, its worker has
    /// held this task and this proc.
    fn touch(&mut self, event: &Timed, (task, proc): (u64, u64)) {
        let [id, _, other, _] = event.args;
        self.touch_task(task);
        match event.kind {
            EventKind::GoStop | EventKind::GoBlock | EventKind::GoDestroy => return,
            EventKind::GoCreate | EventKind::GoStart | EventKind::GoUnblock => {
                return self.touch_task(id);
            }
            EventKind::GoCreateBlocked
            | EventKind::GoCreateSyscall
            | EventKind::GoSwitch
            | EventKind::GoSwitchDestroy
            | EventKind::GoStatus
            | EventKind::GoStatusStack => self.touch_task(id),
            EventKind::ProcStart | EventKind::ProcStatus => self.touch_proc(id),
            EventKind::ProcSteal => {
                self.touch_proc(id);
                if let Some(loser) = self.order.seen(other) {
                    self.wake(Key::Loss(loser));
                }
            }
            EventKind::GCActive | EventKind::GCBegin | EventKind::GCEnd => {
                self.wake(Key::Collector(self.order.next_of_collector()));
            }
            _ => {}
        }
        self.touch_proc(proc);
        if self.generation.is_cut {
            self.wake_all(Key::Missing);
        }
    }

    fn touch_task(&mut self, id: u64) {
        match self.order.next_of_task(id) {
            Some((TaskState::Runnable, number)) => self.wake(Key::Runnable(id, number)),
            Some((TaskState::Waiting, number)) => self.wake(Key::Waiting(id, number)),
            _ => {}
        }
    }

    fn touch_proc(&mut self, id: u64) {
        let Some((status, number)) = self.order.next_of_proc(id) else {
            return;
        };
        if status != Some(ProcStatus::Syscall) {
            self.wake_all(Key::Out(id));
        }
        match (status, number) {
            (Some(ProcStatus::Idle), Some(number)) => self.wake(Key::Idle(id, number)),
            (Some(ProcStatus::Syscall | ProcStatus::SyscallAbandoned), Some(number)) => {
                self.wake(Key::InSyscall(id, number));
            }
            _ => {}
        }
    }

    /// Wakes the earliest worker that waits for this. If it is taken, it is not there
    /// any more for others; only where its event may be left out, they are woken too.
    fn wake(&mut self, key: Key) {
        match self.generation.is_cut {
            true => self.wake_all(key),
            false => _ = self.wake_one(key),
        }
    }

    fn wake_all(&mut self, key: Key) {
        while self.wake_one(key) {}
    }

    /// False if nobody waits for this.
    fn wake_one(&mut self, key: Key) -> bool {
        let range = (key, i64::MIN, 0)..=(key, i64::MAX, u32::MAX);
        let Some(&woken) = self.parked.waiting.range(range).next() else {
            return false;
        };
        self.parked.waiting.remove(&woken);
        self.unpark(woken.2);
        true
    }

    fn wake_everybody(&mut self) {
        for (.., cursor) in std::mem::take(&mut self.parked.waiting) {
            self.unpark(cursor);
        }
    }

    fn unpark(&mut self, cursor: u32) {
        let time = self.cursors[cursor as usize].time();
        self.frontier.push(Entry { time, cursor });
    }

    /// Nobody can go on: what there is, is left.
    pub(super) fn give_up(&mut self) {
        let is_tangled = self.parked.patience == 0;
        self.wake_everybody();
        let Some(first) = self.frontier.first() else {
            return;
        };
        let cursor = &self.cursors[first.cursor as usize];
        let (at, kind) = (self.place(cursor), cursor.event.kind);
        let workers = self.frontier.len() as u64;
        let error = match is_tangled {
            true => ReadError::Tangled { at, kind, workers },
            false => ReadError::Stuck { at, kind, workers },
        };
        match self.generation.is_cut {
            true => {
                self.note(error);
                self.left = std::mem::take(&mut self.frontier);
            }
            false => self.stop(error),
        }
    }
}
