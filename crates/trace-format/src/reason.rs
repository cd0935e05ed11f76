//! Why a task stopped or blocked, spelled as Go spells it.
//!
//! Go's analyses sort by these words, so a runtime that wants its time to show
//! up under "Sync block" or "Network block" has to use exactly them.

macro_rules! reasons {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// Every reason, in the order of its discriminant.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The reason as it stands in a trace.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

reasons! {
    /// Why a task blocked.
    BlockReason {
        /// Nothing more is known.
        Generic = "unspecified",
        /// Nothing can ever wake it. (Go's viewer fails on a task that is woken
        /// after all.)
        Forever = "forever",
        /// Input or output that is polled.
        Network = "network",
        /// A choice between several channels.
        Select = "select",
        /// A condition variable.
        CondWait = "sync.(*Cond).Wait",
        /// A lock, a wait group, or another task's end.
        Sync = "sync",
        /// A channel with no room.
        ChanSend = "chan send",
        /// A channel with nothing in it.
        ChanReceive = "chan receive",
        /// Made to help the collector.
        GcMarkAssist = "GC mark assist wait for work",
        /// The sweeper has nothing to do.
        GcSweep = "GC background sweeper wait",
        /// A task of the runtime's own.
        SystemTask = "system goroutine wait",
        /// Stopped from outside, and not ready again by itself.
        Preempted = "preempted",
        /// A debugger's call.
        DebugCall = "wait for debug call",
        /// The collector's cycle.
        UntilGcEnds = "wait until GC ends",
        /// A timer.
        Sleep = "sleep",
        /// A weak reference's conversion.
        GcWeakToStrong = "GC weak to strong wait",
        /// A bubble of simulated time.
        Synctest = "synctest",
    }
}

reasons! {
    /// Why a running task gave up its proc although it could go on.
    StopReason {
        /// Nothing more is known.
        Generic = "unspecified",
        /// It asked to.
        Yield = "runtime.Gosched",
        /// Its time slice was over.
        Preempted = "preempted",
    }
}
