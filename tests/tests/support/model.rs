//! The documentation of the tracer's API, as a machine: what each call writes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use runtime_trace::SweptState;
use trace_format::end::End;
use trace_format::limits::{MAX_STRING_SIZE, NO_THREAD};
use trace_format::{EventKind, ProcStatus, TaskStatus};

use crate::calls::Call;
use crate::stacks::Stack;

/// What an argument must say.
#[derive(Clone, Debug)]
pub enum Value {
    /// Just this.
    Number(u64),
    /// The ID of this text.
    Text(String),
    /// The ID of this stack.
    Stack(Stack),
}

/// An event that must be there.
pub type Expected = (EventKind, Vec<Value>);

fn number_of(number: impl Into<u64>) -> Value {
    Value::Number(number.into())
}

/// A text as it is written: no longer than a string may be.
fn text_of(text: &str) -> Value {
    let mut cut = text.to_owned();
    while cut.len() > MAX_STRING_SIZE {
        cut.pop();
    }
    Value::Text(cut)
}

/// What the tracer says by itself.
fn note_of(message: &str) -> Vec<Value> {
    let none = Stack {
        skip: None,
        pcs: Vec::new(),
    };
    vec![
        number_of(0u64),
        text_of(trace_format::loss::CATEGORY),
        text_of(message),
        stack_of(&none),
    ]
}

fn stack_of(stack: &Stack) -> Value {
    Value::Stack(stack.clone())
}

/// What one worker has said, and what the trace knows by it.
pub struct Model {
    /// Its ID.
    pub worker: u64,
    task_ids: Vec<u64>,
    /// Tasks and procs that the generation has mentioned, with their latest
    /// sequence numbers.
    tasks: HashMap<usize, u64>,
    procs: HashMap<usize, u64>,
    /// What the thread has.
    pub task: Option<usize>,
    /// The same.
    pub proc: Option<usize>,
    /// The status of a proc that the thread has while its task is in a system call, if
    /// that was said.
    syscall: Option<ProcStatus>,
    /// Annotations that were refused, since no task ran, and how many of those the
    /// trace has been told of.
    pub refused: u64,
    told: u64,
    /// How many procs there are, and whether the generation has yet to say so.
    proc_count: u32,
    count_due: bool,
    /// What the trace's last notes say.
    pub notes: Vec<Expected>,
    /// The worker's events, and those of nobody, by generation.
    pub said: Vec<[Vec<Expected>; 2]>,
}

impl Model {
    /// At the start of a trace of this worker, tasks with these IDs, and so many
    /// procs.
    pub fn new(worker: u64, task_ids: Vec<u64>, proc_count: u32) -> Self {
        Self {
            worker,
            task_ids,
            tasks: HashMap::new(),
            procs: HashMap::new(),
            task: None,
            proc: None,
            syscall: None,
            refused: 0,
            told: 0,
            proc_count,
            count_due: true,
            notes: Vec::new(),
            said: vec![Default::default()],
        }
    }

    fn say_on(&mut self, stream: usize, kind: EventKind, args: Vec<Value>) {
        let generation = self.said.last_mut().expect("there is one at least");
        generation[stream].push((kind, args));
    }

    fn say(&mut self, kind: EventKind, args: impl Into<Vec<Value>>) {
        self.say_on(0, kind, args.into());
    }

    fn mention_proc(&mut self, stream: usize, proc: usize, status: ProcStatus) {
        if let Entry::Vacant(new) = self.procs.entry(proc) {
            new.insert(0);
            let args = [number_of(proc as u64), number_of(status as u64)];
            self.say_on(stream, EventKind::ProcStatus, args.into());
        }
    }

    fn mention_task(
        &mut self,
        stream: usize,
        task: usize,
        (status, thread): (TaskStatus, u64),
        stack: Option<&Stack>,
    ) {
        if let Entry::Vacant(new) = self.tasks.entry(task) {
            new.insert(0);
            let mut args = vec![
                number_of(self.task_ids[task]),
                number_of(thread),
                number_of(status as u64),
            ];
            let kind = match stack.filter(|stack| !stack.pcs.is_empty()) {
                Some(stack) => {
                    args.push(stack_of(stack));
                    EventKind::GoStatusStack
                }
                None => EventKind::GoStatus,
            };
            self.say_on(stream, kind, args);
        }
    }

    /// The statuses of what the thread has.
    fn mention(&mut self, task: TaskStatus, proc: ProcStatus) {
        if let Some(held) = self.proc {
            self.mention_proc(0, held, proc);
        }
        if let Some(held) = self.task {
            self.mention_task(0, held, (task, self.worker), None);
        }
    }

    /// The statuses that follow from what the thread has and has said.
    fn statuses(&self) -> (TaskStatus, ProcStatus) {
        match self.syscall {
            Some(proc) => (TaskStatus::Syscall, proc),
            None if self.proc.is_some() => (TaskStatus::Running, ProcStatus::Running),
            None => (TaskStatus::Syscall, ProcStatus::Running),
        }
    }

    fn mention_held(&mut self) {
        let (task, proc) = self.statuses();
        self.mention(task, proc);
    }

    /// What the trace is told of what was refused, if it does not know yet.
    pub fn losses(&mut self) -> Option<Vec<Value>> {
        let refused = self.refused;
        (std::mem::replace(&mut self.told, refused) < refused).then(|| {
            let message = format!("{refused} events lost (no running task: {refused})");
            note_of(&message)
        })
    }

    /// Tracing stops.
    pub fn end(&mut self) {
        let end = note_of(End::Stopped.as_str());
        let notes = self.losses().into_iter().chain([end]);
        self.notes = notes.map(|note| (EventKind::UserLog, note)).collect();
    }

    /// An event of a task, with its next number: its first two arguments.
    fn task_and_number(&mut self, task: usize) -> [Value; 2] {
        let latest = self.tasks.get_mut(&task).expect("it is mentioned");
        *latest += 1;
        [number_of(self.task_ids[task]), number_of(*latest)]
    }

    fn proc_and_number(&mut self, proc: usize) -> [Value; 2] {
        let latest = self.procs.get_mut(&proc).expect("it is mentioned");
        *latest += 1;
        [number_of(proc as u64), number_of(*latest)]
    }

    fn note(&mut self) {
        let runs = self.task.is_some() && self.proc.is_some() && self.syscall.is_none();
        if self.count_due && runs {
            self.count_due = false;
            let none = Stack {
                skip: None,
                pcs: Vec::new(),
            };
            let args = [number_of(self.proc_count), stack_of(&none)];
            self.say(EventKind::ProcsChange, args);
            if let Some(losses) = self.losses() {
                self.say(EventKind::UserLog, losses);
            }
        }
    }

    /// A call is made.
    pub fn apply(&mut self, call: &Call) {
        let waiting = (TaskStatus::Waiting, NO_THREAD);
        match call {
            Call::ProcStart(proc) => {
                self.mention(TaskStatus::Syscall, ProcStatus::Running);
                self.mention_proc(0, *proc, ProcStatus::Idle);
                if self.task.is_some() {
                    self.syscall = Some(ProcStatus::Running);
                }
                let args = self.proc_and_number(*proc);
                self.say(EventKind::ProcStart, args);
                self.proc = Some(*proc);
            }
            Call::ProcStop => {
                self.mention(TaskStatus::Syscall, ProcStatus::Running);
                self.say(EventKind::ProcStop, []);
                self.proc = None;
            }
            Call::ProcSteal(proc, from) => {
                self.mention_proc(0, *proc, ProcStatus::SyscallAbandoned);
                self.mention_held();
                let [proc, number] = self.proc_and_number(*proc);
                self.say(EventKind::ProcSteal, [proc, number, number_of(*from)]);
            }
            Call::TaskCreate(new, entry, at) | Call::TaskCreateBlocked(new, entry, at) => {
                self.mention_held();
                self.tasks.entry(*new).or_insert(0);
                let kind = match call {
                    Call::TaskCreate(..) => EventKind::GoCreate,
                    _ => EventKind::GoCreateBlocked,
                };
                let id = number_of(self.task_ids[*new]);
                self.say(kind, [id, stack_of(entry), stack_of(at)]);
            }
            Call::TaskCreateInSyscall(new) => {
                self.mention_held();
                self.syscall = Some(ProcStatus::Running);
                self.tasks.entry(*new).or_insert(0);
                let id = number_of(self.task_ids[*new]);
                self.say(EventKind::GoCreateSyscall, [id]);
                self.task = Some(*new);
            }
            Call::TaskStart(task) => {
                self.syscall = None;
                if let Some(proc) = self.proc {
                    self.mention_proc(0, proc, ProcStatus::Running);
                }
                self.mention_task(0, *task, (TaskStatus::Runnable, NO_THREAD), None);
                let args = self.task_and_number(*task);
                self.say(EventKind::GoStart, args);
                self.task = Some(*task);
                self.note();
            }
            Call::TaskStop(reason, at) => {
                self.mention_held();
                let args = [text_of(reason.as_str()), stack_of(at)];
                self.say(EventKind::GoStop, args);
                self.task = None;
            }
            Call::TaskBlock(reason, at) => {
                self.mention_held();
                let args = [text_of(reason.as_str()), stack_of(at)];
                self.say(EventKind::GoBlock, args);
                self.task = None;
            }
            Call::TaskUnblock(task, its, at) => {
                self.mention_task(0, *task, waiting, Some(its));
                self.mention_held();
                let [task, number] = self.task_and_number(*task);
                self.say(EventKind::GoUnblock, [task, number, stack_of(at)]);
            }
            Call::TaskSwitch(next, its) | Call::TaskSwitchEnd(next, its) => {
                self.mention_task(0, *next, waiting, Some(its));
                self.mention_held();
                let args = self.task_and_number(*next);
                self.say(
                    match call {
                        Call::TaskSwitch(..) => EventKind::GoSwitch,
                        _ => EventKind::GoSwitchDestroy,
                    },
                    args,
                );
                self.task = Some(*next);
            }
            Call::TaskEnd => {
                self.mention_held();
                self.say(EventKind::GoDestroy, []);
                self.task = None;
            }
            Call::TaskEndInSyscall => {
                if let Some(task) = self.task.take() {
                    self.mention_task(0, task, (TaskStatus::Syscall, self.worker), None);
                }
                self.say(EventKind::GoDestroySyscall, []);
                self.syscall = None;
                self.proc = None;
            }
            Call::SyscallBegin(at) => {
                self.mention_held();
                if let Some(proc) = self.proc {
                    let [_, number] = self.proc_and_number(proc);
                    self.say(EventKind::GoSyscallBegin, [number, stack_of(at)]);
                    self.syscall = Some(ProcStatus::Syscall);
                }
            }
            Call::SyscallEnd => {
                self.mention(TaskStatus::Syscall, ProcStatus::Syscall);
                self.say(EventKind::GoSyscallEnd, []);
                self.syscall = None;
            }
            Call::SyscallEndBlocked => {
                self.mention(TaskStatus::Syscall, ProcStatus::Running);
                self.say(EventKind::GoSyscallEndBlocked, []);
                self.syscall = None;
                self.task = None;
            }
            Call::Checkpoint(at) => {
                let statuses = self.statuses();
                if let Some(proc) = self.proc {
                    self.mention_proc(0, proc, statuses.1);
                }
                if let Some(task) = self.task {
                    self.mention_task(0, task, (statuses.0, self.worker), Some(at));
                }
                self.note();
            }
            Call::SetProcs(count) => {
                self.proc_count = *count;
                self.count_due = true;
            }
            Call::Advance(tasks, procs) => {
                for (task, state, stack) in tasks {
                    let status = match state {
                        SweptState::Runnable => (TaskStatus::Runnable, NO_THREAD),
                        SweptState::Waiting => waiting,
                        SweptState::Syscall { worker } => (TaskStatus::Syscall, *worker),
                    };
                    self.mention_task(1, *task, status, Some(stack));
                }
                for proc in procs {
                    self.mention_proc(1, *proc, ProcStatus::Idle);
                }
                self.tasks.clear();
                self.procs.clear();
                self.count_due = true;
                self.said.push(Default::default());
            }
            _ => {
                let needs_task = !matches!(call, Call::HeapAlloc(_) | Call::HeapGoal(_));
                let has = self.proc.is_some() && (self.task.is_some() || !needs_task);
                if has && self.syscall.is_none() {
                    self.mention_held();
                    let (kind, args) = annotation(call);
                    self.say(kind, args);
                } else {
                    self.refused += 1;
                }
            }
        }
    }
}

/// What the calls write that need a running task, or a proc at least.
fn annotation(call: &Call) -> Expected {
    match call {
        Call::RegionBegin(of, name, at) => (
            EventKind::UserRegionBegin,
            vec![number_of(*of), text_of(name), stack_of(at)],
        ),
        Call::RegionEnd(of, name, at) => (
            EventKind::UserRegionEnd,
            vec![number_of(*of), text_of(name), stack_of(at)],
        ),
        Call::UserTaskBegin(id, of, name, at) => (
            EventKind::UserTaskBegin,
            vec![number_of(*id), number_of(*of), text_of(name), stack_of(at)],
        ),
        Call::UserTaskEnd(id, at) => (EventKind::UserTaskEnd, vec![number_of(*id), stack_of(at)]),
        Call::Log(of, key, it, at) => (
            EventKind::UserLog,
            vec![number_of(*of), text_of(key), text_of(it), stack_of(at)],
        ),
        Call::Label(text) => (EventKind::GoLabel, vec![text_of(text)]),
        Call::HeapAlloc(bytes) => (EventKind::HeapAlloc, vec![number_of(*bytes)]),
        Call::HeapGoal(bytes) => (EventKind::HeapGoal, vec![number_of(*bytes)]),
        Call::StopTheWorldBegin(kind, at) => {
            (EventKind::STWBegin, vec![text_of(kind), stack_of(at)])
        }
        Call::StopTheWorldEnd => (EventKind::STWEnd, Vec::new()),
        other => panic!("{other:?} is no annotation"),
    }
}
