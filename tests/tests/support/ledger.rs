//! What the threads of a process have said to their tracer, and when, in a file that
//! the process maps: the process that kills it reads there how far each thread was.
//!
//! ```text
//! words: alive │ round │ … │ of each thread: worker, begun, done, … │ time, deed │ …
//! ```
//!
//! Each word is written by one thread and read when the process is dead, so that no
//! ordering between words is needed: what a thread has stored, the file has, in the
//! order in which the thread has stored it.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use trace_format::EventKind;

/// What a thread says of a task or a proc: the event's kind and the ID, or 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deed {
    pub kind: EventKind,
    pub id: u64,
}

/// Threads that there may be, and entries of each.
const THREADS: usize = 6;
const ENTRIES: usize = 1 << 19;

/// Words before a thread's entries.
const HEAD: usize = 8;
/// Words of a thread.
const OF_THREAD: usize = HEAD + 2 * ENTRIES;

/// The shared words.
#[derive(Clone, Copy)]
pub struct Ledger(&'static [AtomicU64]);

impl Ledger {
    /// Maps the file, which is made if it is not there.
    pub fn at(path: &Path) -> Self {
        let words = HEAD + THREADS * OF_THREAD;
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .expect("a ledger can be made");
        file.set_len(8 * words as u64).expect("it has room");
        // SAFETY: a mapping at a place of the system's choice.
        let mapped = unsafe {
            libc::mmap(
                ptr::null_mut(),
                8 * words,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        assert_ne!(mapped, libc::MAP_FAILED);
        // SAFETY: so many words, at a page's start, that are never unmapped; other
        // processes have them as atomics as well.
        Self(unsafe { std::slice::from_raw_parts(mapped.cast(), words) })
    }

    fn get(self, at: usize) -> u64 {
        // Relaxed: see the head of the file.
        self.0[at].load(Ordering::Relaxed)
    }

    fn set(self, at: usize, value: u64) {
        // Relaxed: see the head of the file.
        self.0[at].store(value, Ordering::Relaxed);
    }

    /// Notes that everything has begun.
    pub fn lives(self) {
        self.set(0, 1);
    }

    /// Whether everything has begun.
    pub fn is_alive(self) -> bool {
        self.get(0) != 0
    }

    /// Notes that all is in the trace's file that was due when this round began.
    pub fn wrote(self, began: u64) {
        self.set(1, began);
    }

    /// When the last round began at whose end all was in the file that was due.
    pub fn written(self) -> u64 {
        self.get(1)
    }

    /// The part of a thread.
    pub fn thread(self, number: usize) -> Page {
        let from = HEAD + number * OF_THREAD;
        Page(Self(&self.0[from..from + OF_THREAD]))
    }

    /// The parts of all threads that have one.
    pub fn threads(self) -> impl Iterator<Item = Page> {
        let pages = (0..THREADS).map(move |number| self.thread(number));
        pages.filter(|page| page.worker() != 0)
    }
}

/// A thread's part.
#[derive(Clone, Copy)]
pub struct Page(Ledger);

impl Page {
    /// Notes which worker this is.
    pub fn belongs_to(self, worker: u64) {
        self.0.set(0, worker);
    }

    /// Which worker this is.
    pub fn worker(self) -> u64 {
        self.0.get(0)
    }

    /// Says something: notes what and when, and that it was said when it was.
    pub fn says(self, kind: EventKind, id: u64, say: impl FnOnce()) {
        let said = self.0.get(1) as usize;
        assert!(said < ENTRIES, "the ledger is full");
        assert!(id < 1 << 56);
        self.0.set(HEAD + 2 * said, now());
        self.0.set(HEAD + 2 * said + 1, (kind as u64) << 56 | id);
        self.0.set(1, said as u64 + 1);
        say();
        self.0.set(2, said as u64 + 1);
    }

    /// Whether it was in the middle of saying something.
    pub fn is_inside(self) -> bool {
        self.0.get(1) != self.0.get(2)
    }

    /// What was said and when, the last of it perhaps not quite.
    pub fn said(self) -> impl ExactSizeIterator<Item = (u64, Deed)> {
        (0..self.0.get(1) as usize).map(move |at| {
            let word = self.0.get(HEAD + 2 * at + 1);
            let kind = EventKind::from_code((word >> 56) as u8).expect("a kind of event");
            let id = word & ((1 << 56) - 1);
            (self.0.get(HEAD + 2 * at), Deed { kind, id })
        })
    }
}

/// A ledger that nobody looks at any more once this goes.
pub struct Unmapped(Ledger);

impl Unmapped {
    /// Maps the file.
    ///
    /// # Safety
    ///
    /// What [`ledger`](Self::ledger) gives is not used behind this one's end.
    pub unsafe fn at(path: &Path) -> Self {
        Self(Ledger::at(path))
    }

    /// The ledger.
    pub fn ledger(&self) -> Ledger {
        self.0
    }
}

impl Drop for Unmapped {
    fn drop(&mut self) {
        let bytes = size_of_val(self.0.0);
        // SAFETY: it is what `at` has mapped, and by the word of its maker nobody looks
        // at it any more.
        unsafe { libc::munmap(self.0.0.as_ptr().cast_mut().cast(), bytes) };
    }
}

/// The clock of ledgers, nanoseconds; the same in all processes.
pub fn now() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: a place for a time.
    let got = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    assert_eq!(got, 0);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
