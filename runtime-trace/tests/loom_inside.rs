//! Models of what the tracer keeps to itself: the queue of batches, the string
//! table, the threads' handshake with who ends a generation.
//!
//! They are built from the tracer's own files, so that they reach what is not
//! public, and are small enough to be explored to the end. Models through the
//! public API are in `loom_generations.rs`.
//!
//! Run by `cargo xtask loom`; without `--cfg loom` this file is empty.

#![cfg(loom)]
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "a model uses a part of each file"
)]

#[path = "../src/batch.rs"]
mod batch;
#[path = "../src/clock.rs"]
mod clock;
#[path = "../src/hash.rs"]
mod hash;
#[path = "../src/lock.rs"]
mod lock;
#[path = "../src/loss.rs"]
mod loss;
#[path = "../src/map.rs"]
mod map;
#[path = "../src/node.rs"]
mod node;
#[path = "../src/offer.rs"]
mod offer;
#[path = "../src/pages.rs"]
mod pages;
#[path = "../src/queue.rs"]
mod queue;
#[path = "../src/region.rs"]
mod region;
#[path = "../src/shared.rs"]
mod shared;
#[path = "../src/stacks.rs"]
mod stacks;
#[path = "../src/status.rs"]
mod status;
#[path = "../src/strings.rs"]
mod strings;
#[path = "../src/switch.rs"]
mod switch;
#[path = "../src/sync.rs"]
mod sync;
#[path = "../src/sys/mod.rs"]
mod sys;
#[path = "../src/thread.rs"]
mod thread;

#[path = "loom_inside/given_up.rs"]
mod given_up;
#[path = "loom_inside/handshake.rs"]
mod handshake;
#[path = "loom_inside/output.rs"]
mod output;
#[path = "loom_inside/parts.rs"]
mod parts;
#[path = "loom_inside/queued.rs"]
mod queued;
#[path = "loom_inside/texts.rs"]
mod texts;
