//! Where reading has got to in one worker's events.

use trace_format::EventKind;

use crate::clock::Clock;
use crate::error::{Place, ReadError};
use crate::generation::Generation;
use crate::raw::{TIMED, WINDOW, quick_number};

/// Most numbers of an event after its time.
pub(crate) const MAX_NUMBERS: usize = 4;

/// An event whose turn has not come yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timed {
    pub kind: EventKind,
    /// Nanoseconds of the trace's clock.
    pub time: i64,
    /// Its arguments; what is behind them means nothing.
    pub args: [u64; MAX_NUMBERS],
    /// Where in the file it starts.
    pub offset: u64,
}

/// A worker's place in its batches of a generation, and its next event.
#[derive(Clone, Debug)]
pub(crate) struct Cursor {
    /// The worker's slot in the order's table.
    pub worker: u32,
    /// The next event, or only its [`time`](Self::time): see
    /// [`is_decoded`](Self::is_decoded).
    pub event: Timed,
    /// Whether the next event has been decoded and the position is behind it. If
    /// not, it is known that it can be, and when it is.
    pub is_decoded: bool,
    /// The batch, by its number in the generation.
    batch: u32,
    /// The rest of the batch, as positions in the generation's bytes.
    at: usize,
    end: usize,
    /// What to add to a position to have it in the file.
    to_file: u64,
    /// The time of the event before the position.
    before: i64,
}

impl Cursor {
    /// A cursor before the first event of a worker whose first batch is `batch`,
    /// without the worker's slot.
    pub fn new(batch: u32, generation: &Generation) -> Self {
        let mut cursor = Self {
            worker: 0,
            event: Timed {
                kind: EventKind::ProcStop,
                time: 0,
                args: [0; MAX_NUMBERS],
                offset: 0,
            },
            is_decoded: false,
            batch,
            at: 0,
            end: 0,
            to_file: 0,
            before: 0,
        };
        cursor.enter(batch, generation);
        cursor
    }

    fn enter(&mut self, batch: u32, generation: &Generation) {
        let entry = &generation.batches[batch as usize];
        self.batch = batch;
        self.at = entry.payload();
        self.end = entry.start + entry.head.len();
        self.to_file = entry.head.offset.wrapping_sub(entry.start as u64);
        self.before = generation.clock.time(entry.head.header.time);
    }

    /// When the next event is.
    #[inline(always)]
    pub fn time(&self) -> i64 {
        self.event.time
    }

    /// Decodes the next event. False at the end of the worker's events.
    ///
    /// # Errors
    ///
    /// What the raw layer says about the bytes. The worker has no more events
    /// then. [`ReadError::Memory`] if there is none to go on with.
    pub fn advance(&mut self, generation: &Generation) -> Result<bool, ReadError> {
        if self.at >= self.end && !self.next_batch(generation)? {
            return Ok(false);
        }
        self.is_decoded = match self.decode(generation) {
            Some(()) => true,
            None => self.decode_slowly(generation)?,
        };
        Ok(self.is_decoded)
    }

    /// Goes on to the worker's next batch that is not empty.
    #[cold]
    fn next_batch(&mut self, generation: &Generation) -> Result<bool, ReadError> {
        if !(generation.allow)() {
            let place = Place {
                offset: self.to_file.wrapping_add(self.at as u64),
                generation: Some(generation.number),
                thread: None,
            };
            return Err(ReadError::Memory { at: place });
        }
        while let Some(next) = generation.batches[self.batch as usize].next {
            self.enter(next.get(), generation);
            if self.at < self.end {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The rest of the batch.
    #[inline(always)]
    pub fn rest<'g>(&self, generation: &'g Generation) -> Rest<'g> {
        let upto = generation.bytes.len().min(self.end + Rest::BEYOND);
        Rest {
            bytes: generation.bytes.get(self.at..upto).unwrap_or(&[]),
            beyond: upto - self.end,
            time: self.before,
            end: self.to_file.wrapping_add(upto as u64),
        }
    }

    /// Goes to what is left of the rest.
    #[inline(always)]
    pub fn go_to(&mut self, rest: &Rest<'_>) {
        self.at = self.end + rest.beyond - rest.bytes.len();
        self.before = rest.time;
    }

    /// How many events are left, those behind the first that cannot be decoded not
    /// among them.
    pub fn count(&self, generation: &Generation) -> u64 {
        let mut ahead = self.clone();
        let mut count = u64::from(self.is_decoded);
        while let Ok(true) = ahead.advance(generation) {
            count += 1;
        }
        count
    }

    /// How many bytes of the batch are left.
    #[inline(always)]
    pub fn left(&self) -> usize {
        self.end - self.at
    }

    /// Decodes the event here if nothing about it is unusual.
    #[inline(always)]
    fn decode(&mut self, generation: &Generation) -> Option<()> {
        let mut rest = self.rest(generation);
        let row = TIMED[usize::from(rest.code()?)];
        let event = match row.numbers {
            1 => rest.next::<1>(row.kind, &generation.clock)?,
            2 => rest.next::<2>(row.kind, &generation.clock)?,
            3 => rest.next::<3>(row.kind, &generation.clock)?,
            4 => rest.next::<4>(row.kind, &generation.clock)?,
            5 => rest.next::<5>(row.kind, &generation.clock)?,
            _ => return None,
        };
        self.go_to(&rest);
        self.event = event;
        Some(())
    }

    /// Decodes the event here with the raw layer, which reads any number and can
    /// say what is wrong.
    #[cold]
    #[inline(never)]
    fn decode_slowly(&mut self, generation: &Generation) -> Result<bool, ReadError> {
        let entry = &generation.batches[self.batch as usize];
        let bytes = &generation.bytes[entry.start..self.end];
        let mut events = entry.head.with_bytes(bytes).events();
        events.go_on_at(self.at - entry.payload());
        match events.next() {
            Some(Ok(event)) => {
                let args = event.args();
                self.event.args[..args.len()].copy_from_slice(args);
                let span = generation.clock.span(event.dt().unwrap_or(0));
                self.before = self.before.wrapping_add(span);
                self.event.time = self.before;
                self.event.kind = event.kind;
                self.event.offset = self.to_file.wrapping_add(self.at as u64);
                self.at += event.bytes.len();
                Ok(true)
            }
            Some(Err(error)) => Err(error),
            // The batch is cut off here, and the file is known to be. It is the
            // last one.
            None => Ok(false),
        }
    }
}

/// The rest of a batch, for decoding events one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Rest<'g> {
    /// It, and some bytes behind it as far as there are any: the words from which
    /// long numbers are taken may reach there.
    bytes: &'g [u8],
    /// How many of the bytes are behind it.
    beyond: usize,
    /// The time of the event before.
    time: i64,
    /// Where in the file the bytes end.
    end: u64,
}

impl Rest<'_> {
    /// With so many bytes behind it there is a window where any event starts, and
    /// where there is no window no event starts.
    const BEYOND: usize = WINDOW - 1;

    /// What the next event starts with, if there is one and it can be decoded here.
    #[inline(always)]
    pub fn code(&self) -> Option<u8> {
        Some(self.bytes.first_chunk::<WINDOW>()?[0])
    }

    /// The next event, of `N` numbers. `None` if there is something unusual about
    /// it; the rest is of no use then.
    #[inline(always)]
    pub fn next<const N: usize>(&mut self, kind: EventKind, clock: &Clock) -> Option<Timed> {
        let window: &[u8; WINDOW] = self.bytes.first_chunk()?;
        let mut at = 1;
        let units = quick_number(window, &mut at)?;
        let mut args = [0; MAX_NUMBERS];
        for arg in &mut args[..N - 1] {
            *arg = quick_number(window, &mut at)?;
        }
        let offset = self.end.wrapping_sub(self.bytes.len() as u64);
        self.bytes = self.bytes.get(at..)?;
        if self.bytes.len() < self.beyond {
            return None;
        }
        // As wrapping as Go's, since times decide nothing but who goes first.
        self.time = self.time.wrapping_add(clock.span(units));
        Some(Timed {
            kind,
            time: self.time,
            args,
            offset,
        })
    }
}
