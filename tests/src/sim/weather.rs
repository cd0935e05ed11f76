//! A storm: threads of the scheduler start, advance and stop the trace in the
//! middle of their work, whenever they like and all at once.
//!
//! ```text
//!  any thread, between two steps        who reads
//!  ─────────────────────────────        ─────────
//!  start, with the gate shared ────┐      idle: asks for a file, the gate is free
//!  advance, stop: at any time      └───►  a file begins: has the gate alone
//!  an answer that says that the trace       reads; the gate is free in its pauses
//!  has ended is noted: `ended` ────────►    the end: waits for the answer
//! ```
//!
//! The gate is there for the figures of a file, which are gone when the next one
//! starts. It keeps nobody from trying to start while a file is written or read,
//! from which nothing can come but a refusal, and nobody from advancing and
//! stopping at any moment.
//!
//! # Invariants
//!
//! 1. Of each start that succeeds `begun` knows, in the order of the files, once
//!    the gate is free. Each is ended by one answer, no more and no less.
//! 2. Whatever the tracer answers is what it may answer in this weather.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, RwLock};
use std::time::Duration;

use runtime_trace::{AdvanceError, Config, StartError, StopError, Tracer, Version, pages};

use crate::rng::Rng;
use crate::sim::mover::Mover;
use crate::sim::task::{Proc, Task};
use crate::sim::worker::Runner;
use crate::sim::{Sim, lock};

/// What a storm is like.
#[derive(Clone, Copy, Debug)]
pub struct Climate {
    /// A thread tries to move the trace before one in so many steps.
    pub every: usize,
    /// How often it starts, advances and stops, of all times that it does.
    pub weights: [usize; 3],
    /// Whether some traces have too little memory.
    pub tight: bool,
    /// Whether some traces give up threads that dawdle.
    pub impatient: bool,
    /// Whether emissions are interrupted by others.
    pub reentrant: bool,
}

/// How a trace ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was stopped.
    Whole,
    /// It had to end early, for want of memory.
    Early,
    /// A thread was given up.
    Stuck,
    /// Its file could not be written.
    Sink,
    /// Its last generation could not be finished.
    Unfinished,
}

/// How often something was done.
#[derive(Debug, Default)]
pub struct Strikes {
    /// Successful starts, stops and advances.
    pub done: [AtomicU64; 3],
    /// Refused ones.
    pub refused: AtomicU64,
}

/// A storm that goes on.
#[derive(Debug)]
pub struct Weather {
    climate: Climate,
    /// Set when nobody is to move the trace any more.
    calm: AtomicBool,
    /// Set when the last file has been ended.
    pub is_over: AtomicBool,
    /// Set when a thread has panicked.
    pub has_failed: AtomicBool,
    /// See the module's documentation.
    pub gate: RwLock<()>,
    /// How each file's trace was configured.
    begun: Mutex<Vec<Config>>,
    /// How each file's trace ended, as who ended it was told.
    ended: Mutex<Vec<Ending>>,
    strikes: Strikes,
    /// Calls of `start` that began, and that returned.
    calls: [AtomicU64; 2],
}

impl Weather {
    /// A storm of this climate.
    pub fn new(climate: Climate) -> Self {
        Self {
            climate,
            calm: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
            gate: RwLock::new(()),
            begun: Mutex::default(),
            ended: Mutex::default(),
            strikes: Strikes::default(),
            calls: Default::default(),
        }
    }

    /// From now on nobody begins to move the trace.
    pub fn calms_down(&self) {
        // Relaxed: who has looked before goes on, which does no harm.
        self.calm.store(true, Ordering::Relaxed);
    }

    /// How traces were configured.
    pub fn begun(&self) -> Vec<Config> {
        lock(&self.begun).clone()
    }

    /// How they ended.
    pub fn ended(&self) -> Vec<Ending> {
        lock(&self.ended).clone()
    }

    /// What was done to the trace.
    pub fn strikes(&self) -> &Strikes {
        &self.strikes
    }

    fn is_calm(&self) -> bool {
        // Relaxed: as in `calms_down`.
        self.calm.load(Ordering::Relaxed)
    }

    /// Does something, and says whether tracing was off all the while for
    /// certain: no call of `start` went on meanwhile.
    pub(super) fn is_off_during(&self, tracer: &Tracer, act: impl FnOnce()) -> bool {
        // SeqCst, here and around the calls: one order of all, so that the same
        // numbers before and after leave no room for a call between.
        let calls = || self.calls.each_ref().map(|n| n.load(Ordering::SeqCst));
        let (off, before) = (!tracer.enabled(), calls());
        act();
        off && !tracer.enabled() && before[0] == before[1] && calls() == before
    }

    fn count(&self, what: usize) {
        // Relaxed: a figure.
        self.strikes.done[what].fetch_add(1, Ordering::Relaxed);
    }

    fn refused(&self) {
        // Relaxed: a figure.
        self.strikes.refused.fetch_add(1, Ordering::Relaxed);
    }

    fn ends(&self, ending: Ending) {
        lock(&self.ended).push(ending);
    }
}

/// How a trace is to be recorded.
fn config(climate: &Climate, procs: u32, rng: &mut Rng) -> Config {
    let mut config = Config::new(procs);
    config.version = rng.of(&[Version::Go126, Version::Go126, Version::Go125]);
    config.period = rng.of(&[Duration::ZERO, Duration::from_millis(1), Duration::MAX]);
    config.patience = Duration::from_secs(120);
    config.latency = rng.of(&[Duration::ZERO, config.latency, Duration::MAX]);
    if climate.tight && rng.one_in(2) {
        config.memory_limit = rng.below(64) * pages::BLOCK_SIZE;
    }
    if climate.impatient && rng.one_in(2) {
        config.patience = Duration::from_micros(rng.below(200) as u64);
    }
    config
}

impl<'s> Runner<'s> {
    /// In a storm, tries to move the trace now and then.
    ///
    /// # Panics
    ///
    /// If the tracer answers what it must not.
    pub(super) fn strikes(&mut self, proc: Option<&'s Proc>, task: Option<&Task>) {
        let sim = self.sim;
        let Some(weather) = &sim.weather else { return };
        if weather.is_calm() || !self.rng.one_in(weather.climate.every) {
            return;
        }
        let config = config(&weather.climate, sim.setup.procs, &mut self.rng);
        let [starts, advances, stops] = weather.climate.weights;
        let choice = self.rng.below(starts + advances + stops + 1);
        let if_due = self.rng.one_in(2);
        let mover = Mover::new(self, proc, task);
        if choice < starts {
            self.starts(weather, &config, &mover);
        } else if choice < starts + advances {
            if !if_due || sim.tracer.advance_due() {
                self.advances(weather, &mover);
            }
        } else if choice < starts + advances + stops {
            self.stops(weather, &mover);
        } else {
            // What may be asked and said at any time.
            sim.tracer.set_procs(sim.setup.procs);
            std::hint::black_box(sim.tracer.stats());
            sim.tracer.write_stacks(&mover);
        }
    }

    fn starts(&self, weather: &Weather, config: &Config, mover: &Mover<'_, 's>) {
        let Ok(_gate) = weather.gate.try_read() else {
            return weather.refused();
        };
        // SeqCst, both: as in `is_off_during`.
        weather.calls[0].fetch_add(1, Ordering::SeqCst);
        let started = self.sim.tracer.start(config, mover);
        weather.calls[1].fetch_add(1, Ordering::SeqCst);
        match started {
            Ok(()) => {
                lock(&weather.begun).push(*config);
                weather.count(0);
            }
            Err(StartError::AlreadyTracing | StartError::StillReading | StartError::Busy) => {
                weather.refused();
            }
            Err(StartError::NoMemory) if weather.climate.tight => weather.refused(),
            Err(StartError::ThreadStuck) if weather.climate.impatient => weather.refused(),
            Err(error) => panic!("start: {error}"),
        }
    }

    fn advances(&self, weather: &Weather, mover: &Mover<'_, 's>) {
        match self.sim.tracer.advance(mover) {
            Ok(()) => return weather.count(1),
            Err(AdvanceError::NotTracing | AdvanceError::ReaderBehind | AdvanceError::Busy) => {}
            Err(AdvanceError::NoMemory) if weather.climate.tight => {}
            Err(AdvanceError::NoMemory) => panic!("advance: no memory"),
            Err(AdvanceError::EndedEarly) => weather.ends(Ending::Early),
            Err(AdvanceError::ThreadStuck) => weather.ends(Ending::Stuck),
            Err(AdvanceError::SinkFailed) => weather.ends(Ending::Sink),
            Err(AdvanceError::Unfinished) => weather.ends(Ending::Unfinished),
            Err(AdvanceError::HostUnwound) => panic!("no checkpoint unwinds"),
        }
        weather.refused();
    }

    fn stops(&self, weather: &Weather, mover: &Mover<'_, 's>) {
        match self.sim.tracer.stop(mover) {
            Ok(()) => {
                weather.count(2);
                return weather.ends(Ending::Whole);
            }
            Err(StopError::NotTracing | StopError::Busy) => {}
            Err(StopError::EndedEarly) => weather.ends(Ending::Early),
            Err(StopError::ThreadStuck) => weather.ends(Ending::Stuck),
            Err(StopError::SinkFailed) => weather.ends(Ending::Sink),
            Err(StopError::Unfinished) => weather.ends(Ending::Unfinished),
            Err(StopError::HostUnwound) => panic!("no checkpoint unwinds"),
        }
        weather.refused();
    }

    /// Whether the next emission is to be interrupted by another: only in some
    /// storms.
    pub(super) fn is_to_reenter(&mut self) -> bool {
        let weather = self.sim.weather.as_ref();
        weather.is_some_and(|it| it.climate.reentrant) && self.rng.one_in(8)
    }

    /// Tries to emit in the middle of an emission.
    ///
    /// # Panics
    ///
    /// If it can.
    pub(super) fn reenters(&self, proc: &'s Proc, task: &Task) {
        let refused = self
            .worker
            .acquire(Some(&proc.trace), Some(&task.trace))
            .is_none();
        assert!(refused, "it is let in twice");
        // If it is on now it was on then: another trace does not begin while an
        // emission goes on.
        let certain = self.sim.tracer.enabled();
        self.log.refused(self.epoch.get(), certain);
    }
}

impl Sim {
    /// Stops the trace, if there is one, when all threads are gone.
    ///
    /// # Panics
    ///
    /// If the tracer answers what it must not.
    pub(crate) fn ends_storm(&self) {
        let weather = self.weather();
        let runner = Runner::new(self, u64::MAX);
        let mover = Mover::new(&runner, None, None);
        if lock(&weather.ended).len() < lock(&weather.begun).len() {
            runner.stops(weather, &mover);
        }
        assert_eq!(self.tracer.stop(&mover), Err(StopError::NotTracing));
    }

    /// The storm.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub(crate) fn weather(&self) -> &Weather {
        self.weather.as_ref().expect("it storms")
    }
}
