//! Every call of the tracer's API that emits, with any arguments.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use runtime_trace::{BlockReason, Emit, ProcTrace, StopReason, SweptState, TaskTrace};

use crate::stacks::{Stack, stack, text};

/// How many tasks there are.
pub const TASKS: usize = 6;

/// How many procs there are.
pub const PROCS: usize = 3;

/// A call. Tasks and procs are given by their places in the lists.
#[derive(Clone, Debug)]
pub enum Call {
    ProcStart(usize),
    ProcStop,
    ProcSteal(usize, u64),
    TaskCreate(usize, Stack, Stack),
    TaskCreateBlocked(usize, Stack, Stack),
    TaskCreateInSyscall(usize),
    TaskStart(usize),
    TaskStop(StopReason, Stack),
    TaskBlock(BlockReason, Stack),
    TaskUnblock(usize, Stack, Stack),
    TaskSwitch(usize, Stack),
    TaskSwitchEnd(usize, Stack),
    TaskEnd,
    TaskEndInSyscall,
    SyscallBegin(Stack),
    SyscallEnd,
    SyscallEndBlocked,
    RegionBegin(u64, String, Stack),
    RegionEnd(u64, String, Stack),
    UserTaskBegin(u64, u64, String, Stack),
    UserTaskEnd(u64, Stack),
    Log(u64, String, String, Stack),
    Label(String),
    HeapAlloc(u64),
    HeapGoal(u64),
    StopTheWorldBegin(String, Stack),
    StopTheWorldEnd,
    /// As the worker passes one.
    Checkpoint(Stack),
    SetProcs(u32),
    /// Ends the generation, at which these are held still.
    Advance(Vec<(usize, SweptState, Stack)>, Vec<usize>),
}

impl Call {
    /// Makes the call, if it is one that an emission makes.
    pub fn perform<'e, 't>(
        &self,
        emit: &Emit<'e, 't>,
        tasks: &'e [TaskTrace],
        procs: &'t [ProcTrace],
    ) {
        let at = |stack: &Stack| emit.stack(&stack.pcs());
        match self {
            Self::ProcStart(proc) => emit.proc_start(&procs[*proc]),
            Self::ProcStop => emit.proc_stop(),
            Self::ProcSteal(proc, from) => emit.proc_steal(&procs[*proc], *from),
            Self::TaskCreate(new, entry, stack) => {
                emit.task_create(&tasks[*new], at(entry), at(stack));
            }
            Self::TaskCreateBlocked(new, entry, stack) => {
                emit.task_create_blocked(&tasks[*new], at(entry), at(stack));
            }
            Self::TaskCreateInSyscall(new) => emit.task_create_in_syscall(&tasks[*new]),
            Self::TaskStart(task) => emit.task_start(&tasks[*task]),
            Self::TaskStop(reason, stack) => emit.task_stop(*reason, at(stack)),
            Self::TaskBlock(reason, stack) => emit.task_block(*reason, at(stack)),
            Self::TaskUnblock(task, its, stack) => {
                emit.task_unblock(&tasks[*task], |pcs| its.push(pcs), at(stack));
            }
            Self::TaskSwitch(next, its) => emit.task_switch(&tasks[*next], |pcs| its.push(pcs)),
            Self::TaskSwitchEnd(next, its) => {
                emit.task_switch_end(&tasks[*next], |pcs| its.push(pcs));
            }
            Self::TaskEnd => emit.task_end(),
            Self::TaskEndInSyscall => emit.task_end_in_syscall(),
            Self::SyscallBegin(stack) => emit.syscall_begin(at(stack)),
            Self::SyscallEnd => emit.syscall_end(),
            Self::SyscallEndBlocked => emit.syscall_end_blocked(),
            Self::RegionBegin(of, name, stack) => emit.region_begin(*of, name, at(stack)),
            Self::RegionEnd(of, name, stack) => emit.region_end(*of, name, at(stack)),
            Self::UserTaskBegin(id, of, name, stack) => {
                emit.user_task_begin(*id, *of, name, at(stack));
            }
            Self::UserTaskEnd(id, stack) => emit.user_task_end(*id, at(stack)),
            Self::Log(of, category, message, stack) => {
                emit.log(*of, category, message, at(stack));
            }
            Self::Label(text) => emit.label(text),
            Self::HeapAlloc(bytes) => emit.heap_alloc(*bytes),
            Self::HeapGoal(bytes) => emit.heap_goal(*bytes),
            Self::StopTheWorldBegin(kind, stack) => emit.stop_the_world_begin(kind, at(stack)),
            Self::StopTheWorldEnd => emit.stop_the_world_end(),
            Self::Checkpoint(_) | Self::SetProcs(_) | Self::Advance(..) => {}
        }
    }
}

/// As the tracer asks for stacks: logical ones.
fn logical() -> impl Strategy<Value = Stack> {
    stack().prop_map(|stack| Stack {
        skip: None,
        ..stack
    })
}

/// A number of any width, each width as likely as another, the longest but for
/// the largest number of all.
fn number() -> impl Strategy<Value = u64> {
    let any_width = (any::<u64>(), 0..64u32).prop_map(|(bits, shift)| bits >> shift);
    prop_oneof![3 => any_width, 1 => Just(u64::MAX)]
}

/// Any of them.
pub fn call() -> impl Strategy<Value = Call> {
    let (task, proc) = (|| 0..TASKS, || 0..PROCS);
    let swept = prop_oneof![
        Just(SweptState::Runnable),
        Just(SweptState::Waiting),
        number().prop_map(|worker| SweptState::Syscall { worker }),
    ];
    let one_of_many = prop_oneof![
        proc().prop_map(Call::ProcStart),
        Just(Call::ProcStop),
        (proc(), number()).prop_map(|(proc, from)| Call::ProcSteal(proc, from)),
        (task(), stack(), stack()).prop_map(|(new, entry, at)| Call::TaskCreate(new, entry, at)),
        (task(), stack(), stack())
            .prop_map(|(new, entry, at)| Call::TaskCreateBlocked(new, entry, at)),
        task().prop_map(Call::TaskCreateInSyscall),
        task().prop_map(Call::TaskStart),
        (select(StopReason::ALL), stack()).prop_map(|(reason, at)| Call::TaskStop(reason, at)),
    ];
    let another = prop_oneof![
        (select(BlockReason::ALL), stack()).prop_map(|(reason, at)| Call::TaskBlock(reason, at)),
        (task(), logical(), stack()).prop_map(|(task, its, at)| Call::TaskUnblock(task, its, at)),
        (task(), logical()).prop_map(|(next, its)| Call::TaskSwitch(next, its)),
        (task(), logical()).prop_map(|(next, its)| Call::TaskSwitchEnd(next, its)),
        Just(Call::TaskEnd),
        Just(Call::TaskEndInSyscall),
        stack().prop_map(Call::SyscallBegin),
        Just(Call::SyscallEnd),
        Just(Call::SyscallEndBlocked),
    ];
    let annotation = prop_oneof![
        (number(), text(), stack()).prop_map(|(of, name, at)| Call::RegionBegin(of, name, at)),
        (number(), text(), stack()).prop_map(|(of, name, at)| Call::RegionEnd(of, name, at)),
        (number(), number(), text(), stack())
            .prop_map(|(id, of, name, at)| Call::UserTaskBegin(id, of, name, at)),
        (number(), stack()).prop_map(|(id, at)| Call::UserTaskEnd(id, at)),
        (number(), text(), text(), stack())
            .prop_map(|(of, key, it, at)| Call::Log(of, key, it, at)),
        text().prop_map(Call::Label),
        number().prop_map(Call::HeapAlloc),
        number().prop_map(Call::HeapGoal),
        (text(), stack()).prop_map(|(kind, at)| Call::StopTheWorldBegin(kind, at)),
        Just(Call::StopTheWorldEnd),
    ];
    let rare = prop_oneof![
        logical().prop_map(Call::Checkpoint),
        any::<u32>().prop_map(Call::SetProcs),
        (vec((task(), swept, logical()), 0..4), vec(proc(), 0..3))
            .prop_map(|(tasks, procs)| Call::Advance(tasks, procs)),
    ];
    prop_oneof![8 => one_of_many, 9 => another, 10 => annotation, 3 => rare]
}
