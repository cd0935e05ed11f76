//! Time by place: how often and for how long tasks were in a state, by the stack
//! where it began. One analysis, and a renderer for each format in `profile/`.
//!
//! ```text
//!                                         ┌─► pprof   for `go tool pprof`
//!  events ──► Intervals ──► Profile ──────┼─► folded  for speedscope, inferno
//!                                         ├─► svg     a flame graph
//!                                         └─► text    a table
//! ```
//!
//! What Go's own tool has a profile for is counted as it counts, to the
//! nanosecond: an interval goes to the stack of the event that began it (for a
//! task made ready, that is where its waker was), one that has not ended when
//! the trace does is left out, and so is all that was before the task first ran.
//! That leaves a new task's wait for its first run out;
//! [`Options::from_creation`] counts it in.
//!
//! There is one difference. If a task's number is used again, as for calls from
//! C into Go, Go's tool counts only what is in the last life of that number;
//! here each life counts. To do as Go does would take memory for every task that
//! ever was.
//!
//! Memory grows with the tasks that are alive at the same time, and with the
//! distinct names and stacks.

pub mod folded;
pub mod pprof;
pub mod svg;
pub mod text;

use std::cmp::Reverse;

use hashbrown::HashMap;
use trace_read::{ClockSnapshot, Event, Kind, TaskId, TaskState};

use crate::error::ToolError;
use crate::input::Bytes;
use crate::intervals::{Interval, Intervals, Life, Visitor};
use crate::stacks::{FrameKey, Name, Names, StackKey, Stacks};
use crate::stream::{self, Outcome};

/// What a profile counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Time from being made ready to running.
    Sched,
    /// Time blocked on channels, locks and selects.
    Block,
    /// Time blocked on the network.
    Net,
    /// Time in system calls.
    Syscall,
    /// Time running, by the place where it ended.
    ///
    /// A trace tells where a task is only when its state changes. So a stretch
    /// of running goes to the place where the task blocked, was stopped or
    /// entered a system call. A task that ended, and one that runs as the trace
    /// ends, has no such place: its last stretch goes to the function it started
    /// with.
    Running,
    /// CPU samples.
    Cpu,
}

impl What {
    /// The state that is looked at; none if it is no state.
    fn state(self) -> Option<TaskState> {
        match self {
            Self::Sched => Some(TaskState::Runnable),
            Self::Block | Self::Net => Some(TaskState::Waiting),
            Self::Syscall => Some(TaskState::Syscall),
            Self::Running => Some(TaskState::Running),
            Self::Cpu => None,
        }
    }

    /// Whether a task that waits for this reason belongs here.
    fn wants(self, reason: &str) -> bool {
        match self {
            Self::Block => ["chan", "sync", "select"]
                .iter()
                .any(|word| reason.contains(word)),
            Self::Net => reason == "network",
            _ => true,
        }
    }

    /// What it shows, as a title.
    pub fn title(self) -> &'static str {
        match self {
            Self::Sched => "Scheduling latency by where the task was made ready",
            Self::Block => "Blocked time by where the task blocked",
            Self::Net => "Time waiting for the network by where the task waited",
            Self::Syscall => "Time in system calls by where the call was made",
            Self::Running => "Running time by where it ended",
            Self::Cpu => "CPU samples by where they were taken",
        }
    }

    /// What is counted, in the plural.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Sched => "waits to be scheduled",
            Self::Block => "waits of blocked tasks",
            Self::Net => "waits for the network",
            Self::Syscall => "system calls",
            Self::Running => "stretches of running",
            Self::Cpu => "CPU samples",
        }
    }

    /// Whether it has times, and not only counts.
    pub fn is_timed(self) -> bool {
        self.state().is_some()
    }
}

/// What to count, and how.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What.
    pub what: What,
    /// With [`What::Block`], count blocking for whatever reason, by reason.
    pub all_reasons: bool,
    /// Count also what was before a task first ran.
    pub from_creation: bool,
}

/// How often something was at a stack, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Where.
    pub stack: StackKey,
    /// Why, with [`Options::all_reasons`]; otherwise empty.
    pub reason: Name,
    /// How often.
    pub count: u64,
    /// For how long in all, nanoseconds; 0 if it is not [timed](What::is_timed).
    pub time: u64,
}

/// How often something was, and for how long, by stack.
#[derive(Debug)]
pub struct Profile {
    /// What was asked.
    pub options: Options,
    /// One for each stack and reason, those with the most time first.
    pub samples: Vec<Sample>,
    /// How many intervals had not ended when the trace did and are left out.
    pub left_out: u64,
    /// When the trace begins and when its last event happened, nanoseconds of
    /// its clock.
    pub span: (u64, u64),
    /// The wall clock when the trace began, nanoseconds since 1970 UTC. Traces
    /// know it since 1.25.
    pub wall: Option<u64>,
    names: Names,
    stacks: Stacks,
}

impl Profile {
    /// Makes the profile of a trace, as far as it can be read.
    ///
    /// # Errors
    ///
    /// [`ToolError::Trace`] if it is no trace. Damage is part of the outcome.
    pub fn of(input: Bytes, options: Options) -> Result<(Self, Outcome), ToolError> {
        let mut intervals = Intervals::default();
        let mut gather = Gather::new(options);
        let mut span = None;
        let mut clock = None;
        let outcome = stream::read(input, |event| {
            let (start, _) = span.unwrap_or((event.time, event.time));
            span = Some((start, event.time));
            if let Kind::Sync(sync) = &event.kind {
                clock = clock.or(sync.clock);
            }
            match options.what {
                What::Cpu => gather.sample(event, &mut intervals),
                _ => {
                    gather.note(event, &mut intervals);
                    intervals.event(event, &mut gather);
                }
            }
            Ok(())
        })?;
        gather.next = None;
        intervals.finish(&mut gather);
        let span = span.unwrap_or_default();
        let profile = Profile {
            options,
            left_out: gather.left_out,
            samples: gather.into_samples(),
            span,
            wall: clock.and_then(|clock| wall(clock, span.0)),
            names: intervals.names,
            stacks: intervals.stacks,
        };
        Ok((profile, outcome))
    }

    /// The text of a name.
    pub fn text(&self, name: Name) -> &str {
        self.names.text(name)
    }

    /// The frames of a sample, innermost first.
    pub fn frames(&self, sample: &Sample) -> &[FrameKey] {
        self.stacks.frames(sample.stack)
    }

    /// Why tasks were blocked, in words, if that was asked for.
    pub fn reason(&self, reason: Name) -> Option<&str> {
        match self.text(reason) {
            _ if !self.options.all_reasons => None,
            // The trace found the task blocked, and does not tell why.
            "" => Some("unknown"),
            reason => Some(reason),
        }
    }

    /// The one number that a sample has where there is room for one: its time,
    /// or its count if there are no times.
    pub fn value(&self, sample: &Sample) -> u64 {
        match self.options.what.is_timed() {
            true => sample.time,
            false => sample.count,
        }
    }

    /// The sum of all [values](Self::value).
    pub fn total(&self) -> u64 {
        self.samples.iter().fold(0, |total: u64, sample| {
            total.saturating_add(self.value(sample))
        })
    }

    /// How long the trace is, nanoseconds.
    pub fn duration(&self) -> u64 {
        self.span.1 - self.span.0
    }
}

/// The wall clock at a time of the trace's clock, if both clocks are sane.
fn wall(clock: ClockSnapshot, time: u64) -> Option<u64> {
    let seconds = clock.wall_seconds.checked_mul(1_000_000_000)?;
    let wall = i128::from(seconds) + i128::from(clock.wall_nanos);
    u64::try_from(wall + i128::from(time) - i128::from(clock.trace)).ok()
}

/// Adds intervals and samples up.
struct Gather {
    options: Options,
    sums: HashMap<(StackKey, Name), (u64, u64)>,
    left_out: u64,
    /// Whether waiting for this reason is wanted.
    reasons: HashMap<Name, bool>,
    /// What is left out if the task runs one day: intervals before that.
    before: HashMap<TaskId, Vec<Sample>>,
    /// Where tasks start, by the function's name.
    starts: HashMap<Name, StackKey>,
    /// The state that the interval at hand is followed by, and where the task is
    /// then.
    next: Option<(TaskState, StackKey)>,
}

impl Gather {
    fn new(options: Options) -> Self {
        Gather {
            options,
            sums: HashMap::new(),
            left_out: 0,
            reasons: HashMap::new(),
            before: HashMap::new(),
            starts: HashMap::new(),
            next: None,
        }
    }

    fn add(&mut self, sample: Sample) {
        let (count, time) = self.sums.entry((sample.stack, sample.reason)).or_default();
        *count = count.saturating_add(sample.count);
        *time = time.saturating_add(sample.time);
    }

    /// Takes in an event when CPU samples are counted.
    fn sample(&mut self, event: &Event<'_>, intervals: &mut Intervals) {
        match event.kind {
            Kind::Sync(_) => intervals.stacks.new_generation(),
            Kind::Sample => {
                let stack = intervals.stacks.intern(event.stack, &mut intervals.names);
                self.add(Sample {
                    stack,
                    reason: Names::EMPTY,
                    count: 1,
                    time: 0,
                });
            }
            _ => {}
        }
    }

    /// Notes what an event says beyond the interval that it ends.
    fn note(&mut self, event: &Event<'_>, intervals: &mut Intervals) {
        let Kind::Task(transition) = &event.kind else {
            return;
        };
        let Intervals { names, stacks, .. } = intervals;
        let mut stack = StackKey::EMPTY;
        if self.options.what == What::Running && !transition.stack.is_empty() {
            stack = stacks.intern(transition.stack, names);
            if let Some(outermost) = stacks.frames(stack).last() {
                self.starts
                    .entry(outermost.function)
                    .or_insert_with(|| stacks.start(stack));
            }
        }
        self.next = Some((transition.to, stack));
        if transition.to == TaskState::Waiting {
            let options = self.options;
            self.reasons
                .entry(names.intern(transition.reason))
                .or_insert_with(|| options.all_reasons || options.what.wants(transition.reason));
        }
    }

    /// The sample that an interval is, if it is wanted.
    fn wanted(&mut self, interval: &Interval, life: &Life) -> Option<Sample> {
        let Options {
            what, all_reasons, ..
        } = self.options;
        let wanted = Some(interval.state) == what.state()
            && (interval.state != TaskState::Waiting
                || self.reasons.get(&interval.reason) == Some(&true));
        if !wanted {
            return None;
        }
        if what == What::Running {
            let stack = match self.next {
                Some((_, stack)) if !stack.is_empty() => stack,
                _ => self
                    .starts
                    .get(&life.function)
                    .copied()
                    .unwrap_or(StackKey::EMPTY),
            };
            return Some(Sample {
                stack,
                reason: Names::EMPTY,
                count: 1,
                time: interval.duration(),
            });
        }
        if interval.open {
            self.left_out += 1;
            return None;
        }
        Some(Sample {
            stack: interval.event_stack,
            reason: match all_reasons {
                true => interval.reason,
                false => Names::EMPTY,
            },
            count: 1,
            time: interval.end - interval.seen,
        })
    }

    fn into_samples(self) -> Vec<Sample> {
        let mut samples: Vec<Sample> = self
            .sums
            .into_iter()
            .map(|((stack, reason), (count, time))| Sample {
                stack,
                reason,
                count,
                time,
            })
            .collect();
        // Keys count up as they are met, so this order is always the same.
        samples.sort_unstable_by_key(|sample| {
            let most = (Reverse(sample.time), Reverse(sample.count));
            (most, sample.stack, sample.reason)
        });
        samples
    }
}

impl Visitor for Gather {
    fn interval(&mut self, interval: &Interval, life: &Life) {
        let runs = matches!(self.next, Some((TaskState::Running, _)));
        let ran = life.started.is_some() || runs;
        if ran && !self.before.is_empty() {
            self.before.remove(&interval.task);
        }
        let Some(sample) = self.wanted(interval, life) else {
            return;
        };
        let is_running = interval.state == TaskState::Running;
        if self.options.from_creation || life.started.is_some() || is_running {
            self.add(sample);
        } else if !ran {
            self.before.entry(interval.task).or_default().push(sample);
        }
    }

    fn task(&mut self, life: &Life) {
        // It never ran.
        for sample in self.before.remove(&life.task).into_iter().flatten() {
            self.add(sample);
        }
    }
}
