//! Reading files for tasks. The calling thread blocks; the end of the program
//! wakes it.
//!
//! A regular file is read without ado. Anything else (a pipe, a terminal, a
//! device) may make its reader wait for ever, so it is opened without blocking
//! and waited for together with a *bell*: a pair of sockets that becomes
//! readable when the program ends.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

use crate::fault::Fault;
use crate::sync::lock;

/// How much is read at once from what is no regular file, bytes.
const CHUNK: usize = 64 << 10;

/// The longest file that is read, bytes: one without an end, as a device, must
/// not take all memory.
const MOST: usize = 256 << 20;

/// What all readers of a program share.
#[derive(Default)]
pub(crate) struct Files {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Made for the first reader that may have to wait.
    bell: Option<Arc<Bell>>,
    over: bool,
}

struct Bell {
    rings: UnixStream,
    heard: UnixStream,
}

impl Files {
    /// The text of a file.
    ///
    /// # Errors
    /// If it cannot be read or is no UTF-8; or if the program ends meanwhile,
    /// and nobody will see the error.
    pub(crate) fn read_text(&self, path: &str) -> Result<String, Fault> {
        let bytes = self.read(path).map_err(|error| Fault::CannotRead {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        String::from_utf8(bytes).map_err(|error| Fault::NotText {
            path: path.to_owned(),
            at: error.utf8_error().valid_up_to(),
        })
    }

    /// Wakes all readers that wait, for good.
    pub(crate) fn end(&self) {
        let mut state = lock(&self.state);
        state.over = true;
        if let Some(bell) = &state.bell {
            // It fails only if the other side is closed, and we have both.
            let _ = bell.rings.shutdown(Shutdown::Both);
        }
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let mut file = OpenOptions::new()
            .read(true)
            // Does nothing to regular files.
            .custom_flags(libc::O_NONBLOCK)
            .open(path)?;
        let mut bytes = Vec::new();
        if file.metadata()?.is_file() {
            file.take(MOST as u64 + 1).read_to_end(&mut bytes)?;
            if bytes.len() > MOST {
                return Err(too_long());
            }
        } else {
            self.read_when_ready(&mut file, &mut bytes)?;
        }
        Ok(bytes)
    }

    fn read_when_ready(&self, file: &mut File, bytes: &mut Vec<u8>) -> io::Result<()> {
        let bell = self.bell()?;
        let mut chunk = vec![0; CHUNK];
        loop {
            if !wait_for(file.as_raw_fd(), bell.heard.as_raw_fd())? {
                return Err(ErrorKind::Interrupted.into());
            }
            match file.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(count) if count > MOST - bytes.len() => return Err(too_long()),
                Ok(count) => {
                    bytes.try_reserve(count)?;
                    bytes.extend_from_slice(&chunk[..count]);
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn bell(&self) -> io::Result<Arc<Bell>> {
        let mut state = lock(&self.state);
        if state.over {
            return Err(ErrorKind::Interrupted.into());
        }
        match &state.bell {
            Some(bell) => Ok(Arc::clone(bell)),
            None => {
                let (rings, heard) = UnixStream::pair()?;
                Ok(Arc::clone(
                    state.bell.insert(Arc::new(Bell { rings, heard })),
                ))
            }
        }
    }
}

fn too_long() -> io::Error {
    io::Error::new(
        ErrorKind::FileTooLarge,
        format!("it is longer than {MOST} bytes"),
    )
}

/// Waits until there is something to read, or an end. `false` if the bell rang.
fn wait_for(file: RawFd, bell: RawFd) -> io::Result<bool> {
    let waits = |fd| libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    let mut both = [waits(file), waits(bell)];
    loop {
        // SAFETY: the pointer and the count are those of an array that lives
        // through the call; the descriptors are open, since the caller has them.
        let ready = unsafe { libc::poll(both.as_mut_ptr(), both.len() as libc::nfds_t, -1) };
        if ready >= 0 {
            return Ok(both[1].revents == 0);
        }
        let error = io::Error::last_os_error();
        if error.kind() != ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_says_which_and_why() {
        let files = Files::default();
        for (path, reason) in [
            ("no/such/file", "No such file"),
            ("/", "Is a directory"),
            ("a\0b", "NUL byte"),
        ] {
            match files.read_text(path) {
                Err(Fault::CannotRead {
                    path: said,
                    reason: why,
                }) => {
                    assert_eq!(said, path);
                    assert!(why.contains(reason), "{path:?}: {why}");
                }
                other => panic!("{path:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_file_without_an_end_is_not_read_for_ever() {
        // A regular file as well, of which nothing is stored.
        let name = format!("weft-sparse-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let sparse = File::create(&path).and_then(|file| file.set_len(MOST as u64 + 1));
        sparse.expect("the temporary folder can be written to");
        let files = Files::default();
        for path in ["/dev/zero", path.to_str().expect("UTF-8")] {
            let error = files.read_text(path).expect_err("it is too long");
            let wanted = format!("cannot read {path:?}: it is longer than {MOST} bytes");
            assert_eq!(error.to_string(), wanted);
        }
        let _ = std::fs::remove_file(&path);
    }

    #[test]
    fn a_device_is_read_to_its_end_and_the_end_of_all_ends_it() {
        let files = Files::default();
        assert_eq!(files.read_text("/dev/null"), Ok(String::new()));
        files.end();
        assert!(files.read_text("/dev/null").is_err());
    }
}
