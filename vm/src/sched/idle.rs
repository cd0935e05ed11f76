//! Procs that nobody has and workers that have nothing to do, and how the one
//! is given to the other.
//!
//! # Why no wake-up is lost
//!
//! Whoever makes a task ready for others first puts it into a queue and then
//! looks whether a proc is idle; whoever goes idle first puts its proc among
//! the idle ones and then looks into all queues. Both have a sequentially
//! consistent fence between the one and the other, so at least one of them sees
//! the other: [`Idle::wake_one`] and `Shared::any_work` begin with it.
//!
//! A worker that *spins* (looks for something to steal) saves the first kind
//! from waking another: one that finds work, or gives up, stops spinning first
//! and then looks again, in the same way.
//!
//! # Why no sleeper is forgotten
//!
//! Only a worker with a proc puts sleepers among those of a proc, its own, or
//! takes some out, of any. While it has the proc it looks at them whenever it
//! picks a task or a running one has used up its fuel, and each time at those of
//! another proc, in turn, so that the sleepers of all procs are seen to as long
//! as one is at work; and before it steals or rests, it looks at all.
//!
//! Who rests gives its proc up, then finds the earliest of all sleepers, then
//! parks. Whoever gave a proc up before did it under the same lock, so what it
//! had put to sleep is seen; the last one to give up sees all. So
//! [`park`](Idle::park) is told of each sleeper by somebody, who sleeps until
//! then unless the *timekeeper* wakes as early. When the timekeeper wakes, by
//! time or by mail, it gets a proc and comes to its rest again, having seen, by
//! the lock, what all those saw who relied on it; if it gets none, all are at
//! work. A time that is seen although its sleeper is awake already only wakes
//! somebody for nothing.
//!
//! # Invariants
//!
//! 1. A proc among the idle ones has nothing in its ring and its next slot. That
//!    it is idle is in the trace already; so it is with the launched ones, but
//!    one that was stolen may have tasks in its ring.
//! 2. If all procs are idle, no task is in a system call, and the global queue
//!    and the timers of all procs are empty, nothing will ever happen: only a worker with a
//!    proc, or out of a system call, makes tasks ready.
//! 3. A parked worker has no mail. Whoever posts takes it off the list first,
//!    under the lock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Proc;
use super::park::Parker;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use crate::sync::{Condvar, Mutex, PoisonError, lock};

/// What a parked worker gets: a proc, or the news that all is over.
pub(crate) type Mail<'s> = Option<Proc<'s>>;

/// How many workers may be in system calls without a proc before the next one
/// keeps its proc waiting.
const MOST_BLOCKED: usize = 256;

/// The idle procs and workers.
pub(crate) struct Idle<'s> {
    total: usize,
    /// How many procs are idle, for a look without the lock.
    procs: AtomicUsize,
    /// How many workers spin.
    spinning: AtomicUsize,
    /// Whether the thread that starts threads is to look after system calls.
    watch: AtomicBool,
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
    /// Workers in system calls that have lost their procs. Below 0 while one
    /// is back sooner than its proc has been given up.
    blocked: isize,
    /// The worker that sleeps only until the next timer, and until when.
    timekeeper: Option<(Arc<Parker<Mail<'s>>>, Instant)>,
    over: bool,
}

/// What the thread that starts threads is to do.
pub(crate) enum Launch<'s> {
    /// Start one that has this proc.
    Proc(Proc<'s>),
    /// Look after system calls.
    Watch,
    /// Nothing, for as long as it wanted to wait.
    Tick,
    /// The program has ended.
    Over,
}

/// How a worker's rest has ended.
pub(crate) enum Woken<'s> {
    /// Somebody wants it to look for work: it counts as spinning already.
    Wanted(Proc<'s>),
    /// It has taken an idle proc: it has slept until the next timer, or comes
    /// out of a system call.
    Free(Proc<'s>),
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
            watch: AtomicBool::new(false),
            state: Mutex::new(State {
                procs,
                parked: Vec::new(),
                launched: Vec::new(),
                threads: 0,
                most_threads: total + MOST_BLOCKED,
                blocked: 0,
                timekeeper: None,
                over: false,
            }),
            launch: Condvar::new(),
        }
    }

    /// Whether a proc was idle a moment ago.
    pub(crate) fn some(&self) -> bool {
        // Relaxed: a hint, or behind the fence in `wake_one`.
        self.procs.load(Ordering::Relaxed) > 0
    }

    /// There is something to steal: wakes a worker for it, unless all have
    /// something to do or one is looking already.
    pub(crate) fn wake_one(&self) {
        // SeqCst: see the head of the file.
        fence(Ordering::SeqCst);
        // Relaxed, all: behind the fence; and the exchange only counts.
        if !self.some()
            || self.spinning.load(Ordering::Relaxed) > 0
            || self
                .spinning
                .compare_exchange(0, 1, Ordering::Relaxed, Ordering::Relaxed)
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
        // Relaxed: it only counts.
        self.spinning.fetch_add(1, Ordering::Relaxed);
        let mut state = lock(&self.state);
        // Proc 0 first; then the others in their order.
        state.procs.reverse();
        if let Some(proc) = self.take_proc(&mut state) {
            self.send(&mut state, proc);
        }
    }

    /// Waits until a thread is wanted, not longer than `tick`; while system calls
    /// are to be looked after, not longer than `nap`.
    pub(crate) fn launched(&self, nap: Duration, tick: Option<Duration>) -> Launch<'s> {
        let mut state = lock(&self.state);
        loop {
            if state.over {
                return Launch::Over;
            }
            let wanted = self.total.saturating_add_signed(state.blocked);
            if state.threads < state.most_threads.min(wanted)
                && let Some(proc) = state.take_launched()
            {
                state.threads += 1;
                return Launch::Proc(proc);
            }
            // Relaxed: whoever sets it notifies under the lock afterwards.
            let (most, reason) = if self.watch.load(Ordering::Relaxed) {
                (Some(nap), Launch::Watch)
            } else {
                (tick, Launch::Tick)
            };
            let Some(most) = most else {
                state = self
                    .launch
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let (after, waited) = self
                .launch
                .wait_timeout(state, most)
                .unwrap_or_else(PoisonError::into_inner);
            if waited.timed_out() {
                return reason;
            }
            state = after;
        }
    }

    /// Has system calls looked after from now on.
    pub(crate) fn watch(&self) {
        // AcqRel: pairs with the Release in `watch_no_more`: a call that was
        // entered before the last look there was seen by it, or this sees the
        // flag cleared.
        if !self.watch.swap(true, Ordering::AcqRel) {
            let _state = lock(&self.state);
            self.launch.notify_one();
        }
    }

    /// No system calls need to be looked after, as far as one can see. The
    /// caller looks once more after this.
    pub(crate) fn watch_no_more(&self) {
        // Release: pairs with the swap in `watch`.
        self.watch.store(false, Ordering::Release);
    }

    /// The system gives no thread for this proc: those that there are do it.
    pub(crate) fn no_more_threads(&self, proc: Proc<'s>) {
        let mut state = lock(&self.state);
        state.threads -= 1;
        state.most_threads = state.threads;
        self.send(&mut state, proc);
    }

    /// Whether a worker was looking for something to steal a moment ago.
    pub(crate) fn any_spins(&self) -> bool {
        // Relaxed: a hint.
        self.spinning.load(Ordering::Relaxed) > 0
    }

    /// Whether a worker may spin: not more than half of those that run.
    pub(crate) fn try_spin(&self) -> bool {
        // Relaxed, all: a little too many do no harm.
        let busy = self.total - self.procs.load(Ordering::Relaxed).min(self.total);
        if 2 * self.spinning.load(Ordering::Relaxed) >= busy {
            return false;
        }
        self.spinning.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// A worker spins no longer. It looks for work once more, or has some.
    pub(crate) fn end_spin(&self) {
        // Relaxed: a fence follows, where the caller looks again.
        self.spinning.fetch_sub(1, Ordering::Relaxed);
    }

    /// Puts a proc among the idle ones, after `stop` has said so in the trace: at
    /// once, for who visits the idle ones must not miss it in the generation after
    /// that. If it is the last, `hopeful` says, with everything held still, whether
    /// something is to come.
    pub(crate) fn give_up(
        &self,
        proc: Proc<'s>,
        stop: impl FnOnce(&Proc<'s>),
        hopeful: impl FnOnce() -> bool,
    ) -> Quiet {
        let mut state = lock(&self.state);
        stop(&proc);
        proc.given_up();
        state.procs.push(proc);
        // Relaxed: it is the fence in `any_work`, which comes after it, that
        // counts; see the head of the file.
        self.procs.store(state.procs.len(), Ordering::Relaxed);
        if state.procs.len() < self.total {
            Quiet::No
        } else if hopeful() {
            Quiet::Yes
        } else {
            Quiet::Forever
        }
    }

    /// Takes a proc that was stolen from a worker in a system call. Another
    /// worker gets it if it is `useful`, which is said with everything held
    /// still and of whether this is the last proc that is not idle; otherwise it
    /// is idle, too.
    pub(crate) fn give_up_stolen(&self, proc: Proc<'s>, useful: impl FnOnce(bool) -> bool) {
        let mut state = lock(&self.state);
        state.blocked += 1;
        let is_last = state.procs.len() + 1 == self.total;
        if !state.over && useful(is_last) {
            // Relaxed: it only counts.
            self.spinning.fetch_add(1, Ordering::Relaxed);
            proc.taken();
            self.send(&mut state, proc);
        } else {
            proc.given_up();
            state.procs.push(proc);
            // Relaxed: as in `give_up`.
            self.procs.store(state.procs.len(), Ordering::Relaxed);
        }
    }

    /// A worker has come out of a system call, in which it has lost its proc:
    /// is there another one for it?
    pub(crate) fn come_back(&self) -> Option<Woken<'s>> {
        let mut state = lock(&self.state);
        state.blocked -= 1;
        if let Some(proc) = state.take_launched() {
            return Some(Woken::Wanted(proc));
        }
        self.take_proc(&mut state).map(Woken::Free)
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
            if let Some(proc) = state.take_launched() {
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
            return Woken::Free(proc);
        }
        // All procs are at work, and look at everybody's timers themselves.
        drop(state);
        Woken::from(parker.wait(None).flatten())
    }

    /// The program has ended: all workers leave.
    pub(crate) fn end(&self) {
        let mut state = lock(&self.state);
        state.over = true;
        state.timekeeper = None;
        // No thread will come for these.
        let launched = std::mem::take(&mut state.launched);
        state.procs.extend(launched);
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
        // Relaxed: it is the fence in `any_work`, which comes after it, that
        // counts; see the head of the file.
        self.procs.store(state.procs.len(), Ordering::Relaxed);
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
                // Nobody has it until a thread takes it.
                proc.given_up();
                state.launched.push(proc);
                self.launch.notify_one();
            }
        }
    }
}

impl<'s> State<'s> {
    fn take_launched(&mut self) -> Option<Proc<'s>> {
        let proc = self.launched.pop()?;
        proc.taken();
        Some(proc)
    }

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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::sched::ProcCore;

    #[test]
    fn a_stolen_proc_that_is_the_last_can_go_to_a_worker() {
        let cores = [0, 1].map(ProcCore::new);
        let idle = Idle::new(cores.iter().filter_map(ProcCore::proc).collect());
        let launched = || match idle.launched(Duration::ZERO, Some(Duration::ZERO)) {
            Launch::Proc(proc) => Some(proc),
            _ => None,
        };
        idle.launch_first();
        let (first, second) = (launched().expect("launched"), idle.take().expect("idle"));
        idle.give_up_stolen(first, |is_last| is_last);
        assert!(launched().is_none() && idle.some());
        idle.give_up_stolen(second, |is_last| is_last);
        let proc = launched().expect("somebody is to look for a deadlock");
        assert_eq!(idle.give_up(proc, |_| {}, || false), Quiet::Forever);
    }
}
