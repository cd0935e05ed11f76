//! Unsigned LEB128: seven bits a byte, low bits first, high bit set on all but
//! the last byte.

/// Most bytes that an encoded `u64` takes: ⌈64 / 7⌉.
pub const MAX_LEN: usize = 10;

/// Why bytes are not a varint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VarintError {
    /// The bytes end before the number does.
    Truncated,
    /// The number does not fit in 64 bits.
    Overflow,
}

impl core::fmt::Display for VarintError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Truncated => "number cut off",
            Self::Overflow => "number does not fit in 64 bits",
        })
    }
}

impl core::error::Error for VarintError {}

/// Number of bytes that [`encode`] writes for `value`: 1 to [`MAX_LEN`].
#[inline]
pub const fn len(value: u64) -> usize {
    // `| 1` makes zero take one byte like any other number below 128.
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// Writes `value` at the front of `out` and returns the bytes used.
///
/// # Panics
///
/// If `out` is shorter than [`len`]`(value)`.
#[inline]
pub fn encode(mut value: u64, out: &mut [u8]) -> usize {
    let mut at = 0;
    while value >= 0x80 {
        out[at] = value as u8 | 0x80;
        value >>= 7;
        at += 1;
    }
    out[at] = value as u8;
    at + 1
}

/// The encoding of a number below 2²⁸ as a word whose first bytes, in memory
/// order once it is stored as little-endian, are the encoding, and their number.
/// The bytes behind them are of no meaning. `None` for larger numbers.
///
/// For who has room for a whole word: one store instead of one a byte.
#[inline(always)]
pub const fn pack(value: u64) -> Option<(u64, usize)> {
    const MORE: u64 = 0x80;
    if value < 1 << 7 {
        return Some((value, 1));
    }
    // What is above a byte's seven bits moves up by one if it is added again. (That
    // wraps for numbers that are too large at any rate.)
    let two = value.wrapping_add(value & !0x7f);
    if value < 1 << 14 {
        return Some((two | MORE, 2));
    }
    let three = two.wrapping_add(two & !0x7fff);
    if value < 1 << 21 {
        return Some((three | MORE << 8 | MORE, 3));
    }
    if value < 1 << 28 {
        let four = three + (three & !0x7f_ffff);
        return Some((four | MORE << 16 | MORE << 8 | MORE, 4));
    }
    None
}

/// Encodes `value` in exactly [`MAX_LEN`] bytes, padded with empty groups.
///
/// For a number whose place is reserved before it is known, as a batch's size.
#[inline]
pub const fn encode_padded(mut value: u64) -> [u8; MAX_LEN] {
    let mut out = [0; MAX_LEN];
    let mut at = 0;
    while at < MAX_LEN {
        let more = if at < MAX_LEN - 1 { 0x80 } else { 0 };
        out[at] = (value & 0x7f) as u8 | more;
        value >>= 7;
        at += 1;
    }
    out
}

/// Reads a number from the front of `bytes`: its value and the bytes it took.
///
/// Padding with empty groups is accepted, as every reader of the format must.
///
/// # Errors
///
/// [`VarintError::Truncated`] if `bytes` ends first, [`VarintError::Overflow`]
/// if the number needs more than 64 bits.
#[inline]
pub fn decode(bytes: &[u8]) -> Result<(u64, usize), VarintError> {
    let mut value = 0;
    // It does not get further than to the byte that is the last at any rate, which
    // `take` says for the compiler alone: the loop is unrolled.
    for (at, &byte) in bytes.iter().enumerate().take(MAX_LEN) {
        if at == MAX_LEN - 1 && byte > 1 {
            return Err(VarintError::Overflow);
        }
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            return Ok((value, at + 1));
        }
    }
    Err(VarintError::Truncated)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers on both sides of every change of length.
    fn edges() -> impl Iterator<Item = u64> {
        (0..64).flat_map(|bit| {
            let power = 1u64 << bit;
            [power - 1, power, power + 1]
        })
    }

    #[test]
    fn round_trip_at_every_length() {
        for value in edges().chain([u64::MAX]) {
            let mut out = [0xff; MAX_LEN];
            let used = encode(value, &mut out);
            assert_eq!(used, len(value), "{value}");
            assert_eq!(decode(&out[..used]), Ok((value, used)), "{value}");
            assert_eq!(decode(&encode_padded(value)), Ok((value, MAX_LEN)));
            for cut in 0..used {
                assert_eq!(decode(&out[..cut]), Err(VarintError::Truncated));
            }
        }
    }

    #[test]
    fn words_begin_as_the_bytes_do() {
        for value in edges() {
            let mut out = [0; MAX_LEN];
            let used = encode(value, &mut out);
            match pack(value) {
                Some((word, len)) => {
                    assert_eq!(word.to_le_bytes()[..len], out[..used], "{value}");
                }
                None => assert!(used > 4, "{value}"),
            }
        }
    }

    #[test]
    fn known_bytes() {
        for (value, bytes) in [
            (0, &[0x00][..]),
            (127, &[0x7f]),
            (128, &[0x80, 0x01]),
            (300, &[0xac, 0x02]),
        ] {
            let mut out = [0; MAX_LEN];
            let used = encode(value, &mut out);
            assert_eq!(&out[..used], bytes, "{value}");
        }
    }

    #[test]
    fn too_large_is_refused() {
        let mut bytes = [0xff; MAX_LEN];
        bytes[9] = 0x02;
        assert_eq!(decode(&bytes), Err(VarintError::Overflow));
        // One that never ends is cut off, until it is too long.
        for len in 0..MAX_LEN {
            assert_eq!(decode(&[0x80; 11][..len]), Err(VarintError::Truncated));
        }
        for len in MAX_LEN..12 {
            assert_eq!(decode(&[0x80; 12][..len]), Err(VarintError::Overflow));
        }
    }
}
