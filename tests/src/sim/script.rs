//! What a task does while it runs: one thing after another, at random.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use runtime_trace::{BlockReason, StopReason};
use trace_format::EventKind;

use crate::sim::lock;
use crate::sim::said::{Said, Text, message};
use crate::sim::sites::Site;
use crate::sim::task::{ABANDONED, DEAD, Proc, RUNNABLE, RUNNING, SYSCALL, Task, WAITING, on};
use crate::sim::worker::{After, Runner};

const NAMES: &[&str] = &[
    "parse",
    "fetch",
    "résumé",
    "",
    "a \"quoted\" name",
    LONG_NAME,
];

/// More than a string may have.
const LONG_NAME: &str = match str::from_utf8(&[b'n'; 1500]) {
    Ok(name) => name,
    Err(_) => "",
};

const DEEPEST_REGION: usize = 4;

/// What became of the running task by one thing that it did.
enum Next<'s> {
    /// It runs.
    Runs,
    /// It runs, on this proc.
    RunsOn(&'s Proc),
    /// Another one runs in its place.
    Switched(Arc<Task>),
    /// It does not run any more; the thread still has its proc.
    Stopped,
    /// It does not run any more, and the thread has lost its proc.
    Lost,
    /// The thread is to leave, with the task and the proc.
    Leaves,
}

impl<'s> Runner<'s> {
    /// Runs a task that has been started until it stops to run here.
    pub(super) fn run_task(&mut self, mut proc: &'s Proc, mut task: Arc<Task>) -> After<'s> {
        // Relaxed: a figure.
        self.sim.slices.fetch_add(1, Ordering::Relaxed);
        loop {
            self.safepoint(proc, Some(&task));
            self.strikes(Some(proc), Some(&task));
            match self.step(proc, &task) {
                Next::Runs => {}
                Next::RunsOn(other) => proc = other,
                Next::Switched(next) => task = next,
                Next::Stopped => return After::Proc(proc),
                Next::Lost => return After::Nothing,
                Next::Leaves => return After::Leaves(Some(proc), Some(task)),
            }
        }
    }

    fn step(&mut self, proc: &'s Proc, task: &Arc<Task>) -> Next<'s> {
        let (choice, live) = {
            let mut script = lock(&task.script);
            (script.rng.below(1000), self.sim.queues().live)
        };
        let setup = &self.sim.setup;
        match choice {
            0..100 if live < setup.live => self.create(proc, Some(task), choice < 25),
            100..250 => _ = self.wake(proc, Some(task)),
            250..410 => self.region(proc, task, choice < 330),
            410..480 => self.user_task(proc, task, choice < 445),
            480..580 => self.note(proc, task, choice),
            580..600 => {
                if let Some(stolen) = self.steal(Some(proc), Some(task)) {
                    self.sim.give_back(stolen);
                }
            }
            600..660 => return self.syscall(proc, task, choice >= 640, false),
            660..665 if live > setup.live / 2 => return self.syscall(proc, task, false, true),
            670..730 => return self.switch(proc, task, false),
            730..735 if live > setup.live / 2 => return self.switch(proc, task, true),
            740..860 => {
                self.stop_task(proc, Arc::clone(task));
                return Next::Stopped;
            }
            860..960 => {
                self.block(proc, task);
                return Next::Stopped;
            }
            960..996 if live > setup.live / 2 => {
                self.end(proc, task);
                return Next::Stopped;
            }
            996.. => return Next::Leaves,
            _ => {}
        }
        Next::Runs
    }

    /// Enters a region, or leaves the innermost.
    fn region(&mut self, proc: &'s Proc, task: &Task, begin: bool) {
        let site = self.site(Site::Region);
        let mut script = lock(&task.script);
        let region = if begin && script.regions.len() < DEEPEST_REGION {
            let user_task = script.user_tasks.last().copied().unwrap_or(0);
            let region = (user_task, script.rng.of(NAMES));
            script.regions.push(region);
            region
        } else {
            match script.regions.pop() {
                Some(region) => return self.end_region(proc, task, region),
                None => return,
            }
        };
        if let Some(emit) = self.acquire(Some(proc), Some(&task.trace)) {
            emit.region_begin(region.0, region.1, emit.stack(&site.pcs()));
            let said = Said::new(EventKind::UserRegionBegin).ids(region.0, 0);
            self.say(said.name(region.1).at(site));
        }
    }

    fn end_region(&self, proc: &'s Proc, task: &Task, (user_task, name): (u64, &'static str)) {
        if let Some(emit) = self.acquire(Some(proc), Some(&task.trace)) {
            emit.region_end(user_task, name, emit.stack(&Site::Region.pcs()));
            let said = Said::new(EventKind::UserRegionEnd).ids(user_task, 0);
            self.say(said.name(name).at(Site::Region));
        }
    }

    /// Begins a user task, or ends the one begun last.
    fn user_task(&mut self, proc: &'s Proc, task: &Task, begin: bool) {
        let mut script = lock(&task.script);
        if !begin {
            let ended = script.user_tasks.pop();
            return ended
                .into_iter()
                .for_each(|id| self.end_user_task(proc, task, id));
        }
        let parent = script.user_tasks.last().copied().unwrap_or(0);
        let (id, name) = (self.sim.new_user_task(), script.rng.of(NAMES));
        script.user_tasks.push(id);
        if let Some(emit) = self.acquire(Some(proc), Some(&task.trace)) {
            emit.user_task_begin(id, parent, name, emit.stack(&Site::UserTask.pcs()));
            let said = Said::new(EventKind::UserTaskBegin).ids(id, parent);
            self.say(said.name(name).at(Site::UserTask));
        }
    }

    fn end_user_task(&self, proc: &'s Proc, task: &Task, id: u64) {
        if let Some(emit) = self.acquire(Some(proc), Some(&task.trace)) {
            emit.user_task_end(id, emit.stack(&Site::UserTask.pcs()));
            let said = Said::new(EventKind::UserTaskEnd).ids(id, 0);
            self.say(said.at(Site::UserTask));
        }
    }

    /// Logs, labels itself, reports a figure, or stops the world for a moment.
    fn note(&mut self, proc: &'s Proc, task: &Task, choice: usize) {
        let number = self.rng.below(100_000) as u64;
        let name = self.rng.of(NAMES);
        let reenters = self.is_to_reenter();
        let Some(emit) = self.acquire(Some(proc), Some(&task.trace)) else {
            return;
        };
        if reenters {
            self.reenters(proc, task);
        }
        match choice % 10 {
            0..5 => {
                emit.log(0, name, &message(number), emit.stack(&Site::Log.pcs()));
                let said = Said::new(EventKind::UserLog);
                let said = said.texts(Text::Name(name), Text::Message(number));
                self.say(said.at(Site::Log));
            }
            5 => {
                emit.label(name);
                self.say(Said::new(EventKind::GoLabel).name(name));
            }
            6 => {
                emit.label(&message(number));
                let said = Said::new(EventKind::GoLabel);
                self.say(said.texts(Text::Message(number), Text::None));
            }
            7 => {
                emit.heap_alloc(number);
                self.say(Said::new(EventKind::HeapAlloc).ids(number, 0));
            }
            8 => {
                emit.heap_goal(number);
                self.say(Said::new(EventKind::HeapGoal).ids(number, 0));
            }
            _ => {
                emit.stop_the_world_begin("start trace", emit.stack(&Site::World.pcs()));
                emit.stop_the_world_end();
                let said = Said::new(EventKind::STWBegin).name("start trace");
                self.say(said.at(Site::World));
                self.say(Said::new(EventKind::STWEnd));
            }
        }
    }

    /// The running task gives way.
    pub(super) fn stop_task(&mut self, proc: &'s Proc, task: Arc<Task>) {
        let reason = self.rng.of(StopReason::ALL);
        let site = self.site(match reason {
            StopReason::Preempted => Site::Preempted,
            _ => Site::Yield,
        });
        task.is_at(site);
        let emit = self.acquire(Some(proc), Some(&task.trace));
        if let Some(emit) = &emit {
            emit.task_stop(reason, emit.stack(&site.pcs()));
            let said = Said::new(EventKind::GoStop).name(reason.as_str());
            self.say(said.at(site));
        }
        task.state.release(RUNNABLE);
        drop(emit);
        self.sim.make_ready(task);
    }

    /// The running task blocks; it waits in the queue from before, under the
    /// lock, or from after that.
    fn block(&mut self, proc: &'s Proc, task: &Arc<Task>) {
        let reason = match self.rng.of(BlockReason::ALL) {
            // Every task here is woken, and Go's viewer takes this for an end.
            BlockReason::Forever => BlockReason::Generic,
            reason => reason,
        };
        let site = self.site(Site::Park);
        task.is_at(site);
        let mut queues = self.rng.one_in(2).then(|| self.sim.queues());
        if let Some(queues) = &mut queues {
            queues.waiting.push(Arc::clone(task));
        }
        let emit = self.acquire(Some(proc), Some(&task.trace));
        if let Some(emit) = &emit {
            emit.task_block(reason, emit.stack(&site.pcs()));
            let said = Said::new(EventKind::GoBlock).name(reason.as_str());
            self.say(said.at(site));
        }
        task.state.release(WAITING);
        drop(emit);
        if queues.is_none() {
            self.sim.queues().waiting.push(Arc::clone(task));
        }
    }

    /// The running task ends, out of all its regions and user tasks.
    fn end(&mut self, proc: &'s Proc, task: &Task) {
        {
            let mut script = lock(&task.script);
            while let Some(region) = script.regions.pop() {
                self.end_region(proc, task, region);
            }
            while let Some(id) = script.user_tasks.pop() {
                self.end_user_task(proc, task, id);
            }
        }
        let emit = self.acquire(Some(proc), Some(&task.trace));
        if let Some(emit) = &emit {
            emit.task_end();
            self.say(Said::new(EventKind::GoDestroy));
        }
        task.state.release(DEAD);
        drop(emit);
        self.sim.forget(task);
    }

    /// The running task blocks, or ends, and a blocked one runs in its place.
    fn switch(&mut self, proc: &'s Proc, task: &Arc<Task>, ends: bool) -> Next<'s> {
        let Some(next) = self.take_waiting() else {
            return Next::Runs;
        };
        task.is_at(Site::Switch);
        let emit = self.acquire(Some(proc), Some(&task.trace));
        if let Some(emit) = &emit {
            let at = next.site();
            let event = if ends {
                emit.task_switch_end(&next.trace, |pcs| at.push(pcs));
                EventKind::GoSwitchDestroy
            } else {
                emit.task_switch(&next.trace, |pcs| at.push(pcs));
                EventKind::GoSwitch
            };
            self.say(Said::new(event).ids(next.trace.id(), 0));
        }
        task.state.release(if ends { DEAD } else { WAITING });
        next.state.release(RUNNING);
        drop(emit);
        if ends {
            self.sim.forget(task);
        } else {
            self.sim.queues().waiting.push(Arc::clone(task));
        }
        Next::Switched(next)
    }
}

/// System calls.
impl<'s> Runner<'s> {
    /// The running task enters a system call and comes back, unless it ends
    /// there.
    fn syscall(&mut self, proc: &'s Proc, task: &Arc<Task>, long: bool, ends: bool) -> Next<'s> {
        let within = on(SYSCALL, self.worker.id());
        task.is_at(Site::Read);
        let emit = self.acquire(Some(proc), Some(&task.trace));
        if let Some(emit) = &emit {
            emit.syscall_begin(emit.stack(&Site::Read.pcs()));
            self.say(Said::new(EventKind::GoSyscallBegin).at(Site::Read));
        }
        task.state.release(within);
        proc.state.release(within);
        drop(emit);

        if long {
            thread::sleep(Duration::from_micros(self.rng.below(1000) as u64));
        } else {
            thread::yield_now();
        }
        if ends {
            self.end_in_syscall(Some(proc), task);
            return Next::Lost;
        }
        if !proc.state.take(within, on(RUNNING, self.worker.id())) {
            return self.leave_syscall(task);
        }
        assert!(task.state.take(within, RUNNING), "it is where it was");
        if let Some(emit) = self.acquire(Some(proc), Some(&task.trace)) {
            emit.syscall_end();
            self.say(Said::new(EventKind::GoSyscallEnd));
        }
        Next::Runs
    }

    /// A task leaves a system call without a proc: it takes an idle one at once,
    /// or waits for its turn.
    fn leave_syscall(&mut self, task: &Arc<Task>) -> Next<'s> {
        self.hold_in_syscall(task);
        let proc = match self.rng.one_in(2) {
            true => self.take_idle(false),
            false => None,
        };
        let emit = self.acquire(None, Some(&task.trace));
        if let (Some(emit), Some(proc)) = (&emit, proc) {
            emit.proc_start(&proc.trace);
            self.say(Said::new(EventKind::ProcStart).ids(proc.id(), 0));
        }
        if let Some(emit) = &emit {
            emit.syscall_end_blocked();
            self.say(Said::new(EventKind::GoSyscallEndBlocked));
        }
        if let Some(proc) = proc {
            if let Some(emit) = &emit {
                emit.task_start(&task.trace);
                self.say(Said::new(EventKind::GoStart).ids(task.trace.id(), 0));
            }
            task.state.release(RUNNING);
            return Next::RunsOn(proc);
        }
        task.state.release(RUNNABLE);
        drop(emit);
        self.sim.make_ready(Arc::clone(task));
        Next::Lost
    }

    fn end_in_syscall(&self, proc: Option<&'s Proc>, task: &Task) {
        let within = on(SYSCALL, self.worker.id());
        self.hold_in_syscall(task);
        let kept = proc.filter(|proc| proc.state.hold(|state| state == within).is_some());
        let emit = self.acquire(kept, Some(&task.trace));
        if let Some(emit) = &emit {
            emit.task_end_in_syscall();
            self.say(Said::new(EventKind::GoDestroySyscall));
        }
        task.state.release(DEAD);
        if let Some(proc) = kept {
            proc.state.release(on(ABANDONED, self.worker.id()));
        }
        drop(emit);
        self.sim.forget(task);
    }

    fn hold_in_syscall(&self, task: &Task) {
        let within = on(SYSCALL, self.worker.id());
        let held = task.state.hold(|state| state == within);
        assert!(held.is_some(), "nobody else ends this system call");
    }

    /// Foreign code calls in: a task appears in a system call, and goes again or
    /// comes to run.
    pub(super) fn foreign_call(&mut self) -> After<'s> {
        let task = self.sim.new_task();
        let emit = self.acquire(None, None);
        if let Some(emit) = &emit {
            emit.task_create_in_syscall(&task.trace);
            let said = Said::new(EventKind::GoCreateSyscall);
            self.say(said.ids(task.trace.id(), 0));
        }
        task.state.release(on(SYSCALL, self.worker.id()));
        drop(emit);
        thread::sleep(Duration::from_micros(self.rng.below(500) as u64));
        if self.rng.one_in(2) {
            self.end_in_syscall(None, &task);
            return After::Nothing;
        }
        match self.leave_syscall(&task) {
            Next::RunsOn(proc) => self.run_task(proc, task),
            _ => After::Nothing,
        }
    }
}
