//! What the tracer may ask of the scheduler when a generation moves: that all
//! workers take notice, to see every task that holds still, and the names of
//! places.

use runtime_trace::{Frame, Host, Sweep, SweptState, Symbolizer};

use super::push_stack;
use crate::sched::Shared;
use crate::state::Still;

/// The scheduler, seen by the tracer.
pub(super) struct SchedulerHost<'a, 's>(pub(super) &'a Shared<'s>);

impl Host for SchedulerHost<'_, '_> {
    fn checkpoint(&self) {
        self.0.checkpoint_all();
    }

    fn sweep(&self, sweep: &Sweep<'_>) {
        let code = self.0.env.code;
        self.0.tasks.each(|task| {
            if let Some(held) = task.body.hold_still() {
                let state = match held.still() {
                    Still::Runnable => SweptState::Runnable,
                    Still::Waiting => SweptState::Waiting,
                };
                sweep.task(&task.trace, state, |pcs| {
                    push_stack(pcs, held.get().calls(code))
                });
            }
        });
        self.0.idle.each_proc(|proc| sweep.proc_idle(proc.trace()));
    }
}

impl Symbolizer for SchedulerHost<'_, '_> {
    fn frames(&self, pc: usize, visit: &mut dyn FnMut(Frame<'_>)) {
        let code = self.0.env.code;
        if let Some(place) = code.resolve(pc) {
            visit(Frame {
                pc,
                function: place.function,
                file: place.file,
                line: place.line,
            });
        }
    }
}
