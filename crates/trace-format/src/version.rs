//! The file header and what each version of the format may contain.

/// A version of the v2 format, named after the first Go release that wrote it.
///
/// Go 1.24 wrote 1.23 and Go 1.27 writes 1.26.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Version {
    /// The first v2 format.
    Go122 = 22,
    /// Adds coroutine switches, blocked creation, statuses with stacks and
    /// experimental batches.
    Go123 = 23,
    /// Adds the sync batch with a clock snapshot.
    Go125 = 25,
    /// Adds the end-of-generation mark, so that a cut-off file is noticed.
    Go126 = 26,
}

/// Length of a header, bytes.
pub const HEADER_LEN: usize = 16;

impl Version {
    /// Every version, oldest first.
    pub const ALL: [Self; 4] = [Self::Go122, Self::Go123, Self::Go125, Self::Go126];

    /// The bytes that a file of this version starts with.
    pub const fn header(self) -> [u8; HEADER_LEN] {
        let mut header = *b"go 1.00 trace\0\0\0";
        header[5] = b'0' + self as u8 / 10;
        header[6] = b'0' + self as u8 % 10;
        header
    }

    /// Reads a file's first bytes.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] says what the bytes are instead.
    pub fn parse(header: &[u8; HEADER_LEN]) -> Result<Self, HeaderError> {
        if let Some(version) = Self::ALL.into_iter().find(|v| v.header() == *header) {
            return Ok(version);
        }
        let minor = match header {
            [
                b'g',
                b'o',
                b' ',
                b'1',
                b'.',
                a,
                b,
                b' ',
                b't',
                b'r',
                b'a',
                b'c',
                b'e',
                0,
                0,
                0,
            ] if a.is_ascii_digit() && b.is_ascii_digit() => (a - b'0') * 10 + (b - b'0'),
            // One digit: Go 1.5 to 1.9.
            [
                b'g',
                b'o',
                b' ',
                b'1',
                b'.',
                a,
                b' ',
                b't',
                b'r',
                b'a',
                b'c',
                b'e',
                0,
                0,
                0,
                0,
            ] if a.is_ascii_digit() => a - b'0',
            _ => return Err(HeaderError::NotATrace),
        };
        Err(if minor < Self::Go122 as u8 {
            HeaderError::V1 { minor }
        } else {
            HeaderError::Unknown { minor }
        })
    }

    /// Whether a generation ends with an explicit mark.
    pub const fn has_end_of_generation(self) -> bool {
        self as u8 >= Self::Go126 as u8
    }

    /// Whether a generation carries a sync batch with a clock snapshot instead
    /// of a lone frequency.
    pub const fn has_sync_batch(self) -> bool {
        self as u8 >= Self::Go125 as u8
    }
}

impl core::fmt::Display for Version {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "go 1.{}", *self as u8)
    }
}

/// Why a file's first bytes are not the header of a readable trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// Not a Go execution trace at all.
    NotATrace,
    /// A trace of the older format, written by Go 1.5 to 1.21.
    V1 {
        /// The release that wrote it: Go 1.`minor`.
        minor: u8,
    },
    /// A trace of a version that this crate does not know.
    Unknown {
        /// The version it names: Go 1.`minor`.
        minor: u8,
    },
}

impl core::fmt::Display for HeaderError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NotATrace => f.write_str(
                "not an execution trace: the file does not start with \"go 1.NN trace\"",
            ),
            Self::V1 { minor } => write!(
                f,
                "a trace of the v1 format (go 1.{minor}): only v2 traces, go 1.22 and later, can be read; \
                 record it again with a newer Go"
            ),
            Self::Unknown { minor } => write!(
                f,
                "a trace of version go 1.{minor}, which is not known: known are 1.22, 1.23, 1.25 and 1.26"
            ),
        }
    }
}

impl core::error::Error for HeaderError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        assert_eq!(Version::Go126.header(), *b"go 1.26 trace\0\0\0");
        for version in Version::ALL {
            assert_eq!(Version::parse(&version.header()), Ok(version));
        }
        for (header, error) in [
            (b"go 1.21 trace\0\0\0", HeaderError::V1 { minor: 21 }),
            (b"go 1.9 trace\0\0\0\0", HeaderError::V1 { minor: 9 }),
            (b"go 1.24 trace\0\0\0", HeaderError::Unknown { minor: 24 }),
            (b"go 1.26 trace\0\0\x01", HeaderError::NotATrace),
            (b"\x7fELF 1.26 trace\0", HeaderError::NotATrace),
        ] {
            assert_eq!(Version::parse(header), Err(error));
        }
    }
}
