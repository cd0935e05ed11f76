//! Events about what the program means by what it does, and figures: readers need
//! none of them to follow tasks and procs, and refuse them where no task runs.

use trace_format::EventKind;

use super::{Emit, StackId};

impl Emit<'_, '_> {
    /// Whether a task runs on this thread; the generation has its status then. If
    /// not, the event that asks is counted as lost.
    #[inline(always)]
    fn runs(&self) -> bool {
        self.pen
            .may_annotate(self.proc.get(), self.task.get(), true)
    }

    /// As [`runs`](Self::runs), for an event that needs no task.
    #[inline(always)]
    fn has_proc(&self) -> bool {
        let (proc, task) = (self.proc.get(), self.task.get());
        self.pen.may_annotate(proc, task, false)
    }

    /// The running task enters a region; `user_task` is 0 for none.
    #[inline]
    pub fn region_begin(&self, user_task: u64, name: &str, stack: StackId<'_>) {
        self.region(EventKind::UserRegionBegin, user_task, name, stack);
    }

    /// The running task leaves the region that it entered last.
    #[inline]
    pub fn region_end(&self, user_task: u64, name: &str, stack: StackId<'_>) {
        self.region(EventKind::UserRegionEnd, user_task, name, stack);
    }

    // Or the two would share one function, and each pay for the call.
    #[inline(always)]
    fn region(&self, kind: EventKind, user_task: u64, name: &str, stack: StackId<'_>) {
        if !self.runs() {
            return;
        }
        // A region's begin and end must agree, so neither is dropped singly.
        match self.pen.put_string(name) {
            Ok(name) => self.transition(kind, [user_task, name.0, self.at(stack)]),
            Err(refused) => self.pen.end_early(refused),
        }
    }

    /// A user task begins. `id` is 1 or more, and used once; `parent` is 0 for
    /// none.
    #[inline]
    pub fn user_task_begin(&self, id: u64, parent: u64, name: &str, stack: StackId<'_>) {
        if !self.runs() {
            return;
        }
        match self.pen.put_string(name) {
            Ok(name) => {
                self.transition(
                    EventKind::UserTaskBegin,
                    [id, parent, name.0, self.at(stack)],
                );
            }
            Err(refused) => self.pen.end_early(refused),
        }
    }

    /// A user task ends.
    #[inline]
    pub fn user_task_end(&self, id: u64, stack: StackId<'_>) {
        if !self.runs() {
            return;
        }
        self.transition(EventKind::UserTaskEnd, [id, self.at(stack)]);
    }

    /// The running task logs a message, for a user task or for none (0).
    #[inline]
    pub fn log(&self, user_task: u64, category: &str, message: &str, stack: StackId<'_>) {
        if !self.runs() {
            return;
        }
        let category = self.pen.put_string(category);
        match category.and_then(|category| Ok((category, self.pen.emit_string(message)?))) {
            Ok((category, message)) => self.droppable(
                EventKind::UserLog,
                [user_task, category.0, message.0, self.at(stack)],
            ),
            Err(refused) => self.pen.lose(refused),
        }
    }

    /// Labels the running task.
    #[inline]
    pub fn label(&self, label: &str) {
        if !self.runs() {
            return;
        }
        match self.pen.put_string(label) {
            Ok(label) => self.droppable(EventKind::GoLabel, [label.0]),
            Err(refused) => self.pen.lose(refused),
        }
    }

    /// Bytes live on the heap. Needs a proc.
    #[inline]
    pub fn heap_alloc(&self, bytes: u64) {
        if !self.has_proc() {
            return;
        }
        self.droppable(EventKind::HeapAlloc, [bytes]);
    }

    /// Bytes at which the next collection is due. Needs a proc.
    pub fn heap_goal(&self, bytes: u64) {
        if !self.has_proc() {
            return;
        }
        self.droppable(EventKind::HeapGoal, [bytes]);
    }

    /// The running task has stopped the world; `kind` says what for.
    ///
    /// Tracing does not start between this and
    /// [`stop_the_world_end`](Self::stop_the_world_end): readers refuse an end
    /// whose begin they have not seen.
    pub fn stop_the_world_begin(&self, kind: &str, stack: StackId<'_>) {
        if !self.runs() {
            return;
        }
        match self.pen.put_string(kind) {
            Ok(kind) => self.transition(EventKind::STWBegin, [kind.0, self.at(stack)]),
            Err(refused) => self.pen.end_early(refused),
        }
    }

    /// The world goes on.
    pub fn stop_the_world_end(&self) {
        if !self.runs() {
            return;
        }
        self.transition(EventKind::STWEnd, []);
    }
}
