//! The names that a thread has interned lately, in front of the string table.
//!
//! A thread uses few names, again and again. To find one in the table it is
//! hashed first; here it is compared with the last one that came to the same
//! place, found by its length and its end. A name is the same if all its bytes
//! are, and an ID holds for one epoch, so this is never wrong.

use core::cell::RefCell;

use crate::map::Id;
use crate::node::equal;

/// How many names are kept, a power of two.
const KEPT: usize = 16;

/// Longest name that is kept, bytes.
const LONGEST: usize = 32;

/// A thread's last names.
#[derive(Debug)]
pub(super) struct Recent(RefCell<[Entry; KEPT]>);

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// 0 in one that was never used.
    epoch: u64,
    id: Id,
    len: usize,
    bytes: [u8; LONGEST],
}

impl Recent {
    pub(super) const fn new() -> Self {
        let empty = Entry {
            epoch: 0,
            id: Id::EMPTY,
            len: 0,
            bytes: [0; LONGEST],
        };
        Self(RefCell::new([empty; KEPT]))
    }

    /// The ID of `name` in this epoch, if it is still kept; else what `find` says.
    #[inline(always)]
    pub(super) fn id<E>(
        &self,
        epoch: u64,
        name: &str,
        find: impl FnOnce() -> Result<Id, E>,
    ) -> Result<Id, E> {
        let name = name.as_bytes();
        let place = place(name);
        if let Ok(entries) = self.0.try_borrow() {
            let entry = &entries[place];
            let kept = entry.bytes.get(..entry.len);
            if entry.epoch == epoch && kept.is_some_and(|kept| equal(kept, name)) {
                return Ok(entry.id);
            }
        }
        let id = find()?;
        self.keep(place, epoch, name, id);
        Ok(id)
    }

    fn keep(&self, place: usize, epoch: u64, name: &[u8], id: Id) {
        if let Ok(mut entries) = self.0.try_borrow_mut()
            && let Some(bytes) = entries[place].bytes.get_mut(..name.len())
        {
            bytes.copy_from_slice(name);
            entries[place].epoch = epoch;
            entries[place].id = id;
            entries[place].len = name.len();
        }
    }
}

/// Where a name is kept.
#[inline]
fn place(name: &[u8]) -> usize {
    let end = match name.last_chunk() {
        Some(end) => u64::from_le_bytes(*end),
        None => name.last().copied().unwrap_or(0).into(),
    };
    // The golden ratio's digits spread what differs little.
    let spread = (end ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (spread >> (u64::BITS - KEPT.ilog2())) as usize
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Each name gets what was said of it in this epoch, however many there are.
    #[test]
    fn names_are_not_mistaken() {
        let recent = Recent::new();
        let long = "x".repeat(LONGEST + 1);
        for epoch in 1..3 {
            for round in 0..2 {
                for number in 0..100u64 {
                    let name = std::format!("name {number}");
                    let said = Id(epoch * 1000 + number);
                    let id = recent.id(epoch, &name, || Ok::<_, ()>(said));
                    assert_eq!(id, Ok(said), "{name}, round {round}");
                }
                assert_eq!(recent.id(epoch, "", || Ok::<_, ()>(Id(1))), Ok(Id(1)));
                assert_eq!(recent.id(epoch, &long, || Err(())), Err(()));
            }
        }
        let kept = recent.id(2, "name 99", || Err(()));
        assert_eq!(kept, Ok(Id(2099)));
        assert_eq!(recent.id(3, "name 99", || Err(())), Err(()));
    }
}
