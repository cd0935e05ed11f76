//! A thread of the scheduler: it finds a proc, finds tasks, and comes and goes.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, Scope};
use std::time::Duration;

use runtime_trace::{Emit, TaskTrace, Worker};
use trace_format::EventKind;

use crate::rng::Rng;
use crate::sim::said::{Log, Said, Words};
use crate::sim::sites::Site;
use crate::sim::task::{ABANDONED, DEAD, IDLE, Proc, RUNNABLE, RUNNING, SYSCALL, Task, WAITING};
use crate::sim::task::{kind, on, worker};
use crate::sim::{Sim, lock};

/// How long a thread with nothing to do waits before it looks again.
const PARKED: Duration = Duration::from_micros(300);

/// A thread with its handle on the tracer.
pub(super) struct Runner<'s> {
    pub(super) sim: &'s Sim,
    pub(super) worker: Worker<'s>,
    pub(super) log: Log,
    pub(super) rng: Rng,
    /// The epoch that this thread emitted into last, counted from 1.
    pub(super) epoch: Cell<u64>,
    /// When to dawdle.
    pauses: RefCell<Rng>,
}

/// What a thread has after it ran a task for a while.
pub(super) enum After<'s> {
    /// A proc, and no task.
    Proc(&'s Proc),
    /// Neither.
    Nothing,
    /// It is to leave while it has these.
    Leaves(Option<&'s Proc>, Option<Arc<Task>>),
}

/// The life of a thread, which another one succeeds.
pub(super) fn run<'scope, 'env: 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    sim: &'env Sim,
    number: usize,
) {
    let failing = Failing(sim);
    let mut runner = Runner::new(sim, number as u64);
    let closing = loop {
        match runner.live() {
            After::Leaves(proc, task) => match runner.leave(proc, task) {
                Some(back) => runner = back,
                None => break false,
            },
            _ => break true,
        }
    };
    if !closing {
        scope.spawn(move || run(scope, sim, number + sim.setup.threads));
    }
    drop(failing);
}

/// The lower bits of an epoch, in which a tracer's epochs count from 1.
const COUNTED: u64 = (1 << 40) - 1;

/// Tells the others when a thread panics, so that nobody waits for it.
struct Failing<'s>(&'s Sim);

impl Drop for Failing<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            // Relaxed: a message to who waits, which is all that it orders.
            self.0.failed.store(true, Ordering::Relaxed);
        }
    }
}

impl<'s> Runner<'s> {
    pub(super) fn new(sim: &'s Sim, number: u64) -> Self {
        let worker = sim.tracer.worker().expect("memory for a worker");
        let log = sim.new_log(worker.id());
        Self {
            sim,
            worker,
            log,
            rng: Rng::new(!sim.setup.seed, number),
            epoch: Cell::new(0),
            pauses: RefCell::new(Rng::new(!sim.setup.seed, !number)),
        }
    }

    pub(super) fn say(&self, said: Said) {
        self.log.push(self.epoch.get(), said);
    }

    /// Begins to emit with this proc and task.
    pub(super) fn acquire<'e>(
        &'e self,
        proc: Option<&'s Proc>,
        task: Option<&'e TaskTrace>,
    ) -> Option<Emit<'e, 's>> {
        self.dawdle();
        let emit = self.worker.acquire(proc.map(|proc| &proc.trace), task);
        if let Some(emit) = &emit {
            self.epoch.set(emit.epoch() & COUNTED);
        }
        self.dawdle();
        emit
    }

    /// Now and then gives way to other threads, as if the system had taken the
    /// processor away at the worst of moments: between taking something and
    /// saying so, or in the middle of an emission.
    fn dawdle(&self) {
        match self.pauses.borrow_mut().below(512) {
            0 => thread::sleep(PARKED),
            1..16 => thread::yield_now(),
            _ => {}
        }
    }

    /// Runs tasks until the scheduler closes or it is time to leave.
    fn live(&mut self) -> After<'s> {
        loop {
            let proc = match self.find_proc() {
                After::Proc(proc) => proc,
                other => return other,
            };
            if let Some(emit) = self.acquire(None, None) {
                emit.proc_start(&proc.trace);
                self.say(Said::new(EventKind::ProcStart).ids(proc.id(), 0));
            }
            if let leaves @ After::Leaves(..) = self.work(proc) {
                return leaves;
            }
        }
    }

    /// Gets a proc into this thread's hands; nothing if the scheduler closes.
    fn find_proc(&mut self) -> After<'s> {
        loop {
            self.strikes(None, None);
            if let Some(proc) = self.take_idle(true) {
                return After::Proc(proc);
            }
            let queues = self.sim.queues();
            if queues.closing {
                return After::Nothing;
            }
            let quiet = queues.boot == 0 && queues.live == 0;
            // Woken or not, it looks again.
            let (queues, _) = self
                .sim
                .changed
                .wait_timeout(queues, PARKED)
                .expect("no thread panicked");
            drop(queues);
            match self.rng.below(32) {
                _ if quiet => {}
                0..8 => {
                    if let Some(proc) = self.steal(None, None) {
                        proc.state.release(on(RUNNING, self.worker.id()));
                        return After::Proc(proc);
                    }
                }
                8 => {
                    let after = match self.foreign_call() {
                        // It came back with a proc that is started already.
                        After::Proc(proc) => self.work(proc),
                        other => other,
                    };
                    if let leaves @ After::Leaves(..) = after {
                        return leaves;
                    }
                }
                9 => return After::Leaves(None, None),
                _ => {}
            }
        }
    }

    /// Takes an idle proc, if there is one (and, if `to_work`, something to run).
    pub(super) fn take_idle(&mut self, to_work: bool) -> Option<&'s Proc> {
        let mut queues = self.sim.queues();
        let work = queues.boot > 0 || !queues.ready.is_empty() || !queues.waiting.is_empty();
        if queues.closing || queues.idle.is_empty() || to_work && !work {
            return None;
        }
        let at = self.rng.below(queues.idle.len());
        let proc = &self.sim.procs[queues.idle.swap_remove(at)];
        proc.state.release(on(RUNNING, self.worker.id()));
        Some(proc)
    }

    /// Passes the checkpoint that was asked for, if one was.
    pub(super) fn safepoint(&self, proc: &'s Proc, task: Option<&Task>) {
        // Acquire: pairs with the increment in `control.rs`: tracing is seen to
        // be on if it was before that.
        let wanted = self.sim.wanted.load(Ordering::Acquire);
        // Relaxed: only who holds the proc writes it.
        if proc.passed.load(Ordering::Relaxed) < wanted {
            let trace = task.map(|task| &task.trace);
            let site = task.map_or(Site::Entry, Task::site);
            self.worker
                .checkpoint(Some(&proc.trace), trace, |pcs| site.push(pcs));
            // Release: pairs with the load in `control.rs`: what this thread
            // emitted for the checkpoint is done.
            proc.passed.store(wanted, Ordering::Release);
        }
    }

    /// Runs tasks as long as there are any.
    fn work(&mut self, mut proc: &'s Proc) -> After<'s> {
        loop {
            self.safepoint(proc, None);
            self.strikes(Some(proc), None);
            let mut queues = self.sim.queues();
            if queues.closing {
                drop(queues);
                self.stop_proc(proc);
                return After::Nothing;
            }
            if queues.boot > 0 {
                queues.boot -= 1;
                drop(queues);
                self.create(proc, None, false);
                continue;
            }
            let next = queues.ready.pop_front();
            drop(queues);
            if self.rng.one_in(16) {
                self.wake(proc, None); // As a timer does.
            }
            if let Some(task) = next {
                assert!(task.state.take(RUNNABLE, RUNNING), "a ready task is ready");
                if let Some(emit) = self.acquire(Some(proc), None) {
                    emit.task_start(&task.trace);
                    self.say(Said::new(EventKind::GoStart).ids(task.trace.id(), 0));
                }
                match self.run_task(proc, task) {
                    After::Proc(kept) => proc = kept,
                    other => return other,
                }
            } else if self.rng.one_in(100) {
                return After::Leaves(Some(proc), None);
            } else if !self.wake(proc, None) || self.rng.one_in(4) {
                self.stop_proc(proc);
                return After::Nothing;
            }
        }
    }

    fn stop_proc(&self, proc: &'s Proc) {
        let emit = self.acquire(Some(proc), None);
        if let Some(emit) = &emit {
            emit.proc_stop();
            self.say(Said::new(EventKind::ProcStop));
        }
        proc.state.release(IDLE);
        drop(emit);
        self.sim.give_back(proc);
    }

    /// Creates a task, ready or blocked; by `task`, or by the proc itself.
    pub(super) fn create(&mut self, proc: &'s Proc, task: Option<&Task>, blocked: bool) {
        let site = self.site(task.map_or(Site::Boot, |_| Site::Spawn));
        let new = self.sim.new_task();
        let emit = self.acquire(Some(proc), task.map(|task| &task.trace));
        if let Some(emit) = &emit {
            let (entry, stack) = (emit.stack(&Site::Entry.pcs()), emit.stack(&site.pcs()));
            let event = if blocked {
                emit.task_create_blocked(&new.trace, entry, stack);
                EventKind::GoCreateBlocked
            } else {
                emit.task_create(&new.trace, entry, stack);
                EventKind::GoCreate
            };
            let said = Said::new(event).ids(new.trace.id(), 0);
            self.say(said.at_both(Site::Entry, site));
        }
        new.state.release(if blocked { WAITING } else { RUNNABLE });
        drop(emit);
        if blocked {
            self.sim.queues().waiting.push(new);
        } else {
            self.sim.make_ready(new);
        }
    }

    /// Takes a blocked task, held, if there is one.
    pub(super) fn take_waiting(&mut self) -> Option<Arc<Task>> {
        let mut queues = self.sim.queues();
        let at = match queues.waiting.len() {
            0 => return None,
            some => self.rng.below(some),
        };
        let task = queues.waiting.swap_remove(at);
        drop(queues);
        let held = task.state.hold(|state| state == WAITING);
        assert!(held.is_some(), "a blocked task is blocked");
        Some(task)
    }

    /// Wakes a blocked task, from `task` or as a timer would: whether there was
    /// one.
    pub(super) fn wake(&mut self, proc: &'s Proc, task: Option<&Task>) -> bool {
        let Some(woken) = self.take_waiting() else {
            return false;
        };
        let site = self.site(Site::Wake);
        let emit = self.acquire(Some(proc), task.map(|task| &task.trace));
        if let Some(emit) = &emit {
            let at = woken.site();
            emit.task_unblock(&woken.trace, |pcs| at.push(pcs), emit.stack(&site.pcs()));
            let said = Said::new(EventKind::GoUnblock).ids(woken.trace.id(), 0);
            self.say(said.at(site));
        }
        woken.state.release(RUNNABLE);
        drop(emit);
        self.sim.make_ready(woken);
        true
    }

    /// Takes a proc away from a thread in a system call, or from one that left
    /// it there. It is idle then, and in this thread's hands.
    pub(super) fn steal(&self, proc: Option<&'s Proc>, task: Option<&Task>) -> Option<&'s Proc> {
        let procs = self.sim.procs.iter();
        procs
            .into_iter()
            .find(|other| self.steal_this(proc, task, other))
    }

    pub(super) fn steal_this(
        &self,
        proc: Option<&'s Proc>,
        task: Option<&Task>,
        other: &'s Proc,
    ) -> bool {
        let may = |state| matches!(kind(state), SYSCALL | ABANDONED);
        let Some(state) = other.state.hold(may) else {
            return false;
        };
        let emit = self.acquire(proc, task.map(|task| &task.trace));
        if let Some(emit) = &emit {
            emit.proc_steal(&other.trace, worker(state));
            self.say(Said::new(EventKind::ProcSteal).ids(other.id(), worker(state)));
        }
        other.state.release(IDLE);
        drop(emit);
        true
    }

    /// Drops the handle with what the thread has: the tracer ends the task and
    /// stops the proc. If that cannot be now, it goes on without them.
    fn leave(mut self, proc: Option<&'s Proc>, task: Option<Arc<Task>>) -> Option<Self> {
        let sim = self.sim;
        let last = (task.iter().map(|_| EventKind::GoDestroy))
            .chain(proc.iter().map(|_| EventKind::ProcStop))
            .map(Said::new);
        let lifecycle = match &sim.weather {
            Some(weather) => {
                self.log.leaves(last.collect());
                let log = self.log.clone();
                if weather.is_off_during(&sim.tracer, || self.drop_with(task.as_deref())) {
                    log.leaves(Vec::new());
                }
                None
            }
            None => {
                let Ok(lifecycle) = sim.lifecycle.try_lock() else {
                    if let (Some(proc), Some(task)) = (proc, task) {
                        self.stop_task(proc, task);
                    }
                    proc.into_iter().for_each(|proc| self.stop_proc(proc));
                    return Some(self);
                };
                if sim.tracer.enabled() {
                    last.for_each(|said| self.say(said));
                }
                self.drop_with(task.as_deref());
                Some(lifecycle)
            }
        };
        if let Some(proc) = proc {
            proc.state.release(IDLE);
        }
        drop(lifecycle);
        proc.into_iter().for_each(|proc| sim.give_back(proc));
        task.iter().for_each(|task| sim.forget(task));
        None
    }

    /// Drops the handle, while this task runs.
    fn drop_with(self, task: Option<&Task>) {
        if let Some(task) = task {
            task.state.release(DEAD);
        }
    }

    /// `usual`, or one of the sites that test limits.
    pub(super) fn site(&mut self, usual: Site) -> Site {
        match self.rng.below(128) {
            0 => Site::Deep,
            1 => Site::Long,
            2 => Site::Inlined,
            _ => usual,
        }
    }
}

impl Sim {
    /// Ends the program: threads leave as soon as they look.
    pub(super) fn close(&self) {
        // A thread that panicked with the lock has failed the test already.
        if let Ok(mut queues) = self.queues.lock() {
            queues.closing = true;
        }
        self.changed.notify_all();
    }

    /// What every worker said since this was asked last.
    pub(crate) fn take_words(&self) -> Vec<(u64, Words)> {
        let logs = lock(&self.logs);
        let mut all: Vec<_> = logs.iter().map(|(&id, log)| (id, log.take())).collect();
        all.sort_unstable_by_key(|&(id, _)| id);
        all
    }
}
