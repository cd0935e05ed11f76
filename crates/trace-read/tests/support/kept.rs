//! The inputs that the fuzzer has kept, and changes of them.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Runs a target's property on each file of its corpus as it is, and changed in so
/// many ways.
pub fn run(target: &str, changes: u64, property: fn(&[u8])) {
    let mut above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let root = above.find(|folder| folder.join("fuzz/corpus").is_dir());
    let corpus = root
        .expect("the corpus is in the project")
        .join("fuzz/corpus");
    let folder = corpus.join(target);
    let mut inputs: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "{} is empty", folder.display());
    for path in inputs {
        let input = fs::read(&path).unwrap();
        for seed in 0..=changes {
            let changed = changed(&input, seed);
            let done = catch_unwind(AssertUnwindSafe(|| property(&changed)));
            assert!(done.is_ok(), "{}, change {seed}", path.display());
        }
    }
}

/// The input with a few bytes changed, taken out, put in or repeated. Seed 0
/// changes nothing.
fn changed(input: &[u8], seed: u64) -> Vec<u8> {
    let mut bytes = input.to_vec();
    if seed == 0 {
        return bytes;
    }
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let end = bytes.len().min(at + 1 + random.below(8));
        let byte = random.below(256) as u8;
        match random.below(5) {
            0 if at < end => bytes[at] ^= 1 << (byte & 7),
            1 if at < end => bytes[at] = byte,
            2 => drop(bytes.drain(at..end)),
            3 => bytes.insert(at, byte),
            _ => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
        }
    }
    bytes
}

/// A small generator of numbers that look random (Vigna's xorshift64*).
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let mixed = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d);
        (mixed >> 33) as usize % bound
    }
}
