//! The hash of keys, drawn at random so that an outsider cannot aim at it.
//!
//! Names in a trace may come from a hostile peer (a request's path in a log, a
//! label). Were the hash known, such a peer could turn a trie into a list. So
//! each table draws its hash from a large family, by the system's randomness, as its
//! first key comes: another one in each generation.
//!
//! A key is read as pairs of words, of which the last may overlap the one before.
//! Up to [`BLOCK`] bytes are
//!
//! ```text
//!  sum = Σ (word₂ᵢ + secret₂ᵢ) × (word₂ᵢ₊₁ + secret₂ᵢ₊₁)      modulo 2¹²⁸
//!  hash = fold((low half of sum ⊕ state) × (high half of sum ⊕ mixer))
//! ```
//!
//! where `fold` is the exclusive or of a product's halves, and `state` the key's
//! length and a secret; of longer keys, all but the last block are folded into the
//! state one after the other.
//!
//! The sum is NH, from UMAC (Black, Halevi, Krawczyk, Krovetz and Rogaway, "UMAC:
//! Fast and secure message authentication", 1999), with words of 64 bits: whatever
//! two different blocks somebody chooses, their sums are the same for one in 2⁶⁴ of
//! all secrets. Its products do not depend on one another, which is what makes it
//! fast on a stack's counters. The sum's bits are not all alike, and a trie goes by
//! single bits; folding, as wyhash does, spreads them. `docs/decisions/0004-hash.md`
//! has the measurements.

/// Bytes that are summed before they are folded: a stack of 15 counters.
const BLOCK: usize = 128;

/// Words of a block.
const WORDS: usize = BLOCK / size_of::<u64>();

/// Bytes of a pair of words.
const PAIR: usize = 2 * size_of::<u64>();

/// A hash function of its own kind.
#[derive(Debug)]
pub(crate) struct Hasher {
    /// Each is used for the words at one place of a block; the last two, also,
    /// for the last pair of a key, wherever that is.
    words: [u64; WORDS],
    state: u64,
    mixer: u64,
}

impl Hasher {
    /// One that nobody knows.
    #[cfg(not(loom))]
    pub(crate) fn draw() -> Self {
        Self::of(crate::sys::random_seed())
    }

    /// Models need the same in every execution.
    #[cfg(loom)]
    pub(crate) fn draw() -> Self {
        Self::of(1)
    }

    /// Spreads a seed, by the finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
    const fn of(seed: u64) -> Self {
        let mut drawn = [0; WORDS + 2];
        let mut at = 0;
        let mut counter = seed;
        while at < drawn.len() {
            counter = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = counter;
            mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            drawn[at] = mixed ^ mixed >> 31;
            at += 1;
        }
        let [words @ .., state, mixer] = drawn;
        Self {
            words,
            state,
            mixer,
        }
    }

    /// The hash of `key`: the same for equal bytes.
    #[inline(always)]
    pub(crate) fn hash(&self, key: &[u8]) -> u64 {
        let state = self.state ^ key.len() as u64;
        let (Some(first), Some(last)) = (key.first_chunk(), key.last_chunk()) else {
            return self.fold(self.last(widened(key)), state);
        };
        if key.len() <= 2 * PAIR {
            // Both pairs are all of it: what `end` gives, without its loop.
            let first = product(words(first), self.at(0));
            self.fold(first.wrapping_add(self.last(words(last))), state)
        } else if key.len() <= BLOCK {
            self.end(key, last, state)
        } else {
            self.long(key, last, state)
        }
    }

    /// As above, of more than a block.
    #[inline(never)]
    fn long(&self, key: &[u8], last: &[u8; PAIR], mut state: u64) -> u64 {
        let mut rest = key;
        while let Some((block, after)) = rest.split_first_chunk::<BLOCK>()
            && !after.is_empty()
        {
            state = self.block(block, state);
            rest = after;
        }
        self.end(rest, last, state)
    }

    // By itself, or the compiler copies the secrets before the loop.
    #[inline(never)]
    fn block(&self, block: &[u8; BLOCK], state: u64) -> u64 {
        self.fold(self.sum(block.as_chunks().0), state)
    }

    /// Of what is left of a key, at most a block, whose last pair is `last`.
    #[inline(always)]
    fn end(&self, rest: &[u8], last: &[u8; PAIR], state: u64) -> u64 {
        let (pairs, tail) = rest.as_chunks();
        let before = match (pairs, tail) {
            ([before @ .., _last], []) => before,
            _ => pairs,
        };
        let sum = self.sum(before).wrapping_add(self.last(words(last)));
        self.fold(sum, state)
    }

    #[inline(always)]
    fn sum(&self, pairs: &[[u8; PAIR]]) -> u128 {
        let secrets = self.words.as_chunks().0;
        pairs.iter().zip(secrets).fold(0, |sum, (pair, secrets)| {
            sum.wrapping_add(product(words(pair), *secrets))
        })
    }

    /// What the last pair adds.
    #[inline(always)]
    fn last(&self, pair: [u64; 2]) -> u128 {
        product(pair, self.at(WORDS / 2 - 1))
    }

    /// The secrets for the pair at this place.
    #[inline(always)]
    fn at(&self, place: usize) -> [u64; 2] {
        self.words.as_chunks().0[place]
    }

    #[inline(always)]
    fn fold(&self, sum: u128, state: u64) -> u64 {
        let low = sum as u64 ^ state;
        let high = (sum >> u64::BITS) as u64 ^ self.mixer;
        let product = u128::from(low) * u128::from(high);
        (product >> u64::BITS) as u64 ^ product as u64
    }
}

#[inline(always)]
fn words(pair: &[u8; PAIR]) -> [u64; 2] {
    let words = pair.as_chunks().0;
    [u64::from_le_bytes(words[0]), u64::from_le_bytes(words[1])]
}

#[inline(always)]
fn product(pair: [u64; 2], secrets: [u64; 2]) -> u128 {
    let word = |at: usize| u128::from(pair[at].wrapping_add(secrets[at]));
    word(0) * word(1)
}

/// The words of a key that is shorter than a pair: no two of one length become the
/// same.
#[inline(always)]
fn widened(key: &[u8]) -> [u64; 2] {
    if let (Some(first), Some(last)) = (key.first_chunk(), key.last_chunk()) {
        [u64::from_le_bytes(*first), u64::from_le_bytes(*last)]
    } else if let (Some(first), Some(last)) = (key.first_chunk(), key.last_chunk()) {
        [first, last].map(|four| u32::from_le_bytes(*four).into())
    } else if let ([first, ..], [.., last]) = (key, key) {
        let middle = key[key.len() / 2];
        [u16::from_le_bytes([*first, middle]).into(), (*last).into()]
    } else {
        [0; 2]
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::format;
    use std::vec::Vec;

    /// Lengths on both sides of wherever keys begin to be read in another way.
    const LENGTHS: [usize; 20] = [
        1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 48, 72, 127, 128, 129, 144, 256, 520,
    ];

    #[test]
    fn stable_within_and_different_between_hashers() {
        let (one, two) = (Hasher::draw(), Hasher::draw());
        assert_eq!(one.hash(b"key"), one.hash(b"key"));
        // One in 2^64 that this fails by chance.
        assert_ne!(one.hash(b"key"), two.hash(b"key"));
    }

    #[test]
    fn lengths_are_told_apart() {
        let hasher = Hasher::of(1);
        let mut hashes: Vec<_> = (0..1000)
            .map(|len| hasher.hash(&[0; 1000][..len]))
            .collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), 1000);
    }

    /// Whichever bit of a key changes, each bit of its hash changes for about half
    /// of all secrets.
    #[test]
    fn every_bit_counts_for_every_bit() {
        const TRIES: u64 = 600;
        let all: Vec<_> = (0..TRIES).map(Hasher::of).collect();
        for len in LENGTHS {
            let key: Vec<_> = (0..len).map(|at| b'a' + (at % 26) as u8).collect();
            // All bits of a short key, some of a long one, at changing places.
            for bit in (0..8 * len).step_by(1 + len / 16) {
                let mut other = key.clone();
                other[bit / 8] ^= 1 << (bit % 8);
                let mut changed = [0; u64::BITS as usize];
                for hasher in &all {
                    let differ = hasher.hash(&key) ^ hasher.hash(&other);
                    for (at, count) in changed.iter_mut().enumerate() {
                        *count += differ >> at & 1;
                    }
                }
                for (at, count) in changed.into_iter().enumerate() {
                    // Six standard deviations.
                    let off = count.abs_diff(TRIES / 2);
                    assert!(off < 74, "{len} bytes, bit {bit} to bit {at}: {count}");
                }
            }
        }
    }

    /// Keys as there are, over whatever a trie goes by, like balls thrown at random.
    #[test]
    fn keys_are_spread_evenly() {
        const KEYS: u64 = 1 << 16;
        const BINS: u64 = 1 << 12;
        type Kind = (&'static str, fn(u64) -> Vec<u8>);
        let kinds: [Kind; 5] = [
            ("numbers", |n| n.to_le_bytes().into()),
            ("short names", |n| format!("n{n}").into()),
            ("names", |n| format!("a name that ends in {n:05}").into()),
            ("paths", |n| {
                format!("{n:05}/an/address/with/a/number/in/front").into()
            }),
            ("stacks", |n| {
                let pc = |at: u64| 0x40_0000 + 0x1000 * at + 0x10 * (n >> (4 * (at % 4)) & 0xf);
                (0..20).flat_map(|at| pc(at).to_le_bytes()).collect()
            }),
        ];
        for (name, kind) in kinds {
            let keys: Vec<_> = (0..KEYS).map(kind).collect();
            for seed in 0..3 {
                let hasher = Hasher::of(seed);
                let hashes: Vec<_> = keys.iter().map(|key| hasher.hash(key)).collect();
                // The directory's, the levels' below it, and a link's.
                for shift in [52, 40, 28, 16, 4, 0] {
                    let mut bins = [0_u64; BINS as usize];
                    for hash in &hashes {
                        bins[(hash >> shift & (BINS - 1)) as usize] += 1;
                    }
                    let expected = KEYS / BINS;
                    let off: u64 = bins.iter().map(|n| n.abs_diff(expected).pow(2)).sum();
                    let chi_squared = off / expected;
                    // Six standard deviations of as many degrees of freedom.
                    let limit = BINS + 6 * 91;
                    assert!(chi_squared < limit, "{name} at {shift}: {chi_squared}");
                }
            }
        }
    }
}
