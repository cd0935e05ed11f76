//! What the tracer asks of the operating system, and nothing else.
//!
//! Each function says what it needs and what it gives; the rest of the crate
//! calls no foreign code. Pages come from `mmap` (`mmap.rs`) or, in models and
//! for tools that check memory, from the heap (`heap.rs`).

mod barrier;
mod counter;
#[cfg(any(loom, heap_pages))]
mod heap;
#[cfg(not(any(loom, heap_pages)))]
mod mmap;
mod unix;

pub(crate) use barrier::{barrier, prepare_barrier};
pub(crate) use counter::{counter, counter_is_steady};
#[cfg(any(loom, heap_pages))]
pub(crate) use heap::{map, taken_by, unmap};
#[cfg(all(test, target_os = "linux", not(any(loom, heap_pages))))]
pub(crate) use mmap::resident;
#[cfg(all(target_os = "linux", not(any(loom, heap_pages))))]
pub(crate) use mmap::wipe_on_fork;
#[cfg(not(any(loom, heap_pages)))]
pub(crate) use mmap::{map, taken_by, unmap};
pub(crate) use unix::{monotonic_ns, wall_clock};
#[cfg(not(loom))]
pub(crate) use unix::{random_seed, yield_thread};

/// When the system finds memory for pages that it maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backing {
    /// As each is first touched: for what may stay empty for the most part.
    Later,
    /// At once, as far as it can: for what is written soon and all over. This is
    /// one call instead of a fault a page.
    Now,
}
