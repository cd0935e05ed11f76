//! What a thread has interned lately, in front of a table.
//!
//! A thread has few names and few stacks, again and again. To find one in the
//! table it is hashed first, and looked for. Here it is compared with the last
//! one that came to the same place, by a number that is cheaper to come by than
//! a hash. What is kept are the table's own nodes: a key is the same if all its
//! bytes are, and holds for one epoch, so this is never wrong.
//!
//! # Invariant
//!
//! Every node here is of the table of `epoch`, and stays while the thread may
//! write into that: a table is emptied after all threads have left its epoch, and
//! no epoch comes twice.

use core::cell::Cell;
use core::ptr::NonNull;

use crate::map::Id;
use crate::node::{Found, Node};

/// The last keys that a thread had of one table, at most `N`, a power of two.
#[derive(Debug)]
pub(super) struct Recent<const N: usize> {
    epoch: Cell<u64>,
    nodes: [Cell<Option<NonNull<Node>>>; N],
}

// SAFETY: nodes are shared by all threads as it is (they belong to a map, which is
// `Sync`), and only read here.
unsafe impl<const N: usize> Send for Recent<N> {}

impl<const N: usize> Recent<N> {
    pub(super) const fn new() -> Self {
        const { assert!(N.is_power_of_two() && N > 1) };
        Self {
            epoch: Cell::new(0),
            nodes: [const { Cell::new(None) }; N],
        }
    }

    /// The ID of `key`, if it was kept in this epoch. `mix` is as it was then.
    ///
    /// # Safety
    ///
    /// This thread may write into `epoch`, and whatever was kept in that is of one
    /// table of that epoch.
    #[inline(always)]
    pub(super) unsafe fn id(&self, epoch: u64, mix: u64, key: &[u8]) -> Option<Id> {
        if self.epoch.get() != epoch {
            return None;
        }
        let node = self.nodes[Self::place(mix)].get()?;
        // SAFETY: the invariant, with the caller's word.
        let found = unsafe { Found::new(node) };
        found.is(key).then(|| found.id())
    }

    /// Keeps what a table has, until something else takes its place. Gives its ID.
    ///
    /// # Safety
    ///
    /// This thread may write into `epoch`, and `found` and whatever else is kept in
    /// that are of one table of that epoch. (What is kept borrows nothing: it is the
    /// epoch that keeps it alive.)
    pub(super) unsafe fn keep(&self, epoch: u64, mix: u64, found: Found<'_>) -> Id {
        if self.epoch.replace(epoch) != epoch {
            self.nodes.iter().for_each(|node| node.set(None));
        }
        self.nodes[Self::place(mix)].set(Some(found.node()));
        found.id()
    }

    /// Where a key is kept. (The golden ratio's digits spread what differs
    /// little.)
    #[inline(always)]
    fn place(mix: u64) -> usize {
        (mix.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - N.ilog2())) as usize
    }
}

/// A number for a name: of its length and its end.
#[inline]
pub(super) fn mix(name: &str) -> u64 {
    let name = name.as_bytes();
    let end = match (name.last_chunk(), name.last_chunk()) {
        (Some(eight), _) => u64::from_le_bytes(*eight),
        (None, Some(four)) => u32::from_le_bytes(*four).into(),
        (None, None) => name.last().copied().unwrap_or(0).into(),
    };
    end ^ (name.len() as u64) << 56
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::lock::{Held, Rank};
    use crate::map::TraceMap;
    use crate::pages::{Env, Pages};
    use std::vec::Vec;

    /// Each key gets its own ID or none, however many there are, and none after
    /// its epoch.
    #[test]
    fn keys_are_not_mistaken() {
        let pages = Pages::new(usize::MAX);
        let held = Held::new();
        let env = Env::new(&pages, &held);
        let recent = Recent::<16>::new();
        let names: Vec<_> = (0..20)
            .map(|number| std::format!("name {number}"))
            .collect();
        for epoch in 1..4 {
            let map = TraceMap::new(Rank::StringRegion);
            // Other IDs in each.
            (0..epoch).for_each(|_| _ = map.steal_id());
            for name in &names {
                map.put(name.as_bytes(), &env).unwrap();
            }
            let mut kept = 0;
            for name in names.iter().chain(&names) {
                // SAFETY: the map is there, and the only one of this epoch.
                let id = || unsafe { recent.id(epoch, mix(name), name.as_bytes()) };
                let known = map.get(name.as_bytes());
                match id() {
                    None => {
                        let node = map.find(name.as_bytes());
                        let node = node.ok().unwrap();
                        // SAFETY: as above.
                        let kept = unsafe { recent.keep(epoch, mix(name), node) };
                        assert_eq!(kept, known.unwrap());
                        assert_eq!(id(), known, "{name} was kept");
                    }
                    id => {
                        kept += 1;
                        assert_eq!(id, known, "{name} in {epoch}");
                    }
                }
            }
            assert!(kept > 0, "some have a place of their own");
            // SAFETY: no other thread, and the next epoch looks at nothing of this.
            unsafe { map.reset(&env) };
        }
    }

    /// Nothing kept, or a table that is gone: nobody looks.
    #[test]
    fn another_epoch_forgets() {
        let pages = Pages::new(usize::MAX);
        let held = Held::new();
        let env = Env::new(&pages, &held);
        let map = TraceMap::new(Rank::StackRegion);
        let recent = Recent::<2>::new();
        // SAFETY: nothing is kept.
        assert_eq!(unsafe { recent.id(1, 7, b"key") }, None);
        map.put(b"key", &env).unwrap();
        let node = map.find(b"key").ok().unwrap();
        // SAFETY: the map is there.
        unsafe { recent.keep(1, 7, node) };
        // SAFETY: the map is there.
        assert_eq!(unsafe { recent.id(1, 7, b"key") }, Some(Id(1)));
        // SAFETY: this is the only thread.
        unsafe { map.reset(&env) };
        for mix in 0..100 {
            // SAFETY: what was kept is of another epoch.
            assert_eq!(unsafe { recent.id(2, mix, b"key") }, None);
        }
        map.put(b"other", &env).unwrap();
        let node = map.find(b"other").ok().unwrap();
        // SAFETY: the map is there, and the only one of this epoch.
        unsafe { recent.keep(2, 0, node) };
        for mix in 0..100 {
            // SAFETY: the map is there, and what was kept before is forgotten.
            assert_eq!(unsafe { recent.id(2, mix, b"key") }, None);
        }
        // SAFETY: this is the only thread.
        unsafe { map.reset(&env) };
    }
}
