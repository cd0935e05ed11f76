//! Where reading has got to in one worker's events.

use trace_format::EventKind;

use crate::error::{Place, ReadError};
use crate::generation::Generation;
use crate::raw::{Quick, WINDOW, quick_number};

/// Most numbers of an event after its time.
pub(crate) const MAX_NUMBERS: usize = 4;

/// An event whose turn has not come yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timed {
    pub kind: EventKind,
    /// Nanoseconds of the trace's clock.
    pub time: i64,
    /// Its arguments; what is behind them is left from other events.
    pub args: [u64; MAX_NUMBERS],
    /// Where in the file it starts.
    pub offset: u64,
}

/// A worker's place in its batches of a generation, and its next event.
#[derive(Debug)]
pub(crate) struct Cursor {
    /// The worker, as its batches name it.
    pub id: u64,
    /// The worker's slot in the order's table.
    pub worker: u32,
    /// The next event.
    pub event: Timed,
    rows: &'static Quick,
    /// The batch, by its number in the generation.
    batch: u32,
    /// The rest of the batch, as positions in the generation's bytes.
    at: usize,
    end: usize,
    /// What to add to a position to have it in the file.
    to_file: u64,
    /// The time of the event before, or of the batch.
    time: i64,
}

impl Cursor {
    /// A cursor before the first event of a worker whose first batch is `batch`,
    /// without the worker's slot.
    pub fn new(id: u64, batch: u32, generation: &Generation) -> Self {
        let mut cursor = Self {
            id,
            worker: 0,
            event: Timed {
                kind: EventKind::ProcStop,
                time: 0,
                args: [0; MAX_NUMBERS],
                offset: 0,
            },
            rows: generation.rows,
            batch,
            at: 0,
            end: 0,
            to_file: 0,
            time: 0,
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
        self.time = generation.clock.time(entry.head.header.time);
    }

    /// Decodes the next event. False at the end of the worker's events.
    ///
    /// # Errors
    ///
    /// What the raw layer says about the bytes. The worker has no more events
    /// then.
    #[inline(always)]
    pub fn advance(&mut self, generation: &Generation) -> Result<bool, ReadError> {
        if self.at >= self.end && !self.next_batch(generation) {
            return Ok(false);
        }
        if self.decode(generation).is_none() {
            return self.decode_slowly(generation);
        }
        Ok(true)
    }

    /// Goes on to the worker's next batch that is not empty.
    #[cold]
    fn next_batch(&mut self, generation: &Generation) -> bool {
        while let Some(next) = generation.batches[self.batch as usize].next {
            self.enter(next.get(), generation);
            if self.at < self.end {
                return true;
            }
        }
        false
    }

    /// Decodes the event here if nothing about it is unusual.
    ///
    /// Where the batch ends is looked at only afterwards: the words from which
    /// long numbers are taken may reach beyond it.
    #[inline(always)]
    fn decode(&mut self, generation: &Generation) -> Option<()> {
        let window: &[u8; WINDOW] = generation.bytes.get(self.at..)?.first_chunk()?;
        let row = self.rows[usize::from(window[0])];
        if row.numbers == 0 {
            return None;
        }
        let mut at = 1;
        let units = quick_number(window, &mut at)?;
        let args = &mut self.event.args;
        if row.numbers > 1 {
            args[0] = quick_number(window, &mut at)?;
        }
        if row.numbers > 2 {
            args[1] = quick_number(window, &mut at)?;
        }
        if row.numbers > 3 {
            args[2] = quick_number(window, &mut at)?;
        }
        if row.numbers > 4 {
            args[3] = quick_number(window, &mut at)?;
        }
        let at = self.at + at;
        if at > self.end {
            return None;
        }
        self.take(row.kind, units, at, generation);
        Some(())
    }

    /// Makes the event that ends at `end` the next one.
    #[inline(always)]
    fn take(&mut self, kind: EventKind, units: u64, end: usize, generation: &Generation) {
        // As wrapping as Go's, since times decide nothing but who goes first.
        self.time = self.time.wrapping_add(generation.clock.span(units));
        self.event.kind = kind;
        self.event.time = self.time;
        self.event.offset = self.to_file.wrapping_add(self.at as u64);
        self.at = end;
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
                let end = self.at + event.bytes.len();
                self.take(event.kind, event.dt().unwrap_or(0), end, generation);
                Ok(true)
            }
            Some(Err(error)) => Err(error),
            // The batch is cut off here, and the file is known to be. It is the
            // last one.
            None => Ok(false),
        }
    }

    /// The place of the next event.
    pub fn place(&self, generation: u64) -> Place {
        Place {
            offset: self.event.offset,
            generation: Some(generation),
            thread: Some(self.id),
        }
    }
}
