//! Writing a trace's file, whatever the file does.
//!
//! Nobody can be sure that a write comes back: a pipe's reader may have gone to
//! sleep, a disk behind a network may be away. So a thread of its own makes the
//! calls, with a copy of the bytes, and another one pulls what the tracer has
//! and waits for it:
//!
//! ```text
//!  Tracer ── chunks ──► drain (may be left waiting, memory is bounded)
//!                         │ a copy of one chunk      ▲ done, or an error
//!                         ▼                          │
//!                       sink thread ── write ──► file
//! ```
//!
//! While the program runs, the file has all the time it wants. Once the trace is
//! to end, a file that takes nothing for [`PATIENCE`] is given up, and the sink
//! thread is left behind with it. If somebody has interrupted the program, so is
//! a file that has not all of it within [`HASTE`], however steadily it takes a
//! little.
//!
//! The system sends a thread whose write goes beyond a limit on files' sizes, or
//! into a pipe that nobody reads, a signal that by default ends the process. The
//! sink thread blocks both: they are for this thread only, and what has happened
//! is in the write's result as well.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use runtime_trace::{Chunk, Tracer};

use crate::interrupt::Interrupt;
use crate::options::{FileState, TraceFile};

/// How long a file that takes nothing is waited for, once the trace is to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a file has for all that is left, once the program is interrupted.
const HASTE: Duration = Duration::from_secs(8);

/// How long the system may need then to have all of it on a disk.
const SYNC_PATIENCE: Duration = Duration::from_secs(30);

/// What bounds a file's time.
#[derive(Debug)]
pub(super) struct Closing<'a> {
    /// Set once the trace is to end, and patience is bounded.
    flag: AtomicBool,
    interrupt: Option<&'a Interrupt>,
    haste: Duration,
}

impl<'a> Closing<'a> {
    pub(super) fn new(interrupt: Option<&'a Interrupt>) -> Self {
        Closing {
            flag: AtomicBool::new(false),
            interrupt,
            haste: HASTE,
        }
    }

    /// The trace is to end.
    pub(super) fn begin(&self) {
        // Relaxed: a flag that orders nothing.
        self.flag.store(true, Ordering::Relaxed);
    }

    fn begun(&self) -> bool {
        // Relaxed: as in `begin`.
        self.flag.load(Ordering::Relaxed)
    }

    fn hurries(&self) -> bool {
        self.interrupt.and_then(Interrupt::raised).is_some()
    }
}

/// What each thread of a trace has for a stack, bytes: they call little, and a
/// traced program is to have room where an untraced one has.
pub(super) const STACK: usize = 256 << 10;

/// How often somebody who waits looks whether something has changed.
const LOOK: Duration = Duration::from_millis(100);

/// How long nobody asks again where there was nothing to be had.
const NAP: Duration = Duration::from_millis(2);

/// How much is written at once to what is not a regular file, bytes: little, so
/// that a slow reader can be told from none.
const PIECE: usize = 4 << 10;

/// How much of a trace has come into its file.
#[derive(Debug)]
pub(super) struct Written {
    /// Bytes that it has taken.
    pub(super) bytes: u64,
    pub(super) result: io::Result<()>,
}

/// Writes the trace to its end, into the sink that comes. If none comes, or it
/// does not take any more, the tracer is told so, and read on: it wants its
/// memory back.
pub(super) fn drain(tracer: &Tracer, sink: &Receiver<Sink>, closing: &Closing<'_>) -> Written {
    let mut sink = sink.recv().ok();
    let mut result = Ok(());
    let Some(mut reader) = tracer.reader() else {
        return Written {
            bytes: 0,
            result: Err(io::Error::other("somebody else reads the trace")),
        };
    };
    loop {
        let failed = match reader.next() {
            Chunk::Data(bytes) => match &mut sink {
                Some(sink) => {
                    result = sink.write(bytes, closing);
                    result.is_err()
                }
                None => true,
            },
            Chunk::Pending => {
                thread::sleep(NAP);
                false
            }
            Chunk::End => break,
        };
        if failed {
            reader.fail(); // There is no more data after this.
        }
    }
    if let Some(sink) = &mut sink
        && result.is_ok()
    {
        result = sink.sync(closing);
    }
    Written {
        bytes: sink.as_ref().map_or(0, Sink::taken),
        result,
    }
}

/// A file, with the thread that writes to it.
#[derive(Debug)]
pub(super) struct Sink {
    jobs: Sender<Job>,
    /// The buffer comes back with the result.
    done: Receiver<(io::Result<()>, Vec<u8>)>,
    spare: Vec<u8>,
    progress: Arc<Progress>,
    /// Since when it is known to be in haste.
    in_haste: Option<Instant>,
}

#[derive(Debug)]
enum Job {
    Write(Vec<u8>),
    Sync,
}

/// How far the thread is. All accesses are Relaxed: a figure and flags.
#[derive(Debug, Default)]
struct Progress {
    /// It could not be opened yet.
    unopened: AtomicBool,
    /// Bytes that the file has taken.
    taken: AtomicU64,
    /// Nobody wants to know any more.
    given_up: AtomicBool,
}

impl Sink {
    /// # Errors
    /// If there is no thread to be had.
    pub(super) fn new(file: TraceFile) -> io::Result<Self> {
        let (jobs, incoming) = channel();
        let (tell, done) = channel();
        let progress = Arc::new(Progress::default());
        let own = Arc::clone(&progress);
        thread::Builder::new()
            .name("trace sink".to_owned())
            .stack_size(STACK)
            .spawn(move || {
                block_signals();
                let mut file = Some(file);
                let mut opened: Option<(Arc<File>, usize)> = None;
                for job in incoming {
                    // With the first job: an open that waits has waited by then.
                    if let Some(file) = file.take() {
                        match open(file, &own) {
                            Ok(it) => opened = Some(it),
                            Err(error) => {
                                let _ = tell.send((Err(error), Vec::new()));
                            }
                        }
                    }
                    let Some((file, piece)) = &opened else {
                        return;
                    };
                    let answer = match job {
                        Job::Write(bytes) => (write_all(&mut &**file, &bytes, *piece, &own), bytes),
                        Job::Sync => (sync(file), Vec::new()),
                    };
                    if tell.send(answer).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Sink {
            jobs,
            done,
            spare: Vec::new(),
            progress,
            in_haste: None,
        })
    }

    fn taken(&self) -> u64 {
        self.progress.taken.load(Ordering::Relaxed)
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// The file's own; or [`ErrorKind::TimedOut`] if it is given up.
    fn write(&mut self, bytes: &[u8], closing: &Closing<'_>) -> io::Result<()> {
        let mut copy = std::mem::take(&mut self.spare);
        copy.clear();
        copy.extend_from_slice(bytes);
        self.spare = self.ask(Job::Write(copy), PATIENCE, closing)?;
        Ok(())
    }

    /// Waits until all of it is where it would outlive the system.
    fn sync(&mut self, closing: &Closing<'_>) -> io::Result<()> {
        self.ask(Job::Sync, SYNC_PATIENCE, closing).map(drop)
    }

    fn ask(&mut self, job: Job, patience: Duration, closing: &Closing<'_>) -> io::Result<Vec<u8>> {
        let gone = || io::Error::other("the thread that writes it has panicked");
        self.jobs.send(job).map_err(|_| gone())?;
        let mut before = self.taken();
        let mut idle = Duration::ZERO;
        loop {
            // Asked first: one job after the other may be done in time.
            if self.is_late(closing) {
                let seconds = closing.haste.as_secs();
                let why = format!("given up, as it had {seconds} s after the interrupt");
                return Err(self.give_up(why));
            }
            match self.done.recv_timeout(LOOK) {
                Ok((result, buffer)) => return result.map(|()| buffer),
                Err(RecvTimeoutError::Disconnected) => return Err(gone()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            let taken = self.taken();
            if taken != before || !closing.begun() {
                before = taken;
                idle = Duration::ZERO;
                continue;
            }
            idle += LOOK;
            if idle >= patience {
                let seconds = patience.as_secs();
                // Relaxed: a flag.
                let why = match self.progress.unopened.load(Ordering::Relaxed) {
                    true => "given up, as nobody has come to read it".to_owned(),
                    false => format!("given up, as it has not moved for {seconds} s"),
                };
                return Err(self.give_up(why));
            }
        }
    }

    /// Whether the time of an interrupted program is over.
    fn is_late(&mut self, closing: &Closing<'_>) -> bool {
        closing.hurries()
            && self.in_haste.get_or_insert_with(Instant::now).elapsed() >= closing.haste
    }

    fn give_up(&self, why: String) -> io::Error {
        self.progress.given_up.store(true, Ordering::Relaxed);
        io::Error::new(ErrorKind::TimedOut, why)
    }
}

/// The file, as soon as it can be opened, and how much to write to it at once.
fn open(file: TraceFile, progress: &Progress) -> io::Result<(Arc<File>, usize)> {
    let file = match file.0 {
        FileState::Open(file) => file,
        FileState::Later(mut open) => {
            progress.unopened.store(true, Ordering::Relaxed);
            let file = loop {
                if let Some(file) = open()? {
                    break file;
                }
                // Relaxed: a flag.
                if progress.given_up.load(Ordering::Relaxed) {
                    return Err(ErrorKind::TimedOut.into());
                }
                thread::sleep(NAP);
            };
            progress.unopened.store(false, Ordering::Relaxed);
            Arc::new(file)
        }
    };
    let is_file = file.metadata().is_ok_and(|found| found.is_file());
    Ok((file, if is_file { usize::MAX } else { PIECE }))
}

/// Writes all of it, at most `piece` bytes at once.
fn write_all(
    file: &mut impl Write,
    mut bytes: &[u8],
    piece: usize,
    progress: &Progress,
) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(&bytes[..bytes.len().min(piece)]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(taken) => {
                bytes = &bytes[taken..];
                // Relaxed: a figure.
                progress.taken.fetch_add(taken as u64, Ordering::Relaxed);
            }
            Err(error) => match error.kind() {
                ErrorKind::Interrupted => {}
                // A file that does not wait by itself. Relaxed: a flag.
                ErrorKind::WouldBlock if !progress.given_up.load(Ordering::Relaxed) => {
                    thread::sleep(NAP);
                }
                _ => return Err(error),
            },
        }
    }
    Ok(())
}

fn sync(file: &File) -> io::Result<()> {
    match file.sync_all() {
        // A pipe or a device cannot be synced, and need not be.
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
        result => result,
    }
}

/// Keeps from the calling thread the signals that its writes may cause.
fn block_signals() {
    let mut signals = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the first call initialises the set, which the others only use; the
    // signals are known; and a thread may change its own mask.
    unsafe {
        libc::sigemptyset(signals.as_mut_ptr());
        for signal in [libc::SIGXFSZ, libc::SIGPIPE] {
            libc::sigaddset(signals.as_mut_ptr(), signal);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, signals.as_ptr(), std::ptr::null_mut());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::fd::OwnedFd;

    /// Takes so many bytes at each call, or refuses for this reason.
    struct Moody {
        moods: Vec<Result<usize, ErrorKind>>,
        got: Vec<u8>,
    }

    impl Write for Moody {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = match self.moods.pop() {
                None => bytes.len(),
                Some(mood) => mood?.min(bytes.len()),
            };
            self.got.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn all_of_it_is_written_or_it_is_said_how_much() {
        use ErrorKind::{BrokenPipe, Interrupted, StorageFull, WouldBlock, WriteZero};
        let text = b"0123456789";
        for (moods, error, taken) in [
            (vec![], None, 10),
            (vec![Ok(1), Ok(3), Ok(1)], None, 10),
            (vec![Err(Interrupted), Ok(3), Err(Interrupted)], None, 10),
            (vec![Err(WouldBlock), Ok(3), Err(WouldBlock)], None, 10),
            (vec![Ok(4), Err(StorageFull)], Some(StorageFull), 4),
            (vec![Err(BrokenPipe)], Some(BrokenPipe), 0),
            (vec![Ok(4), Ok(2), Ok(0)], Some(WriteZero), 6),
        ] {
            let mut file = Moody {
                moods: moods.iter().rev().copied().collect(),
                got: Vec::new(),
            };
            let progress = Progress::default();
            let result = write_all(&mut file, text, usize::MAX, &progress);
            assert_eq!(result.err().map(|error| error.kind()), error, "{moods:?}");
            assert_eq!(file.got, text[..taken], "{moods:?}");
            assert_eq!(progress.taken.into_inner(), taken as u64, "{moods:?}");
        }
    }

    #[test]
    fn what_is_given_up_is_not_tried_for_ever() {
        let mut file = Moody {
            moods: vec![Err(ErrorKind::WouldBlock); 3],
            got: Vec::new(),
        };
        let progress = Progress::default();
        progress.given_up.store(true, Ordering::Relaxed);
        let error = write_all(&mut file, b"text", 2, &progress).expect_err("it is given up");
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }

    #[test]
    fn nobody_is_impatient_before_the_end() {
        // Fuller than a pipe gets; whether it is read or given up is up to us.
        let bytes = vec![1; 1 << 20];
        static INTERRUPT: Interrupt = Interrupt::new();
        INTERRUPT.raise(2);
        for (begun, interrupt) in [(false, None), (true, None), (false, Some(&INTERRUPT))] {
            let closing = Closing {
                flag: begun.into(),
                interrupt,
                haste: Duration::ZERO,
            };
            let given_up = begun || interrupt.is_some();
            let (mut from, into) = io::pipe().expect("a pipe");
            let mut sink = Sink::new(File::from(OwnedFd::from(into)).into()).expect("a thread");
            let result = thread::scope(|scope| {
                let reader = scope.spawn(move || {
                    // Looked after a few times, meanwhile.
                    thread::sleep(3 * LOOK);
                    let mut arrived = Vec::new();
                    from.read_to_end(&mut arrived).expect("it can be read");
                    arrived.len()
                });
                let result = sink.ask(Job::Write(bytes.clone()), Duration::ZERO, &closing);
                drop(sink);
                let arrived = reader.join().expect("no panic");
                assert!(given_up || arrived == bytes.len(), "{arrived} bytes");
                result
            });
            match result {
                Ok(buffer) => assert!(!given_up && buffer == bytes),
                Err(error) => assert!(given_up && error.kind() == ErrorKind::TimedOut, "{error}"),
            }
        }
    }
}
