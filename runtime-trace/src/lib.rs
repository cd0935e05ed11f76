//! An execution tracer that any language runtime can embed.
//!
//! A runtime that schedules lightweight *tasks* on operating-system threads
//! tells the tracer what happens (a task starts, blocks, is woken by another),
//! and gets a file in the format of Go's execution traces, which opens in
//! `go tool trace` and everything else that reads them.
//!
//! ```text
//!  scheduler ──► Tracer ──► Worker ──► Emit            tracer.rs, emit.rs: the whole API
//!                  │          │          │
//!                  │          │          ├─► string table, stack table ─► TraceMap ─► Region
//!                  │          │          └─► the thread's batch
//!                  │          │                    │ full
//!                  │ start, advance, stop          ▼
//!                  └────────────────────────►    Queue ──► Reader ──► file
//! ```
//!
//! The crate is `no_std`, allocates nothing from a heap (its pages come from
//! `mmap`), starts no thread and calls nothing of its host's but what a
//! [`Host`] offers. Values go in; the tracer never looks into the scheduler.
//!
//! # Embedding
//!
//! 1. Keep a [`TaskTrace`] in each task and a [`ProcTrace`] in each proc.
//! 2. Give each thread that runs tasks a [`Worker`].
//! 3. Around each transition: `if let Some(emit) = worker.acquire(proc, task)`,
//!    and the event. When tracing is off that is one load and one branch.
//! 4. Implement [`Host`], so that a generation can end.
//! 5. On a thread of its own, pull chunks from a [`Reader`] into a file, and
//!    call [`Tracer::advance`] when [`Tracer::advance_due`].
//!
//! The rules that make a trace true are at the head of [`emit`]; a complete
//! embedder in 100 lines is `examples/embedder.rs`.
//!
//! # Invariants of the whole
//!
//! - No panic, no abort: what cannot be recorded is dropped and counted
//!   ([`Losses`]). Debug builds check the lock order and panic if it is broken.
//! - No lock is held across a call out, and no worker ever waits for another
//!   worker, the reader or the end of a generation, but for the few steps of a
//!   spin lock.
//! - Memory is bounded by [`Config::memory_limit`].
//!
//! The design is that of Go's tracer since 1.22; where it differs,
//! `docs/decisions` says why.

#![no_std]

#[cfg(any(test, loom))]
extern crate std;

mod batch;
mod clock;
pub mod emit;
mod generation;
mod hash;
pub mod lock;
mod loss;
pub mod map;
mod node;
mod offer;
pub mod pages;
mod queue;
pub mod region;
mod shared;
mod stacks;
mod status;
mod strings;
mod switch;
mod sync;
mod sys;
mod thread;
mod tracer;

pub use emit::{Emit, KeptStack, StackId, Worker};
pub use generation::{
    AdvanceError, Config, Host, StartError, StopError, Sweep, SweptState, WorkerError,
};
pub use loss::{Loss, Losses};
pub use pages::NoMemory;
pub use stacks::{Frame, Pcs, Symbolizer};
pub use status::{ProcTrace, TaskTrace};
pub use trace_format::{BlockReason, StopReason, Version};
pub use tracer::{Chunk, GenerationLosses, Reader, Stats, Tracer};
