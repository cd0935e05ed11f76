//! A thread beside the scheduler that starts, advances and stops the trace, and
//! judges the file.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use runtime_trace::{AdvanceError, Config, StartError, Stats, StopError};

use crate::check::{Checked, Ends, check};
use crate::kept::{Kept, Recorder};
use crate::sim::mover::Mover;
use crate::sim::said::{Words, compare};
use crate::sim::worker::{Runner, run};
use crate::sim::{Setup, Sim, lock};

/// The thread that moves the trace.
pub struct Control<'s> {
    runner: Runner<'s>,
    recorder: Option<Recorder<'s>>,
}

/// Simulates while `body` runs.
///
/// # Panics
///
/// If a thread of the scheduler does.
pub fn simulate(setup: &Setup, body: impl FnOnce(&mut Control<'_>)) {
    simulate_in(&Sim::new(setup, None), body);
}

/// Simulates with this scheduler.
///
/// # Panics
///
/// As [`simulate`].
pub(crate) fn simulate_in(sim: &Sim, body: impl FnOnce(&mut Control<'_>)) {
    thread::scope(|scope| {
        let _closing = Closing(sim);
        for number in 0..sim.setup.threads {
            scope.spawn(move || run(scope, sim, number));
        }
        body(&mut Control {
            runner: Runner::new(sim, u64::MAX),
            recorder: None,
        });
    });
}

/// Ends the threads, also when the test fails.
struct Closing<'s>(&'s Sim);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl<'s> Control<'s> {
    /// The scheduler.
    pub fn sim(&self) -> &'s Sim {
        self.runner.sim
    }

    fn mover(&self) -> Mover<'_, 's> {
        Mover::new(&self.runner, None, None)
    }

    /// In a storm, does what any thread may do to the trace now and then.
    pub fn strikes(&mut self) {
        self.runner.strikes(None, None);
    }

    /// Lets the first tasks be created.
    pub fn boot(&self) {
        let sim = self.sim();
        sim.queues().boot = sim.setup.boot;
        sim.changed.notify_all();
    }

    /// Starts tracing into a file of this name.
    ///
    /// # Errors
    ///
    /// As [`runtime_trace::Tracer::start`].
    pub fn start(&mut self, config: &Config, name: &str) -> Result<(), StartError> {
        let sim = self.sim();
        let _lifecycle = lock(&sim.lifecycle);
        sim.tracer.start(config, &self.mover())?;
        self.recorder = Some(Recorder::new(&sim.tracer, name));
        Ok(())
    }

    /// Waits until this many more slices have been run, and writes the file.
    pub fn runs(&mut self, slices: u64) {
        let until = self.slices() + slices;
        while self.slices() < until {
            self.pump();
            self.sim().wait();
        }
    }

    /// As [`runs`](Self::runs), with nobody reading what is recorded.
    pub fn runs_unread(&self, slices: u64) {
        let until = self.slices() + slices;
        while self.slices() < until {
            self.sim().wait();
        }
    }

    /// Slices of tasks that have been run.
    pub fn slices(&self) -> u64 {
        // Relaxed: a figure.
        self.sim().slices.load(Ordering::Relaxed)
    }

    /// Gives away who writes the file, to do so on another thread.
    ///
    /// # Panics
    ///
    /// If nothing was started.
    pub fn writer(&mut self) -> Recorder<'s> {
        self.recorder.take().expect("it was started")
    }

    /// How many tasks live.
    pub fn live(&self) -> usize {
        self.sim().queues().live
    }

    /// Writes what there is.
    pub fn pump(&mut self) {
        if let Some(recorder) = &mut self.recorder {
            recorder.pump();
        }
    }

    /// Begins the next generation, once the file has come to this one.
    ///
    /// # Errors
    ///
    /// As [`runtime_trace::Tracer::advance`].
    pub fn advance(&mut self) -> Result<(), AdvanceError> {
        self.pump();
        self.sim().tracer.advance(&self.mover())
    }

    /// Stops tracing.
    ///
    /// # Panics
    ///
    /// If tracing was off or could not be stopped.
    pub fn stop(&mut self) -> Recording {
        let recorder = self.writer();
        self.stop_then(|| recorder.finish())
    }

    /// As [`stop`](Self::stop), when somebody else writes the file, who can
    /// finish it then.
    ///
    /// # Panics
    ///
    /// As there.
    pub fn stop_then(&mut self, finish: impl FnOnce() -> Kept) -> Recording {
        let sim = self.sim();
        let lifecycle = lock(&sim.lifecycle);
        let ends = match sim.tracer.stop(&self.mover()) {
            Ok(()) => Ends::Whole,
            // By now it may have been stopped by the advance that said so.
            Err(StopError::EndedEarly | StopError::NotTracing) => Ends::Early,
            Err(error) => panic!("tracing does not stop: {error}"),
        };
        drop(lifecycle);
        let mut kept = finish();
        let stats = sim.tracer.stats();
        if ends == Ends::Early && stats.generations > 1 {
            kept.set_aside();
        }
        Recording {
            kept,
            said: sim.take_words(),
            stats,
            ends,
        }
    }
}

/// A trace that was recorded, and what was said to the tracer meanwhile.
#[derive(Debug)]
pub struct Recording {
    /// The file.
    pub kept: Kept,
    /// The tracer's figures.
    pub stats: Stats,
    /// Whether it ended by being stopped.
    pub ends: Ends,
    said: Vec<(u64, Words)>,
}

impl Recording {
    /// Judges the trace. It holds what was said and nothing else, and all of it
    /// unless something was lost.
    ///
    /// # Panics
    ///
    /// If it is not true.
    pub fn judge(&self) -> Checked {
        let trace = self.kept.read();
        let path = self.kept.path().display();
        let checked = match check(&trace, self.ends) {
            Ok(checked) => checked,
            Err(fault) => panic!("{path}: {fault}"),
        };
        // It also ends early where the sweep cannot write a status: then nothing
        // that was said need be lost.
        let lost = self.stats.losses.total() > 0 || self.ends == Ends::Early;
        if self.ends == Ends::Whole {
            let events: u64 = checked.counts.values().sum();
            let generations = trace.generations.len() as u64;
            assert_eq!(
                (self.stats.events, self.stats.generations),
                (events, generations),
                "{path}: the tracer's own counts of events and generations"
            );
        }
        for (worker, words) in &self.said {
            compare(&trace, *worker, words, lost);
        }
        checked
    }
}

impl Sim {
    /// Gives the others a moment.
    ///
    /// # Panics
    ///
    /// If one of them has panicked.
    pub(crate) fn wait(&self) {
        // Relaxed: a message that orders nothing.
        assert!(
            !self.failed.load(Ordering::Relaxed),
            "a thread of the scheduler panicked"
        );
        thread::sleep(Duration::from_micros(50));
    }
}
