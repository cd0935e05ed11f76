//! Tasks, procs and threads as a trace's events make them.
//!
//! An event either happens, or cannot happen *yet* (it names a task or proc
//! that another thread has not brought to that point), or can never.

use std::collections::HashMap;

use trace_format::limits::NO_THREAD;
use trace_format::{ArgKind, EventKind, ProcStatus, TaskStatus};

use crate::fault::{Fault, Wrong};
use crate::wire::{Event, Generation};

#[derive(Debug)]
struct Task {
    status: TaskStatus,
    /// Where it runs or is in a system call.
    thread: Option<u64>,
    sequence: u64,
    /// The generation that mentioned it last.
    mentioned: u64,
    time: u64,
    regions: Vec<(u64, String)>,
    /// It lived when the trace began, maybe with regions open.
    old: bool,
    stopped_world: bool,
}

#[derive(Debug)]
struct Proc {
    status: ProcStatus,
    /// The thread that holds it.
    thread: Option<u64>,
    sequence: u64,
    mentioned: u64,
    time: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Thread {
    task: Option<u64>,
    proc: Option<u64>,
}

/// Everything that a trace speaks of.
#[derive(Debug, Default)]
pub(super) struct World {
    generation: u64,
    /// `None` for tasks that have ended.
    tasks: HashMap<u64, Option<Task>>,
    procs: HashMap<u64, Proc>,
    threads: HashMap<u64, Thread>,
    /// Whether each user task that began has ended.
    user_tasks: HashMap<u64, bool>,
}

/// An event happens or does not happen yet.
type Happens = Result<bool, Wrong>;

impl World {
    pub(super) fn begin(&mut self, generation: u64) {
        self.generation = generation;
    }

    /// Everything alive must have been mentioned.
    pub(super) fn end(&self) -> Result<(), Fault> {
        let generation = self.generation;
        for (&task, state) in &self.tasks {
            if state.as_ref().is_some_and(|t| t.mentioned != generation) {
                return Err(Fault::TaskNotMentioned { generation, task });
            }
        }
        for (&proc, state) in &self.procs {
            if state.mentioned != generation {
                return Err(Fault::ProcNotMentioned { generation, proc });
            }
        }
        Ok(())
    }

    pub(super) fn live(&self) -> usize {
        self.tasks.values().flatten().count()
    }

    /// The task and the proc on a thread.
    pub(super) fn holds(&self, thread: u64) -> (Option<u64>, Option<u64>) {
        let thread = self.threads.get(&thread).copied().unwrap_or_default();
        (thread.task, thread.proc)
    }

    pub(super) fn apply(&mut self, tables: &Generation, thread: u64, event: &Event) -> Happens {
        for (arg, &value) in event.kind.args().iter().zip(&event.args) {
            match arg.kind {
                ArgKind::String if tables.string(value).is_none() => {
                    return Err(Wrong::NoSuchString);
                }
                ArgKind::Stack if value != 0 && !tables.stacks.contains_key(&value) => {
                    return Err(Wrong::NoSuchStack);
                }
                _ => {}
            }
        }
        let status = matches!(
            event.kind,
            EventKind::GoStatus | EventKind::GoStatusStack | EventKind::ProcStatus
        );
        if thread == NO_THREAD && !status {
            return Err(Wrong::NeedsThread);
        }
        let [a, b, c, _] = event.args;
        let time = event.time;
        match event.kind {
            EventKind::ProcStatus => self.proc_status(thread, a, b, time),
            EventKind::GoStatus | EventKind::GoStatusStack => {
                self.task_status(thread, a, b, c, time)
            }
            EventKind::ProcStart => self.proc_start(thread, a, b, time),
            EventKind::ProcStop => self.proc_stop(thread, time),
            EventKind::ProcSteal => self.proc_steal(a, b, c, time),
            EventKind::GoCreate => self.create(thread, a, TaskStatus::Runnable, time),
            EventKind::GoCreateBlocked => self.create(thread, a, TaskStatus::Waiting, time),
            EventKind::GoCreateSyscall => self.create_in_syscall(thread, a, time),
            EventKind::GoStart => self.start(thread, a, b, time),
            EventKind::GoStop => self.stop(thread, Some(TaskStatus::Runnable), time),
            EventKind::GoBlock => self.stop(thread, Some(TaskStatus::Waiting), time),
            EventKind::GoDestroy => self.stop(thread, None, time),
            EventKind::GoUnblock => self.unblock(thread, a, b, time),
            EventKind::GoSwitch => self.switch(thread, a, b, Some(TaskStatus::Waiting), time),
            EventKind::GoSwitchDestroy => self.switch(thread, a, b, None, time),
            EventKind::GoSyscallBegin => self.syscall_begin(thread, a, time),
            EventKind::GoSyscallEnd => self.syscall_end(thread, time),
            EventKind::GoSyscallEndBlocked => self.syscall_end_blocked(thread, time),
            EventKind::GoDestroySyscall => self.end_in_syscall(thread, time),
            EventKind::HeapAlloc | EventKind::HeapGoal => self.running_proc(thread, time),
            EventKind::ProcsChange | EventKind::GoLabel | EventKind::UserLog => {
                self.running(thread, time).map(|_| true)
            }
            EventKind::STWBegin => self.world_stops(thread, true, time),
            EventKind::STWEnd => self.world_stops(thread, false, time),
            EventKind::UserTaskBegin | EventKind::UserTaskEnd => {
                self.running(thread, time)?;
                let ends = event.kind == EventKind::UserTaskEnd;
                match self.user_tasks.insert(a, ends) {
                    // It may have begun before the trace did.
                    None => Ok(true),
                    Some(false) if ends => Ok(true),
                    Some(_) => Err(Wrong::UserTaskTwice),
                }
            }
            EventKind::UserRegionBegin | EventKind::UserRegionEnd => {
                let name = tables.string(b).ok_or(Wrong::NoSuchString)?;
                let begins = event.kind == EventKind::UserRegionBegin;
                self.region(thread, (a, name.to_owned()), begins, time)
            }
            _ => Err(Wrong::NotWritten),
        }
    }
}

/// What events need of tasks, procs and threads.
impl World {
    fn thread(&mut self, thread: u64) -> &mut Thread {
        self.threads.entry(thread).or_default()
    }

    /// A task that this generation has mentioned, if it has.
    fn mentioned_task(&mut self, id: u64) -> Option<&mut Task> {
        let generation = self.generation;
        let task = self.tasks.get_mut(&id)?.as_mut()?;
        (task.mentioned == generation).then_some(task)
    }

    fn mentioned_proc(&mut self, id: u64) -> Option<&mut Proc> {
        let generation = self.generation;
        let proc = self.procs.get_mut(&id)?;
        (proc.mentioned == generation).then_some(proc)
    }

    /// The proc that runs on a thread.
    fn proc_on(&mut self, thread: u64, status: ProcStatus, time: u64) -> Result<&mut Proc, Wrong> {
        let id = self.thread(thread).proc.ok_or(Wrong::NeedsProc)?;
        let proc = self.mentioned_proc(id).ok_or(Wrong::NotMentioned)?;
        if proc.status != status || proc.thread != Some(thread) {
            return Err(Wrong::NeedsProc);
        }
        touch(&mut proc.time, time)?;
        Ok(proc)
    }

    /// The task that is on a thread in this state.
    fn task_on(&mut self, thread: u64, status: TaskStatus, time: u64) -> Result<&mut Task, Wrong> {
        let missing = match status {
            TaskStatus::Syscall => Wrong::NeedsSyscall,
            _ => Wrong::NeedsTask,
        };
        let id = self.thread(thread).task.ok_or(missing)?;
        let task = self.mentioned_task(id).ok_or(Wrong::NotMentioned)?;
        if task.status != status || task.thread != Some(thread) {
            return Err(missing);
        }
        touch(&mut task.time, time)?;
        Ok(task)
    }

    /// The task that runs on a thread, on a proc.
    fn running(&mut self, thread: u64, time: u64) -> Result<&mut Task, Wrong> {
        self.proc_on(thread, ProcStatus::Running, time)?;
        self.task_on(thread, TaskStatus::Running, time)
    }

    /// A running proc, and no task or a running one.
    fn running_proc(&mut self, thread: u64, time: u64) -> Happens {
        self.proc_on(thread, ProcStatus::Running, time)?;
        if self.thread(thread).task.is_some() {
            self.task_on(thread, TaskStatus::Running, time)?;
        }
        Ok(true)
    }

    /// No task, or one in a system call.
    fn not_running(&mut self, thread: u64, time: u64) -> Result<(), Wrong> {
        if self.thread(thread).task.is_some() {
            self.task_on(thread, TaskStatus::Syscall, time)
                .map_err(|_| Wrong::HasTask)?;
        }
        Ok(())
    }
}

/// How much earlier than what it follows from an event on another thread may be, in the
/// clock's units: half a microsecond. A thread may read the counter before it has done
/// what precedes that in the program (`docs/decisions/0008-clock.md`).
const ASKEW: u64 = 8;

/// Time of what one task or proc goes through never decreases, but for what threads' clocks
/// are askew.
fn touch(latest: &mut u64, time: u64) -> Result<(), Wrong> {
    if time.saturating_add(ASKEW) < *latest {
        return Err(Wrong::Causality);
    }
    *latest = time.max(*latest);
    Ok(())
}

/// Procs.
impl World {
    fn proc_status(&mut self, thread: u64, id: u64, code: u64, time: u64) -> Happens {
        let status = ProcStatus::from_code(code).ok_or(Wrong::BadStatus)?;
        let mut holder = match status {
            ProcStatus::Running | ProcStatus::Syscall if thread == NO_THREAD => {
                return Err(Wrong::BadStatus);
            }
            ProcStatus::Running | ProcStatus::Syscall => Some(thread),
            ProcStatus::Idle | ProcStatus::SyscallAbandoned => None,
        };
        let mut known_as = status;
        if let Some(proc) = self.procs.get(&id) {
            if proc.mentioned == self.generation {
                return Err(Wrong::MentionedTwice);
            }
            let abandoned = status == ProcStatus::SyscallAbandoned;
            if abandoned && proc.status == ProcStatus::Syscall {
                // About to be stolen; the thread that loses it is still known.
                (known_as, holder) = (proc.status, proc.thread);
            }
            if (proc.status, proc.thread) != (known_as, holder) {
                return Err(Wrong::Disagrees);
            }
        } else if let Some(holder) = holder {
            let thread = self.thread(holder);
            if thread.proc.is_some() {
                return Err(Wrong::HasProc);
            }
            thread.proc = Some(id);
        }
        self.procs.insert(
            id,
            Proc {
                status: known_as,
                thread: holder,
                sequence: 0,
                mentioned: self.generation,
                time,
            },
        );
        Ok(true)
    }

    /// The proc, if it is in one of these states and this is its next number.
    fn next_proc(&mut self, id: u64, sequence: u64, states: &[ProcStatus]) -> Option<&mut Proc> {
        let proc = self.mentioned_proc(id)?;
        let next = states.contains(&proc.status) && proc.sequence + 1 == sequence;
        next.then_some(proc)
    }

    fn proc_start(&mut self, thread: u64, id: u64, sequence: u64, time: u64) -> Happens {
        if self.thread(thread).proc.is_some() {
            return Ok(false); // It may be about to lose that one.
        }
        let Some(proc) = self.next_proc(id, sequence, &[ProcStatus::Idle]) else {
            return Ok(false);
        };
        touch(&mut proc.time, time)?;
        proc.sequence = sequence;
        proc.status = ProcStatus::Running;
        proc.thread = Some(thread);
        self.not_running(thread, time)?;
        self.thread(thread).proc = Some(id);
        Ok(true)
    }

    fn proc_stop(&mut self, thread: u64, time: u64) -> Happens {
        self.not_running(thread, time)?;
        let proc = self.proc_on(thread, ProcStatus::Running, time)?;
        proc.status = ProcStatus::Idle;
        proc.thread = None;
        self.thread(thread).proc = None;
        Ok(true)
    }

    fn proc_steal(&mut self, id: u64, sequence: u64, from: u64, time: u64) -> Happens {
        let states = [ProcStatus::Syscall, ProcStatus::SyscallAbandoned];
        let Some(proc) = self.next_proc(id, sequence, &states) else {
            return Ok(false);
        };
        touch(&mut proc.time, time)?;
        proc.sequence = sequence;
        proc.status = ProcStatus::Idle;
        if let Some(holder) = proc.thread.take() {
            if holder != from || self.thread(from).proc != Some(id) {
                return Err(Wrong::StolenFromOther);
            }
            self.thread(from).proc = None;
        }
        Ok(true)
    }
}

/// Tasks.
impl World {
    fn task_status(&mut self, thread: u64, id: u64, on: u64, code: u64, time: u64) -> Happens {
        let status = TaskStatus::from_code(code).ok_or(Wrong::BadStatus)?;
        let holder = match status {
            TaskStatus::Running if on == thread && on != NO_THREAD => Some(on),
            TaskStatus::Syscall if on != NO_THREAD && [on, NO_THREAD].contains(&thread) => Some(on),
            TaskStatus::Runnable | TaskStatus::Waiting if on == NO_THREAD => None,
            _ => return Err(Wrong::BadStatus),
        };
        let generation = self.generation;
        match self.tasks.get_mut(&id) {
            Some(None) => Err(Wrong::UsedBefore),
            Some(Some(task)) => {
                if task.mentioned == generation {
                    return Err(Wrong::MentionedTwice);
                }
                if (task.status, task.thread) != (status, holder) {
                    return Err(Wrong::Disagrees);
                }
                task.mentioned = generation;
                task.sequence = 0;
                touch(&mut task.time, time).map(|()| true)
            }
            None if generation != 1 => Err(Wrong::LateBirth),
            None => {
                if let Some(holder) = holder {
                    let thread = self.thread(holder);
                    if thread.task.is_some() {
                        return Err(Wrong::HasTask);
                    }
                    thread.task = Some(id);
                }
                self.bear(id, status, holder, time).old = true;
                Ok(true)
            }
        }
    }

    fn bear(&mut self, id: u64, status: TaskStatus, thread: Option<u64>, time: u64) -> &mut Task {
        let task = Task {
            status,
            thread,
            sequence: 0,
            mentioned: self.generation,
            time,
            regions: Vec::new(),
            old: false,
            stopped_world: false,
        };
        self.tasks.entry(id).insert_entry(Some(task));
        self.tasks
            .get_mut(&id)
            .and_then(Option::as_mut)
            .expect("it was just put there")
    }

    fn create(&mut self, thread: u64, id: u64, status: TaskStatus, time: u64) -> Happens {
        self.running_proc(thread, time)?;
        if self.tasks.contains_key(&id) {
            return Err(Wrong::UsedBefore);
        }
        self.bear(id, status, None, time);
        Ok(true)
    }

    fn create_in_syscall(&mut self, thread: u64, id: u64, time: u64) -> Happens {
        if self.thread(thread).task.replace(id).is_some() {
            return Err(Wrong::HasTask);
        }
        if self.tasks.contains_key(&id) {
            return Err(Wrong::UsedBefore);
        }
        self.bear(id, TaskStatus::Syscall, Some(thread), time);
        Ok(true)
    }

    /// The task, if it is in this state and this is its next number.
    fn next_task(&mut self, id: u64, sequence: u64, status: TaskStatus) -> Option<&mut Task> {
        let task = self.mentioned_task(id)?;
        let next = task.status == status && task.sequence + 1 == sequence;
        next.then_some(task)
    }

    fn start(&mut self, thread: u64, id: u64, sequence: u64, time: u64) -> Happens {
        let Some(task) = self.next_task(id, sequence, TaskStatus::Runnable) else {
            return Ok(false);
        };
        touch(&mut task.time, time)?;
        task.sequence = sequence;
        task.status = TaskStatus::Running;
        task.thread = Some(thread);
        self.proc_on(thread, ProcStatus::Running, time)?;
        match self.thread(thread).task.replace(id) {
            None => Ok(true),
            Some(_) => Err(Wrong::HasTask),
        }
    }

    /// The running task stops to run; `None` if it ends.
    fn stop(&mut self, thread: u64, status: Option<TaskStatus>, time: u64) -> Happens {
        let task = self.running(thread, time)?;
        task.thread = None;
        if let Some(status) = status {
            task.status = status;
        }
        let id = self.thread(thread).task.take();
        if let (None, Some(id)) = (status, id) {
            self.tasks.insert(id, None);
        }
        Ok(true)
    }

    fn unblock(&mut self, thread: u64, id: u64, sequence: u64, time: u64) -> Happens {
        let Some(task) = self.next_task(id, sequence, TaskStatus::Waiting) else {
            return Ok(false);
        };
        touch(&mut task.time, time)?;
        task.sequence = sequence;
        task.status = TaskStatus::Runnable;
        // Any thread may do that, also one whose task is in a system call.
        if self.task_on(thread, TaskStatus::Syscall, time).is_err()
            && self.thread(thread).task.is_some()
        {
            self.running(thread, time)?;
        }
        Ok(true)
    }

    fn switch(
        &mut self,
        thread: u64,
        id: u64,
        sequence: u64,
        status: Option<TaskStatus>,
        time: u64,
    ) -> Happens {
        self.running(thread, time)?;
        let Some(next) = self.next_task(id, sequence, TaskStatus::Waiting) else {
            return Ok(false);
        };
        touch(&mut next.time, time)?;
        next.sequence = sequence;
        next.status = TaskStatus::Running;
        next.thread = Some(thread);
        self.stop(thread, status, time)?;
        self.thread(thread).task = Some(id);
        Ok(true)
    }
}

/// System calls.
impl World {
    fn syscall_begin(&mut self, thread: u64, sequence: u64, time: u64) -> Happens {
        self.running(thread, time)?.status = TaskStatus::Syscall;
        let proc = self.proc_on(thread, ProcStatus::Running, time)?;
        if proc.sequence + 1 != sequence {
            return Err(Wrong::Sequence);
        }
        proc.sequence = sequence;
        proc.status = ProcStatus::Syscall;
        Ok(true)
    }

    fn syscall_end(&mut self, thread: u64, time: u64) -> Happens {
        self.proc_on(thread, ProcStatus::Syscall, time)?.status = ProcStatus::Running;
        self.task_on(thread, TaskStatus::Syscall, time)?.status = TaskStatus::Running;
        Ok(true)
    }

    fn syscall_end_blocked(&mut self, thread: u64, time: u64) -> Happens {
        if let Some(proc) = self.thread(thread).proc
            && self.procs[&proc].status == ProcStatus::Syscall
        {
            return Ok(false); // Not before it has lost that.
        }
        let task = self.task_on(thread, TaskStatus::Syscall, time)?;
        task.status = TaskStatus::Runnable;
        task.thread = None;
        self.thread(thread).task = None;
        Ok(true)
    }

    fn end_in_syscall(&mut self, thread: u64, time: u64) -> Happens {
        self.task_on(thread, TaskStatus::Syscall, time)?;
        if let Some(proc) = self.thread(thread).proc {
            // It need not be mentioned: the thread that takes it does so.
            let proc = self.procs.get_mut(&proc).ok_or(Wrong::NeedsProc)?;
            if proc.status != ProcStatus::Syscall {
                return Err(Wrong::NeedsSyscall);
            }
            touch(&mut proc.time, time)?;
            proc.status = ProcStatus::SyscallAbandoned;
            proc.thread = None;
        }
        let left = std::mem::take(self.thread(thread));
        self.tasks.extend(left.task.map(|id| (id, None)));
        Ok(true)
    }
}

/// Annotations.
impl World {
    fn region(&mut self, thread: u64, region: (u64, String), begins: bool, time: u64) -> Happens {
        let task = self.running(thread, time)?;
        if begins {
            task.regions.push(region);
            return Ok(true);
        }
        match task.regions.pop() {
            Some(open) if open == region => Ok(true),
            // One that was open when the trace began.
            None if task.old => Ok(true),
            _ => Err(Wrong::RegionMismatch),
        }
    }

    fn world_stops(&mut self, thread: u64, stops: bool, time: u64) -> Happens {
        let task = self.running(thread, time)?;
        let known = task.stopped_world != stops || task.old;
        task.stopped_world = stops;
        known.then_some(true).ok_or(Wrong::World)
    }
}
