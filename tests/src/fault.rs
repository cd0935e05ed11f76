//! What can be wrong with a trace, as far as these tests look.

use std::fmt;

use trace_format::end::End;
use trace_read::ReadError;

/// Why a trace is not true, or not even a trace.
#[derive(Debug)]
#[expect(missing_docs, reason = "the messages below say it")]
pub enum Fault {
    Read(ReadError),
    GenerationNumber {
        number: u64,
    },
    Sync {
        generation: u64,
    },
    TableOfThread {
        generation: u64,
    },
    NoString {
        generation: u64,
        id: u64,
    },
    BadString {
        generation: u64,
        id: u64,
    },
    StringTwice {
        generation: u64,
        id: u64,
    },
    StackTwice {
        generation: u64,
        id: u64,
    },
    EmptyStack {
        generation: u64,
        id: u64,
    },
    /// A frame that lacks a number, a name, a file or a line, and is not the only
    /// one of its stack, without any of them.
    FrameNotWhole {
        generation: u64,
        frame: crate::wire::Frame,
    },
    PcMeansTwo {
        pc: u64,
    },
    TimeStepsBack {
        generation: u64,
        thread: u64,
    },
    /// What it says of its end is not how it ended.
    End {
        said: Option<End>,
    },
    /// An event that cannot have happened where it stands.
    Event {
        generation: u64,
        thread: u64,
        event: String,
        wrong: Wrong,
    },
    /// No thread's next event can happen.
    Stuck {
        generation: u64,
        next: Vec<String>,
    },
    TaskNotMentioned {
        generation: u64,
        task: u64,
    },
    ProcNotMentioned {
        generation: u64,
        proc: u64,
    },
}

macro_rules! wrongs {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What is wrong with an event.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Wrong { $($(#[$doc])* $name,)* }

        impl fmt::Display for Wrong {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$name => $text,)* })
            }
        }
    };
}

wrongs! {
    /// A string argument.
    NoSuchString = "its string is not in the generation's table",
    /// A stack argument.
    NoSuchStack = "its stack is not in the generation's table",
    /// A status's code or thread.
    BadStatus = "there is no such status, or not on this thread",
    /// The kind.
    NotWritten = "the tracer does not write this kind",
    /// The stream.
    NeedsThread = "it stands in nobody's stream",
    /// The thread's state.
    NeedsTask = "its thread runs no task",
    /// The thread's state.
    NeedsProc = "its thread holds no running proc",
    /// The thread's state.
    NeedsSyscall = "its thread's task is in no system call",
    /// The thread's state.
    HasTask = "its thread has a task already",
    /// The thread's state.
    HasProc = "its thread has a proc already",
    /// A task or proc.
    NotMentioned = "it concerns what the generation has not mentioned",
    /// A status.
    MentionedTwice = "the generation has mentioned it before",
    /// A status.
    Disagrees = "the status is not what the events before it make it",
    /// A status.
    LateBirth = "a task that was never created appears after the first generation",
    /// An ID.
    UsedBefore = "the ID was used before",
    /// A sequence number.
    Sequence = "the sequence number is not the next",
    /// A steal.
    StolenFromOther = "the proc is not the one that this thread holds",
    /// A region.
    RegionMismatch = "the innermost open region is another, or there is none",
    /// A user task.
    UserTaskTwice = "the user task began or ended before",
    /// A stop of the world.
    World = "the world is in that state already",
    /// Times.
    Causality = "it is earlier than what it follows from",
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => write!(f, "{error}"),
            Self::GenerationNumber { number } => {
                write!(f, "generation {number} does not follow the one before")
            }
            Self::Sync { generation } => {
                write!(f, "generation {generation} has not exactly one sync batch")
            }
            Self::TableOfThread { generation } => {
                write!(
                    f,
                    "generation {generation}: a table stands in a thread's batch"
                )
            }
            Self::NoString { generation, id } => {
                write!(
                    f,
                    "generation {generation}: a stack names string {id}, which is not there"
                )
            }
            Self::BadString { generation, id } => {
                write!(
                    f,
                    "generation {generation}: string {id} is too long or not UTF-8"
                )
            }
            Self::StringTwice { generation, id } => {
                write!(
                    f,
                    "generation {generation}: string {id} is there twice, or is 0"
                )
            }
            Self::StackTwice { generation, id } => {
                write!(
                    f,
                    "generation {generation}: stack {id} is there twice, or is 0"
                )
            }
            Self::EmptyStack { generation, id } => {
                write!(f, "generation {generation}: stack {id} has no frames")
            }
            Self::FrameNotWhole { generation, frame } => {
                write!(f, "generation {generation}: {frame:?} is not whole")
            }
            Self::PcMeansTwo { pc } => write!(f, "program counter {pc:#x} means two things"),
            Self::TimeStepsBack { generation, thread } => {
                write!(
                    f,
                    "generation {generation}: time steps back in thread {thread}"
                )
            }
            Self::End { said } => write!(f, "of its end it says {said:?}"),
            Self::Event {
                generation,
                thread,
                event,
                wrong,
            } => write!(f, "generation {generation}, m{thread}: {event}: {wrong}"),
            Self::Stuck { generation, next } => {
                writeln!(f, "generation {generation}: none of these can be next:")?;
                next.iter().try_for_each(|event| writeln!(f, "  {event}"))
            }
            Self::TaskNotMentioned { generation, task } => {
                write!(
                    f,
                    "generation {generation} does not mention task {task}, which lives"
                )
            }
            Self::ProcNotMentioned { generation, proc } => {
                write!(f, "generation {generation} does not mention proc {proc}")
            }
        }
    }
}

impl std::error::Error for Fault {}
