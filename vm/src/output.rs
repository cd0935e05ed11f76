//! The program's output: one buffer that all tasks print into, a line at a
//! time.

use std::io::{self, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::sync::lock;

/// How much is kept before it is written, bytes.
const BUFFER: usize = 64 << 10;

/// Where tasks print.
pub(crate) struct Output<'o> {
    /// Whether each line is written at once.
    flush_lines: bool,
    /// Whether there may be something to flush.
    dirty: AtomicBool,
    sink: Mutex<Sink<'o>>,
}

struct Sink<'o> {
    out: &'o mut (dyn Write + Send),
    buffer: Vec<u8>,
    /// Nothing more is written after an error.
    broken: bool,
}

impl<'o> Output<'o> {
    pub(crate) fn new(out: &'o mut (dyn Write + Send), flush_lines: bool) -> Self {
        let sink = Sink {
            out,
            buffer: Vec::new(),
            broken: false,
        };
        Output {
            flush_lines,
            dirty: AtomicBool::new(false),
            sink: Mutex::new(sink),
        }
    }

    /// Prints a text, which nobody else's gets into.
    ///
    /// # Errors
    /// The first time the output cannot be written. After that, nothing is.
    pub(crate) fn print(&self, text: &str) -> io::Result<()> {
        let mut sink = lock(&self.sink);
        if sink.broken {
            return Ok(());
        }
        sink.buffer.extend_from_slice(text.as_bytes());
        if self.flush_lines || sink.buffer.len() >= BUFFER {
            return sink.flush();
        }
        // Relaxed: set and cleared under the lock, and a hint outside.
        self.dirty.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Writes what is kept.
    ///
    /// # Errors
    /// As for [`print`](Self::print).
    pub(crate) fn flush(&self) -> io::Result<()> {
        // Relaxed: who prints and who flushes the last of it are ordered by the
        // queues between them.
        if !self.dirty.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut sink = lock(&self.sink);
        // Relaxed: as in `print`.
        self.dirty.store(false, Ordering::Relaxed);
        sink.flush()
    }
}

impl Sink<'_> {
    fn flush(&mut self) -> io::Result<()> {
        if self.broken {
            return Ok(());
        }
        let result = self
            .out
            .write_all(&self.buffer)
            .and_then(|()| self.out.flush());
        self.buffer.clear();
        self.broken = result.is_err();
        result
    }
}
