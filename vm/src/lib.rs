//! The Weft virtual machine: runs a compiled program's tasks on an M:N
//! scheduler and, if asked to, records an execution trace of them that Go's
//! tools open.
//!
//! ```text
//!  main.rs ──► run() ──► sched: workers, procs, queues, timers
//!                          │ run_task            │ every transition
//!                          ▼                     ▼
//!                        interp ── effects ──► trace ──► runtime-trace
//!                          │           │
//!                  value, heap, text   channel, ticket, handle, copy
//! ```
//!
//! [`run`] can be called as often as one likes, also at the same time: nothing
//! is global.
//!
//! # Invariants
//!
//! - A task's memory belongs to one thread at a time: its worker, its waker or
//!   a visitor; see `state.rs`. Tasks share nothing but strings, channels and
//!   handles.
//! - A thread runs tasks only while it holds a proc, of which there are as many
//!   as workers; see `sched`.
//! - Tracing changes neither a program's output nor its status.

#![deny(unsafe_code)]
#![warn(unreachable_pub)]

mod builtins;
mod bury;
mod channel;
mod code;
mod control;
mod copy;
mod equal;
mod error;
mod fault;
#[allow(unsafe_code, reason = "it waits for a file and an interrupt at once")]
mod files;
mod gauge;
mod handle;
mod heap;
mod interp;
mod interrupt;
mod line;
mod number;
mod options;
mod outcome;
mod output;
mod recorded;
mod report;
mod sched;
#[allow(unsafe_code, reason = "who may touch a task's memory is a protocol")]
mod state;
mod sync;
mod task;
mod text;
mod ticket;
mod trace;
mod value;

use std::io::Write;
use std::time::Instant;

use weft::Program;

use crate::builtins::Env;
use crate::code::Code;
use crate::output::Output;
use crate::sched::{ProcCore, Shared};
use crate::trace::Tracing;

pub use control::{TraceControl, TraceRequests, trace_control};
pub use error::VmError;
pub use fault::Fault;
pub use interrupt::Interrupt;
pub use options::{MAX_WORKERS, NextFile, Options, TraceFile, TraceOptions, TraceVersion};
pub use outcome::{
    Blocked, CallSite, Deadlock, End, Outcome, RuntimeError, SHOWN_CALLS, SHOWN_TASKS,
};
pub use recorded::{FileReport, Gap, MAX_TRACE_FILES, NotResumed, TraceReport};
pub use trace::{DEFAULT_TRACE_MEMORY, Loss, Losses, StartError, prepare_trace};

/// Runs a program to its end. What it prints goes to `out`. One that may block
/// for ever can give up with [`WouldBlock`](std::io::ErrorKind::WouldBlock) once
/// [`Options::interrupt`] is raised; then that is how the program ends.
///
/// The program is one that [`weft::compile`] has made; one that breaks the
/// promises of [`Program`] may end as [`End::Panicked`].
///
/// # Errors
/// If it cannot be started. What goes wrong in the program itself, or with its
/// output or trace, is part of the outcome.
pub fn run(
    program: &Program,
    options: Options,
    out: &mut (dyn Write + Send),
) -> Result<Outcome, VmError> {
    let Options {
        workers,
        args,
        trace,
        control,
        flush_lines,
        interrupt,
    } = options;
    if !(1..=MAX_WORKERS).contains(&workers) {
        return Err(VmError::Workers(workers));
    }
    let code = Code::new(program).map_err(VmError::BadCode)?;
    let env = Env {
        code: &code,
        args: &args,
        epoch: Instant::now(),
    };
    let tracing = Tracing::new();
    let procs: Vec<ProcCore> = (0..workers).map(ProcCore::new).collect();
    let shared = Shared::new(
        env,
        &tracing,
        &procs,
        Output::new(out, flush_lines),
        interrupt,
    );
    let ran = if trace.is_some() || control.is_some() {
        let requests = control.unwrap_or_else(|| trace_control().1);
        trace::run_recorded(&shared, workers, trace, requests, || shared.run())
    } else {
        Ok((shared.run(), None))
    };
    shared.clear();
    let (end, trace) = ran?;
    Ok(Outcome { end: end?, trace })
}
