//! The event table: one row an event.
//!
//! [`for_each_event!`](crate::for_each_event) hands every row to a macro of the
//! caller's, so that a writer, a reader and a printer are made from the same
//! text. A row is `name = code, shape, since, [argument: kind, …]`. A timed
//! event's first number, the time since the event before it, is not listed: it
//! is part of the [`Shape`].

use crate::version::Version;

/// Calls a macro with the whole event table.
///
/// The macro receives rows of the form
/// `#[doc] Name = code, Shape, Since, [arg: Kind, …];`.
#[macro_export]
macro_rules! for_each_event {
    ($with:path) => {
        $with! {
            /// Start of a batch; its size and payload follow the arguments.
            EventBatch = 1, Batch, Go122, [gen: Value, m: Thread, time: Value];
            /// Start of a batch of the stack table.
            Stacks = 2, Section, Go122, [];
            /// An entry of the stack table; `nframes` groups of PC, function, file and line follow.
            Stack = 3, Stack, Go122, [id: Value, nframes: Value];
            /// Start of a batch of the string table.
            Strings = 4, Section, Go122, [];
            /// An entry of the string table; its length and bytes follow.
            String = 5, Data, Go122, [id: Value];
            /// Start of a batch of CPU samples.
            CPUSamples = 6, Section, Go122, [];
            /// A CPU sample. Its time is absolute, and it belongs to no thread's stream.
            CPUSample = 7, Plain, Go122, [time: Value, m: Thread, p: Proc, g: Task, stack: Stack];
            /// Clock units per second.
            Frequency = 8, Plain, Go122, [freq: Value];
            /// How many procs there are now.
            ProcsChange = 9, Timed, Go122, [procs: Value, stack: Stack];
            /// This thread takes an idle proc.
            ProcStart = 10, Timed, Go122, [p: Proc, p_seq: Seq];
            /// This thread gives up its proc.
            ProcStop = 11, Timed, Go122, [];
            /// This thread takes a proc away from thread `m`, whose task is in a system call.
            ProcSteal = 12, Timed, Go122, [p: Proc, p_seq: Seq, m: Thread];
            /// A proc's status at its first mention in a generation.
            ProcStatus = 13, Timed, Go122, [p: Proc, pstatus: ProcStatus];
            /// The running task creates a runnable one.
            GoCreate = 14, Timed, Go122, [new_g: Task, new_stack: Stack, stack: Stack];
            /// A task appears inside a system call, as when foreign code calls back.
            GoCreateSyscall = 15, Timed, Go122, [new_g: Task];
            /// A runnable task starts to run on this thread's proc.
            GoStart = 16, Timed, Go122, [g: Task, g_seq: Seq];
            /// The running task ends.
            GoDestroy = 17, Timed, Go122, [];
            /// The task in a system call ends.
            GoDestroySyscall = 18, Timed, Go122, [];
            /// The running task gives up its proc and stays runnable.
            GoStop = 19, Timed, Go122, [reason: String, stack: Stack];
            /// The running task blocks.
            GoBlock = 20, Timed, Go122, [reason: String, stack: Stack];
            /// A blocked task becomes runnable; `stack` is the waker's.
            GoUnblock = 21, Timed, Go122, [g: Task, g_seq: Seq, stack: Stack];
            /// The running task enters a system call.
            GoSyscallBegin = 22, Timed, Go122, [p_seq: Seq, stack: Stack];
            /// The task leaves the system call with the proc it went in with.
            GoSyscallEnd = 23, Timed, Go122, [];
            /// The task leaves the system call having lost its proc; it is runnable.
            GoSyscallEndBlocked = 24, Timed, Go122, [];
            /// A task's status at its first mention in a generation.
            GoStatus = 25, Timed, Go122, [g: Task, m: Thread, gstatus: TaskStatus];
            /// The running task stops the world.
            STWBegin = 26, Timed, Go122, [kind: String, stack: Stack];
            /// The world goes on.
            STWEnd = 27, Timed, Go122, [];
            /// A collection is in progress as the generation starts.
            GCActive = 28, Timed, Go122, [gc_seq: Seq];
            /// A collection starts.
            GCBegin = 29, Timed, Go122, [gc_seq: Seq, stack: Stack];
            /// A collection ends.
            GCEnd = 30, Timed, Go122, [gc_seq: Seq];
            /// A sweep is in progress on a proc as the generation starts.
            GCSweepActive = 31, Timed, Go122, [p: Proc];
            /// This proc starts to sweep.
            GCSweepBegin = 32, Timed, Go122, [stack: Stack];
            /// This proc ends its sweep.
            GCSweepEnd = 33, Timed, Go122, [swept: Value, reclaimed: Value];
            /// A task is helping the collector as the generation starts.
            GCMarkAssistActive = 34, Timed, Go122, [g: Task];
            /// The running task starts to help the collector.
            GCMarkAssistBegin = 35, Timed, Go122, [stack: Stack];
            /// The running task stops helping the collector.
            GCMarkAssistEnd = 36, Timed, Go122, [];
            /// Bytes live on the heap.
            HeapAlloc = 37, Timed, Go122, [heapalloc: Value];
            /// Bytes at which the next collection starts.
            HeapGoal = 38, Timed, Go122, [heapgoal: Value];
            /// The running task gets a label.
            GoLabel = 39, Timed, Go122, [label: String];
            /// A user task begins.
            UserTaskBegin = 40, Timed, Go122, [task: UserTask, parent_task: UserTask, name: String, stack: Stack];
            /// A user task ends.
            UserTaskEnd = 41, Timed, Go122, [task: UserTask, stack: Stack];
            /// The running task enters a user region.
            UserRegionBegin = 42, Timed, Go122, [task: UserTask, name: String, stack: Stack];
            /// The running task leaves a user region.
            UserRegionEnd = 43, Timed, Go122, [task: UserTask, name: String, stack: Stack];
            /// The running task logs a message.
            UserLog = 44, Timed, Go122, [task: UserTask, key: String, value: String, stack: Stack];
            /// The running task blocks and task `g` runs in its place.
            GoSwitch = 45, Timed, Go123, [g: Task, g_seq: Seq];
            /// The running task ends and task `g` runs in its place.
            GoSwitchDestroy = 46, Timed, Go123, [g: Task, g_seq: Seq];
            /// The running task creates a blocked one.
            GoCreateBlocked = 47, Timed, Go123, [new_g: Task, new_stack: Stack, stack: Stack];
            /// As `GoStatus`, with the task's stack.
            GoStatusStack = 48, Timed, Go123, [g: Task, m: Thread, gstatus: TaskStatus, stack: Stack];
            /// Start of a batch of an experiment; its length and bytes follow.
            ExperimentalBatch = 49, Batch, Go123, [exp: Value, gen: Value, m: Thread, time: Value];
            /// Start of a generation's sync batch.
            Sync = 50, Section, Go125, [];
            /// The trace's clock beside the monotonic one (ns) and the wall clock.
            ClockSnapshot = 51, Timed, Go125, [mono: Value, sec: Value, nsec: Value];
            /// End of a generation; stands alone, between batches.
            EndOfGeneration = 52, Plain, Go126, [];
            /// Experiment AllocFree: a heap span exists.
            Span = 128, Timed, Go123, [id: Value, npages: Value, kindclass: Value];
            /// Experiment AllocFree: a heap span was allocated.
            SpanAlloc = 129, Timed, Go123, [id: Value, npages: Value, kindclass: Value];
            /// Experiment AllocFree: a heap span was freed.
            SpanFree = 130, Timed, Go123, [id: Value];
            /// Experiment AllocFree: a heap object exists.
            HeapObject = 131, Timed, Go123, [id: Value, r#type: Value];
            /// Experiment AllocFree: a heap object was allocated.
            HeapObjectAlloc = 132, Timed, Go123, [id: Value, r#type: Value];
            /// Experiment AllocFree: a heap object was freed.
            HeapObjectFree = 133, Timed, Go123, [id: Value];
            /// Experiment AllocFree: a task's machine stack exists.
            GoroutineStack = 134, Timed, Go123, [id: Value, order: Value];
            /// Experiment AllocFree: a task's machine stack was allocated.
            GoroutineStackAlloc = 135, Timed, Go123, [id: Value, order: Value];
            /// Experiment AllocFree: a task's machine stack was freed.
            GoroutineStackFree = 136, Timed, Go123, [id: Value];
        }
    };
}

/// How an event lies in the bytes around its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A batch's header; size and payload follow.
    Batch,
    /// The first byte of a payload, saying what the payload holds.
    Section,
    /// In a thread's stream: a time difference, then the arguments.
    Timed,
    /// The arguments alone.
    Plain,
    /// The arguments, then a length and that many bytes.
    Data,
    /// The arguments, then as many frames of four numbers as the last one says.
    Stack,
}

/// What an argument's number stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgKind {
    /// A plain number.
    Value,
    /// A sequence number of the resource named before it.
    Seq,
    /// A task ID; 0 is no task.
    Task,
    /// A proc ID.
    Proc,
    /// A thread (worker) ID; all ones is no thread.
    Thread,
    /// A user task ID; 0 is none.
    UserTask,
    /// A string ID; 0 is the empty string.
    String,
    /// A stack ID; 0 is the empty stack.
    Stack,
    /// A [`TaskStatus`](crate::TaskStatus).
    TaskStatus,
    /// A [`ProcStatus`](crate::ProcStatus).
    ProcStatus,
}

/// An argument of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arg {
    /// Its name, for people.
    pub name: &'static str,
    /// What its number stands for.
    pub kind: ArgKind,
}

macro_rules! event_kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $shape:ident, $since:ident,
       [$($arg:ident: $kind:ident),*];)*) => {
        /// What an event says: the byte it starts with.
        ///
        /// The variants carry the names of the format, since Go's tools print
        /// them: `Go…` is about a task, `User…` about annotations.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum EventKind { $($(#[$doc])* $name = $code,)* }

        impl EventKind {
            /// Every kind, by code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The kind with this code, in any version.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }

            /// The name that Go's tools print.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// The arguments, without a timed event's time difference.
            pub const fn args(self) -> &'static [Arg] {
                match self { $(Self::$name => const { &[$(Arg {
                    // A raw identifier prints with its mark; the name has none.
                    name: strip_raw(stringify!($arg)),
                    kind: ArgKind::$kind,
                },)*] },)* }
            }

            /// How the event lies in the bytes.
            pub const fn shape(self) -> Shape {
                match self { $(Self::$name => Shape::$shape,)* }
            }

            /// The first version that has this event.
            pub const fn since(self) -> Version {
                match self { $(Self::$name => Version::$since,)* }
            }
        }
    };
}

for_each_event!(event_kinds);

impl EventKind {
    /// Whether the event stands in a thread's stream, with a time difference.
    pub const fn is_timed(self) -> bool {
        matches!(self.shape(), Shape::Timed)
    }
}

const fn strip_raw(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [b'r', b'#', ..] => name.split_at(2).1,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MAX_TIMED_ARGS;

    #[test]
    fn codes_are_ascending_and_found_again() {
        assert!(EventKind::ALL.is_sorted_by(|a, b| (*a as u8) < (*b as u8)));
        for &kind in EventKind::ALL {
            assert_eq!(EventKind::from_code(kind as u8), Some(kind));
        }
        let known = (0..=u8::MAX).filter_map(EventKind::from_code).count();
        assert_eq!(known, EventKind::ALL.len());
    }

    #[test]
    fn timed_events_stay_within_the_limit() {
        for kind in EventKind::ALL.iter().filter(|kind| kind.is_timed()) {
            // One more for the time difference.
            assert!(kind.args().len() < MAX_TIMED_ARGS, "{}", kind.name());
        }
    }

    #[test]
    fn raw_identifiers_lose_their_mark() {
        assert_eq!(EventKind::HeapObject.args()[1].name, "type");
    }
}
