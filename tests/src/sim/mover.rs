//! Who moves the trace, and answers for the scheduler meanwhile: a thread beside
//! it, or one of its own in the middle of its work.

use std::sync::atomic::Ordering;

use runtime_trace::{Frame, Host, Sweep, SweptState, Symbolizer};

use crate::sim::lock;
use crate::sim::sites;
use crate::sim::task::{Proc, RUNNABLE, SYSCALL, Task, WAITING, kind, worker};
use crate::sim::worker::Runner;

/// A thread that moves the trace, with what it holds.
pub(super) struct Mover<'r, 's> {
    runner: &'r Runner<'s>,
    proc: Option<&'s Proc>,
    task: Option<&'r Task>,
}

impl<'r, 's> Mover<'r, 's> {
    /// This thread, which holds these.
    pub(super) fn new(
        runner: &'r Runner<'s>,
        proc: Option<&'s Proc>,
        task: Option<&'r Task>,
    ) -> Self {
        Self { runner, proc, task }
    }

    /// Takes a proc out of a system call: whether it was in one.
    fn retake(&self, proc: &'s Proc) -> bool {
        let stolen = self.runner.steal_this(self.proc, self.task, proc);
        if stolen {
            self.runner.sim.give_back(proc);
        }
        stolen
    }
}

impl Symbolizer for Mover<'_, '_> {
    fn frames(&self, pc: usize, visit: &mut dyn FnMut(Frame<'_>)) {
        sites::frames(pc, visit);
    }
}

impl Host for Mover<'_, '_> {
    fn checkpoint(&self) {
        let sim = self.runner.sim;
        // AcqRel: pairs with the load in `safepoint`, which then sees what was
        // done before this call.
        let wanted = sim.wanted.fetch_add(1, Ordering::AcqRel) + 1;
        if let Some(own) = self.proc {
            self.runner.safepoint(own, self.task);
        }
        for proc in &sim.procs {
            // Acquire: pairs with the store in `safepoint`.
            while proc.passed.load(Ordering::Acquire) < wanted
                && !sim.queues().idle.contains(&proc.index())
                && !self.retake(proc)
            {
                sim.wait();
            }
        }
    }

    fn sweep(&self, sweep: &Sweep<'_>) {
        let sim = self.runner.sim;
        for proc in &sim.procs {
            self.retake(proc);
        }
        for shard in &sim.registry {
            for task in lock(shard).values() {
                let may = |state| matches!(kind(state), RUNNABLE | WAITING | SYSCALL);
                let Some(state) = task.state.hold(may) else {
                    continue;
                };
                let swept = match kind(state) {
                    RUNNABLE => SweptState::Runnable,
                    WAITING => SweptState::Waiting,
                    _ => SweptState::Syscall {
                        worker: worker(state),
                    },
                };
                sweep.task(&task.trace, swept, |pcs| task.site().push(pcs));
                task.state.release(state);
            }
        }
        for &proc in &sim.queues().idle {
            sweep.proc_idle(&sim.procs[proc].trace);
        }
    }
}
