//! Whether a trace is true: its events in an order in which they can have
//! happened, held against rules stricter than a reader's.
//!
//! The order is found as readers find it: of each thread's next events the
//! earliest that sequence numbers allow. Each is then applied to a `World` of
//! tasks, procs and threads, which knows what cannot be.

mod world;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use trace_format::EventKind;
use trace_format::end::End;

use crate::fault::Fault;
use crate::text;
use crate::wire::{Event, Generation, Trace};

use world::World;

/// What a true trace shows.
#[derive(Debug, Default)]
pub struct Checked {
    /// Timed events by kind.
    pub counts: BTreeMap<EventKind, u64>,
    /// All of them in the order found.
    pub steps: Vec<Step>,
    /// Tasks that live at the end.
    pub live: usize,
}

/// An event with what its thread had when it happened.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The generation's number.
    pub generation: u64,
    /// The thread.
    pub thread: u64,
    /// The task on it, running or in a system call.
    pub task: Option<u64>,
    /// The proc that it held.
    pub proc: Option<u64>,
    /// The event.
    pub event: Event,
}

/// Whether a trace ends where it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// It was stopped: its last generation mentions everything.
    Whole,
    /// It had to end early: its last generation is a consistent part.
    Early,
}

/// Checks a trace.
///
/// # Errors
///
/// The first [`Fault`].
pub fn check(trace: &Trace, ends: Ends) -> Result<Checked, Fault> {
    let mut world = World::default();
    let mut checked = Checked::default();
    for (at, generation) in trace.generations.iter().enumerate() {
        world.begin(generation.number);
        merge(&mut world, generation, &mut checked)?;
        if ends == Ends::Whole || at + 1 < trace.generations.len() {
            world.end()?;
        }
    }
    checked.live = world.live();
    let said = trace.end();
    if (ends == Ends::Whole) != (said == Some(End::Stopped)) {
        return Err(Fault::End { said });
    }
    Ok(checked)
}

/// One thread's events and how many of them have happened.
struct Cursor<'g> {
    thread: u64,
    rest: &'g [Event],
}

/// Applies a generation's events in an order in which they can have happened.
fn merge(world: &mut World, generation: &Generation, checked: &mut Checked) -> Result<(), Fault> {
    let streams = generation.streams.iter();
    let mut cursors: Vec<Cursor<'_>> = streams
        .map(|(&thread, events)| Cursor {
            thread,
            rest: events,
        })
        .collect();
    let queued = |cursors: &[Cursor<'_>], at: usize| {
        cursors[at]
            .rest
            .first()
            .map(|next| Reverse((next.time, at)))
    };
    let mut next: BinaryHeap<_> = (0..cursors.len())
        .filter_map(|at| queued(&cursors, at))
        .collect();
    let mut stalled = Vec::new();
    while let Some(Reverse((time, at))) = next.pop() {
        let cursor = &mut cursors[at];
        let (event, rest) = match cursor.rest {
            [event, rest @ ..] => (event, rest),
            [] => continue,
        };
        let (task, proc) = world.holds(cursor.thread);
        let happened = world
            .apply(generation, cursor.thread, event)
            .map_err(|wrong| Fault::Event {
                generation: generation.number,
                thread: cursor.thread,
                event: text::event(event, generation),
                wrong,
            })?;
        if !happened {
            stalled.push(Reverse((time, at)));
            continue;
        }
        *checked.counts.entry(event.kind).or_default() += 1;
        checked.steps.push(Step {
            generation: generation.number,
            thread: cursor.thread,
            task,
            proc,
            event: *event,
        });
        cursor.rest = rest;
        next.extend(queued(&cursors, at));
        next.extend(stalled.drain(..));
    }
    if stalled.is_empty() {
        return Ok(());
    }
    let said = |&Reverse((time, at)): &Reverse<(u64, usize)>| {
        let event = text::event(&cursors[at].rest[0], generation);
        format!("{time} m{}: {event}", cursors[at].thread)
    };
    Err(Fault::Stuck {
        generation: generation.number,
        next: stalled.iter().map(said).collect(),
    })
}
