//! Procs: who holds them.

use std::ops::{Index, IndexMut};

use trace_format::ProcStatus;

use crate::contradiction::Contradiction;
use crate::cursor::Timed;
use crate::event::{ProcId, ProcState, WorkerId};
use crate::ids::SlotMap;
use crate::order::ranges::Ranges;
use crate::order::workers::{Holders, NOBODY, Worker, proc_id, refused};
use crate::order::{Order, Outcome, Sequence};
use crate::step::{NONE, What};

/// A proc's status; `None` is code 0, which Go's reader lets pass.
type Status = Option<ProcStatus>;

const RUNNING: Status = Some(ProcStatus::Running);
const IDLE: Status = Some(ProcStatus::Idle);
const SYSCALL: Status = Some(ProcStatus::Syscall);
const ABANDONED: Status = Some(ProcStatus::SyscallAbandoned);

/// A proc.
#[derive(Debug)]
pub(super) struct Proc {
    pub status: Status,
    pub sequence: Sequence,
    pub ranges: Ranges,
    holders: Holders,
}

/// A proc in a system call is still held, for those who read events.
fn state_of(status: Status) -> ProcState {
    match status {
        None => ProcState::Undetermined,
        Some(ProcStatus::Running | ProcStatus::Syscall) => ProcState::Running,
        Some(ProcStatus::Idle | ProcStatus::SyscallAbandoned) => ProcState::Idle,
    }
}

/// All procs, by slot. None ever goes away.
#[derive(Debug, Default)]
pub(super) struct Procs {
    all: Vec<Proc>,
    slots: SlotMap,
}

impl Procs {
    pub fn slot(&self, id: u64) -> Option<u32> {
        self.slots.get(&id).copied()
    }

    fn insert(&mut self, id: u64, status: Status, sequence: Sequence) -> u32 {
        let slot = self.all.len() as u32;
        self.all.push(Proc {
            status,
            sequence,
            ranges: Ranges::default(),
            holders: Holders::default(),
        });
        self.slots.insert(id, slot);
        slot
    }
}

impl Index<u32> for Procs {
    type Output = Proc;

    fn index(&self, slot: u32) -> &Proc {
        &self.all[slot as usize]
    }
}

impl IndexMut<u32> for Procs {
    fn index_mut(&mut self, slot: u32) -> &mut Proc {
        &mut self.all[slot as usize]
    }
}

impl Order {
    /// The slot of the worker's proc.
    pub(super) fn current_proc(&self, w: u32) -> Result<u32, Box<Contradiction>> {
        match self.workers.proc(w) {
            held if held.id != NONE => Ok(held.slot),
            _ => Err(refused(Contradiction::NoProc)),
        }
    }

    /// The worker's proc is not as it must be.
    #[cold]
    pub(super) fn proc_is_not(&self, worker: Worker, must_be: &'static str) -> Box<Contradiction> {
        let held = worker.proc;
        refused(Contradiction::ProcState {
            proc: ProcId(held.id),
            is: self.procs[held.slot].status,
            must_be,
        })
    }

    /// A proc is mentioned for the first time in a generation.
    pub(super) fn proc_status(&mut self, event: &Timed, w: u32) -> Outcome {
        let [id, code, ..] = event.args;
        let status = ProcStatus::from_code(code);
        if status.is_none() && code != 0 {
            return Err(refused(Contradiction::StatusCode { code }));
        }
        let sequence = self.sequence(0);
        let mut from = state_of(status);
        let mut to = from;
        let mut there = self.workers.at(w);
        let slot = match self.procs.slot(id) {
            Some(slot) => {
                let was = self.procs[slot].status;
                if status == ABANDONED && was == SYSCALL {
                    // The writer did not know where it was; we do. It happened to
                    // the worker that held it.
                    let holders = &mut self.procs[slot].holders;
                    let Some(holder) = self.workers.holder(id, holders) else {
                        let proc = ProcId(id);
                        return Err(refused(Contradiction::ProcWithoutWorker { proc }));
                    };
                    from = ProcState::Running;
                    to = ProcState::Running;
                    there = self.workers.at(holder);
                } else if was != status {
                    return Err(refused(Contradiction::ProcChanged {
                        proc: ProcId(id),
                        was,
                        now: status,
                    }));
                }
                self.procs[slot].sequence = sequence;
                slot
            }
            None => {
                from = match self.is_initial() {
                    true => ProcState::Undetermined,
                    false => ProcState::NotExist,
                };
                self.procs.insert(id, status, sequence)
            }
        };
        let what = What::Proc { proc: id, from, to };
        self.emit_as(event, there, event.kind, 0, what);
        if status == RUNNING || status == SYSCALL {
            let holders = &mut self.procs[slot].holders;
            self.workers.hold(w, id, slot, holders);
        }
        Ok(true)
    }

    /// The worker takes an idle proc.
    pub(super) fn proc_start(&mut self, event: &Timed, w: u32) -> Outcome {
        let worker = self.workers.at(w);
        let [id, number, ..] = event.args;
        let sequence = self.sequence(number);
        let Some(slot) = self.procs.slot(id) else {
            return Ok(false);
        };
        let proc = &mut self.procs[slot];
        // It may have a proc that is yet to be stolen from it.
        if proc.status != IDLE || !proc.sequence.is_followed_by(sequence) || worker.proc.id != NONE
        {
            return Ok(false);
        }
        worker.on_worker()?;
        proc.status = RUNNING;
        proc.sequence = sequence;
        let (from, to) = (ProcState::Idle, ProcState::Running);
        let what = What::Proc { proc: id, from, to };
        self.emit_as(event, worker, event.kind, 0, what);
        let holders = &mut self.procs[slot].holders;
        self.workers.hold(w, id, slot, holders);
        Ok(true)
    }

    /// The worker gives up its proc.
    pub(super) fn proc_stop(&mut self, event: &Timed, w: u32) -> Outcome {
        let worker = self.workers.at(w);
        worker.on_proc()?;
        let slot = worker.proc.slot;
        let proc = &mut self.procs[slot];
        if proc.status != RUNNING && proc.status != SYSCALL {
            return Err(self.proc_is_not(worker, "running or in a system call"));
        }
        proc.status = IDLE;
        let proc = worker.proc.id;
        let (from, to) = (ProcState::Running, ProcState::Idle);
        let what = What::Proc { proc, from, to };
        self.emit_as(event, worker, event.kind, 0, what);
        self.workers.leave_proc(w);
        Ok(true)
    }

    /// The worker takes a proc away whose task is in a system call.
    pub(super) fn proc_steal(&mut self, event: &Timed, w: u32) -> Outcome {
        let [id, number, from_worker, _] = event.args;
        let sequence = self.sequence(number);
        let Some(slot) = self.procs.slot(id) else {
            return Ok(false);
        };
        let proc = &self.procs[slot];
        let was = proc.status;
        if (was != SYSCALL && was != ABANDONED) || !proc.sequence.is_followed_by(sequence) {
            return Ok(false);
        }
        self.workers.on_worker(w)?;
        // Of an abandoned one it has been said already that it is idle, and who
        // had it is not known any more.
        let from = state_of(was);
        let to = ProcState::Idle;
        if was == SYSCALL {
            let other = |has| {
                refused(Contradiction::OtherProc {
                    proc: ProcId(id),
                    worker: WorkerId(from_worker),
                    has: proc_id(has),
                })
            };
            let loser = match self.workers.at(w).id == from_worker {
                true => w,
                false => match self.workers.seen(from_worker) {
                    Some(loser) => loser,
                    None => {
                        let worker = WorkerId(from_worker);
                        return Err(refused(Contradiction::UnknownWorker { worker }));
                    }
                },
            };
            let has = self.workers.proc(loser).id;
            if has != id || loser == NOBODY {
                return Err(other(has));
            }
            self.emit(event, w, 0, What::Proc { proc: id, from, to });
            self.workers.leave_proc(loser);
        } else {
            self.emit(event, w, 0, What::Proc { proc: id, from, to });
        }
        let proc = &mut self.procs[slot];
        proc.status = IDLE;
        proc.sequence = sequence;
        Ok(true)
    }
}
