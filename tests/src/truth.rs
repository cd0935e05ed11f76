//! A play whose trace is known event by event.

use runtime_trace::{Config, Version};

use crate::check::{Checked, Ends, check};
use crate::hands::{Play, Still, at, play};
use crate::kept::Recorder;
use crate::text;
use crate::wire::Trace;

/// A play: what it needs, and what there is to see when tracing stops.
#[derive(Clone, Copy, Debug)]
pub struct Truth<'a> {
    /// The trace's name.
    pub name: &'a str,
    /// How many procs there are.
    pub procs: u32,
    /// How many tasks.
    pub tasks: u64,
    /// How many threads.
    pub threads: usize,
    /// What is so when tracing starts.
    pub first: Still<'a>,
    /// What is so when tracing stops.
    pub last: Still<'a>,
}

/// Nobody has done anything yet.
pub const NOTHING: Still<'_> = Still {
    tasks: &[],
    idle: &[],
    running: &[],
    steals: None,
};

/// Nobody holds proc 0.
pub const IDLE: Still<'_> = Still {
    tasks: &[],
    idle: &[0],
    running: &[],
    steals: None,
};

impl Truth<'_> {
    /// Records `script` in both versions; the file says what is expected, and
    /// is true.
    ///
    /// # Panics
    ///
    /// If it does not or is not.
    #[track_caller]
    pub fn says(
        &self,
        script: impl Fn(&Play<'_>, &mut Recorder<'_>),
        expected: &str,
    ) -> (Trace, Checked) {
        self.after(|_| {}, script, expected)
    }

    /// As [`says`](Self::says), and something happens before tracing starts.
    ///
    /// # Panics
    ///
    /// As there.
    #[track_caller]
    pub fn after(
        &self,
        before: impl Fn(&Play<'_>),
        script: impl Fn(&Play<'_>, &mut Recorder<'_>),
        expected: &str,
    ) -> (Trace, Checked) {
        let mut last = None;
        for version in [Version::Go125, Version::Go126] {
            play(self.procs, self.tasks, self.threads, |play| {
                before(play);
                let mut config = Config::new(self.procs);
                config.version = version;
                let name = format!("truth-{}-{version}", self.name).replace(' ', "-");
                let kept = play.record(&name, &config, self.first, |r| script(play, r), self.last);
                let trace = kept.read();
                text::expect(&trace, expected);
                match check(&trace, Ends::Whole) {
                    Ok(checked) => last = Some((trace, checked)),
                    Err(fault) => panic!("{}: {fault}", kept.path().display()),
                }
            });
        }
        last.expect("there are versions")
    }
}

/// Thread 0 takes proc 0, which creates task 1 and runs it: the first lines of
/// [`BEGUN`].
pub fn begin(play: &Play<'_>) {
    play.on(0, |w, s| {
        if let Some(emit) = w.acquire(None, None) {
            emit.proc_start(s.proc(0));
            let (entry, stack) = (emit.stack(&at("main")), emit.stack(&at("spawn")));
            emit.task_create(s.task(1), entry, stack);
            emit.task_start(s.task(1));
        }
    });
}

/// What [`begin`] makes a trace of one proc start with.
pub const BEGUN: &str = "
    generation 1
      m1
        ProcStatus p0 Idle
        ProcStart p0 #1
        GoCreate g1 [main] [spawn]
        GoStart g1 #1
        ProcsChange 1 []
";
