//! What a program tells the trace: regions, user tasks, logs and labels.
//!
//! They concern the calling task alone; only the pen has to be at hand. A task
//! keeps the regions and user tasks that it has opened on one stack, so that an
//! error can end them in their order.

use std::sync::Arc;

use weft::op::Reg;

use super::Proc;
use super::effects::{Flow, attempt};
use super::worker::Worker;
use crate::fault::Fault;
use crate::heap::View;
use crate::state::Owner;
use crate::task::{Body, Label, Open, Task};
use crate::value::Value;

impl<'s> Worker<'_, 's> {
    pub(super) fn region_begin<'t>(
        &self,
        proc: &Proc<'s>,
        task: &Task,
        mut owner: Owner<'t, Body>,
        name: Reg,
    ) -> Flow<'t> {
        let value = *owner.get_mut().register(name.0);
        let name = attempt!(owner, self.string(&owner, value, "`region`"));
        let user_task = owner.get().user_task;
        self.pen
            .region_begin(proc, self.here(task, &owner), user_task, &name);
        owner.get_mut().open.push(Open::Region(value));
        self.next(owner)
    }

    pub(super) fn user_task_begin<'t>(
        &self,
        proc: &Proc<'s>,
        task: &Task,
        mut owner: Owner<'t, Body>,
        name: Reg,
    ) -> Flow<'t> {
        let value = *owner.get_mut().register(name.0);
        let name = attempt!(owner, self.string(&owner, value, "`task`"));
        let outer = owner.get().user_task;
        let id = self
            .pen
            .user_task_begin(proc, self.here(task, &owner), outer, &name);
        let body = owner.get_mut();
        body.user_task = id;
        body.open.push(Open::UserTask { outer });
        self.next(owner)
    }

    /// Ends the region or user task that the task has opened last.
    pub(super) fn end_innermost(&self, proc: &Proc<'s>, task: &Task, owner: &mut Owner<'_, Body>) {
        let user_task = owner.get().user_task;
        match owner.get_mut().open.pop() {
            Some(Open::Region(name)) => {
                if let View::Str(name) = self.view(owner, name) {
                    self.pen
                        .region_end(proc, self.here(task, owner), user_task, name);
                }
            }
            Some(Open::UserTask { outer }) => {
                self.pen
                    .user_task_end(proc, self.here(task, owner), user_task);
                owner.get_mut().user_task = outer;
            }
            None => {}
        }
    }

    pub(super) fn log<'t>(
        &self,
        proc: &Proc<'s>,
        task: &Task,
        mut owner: Owner<'t, Body>,
        base: Reg,
    ) -> Flow<'t> {
        let [category, message] = [0, 1].map(|i| *owner.get_mut().register(base.0 + i));
        match (self.view(&owner, category), self.view(&owner, message)) {
            (View::Str(category), View::Str(message)) => {
                let user_task = owner.get().user_task;
                self.pen
                    .log(proc, self.here(task, &owner), user_task, category, message);
            }
            (View::Str(_), other) | (other, _) => {
                let fault = Fault::Type {
                    place: "`log`",
                    wants: "two strings",
                    found: other.type_name(),
                };
                return Flow::Failed(owner, fault);
            }
        }
        *owner.get_mut().register(base.0) = Value::NIL;
        self.next(owner)
    }

    /// Labels the task: now, and in every generation of the trace in which it
    /// begins to run or goes on beyond a look around.
    pub(super) fn label<'t>(
        &self,
        proc: &Proc<'s>,
        task: &Task,
        mut owner: Owner<'t, Body>,
        base: Reg,
    ) -> Flow<'t> {
        let value = *owner.get_mut().register(base.0);
        let text = attempt!(owner, self.string(&owner, value, "`label`"));
        let body = owner.get_mut();
        let label = body.label.insert(Box::new(Label { text, told: 0 }));
        self.pen.label(proc, task, Some(label));
        *body.register(base.0) = Value::NIL;
        self.next(owner)
    }

    fn string(
        &self,
        owner: &Owner<'_, Body>,
        value: Value,
        place: &'static str,
    ) -> Result<Arc<str>, Fault> {
        match self.view(owner, value) {
            View::Str(text) => Ok(Arc::clone(text)),
            other => Err(Fault::Type {
                place,
                wants: "a string",
                found: other.type_name(),
            }),
        }
    }
}
