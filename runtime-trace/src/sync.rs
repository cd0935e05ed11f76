//! Atomics and cells: `core`'s, or loom's when a model is built.
//!
//! Everything that two threads may touch comes from here. A module that took
//! its atomics or its interior mutability from elsewhere would be invisible to
//! the models (`tests/loom_*.rs`), and they would prove nothing about it.
//!
//! Loom treats a `SeqCst` access as `AcqRel`, so where a store must come before
//! a load of another variable the code uses `fence(SeqCst)`, which both know.

#[cfg(loom)]
pub(crate) use self::model::*;
#[cfg(not(loom))]
pub(crate) use self::real::*;

#[cfg(not(loom))]
mod real {
    use core::time::Duration;

    pub(crate) use core::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, compiler_fence, fence,
    };

    use super::Fence;

    /// `core`'s cell behind the interface of loom's, which sees each access.
    #[derive(Debug)]
    #[repr(transparent)]
    pub(crate) struct UnsafeCell<T>(core::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(core::cell::UnsafeCell::new(value))
        }

        /// Lends the value for reading. The caller vouches that nobody writes.
        #[inline(always)]
        pub(crate) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
            read(self.0.get())
        }

        /// Lends the value for writing. The caller vouches that it is alone.
        #[inline(always)]
        pub(crate) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
            write(self.0.get())
        }
    }

    /// Stores, as Release, before whatever this thread loads next as SeqCst.
    /// Pairs with `fence.settle()` between a store and a load.
    ///
    /// Its own fence is an exchange, since processors whose stores wait in a
    /// buffer do that faster than a store and a fence.
    #[inline(always)]
    pub(crate) fn store_before_load(word: &AtomicU64, value: u64, fence: Fence) {
        match fence {
            Fence::Own => {
                // SeqCst: see above.
                // mutant: models have the other function, below.
                word.swap(value, Ordering::SeqCst);
            }
            Fence::Other => {
                // Release: see above.
                // mutant: models have the other function, below.
                word.store(value, Ordering::Release);
                // SeqCst: keeps the compiler from putting the load first. That
                // the processor has not done so either the other side sees to:
                // its barrier falls before the store, or between store and load,
                // or behind the load, and is a fence there.
                // mutant: models have the other function, below.
                compiler_fence(Ordering::SeqCst);
            }
        }
    }

    /// How long to wait for others, all in all.
    ///
    /// While a process is stopped or its machine asleep time goes by and nobody
    /// gets on. So of the time between two turns only a little counts.
    #[derive(Debug)]
    pub(crate) struct Patience {
        left_ns: u64,
        seen_ns: u64,
        turn: u32,
    }

    /// Most that counts between two turns, nanoseconds.
    const MOST_NS: u64 = 10_000_000;

    impl Patience {
        pub(crate) fn new(time: Duration) -> Self {
            Self {
                left_ns: u64::try_from(time.as_nanos()).unwrap_or(u64::MAX),
                seen_ns: 0,
                turn: 0,
            }
        }

        /// One turn of waiting: whether there is patience left for another.
        pub(crate) fn turn(&mut self) -> bool {
            wait_turn(self.turn);
            self.turn = self.turn.saturating_add(1);
            if self.turn > 64 {
                let now = crate::sys::monotonic_ns();
                // At least 1, lest a clock that stands still make it endless.
                let since = match self.seen_ns {
                    0 => 1,
                    seen => now.saturating_sub(seen).clamp(1, MOST_NS),
                };
                self.seen_ns = now;
                self.left_ns = self.left_ns.saturating_sub(since);
            }
            self.left_ns > 0
        }
    }

    /// One turn of a wait: spins first, then lets another thread run.
    pub(crate) fn wait_turn(turn: u32) {
        if turn < 64 {
            core::hint::spin_loop();
        } else {
            crate::sys::yield_thread();
        }
    }
}

#[cfg(loom)]
mod model {
    use core::time::Duration;

    pub(crate) use loom::cell::UnsafeCell;
    pub(crate) use loom::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };

    /// As the real one, in the way that loom knows.
    pub(crate) fn store_before_load(word: &AtomicU64, value: u64, _: super::Fence) {
        // Release: as promised to who loads it with Acquire.
        word.store(value, Ordering::Release);
        // SeqCst: see the real one.
        fence(Ordering::SeqCst);
    }

    /// One turn of a wait: the model must run somebody else.
    pub(crate) fn wait_turn(_turn: u32) {
        loom::thread::yield_now();
    }

    /// As the real one, with turns for nanoseconds.
    #[derive(Debug)]
    pub(crate) struct Patience(u128);

    impl Patience {
        pub(crate) fn new(time: Duration) -> Self {
            Self(time.as_nanos())
        }

        pub(crate) fn turn(&mut self) -> bool {
            wait_turn(0);
            self.0 = self.0.saturating_sub(1);
            self.0 > 0
        }
    }
}

/// Who sees to it that a store comes before a load, where two threads store
/// something each and then load what the other stores, so that not both miss the
/// other's: one that does so often, and one that does so rarely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Fence {
    /// The rare one for both.
    Other,
    /// Either for itself.
    Own,
}

/// Who fences as one thread enters. The thread's signal handlers read it as well,
/// perhaps in the middle of its emission, so it is an atomic word.
///
/// It is `core`'s in models, too: only one thread has it, and models have no signals.
#[derive(Debug)]
pub(crate) struct OwnFence(core::sync::atomic::AtomicU64);

impl OwnFence {
    pub(crate) const fn new(fence: Fence) -> Self {
        Self(core::sync::atomic::AtomicU64::new(fence as u64))
    }

    /// 0 if others fence.
    #[inline(always)]
    pub(crate) fn word(&self) -> u64 {
        const { assert!(Fence::Other as u64 == 0) };
        // Relaxed: this thread's own store, or that of an epoch ago. A handler that
        // reads the older value fences for nothing.
        self.0.load(core::sync::atomic::Ordering::Relaxed)
    }

    pub(crate) fn get(&self) -> Fence {
        match self.word() {
            0 => Fence::Other,
            _ => Fence::Own,
        }
    }

    pub(crate) fn set(&self, fence: Fence) {
        // Relaxed: see `word`.
        self.0
            .store(fence as u64, core::sync::atomic::Ordering::Relaxed);
    }
}

impl Fence {
    /// The rare one's part, between its store and its loads: whether it did it.
    pub(crate) fn settle(self) -> bool {
        // SeqCst: pairs with `store_before_load`.
        fence(Ordering::SeqCst);
        self == Self::Own || crate::sys::barrier()
    }
}

/// Defines a constructor that is `const`, except under loom, whose types are
/// registered with the running model as they are made.
macro_rules! const_unless_loom {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($args:tt)*) -> $ret:ty $body:block) => {
        #[cfg(not(loom))]
        $(#[$meta])*
        $vis const fn $name($($args)*) -> $ret $body

        #[cfg(loom)]
        $(#[$meta])*
        $vis fn $name($($args)*) -> $ret $body
    };
}
pub(crate) use const_unless_loom;

/// An array of atomics that are all made in the same way; `const`, except under
/// loom.
#[cfg(not(loom))]
macro_rules! atomic_array {
    ($atomic:expr; $len:expr) => {
        [const { $atomic }; $len]
    };
}
#[cfg(loom)]
macro_rules! atomic_array {
    ($atomic:expr; $len:expr) => {
        core::array::from_fn::<_, { $len }, _>(|_| $atomic)
    };
}
pub(crate) use atomic_array;

/// Keeps a value on cache lines of its own (128 bytes: a pair of lines, since
/// processors prefetch them together).
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct CachePadded<T>(pub(crate) T);

impl<T> core::ops::Deref for CachePadded<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}
