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
//! # Why no sweep misses a proc
//!
//! A generation of the trace has to mention every proc: those that a worker has,
//! at a checkpoint or before; the others, in a sweep. A proc that is in neither's
//! sight, if only for a moment, may be so for a whole generation, since the
//! thread that moves it can be suspended there. Hence Invariant 1.
//!
//! ```text
//!                    give_up: ProcStop                take, come_back, park
//!   worker has it ─────────────────────► idle ones ───────────────────────┐
//!        │                                  │ wake_one                    │
//!        │ enter            retake:         ▼                             ▼
//!        └───────► beside a ───────► launched ones ── arrive, park ──► ProcStart,
//!                  call   ProcSteal  or a mailbox  ──── mail ────────► checkpoint
//! ```
//!
//! # Invariants
//!
//! 1. A proc that nobody has is in exactly one list that a sweep visits: beside
//!    a call (`calls.rs`), among the idle or among the launched ones. It gets
//!    there, or from one to the other, under the list's lock, together with the
//!    event that says so. It leaves the last two for a worker that has a pen, and
//!    that says so before it passes a checkpoint; mail is the worker's already.
//! 2. A proc among the idle ones has nothing in its ring and its next slot. A
//!    launched one that was stolen may have tasks in its ring.
//! 3. If all procs are idle, no task is in a system call, and the global queue
//!    and the timers of all procs are empty, nothing will ever happen: only a
//!    worker with a proc, or out of a system call, makes tasks ready. A proc is
//!    idle before the call that it was stolen from can end, so whoever comes out
//!    of the last one finds it, and looks.
//! 4. A parked worker has no mail. Whoever posts takes it off the list first,
//!    under the lock.
//! 5. While a proc is launched, no worker is parked.
//! 6. The lock of the calls is taken before this one, never after.

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

/// How long nobody asks for another thread after one could not be had.
const REFUSED: Duration = Duration::from_millis(20);

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
    /// Threads started so far, and those of them that are yet to arrive.
    threads: usize,
    starting: usize,
    /// The last one could not be had: until when nobody asks for another.
    refused: Option<Instant>,
    /// Workers in system calls that have lost their procs.
    blocked: usize,
    /// The worker that sleeps only until the next timer, and until when.
    timekeeper: Option<(Arc<Parker<Mail<'s>>>, Instant)>,
    over: bool,
}

/// What the thread that starts threads is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Launch {
    /// Start one, which arrives.
    Thread,
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
                starting: 0,
                refused: None,
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
    pub(crate) fn launched(&self, nap: Duration, tick: Option<Duration>) -> Launch {
        let mut state = lock(&self.state);
        loop {
            if state.over {
                return Launch::Over;
            }
            let most_threads = self.total + state.blocked.min(MOST_BLOCKED);
            let wanted = state.launched.len() > state.starting && state.threads < most_threads;
            let refused = state
                .refused
                .map(|until| until.saturating_duration_since(Instant::now()))
                .filter(|left| wanted && !left.is_zero());
            if wanted && refused.is_none() {
                state.refused = None;
                state.threads += 1;
                state.starting += 1;
                return Launch::Thread;
            }
            // Relaxed: whoever sets it notifies under the lock afterwards.
            let (most, reason) = if self.watch.load(Ordering::Relaxed) {
                (Some(nap), Launch::Watch)
            } else {
                (tick, Launch::Tick)
            };
            let Some(most) = most.into_iter().chain(refused).min() else {
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

    /// A thread has been started, and has a pen: gives it a launched proc, unless
    /// another worker was faster.
    pub(crate) fn arrive(&self) -> Option<Woken<'s>> {
        let mut state = lock(&self.state);
        state.starting -= 1;
        state.take_launched().map(Woken::Wanted)
    }

    /// A thread that was wanted cannot be started, or not be traced. Its proc is
    /// taken by one of those that there are, or by another that may be had later.
    pub(crate) fn refuse(&self) {
        let mut state = lock(&self.state);
        state.starting -= 1;
        state.threads -= 1;
        state.refused = Some(Instant::now() + REFUSED);
        self.launch.notify_one();
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

    /// Puts a proc among the idle ones, which `stop` says in the trace. If it is
    /// the last, `hopeful` says, with everything held still, whether something is
    /// to come.
    pub(crate) fn give_up(
        &self,
        proc: Proc<'s>,
        stop: impl FnOnce(&Proc<'s>),
        hopeful: impl FnOnce() -> bool,
    ) -> Quiet {
        let mut state = lock(&self.state);
        stop(&proc);
        self.lay_down(&mut state, proc);
        if state.procs.len() < self.total {
            Quiet::No
        } else if hopeful() {
            Quiet::Yes
        } else {
            Quiet::Forever
        }
    }

    /// Takes a proc away from a worker in a system call, which `steal` says in the
    /// trace; the call cannot end meanwhile. Another worker gets it if it is
    /// `useful`, which is said with everything held still; otherwise it is idle,
    /// too.
    pub(crate) fn give_up_stolen(
        &self,
        proc: Proc<'s>,
        steal: impl FnOnce(&Proc<'s>),
        useful: impl FnOnce(&Proc<'s>) -> bool,
    ) {
        let mut state = lock(&self.state);
        steal(&proc);
        state.blocked += 1;
        if !state.over && useful(&proc) {
            // Relaxed: it only counts.
            self.spinning.fetch_add(1, Ordering::Relaxed);
            proc.taken();
            self.send(&mut state, proc);
        } else {
            self.lay_down(&mut state, proc);
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

    fn lay_down(&self, state: &mut State<'s>, proc: Proc<'s>) {
        proc.given_up();
        state.procs.push(proc);
        // Relaxed: it is the fence in `any_work`, which comes after it, that
        // counts; see the head of the file.
        self.procs.store(state.procs.len(), Ordering::Relaxed);
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

    fn idle(cores: &[ProcCore]) -> Idle<'_> {
        Idle::new(cores.iter().filter_map(ProcCore::proc).collect())
    }

    fn launched(idle: &Idle<'_>) -> Launch {
        idle.launched(Duration::ZERO, Some(Duration::ZERO))
    }

    /// The procs that a sweep sees, by their numbers.
    fn seen(idle: &Idle<'_>) -> Vec<u32> {
        let mut seen = Vec::new();
        idle.each_proc(|proc| seen.push(proc.trace().id()));
        seen
    }

    #[test]
    fn a_proc_is_seen_until_a_worker_has_it() {
        let cores = [ProcCore::new(7)];
        let idle = idle(&cores);
        assert_eq!(seen(&idle), [7]);
        idle.launch_first();
        assert_eq!(seen(&idle), [7]);
        assert_eq!(launched(&idle), Launch::Thread);
        assert_eq!(seen(&idle), [7], "nobody has it yet");
        idle.refuse();
        assert_eq!(seen(&idle), [7], "nobody has come");
        assert_eq!(launched(&idle), Launch::Tick, "not at once again");
        // Meanwhile somebody comes who has none.
        let parker = Arc::new(Parker::new());
        let Woken::Wanted(proc) = idle.park(&parker, None) else {
            panic!("it is launched");
        };
        assert!(seen(&idle).is_empty());
        let stop = |proc: &Proc<'_>| assert_eq!(proc.trace().id(), 7);
        assert_eq!(idle.give_up(proc, stop, || false), Quiet::Forever);
        assert_eq!(seen(&idle), [7]);
    }

    #[test]
    fn a_thread_that_was_refused_is_tried_again() {
        let cores = [ProcCore::new(0)];
        let idle = idle(&cores);
        idle.launch_first();
        for _ in 0..3 {
            // However long that takes.
            while launched(&idle) != Launch::Thread {}
            idle.refuse();
        }
        while launched(&idle) != Launch::Thread {}
        assert!(matches!(idle.arrive(), Some(Woken::Wanted(_))));
        assert!(seen(&idle).is_empty());
    }

    #[test]
    fn who_arrives_late_gets_nothing() {
        let cores = [ProcCore::new(0), ProcCore::new(1)];
        let idle = idle(&cores);
        idle.launch_first();
        assert_eq!(launched(&idle), Launch::Thread);
        assert_eq!(launched(&idle), Launch::Tick, "one thread for one proc");
        let parker = Arc::new(Parker::new());
        assert!(matches!(idle.park(&parker, None), Woken::Wanted(_)));
        assert!(idle.arrive().is_none());
    }

    #[test]
    fn a_stolen_proc_is_idle_or_launched() {
        for useful in [false, true] {
            let cores = [ProcCore::new(0)];
            let idle = idle(&cores);
            let proc = idle.take().expect("idle");
            let mut said = false;
            idle.give_up_stolen(proc, |_| said = true, |_| useful);
            assert!(said && seen(&idle) == [0]);
            assert_eq!(idle.some(), !useful);
            let wanted = [Launch::Tick, Launch::Thread][usize::from(useful)];
            assert_eq!(launched(&idle), wanted);
        }
    }
}
