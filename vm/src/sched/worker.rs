//! A worker: a thread that takes tasks from the queues and runs them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::global::Share;
use super::idle::{Mail, Quiet, Woken};
use super::park::Parker;
use super::{FUEL, Proc, ProcCore, SLICE, Shared};
use crate::outcome::End;
use crate::task::Task;
use crate::trace::{Here, Recorder};

/// The global queue has its turn at each such pick, so that rings that never
/// run dry do not starve it.
const GLOBAL_TURN: u32 = 61;

/// How often a spinning worker goes round all rings.
const STEAL_ROUNDS: u32 = 4;

/// A thread of the scheduler. Its proc comes and goes beside it.
pub(super) struct Worker<'a, 's> {
    pub(super) shared: &'a Shared<'s>,
    pub(super) pen: Recorder<'s>,
    parker: Arc<Parker<Mail<'s>>>,
    /// Whether it counts as looking for something to steal.
    spinning: bool,
    /// State of a small random generator (xorshift), never 0.
    random: u32,
}

impl<'a, 's> Worker<'a, 's> {
    /// What a thread does from its start to its end. The first one also starts
    /// the program; without it there is none.
    pub(super) fn work(shared: &'a Shared<'s>, boot: bool) {
        let pen = match shared.tracing.recorder() {
            Ok(pen) => pen,
            Err(_) if boot => return shared.finish(End::NoMemory),
            Err(_) => return shared.idle.refuse(),
        };
        let mut worker = Worker {
            shared,
            pen,
            parker: Arc::new(Parker::new()),
            spinning: false,
            random: 1,
        };
        // A panic is a fault of ours; the others must not wait for this thread.
        let result = catch_unwind(AssertUnwindSafe(|| worker.run(boot)));
        if result.is_err() {
            shared.finish(End::Panicked);
        }
    }

    fn run(&mut self, boot: bool) {
        let first = match self.shared.idle.arrive() {
            Some(woken) => self.resume(woken),
            None => self.park(),
        };
        let Some(mut proc) = first else { return };
        self.random = proc.trace().id().wrapping_mul(2_654_435_761) | 1;
        if boot {
            self.start_main(&mut proc);
        }
        while let Some((with, task)) = self.find(proc) {
            proc = with;
            proc = match self.run_task(proc, task) {
                Some(proc) => proc,
                None => match self.come_back() {
                    Some(proc) => proc,
                    None => return,
                },
            };
        }
    }

    /// Finds a proc after a system call in which the old one was lost.
    fn come_back(&mut self) -> Option<Proc<'s>> {
        match self.shared.idle.come_back() {
            Some(woken) => self.resume(woken),
            None => self.park(),
        }
    }

    /// Finds a task to run, as long as it takes. `None` once the program has
    /// ended; the proc is idle then.
    fn find(&mut self, mut proc: Proc<'s>) -> Option<(Proc<'s>, Arc<Task>)> {
        loop {
            if self.shared.ending() {
                self.end_spin();
                proc.next = None;
                let stop = |proc: &Proc<'s>| self.pen.proc_stop(proc);
                self.shared.idle.give_up(proc, stop, || true);
                return None;
            }
            self.poll(&proc, None);
            if let Some(task) = self.pick(&mut proc) {
                if self.end_spin() && self.shared.any_work() {
                    // While this one was looking, nobody else was woken.
                    self.shared.idle.wake_one();
                }
                return Some((proc, task));
            }
            proc = self.rest(proc)?;
        }
    }

    /// The next task, from where there is one.
    fn pick(&mut self, proc: &mut Proc<'s>) -> Option<Arc<Task>> {
        let shared = self.shared;
        if self.sleepers_due(proc) {
            let neighbour = proc.neighbour;
            proc.look_further(shared);
            self.wake_sleepers(proc, &[proc.core, &shared.procs[neighbour]]);
        }
        proc.picks = proc.picks.wrapping_add(1);
        if proc.picks.is_multiple_of(GLOBAL_TURN)
            && let Some(task) = shared.global.take(Share::None, drop)
        {
            proc.new_slice();
            return Some(task);
        }
        if proc.next.is_some() && proc.burn() {
            // The slice that it would inherit is used up: it queues up.
            self.queue_next(proc);
        }
        if let Some(task) = proc.next.take() {
            return Some(task);
        }
        let task = proc.queue.pop().or_else(|| {
            let share = Share::OneOf(shared.procs.len());
            let mut moved = Vec::new();
            let task = shared.global.take(share, |task| moved.push(task));
            for task in moved {
                proc.queue.push(task, |more| shared.global.push(more));
            }
            task
        });
        let task = task.or_else(|| {
            // Before it takes anything from others, what they have left undone.
            if !shared.clock.past(shared.first_sleeper()) {
                return None;
            }
            let all: Vec<_> = shared.procs.iter().collect();
            self.wake_sleepers(proc, &all);
            proc.queue.pop()
        });
        let task = task.or_else(|| self.steal(proc))?;
        proc.new_slice();
        Some(task)
    }

    /// Goes round the rings of all others, each time from a random one.
    fn steal(&mut self, proc: &mut Proc<'s>) -> Option<Arc<Task>> {
        let procs = self.shared.procs;
        if procs.len() == 1 || !(self.spinning || self.try_spin()) {
            return None;
        }
        for _ in 0..STEAL_ROUNDS {
            let start = self.random() as usize;
            for i in 0..procs.len() {
                let victim = &procs[(start + i) % procs.len()];
                if !std::ptr::eq(victim, proc.core)
                    && let Some(task) = proc.queue.steal(&victim.queue)
                {
                    return Some(task);
                }
            }
            std::hint::spin_loop();
        }
        None
    }

    /// Gives the proc up and sleeps until there is something to do again.
    fn rest(&mut self, proc: Proc<'s>) -> Option<Proc<'s>> {
        let shared = self.shared;
        let stop = |proc: &Proc<'s>| self.pen.proc_stop(proc);
        let quiet = shared.idle.give_up(proc, stop, || {
            // The system calls first: a task that comes out of one is in the
            // global queue before it is no longer there.
            !shared.syscalls.is_empty()
                || !shared.global.is_empty()
                || shared.any_sleeper()
                || shared.ending()
        });
        self.end_spin();
        if quiet == Quiet::Forever {
            shared.deadlock();
        }
        if quiet != Quiet::No
            && let Err(error) = shared.out.flush()
        {
            shared.output_error(error);
        }
        // Work that came just before the proc was idle is nobody else's: see
        // the head of `idle`.
        if shared.any_work()
            && let Some(proc) = shared.idle.take()
        {
            self.pen.proc_start(&proc);
            return Some(proc);
        }
        self.park()
    }

    /// Sleeps until there is a proc for this worker.
    fn park(&mut self) -> Option<Proc<'s>> {
        let shared = self.shared;
        let woken = shared.idle.park(&self.parker, shared.next_sleeper());
        self.resume(woken)
    }

    /// Goes on with the proc that it has got.
    fn resume(&mut self, woken: Woken<'s>) -> Option<Proc<'s>> {
        let proc = match woken {
            Woken::Wanted(proc) => {
                self.spinning = true;
                proc
            }
            Woken::Free(proc) => proc,
            Woken::Over => return None,
        };
        self.pen.proc_start(&proc);
        Some(proc)
    }

    /// What a worker with a proc does every now and then: says in the trace
    /// what it holds, if a generation waits for that, and how much memory there
    /// is.
    pub(super) fn poll(&self, proc: &Proc<'s>, here: Option<Here<'_>>) {
        let shared = self.shared;
        // Acquire: pairs with `checkpoint_all`, so that what the tracer has
        // done before is seen after.
        let wanted = shared.checkpoint.load(Ordering::Acquire);
        // Relaxed: this thread's own.
        if proc.core.passed.load(Ordering::Relaxed) < wanted {
            self.pen.checkpoint(proc, here);
            // Release: pairs with the load in `checkpoint_all`.
            proc.core.passed.store(wanted, Ordering::Release);
        }
        if shared.tracing.enabled()
            && let Some(bytes) = shared.heap.due()
        {
            self.pen.heap(proc, here.map(|here| here.task), bytes);
        }
    }

    /// Makes a task ready that should run soon: what was to run next makes
    /// room.
    pub(super) fn ready(&self, proc: &mut Proc<'s>, task: Arc<Task>) {
        if let Some(before) = proc.next.replace(task) {
            self.enqueue(proc, before);
        }
    }

    /// Puts a task at the end of the ring, where others can steal it.
    pub(super) fn enqueue(&self, proc: &mut Proc<'s>, task: Arc<Task>) {
        proc.queue.push(task, |half| self.shared.global.push(half));
        self.shared.idle.wake_one();
    }

    /// Puts the task that was to run next at the end of the ring.
    pub(super) fn queue_next(&self, proc: &mut Proc<'s>) {
        if let Some(task) = proc.next.take() {
            self.enqueue(proc, task);
        }
    }

    /// Whether somebody should be awake by now, of those who sleep on this proc
    /// or on the one whose turn it is. As long as nobody should, each call has
    /// the turn of another; then the turn stays, for [`pick`](Self::pick).
    pub(super) fn sleepers_due(&self, proc: &mut Proc<'s>) -> bool {
        let shared = self.shared;
        let neighbour = &shared.procs[proc.neighbour];
        let next = proc.core.timers.next().min(neighbour.timers.next());
        let due = shared.clock.past(next);
        if !due {
            proc.look_further(shared);
        }
        due
    }

    /// Wakes who should be awake by now of those who sleep on some procs, the
    /// earliest first.
    fn wake_sleepers(&self, proc: &mut Proc<'s>, cores: &[&ProcCore]) {
        let now = self.shared.clock.now();
        let mut due = Vec::new();
        for core in cores {
            if core.timers.next() <= now {
                core.timers.take_due(now, &mut due);
            }
        }
        due.sort_by_key(|&(place, _)| place);
        for (_, waiter) in due {
            self.wake(proc, None, &waiter, waiter.resume());
            self.enqueue(proc, waiter.task);
        }
    }

    fn try_spin(&mut self) -> bool {
        self.spinning = self.shared.idle.try_spin();
        self.spinning
    }

    /// Stops spinning, and says whether it did spin.
    fn end_spin(&mut self) -> bool {
        let did = std::mem::replace(&mut self.spinning, false);
        if did {
            self.shared.idle.end_spin();
        }
        did
    }

    pub(super) fn random(&mut self) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.random
    }
}

impl Proc<'_> {
    fn new_slice(&mut self) {
        self.fuel = FUEL;
        self.slice = SLICE;
    }

    /// Gives the next one its turn whose sleepers are looked at.
    fn look_further(&mut self, shared: &Shared<'_>) {
        self.neighbour += 1;
        if self.neighbour >= shared.procs.len() {
            self.neighbour = 0;
        }
    }

    /// Counts one safepoint that no instruction counts. `true` at the end of
    /// the time slice.
    fn burn(&mut self) -> bool {
        if self.fuel > 1 {
            self.fuel -= 1;
            return false;
        }
        self.fuel = FUEL;
        self.end_of_slice()
    }

    /// Counts one look at the world. `true` at the end of the time slice, when
    /// a new one begins.
    pub(super) fn end_of_slice(&mut self) -> bool {
        self.slice -= 1;
        if self.slice > 0 {
            return false;
        }
        self.slice = SLICE;
        true
    }
}
