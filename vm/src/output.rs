//! The program's output: one buffer that all tasks print into, a line at a
//! time.
//!
//! The buffer and the sink have a lock each, so that a sink that blocks holds up
//! only who writes to it, and the scheduler can treat that as a system call.

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
    /// Taken with the sink's lock held, if both are.
    buffer: Mutex<Vec<u8>>,
    sink: Mutex<Sink<'o>>,
}

struct Sink<'o> {
    out: &'o mut (dyn Write + Send),
    /// What is being written.
    writing: Vec<u8>,
    /// Nothing more is written after an error.
    broken: bool,
}

impl<'o> Output<'o> {
    pub(crate) fn new(out: &'o mut (dyn Write + Send), flush_lines: bool) -> Self {
        Output {
            flush_lines,
            dirty: AtomicBool::new(false),
            buffer: Mutex::default(),
            sink: Mutex::new(Sink {
                out,
                writing: Vec::new(),
                broken: false,
            }),
        }
    }

    /// Prints a text, which nobody else's gets into. `true` if it is to be
    /// [flushed](Self::flush) before the task prints more.
    pub(crate) fn print(&self, text: &str) -> bool {
        let mut buffer = lock(&self.buffer);
        buffer.extend_from_slice(text.as_bytes());
        // Relaxed: set and cleared under the lock, and a hint outside.
        self.dirty.store(true, Ordering::Relaxed);
        self.flush_lines || buffer.len() >= BUFFER
    }

    /// Whether there may be something to flush.
    pub(crate) fn is_dirty(&self) -> bool {
        // Relaxed: who prints and who flushes the last of it are ordered by the
        // queues between them.
        self.dirty.load(Ordering::Relaxed)
    }

    /// Writes what is kept.
    ///
    /// # Errors
    /// The first time the output cannot be written. After that, nothing is.
    pub(crate) fn flush(&self) -> io::Result<()> {
        if !self.is_dirty() {
            return Ok(());
        }
        let sink = &mut *lock(&self.sink);
        {
            let mut buffer = lock(&self.buffer);
            // Relaxed: as in `print`.
            self.dirty.store(false, Ordering::Relaxed);
            std::mem::swap(&mut *buffer, &mut sink.writing);
        }
        let result = if sink.broken {
            Ok(())
        } else {
            sink.out
                .write_all(&sink.writing)
                .and_then(|()| sink.out.flush())
        };
        sink.writing.clear();
        sink.broken |= result.is_err();
        result
    }
}
