//! The hash of keys, seeded so that an outsider cannot aim at it.
//!
//! Names in a trace may come from a hostile peer (a request's path in a log, a
//! label). Were the hash known, such a peer could turn a trie into a list. So
//! each map draws a seed from the system's randomness at its first use, and the
//! hash's other constants with it: rapidhash with its published constants has
//! collisions that hold for every seed.

use rapidhash::v3::{RapidSecrets, rapidhash_v3_micro_inline};

/// A hash function of its own kind.
#[derive(Debug)]
pub(crate) struct Hasher {
    #[cfg(not(loom))]
    secrets: spin::Once<RapidSecrets>,
}

impl Hasher {
    /// Draws nothing yet.
    pub(crate) const fn new() -> Self {
        Self {
            #[cfg(not(loom))]
            secrets: spin::Once::new(),
        }
    }

    /// The hash of `key`: the same for equal bytes, for the life of the hasher.
    #[inline]
    pub(crate) fn hash(&self, key: &[u8]) -> u64 {
        rapidhash_v3_micro_inline::<true, false>(key, self.secrets())
    }

    /// `Once` loads with Acquire, which pairs with the Release of its first
    /// caller; later callers of a race wait for the few steps that takes.
    #[cfg(not(loom))]
    #[inline]
    fn secrets(&self) -> &RapidSecrets {
        match self.secrets.get() {
            Some(secrets) => secrets,
            None => self.draw(),
        }
    }

    #[cfg(not(loom))]
    #[cold]
    fn draw(&self) -> &RapidSecrets {
        self.secrets
            .call_once(|| RapidSecrets::seed(crate::sys::random_seed()))
    }

    /// Models need the same hash in every execution.
    #[cfg(loom)]
    fn secrets(&self) -> &RapidSecrets {
        const FIXED: RapidSecrets = RapidSecrets::seed(1);
        &FIXED
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn stable_within_and_different_between_hashers() {
        let (one, two) = (Hasher::new(), Hasher::new());
        assert_eq!(one.hash(b"key"), one.hash(b"key"));
        // One in 2^64 that this fails by chance.
        assert_ne!(one.hash(b"key"), two.hash(b"key"));
    }
}
