//! Procs that nobody has and workers that have nothing to do, and how the one
//! is given to the other.
//!
//! # Why no wake-up is lost
//!
//! Whoever makes a task ready for others first puts it into a queue and then
//! looks whether a proc is idle; whoever goes idle first puts its proc among
//! the idle ones and then looks into all queues. Both sides do so in the total
//! order of sequentially consistent operations, so at least one of them sees
//! the other.
//!
//! A worker that *spins* (looks for something to steal) saves the first kind
//! from waking another: one that finds work, or gives up, stops spinning first
//! and then looks again, in the same way.
//!
//! # Invariants
//!
//! 1. A proc among the idle ones, or the launched ones, has nothing in its ring
//!    and its next slot, and its stop is in the trace already.
//! 2. If all procs are idle and the global queue and the timers are empty,
//!    nothing will ever happen: only a worker with a proc makes tasks ready.
//! 3. A parked worker has no mail. Whoever posts takes it off the list first,
//!    under the lock.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use super::Proc;
use super::park::Parker;
use crate::sync::lock;

/// What a parked worker gets: a proc, or the news that all is over.
pub(crate) type Mail<'s> = Option<Proc<'s>>;

/// The idle procs and workers.
pub(crate) struct Idle<'s> {
    total: usize,
    /// How many procs are idle, for a look without the lock.
    procs: AtomicUsize,
    /// How many workers spin.
    spinning: AtomicUsize,
    state: Mutex<State<'s>>,
    launch: Condvar,
}

struct State<'s> {
    procs: Vec<Proc<'s>>,
    parked: Vec<Arc<Parker<Mail<'s>>>>,
    /// Procs for which there was no parked worker: a new thread takes them, or
    /// a worker that is about to park.
    launched: Vec<Proc<'s>>,
    /// Threads started so far, and how many there can be.
    threads: usize,
    most_threads: usize,
    /// The worker that sleeps only until the next timer, and until when.
    timekeeper: Option<(Arc<Parker<Mail<'s>>>, Instant)>,
    over: bool,
}

/// What the thread that starts threads is to do.
pub(crate) enum Launch<'s> {
    /// Start one that has this proc.
    Proc(Proc<'s>),
    /// The program has ended.
    Over,
}

/// How a worker's rest has ended.
pub(crate) enum Woken<'s> {
    /// Somebody wants it to look for work: it counts as spinning already.
    Wanted(Proc<'s>),
    /// It has slept until the next timer, and taken a proc.
    Timer(Proc<'s>),
    /// The program has ended.
    Over,
}

/// Whether a proc that became idle was the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quiet {
    No,
    /// All procs are idle.
    Yes,
    /// Besides, `hopeful` has said that nothing is to come.
    Forever,
}

impl<'s> Idle<'s> {
    pub(crate) fn new(procs: Vec<Proc<'s>>) -> Self {
        let total = procs.len();
        Idle {
            total,
            procs: AtomicUsize::new(total),
            spinning: AtomicUsize::new(0),
            state: Mutex::new(State {
                procs,
                parked: Vec::new(),
                launched: Vec::new(),
                threads: 0,
                most_threads: total,
                timekeeper: None,
                over: false,
            }),
            launch: Condvar::new(),
        }
    }

    /// Whether a proc was idle a moment ago.
    pub(crate) fn some(&self) -> bool {
        // SeqCst: see the head of the file.
        self.procs.load(Ordering::SeqCst) > 0
    }

    /// There is something to steal: wakes a worker for it, unless all have
    /// something to do or one is looking already.
    pub(crate) fn wake_one(&self) {
        // SeqCst, all: see the head of the file.
        if !self.some()
            || self.spinning.load(Ordering::SeqCst) > 0
            || self
                .spinning
                .compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst)
                .is_err()
        {
            return;
        }
        let mut state = lock(&self.state);
        match self.take_proc(&mut state) {
            Some(proc) => self.send(&mut state, proc),
            None => self.end_spin(),
        }
    }

    /// The first proc goes to the first thread.
    pub(crate) fn launch_first(&self) {
        // SeqCst: as in `wake_one`.
        self.spinning.fetch_add(1, Ordering::SeqCst);
        let mut state = lock(&self.state);
        // Proc 0 first; then the others in their order.
        state.procs.reverse();
        if let Some(proc) = self.take_proc(&mut state) {
            self.send(&mut state, proc);
        }
    }

    /// Waits until a thread is wanted.
    pub(crate) fn launched(&self) -> Launch<'s> {
        let mut state = lock(&self.state);
        loop {
            if state.over {
                return Launch::Over;
            }
            if state.threads < state.most_threads
                && let Some(proc) = state.launched.pop()
            {
                state.threads += 1;
                return Launch::Proc(proc);
            }
            state = self
                .launch
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The system gives no thread for this proc: those that there are do it.
    pub(crate) fn no_more_threads(&self, proc: Proc<'s>) {
        let mut state = lock(&self.state);
        state.threads -= 1;
        state.most_threads = state.threads;
        self.send(&mut state, proc);
    }

    /// Whether a worker may spin: not more than half of those that run.
    pub(crate) fn try_spin(&self) -> bool {
        // SeqCst: as in `wake_one`. A little too many do no harm.
        let busy = self.total - self.procs.load(Ordering::SeqCst).min(self.total);
        if 2 * self.spinning.load(Ordering::SeqCst) >= busy {
            return false;
        }
        self.spinning.fetch_add(1, Ordering::SeqCst);
        true
    }

    /// A worker spins no longer. It looks for work once more, or has some.
    pub(crate) fn end_spin(&self) {
        // SeqCst: see the head of the file.
        self.spinning.fetch_sub(1, Ordering::SeqCst);
    }

    /// Puts a proc among the idle ones. If it is the last, `hopeful` says, with
    /// everything held still, whether something is to come.
    pub(crate) fn give_up(&self, proc: Proc<'s>, hopeful: impl FnOnce() -> bool) -> Quiet {
        let mut state = lock(&self.state);
        proc.given_up();
        state.procs.push(proc);
        // SeqCst: see the head of the file.
        self.procs.store(state.procs.len(), Ordering::SeqCst);
        if state.procs.len() < self.total {
            Quiet::No
        } else if hopeful() {
            Quiet::Yes
        } else {
            Quiet::Forever
        }
    }

    /// A proc for a worker that has seen work after it gave up its own.
    pub(crate) fn take(&self) -> Option<Proc<'s>> {
        self.take_proc(&mut lock(&self.state))
    }

    /// Parks a worker, until somebody has a proc for it, or until `timer` if no
    /// other one sleeps until then.
    pub(crate) fn park(&self, parker: &Arc<Parker<Mail<'s>>>, timer: Option<Instant>) -> Woken<'s> {
        let mut deadline = None;
        {
            let mut state = lock(&self.state);
            if state.over {
                return Woken::Over;
            }
            if let Some(proc) = state.launched.pop() {
                return Woken::Wanted(proc);
            }
            if let Some(timer) = timer
                && state
                    .timekeeper
                    .as_ref()
                    .is_none_or(|&(_, until)| timer < until)
            {
                state.timekeeper = Some((Arc::clone(parker), timer));
                deadline = Some(timer);
            }
            state.parked.push(Arc::clone(parker));
        }
        if let Some(mail) = parker.wait(deadline) {
            return Woken::from(mail);
        }
        let mut state = lock(&self.state);
        state.dismiss(parker);
        let Some(at) = state
            .parked
            .iter()
            .position(|other| Arc::ptr_eq(other, parker))
        else {
            // Somebody was faster than the timer.
            drop(state);
            return Woken::from(parker.wait(None).flatten());
        };
        if let Some(proc) = self.take_proc(&mut state) {
            state.parked.swap_remove(at);
            return Woken::Timer(proc);
        }
        // All procs are at work, and look at the timers themselves.
        drop(state);
        Woken::from(parker.wait(None).flatten())
    }

    /// The program has ended: all workers leave.
    pub(crate) fn end(&self) {
        let mut state = lock(&self.state);
        state.over = true;
        state.timekeeper = None;
        // No thread will come for these.
        for proc in std::mem::take(&mut state.launched) {
            proc.given_up();
            state.procs.push(proc);
        }
        for parker in std::mem::take(&mut state.parked) {
            parker.post(None);
        }
        self.launch.notify_one();
    }

    /// Visits every proc that nobody holds, held still.
    pub(crate) fn each_proc(&self, visit: impl FnMut(&Proc<'s>)) {
        let state = lock(&self.state);
        state.procs.iter().chain(&state.launched).for_each(visit);
    }

    fn take_proc(&self, state: &mut State<'s>) -> Option<Proc<'s>> {
        if state.over {
            return None;
        }
        let proc = state.procs.pop()?;
        proc.taken();
        // SeqCst: see the head of the file.
        self.procs.store(state.procs.len(), Ordering::SeqCst);
        Some(proc)
    }

    /// Sends a proc to a parked worker, or has a thread started for it.
    fn send(&self, state: &mut State<'s>, proc: Proc<'s>) {
        match state.parked.pop() {
            Some(parker) => {
                state.dismiss(&parker);
                parker.post(Some(proc));
            }
            None => {
                state.launched.push(proc);
                self.launch.notify_one();
            }
        }
    }
}

impl<'s> State<'s> {
    /// This worker no longer sleeps until the next timer, if it did.
    fn dismiss(&mut self, parker: &Arc<Parker<Mail<'s>>>) {
        if self
            .timekeeper
            .as_ref()
            .is_some_and(|(keeper, _)| Arc::ptr_eq(keeper, parker))
        {
            self.timekeeper = None;
        }
    }
}

impl<'s> From<Mail<'s>> for Woken<'s> {
    fn from(mail: Mail<'s>) -> Self {
        mail.map_or(Woken::Over, Woken::Wanted)
    }
}
