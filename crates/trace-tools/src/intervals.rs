//! What tasks did, for how long: transitions turned into intervals. All analyses
//! of time are built on this.
//!
//! ```text
//!  Waiting ──(woken)──► Runnable ──(started)──► Running ──(blocks)──► Waiting
//!         └─ interval ─┘        └─ interval ──┘        └─ interval ─┘
//! ```
//!
//! An interval is handed out when it ends. What is still open at the end of the
//! trace is handed out by [`Intervals::finish`], marked as such. A task that was
//! there before the trace is taken to have been in its first known state since
//! the trace began, as Go's own summaries take it.
//!
//! Memory grows with the tasks that are alive at the same time, and with the
//! distinct names and stacks.

use hashbrown::HashMap;
use trace_read::{Event, Kind, ProcId, ProcState, TaskId, TaskState, TaskTransition, WorkerId};

use crate::stacks::{Name, Names, StackKey, Stacks};

/// The reason of a task that waits and will never be woken. It is as good as
/// dead, and counted so.
const FOREVER: &str = "forever";

/// A stretch of time that a task spent in one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Whose time.
    pub task: TaskId,
    /// What it did; never `Undetermined` or `NotExist`.
    pub state: TaskState,
    /// Why it waits, or why it was stopped and is ready again; otherwise empty.
    pub reason: Name,
    /// When it began, nanoseconds of the trace's clock.
    pub start: u64,
    /// When it ended, or when the trace did.
    pub end: u64,
    /// Whether it goes on at `end`, where the trace ends.
    pub open: bool,
    /// When it is known to have begun: later than `start` for a state that was
    /// found when the trace began.
    pub seen: u64,
    /// Where the task was as it began; the place where it starts if it is new.
    pub stack: StackKey,
    /// What the event that began it has as stack: for a wake-up that is where
    /// the waker was.
    pub event_stack: StackKey,
    /// The task that began it from outside, by waking or creating this one.
    pub by: Option<TaskId>,
    /// Where it runs or is in a system call. `None` for a call that had no proc
    /// when the trace found it.
    pub proc: Option<ProcId>,
    /// On which worker it runs or is in a system call.
    pub worker: Option<WorkerId>,
    /// Since when a system call has done without a proc.
    pub lost_proc: Option<u64>,
}

impl Interval {
    /// How long it is, nanoseconds.
    pub fn duration(&self) -> u64 {
        self.end - self.start
    }
}

/// What is known of a task beside its intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// Which task.
    pub task: TaskId,
    /// The function it starts with, the outermost of its first known stack;
    /// empty if none was seen.
    pub function: Name,
    /// When it was created, or the trace began.
    pub created: u64,
    /// Whether it was created within the trace.
    pub born: bool,
    /// When it first ran.
    pub started: Option<u64>,
    /// When it ended. `None` if the trace ends first.
    pub ended: Option<u64>,
}

/// Told what tasks did.
pub trait Visitor {
    /// An interval has ended, of the task with this life so far.
    fn interval(&mut self, interval: &Interval, life: &Life);
    /// A task has ended, or the trace has, after its last interval.
    fn task(&mut self, life: &Life) {
        let _ = life;
    }
}

/// Turns events into intervals.
#[derive(Debug, Default)]
pub struct Intervals {
    /// All names in intervals.
    pub names: Names,
    /// All stacks in intervals.
    pub stacks: Stacks,
    tasks: HashMap<TaskId, Live>,
    /// Tasks in system calls, by the proc that they may still have.
    syscalls: HashMap<ProcId, TaskId>,
    /// Workers by the proc that they took last.
    holders: HashMap<ProcId, WorkerId>,
    sync: Option<u64>,
    first: Option<u64>,
    last: u64,
}

/// A task that is alive.
#[derive(Debug)]
struct Live {
    life: Life,
    /// The interval that goes on, if the task can be said to do anything.
    now: Option<Interval>,
}

impl Intervals {
    /// When the trace begins and when its last event so far happened.
    pub fn span(&self) -> (u64, u64) {
        (self.first.unwrap_or(0), self.last)
    }

    /// Takes an event in. All of them have to come, in order.
    pub fn event(&mut self, event: &Event<'_>, visitor: &mut impl Visitor) {
        self.first.get_or_insert(event.time);
        self.last = event.time;
        match &event.kind {
            Kind::Sync(_) => {
                self.sync = Some(event.time);
                self.stacks.new_generation();
            }
            Kind::Task(transition) if transition.from != transition.to => {
                self.transition(event, transition, visitor);
            }
            // A mention may bring the first stack.
            Kind::Task(transition) => {
                if let Some(live) = self.tasks.get_mut(&transition.task) {
                    name(&mut live.life, transition, &mut self.names);
                }
            }
            Kind::Proc(transition)
                if transition.to == ProcState::Running && transition.from != transition.to =>
            {
                if let Some(worker) = event.worker {
                    self.holders.insert(transition.proc, worker);
                }
            }
            Kind::Proc(transition)
                if transition.to == ProcState::Idle && transition.from != transition.to =>
            {
                let task = self.syscalls.remove(&transition.proc);
                let live = task.and_then(|task| self.tasks.get_mut(&task));
                if let Some(now) = live.and_then(|live| live.now.as_mut()) {
                    now.lost_proc = Some(event.time);
                }
            }
            _ => {}
        }
    }

    fn transition(
        &mut self,
        event: &Event<'_>,
        transition: &TaskTransition<'_>,
        visitor: &mut impl Visitor,
    ) {
        let task = transition.task;
        let found = transition.from == TaskState::Undetermined;
        // Since when it has been there, or in this state, as far as one can say.
        let since = match found {
            true => self.sync.unwrap_or(event.time),
            false => event.time,
        };
        let live = self.tasks.entry(task).or_insert_with(|| Live {
            life: Life {
                task,
                function: Names::EMPTY,
                created: since,
                born: !found,
                started: None,
                ended: None,
            },
            now: None,
        });
        name(&mut live.life, transition, &mut self.names);
        if let Some(mut now) = live.now.take() {
            now.end = event.time;
            if now.state == TaskState::Syscall
                && let Some(proc) = now.proc
                && self.syscalls.get(&proc) == Some(&task)
            {
                self.syscalls.remove(&proc);
            }
            visitor.interval(&now, &live.life);
        }
        let gone = match transition.to {
            TaskState::NotExist | TaskState::Undetermined => true,
            TaskState::Waiting => transition.reason == FOREVER,
            _ => false,
        };
        if gone {
            live.life.ended = Some(event.time);
            visitor.task(&live.life);
            self.tasks.remove(&task);
            return;
        }
        if transition.to == TaskState::Running {
            live.life.started.get_or_insert(event.time);
        }
        let on = matches!(transition.to, TaskState::Running | TaskState::Syscall);
        // A status tells of a call on another worker, too, which has no proc: the
        // event's is then that of the worker that says so.
        let elsewhere = |proc: &ProcId| {
            found
                && transition.to == TaskState::Syscall
                && self.holders.get(proc).copied() != event.worker
        };
        let proc = event.proc.filter(|proc| on && !elsewhere(proc));
        let without = transition.to == TaskState::Syscall && proc.is_none();
        let itself = event.task == Some(task);
        live.now = Some(Interval {
            task,
            state: transition.to,
            reason: self.names.intern(transition.reason),
            start: since,
            end: since,
            open: false,
            seen: event.time,
            stack: self.stacks.intern(transition.stack, &mut self.names),
            event_stack: self.stacks.intern(event.stack, &mut self.names),
            by: event.task.filter(|_| !itself && !found),
            proc,
            worker: event.worker.filter(|_| on),
            lost_proc: without.then_some(since),
        });
        if transition.to == TaskState::Syscall
            && let Some(proc) = proc
        {
            self.syscalls.insert(proc, task);
        }
    }

    /// The trace has ended: all that is still open is handed out.
    pub fn finish(&mut self, visitor: &mut impl Visitor) {
        let mut tasks: Vec<Live> = self.tasks.drain().map(|(_, live)| live).collect();
        tasks.sort_unstable_by_key(|live| live.life.task);
        for Live { life, now } in tasks {
            if let Some(mut now) = now {
                now.end = self.last;
                now.open = true;
                visitor.interval(&now, &life);
            }
            visitor.task(&life);
        }
        self.syscalls.clear();
    }
}

/// A task is called by the outermost function of its first known stack, which
/// is the same in all of its stacks.
fn name(life: &mut Life, transition: &TaskTransition<'_>, names: &mut Names) {
    if life.function == Names::EMPTY
        && let Some(outermost) = transition.stack.frames().next_back()
    {
        life.function = names.intern(outermost.function);
    }
}
