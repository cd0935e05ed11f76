//! The Rust peers of the tracer's map.
//!
//! Those that are general maps get the keys as boxed bytes, numbers from a
//! counter, and one of the fastest hashes there are for Rust, with a random seed
//! as ours has (rapidhash). Each is used as its documentation says is fastest: a
//! look first, and an insertion only if that finds nothing.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashTable;
use rapidhash::fast::RandomState;

use crate::interners::Interner;

/// The next number of a map that hands out none itself.
#[derive(Default)]
struct Numbers(AtomicU64);

impl Numbers {
    #[inline]
    fn next(&self) -> u64 {
        // Relaxed: only distinctness matters.
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// `papaya::HashMap`, pinned once for all keys. In its default mode of growing, a
/// map that was only ever added to keeps several tables that every look has to
/// go through (a microsecond at 10,000 entries), so it grows at once.
pub(crate) struct Papaya {
    map: papaya::HashMap<Box<[u8]>, u64, RandomState>,
    numbers: Numbers,
}

impl Interner for Papaya {
    fn new() -> Self {
        Self {
            map: papaya::HashMap::builder()
                .hasher(RandomState::new())
                .resize_mode(papaya::ResizeMode::Blocking)
                .build(),
            numbers: Numbers::default(),
        }
    }

    #[inline]
    fn put_all<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) -> u64 {
        let map = self.map.pin();
        keys.map(|key| match map.get(key) {
            Some(id) => *id,
            None => *map.get_or_insert_with(Box::from(key), || self.numbers.next()),
        })
        .fold(0, u64::wrapping_add)
    }
}

/// `dashmap::DashMap`.
pub(crate) struct Dashmap {
    map: dashmap::DashMap<Box<[u8]>, u64, RandomState>,
    numbers: Numbers,
}

impl Interner for Dashmap {
    fn new() -> Self {
        Self {
            map: dashmap::DashMap::with_hasher(RandomState::new()),
            numbers: Numbers::default(),
        }
    }

    #[inline]
    fn put_all<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) -> u64 {
        keys.map(|key| match self.map.get(key) {
            Some(id) => *id,
            None => *self
                .map
                .entry(Box::from(key))
                .or_insert_with(|| self.numbers.next()),
        })
        .fold(0, u64::wrapping_add)
    }
}

/// `scc::HashMap`.
pub(crate) struct SccMap {
    map: scc::HashMap<Box<[u8]>, u64, RandomState>,
    numbers: Numbers,
}

impl Interner for SccMap {
    fn new() -> Self {
        Self {
            map: scc::HashMap::with_hasher(RandomState::new()),
            numbers: Numbers::default(),
        }
    }

    #[inline]
    fn put_all<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) -> u64 {
        keys.map(|key| match self.map.read_sync(key, |_, id| *id) {
            Some(id) => id,
            None => *self
                .map
                .entry_sync(Box::from(key))
                .or_insert_with(|| self.numbers.next()),
        })
        .fold(0, u64::wrapping_add)
    }
}

/// `scc::HashIndex`, which is made for reading.
pub(crate) struct SccIndex {
    map: scc::HashIndex<Box<[u8]>, u64, RandomState>,
    numbers: Numbers,
}

impl Interner for SccIndex {
    fn new() -> Self {
        Self {
            map: scc::HashIndex::with_hasher(RandomState::new()),
            numbers: Numbers::default(),
        }
    }

    #[inline]
    fn put_all<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) -> u64 {
        keys.map(|key| match self.map.peek_with(key, |_, id| *id) {
            Some(id) => id,
            None => *self
                .map
                .entry_sync(Box::from(key))
                .or_insert_with(|| self.numbers.next()),
        })
        .fold(0, u64::wrapping_add)
    }
}

/// `lasso::ThreadedRodeo`, which takes text only.
pub(crate) struct Lasso(lasso::ThreadedRodeo<lasso::Spur, RandomState>);

impl Interner for Lasso {
    fn new() -> Self {
        Self(lasso::ThreadedRodeo::with_hasher(RandomState::new()))
    }

    #[inline]
    fn put_all<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) -> u64 {
        keys.map(|key| {
            // SAFETY: lasso is only ever given keys of text, which are ASCII.
            let text = unsafe { std::str::from_utf8_unchecked(key) };
            u64::from(self.0.get_or_intern(text).into_inner().get())
        })
        .fold(0, u64::wrapping_add)
    }
}

/// A table without a lock of its own: key and number in place.
#[derive(Default)]
struct Table {
    entries: HashTable<(Box<[u8]>, u64)>,
    hasher: RandomState,
}

impl Table {
    #[inline]
    fn put(&mut self, key: &[u8]) -> u64 {
        let hash = self.hasher.hash_one(key);
        if let Some((_, id)) = self.entries.find(hash, |(there, _)| **there == *key) {
            return *id;
        }
        let id = self.entries.len() as u64 + 1;
        let hasher = &self.hasher;
        self.entries
            .insert_unique(hash, (Box::from(key), id), |(key, _)| {
                hasher.hash_one(&**key)
            });
        id
    }
}

/// hashbrown behind a lock of parking_lot's.
pub(crate) struct ParkingLot(parking_lot::Mutex<Table>);

impl Interner for ParkingLot {
    fn new() -> Self {
        Self(parking_lot::Mutex::default())
    }

    #[inline]
    fn put_all<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) -> u64 {
        keys.map(|key| self.0.lock().put(key))
            .fold(0, u64::wrapping_add)
    }
}

/// hashbrown behind a spin lock.
pub(crate) struct SpinLock(spin::mutex::SpinMutex<Table>);

impl Interner for SpinLock {
    fn new() -> Self {
        Self(spin::mutex::SpinMutex::default())
    }

    #[inline]
    fn put_all<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) -> u64 {
        keys.map(|key| self.0.lock().put(key))
            .fold(0, u64::wrapping_add)
    }
}
