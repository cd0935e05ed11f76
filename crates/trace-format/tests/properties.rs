//! What holds for any number, any bytes and any header.
//!
//! Each property compares with a model that is too slow and too plain to be
//! wrong in the same way. `PROPTEST_CASES` sets how many cases are tried. A
//! failure prints its smallest case, which then becomes a row of a unit test; no
//! file of regressions is kept.

use proptest::collection::vec;
use proptest::prelude::*;
use trace_format::varint::{self, MAX_LEN, VarintError};
use trace_format::version::{HEADER_LEN, HeaderError};
use trace_format::{BatchHeader, EventKind, Version};

fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(2_000)
    }
}

/// A number of any width, each width as likely as another.
fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64u32).prop_map(|(bits, shift)| bits >> shift)
}

/// Bytes of which most say that the number goes on, so that long ones come up;
/// half of them are about as long as a number may be, with little in the last
/// group.
fn number_like() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => 0x80..=0xffu8,
        1 => 0..0x80u8,
        1 => Just(0x80u8),
        1 => Just(0u8),
    ];
    let long = vec(0x80..=0xffu8, MAX_LEN - 2..=MAX_LEN);
    let end = prop_oneof![Just(Vec::new()), vec(0..5u8, 1..3)];
    prop_oneof![
        vec(byte, 0..14),
        (long, end).prop_map(|(long, end)| [long, end].concat()),
    ]
}

/// The groups of seven bits that make up a number, low ones first: as many as it
/// needs, at least one.
fn groups(value: u64) -> Vec<u8> {
    let mut groups = vec![(value % 128) as u8];
    let mut rest = value / 128;
    while rest > 0 {
        groups.push((rest % 128) as u8);
        rest /= 128;
    }
    groups
}

/// A number with `padding` groups more than it needs.
fn padded(value: u64, padding: usize) -> Vec<u8> {
    let mut bytes = groups(value);
    bytes.extend(std::iter::repeat_n(0, padding));
    let last = bytes.len() - 1;
    bytes[..last].iter_mut().for_each(|byte| *byte += 128);
    bytes
}

/// What any bytes mean as a number, in arithmetic that cannot overflow.
fn decoded(bytes: &[u8]) -> Result<(u64, usize), VarintError> {
    let mut value = 0u128;
    for (at, &byte) in bytes.iter().enumerate().take(MAX_LEN) {
        value += u128::from(byte % 128) * 128u128.pow(at as u32);
        if byte < 128 {
            let fits = u64::try_from(value).map_err(|_| VarintError::Overflow)?;
            return Ok((fits, at + 1));
        }
    }
    // Ten bytes that all say that there is more are too many, whatever follows.
    Err(match bytes.len() {
        0..MAX_LEN => VarintError::Truncated,
        _ => VarintError::Overflow,
    })
}

/// A header of this or that version, as it is or with one byte changed.
fn header_like() -> impl Strategy<Value = [u8; HEADER_LEN]> {
    let of_version = (0..=99u8).prop_map(|minor| {
        let mut header = Version::Go122.header();
        header[5..7].copy_from_slice(format!("{minor:02}").as_bytes());
        header
    });
    let old = (0..=9u8).prop_map(|minor| {
        let mut header = *b"go 1.0 trace\0\0\0\0";
        header[5] = b'0' + minor;
        header
    });
    let start = prop_oneof![4 => of_version, 1 => old, 1 => any::<[u8; HEADER_LEN]>()];
    let change = (any::<prop::sample::Index>(), any::<u8>());
    (start, prop::option::of(change)).prop_map(|(mut header, change)| {
        if let Some((at, byte)) = change {
            header[at.index(HEADER_LEN)] = byte;
        }
        header
    })
}

proptest! {
    #![proptest_config(config())]

    /// A number comes back, whatever follows it, and nothing is written behind
    /// it.
    #[test]
    fn numbers_come_back(value in number(), around in any::<u8>()) {
        let mut out = [around; MAX_LEN + 3];
        let used = varint::encode(value, &mut out);
        prop_assert_eq!(&out[..used], padded(value, 0));
        prop_assert_eq!(used, varint::len(value));
        prop_assert!(out[used..].iter().all(|byte| *byte == around));
        prop_assert_eq!(varint::decode(&out), Ok((value, used)));
        prop_assert_eq!(varint::decode(&out[..used]), Ok((value, used)));
    }

    /// A number that is cut off anywhere is said to be so.
    #[test]
    fn truncated_numbers(value in number(), padding in 0..MAX_LEN, at in any::<prop::sample::Index>()) {
        let mut bytes = padded(value, padding);
        bytes.truncate(MAX_LEN);
        bytes.truncate(at.index(bytes.len()));
        prop_assert_eq!(varint::decode(&bytes), Err(VarintError::Truncated));
    }

    /// Padding changes how long a number is, and no more, as long as there are
    /// not more bytes than a number may have.
    #[test]
    fn padded_numbers(value in number(), padding in 0..MAX_LEN + 2) {
        let bytes = padded(value, padding);
        let expected = match bytes.len() {
            0..=MAX_LEN => Ok((value, bytes.len())),
            _ => Err(VarintError::Overflow),
        };
        prop_assert_eq!(varint::decode(&bytes), expected);
        let longest = varint::encode_padded(value);
        prop_assert_eq!(&longest[..], padded(value, MAX_LEN - varint::len(value)));
    }

    /// Any bytes at all are the number that they spell, or are refused.
    #[test]
    fn any_bytes(bytes in number_like()) {
        prop_assert_eq!(varint::decode(&bytes), decoded(&bytes));
    }

    /// A batch's header comes back number by number, and its size has a place
    /// for any size.
    #[test]
    fn batch_headers_come_back(
        generation in number(),
        thread in number(),
        time in number(),
        size in number(),
        around in any::<u8>(),
    ) {
        let mut out = [around; BatchHeader::MAX_LEN + 3];
        let header = BatchHeader { generation, thread, time };
        let (len, size_at) = header.encode(&mut out);
        out[size_at..size_at + MAX_LEN].copy_from_slice(&varint::encode_padded(size));
        prop_assert!(out[len..].iter().all(|byte| *byte == around));
        prop_assert_eq!(out[0], EventKind::EventBatch as u8);
        let mut rest = &out[1..len];
        for expected in [generation, thread, time, size] {
            let (value, used) = varint::decode(rest).expect("a number of the header");
            prop_assert_eq!(value, expected);
            rest = &rest[used..];
        }
        prop_assert!(rest.is_empty());
    }

    /// Only a version's own header is taken for it, and what is refused says
    /// which version it names.
    #[test]
    fn headers(header in header_like()) {
        let named = str::from_utf8(&header)
            .ok()
            .and_then(|text| text.strip_prefix("go 1."))
            .map(|text| text.trim_end_matches('\0'))
            // One digit or two: an empty minor is no number anyway.
            .filter(|text| text.len() <= "26 trace".len())
            .and_then(|text| text.strip_suffix(" trace"))
            .filter(|minor| minor.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|minor| minor.parse::<u8>().ok());
        let expected = match named {
            None => Err(HeaderError::NotATrace),
            Some(22) => Ok(Version::Go122),
            Some(23) => Ok(Version::Go123),
            Some(25) => Ok(Version::Go125),
            Some(26) => Ok(Version::Go126),
            Some(minor @ 0..22) => Err(HeaderError::V1 { minor }),
            Some(minor) => Err(HeaderError::Unknown { minor }),
        };
        prop_assert_eq!(Version::parse(&header), expected);
    }
}
