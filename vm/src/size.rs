//! Amounts of memory, as people write them.

use std::fmt;

/// The units and the bytes of each; the first one is no unit.
const UNITS: [(&str, u64); 7] = [
    ("", 1),
    ("K", 1 << 10),
    ("KiB", 1 << 10),
    ("M", 1 << 20),
    ("MiB", 1 << 20),
    ("G", 1 << 30),
    ("GiB", 1 << 30),
];

/// The least memory that a tracer is given: below that, no trace gets anywhere.
pub(crate) const LEAST: usize = 1 << 20;

/// Why something is no amount of memory for a tracer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SizeError {
    NoSize,
    TooSmall,
    TooLarge,
}

impl fmt::Display for SizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SizeError::NoSize => "give a number of bytes, or of KiB, MiB or GiB, as 16MiB or 16M",
            SizeError::TooSmall => "a trace needs 1MiB at least",
            SizeError::TooLarge => "that is more than there are addresses",
        })
    }
}

impl std::error::Error for SizeError {}

/// How many bytes a text means.
///
/// # Errors
/// If it is not a whole number with one of the units, whatever their case, or
/// none; or if it is less than [`LEAST`] or too large.
pub(crate) fn parse(text: &str) -> Result<usize, SizeError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, bytes) = UNITS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit))
        .ok_or(SizeError::NoSize)?;
    if number.is_empty() {
        return Err(SizeError::NoSize);
    }
    // Nothing but digits: it can only be too large.
    let number: u64 = number.parse().map_err(|_| SizeError::TooLarge)?;
    let size = number
        .checked_mul(*bytes)
        .and_then(|size| usize::try_from(size).ok())
        .ok_or(SizeError::TooLarge)?;
    match size {
        0..LEAST => Err(SizeError::TooSmall),
        _ => Ok(size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        use SizeError::{NoSize, TooLarge, TooSmall};
        for (text, size) in [
            ("1048576", Ok(1 << 20)),
            ("1024K", Ok(1 << 20)),
            ("16MiB", Ok(16 << 20)),
            ("64m", Ok(64 << 20)),
            ("2gib", Ok(2 << 30)),
            ("2G", Ok(2 << 30)),
            ("1048575", Err(TooSmall)),
            ("0G", Err(TooSmall)),
            ("99999999999999999999", Err(TooLarge)),
            ("99999999999G", Err(TooLarge)),
            ("", Err(NoSize)),
            ("M", Err(NoSize)),
            ("16MB", Err(NoSize)),
            ("16 M", Err(NoSize)),
            ("1.5G", Err(NoSize)),
            ("-1M", Err(NoSize)),
        ] {
            assert_eq!(parse(text), size, "{text:?}");
        }
    }
}
