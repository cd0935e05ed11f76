//! The few things that the program asks of the operating system.

use core::cell::UnsafeCell;
use core::ffi::{CStr, c_int, c_void};
use core::fmt::{self, Write};
use core::mem::MaybeUninit;
use core::ptr;

/// The system refused.
#[derive(Debug)]
pub struct Refused;

/// A value behind a lock.
pub struct Mutex<T> {
    lock: UnsafeCell<libc::pthread_mutex_t>,
    value: UnsafeCell<T>,
}

// SAFETY: the value is only reached by who has the lock.
unsafe impl<T: Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    /// A lock that nobody has.
    pub const fn new(value: T) -> Self {
        Self {
            lock: UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER),
            value: UnsafeCell::new(value),
        }
    }

    /// Calls `f` with the value. Must not be called from within `f`.
    pub fn with<R>(&'static self, f: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: the lock was initialised with its initialiser and never moves,
        // since `self` is static.
        unsafe { libc::pthread_mutex_lock(self.lock.get()) };
        self.locked(f)
    }

    /// The same if nobody has the lock; else `None`.
    pub fn try_with<R>(&'static self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        // SAFETY: as in `with`.
        let error = unsafe { libc::pthread_mutex_trylock(self.lock.get()) };
        (error == 0).then(|| self.locked(f))
    }

    /// Calls `f` for the thread that has the lock, and unlocks.
    fn locked<R>(&'static self, f: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: this thread has the lock, so nobody else has a reference.
        let result = f(unsafe { &mut *self.value.get() });
        // SAFETY: as in `with`, and this thread has the lock.
        unsafe { libc::pthread_mutex_unlock(self.lock.get()) };
        result
    }
}

/// A thread that was started.
pub struct Thread(libc::pthread_t);

impl Thread {
    /// Starts a thread with its number as its argument.
    pub fn start(
        first: extern "C" fn(*mut c_void) -> *mut c_void,
        number: usize,
    ) -> Result<Self, Refused> {
        let mut thread = MaybeUninit::uninit();
        // SAFETY: the pointers are valid for the call, and the argument is only
        // a number.
        let error = unsafe {
            libc::pthread_create(
                thread.as_mut_ptr(),
                ptr::null(),
                first,
                ptr::without_provenance_mut(number),
            )
        };
        match error {
            // SAFETY: on success it was written.
            0 => Ok(Self(unsafe { thread.assume_init() })),
            _ => Err(Refused),
        }
    }

    /// Waits for its end; refused if it returned anything but null.
    pub fn join(self) -> Result<(), Refused> {
        let mut result = ptr::null_mut();
        // SAFETY: the thread was started and, since this consumes it, is joined
        // once.
        let error = unsafe { libc::pthread_join(self.0, &mut result) };
        match error == 0 && result.is_null() {
            true => Ok(()),
            false => Err(Refused),
        }
    }
}

/// A file that is written to.
pub struct File(c_int);

impl File {
    /// Creates a file, or empties the one that is there.
    pub fn create(path: &CStr) -> Result<Self, Refused> {
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC | libc::O_CLOEXEC;
        // SAFETY: the path is a C string.
        match unsafe { libc::open(path.as_ptr(), flags, 0o644) } {
            -1 => Err(Refused),
            file => Ok(Self(file)),
        }
    }

    /// Writes all of it.
    pub fn write(&self, mut bytes: &[u8]) -> Result<(), Refused> {
        while !bytes.is_empty() {
            // SAFETY: the pointer and the length are those of a slice.
            let written = unsafe { libc::write(self.0, bytes.as_ptr().cast(), bytes.len()) };
            match usize::try_from(written) {
                Ok(written) if written > 0 => bytes = &bytes[written..],
                _ => return Err(Refused),
            }
        }
        Ok(())
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: the file was opened and is closed once. What it says is of no
        // use: every write was checked.
        unsafe { libc::close(self.0) };
    }
}

/// A file that is open already and is not closed again.
struct Standard(c_int);

impl Write for Standard {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let file = core::mem::ManuallyDrop::new(File(self.0));
        file.write(text.as_bytes()).map_err(|Refused| fmt::Error)
    }
}

/// Says what went wrong on standard error.
pub fn complain(what: &dyn fmt::Display) {
    // There is nowhere to say that nothing can be said.
    let _ = writeln!(Standard(libc::STDERR_FILENO), "no-std-embedder: {what}");
}

/// Says how it went on standard output.
pub fn say(what: &dyn fmt::Display) -> Result<(), Refused> {
    writeln!(Standard(libc::STDOUT_FILENO), "{what}").map_err(|fmt::Error| Refused)
}

/// Lets another thread run.
pub fn yield_thread() {
    // SAFETY: it has no preconditions.
    unsafe { libc::sched_yield() };
}

/// Sleeps for so many microseconds, below a million.
pub fn sleep_us(us: u32) {
    // SAFETY: it has no preconditions.
    unsafe { libc::usleep(us) };
}

/// Ends the program at once.
pub fn abort() -> ! {
    // SAFETY: it has no preconditions.
    unsafe { libc::abort() }
}
