//! What the command line asks of the system about files and signals. Elsewhere than
//! on Unix files have no owners here, and no signal is waited for.

pub(super) use chosen::{create_new, id, make_alike, stdin, stdout, when_ended};

#[cfg(unix)]
mod chosen {
    use std::fs::{self, File, Metadata};
    use std::io;
    use std::os::fd::AsFd;
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
    use std::path::Path;
    use std::thread;

    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;
    use signal_hook::low_level::emulate_default_handler;

    /// What two names of one file have in common. Others than files have nothing to
    /// lose.
    pub(in super::super) fn id(file: &Metadata) -> Option<(u64, u64)> {
        file.is_file().then(|| (file.dev(), file.ino()))
    }

    pub(in super::super) fn stdin() -> io::Result<Metadata> {
        of(&io::stdin())
    }

    pub(in super::super) fn stdout() -> io::Result<Metadata> {
        of(&io::stdout())
    }

    fn of(open: &impl AsFd) -> io::Result<Metadata> {
        File::from(open.as_fd().try_clone_to_owned()?).metadata()
    }

    /// A new file, perhaps for nobody else yet. Links are not followed.
    pub(in super::super) fn create_new(path: &Path, private: bool) -> io::Result<File> {
        let mode = if private { 0o600 } else { 0o666 };
        let mut options = File::options();
        options.write(true).create_new(true).mode(mode).open(path)
    }

    /// Gives a file another one's owner and mode.
    pub(in super::super) fn make_alike(file: &File, other: &Metadata) -> io::Result<()> {
        let made = file.metadata()?;
        if (made.uid(), made.gid()) != (other.uid(), other.gid()) {
            fchown(file, Some(other.uid()), Some(other.gid())).map_err(|error| {
                io::Error::new(error.kind(), format!("it cannot keep its owner: {error}"))
            })?;
        }
        // Second, since the first takes bits of it away.
        file.set_permissions(other.permissions())
    }

    /// Does something before a signal ends the program: an interrupt, a request to
    /// end, the terminal's end. What is ignored stays so.
    pub(in super::super) fn when_ended(act: fn()) -> io::Result<()> {
        let ignored = ignored();
        let ends = [SIGINT, SIGTERM, SIGHUP];
        let ends = ends.iter().filter(|&&end| ignored >> (end - 1) & 1 == 0);
        let mut signals = Signals::new(ends)?;
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                for signal in signals.forever() {
                    act();
                    // Does not come back for one of these.
                    let _ = emulate_default_handler(signal);
                }
            })?;
        Ok(())
    }

    /// The signals that whoever started us has ignored, a bit each. Where the
    /// system does not say, none.
    fn ignored() -> u64 {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
            .unwrap_or(0)
    }
}

#[cfg(not(unix))]
mod chosen {
    use std::fs::{File, Metadata};
    use std::io;
    use std::path::Path;

    pub(in super::super) fn id(_: &Metadata) -> Option<(u64, u64)> {
        None
    }

    pub(in super::super) fn stdin() -> io::Result<Metadata> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in super::super) fn stdout() -> io::Result<Metadata> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in super::super) fn create_new(path: &Path, _: bool) -> io::Result<File> {
        File::options().write(true).create_new(true).open(path)
    }

    pub(in super::super) fn make_alike(file: &File, other: &Metadata) -> io::Result<()> {
        file.set_permissions(other.permissions())
    }

    pub(in super::super) fn when_ended(_: fn()) -> io::Result<()> {
        Ok(())
    }
}
