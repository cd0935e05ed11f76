//! What the end-to-end tests share: a scheduler to trace, and a judge of files.
//!
//! ```text
//!  sim (a seeded scheduler) ──┐                             ┌─► check: is it true?
//!                             ├─► runtime-trace ─► file ─► wire
//!  hands (steps by hand) ─────┤                             └─► text, to compare
//!  lone (a task a thread) ────┘
//!  storm (all of it at once, at random; programs in the VM as well)
//! ```
//!
//! Nothing here knows how the tracer or the scheduler of the language works:
//! [`sim`] is an embedder like any other, and [`check`] knows only the format.
//! So what both agree on is in the file.

#![forbid(unsafe_code)]

pub mod check;
pub mod fault;
pub mod hands;
pub mod kept;
pub mod lone;
pub mod rng;
pub mod sim;
pub mod storm;
pub mod text;
pub mod truth;
pub mod wire;
