//! Decompresses zstd: all frames of a file, one after the other, as the command
//! of that name does.

use std::fmt;
use std::io::{self, BufRead, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Whether a file that starts like that starts with a frame of other data, which
/// is skipped; seekable files may.
pub(super) fn is_skippable(first: &[u8]) -> bool {
    matches!(first, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// What is inside a file of zstd frames.
pub(super) struct Zstd<R> {
    input: R,
    decoder: FrameDecoder,
    /// Whether a frame has begun and is not at its end.
    inside: bool,
    /// Whether a frame has begun whose checksum was not looked at yet.
    unchecked: bool,
    /// What is wrong behind all that has been decoded.
    broken: Option<FrameDecoderError>,
}

/// A frame's last block, of nothing, and room for the checksum that may follow.
const LAST_BLOCK: &[u8] = &[1, 0, 0, 0, 0, 0, 0];

impl<R: BufRead> Zstd<R> {
    pub(super) fn new(input: R) -> Self {
        Zstd {
            input,
            decoder: FrameDecoder::new(),
            inside: false,
            unchecked: false,
            broken: None,
        }
    }

    /// Begins the next frame; `false` at the end of the file.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.input.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.input) {
                Ok(()) => {
                    self.unchecked = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    io::copy(&mut (&mut self.input).take(length), &mut io::sink())?;
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(false)
    }

    /// Decodes the next block.
    fn decode(&mut self) {
        let one = BlockDecodingStrategy::UptoBlocks(1);
        if let Err(error) = self.decoder.decode_blocks(&mut self.input, one) {
            self.broken = Some(error);
            self.unchecked = false;
            // Until a frame's end the decoder keeps back what later blocks may
            // refer to, and now there are none: this makes it hand that out. If it
            // does not, there is less to salvage.
            let all = BlockDecodingStrategy::All;
            let _ = self.decoder.decode_blocks(LAST_BLOCK, all);
        }
        self.inside = !self.decoder.is_finished();
    }

    /// Compares the checksum of a frame, if it has one, all of whose bytes have been
    /// handed out, with theirs.
    fn check(&mut self) -> io::Result<()> {
        self.unchecked = false;
        let stored = self.decoder.get_checksum_from_data();
        let calculated = self.decoder.get_calculated_checksum();
        match (stored, calculated) {
            (Some(stored), Some(calculated)) if stored != calculated => {
                let wrong = WrongChecksum { stored, calculated };
                Err(io::Error::new(io::ErrorKind::InvalidData, wrong))
            }
            _ => Ok(()),
        }
    }
}

/// What a frame holds is not what was compressed.
#[derive(Debug)]
struct WrongChecksum {
    stored: u32,
    calculated: u32,
}

impl fmt::Display for WrongChecksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "its checksum is {:#010x}, but what it holds has {:#010x}: it was damaged",
            self.stored, self.calculated
        )
    }
}

impl std::error::Error for WrongChecksum {}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if self.decoder.can_collect() > 0 {
                return self.decoder.read(buffer);
            }
            if let Some(error) = self.broken.take() {
                return Err(io::Error::other(error));
            }
            if !self.inside && self.unchecked {
                self.check()?;
            }
            if !self.inside && !self.begin()? {
                return Ok(0);
            }
            self.inside = !self.decoder.is_finished();
            if self.inside {
                self.decode();
            }
        }
    }
}
