//! Running a task: the interpreter's loop, and what it hands back because it
//! concerns other tasks, the output or the trace.
//!
//! Blocking follows one pattern. The task enters a queue, whose lock it keeps;
//! then its state changes and the event is written; then the lock is given
//! back. From there on the task may be running on another worker, and this one
//! does not touch it again: the right to it, an [`Owner`], is gone.

use std::sync::Arc;
use std::time::Duration;

use weft::builtin::Builtin;
use weft::op::{Instr, Jump16, Reg};

use super::syscall::{Back, Work};
use super::worker::Worker;
use super::{FUEL, Proc};
use crate::channel::{Channel, Received, Receiver, Sent};
use crate::copy::Message;
use crate::fault::Fault;
use crate::handle::{Handle, Joined};
use crate::heap::{Heap, Object, View};
use crate::interp::{Stop, execute};
use crate::outcome::End;
use crate::report;
use crate::state::{Held, Owner};
use crate::task::{Body, Task, Wait};
use crate::text::write_value;
use crate::ticket::Waiter;
use crate::trace::{Here, Resume, StopReason};
use crate::value::Value;

/// The number of the task that runs `main`.
const MAIN: u64 = 1;

/// What becomes of a task after an effect.
pub(super) enum Flow<'t> {
    /// It goes on.
    Run(Owner<'t, Body>),
    /// It goes on later, and is to be put into the ring.
    Later,
    /// It waits or has ended: it is no longer this worker's.
    Gone,
    /// It wants a system call made, and then its instruction again.
    Call(Owner<'t, Body>, Work),
    /// Its instruction has failed.
    Failed(Owner<'t, Body>, Fault),
}

/// Goes on, or fails, with what a short function says.
macro_rules! attempt {
    ($owner:expr, $result:expr) => {
        match $result {
            Ok(value) => value,
            Err(fault) => return Flow::Failed($owner, fault),
        }
    };
}
pub(super) use attempt;

impl<'a, 's> Worker<'a, 's> {
    /// Creates the task that runs `main`.
    pub(super) fn start_main(&self, proc: &mut Proc<'s>) {
        let code = self.shared.env.code;
        let id = self.shared.tasks.new_id();
        debug_assert_eq!(id, MAIN, "main is the first task");
        let task = Task::new(
            id,
            code,
            code.main,
            0,
            (&Heap::default(), &[]),
            &self.shared.heap,
        );
        self.shared.tasks.add(&task);
        self.pen.create(proc, None, &task, code.entry_pc(code.main));
        self.ready(proc, task);
    }

    /// Runs a task until it has to wait, has had its time, or ends. The proc may
    /// get lost in a system call.
    pub(super) fn run_task(&mut self, mut with: Proc<'s>, task: Arc<Task>) -> Option<Proc<'s>> {
        let mut proc = &mut with;
        let mut owner = task.body.claim();
        self.pen
            .start(proc, &task, owner.get_mut().label.as_deref_mut());
        loop {
            let flow = match execute(&self.shared.env, owner.get_mut(), &mut proc.fuel) {
                Stop::Fuel => self.look_around(proc, &task, owner),
                Stop::Effect(instr) => self.effect(proc, &task, owner, instr),
                Stop::Finished(value) => self.finish(proc, &task, owner, value),
                Stop::Fault(fault) => Flow::Failed(owner, fault),
            };
            match flow {
                Flow::Run(next) => {
                    owner = next;
                    continue;
                }
                Flow::Call(callers, work) => {
                    match self.system_call(with, &task, callers, work) {
                        Back::Runs(back, next) => (with, owner) = (back, next),
                        Back::Stopped(back) => return Some(back),
                        Back::Lost => return None,
                    }
                    proc = &mut with;
                    continue;
                }
                Flow::Later => self.enqueue(proc, task),
                Flow::Gone => {}
                Flow::Failed(owner, fault) => self.fail(proc, &task, owner, fault),
            }
            return Some(with);
        }
    }

    /// The fuel is used up: is there anything else to do?
    fn look_around<'t>(
        &self,
        proc: &mut Proc<'s>,
        task: &'t Task,
        mut owner: Owner<'t, Body>,
    ) -> Flow<'t> {
        let shared = self.shared;
        proc.fuel = FUEL;
        self.count(&mut owner);
        // Before the checkpoint, so that the generation that waits for it has
        // the label.
        self.pen
            .label(proc, task, owner.get_mut().label.as_deref_mut());
        self.poll(proc, Some(self.here(task, &owner)));
        if shared.idle.some() {
            // The task that was to run next has waited long enough for this one
            // to block.
            self.queue_next(proc);
        }
        let sleepers = self.sleepers_due(proc);
        let others = || proc.next.is_some() || !proc.queue.is_empty() || !shared.global.is_empty();
        let over = shared.ending();
        let preempt = over || sleepers || (others() && proc.end_of_slice());
        if !preempt {
            return Flow::Run(owner);
        }
        self.queue_next(proc);
        self.pen
            .stop(proc, task, owner, shared.env.code, StopReason::Preempted);
        Flow::Later
    }

    /// Carries out an instruction that the interpreter has handed back.
    fn effect<'t>(
        &mut self,
        proc: &mut Proc<'s>,
        task: &'t Arc<Task>,
        mut owner: Owner<'t, Body>,
        instr: Instr,
    ) -> Flow<'t> {
        match instr {
            Instr::CallBuiltin {
                base,
                builtin: Builtin::Print,
                argc,
            } => self.print(owner, base, argc),
            Instr::CallBuiltin {
                base,
                builtin: Builtin::Log,
                ..
            } => self.log(proc, task, owner, base),
            Instr::CallBuiltin {
                base,
                builtin: Builtin::Label,
                ..
            } => self.label(proc, task, owner, base),
            Instr::Spawn { base, argc } => self.spawn(proc, task, owner, base, argc),
            Instr::Send { channel, value } => self.send(proc, task, owner, channel, value),
            Instr::Recv { dst, channel } => {
                let channel = attempt!(owner, self.channel(&mut owner, channel, "`recv`"));
                self.receive(proc, task, owner, &channel, dst.0, None)
            }
            Instr::ForNext { base, exit } => {
                let channel = attempt!(owner, self.channel(&mut owner, base, "`for`"));
                self.receive(proc, task, owner, &channel, base.0 + 2, Some(exit))
            }
            Instr::Join { dst, handle } => self.join(proc, task, owner, dst, handle),
            Instr::Close { channel } => self.close(proc, task, owner, channel),
            Instr::Yield {} => {
                self.count(&mut owner);
                self.pen
                    .stop(proc, task, owner, self.shared.env.code, StopReason::Yield);
                Flow::Later
            }
            Instr::ReadFile { dst, path } => self.read_file(owner, dst, path),
            Instr::Sleep { millis } => self.sleep(proc, task, owner, millis),
            Instr::Select { arms } => self.select(proc, task, owner, arms),
            Instr::RegionBegin { name } => self.region_begin(proc, task, owner, name),
            Instr::UserTaskBegin { name } => self.user_task_begin(proc, task, owner, name),
            Instr::RegionEnd {} | Instr::UserTaskEnd {} => {
                self.end_innermost(proc, task, &mut owner);
                self.next(owner)
            }
            // A panic here is caught, and ends the program as a fault of ours.
            other => unreachable!("the interpreter does {other:?} itself"),
        }
    }

    fn print<'t>(&self, mut owner: Owner<'t, Body>, base: Reg, argc: u8) -> Flow<'t> {
        if owner.get_mut().done.take().is_some() {
            // It has printed, and the output has been flushed.
            *owner.get_mut().register(base.0) = Value::NIL;
            return self.next(owner);
        }
        let mut line = String::new();
        for i in 0..argc {
            if i > 0 {
                line.push(' ');
            }
            let value = *owner.get_mut().register(base.0 + i);
            write_value(&mut line, &owner.get().heap, self.shared.env.code, value);
        }
        line.push('\n');
        if self.shared.out.print(&line) {
            return Flow::Call(owner, Work::Flush);
        }
        *owner.get_mut().register(base.0) = Value::NIL;
        self.next(owner)
    }

    fn spawn<'t>(
        &self,
        proc: &mut Proc<'s>,
        task: &'t Task,
        mut owner: Owner<'t, Body>,
        base: Reg,
        argc: u8,
    ) -> Flow<'t> {
        let env = &self.shared.env;
        let callee = *owner.get_mut().register(base.0);
        let function = attempt!(owner, env.callee(&owner.get().heap, callee, argc));
        let id = self.shared.tasks.new_id();
        let body = owner.get();
        let first =
            body.frames.last().map_or(0, |frame| frame.base as usize) + usize::from(base.0) + 1;
        let arguments = &body.stack[first..first + usize::from(argc)];
        let new = Task::new(
            id,
            env.code,
            function,
            body.user_task,
            (&body.heap, arguments),
            &self.shared.heap,
        );
        self.shared.tasks.add(&new);
        self.pen.create(
            proc,
            Some(self.here(task, &owner)),
            &new,
            env.code.entry_pc(function),
        );
        let body = owner.get_mut();
        *body.register(base.0) = body.heap.add(Object::Task(Arc::clone(&new.handle)));
        self.ready(proc, new);
        self.next(owner)
    }

    fn send<'t>(
        &self,
        proc: &mut Proc<'s>,
        task: &'t Arc<Task>,
        mut owner: Owner<'t, Body>,
        channel: Reg,
        value: Reg,
    ) -> Flow<'t> {
        let channel = attempt!(owner, self.channel(&mut owner, channel, "`send`"));
        let value = *owner.get_mut().register(value.0);
        let message = Message::pack(&owner.get().heap, value);
        match channel.send(task, message) {
            Ok(Sent::Buffered) => self.next(owner),
            Ok(Sent::Hand(receiver, message)) => {
                let woken = self.hand(proc, self.here(task, &owner), receiver, |heap| {
                    message.unpack(heap)
                });
                self.ready(proc, woken);
                self.next(owner)
            }
            Ok(Sent::Wait(lock)) => {
                self.block(proc, task, owner, Wait::Send);
                drop(lock);
                Flow::Gone
            }
            Err(fault) => Flow::Failed(owner, fault),
        }
    }

    /// Receives into a register. When the channel is closed and empty, that is
    /// nil, or `exit` is taken.
    fn receive<'t>(
        &self,
        proc: &mut Proc<'s>,
        task: &'t Arc<Task>,
        mut owner: Owner<'t, Body>,
        channel: &Channel,
        into: u8,
        exit: Option<Jump16>,
    ) -> Flow<'t> {
        match channel.receive(task, into) {
            Received::Message(message, sender) => {
                if let Some(sender) = sender {
                    self.wake(
                        proc,
                        Some(self.here(task, &owner)),
                        &sender,
                        sender.resume(),
                    );
                    self.ready(proc, sender.task);
                }
                let body = owner.get_mut();
                *body.register(into) = message.unpack(&mut body.heap);
            }
            Received::Closed => match exit {
                None => *owner.get_mut().register(into) = Value::NIL,
                Some(exit) => {
                    if let Some(frame) = owner.get_mut().frames.last_mut() {
                        frame.pc = frame.pc.wrapping_add_signed(i32::from(exit.0));
                    }
                }
            },
            Received::Wait(lock) => {
                self.block(proc, task, owner, Wait::Receive);
                drop(lock);
                return Flow::Gone;
            }
        }
        self.next(owner)
    }

    fn join<'t>(
        &self,
        proc: &Proc<'s>,
        task: &'t Arc<Task>,
        mut owner: Owner<'t, Body>,
        dst: Reg,
        handle: Reg,
    ) -> Flow<'t> {
        let handle = *owner.get_mut().register(handle.0);
        let handle: Arc<Handle> = match self.view(&owner, handle) {
            View::Task(handle) => Arc::clone(handle),
            other => {
                let fault = Fault::Type {
                    place: "`join`",
                    wants: "a task handle",
                    found: other.type_name(),
                };
                return Flow::Failed(owner, fault);
            }
        };
        match handle.join(task, dst.0) {
            Joined::Result(result) => {
                let body = owner.get_mut();
                *body.register(dst.0) = result.copy_to(&mut body.heap);
                self.next(owner)
            }
            Joined::Wait(lock) => {
                self.block(proc, task, owner, Wait::Join(handle.task_id()));
                drop(lock);
                Flow::Gone
            }
        }
    }

    fn close<'t>(
        &self,
        proc: &mut Proc<'s>,
        task: &'t Task,
        mut owner: Owner<'t, Body>,
        channel: Reg,
    ) -> Flow<'t> {
        let channel = attempt!(owner, self.channel(&mut owner, channel, "`close`"));
        for waiter in attempt!(owner, channel.close()) {
            self.wake(proc, Some(self.here(task, &owner)), &waiter, Resume::Again);
            self.enqueue(proc, waiter.task);
        }
        self.next(owner)
    }

    fn sleep<'t>(
        &self,
        proc: &Proc<'s>,
        task: &'t Arc<Task>,
        mut owner: Owner<'t, Body>,
        millis: Reg,
    ) -> Flow<'t> {
        let duration = attempt!(owner, self.duration(&mut owner, millis, "`sleep`"));
        let lock = proc.core.timers.add(&self.shared.clock, task, duration);
        self.block(proc, task, owner, Wait::Sleep);
        drop(lock);
        Flow::Gone
    }

    /// A register's number of milliseconds.
    pub(super) fn duration(
        &self,
        owner: &mut Owner<'_, Body>,
        millis: Reg,
        place: &'static str,
    ) -> Result<Duration, Fault> {
        let value = *owner.get_mut().register(millis.0);
        let view = self.view(owner, value);
        let duration = match view {
            View::Int(millis) => u64::try_from(millis).ok().map(Duration::from_millis),
            // Longer than a Duration holds is for ever.
            View::Float(millis) if millis >= 0.0 => {
                Some(Duration::try_from_secs_f64(millis / 1000.0).unwrap_or(Duration::MAX))
            }
            _ => None,
        };
        let wants = "a number of at least 0";
        duration.ok_or_else(|| {
            let found = match view {
                View::Int(i) => i.to_string(),
                View::Float(f) => f.to_string(),
                other => {
                    let found = other.type_name();
                    return Fault::Type {
                        place,
                        wants,
                        found,
                    };
                }
            };
            Fault::Range {
                place,
                wants,
                found,
            }
        })
    }

    /// The task's function has returned.
    fn finish<'t>(
        &self,
        proc: &mut Proc<'s>,
        task: &'t Task,
        owner: Owner<'t, Body>,
        result: Value,
    ) -> Flow<'t> {
        let result = Message::pack(&owner.get().heap, result);
        let waiting = task.handle.finish(result);
        if let Some(result) = task.handle.result() {
            for waiter in waiting {
                let woken = self.hand(proc, self.here(task, &owner), waiter, |heap| {
                    result.copy_to(heap)
                });
                self.ready(proc, woken);
            }
        }
        self.end(proc, task, owner);
        if task.id == MAIN {
            self.shared.finish(End::Returned);
        }
        Flow::Gone
    }

    /// The task has failed, and the program with it.
    fn fail(&self, proc: &Proc<'s>, task: &Task, mut owner: Owner<'_, Body>, fault: Fault) {
        let error = report::runtime_error(task.id, fault, self.here(task, &owner).stack);
        while !owner.get().open.is_empty() {
            self.end_innermost(proc, task, &mut owner);
        }
        self.end(proc, task, owner);
        self.shared.finish(End::Failed(error));
    }

    fn end(&self, proc: &Proc<'s>, task: &Task, mut owner: Owner<'_, Body>) {
        self.shared.heap.forget(owner.get_mut());
        self.pen.end(proc, task, owner);
        self.shared.tasks.remove(task);
    }

    /// The task, which some queue holds already, waits.
    pub(super) fn block(
        &self,
        proc: &Proc<'s>,
        task: &Task,
        mut owner: Owner<'_, Body>,
        wait: Wait,
    ) {
        owner.get_mut().wait = wait;
        self.count(&mut owner);
        self.pen.block(proc, task, owner, self.shared.env.code);
    }

    /// Hands a waiting receiver what it waits for, and makes it runnable.
    pub(super) fn hand(
        &self,
        proc: &Proc<'s>,
        here: Here<'_>,
        receiver: Receiver,
        value: impl FnOnce(&mut Heap) -> Value,
    ) -> Arc<Task> {
        let Receiver { waiter, into } = receiver;
        let mut held = self.hold(&waiter);
        let body = held.get_mut();
        *body.register(into) = value(&mut body.heap);
        let code = self.shared.env.code;
        self.pen
            .unblock(proc, Some(here), &waiter.task, held, code, waiter.resume());
        waiter.task
    }

    /// Makes a waiting task runnable. Without a waker, its time has come.
    pub(super) fn wake(
        &self,
        proc: &Proc<'s>,
        waker: Option<Here<'_>>,
        waiter: &Waiter,
        resume: Resume,
    ) {
        let held = self.hold(waiter);
        let code = self.shared.env.code;
        self.pen
            .unblock(proc, waker, &waiter.task, held, code, resume);
    }

    /// Holds a task that has been taken out of a queue, and takes it out of all
    /// others.
    #[inline]
    fn hold<'w>(&self, waiter: &'w Waiter) -> Held<'w, Body> {
        let mut held = waiter.task.body.hold_waiting();
        if let Some(selecting) = held.get_mut().selecting.take() {
            self.leave_queues(&selecting);
        }
        held
    }

    /// The task goes on after its instruction.
    pub(super) fn next<'t>(&self, mut owner: Owner<'t, Body>) -> Flow<'t> {
        owner.get_mut().step_over();
        Flow::Run(owner)
    }

    pub(super) fn count(&self, owner: &mut Owner<'_, Body>) {
        self.shared.heap.count(owner.get_mut());
    }

    pub(super) fn here<'e>(&self, task: &'e Task, owner: &'e Owner<'_, Body>) -> Here<'e>
    where
        's: 'e,
    {
        Here {
            task,
            stack: owner.get().calls(self.shared.env.code),
        }
    }

    pub(super) fn view<'o>(&'o self, owner: &'o Owner<'_, Body>, value: Value) -> View<'o> {
        owner.get().heap.view(&self.shared.env.code.strings, value)
    }

    pub(super) fn channel(
        &self,
        owner: &mut Owner<'_, Body>,
        register: Reg,
        place: &'static str,
    ) -> Result<Arc<Channel>, Fault> {
        let value = *owner.get_mut().register(register.0);
        match self.view(owner, value) {
            View::Chan(channel) => Ok(Arc::clone(channel)),
            other => Err(Fault::Type {
                place,
                wants: "a channel",
                found: other.type_name(),
            }),
        }
    }
}
