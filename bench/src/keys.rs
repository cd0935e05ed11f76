//! Keys: the same ones for every contender, in Go as well.
//!
//! They lie one behind the other in the order in which they are looked up, so
//! that reading them costs the same little everywhere; what is scattered is the
//! order in which they are inserted, and so the places of a table's nodes.

use std::fmt::Write;
use std::str::FromStr;

use crate::case::BenchError;

/// What keys look like.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// Text of so many bytes, at least 8: the same for all but the last 8.
    Text(usize),
    /// A stack of so many counters, leaf first, behind the word that the stack
    /// table puts first. The eight next to the leaf differ, 16 ways each.
    Stack(usize),
}

impl FromStr for Shape {
    type Err = BenchError;

    fn from_str(text: &str) -> Result<Self, BenchError> {
        let number = |text: &str| text.parse().map_err(|_| BenchError::Setting("key"));
        match text.strip_prefix("stack") {
            Some(depth) => number(depth).map(Self::Stack),
            None => number(text).map(|len: usize| Self::Text(len.max(8))),
        }
    }
}

/// Keys of one shape.
pub(crate) struct Keys {
    bytes: Vec<u8>,
    len: usize,
}

impl Keys {
    /// `count` keys, from the one with number `first` on.
    pub(crate) fn new(shape: Shape, first: u64, count: usize) -> Self {
        let mut bytes = Vec::new();
        for key in first..first + count as u64 {
            push(shape, key, &mut bytes);
        }
        Self {
            len: bytes.len() / count.max(1),
            bytes,
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.bytes.len() / self.len
    }

    /// A key's size, bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn get(&self, at: usize) -> &[u8] {
        &self.bytes[at * self.len..][..self.len]
    }

    /// The keys at these places, in order.
    #[inline]
    pub(crate) fn range(&self, from: usize, to: usize) -> impl Iterator<Item = &[u8]> {
        self.bytes[from * self.len..to * self.len].chunks_exact(self.len)
    }
}

fn push(shape: Shape, key: u64, to: &mut Vec<u8>) {
    match shape {
        Shape::Text(len) => {
            let mut tail = String::new();
            // Writing to a string never fails.
            let _ = write!(tail, "{:08x}", spread(key) as u32);
            to.extend((0..len - 8).map(|at| b'a' + (at % 26) as u8));
            to.extend_from_slice(tail.as_bytes());
        }
        Shape::Stack(depth) => {
            to.extend_from_slice(&u64::MAX.to_ne_bytes());
            for at in 0..depth as u64 {
                let digit = if at < 8 { key >> (4 * at) & 0xf } else { 0 };
                let pc = 0x40_0000 + 0x1000 * at + 0x10 * digit;
                to.extend_from_slice(&pc.to_ne_bytes());
            }
        }
    }
}

/// Different numbers below 2³² become different numbers below 2³², in no order
/// that can be seen.
fn spread(key: u64) -> u64 {
    // Odd, so it has an inverse modulo 2³².
    key.wrapping_mul(0x9e37_79b1) & 0xffff_ffff
}

/// The numbers below `count` in an order without a pattern, the same always.
pub(crate) fn scattered(count: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..count as u32).collect();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for at in (1..count).rev() {
        // Marsaglia's xorshift; good enough to scatter.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        order.swap(at, (state % (at as u64 + 1)) as usize);
    }
    order
}
