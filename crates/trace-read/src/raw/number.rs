//! Decoding numbers fast.
//!
//! Nearly all numbers of a trace take one or two bytes: IDs, sequence numbers,
//! the time since the event before. Those are tried first. A longer one is taken
//! from one word of eight bytes, without a loop. What is left, numbers of nine
//! or ten bytes and those near the end of the bytes, is for `trace-format`'s
//! decoder, which also knows what is wrong with a number that is none.

use trace_format::varint::{self, VarintError};

/// The high bit of each byte of a word: set where a number goes on.
const MORE: u64 = 0x8080_8080_8080_8080;

/// The number at `*at`, which is moved behind it.
///
/// # Errors
///
/// As [`varint::decode`]; `*at` stays then.
#[inline]
pub(super) fn read(bytes: &[u8], at: &mut usize) -> Result<u64, VarintError> {
    match quick(bytes, at) {
        Some(value) => Ok(value),
        None => slow(bytes, at),
    }
}

/// The number at `*at`, which is moved behind it, if it can be had quickly.
#[inline(always)]
pub(crate) fn quick(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let first = u64::from(*bytes.get(*at)?);
    if first < 0x80 {
        *at += 1;
        return Some(first);
    }
    let second = u64::from(*bytes.get(*at + 1)?);
    if second < 0x80 {
        *at += 2;
        return Some(first + (second << 7) - 0x80);
    }
    let third = u64::from(*bytes.get(*at + 2)?);
    if third < 0x80 {
        *at += 3;
        // Each of the first two has a bit too many.
        return Some(first + (second << 7) + (third << 14) - 0x4080);
    }
    let (value, more) = long(bytes.get(*at..)?)?;
    // No change: for the compiler, which can know then how far it goes at most.
    *at += 1 + (more & 7);
    Some(value)
}

/// The number at the front and how many bytes follow its first, 0 to 7, if there
/// is a whole word.
#[inline(always)]
fn long(bytes: &[u8]) -> Option<(u64, usize)> {
    let word = u64::from_le_bytes(*bytes.first_chunk()?);
    let ends = !word & MORE;
    if ends == 0 {
        return None;
    }
    let more = ends.trailing_zeros() as usize / 8;
    // All bits up to the end's; then its groups of seven bits move together, two
    // and two, four and four.
    let groups = word & (ends ^ (ends - 1)) & !MORE;
    let groups = groups & 0x007f_007f_007f_007f | (groups & 0x7f00_7f00_7f00_7f00) >> 1;
    let groups = groups & 0x0000_3fff_0000_3fff | (groups & 0x3fff_0000_3fff_0000) >> 2;
    Some((groups & 0x0fff_ffff | groups >> 32 << 28, more))
}

#[cold]
fn slow(bytes: &[u8], at: &mut usize) -> Result<u64, VarintError> {
    let (value, used) = varint::decode(&bytes[*at..])?;
    *at += used;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use trace_format::varint::MAX_LEN;

    use super::*;

    /// Both ways to read agree on every length, with any bytes around, padded
    /// or not, cut off anywhere.
    #[test]
    fn as_the_plain_decoder() {
        let values = (0..64).flat_map(|bit| [1u64 << bit, (1 << bit) - 1, !0 << bit]);
        for value in values {
            let mut canonical = [0; MAX_LEN];
            let used = varint::encode(value, &mut canonical);
            for number in [&canonical[..used], &varint::encode_padded(value)] {
                for around in [0x00, 0x7f, 0x80, 0xff] {
                    for cut in 0..number.len() + 9 {
                        let after = [number, &[around; 8]].concat();
                        let mut bytes = vec![around];
                        bytes.extend_from_slice(&after[..cut.min(after.len())]);
                        let mut at = 1;
                        let read = read(&bytes, &mut at);
                        let plain = varint::decode(&bytes[1..]);
                        assert_eq!(read, plain.map(|(value, _)| value), "{bytes:x?}");
                        assert_eq!(at, 1 + plain.map_or(0, |(_, used)| used), "{bytes:x?}");
                    }
                }
            }
        }
        for overlong in [[0x80; 11], [0xff; 11]] {
            assert_eq!(read(&overlong, &mut 0), Err(VarintError::Overflow));
        }
        // Padded by a few bytes only, as nobody writes it, but as it may be read.
        assert_eq!(read(&[0x81, 0x80, 0x80, 0x00, 9, 9, 9, 9], &mut 0), Ok(1));
    }
}
