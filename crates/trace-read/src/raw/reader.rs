//! From a byte stream to batches, one at a time.

use std::io::{self, BufRead, BufReader, Read};

use trace_format::limits::MAX_BATCH_SIZE;
use trace_format::varint;
use trace_format::version::{HEADER_LEN, HeaderError};
use trace_format::{BatchHeader, EventKind, Version};

use crate::error::{CutIn, Place, ReadError};
use crate::raw::batch::{BatchHead, Head, Item, Mark, Section};

/// Most bytes of what is before a batch's payload.
const HEAD_ROOM: usize = 2 + 4 * varint::MAX_LEN;

/// Reads a trace batch by batch.
///
/// Memory is bounded by one batch and a read buffer. After an error or the end
/// of the file there are no more items.
#[derive(Debug)]
pub struct RawReader<R> {
    input: BufReader<R>,
    version: Version,
    offset: u64,
    /// The generation of the batch before. Since 1.26 an end mark clears it.
    generation: Option<u64>,
    /// The bytes of the batch that [`Self::next_item`] lent out last.
    batch: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// There may be more.
    Open,
    /// A batch was cut off by the end of the file; this is yet to be said.
    Cut(Place),
    /// The end or an error was reached.
    Done,
}

impl<R: Read> RawReader<R> {
    /// Reads the file's header. The reader buffers; `input` need not.
    ///
    /// # Errors
    ///
    /// [`ReadError::Header`] for a file that is no trace of a known version,
    /// [`ReadError::CutOff`] for one that ends within the header.
    pub fn new(input: R) -> Result<Self, ReadError> {
        let mut input = BufReader::with_capacity(MAX_BATCH_SIZE, input);
        let mut header = Vec::with_capacity(HEADER_LEN);
        let read = (&mut input)
            .take(HEADER_LEN as u64)
            .read_to_end(&mut header);
        let end = Place {
            offset: header.len() as u64,
            ..Place::default()
        };
        read.map_err(|error| ReadError::Io { at: end, error })?;
        let version = match <&[u8; HEADER_LEN]>::try_from(header.as_slice()) {
            Ok(header) => Version::parse(header).map_err(ReadError::Header)?,
            Err(_) if is_start_of_header(&header) => {
                return Err(ReadError::CutOff {
                    at: end,
                    inside: CutIn::Header,
                });
            }
            Err(_) => return Err(ReadError::Header(HeaderError::NotATrace)),
        };
        Ok(Self {
            input,
            version,
            offset: HEADER_LEN as u64,
            generation: None,
            batch: Vec::new(),
            state: State::Open,
        })
    }

    /// The file's version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// How many bytes of the file have been consumed.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads the next batch or mark, lent until the next call.
    ///
    /// A file that ends within a batch yields what there is of it, with
    /// [`BatchHead::missing`] set, and then the error.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with the framing, see [`ReadError`].
    pub fn next_item(&mut self) -> Result<Option<Item<'_>>, ReadError> {
        let mut bytes = std::mem::take(&mut self.batch);
        bytes.clear();
        let head = self.read_into(&mut bytes);
        self.batch = bytes;
        Ok(head?.map(|head| match head {
            Head::Batch(head) => Item::Batch(head.with_bytes(&self.batch)),
            Head::EndOfGeneration(mark) => Item::EndOfGeneration(mark),
        }))
    }

    /// As [`Self::next_item`], with the batch's bytes appended to `bytes`.
    ///
    /// Join them with [`BatchHead::with_bytes`]. A mark appends nothing.
    ///
    /// # Errors
    ///
    /// As [`Self::next_item`]. Bytes of a batch that could not be read may have
    /// been appended then.
    pub fn read_into(&mut self, bytes: &mut Vec<u8>) -> Result<Option<Head>, ReadError> {
        match self.state {
            State::Open => {}
            State::Cut(at) => {
                self.state = State::Done;
                return Err(ReadError::CutOff {
                    at,
                    inside: CutIn::Payload,
                });
            }
            State::Done => return Ok(None),
        }
        let head = self.read_head(bytes);
        if !matches!(head, Ok(Some(_))) {
            self.state = State::Done;
        }
        head
    }

    fn read_head(&mut self, bytes: &mut Vec<u8>) -> Result<Option<Head>, ReadError> {
        let start = self.offset;
        let Some(code) = self.peek()? else {
            return match self.generation {
                Some(_) if self.version.has_end_of_generation() => {
                    Err(ReadError::MissingEnd { at: self.here() })
                }
                _ => Ok(None),
            };
        };
        let experimental = match EventKind::from_code(code) {
            Some(EventKind::EventBatch) => false,
            Some(EventKind::ExperimentalBatch) => true,
            Some(kind @ EventKind::EndOfGeneration) => {
                return match self.version.has_end_of_generation() {
                    true => self.end_of_generation().map(Some),
                    false => Err(ReadError::NotInVersion {
                        at: self.here(),
                        kind,
                        version: self.version,
                    }),
                };
            }
            _ => {
                let at = self.here();
                return Err(ReadError::NotABatch { at, code });
            }
        };

        let first = bytes.len();
        self.reserve(bytes, HEAD_ROOM)?;
        self.header_byte(bytes)?;
        // Go writes and reads the experiment as a byte, not as a number.
        let experiment = match experimental {
            true => Some(self.header_byte(bytes)?),
            false => None,
        };
        let header = BatchHeader {
            generation: self.header_number(bytes)?,
            thread: self.header_number(bytes)?,
            time: self.header_number(bytes)?,
        };
        let size = self.header_number(bytes)?;
        let at = Place {
            offset: start,
            generation: Some(header.generation),
            thread: Some(header.thread),
        };
        self.check_generation(at, header.generation)?;
        let size = match usize::try_from(size) {
            Ok(small) if small <= MAX_BATCH_SIZE => small,
            _ => return Err(ReadError::BatchTooLarge { at, size }),
        };

        let header_len = bytes.len() - first;
        self.reserve(bytes, size)?;
        let read = (&mut self.input).take(size as u64).read_to_end(bytes);
        let payload = bytes.len() - first - header_len;
        self.offset += payload as u64;
        let here = Place {
            offset: self.offset,
            ..at
        };
        read.map_err(|error| ReadError::Io { at: here, error })?;
        if payload < size {
            self.state = State::Cut(here);
        }
        Ok(Some(Head::Batch(BatchHead {
            offset: start,
            header,
            experiment,
            section: Section::of(
                experiment,
                bytes.get(first + header_len).copied(),
                self.version,
            ),
            version: self.version,
            // All three are at most the size of a batch.
            missing: (size - payload) as u32,
            header_len: header_len as u32,
            payload_len: payload as u32,
        })))
    }

    fn end_of_generation(&mut self) -> Result<Head, ReadError> {
        let at = self.here();
        let generation = self
            .generation
            .take()
            .ok_or(ReadError::EmptyGeneration { at })?;
        self.advance();
        Ok(Head::EndOfGeneration(Mark {
            offset: at.offset,
            generation,
        }))
    }

    /// Holds a batch's generation against the one before it.
    ///
    /// Before 1.26 a generation ends where the next one starts, so the next one
    /// must follow without a gap. Since 1.26 its end is marked, and after a mark
    /// any number may come, as for Go's reader.
    fn check_generation(&mut self, at: Place, generation: u64) -> Result<(), ReadError> {
        if generation == 0 {
            return Err(ReadError::GenerationZero { at });
        }
        match self.generation {
            Some(before) if generation == before => {}
            Some(before) if self.version.has_end_of_generation() => {
                return Err(ReadError::GenerationNotEnded { at, before });
            }
            Some(before) if before.checked_add(1) != Some(generation) => {
                return Err(ReadError::GenerationOrder { at, before });
            }
            _ => self.generation = Some(generation),
        }
        Ok(())
    }

    /// The next byte, not consumed, or nothing at the file's end.
    fn peek(&mut self) -> Result<Option<u8>, ReadError> {
        loop {
            match self.input.fill_buf() {
                Ok(buffered) => return Ok(buffered.first().copied()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let at = self.here();
                    return Err(ReadError::Io { at, error });
                }
            }
        }
    }

    /// Consumes the byte that was peeked at.
    fn advance(&mut self) {
        self.input.consume(1);
        self.offset += 1;
    }

    /// Consumes a byte of a batch's header, which must be there.
    fn header_byte(&mut self, bytes: &mut Vec<u8>) -> Result<u8, ReadError> {
        let byte = self.peek()?.ok_or(ReadError::CutOff {
            at: self.here(),
            inside: CutIn::BatchHeader,
        })?;
        self.advance();
        bytes.push(byte);
        Ok(byte)
    }

    /// Consumes a number of a batch's header.
    fn header_number(&mut self, bytes: &mut Vec<u8>) -> Result<u64, ReadError> {
        let at = self.here();
        let first = bytes.len();
        while self.header_byte(bytes)? >= 0x80 && bytes.len() - first < varint::MAX_LEN {}
        match varint::decode(&bytes[first..]) {
            Ok((value, _)) => Ok(value),
            // It ended by itself or is as long as any number may be.
            Err(_) => Err(ReadError::NumberTooLarge { at }),
        }
    }

    /// Finds room for so many more bytes. How many there are already is up to the
    /// file, and there may be no memory for them.
    fn reserve(&self, bytes: &mut Vec<u8>, more: usize) -> Result<(), ReadError> {
        // Much memory grows by a quarter, so that little of it is not used.
        const MUCH: usize = 1 << 20;
        let found = match bytes.capacity() - bytes.len() >= more {
            true => Ok(()),
            false if bytes.len() < MUCH => bytes.try_reserve(more),
            false => bytes.try_reserve_exact(more.max(bytes.len() / 4)),
        };
        let found = found.or_else(|_| bytes.try_reserve_exact(more));
        found.map_err(|_| self.lack_memory())
    }

    /// That there is no memory to read on with.
    pub(crate) fn lack_memory(&self) -> ReadError {
        ReadError::Memory { at: self.here() }
    }

    /// The place that reading got to, between batches or in a batch's header.
    fn here(&self) -> Place {
        Place {
            offset: self.offset,
            generation: self.generation,
            thread: None,
        }
    }
}

/// Whether a file this short may be a trace that lost all but its first bytes.
fn is_start_of_header(bytes: &[u8]) -> bool {
    Version::ALL
        .into_iter()
        .any(|version| version.header().starts_with(bytes))
}
