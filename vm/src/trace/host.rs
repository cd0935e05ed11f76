//! What the tracer may ask of the scheduler when a generation moves: that all
//! workers take notice, to see every task that holds still, and the names of
//! places.

use runtime_trace::{Frame, Host, Sweep, SweptState, Symbolizer};

use super::{Recorder, push_stack};
use crate::sched::Shared;
use crate::state::{Held, Still};
use crate::task::{Body, Task};

/// The scheduler, seen by the tracer.
pub(super) struct SchedulerHost<'a, 's> {
    pub(super) shared: &'a Shared<'s>,
    /// The pen of the thread that moves the generation, for procs that it takes
    /// away from system calls.
    pub(super) pen: &'a Recorder<'s>,
}

impl Host for SchedulerHost<'_, '_> {
    fn checkpoint(&self) {
        self.shared.checkpoint_all(self.pen);
    }

    fn sweep(&self, sweep: &Sweep<'_>) {
        let code = self.shared.env.code;
        let visit = |task: &Task, state, held: &Held<'_, Body>| {
            sweep.task(&task.trace, state, |pcs| {
                push_stack(pcs, held.get().calls(code))
            });
        };
        self.shared.each_syscall(self.pen, |task, worker| {
            if let Some(held) = task.body.hold_still() {
                visit(task, SweptState::Syscall { worker }, &held);
            }
        });
        self.shared.tasks.each(|task| {
            if let Some(held) = task.body.hold_still() {
                match held.still() {
                    Still::Runnable => visit(task, SweptState::Runnable, &held),
                    Still::Waiting => visit(task, SweptState::Waiting, &held),
                    // Visited above, or in this generation's events.
                    Still::Syscall => {}
                }
            }
        });
        self.shared
            .idle
            .each_proc(|proc| sweep.proc_idle(proc.trace()));
    }
}

impl Symbolizer for SchedulerHost<'_, '_> {
    fn frames(&self, pc: usize, visit: &mut dyn FnMut(Frame<'_>)) {
        let code = self.shared.env.code;
        if let Some(place) = code.resolve(pc) {
            visit(Frame {
                function: place.function,
                file: place.file,
                line: place.line,
            });
        }
    }
}
