//! Statuses of tasks and procs, as status events carry them.

macro_rules! statuses {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant = $code,)* }

        impl $name {
            /// The status with this code on the wire.
            pub const fn from_code(code: u64) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }

            /// The status's name as Go prints it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)* }
            }
        }
    };
}

statuses! {
    /// What a task (a goroutine) is doing.
    TaskStatus {
        /// Ready, waiting for a proc.
        Runnable = 1,
        /// Executing on the thread that owns the batch.
        Running = 2,
        /// In a system call, on the thread that the event names.
        Syscall = 3,
        /// Blocked.
        Waiting = 4,
    }
}

statuses! {
    /// What a proc is doing.
    ProcStatus {
        /// Held by the thread that owns the batch.
        Running = 1,
        /// Held by nobody.
        Idle = 2,
        /// Held by a thread whose task is in a system call.
        Syscall = 3,
        /// As `Syscall`, but about to be stolen, and the thread is not known.
        SyscallAbandoned = 4,
    }
}
