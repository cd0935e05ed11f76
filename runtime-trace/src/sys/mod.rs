//! What the tracer asks of the operating system, and nothing else.
//!
//! Each function says what it needs and what it gives; the rest of the crate
//! calls no foreign code. Pages come from `mmap` (`mmap.rs`) or, in models,
//! from the heap (`heap.rs`), where loom can run without a system call per
//! block.

mod barrier;
mod counter;
#[cfg(loom)]
mod heap;
#[cfg(not(loom))]
mod mmap;
mod unix;

pub(crate) use barrier::{barrier, prepare_barrier};
pub(crate) use counter::{counter, counter_is_steady};
#[cfg(loom)]
pub(crate) use heap::{map, unmap};
#[cfg(all(target_os = "linux", not(loom)))]
pub(crate) use mmap::wipe_on_fork;
#[cfg(not(loom))]
pub(crate) use mmap::{map, unmap};
pub(crate) use unix::{monotonic_ns, wall_clock};
#[cfg(not(loom))]
pub(crate) use unix::{random_seed, yield_thread};
