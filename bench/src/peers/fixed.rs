//! The table that the trie replaced: 8,192 buckets, each a list.
//!
//! Whoever looks for a key takes no lock; whoever adds one does, and looks
//! again. With more keys than buckets the lists grow, and every look with them.
//! Written for comparison, after the description in Go's "runtime: rewrite
//! traceMap to scale better"; keys and nodes come from the tracer's region.

use std::hash::BuildHasher;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use parking_lot::Mutex;
use rapidhash::fast::RandomState;
use runtime_trace::lock::{Held, Rank};
use runtime_trace::pages::{Backing, Env, Pages};
use runtime_trace::region::Region;

use crate::interners::Interner;

const BUCKETS: usize = 1 << 13;

/// A key with its number; the key's bytes follow.
struct Node {
    next: *const Node,
    hash: u64,
    id: u64,
    len: usize,
}

/// See the module's documentation.
pub(crate) struct FixedTable {
    buckets: Box<[AtomicPtr<Node>; BUCKETS]>,
    /// Numbers given out. Who holds the lock may add nodes.
    added: Mutex<u64>,
    hasher: RandomState,
    memory: Region,
    pages: Pages,
}

impl FixedTable {
    #[inline]
    fn put(&self, key: &[u8]) -> u64 {
        let hash = self.hasher.hash_one(key);
        let bucket = &self.buckets[hash as usize % BUCKETS];
        // Acquire: pairs with the Release store in `add`.
        match find(bucket.load(Ordering::Acquire), hash, key) {
            Some(id) => id,
            None => self.add(bucket, hash, key),
        }
    }

    #[cold]
    fn add(&self, bucket: &AtomicPtr<Node>, hash: u64, key: &[u8]) -> u64 {
        let mut added = self.added.lock();
        // Relaxed: the lock orders it.
        let first = bucket.load(Ordering::Relaxed);
        if let Some(id) = find(first, hash, key) {
            return id;
        }
        let held = Held::new();
        let room = size_of::<Node>() + key.len();
        let Ok(memory) = self.memory.alloc(room, &Env::new(&self.pages, &held)) else {
            return 0;
        };
        let node = memory.cast::<Node>();
        *added += 1;
        // SAFETY: the allocation is ours, aligned to 8 and has room for both.
        unsafe {
            node.write(Node {
                next: first,
                hash,
                id: *added,
                len: key.len(),
            });
            ptr::copy_nonoverlapping(key.as_ptr(), node.add(1).cast().as_ptr(), key.len());
        }
        // Release: publishes the node.
        bucket.store(node.as_ptr(), Ordering::Release);
        *added
    }
}

#[inline]
fn find(mut at: *const Node, hash: u64, key: &[u8]) -> Option<u64> {
    while !at.is_null() {
        // SAFETY: what is in a list was written whole before, does not change,
        // and lives as long as the table.
        let node = unsafe { &*at };
        if node.hash == hash && node.len == key.len() {
            // SAFETY: `add` wrote the key's `len` bytes behind the node.
            let there = unsafe { std::slice::from_raw_parts(at.add(1).cast::<u8>(), node.len) };
            if there == key {
                return Some(node.id);
            }
        }
        at = node.next;
    }
    None
}

impl Interner for FixedTable {
    fn new() -> Self {
        Self {
            buckets: Box::new([const { AtomicPtr::new(ptr::null_mut()) }; BUCKETS]),
            added: Mutex::new(0),
            hasher: RandomState::new(),
            memory: Region::new(Rank::StackRegion, Backing::Now),
            pages: Pages::new(usize::MAX),
        }
    }

    fn emptied(mut self) -> Self {
        self.reset();
        self
    }

    #[inline]
    fn put_all<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) -> u64 {
        keys.map(|key| self.put(key)).fold(0, u64::wrapping_add)
    }

    fn measured(fill: impl FnOnce(&Self)) -> (Self, usize) {
        let map = Self::new();
        fill(&map);
        let bytes = map.pages.mapped() + size_of_val(&*map.buckets);
        (map, bytes)
    }
}

impl FixedTable {
    fn reset(&mut self) {
        for bucket in self.buckets.iter_mut() {
            *bucket.get_mut() = ptr::null_mut();
        }
        *self.added.get_mut() = 0;
        let held = Held::new();
        // SAFETY: nobody else has the table: it is borrowed exclusively.
        unsafe { self.memory.release(&Env::new(&self.pages, &held)) };
    }
}

impl Drop for FixedTable {
    fn drop(&mut self) {
        self.reset();
    }
}
