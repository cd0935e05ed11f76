//! What the scheduler knows of tasks, put into words for a person.

use std::collections::BTreeMap;

use crate::code::Code;
use crate::fault::Fault;
use crate::outcome::{Blocked, CallSite, Deadlock, RuntimeError, SHOWN_CALLS, SHOWN_TASKS};
use crate::sched::Tasks;
use crate::state::Still;
use crate::task::{Stack, Wait};
use crate::trace::reason;

/// So many calls are shown from the outer end of a deep stack.
const OUTER_CALLS: usize = 5;

/// The error of a task, with its stack.
pub(crate) fn runtime_error(task: u64, fault: Fault, stack: Stack<'_>) -> RuntimeError {
    let depth = stack.depth();
    let left_out = depth.saturating_sub(SHOWN_CALLS + OUTER_CALLS);
    let shown = |i: &usize| left_out == 0 || *i < SHOWN_CALLS || *i >= SHOWN_CALLS + left_out;
    let calls = stack
        .calls()
        .enumerate()
        .filter(|(i, _)| shown(i))
        .map(|(_, call)| site(stack.code, call));
    RuntimeError {
        fault,
        file: stack.code.file.clone(),
        task,
        stack: calls.collect(),
        left_out,
    }
}

/// All tasks that wait, when nothing else is left.
pub(crate) fn deadlock(tasks: &Tasks, code: &Code) -> Deadlock {
    let mut count = 0;
    let mut first = BTreeMap::new();
    tasks.each(|task| {
        let Some(held) = task
            .body
            .hold_still()
            .filter(|held| held.still() == Still::Waiting)
        else {
            return;
        };
        count += 1;
        if first.len() < SHOWN_TASKS
            || first
                .last_key_value()
                .is_some_and(|(&last, _)| task.id < last)
        {
            let body = held.get();
            let stack = body.calls(code);
            let at = stack
                .calls()
                .next()
                .map_or_else(unknown, |call| site(code, call));
            let name = stack.root_name().to_owned();
            first.insert(
                task.id,
                Blocked {
                    task: task.id,
                    name,
                    reason: words(body.wait),
                    at,
                },
            );
            if first.len() > SHOWN_TASKS {
                first.pop_last();
            }
        }
    });
    let tasks: Vec<_> = first.into_values().collect();
    Deadlock {
        file: code.file.clone(),
        more: count - tasks.len(),
        tasks,
    }
}

fn words(wait: Wait) -> String {
    match wait {
        Wait::Join(id) => format!("join of task {id}"),
        other => reason(other).as_str().to_owned(),
    }
}

fn site(code: &Code, (function, pc): (u32, u32)) -> CallSite {
    CallSite {
        function: code.function(function).name.to_string(),
        position: code.position(function, pc),
    }
}

fn unknown() -> CallSite {
    CallSite {
        function: "?".to_owned(),
        position: weft::Position::default(),
    }
}
