//! How a trace of ours says that it ends, and why: as a log event of the category
//! that [losses](crate::loss) are told under, in the last generation. A trace
//! without it goes on, or was cut at a generation's boundary.
//!
//! A log needs a task that runs, on a proc and a thread, and nobody else may run
//! any more. So the tracer's last notes have a task, a proc and a thread of their
//! own, whose numbers nothing else has.

/// The task and the thread of a trace's last notes. Readers keep numbers with a sign,
/// so no ID is larger. (The proc has a small one: viewers have a row for each.)
pub const LAST_NOTE: u64 = i64::MAX as u64;

macro_rules! ends {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Why a trace ends.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum End { $($(#[$doc])* $name,)* }

        impl End {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The message of the log.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

ends! {
    /// The host stopped tracing.
    Stopped = "tracing stopped",
    /// An event without which the trace would be wrong found no memory.
    Memory = "tracing ended early: no memory",
    /// A thread did not leave a generation.
    Stuck = "tracing ended early: a thread did not leave its emission",
    /// The host unwound while the trace began.
    Host = "tracing ended early: the program panicked as it began",
    /// What was read did not reach the file.
    Sink = "tracing ended early: the file cannot be written",
}

impl End {
    /// The end that a log's message tells of, if it does.
    pub fn of(message: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|end| end.as_str() == message)
    }
}
