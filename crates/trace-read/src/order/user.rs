//! What the program itself says: user tasks and user regions.

use std::sync::Arc;

use crate::contradiction::Contradiction;
use crate::cursor::Timed;
use crate::event::{TaskId, UserTaskId};
use crate::ids::IdMap;
use crate::order::workers::refused;
use crate::order::{Order, Outcome};
use crate::step::{NONE, What};

/// The user tasks that have begun and not ended.
#[derive(Debug, Default)]
pub(super) struct UserTasks(IdMap<UserTask>);

/// What the end of a user task does not repeat.
#[derive(Debug)]
struct UserTask {
    name: Arc<str>,
    parent: u64,
}

/// The user regions that a task is in, the innermost last.
///
/// They are told apart by name: a string's ID changes with the generation.
#[derive(Debug, Default)]
pub(super) struct Regions(Vec<(u64, Arc<str>)>);

impl Order {
    /// A user task begins. Its parent need not be known.
    pub(super) fn user_task_begin(&mut self, event: &Timed, w: u32) -> Outcome {
        let [id, parent, name, stack] = event.args;
        // On the wire 0 is no parent here, not the background task.
        let parent = if parent == 0 { NONE } else { parent };
        self.workers.on_task(w)?;
        if self.user_tasks.0.contains_key(&id) {
            let user_task = UserTaskId(id);
            return Err(refused(Contradiction::UserTaskBegun { user_task }));
        }
        let name_of = self.share(name);
        let begun = UserTask {
            name: name_of,
            parent,
        };
        self.user_tasks.0.insert(id, begun);
        self.emit(event, w, stack, What::UserTaskBegin { id, parent, name });
        Ok(true)
    }

    /// A user task ends. It may have begun before the trace, or ended before.
    pub(super) fn user_task_end(&mut self, event: &Timed, w: u32) -> Outcome {
        let [id, stack, ..] = event.args;
        self.workers.on_task(w)?;
        let mut parent = NONE;
        let mut name = None;
        if let Some(begun) = self.user_tasks.0.remove(&id) {
            parent = begun.parent;
            name = Some(begun.name);
        }
        self.carry(name);
        self.emit(event, w, stack, What::UserTaskEnd { id, parent });
        Ok(true)
    }

    /// The running task enters or leaves a user region.
    ///
    /// One that it leaves may have been entered before the trace. If its name is not
    /// there, it may be any.
    pub(super) fn user_region(&mut self, event: &Timed, w: u32, begins: bool) -> Outcome {
        self.workers.on_task(w)?;
        let [user_task, name, stack, _] = event.args;
        let held = self.workers.task(w);
        let task = TaskId(held.id);
        let Some(slot) = self.tasks.held(held) else {
            return Err(refused(Contradiction::UnknownTask { task }));
        };
        if begins {
            let text = self.share(name);
            let regions = &mut self.tasks[slot].more().regions;
            regions.0.push((user_task, text));
        } else if let Some(more) = &mut self.tasks[slot].more
            && let Some((its, text)) = more.regions.0.last()
        {
            let ends = self.tables.string(name);
            if *its != user_task || ends.is_some_and(|ends| **text != *ends) {
                return Err(refused(Contradiction::Region {
                    task,
                    innermost: Arc::clone(text),
                    ends: ends.unwrap_or_default().into(),
                }));
            }
            more.regions.0.pop();
        }
        let what = What::UserRegion {
            begins,
            user_task,
            name,
        };
        self.emit(event, w, stack, what);
        Ok(true)
    }
}
