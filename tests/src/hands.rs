//! Threads that do one step each when told to, so that a test can say what
//! happens in which order and derive the trace by hand.
//!
//! ```text
//!  the test ──step──► thread 0        does it, with a worker's handle of its own
//!           ◄──done──                 (one step at a time in the whole process)
//!           ──step──► thread 1  …
//! ```
//!
//! Whatever a scheduler would answer when a generation ends, the test says: see
//! [`Still`].

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use runtime_trace::{
    AdvanceError, Config, Frame, Host, Pcs, ProcTrace, StartError, StopError, Sweep, SweptState,
    Symbolizer, TaskTrace, Tracer, Worker,
};

use crate::kept::{Kept, Recorder};

/// Functions that stacks may name. A function's program counter is its place
/// here, from 1, and so is its line.
const FUNCTIONS: &[&str] = &[
    "main", "task", "spawn", "park", "wake", "yield", "read", "note", "ping", "pong",
];

/// A stack, given by its functions from leaf to root: `"park<task"`.
///
/// # Panics
///
/// If it names a function that is not in the list.
pub fn at(functions: &str) -> Pcs {
    let mut pcs = Pcs::logical();
    push(&mut pcs, functions);
    pcs
}

/// As [`at`], to fill a stack that the tracer asks for.
///
/// # Panics
///
/// As [`at`].
pub fn waits(functions: &str) -> impl FnOnce(&mut Pcs) {
    move |pcs| push(pcs, functions)
}

fn push(pcs: &mut Pcs, functions: &str) {
    for function in functions.split('<') {
        let place = FUNCTIONS.iter().position(|name| *name == function);
        pcs.push(1 + place.expect("the function is in the list"));
    }
}

/// The tracer and what is traced.
#[derive(Debug)]
pub struct Stage {
    /// The tracer.
    pub tracer: Tracer,
    procs: Vec<ProcTrace>,
    tasks: Vec<TaskTrace>,
}

impl Stage {
    /// A proc by its ID, from 0.
    pub fn proc(&self, id: usize) -> &ProcTrace {
        &self.procs[id]
    }

    /// A task by its ID, from 1.
    pub fn task(&self, id: usize) -> &TaskTrace {
        &self.tasks[id - 1]
    }
}

/// What a scheduler would say of its tasks and procs at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Still<'a> {
    /// Tasks that do not run: ID, state and stack.
    pub tasks: &'a [(usize, SweptState, &'a str)],
    /// Procs that nobody holds.
    pub idle: &'a [usize],
    /// Threads that hold a proc: thread, proc, task if any, and its stack.
    pub running: &'a [(usize, usize, Option<usize>, &'a str)],
    /// A proc that is taken from a task in a system call: by which thread, which
    /// proc, and from which worker.
    pub steals: Option<(usize, usize, u64)>,
}

type Step<'s> = Box<dyn FnOnce(&mut Option<Worker<'s>>) + Send + 's>;

/// A thread that does as it is told.
#[derive(Debug)]
struct Hand<'s> {
    steps: Sender<Step<'s>>,
    done: Receiver<()>,
}

/// A stage with threads on it.
#[derive(Debug)]
pub struct Play<'s> {
    /// What they work with.
    pub stage: &'s Stage,
    hands: Vec<Hand<'s>>,
}

/// Sets up a stage with this many procs, tasks and threads, whose workers have
/// the IDs 1, 2, …, and plays on it.
pub fn play(procs: u32, tasks: u64, threads: usize, body: impl FnOnce(&Play<'_>)) {
    let stage = Stage {
        tracer: Tracer::new(),
        procs: (0..procs).map(ProcTrace::new).collect(),
        tasks: (1..=tasks).map(TaskTrace::new).collect(),
    };
    let stage = &stage;
    thread::scope(|scope| {
        let hand = |_| {
            let (steps, to_do) = channel::<Step<'_>>();
            let (say, done) = channel();
            scope.spawn(move || {
                let mut worker = Some(stage.tracer.worker().expect("memory for a worker"));
                // Said once for the handle, then for each step.
                let _ = say.send(());
                for step in to_do {
                    step(&mut worker);
                    let _ = say.send(());
                }
            });
            done.recv().expect("the thread has started");
            Hand { steps, done }
        };
        let hands = (0..threads).map(hand).collect();
        body(&Play { stage, hands });
    });
}

impl<'s> Play<'s> {
    /// Has a thread do something, and waits until it is done.
    ///
    /// # Panics
    ///
    /// If the thread panics, or has dropped its handle.
    pub fn on(&self, hand: usize, step: impl FnOnce(&Worker<'s>, &'s Stage) + Send + 's) {
        let stage = self.stage;
        self.step(hand, move |worker| {
            step(worker.as_ref().expect("it has its handle"), stage);
        });
    }

    /// Has a thread drop its handle.
    ///
    /// # Panics
    ///
    /// If the thread panics.
    pub fn leaves(&self, hand: usize) {
        self.step(hand, |worker| *worker = None);
    }

    fn step(&self, hand: usize, step: impl FnOnce(&mut Option<Worker<'s>>) + Send + 's) {
        let hand = &self.hands[hand];
        let told = hand.steps.send(Box::new(step));
        told.ok()
            .and_then(|()| hand.done.recv().ok())
            .expect("the thread did its step");
    }

    /// Starts tracing.
    ///
    /// # Errors
    ///
    /// As [`Tracer::start`].
    pub fn start(&self, config: &Config, still: Still<'_>) -> Result<(), StartError> {
        self.stage
            .tracer
            .start(config, &Prompter { play: self, still })
    }

    /// Begins the next generation.
    ///
    /// # Errors
    ///
    /// As [`Tracer::advance`].
    pub fn advance(&self, still: Still<'_>) -> Result<(), AdvanceError> {
        self.stage.tracer.advance(&Prompter { play: self, still })
    }

    /// Stops tracing.
    ///
    /// # Errors
    ///
    /// As [`Tracer::stop`].
    pub fn stop(&self, still: Still<'_>) -> Result<(), StopError> {
        self.stage.tracer.stop(&Prompter { play: self, still })
    }

    /// Records a trace from its start to its stop into a file. Between the two,
    /// `body` plays; it gets the recorder, for what it has to wait for.
    ///
    /// # Panics
    ///
    /// If tracing does not start or stop as it should.
    pub fn record(
        &self,
        name: &str,
        config: &Config,
        first: Still<'_>,
        body: impl FnOnce(&mut Recorder<'s>),
        last: Still<'_>,
    ) -> Kept {
        self.start(config, first).expect("it starts");
        let mut recorder = Recorder::new(&self.stage.tracer, name);
        body(&mut recorder);
        self.stop(last).expect("it stops");
        recorder.finish()
    }
}

/// Answers for a scheduler.
struct Prompter<'p, 's> {
    play: &'p Play<'s>,
    still: Still<'p>,
}

impl Symbolizer for Prompter<'_, '_> {
    fn frames(&self, pc: usize, visit: &mut dyn FnMut(Frame<'_>)) {
        visit(Frame {
            function: FUNCTIONS[pc - 1],
            file: "hands.weft",
            line: pc as u32,
        });
    }
}

impl Host for Prompter<'_, '_> {
    fn checkpoint(&self) {
        for &(hand, proc, task, stack) in self.still.running {
            // The step outlives this call by its type only: it is done before
            // `on` returns. So it gets a copy.
            let stack = stack.to_owned();
            self.play.on(hand, move |worker, stage| {
                let task = task.map(|task| stage.task(task));
                worker.checkpoint(Some(stage.proc(proc)), task, waits(&stack));
            });
        }
    }

    fn sweep(&self, sweep: &Sweep<'_>) {
        if let Some((hand, proc, from)) = self.still.steals {
            self.play.on(hand, move |worker, stage| {
                if let Some(emit) = worker.acquire(None, None) {
                    emit.proc_steal(stage.proc(proc), from);
                }
            });
        }
        for &(task, state, stack) in self.still.tasks {
            sweep.task(self.play.stage.task(task), state, waits(stack));
        }
        for &proc in self.still.idle {
            sweep.proc_idle(self.play.stage.proc(proc));
        }
    }
}
