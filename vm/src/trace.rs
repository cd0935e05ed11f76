//! The scheduler's words for the tracer: the only place, with the files below
//! it, that knows `runtime-trace`.
//!
//! A [`Recorder`] has one method for each thing that happens to a task or proc.
//! Those that change a task's state take the right to it and change it
//! themselves, between the event and the end of the emission: that, and that a
//! task is owned or held from before until after, is what makes the trace true
//! (see the rules at the head of [`runtime_trace::emit`]).

mod file;
mod host;
mod recent;
#[allow(unsafe_code, reason = "it asks the system about a file")]
mod sink;

use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use runtime_trace::{BlockReason, ProcTrace, StopReason, TaskTrace};
use runtime_trace::{Emit, Pcs, StackId, Tracer, Worker, WorkerError};
pub use runtime_trace::{Loss, Losses, StartError};

pub(crate) use file::run_recorded;

use self::recent::Recent;
use crate::code::Code;
use crate::sched::Proc;
use crate::state::{Held, Next, Owner};
use crate::task::{Body, Label, Stack, Task, Wait};

/// How much memory the tracer may use unless something else is asked for, bytes.
pub const DEFAULT_TRACE_MEMORY: usize = runtime_trace::Config::new(1).memory_limit;

/// Saves the first trace of this process some milliseconds, if it is called while
/// there is one thread only.
pub fn prepare_trace() {
    Tracer::prepare();
}

/// The program's tracer.
pub(crate) struct Tracing {
    tracer: Tracer,
    /// The last number given to a user task.
    user_tasks: AtomicU64,
}

/// One thread's pen.
pub(crate) struct Recorder<'s> {
    worker: Worker<'s>,
    recent: Recent,
    tracing: &'s Tracing,
}

/// The running task, as its events need it.
#[derive(Clone, Copy)]
pub(crate) struct Here<'e> {
    pub(crate) task: &'e Task,
    pub(crate) stack: Stack<'e>,
}

/// Where a woken task goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resume {
    /// At the instruction it waits in, once more.
    Again,
    /// After it: the waker has done its work.
    After,
    /// At another instruction of the same function, for the same reason.
    At(u32),
}

impl Tracing {
    pub(crate) fn new() -> Self {
        Tracing {
            tracer: Tracer::new(),
            user_tasks: AtomicU64::new(0),
        }
    }

    /// Whether a trace is being recorded at this moment.
    #[inline]
    pub(crate) fn enabled(&self) -> bool {
        self.tracer.enabled()
    }

    /// A pen for the calling thread.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub(crate) fn recorder(&self) -> Result<Recorder<'_>, WorkerError> {
        self.tracer.worker().map(|worker| Recorder {
            worker,
            recent: Recent::new(),
            tracing: self,
        })
    }
}

/// Writes a stack down, innermost call first, below what the task is doing there.
/// Of one too deep for a trace, the root stays.
fn push_stack(pcs: &mut Pcs, stack: Stack<'_>) {
    const MOST: usize = 128;
    let mut calls = stack.calls();
    let operation = calls
        .clone()
        .next()
        .and_then(|(function, pc)| stack.code.operation(function, pc));
    if let Some(operation) = operation {
        pcs.push(operation.trace_pc());
    }
    for (function, pc) in calls.by_ref().take(MOST - 2) {
        pcs.push(stack.code.trace_pc(function, pc));
    }
    if let Some((function, pc)) = calls.last() {
        pcs.push(stack.code.trace_pc(function, pc));
    }
}

#[cold]
fn new_stack<'i>(emit: &'i Emit<'_, '_>, stack: Stack<'_>) -> StackId<'i> {
    let mut pcs = Pcs::logical();
    push_stack(&mut pcs, stack);
    emit.stack(&pcs)
}

/// Writes the running task's label, unless this generation knows it.
#[inline]
fn tell(emit: &Emit<'_, '_>, label: Option<&mut Label>) {
    if let Some(label) = label
        && label.told != emit.epoch()
    {
        emit.label(&label.text);
        label.told = emit.epoch();
    }
}

/// Procs.
impl<'s> Recorder<'s> {
    /// The thread's number in the trace.
    pub(crate) fn id(&self) -> u64 {
        self.worker.id()
    }

    /// The ID of a stack.
    #[inline]
    fn stack<'i>(&self, emit: &'i Emit<'_, '_>, stack: Stack<'_>) -> StackId<'i> {
        self.recent.id(emit, stack, || new_stack(emit, stack))
    }

    /// This thread has taken an idle proc.
    pub(crate) fn proc_start(&self, proc: &Proc<'s>) {
        if let Some(emit) = self.worker.acquire(None, None) {
            emit.proc_start(proc.trace());
        }
    }

    /// This thread is about to give its proc up.
    pub(crate) fn proc_stop(&self, proc: &Proc<'s>) {
        if let Some(emit) = self.worker.acquire(Some(proc.trace()), None) {
            emit.proc_stop();
        }
    }

    /// This thread has taken a proc from the worker of this number, whose task
    /// is in a system call.
    pub(crate) fn proc_steal(&self, proc: &Proc<'s>, from: u64) {
        if let Some(emit) = self.worker.acquire(None, None) {
            emit.proc_steal(proc.trace(), from);
        }
    }

    /// A generation wants to end: mentions what this thread holds.
    pub(crate) fn checkpoint(&self, proc: &Proc<'s>, here: Option<Here<'_>>) {
        self.worker.checkpoint(
            Some(proc.trace()),
            here.map(|here| &here.task.trace),
            |pcs| {
                if let Some(here) = here {
                    push_stack(pcs, here.stack);
                }
            },
        );
    }
}

/// Tasks.
impl<'s> Recorder<'s> {
    /// A new task, in the registry already, becomes runnable.
    pub(crate) fn create(
        &self,
        proc: &Proc<'s>,
        creator: Option<Here<'_>>,
        new: &Task,
        entry: usize,
    ) {
        let emit = self
            .worker
            .acquire(Some(proc.trace()), creator.map(|here| &here.task.trace));
        if let Some(emit) = &emit {
            let mut pcs = Pcs::logical();
            pcs.push(entry);
            let at = creator.map_or(StackId::NONE, |here| self.stack(emit, here.stack));
            emit.task_create(&new.trace, emit.stack(&pcs), at);
        }
        new.body.publish();
    }

    /// A task that was runnable runs, under its label.
    pub(crate) fn start(&self, proc: &Proc<'s>, task: &Task, label: Option<&mut Label>) {
        if let Some(emit) = self.worker.acquire(Some(proc.trace()), None) {
            emit.task_start(&task.trace);
            tell(&emit, label);
        }
    }

    /// The running task becomes runnable; one that yields, after its yield.
    pub(crate) fn stop(
        &self,
        proc: &Proc<'s>,
        task: &Task,
        mut owner: Owner<'_, Body>,
        code: &Code,
        why: StopReason,
    ) {
        let emit = self.worker.acquire(Some(proc.trace()), Some(&task.trace));
        if let Some(emit) = &emit {
            emit.task_stop(why, self.stack(emit, owner.get().calls(code)));
        }
        if why == StopReason::Yield {
            owner.get_mut().step_over();
        }
        owner.release(Next::Runnable);
    }

    /// The running task, in some queue already, waits.
    pub(crate) fn block(&self, proc: &Proc<'s>, task: &Task, owner: Owner<'_, Body>, code: &Code) {
        let emit = self.worker.acquire(Some(proc.trace()), Some(&task.trace));
        if let Some(emit) = &emit {
            let body = owner.get();
            emit.task_block(reason(body.wait), self.stack(emit, body.calls(code)));
        }
        owner.release(Next::Waiting);
    }

    /// A waiting task becomes runnable. Without a waker, its time has come.
    pub(crate) fn unblock(
        &self,
        proc: &Proc<'s>,
        waker: Option<Here<'_>>,
        task: &Task,
        mut held: Held<'_, Body>,
        code: &Code,
        resume: Resume,
    ) {
        let emit = self
            .worker
            .acquire(Some(proc.trace()), waker.map(|here| &here.task.trace));
        if let Some(emit) = &emit {
            let at = waker.map_or(StackId::NONE, |here| self.stack(emit, here.stack));
            emit.task_unblock(
                &task.trace,
                |pcs| push_stack(pcs, held.get().calls(code)),
                at,
            );
        }
        match resume {
            Resume::Again => {}
            Resume::After => held.get_mut().step_over(),
            Resume::At(pc) => held.get_mut().go_on_at(pc),
        }
        held.wake();
    }

    /// The running task is about to enter a system call.
    pub(crate) fn syscall_begin(
        &self,
        proc: &Proc<'s>,
        task: &Task,
        owner: Owner<'_, Body>,
        code: &Code,
    ) {
        let emit = self.worker.acquire(Some(proc.trace()), Some(&task.trace));
        if let Some(emit) = &emit {
            emit.syscall_begin(self.stack(emit, owner.get().calls(code)));
        }
        owner.release(Next::Syscall);
    }

    /// The task is back from its system call, and this thread has its proc.
    pub(crate) fn syscall_end(&self, proc: &Proc<'s>, task: &Task) {
        if let Some(emit) = self.worker.acquire(Some(proc.trace()), Some(&task.trace)) {
            emit.syscall_end();
        }
    }

    /// The task is back from its system call, without a proc, and runnable.
    pub(crate) fn syscall_end_blocked(&self, task: &Task, owner: Owner<'_, Body>) {
        let emit = self.worker.acquire(None, Some(&task.trace));
        if let Some(emit) = &emit {
            emit.syscall_end_blocked();
        }
        owner.release(Next::Runnable);
    }

    /// The running task ends.
    pub(crate) fn end(&self, proc: &Proc<'s>, task: &Task, owner: Owner<'_, Body>) {
        let emit = self.worker.acquire(Some(proc.trace()), Some(&task.trace));
        if let Some(emit) = &emit {
            emit.task_end();
        }
        owner.release(Next::Dead);
    }
}

/// Annotations and figures.
impl<'s> Recorder<'s> {
    /// A new user task begins inside another one, or none (0); gives its number.
    pub(crate) fn user_task_begin(
        &self,
        proc: &Proc<'s>,
        here: Here<'_>,
        parent: u64,
        name: &str,
    ) -> u64 {
        // Relaxed: it only has to be unique.
        let id = self.tracing.user_tasks.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(emit) = self
            .worker
            .acquire(Some(proc.trace()), Some(&here.task.trace))
        {
            emit.user_task_begin(id, parent, name, self.stack(&emit, here.stack));
        }
        id
    }

    pub(crate) fn user_task_end(&self, proc: &Proc<'s>, here: Here<'_>, id: u64) {
        if let Some(emit) = self
            .worker
            .acquire(Some(proc.trace()), Some(&here.task.trace))
        {
            emit.user_task_end(id, self.stack(&emit, here.stack));
        }
    }

    /// Tells the trace the running task's label, unless this generation knows it.
    #[inline]
    pub(crate) fn label(&self, proc: &Proc<'s>, task: &Task, label: Option<&mut Label>) {
        if label.is_some()
            && let Some(emit) = self.worker.acquire(Some(proc.trace()), Some(&task.trace))
        {
            tell(&emit, label);
        }
    }

    pub(crate) fn region_begin(&self, proc: &Proc<'s>, here: Here<'_>, user_task: u64, name: &str) {
        if let Some(emit) = self
            .worker
            .acquire(Some(proc.trace()), Some(&here.task.trace))
        {
            emit.region_begin(user_task, name, self.stack(&emit, here.stack));
        }
    }

    pub(crate) fn region_end(&self, proc: &Proc<'s>, here: Here<'_>, user_task: u64, name: &str) {
        if let Some(emit) = self
            .worker
            .acquire(Some(proc.trace()), Some(&here.task.trace))
        {
            emit.region_end(user_task, name, self.stack(&emit, here.stack));
        }
    }

    pub(crate) fn log(
        &self,
        proc: &Proc<'s>,
        here: Here<'_>,
        user_task: u64,
        category: &str,
        message: &str,
    ) {
        if let Some(emit) = self
            .worker
            .acquire(Some(proc.trace()), Some(&here.task.trace))
        {
            emit.log(user_task, category, message, self.stack(&emit, here.stack));
        }
    }

    /// All heaps together have this many bytes.
    pub(crate) fn heap(&self, proc: &Proc<'s>, task: Option<&Task>, bytes: u64) {
        if let Some(emit) = self
            .worker
            .acquire(Some(proc.trace()), task.map(|task| &task.trace))
        {
            emit.heap_alloc(bytes);
        }
    }
}

/// What Go calls it.
pub(crate) fn reason(wait: Wait) -> BlockReason {
    match wait {
        Wait::Nothing => BlockReason::Generic,
        Wait::Send => BlockReason::ChanSend,
        Wait::Receive => BlockReason::ChanReceive,
        Wait::Join(_) => BlockReason::Sync,
        Wait::Sleep => BlockReason::Sleep,
        Wait::Select => BlockReason::Select,
    }
}
