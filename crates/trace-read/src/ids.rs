//! From the numbers that a file gives things to slots in a `Vec`.
//!
//! Tasks, stacks and strings are mostly numbered from 1 upwards, and no file
//! can be trusted to do so. Both tables here take memory in proportion to what
//! was put into them, whatever the numbers are.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

/// From IDs to slots, for things that come and go.
pub(crate) type SlotMap = IdMap<u32>;

/// A hash table by ID.
pub(crate) type IdMap<V> = HashMap<u64, V, Mix>;

/// Forgets everything and keeps the memory, unless little of it was in use: to empty
/// a table takes as long as it is large, and the next one may be as small again.
pub(crate) fn empty<V>(map: &mut IdMap<V>) {
    const SMALL: usize = 1 << 6;
    match map.capacity() > SMALL.max(8 * map.len()) {
        true => *map = IdMap::default(),
        false => map.clear(),
    }
}

/// Hashes one number by a multiplication folded onto itself, as wyhash mixes its
/// words. The seed is drawn for each table, so that a file cannot be made to
/// have IDs which collide.
#[derive(Clone, Debug)]
pub(crate) struct Mix(u64);

impl Default for Mix {
    fn default() -> Self {
        Self(RandomState::new().hash_one(0))
    }
}

impl BuildHasher for Mix {
    type Hasher = Mixer;

    #[inline]
    fn build_hasher(&self) -> Mixer {
        Mixer(self.0)
    }
}

/// The [`Hasher`] of [`Mix`].
pub(crate) struct Mixer(u64);

impl Hasher for Mixer {
    #[inline]
    fn write_u64(&mut self, number: u64) {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let product = u128::from(number ^ self.0) * u128::from(ODD);
        self.0 = product as u64 ^ (product >> 64) as u64;
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

/// From IDs to slots, for a table that only grows until it is emptied.
///
/// Slots are numbered from 1 in the order of insertion; ID 0 is slot 0 and
/// always there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    /// Slots by ID, 0 where there is none. Never much longer than there are IDs.
    dense: Vec<u32>,
    /// Slots of IDs that were beyond `dense` when they came.
    sparse: SlotMap,
    len: u32,
}

impl Index {
    /// IDs up to here are kept by position even if few of them are used.
    const SMALL: usize = 1 << 10;

    /// The slot of `id`.
    #[inline(always)]
    pub fn get(&self, id: u64) -> Option<u32> {
        if id == 0 {
            return Some(0);
        }
        match usize::try_from(id).ok().and_then(|at| self.dense.get(at)) {
            Some(&slot) if slot != 0 => Some(slot),
            _ => self.get_sparse(id),
        }
    }

    #[cold]
    #[inline(never)]
    fn get_sparse(&self, id: u64) -> Option<u32> {
        self.sparse.get(&id).copied()
    }

    /// Gives `id` the next slot, unless it has one.
    pub fn insert(&mut self, id: u64) -> Option<u32> {
        if self.get(id).is_some() {
            return None;
        }
        self.len += 1;
        let room = Self::SMALL.max(2 * self.len as usize);
        match usize::try_from(id) {
            Ok(at) if at < room => {
                if at >= self.dense.len() {
                    self.dense.resize(at + 1, 0);
                }
                self.dense[at] = self.len;
            }
            _ => {
                self.sparse.insert(id, self.len);
            }
        }
        Some(self.len)
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.dense.clear();
        empty(&mut self.sparse);
        self.len = 0;
    }

    /// Bytes that it takes.
    pub fn held(&self) -> usize {
        self.dense.len() * size_of::<u32>() + self.sparse.len() * size_of::<(u64, u32)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_in_the_order_of_insertion() {
        let mut index = Index::default();
        assert_eq!(index.get(0), Some(0));
        assert_eq!(index.get(7), None);
        assert_eq!(index.insert(0), None);
        let ids = [7, u64::MAX, 3, 1 << 40, 5_000, 1];
        for (at, id) in ids.into_iter().enumerate() {
            assert_eq!(index.insert(id), Some(at as u32 + 1));
            assert_eq!(index.insert(id), None);
        }
        for (at, id) in ids.into_iter().enumerate() {
            assert_eq!(index.get(id), Some(at as u32 + 1));
        }
        assert_eq!(index.get(2), None);
        index.clear();
        assert_eq!(index.get(7), None);
        assert_eq!(index.get(u64::MAX), None);
        assert_eq!(index.insert(u64::MAX), Some(1));
    }

    /// An ID that was far off when it came is found when others have caught up.
    #[test]
    fn sparse_becomes_dense_around_an_id() {
        let mut index = Index::default();
        assert_eq!(index.insert(3_000), Some(1));
        for id in 1..10_000 {
            index.insert(id);
        }
        assert_eq!(index.get(3_000), Some(1));
        assert_eq!(index.insert(3_000), None);
        assert!(index.held() < 10_000 * 4 + 100);
    }

    /// To empty a table costs as much as there is room in it. That must not be what
    /// it once had, time and again.
    #[test]
    fn room_follows_what_was_there_last() {
        let mut map = IdMap::default();
        map.extend((0..10_000).map(|id| (id, ())));
        empty(&mut map);
        assert!(map.capacity() >= 10_000, "{}", map.capacity());
        for _ in 0..2 {
            map.extend((0..3).map(|id| (id, ())));
            empty(&mut map);
        }
        assert!(map.is_empty() && map.capacity() <= 1 << 6);
    }

    #[test]
    fn memory_follows_the_number_of_ids() {
        let mut index = Index::default();
        for at in 0..1_000 {
            index.insert(u64::MAX / 1_000 * at + 1);
        }
        assert!(index.held() < 32 << 10);
    }
}
