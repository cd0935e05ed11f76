//! Where a trace comes from: a file or standard input, perhaps compressed.

mod zstd;

use std::error::Error;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::error::ToolError;
use crate::input::zstd::Zstd;

/// The path that stands for standard input.
pub const STDIN: &str = "-";

/// The first bytes of a gzip file.
const GZIP: &[u8] = &[0x1f, 0x8b];

/// The first bytes of a zstd frame.
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// The bytes of a trace, decompressed if need be.
pub type Bytes = Box<dyn Read + Send>;

/// What has been read so far of a file as it lies on the disk.
pub trait Watch: Send + 'static {
    /// So many more bytes have been read.
    fn read(&mut self, bytes: u64);
}

impl Watch for () {
    fn read(&mut self, _: u64) {}
}

/// Opens a trace. `-` is standard input. What is compressed with gzip or zstd,
/// as its first bytes tell, is decompressed while it is read.
///
/// # Errors
///
/// [`ToolError::Open`] if there is no such file or it cannot be read.
pub fn open(path: &Path, watch: impl Watch) -> Result<Bytes, ToolError> {
    let open = |error| ToolError::Open {
        path: path.to_path_buf(),
        error,
    };
    if path == Path::new(STDIN) {
        return decompress(io::stdin(), watch).map_err(open);
    }
    let file = File::open(path).map_err(open)?;
    decompress(file, watch).map_err(open)
}

/// Decompresses what comes from `input` if it is compressed.
///
/// # Errors
///
/// If the first bytes cannot be read, or announce compression in a way that is
/// not known.
pub fn decompress(input: impl Read + Send + 'static, watch: impl Watch) -> io::Result<Bytes> {
    let mut input = Watched { input, watch };
    let mut first = Vec::with_capacity(ZSTD.len());
    (&mut input)
        .take(ZSTD.len() as u64)
        .read_to_end(&mut first)?;
    let gzip = first.starts_with(GZIP);
    let zstd = first.starts_with(ZSTD) || zstd::is_skippable(&first);
    let input = Cursor::new(first).chain(input);
    Ok(if gzip {
        let input = MultiGzDecoder::new(BufReader::new(input));
        Box::new(Compressed {
            format: "gzip",
            input,
        })
    } else if zstd {
        let input = Zstd::new(BufReader::new(input));
        Box::new(Compressed {
            format: "zstd",
            input,
        })
    } else {
        Box::new(input)
    })
}

/// Decompressed input whose errors say what is wrong in the words of this program,
/// not of a library.
struct Compressed<R> {
    format: &'static str,
    input: R,
}

impl<R: Read> Read for Compressed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let format = self.format;
        self.input.read(buffer).map_err(|error| {
            let cause = innermost(&error);
            let message = match (cause.raw_os_error(), cause.kind()) {
                // The disk's trouble, not the data's.
                (Some(code), _) => return io::Error::from_raw_os_error(code),
                (None, io::ErrorKind::UnexpectedEof) => {
                    format!("the {format} data is cut off: it ends in the middle")
                }
                _ => format!("the {format} data is damaged: {error}"),
            };
            io::Error::new(cause.kind(), message)
        })
    }
}

/// The first error of the system or of reading from which this one came.
fn innermost(error: &io::Error) -> &io::Error {
    let mut found = error;
    let mut at = error.get_ref().map(|inner| inner as &(dyn Error + 'static));
    while let Some(error) = at {
        at = match error.downcast_ref::<io::Error>() {
            Some(error) => {
                found = error;
                error.get_ref().map(|inner| inner as &(dyn Error + 'static))
            }
            None => error.source(),
        };
    }
    found
}

/// Input that tells how much of it was read.
struct Watched<R, W> {
    input: R,
    watch: W,
}

impl<R: Read, W: Watch> Read for Watched<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.watch.read(read as u64);
        Ok(read)
    }
}
