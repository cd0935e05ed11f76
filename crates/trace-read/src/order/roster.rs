//! All tasks that exist, and how to find one by its ID.

use std::ops::{Index, IndexMut};

use crate::event::TaskState;
use crate::ids::SlotMap;
use crate::order::Sequence;
use crate::order::ranges::Ranges;
use crate::order::user::Regions;
use crate::order::workers::Held;

/// A task, in half a cache line.
#[derive(Debug, Default)]
#[repr(align(32))]
pub(super) struct Task {
    pub id: u64,
    /// Its last sequence number, of this round.
    number: u64,
    /// What few tasks have.
    pub more: Option<Box<More>>,
    round: u32,
    /// [`TaskState::NotExist`] if there is no task in this slot. Go's reader has a
    /// name for status 0 and lets it pass, as one in which nothing can happen to
    /// the task; that is [`TaskState::Undetermined`].
    pub status: TaskState,
}

/// What a task has that is in a range or a region.
#[derive(Debug, Default)]
pub(super) struct More {
    pub ranges: Ranges,
    pub regions: Regions,
}

impl Task {
    /// Whether it is the one with this ID, and in this state.
    #[inline(always)]
    pub fn is(&self, id: u64, status: TaskState) -> bool {
        self.id == id && self.status == status
    }

    /// Whether `next` is the sequence number that comes next.
    #[inline(always)]
    pub fn is_followed_by(&self, next: Sequence) -> bool {
        let Self { number, round, .. } = *self;
        Sequence { number, round }.is_followed_by(next)
    }

    /// The number of the event that comes next in this round, if any fits.
    pub fn next_number(&self, round: u32) -> Option<u64> {
        (self.round == round).then(|| self.number.wrapping_add(1))
    }

    /// Makes this its last sequence number.
    #[inline(always)]
    pub fn set_sequence(&mut self, last: Sequence) {
        self.number = last.number;
        self.round = last.round;
    }

    pub fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }
}

/// All tasks that exist, by slot. The slot of the task that ended last is used
/// again first.
///
/// IDs are mostly numbered as tasks come, so those of the tasks alive are close
/// together: the low bits of an ID say where its slot is noted. Where two tasks
/// want the same place, the later one goes to a hash table.
#[derive(Debug)]
pub(super) struct Roster {
    /// Those of [`Roster::NONE`] and [`Roster::ELSEWHERE`] are never used.
    all: Vec<Task>,
    free: Vec<u32>,
    /// Slots by the low bits of IDs. A power of two.
    places: Vec<u32>,
    /// Slots of the tasks whose place was taken.
    displaced: SlotMap,
    /// How many tasks there are.
    len: usize,
}

impl Default for Roster {
    fn default() -> Self {
        Self {
            all: vec![Task::default(), Task::default()],
            free: Vec::new(),
            places: vec![Self::NONE; Self::FEW],
            displaced: SlotMap::default(),
            len: 0,
        }
    }
}

impl Roster {
    /// What a place has that no task wants.
    const NONE: u32 = 0;
    /// What a place has that is free again: while its task was there, others that
    /// want it may have been displaced.
    const ELSEWHERE: u32 = 1;
    /// How many places there are at first.
    const FEW: usize = 1 << 10;
    /// So many places a task are many.
    const MANY: usize = 16;

    #[inline(always)]
    fn place(&self, id: u64) -> usize {
        id as usize & (self.places.len() - 1)
    }

    /// The slot where the task with this ID probably is. The caller makes sure, and
    /// asks for [the one](Self::slot) where it is if it is not.
    #[inline(always)]
    pub fn guess(&self, id: u64) -> u32 {
        self.places[self.place(id)]
    }

    /// The slot of the task with this ID.
    pub fn slot(&self, id: u64) -> Option<u32> {
        match self.guess(id) {
            Self::NONE => None,
            guess if self.is_in(id, guess) => Some(guess),
            _ if self.displaced.is_empty() => None,
            _ => self.displaced.get(&id).copied(),
        }
    }

    /// Whether the task with this ID is in this slot.
    fn is_in(&self, id: u64, slot: u32) -> bool {
        let task = &self.all[slot as usize];
        task.id == id && task.status != TaskState::NotExist
    }

    /// The slot of a worker's task.
    ///
    /// The slot noted is good as long as the task lives, and no longer: a file
    /// may let another worker end it, and give its ID to a new one.
    pub fn held(&self, held: Held) -> Option<u32> {
        match self.is_in(held.id, held.slot) {
            true => Some(held.slot),
            false => self.slot(held.id),
        }
    }

    /// Adds a task. `None` if there is one with this ID.
    #[inline(always)]
    pub fn insert(&mut self, id: u64, status: TaskState, sequence: Sequence) -> Option<u32> {
        let place = self.place(id);
        let there = self.places[place];
        if there != Self::NONE && (self.is_in(id, there) || self.is_displaced(id)) {
            return None;
        }
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.all.push(Task::default());
                self.all.len() as u32 - 1
            }
        };
        let task = &mut self.all[slot as usize];
        task.id = id;
        task.status = status;
        task.set_sequence(sequence);
        self.len += 1;
        match there {
            Self::NONE | Self::ELSEWHERE if self.len <= self.places.len() => {
                self.places[place] = slot;
            }
            _ => self.squeeze(id, slot),
        }
        Some(slot)
    }

    fn is_displaced(&self, id: u64) -> bool {
        !self.displaced.is_empty() && self.displaced.contains_key(&id)
    }

    /// Notes where a task is whose place is taken, or may be: there are fewer places
    /// than tasks. If many tasks are displaced there should be more places, unless
    /// these are many.
    #[cold]
    #[inline(never)]
    fn squeeze(&mut self, id: u64, slot: u32) {
        let places = self.places.len();
        let displaced = self.displaced.len() + 1;
        if places < self.len || places < Self::MANY * self.len && displaced * Self::MANY > self.len
        {
            self.grow();
        }
        self.note(id, slot);
    }

    /// Notes where the task is.
    fn note(&mut self, id: u64, slot: u32) {
        let place = self.place(id);
        match &mut self.places[place] {
            free @ (&mut Self::NONE | &mut Self::ELSEWHERE) => *free = slot,
            _ => {
                self.displaced.insert(id, slot);
            }
        }
    }

    /// Makes twice as many places.
    #[cold]
    fn grow(&mut self) {
        let places = vec![Self::NONE; 2 * self.places.len()];
        let before = std::mem::replace(&mut self.places, places);
        let displaced = std::mem::take(&mut self.displaced);
        let slots = before.into_iter().filter(|&slot| slot > Self::ELSEWHERE);
        for slot in slots.chain(displaced.into_values()) {
            self.note(self.all[slot as usize].id, slot);
        }
    }

    /// Removes the task in this slot.
    pub fn remove(&mut self, slot: u32) {
        let task = &mut self.all[slot as usize];
        task.status = TaskState::NotExist;
        if task.more.is_some() {
            task.more = None;
        }
        let id = task.id;
        let place = self.place(id);
        match &mut self.places[place] {
            its if *its == slot => *its = Self::ELSEWHERE,
            _ => {
                self.displaced.remove(&id);
            }
        }
        self.free.push(slot);
        self.len -= 1;
    }
}

impl Index<u32> for Roster {
    type Output = Task;

    #[inline(always)]
    fn index(&self, slot: u32) -> &Task {
        &self.all[slot as usize]
    }
}

impl IndexMut<u32> for Roster {
    #[inline(always)]
    fn index_mut(&mut self, slot: u32) -> &mut Task {
        &mut self.all[slot as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// As a map of IDs would do it, with IDs that want the same place and others,
    /// few and many.
    #[test]
    fn as_a_map_of_ids() {
        let mut roster = Roster::default();
        let mut model: HashMap<u64, u32> = HashMap::new();
        let sequence = Sequence {
            number: 0,
            round: 1,
        };
        let mut random = 1u64;
        for step in 0..40_000u64 {
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d) ^ step;
            let id = match random >> 62 {
                0 => step,
                1 => ((random >> 40) % 64) << 32,
                2 => u64::MAX - (random >> 40) % 64 * Roster::FEW as u64,
                _ => (random >> 40) % 5_000,
            };
            assert_eq!(roster.slot(id), model.get(&id).copied());
            if model.contains_key(&id) {
                assert_eq!(roster.insert(id, TaskState::Waiting, sequence), None);
            }
            match model.remove(&id) {
                Some(slot) if step % 4 == 0 => roster.remove(slot),
                Some(slot) => {
                    model.insert(id, slot);
                }
                None => {
                    let slot = roster.insert(id, TaskState::Waiting, sequence);
                    let slot = slot.expect("it is new");
                    assert!(model.values().take(8).all(|&other| other != slot));
                    model.insert(id, slot);
                }
            }
            assert_eq!(roster.len, model.len());
        }
        assert!(model.len() > 4 * Roster::FEW && !roster.displaced.is_empty());
        for (&id, &slot) in &model {
            assert_eq!(roster.slot(id), Some(slot));
            assert_eq!(roster[slot].id, id);
            let held = Held { id, slot: 0 };
            assert_eq!(roster.held(held), Some(slot));
        }
        // Slots are used again, and none is there twice.
        let mut slots: Vec<_> = model.values().collect();
        slots.sort_unstable();
        slots.dedup();
        assert_eq!(slots.len(), model.len());
        assert_eq!(roster.all.len(), 2 + model.len() + roster.free.len());
    }
}
