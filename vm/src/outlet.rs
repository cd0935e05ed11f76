//! Writing to stdout and stderr so that Ctrl-C gets through.
//!
//! Nobody can be sure that a write to a pipe or terminal comes back: whoever
//! reads it may have stopped to, and a call that began when there was room may
//! find none. So a thread of its own makes the calls. Who wants something
//! written waits for it, looks at the interrupt meanwhile, and once that is
//! raised leaves a stuck thread behind, for the end of the process to clear away.
//!
//! A thread is stuck if its stream has no room, not if it is merely late: on a
//! busy machine even its start can take longer than anybody waits for Ctrl-C.

use std::io::{self, ErrorKind, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use vm::Interrupt;

/// How long a stream without room has, once the interrupt is raised, to take a
/// piece; also how late the interrupt is seen at most.
const PATIENCE: Duration = Duration::from_millis(100);

/// How much is written at once, bytes: a pipe takes several, so that a slow
/// reader can be told from none.
const PIECE: usize = 16 << 10;

/// What the thread has for a stack, bytes: it calls little.
const STACK: usize = 256 << 10;

/// Where the program prints.
///
/// # Errors
/// If there is no thread to be had.
pub(crate) fn stdout(interrupt: &'static Interrupt) -> io::Result<Box<dyn Write + Send>> {
    let stdout = io::stdout();
    // A regular file takes everything, and sooner without a thread.
    if is_file(stdout.as_fd()) {
        return Ok(Box::new(stdout));
    }
    Ok(Box::new(Outlet::new(stdout, io::stdout(), interrupt)?))
}

fn is_file(stream: BorrowedFd<'_>) -> bool {
    let mut found = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the pointer is to room for one of these, and the descriptor open.
    if unsafe { libc::fstat(stream.as_raw_fd(), found.as_mut_ptr()) } != 0 {
        return false;
    }
    // SAFETY: the call has filled it in.
    let found = unsafe { found.assume_init() };
    found.st_mode & libc::S_IFMT == libc::S_IFREG
}

/// A stream that is given up when an interrupt is raised and it takes nothing.
pub(crate) struct Outlet {
    /// The stream again, to ask whether it has room.
    stream: Box<dyn AsFd + Send>,
    texts: Sender<Vec<u8>>,
    /// For each piece of a text in turn, its length; or why it and the rest of
    /// the text are not written.
    written: Receiver<io::Result<usize>>,
    interrupt: &'static Interrupt,
    given_up: bool,
}

impl Outlet {
    /// The stream comes twice; the second one is asked whether it has room.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub(crate) fn new(
        mut stream: impl Write + Send + 'static,
        again: impl AsFd + Send + 'static,
        interrupt: &'static Interrupt,
    ) -> io::Result<Self> {
        let (texts, incoming) = mpsc::channel::<Vec<u8>>();
        let (tell, written) = mpsc::channel();
        thread::Builder::new()
            .name("output".to_owned())
            .stack_size(STACK)
            .spawn(move || {
                for text in incoming {
                    for piece in text.chunks(PIECE) {
                        let result = stream.write_all(piece).and_then(|()| stream.flush());
                        let failed = result.is_err();
                        if tell.send(result.map(|()| piece.len())).is_err() {
                            return;
                        }
                        if failed {
                            break;
                        }
                    }
                }
            })?;
        Ok(Outlet {
            stream: Box::new(again),
            texts,
            written,
            interrupt,
            given_up: false,
        })
    }

    /// Whether a write would come back at once, be it with an error. While one
    /// is stuck in the stream, it would not.
    fn has_room(&self) -> bool {
        let mut room = libc::pollfd {
            fd: self.stream.as_fd().as_raw_fd(),
            events: libc::POLLOUT,
            revents: 0,
        };
        // SAFETY: the pointer is to one of these, and `self` keeps the
        // descriptor open.
        let answers = unsafe { libc::poll(&mut room, 1, 0) };
        // Below 0 it does not know: it is asked again when time is up again.
        answers != 0
    }
}

impl Write for Outlet {
    /// Writes all of it.
    ///
    /// # Errors
    /// The stream's own; or [`ErrorKind::WouldBlock`], now and ever after, if it
    /// takes nothing and the interrupt is raised.
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        if self.given_up {
            return Err(ErrorKind::WouldBlock.into());
        }
        let gone = || io::Error::other("the thread that writes has panicked");
        self.texts.send(text.to_vec()).map_err(|_| gone())?;
        let mut left = text.len();
        while left > 0 {
            // Asked first, so that what the stream can take then is written.
            let over = self.interrupt.raised().is_some();
            match self.written.recv_timeout(PATIENCE) {
                Ok(result) => left -= result?,
                Err(RecvTimeoutError::Timeout) if over && !self.has_room() => {
                    self.given_up = true;
                    return Err(ErrorKind::WouldBlock.into());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(gone()),
            }
        }
        Ok(text.len())
    }

    /// Nothing is kept back.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Read;
    use std::sync::{Arc, Mutex};

    /// What always has room.
    fn sink() -> File {
        File::options()
            .write(true)
            .open("/dev/null")
            .expect("every system has it")
    }

    /// What was written, and how long each piece was.
    type Seen = Arc<Mutex<(Vec<u8>, Vec<usize>)>>;

    /// Takes everything but what begins with an `x`.
    struct Picky(Seen);

    impl Write for Picky {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if bytes.starts_with(b"x") {
                return Err(ErrorKind::BrokenPipe.into());
            }
            self.0.lock().expect("no panic").0.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            let mut seen = self.0.lock().expect("no panic");
            let length = seen.0.len();
            seen.1.push(length);
            Ok(())
        }
    }

    #[test]
    fn what_is_written_is_there_whole_and_in_pieces() {
        static INTERRUPT: Interrupt = Interrupt::new();
        let seen = Seen::default();
        let mut outlet =
            Outlet::new(Picky(Arc::clone(&seen)), sink(), &INTERRUPT).expect("a thread");
        let long: Vec<u8> = (0..=u8::MAX).cycle().take(2 * PIECE + 1).collect();
        outlet.write_all(b"short").expect("it is taken");
        assert_eq!(seen.lock().expect("no panic").0, b"short");
        outlet.write_all(&long).expect("it is taken");
        let seen = seen.lock().expect("no panic");
        assert_eq!(seen.0[5..], long);
        assert_eq!(seen.1, [5, 5 + PIECE, 5 + 2 * PIECE, 5 + 2 * PIECE + 1]);
    }

    #[test]
    fn an_error_ends_its_text_and_no_other() {
        static INTERRUPT: Interrupt = Interrupt::new();
        let seen = Seen::default();
        let mut outlet =
            Outlet::new(Picky(Arc::clone(&seen)), sink(), &INTERRUPT).expect("a thread");
        let error = outlet.write_all(&[b'x'; 3 * PIECE]).expect_err("an x");
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        outlet.write_all(b"next").expect("it is taken");
        assert_eq!(seen.lock().expect("no panic").0, b"next");
    }

    #[test]
    fn an_interrupt_gives_a_stuck_stream_up_for_good() {
        static INTERRUPT: Interrupt = Interrupt::new();
        INTERRUPT.raise(2);
        let (mut reader, stream) = io::pipe().expect("a pipe");
        let again = stream.try_clone().expect("a descriptor");
        let mut outlet = Outlet::new(stream, again, &INTERRUPT).expect("a thread");
        let error = outlet.write_all(&[0; 1 << 20]).expect_err("it is stuck");
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        // Too late.
        reader.read_exact(&mut [0; 1 << 20]).expect("all comes");
        let error = outlet.write_all(b"text").expect_err("it was stuck");
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }

    /// Takes everything, after a while.
    struct Late(File);

    impl Write for Late {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            thread::sleep(3 * PATIENCE);
            self.0.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_interrupt_does_not_give_a_late_thread_up() {
        static INTERRUPT: Interrupt = Interrupt::new();
        INTERRUPT.raise(2);
        let mut outlet = Outlet::new(Late(sink()), sink(), &INTERRUPT).expect("a thread");
        outlet.write_all(b"text").expect("there is room");
    }
}
