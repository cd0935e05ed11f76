//! Opening what a trace is written to, so that nothing is destroyed.
//!
//! ```text
//!  /dev/stdout, /dev/fd/N ──► that descriptor again
//!  a regular file ──► a link? someone else's? ── locked ──► no trace? ── emptied
//!  a pipe that nobody reads ──► opened later, when somebody does
//!  another pipe, a terminal, a character device ──► as it is
//! ```
//!
//! A file is looked at after it is open and locked, so that it is the one that
//! was looked at that is emptied. Where the lock is taken, the one who had it may
//! have removed the file; then it is opened anew.
//!
//! Only a regular file can be destroyed, so a link may lead to anything else. A
//! descriptor that the parent has opened is the parent's, whatever it leads to, and
//! is written to from where it stands.

use std::fmt;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use vm::TraceFile;

/// Only the owner may read what a program does.
const MODE: u32 = 0o600;

/// A trace's first bytes are these, a version, a name and zeros.
const BEGIN: &[u8] = b"go 1.";

/// So often a file may become another one while we open it.
const TRIES: u32 = 16;

/// What a trace is written to.
pub(crate) struct Opened {
    pub(crate) file: TraceFile,
    /// Which regular file it is, if it is one that has a name.
    pub(crate) named: Option<Identity>,
}

/// Device and number of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity(u64, u64);

impl Identity {
    fn of(found: &Metadata) -> Self {
        Identity(found.dev(), found.ino())
    }
}

/// Why a trace cannot be written there.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The path is a link to a regular file, or to nothing.
    Link,
    /// There is something else in it.
    NoTrace,
    /// Another program records into it.
    Locked,
    /// It is a whole disk.
    Disk,
    /// The system says no.
    System(io::Error),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::Link => "it is a link, which is not followed; name the file that you mean",
            Refused::NoTrace => {
                "what is in it is no trace, and is not replaced; name another file, or remove it"
            }
            Refused::Locked => "another program is recording into it; name another file",
            Refused::Disk => "it is a disk, which is not written over; name a file",
            Refused::System(error) => return error.fmt(f),
        })
    }
}

impl std::error::Error for Refused {}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Refused::System(error)
    }
}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::System(error) => error,
            other => io::Error::other(other),
        }
    }
}

/// Opens whatever it is.
///
/// # Errors
/// If it cannot be written to, or must not.
pub(crate) fn open(path: &Path) -> Result<Opened, Refused> {
    if let Some(descriptor) = descriptor(path) {
        return Ok(Opened {
            file: again(descriptor)?.into(),
            named: None,
        });
    }
    for _ in 0..TRIES {
        let (file, reads) = match create(path) {
            Ok(opened) => opened,
            Err(error) => return follow(path, error),
        };
        if !file.metadata()?.is_file() {
            if reads {
                continue;
            }
            return special(file);
        }
        if let Some(identity) = take(&file, reads)? {
            return Ok(Opened {
                file: file.into(),
                named: Some(identity),
            });
        }
    }
    Err(Refused::Locked)
}

/// Opens a regular file.
///
/// # Errors
/// If it is none, cannot be written to, or must not.
pub(crate) fn open_regular(path: &Path) -> Result<File, Refused> {
    for _ in 0..TRIES {
        let (file, reads) = create(path).map_err(|error| match error.raw_os_error() {
            Some(libc::ELOOP) => Refused::Link,
            _ => error.into(),
        })?;
        if !file.metadata()?.is_file() {
            return Err(Refused::NoTrace);
        }
        if take(&file, reads)?.is_some() {
            return Ok(file);
        }
    }
    Err(Refused::Locked)
}

/// Removes a file that we have made for nothing, if nobody has begun to record
/// into it.
///
/// # Errors
/// If the system says no.
pub(crate) fn remove_empty(path: &Path, identity: Identity) -> io::Result<()> {
    let file = flags(libc::O_NOFOLLOW).open(path)?;
    let found = file.metadata()?;
    if Identity::of(&found) == identity && found.len() == 0 && lock(&file)? {
        std::fs::remove_file(path)?;
    }
    Ok(())
}

/// Opens a file, which may have to be created, and no link. If it is a regular
/// one it can be read as well: it is looked at, and there may be no second
/// descriptor. (A pipe that could be read would never be without a reader.)
fn create(path: &Path) -> io::Result<(File, bool)> {
    let reads = path.symlink_metadata().is_ok_and(|found| found.is_file());
    let mut options = flags(libc::O_NOFOLLOW);
    let file = options.read(reads).create(true).mode(MODE).open(path)?;
    Ok((file, reads))
}

/// How all of them are opened: to write, and at once.
fn flags(more: libc::c_int) -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | more);
    options
}

/// What is behind a path that cannot be opened just so, if it is a link or a pipe.
fn follow(path: &Path, error: io::Error) -> Result<Opened, Refused> {
    match error.raw_os_error() {
        // Also where several links lead to each other: then the next call fails.
        Some(libc::ELOOP) => {}
        Some(libc::ENXIO) if path.symlink_metadata()?.file_type().is_fifo() => {
            return Ok(later(path, libc::O_NOFOLLOW));
        }
        _ => return Err(error.into()),
    }
    match path.metadata() {
        Ok(found) if !found.is_file() => {}
        Ok(_) => return Err(Refused::Link),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Refused::Link),
        Err(error) => return Err(error.into()),
    }
    match flags(0).open(path) {
        // It may have become another one meanwhile, and is still as it was.
        Ok(file) if file.metadata()?.is_file() => Err(Refused::Link),
        Ok(file) => special(file),
        Err(error)
            if error.raw_os_error() == Some(libc::ENXIO)
                && path.metadata()?.file_type().is_fifo() =>
        {
            Ok(later(path, 0))
        }
        Err(error) => Err(error.into()),
    }
}

/// What is no regular file.
fn special(file: File) -> Result<Opened, Refused> {
    if file.metadata()?.file_type().is_block_device() {
        return Err(Refused::Disk);
    }
    waits(&file)?;
    Ok(Opened {
        file: file.into(),
        named: None,
    })
}

/// A named pipe that nobody reads yet.
fn later(path: &Path, more: libc::c_int) -> Opened {
    let path = path.to_owned();
    let open = move || match flags(more).open(&path) {
        Ok(pipe) if pipe.metadata()?.file_type().is_fifo() => waits(&pipe).map(|()| Some(pipe)),
        Ok(_) => Err(io::Error::other("it was a pipe, and is none any more")),
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => Ok(None),
        Err(error) => Err(error),
    };
    Opened {
        file: TraceFile::later(open),
        named: None,
    }
}

/// Makes a regular file ours, and empty. None if it was removed meanwhile, or
/// written to before it could be read.
fn take(file: &File, reads: bool) -> Result<Option<Identity>, Refused> {
    if !lock(file)? {
        return Err(Refused::Locked);
    }
    let found = file.metadata()?;
    if found.nlink() == 0 || (found.len() > 0 && !reads) {
        return Ok(None);
    }
    if found.len() > 0 {
        let mut header = [0; 16];
        let is_trace = match file.read_exact_at(&mut header, 0) {
            Ok(()) => is_header(&header),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => false,
            Err(error) => return Err(error.into()),
        };
        if !is_trace {
            return Err(Refused::NoTrace);
        }
        file.set_len(0)?;
    }
    Ok(Some(Identity::of(&found)))
}

/// Whether a file begins as a trace of whatever version does.
fn is_header(header: &[u8; 16]) -> bool {
    let Some(rest) = header.strip_prefix(BEGIN) else {
        return false;
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let Some(zeros) = rest[digits..].strip_prefix(b" trace") else {
        return false;
    };
    digits > 0 && zeros.iter().all(|&byte| byte == 0)
}

/// Locks a file for as long as it is open. Whether nobody else has.
fn lock(file: &File) -> io::Result<bool> {
    // SAFETY: the descriptor is open, since the caller has it.
    if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EWOULDBLOCK) => Ok(false),
        // Not every file system has locks; without, it is as if nobody else came.
        Some(libc::ENOLCK | libc::EOPNOTSUPP | libc::EINVAL | libc::ENOSYS) => Ok(true),
        _ => Err(error),
    }
}

/// Has writes wait where there is no room.
fn waits(file: &File) -> io::Result<()> {
    let flags = status(file.as_raw_fd())?;
    // SAFETY: it is a descriptor and a number.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFL, flags & !libc::O_NONBLOCK) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// How a descriptor was opened.
fn status(descriptor: RawFd) -> io::Result<libc::c_int> {
    // SAFETY: it is a number, and the call says so if it is no descriptor.
    match unsafe { libc::fcntl(descriptor, libc::F_GETFL) } {
        -1 => Err(io::Error::last_os_error()),
        flags => Ok(flags),
    }
}

/// The descriptor that a path is another name of.
fn descriptor(path: &Path) -> Option<RawFd> {
    let path = path.to_str()?;
    let number = match path {
        "/dev/stdin" => return Some(0),
        "/dev/stdout" => return Some(1),
        "/dev/stderr" => return Some(2),
        _ => path
            .strip_prefix("/dev/fd/")
            .or_else(|| path.strip_prefix("/proc/self/fd/"))?,
    };
    number.parse().ok().filter(|&number| number >= 0)
}

/// A descriptor, a second time.
fn again(descriptor: RawFd) -> io::Result<File> {
    if status(descriptor)? & libc::O_ACCMODE == libc::O_RDONLY {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: it is open, as the call above has shown, and nothing that we have
    // opened is closed before this function returns.
    let open = unsafe { BorrowedFd::borrow_raw(descriptor) };
    open.try_clone_to_owned().map(File::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        let padded = |text: &str| {
            let mut header = [0; 16];
            header[..text.len()].copy_from_slice(text.as_bytes());
            header
        };
        for header in ["go 1.5 trace", "go 1.26 trace", "go 1.260 trace"] {
            assert!(is_header(&padded(header)), "{header}");
        }
        for other in [
            "",
            "go 1. trace",
            "go 1.26 tracer",
            "go 1.26 trac",
            "go 2.26 trace",
            "fn main() {}",
        ] {
            assert!(!is_header(&padded(other)), "{other}");
        }
    }

    #[test]
    fn names_of_descriptors() {
        for (path, number) in [
            ("/dev/stdin", Some(0)),
            ("/dev/stdout", Some(1)),
            ("/dev/stderr", Some(2)),
            ("/dev/fd/63", Some(63)),
            ("/proc/self/fd/7", Some(7)),
            ("/dev/fd/-1", None),
            ("/dev/fd/x", None),
            ("/dev/null", None),
            ("stdout", None),
        ] {
            assert_eq!(descriptor(Path::new(path)), number, "{path}");
        }
    }
}
