//! Would a tool notice? Each defect is planted alone in a copy of the tracer's
//! package, by replacing a piece of its text, and the crowd runs once.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::crowd;
use super::tool::Tool;
use crate::error::XtaskError;
use crate::process::collect;
use crate::root::target;
use crate::scratch;

/// How often the crowd runs before a defect counts as not noticed.
const TRIES: u32 = 4;

/// The package that is changed.
const PACKAGE: &str = "runtime-trace";

/// A defect.
struct Plant {
    what: &'static str,
    /// The file, below the package.
    file: &'static str,
    /// What stands there, once, and what is put in its place.
    from: &'static str,
    to: &'static str,
    /// Who must notice, and what it says then.
    noticed: &'static [(Tool, &'static str)],
}

const PLANTS: &[Plant] = &[
    Plant {
        what: "a byte written behind a batch",
        file: "src/batch.rs",
        from: "pub(crate) fn seal(&mut self) {",
        to: "pub(crate) fn seal(&mut self) {
            unsafe { self.0.as_ptr().cast::<u8>().add(BLOCK_SIZE).write_volatile(0) };",
        noticed: &[
            (Tool::Address, "heap-buffer-overflow"),
            (Tool::Memcheck, "Invalid write of size 1"),
        ],
    },
    Plant {
        what: "a batch read after it was given back",
        file: "src/batch.rs",
        from: "unsafe { pages.give_back(self.0.cast()) };",
        to: "unsafe { pages.give_back(self.0.cast()) };
            unsafe { self.0.as_ptr().cast::<u8>().read_volatile() };",
        noticed: &[
            (Tool::Address, "heap-use-after-free"),
            (Tool::Memcheck, "Invalid read of size 1"),
        ],
    },
    Plant {
        what: "a byte counted into a batch that was not written",
        file: "src/batch.rs",
        from: "used.store(used + size, Ordering::Release)",
        to: "used.store(used + size + 1, Ordering::Release)",
        noticed: &[(
            Tool::Memcheck,
            "Syscall param write(buf) points to uninitialised byte(s)",
        )],
    },
    Plant {
        what: "a batch that is taken although nothing says that it was written",
        file: "src/thread.rs",
        from: "self.writing.store(OUT, Ordering::Release);",
        to: "self.writing.store(OUT, Ordering::Relaxed);",
        noticed: &[(Tool::Thread, "data race")],
    },
    Plant {
        what: "a node of a map that is seen before it was written",
        file: "src/map.rs",
        from: "Ordering::Release,\n                Ordering::Acquire,",
        to: "Ordering::Relaxed,\n                Ordering::Acquire,",
        noticed: &[(Tool::Thread, "data race")],
    },
    Plant {
        what: "a counter of all threads without a lock, in the embedder",
        file: "no-std-embedder/src/bin/crowd.rs",
        from: "fn step(&mut self) {",
        to: "fn step(&mut self) {
            static mut ALL: u64 = 0;
            unsafe { (&raw mut ALL).write_volatile((&raw const ALL).read_volatile() + 1) };",
        noticed: &[
            (Tool::Thread, "data race"),
            (Tool::Helgrind, "Possible data race"),
            (Tool::Drd, "Conflicting"),
        ],
    },
    Plant {
        what: "two locks taken in both orders, in the embedder",
        file: "no-std-embedder/src/bin/crowd.rs",
        from: "let wanted = PROGRAM.wanted.with(|wanted| *wanted);",
        to: "PROGRAM.tally.with(|_| PROGRAM.wanted.with(|_| ()));
            let wanted = PROGRAM.wanted.with(|wanted| PROGRAM.tally.with(|_| *wanted));",
        noticed: &[
            (Tool::Thread, "lock-order-inversion"),
            (Tool::Helgrind, "lock order"),
        ],
    },
    Plant {
        what: "a lock given back that nobody has, in the embedder",
        file: "no-std-embedder/src/posix.rs",
        from: "unsafe { libc::pthread_mutex_lock(self.lock.get()) };",
        to: "unsafe { libc::pthread_mutex_lock(self.lock.get()) };
            unsafe { libc::pthread_mutex_unlock(self.lock.get()) };",
        noticed: &[
            (Tool::Thread, "unlock of an unlocked mutex"),
            (Tool::Helgrind, "unlocked a not-locked lock"),
            (Tool::Drd, "Mutex not locked"),
        ],
    },
    Plant {
        what: "a thread that nobody joins, in the embedder",
        file: "no-std-embedder/src/bin/crowd.rs",
        from: "let joined = [director.join(), clock.join()];",
        to: "let joined = [director.join()]; let _ = clock; posix::sleep_us(900_000);",
        noticed: &[
            (Tool::Thread, "thread leak"),
            (Tool::Memcheck, "possibly lost"),
        ],
    },
];

/// Plants what the tool must notice, one by one: how many there were. What it
/// did not notice is said and counted.
///
/// # Errors
///
/// If the text to replace is not there once, or the copy cannot be made, built or
/// run.
pub(super) fn run(tool: Tool, findings: &mut usize) -> Result<usize, XtaskError> {
    let folder = target().join("sanitize").join("planted");
    let root = folder.join("tree");
    scratch::copy(PACKAGE, &root)?;
    let built = folder.join(tool.name());
    let files = crowd::traces(tool)?;
    let mut planted = 0;
    for plant in PLANTS {
        let Some((_, says)) = plant.noticed.iter().find(|(by, _)| *by == tool) else {
            continue;
        };
        planted += 1;
        let begin = Instant::now();
        let path = root.join(PACKAGE).join(plant.file);
        let text = fs::read_to_string(&path).map_err(XtaskError::file("cannot read", &path))?;
        let write =
            |text: &str| fs::write(&path, text).map_err(XtaskError::file("cannot write", &path));
        write(&plant.put_into(&text)?)?;
        // What happens beside what is by chance.
        let mut noticed = Ok(false);
        for _ in 0..TRIES {
            noticed = provoke(tool, &root, &built, &files)
                .map(|said| said.is_some_and(|said| said.contains(says)));
            if !matches!(noticed, Ok(false)) {
                break;
            }
        }
        write(&text)?;
        let noticed = noticed?;
        println!(
            "{:<9} {}: {}, {:.1} s",
            tool.name(),
            plant.what,
            if noticed { says } else { "NOT NOTICED" },
            begin.elapsed().as_secs_f64()
        );
        *findings += usize::from(!noticed);
    }
    Ok(planted)
}

/// What the tool says of the copy, or `None` if it is content.
fn provoke(
    tool: Tool,
    root: &Path,
    built: &Path,
    files: &[PathBuf],
) -> Result<Option<String>, XtaskError> {
    let program = crowd::build(tool, root, built)?;
    let output = collect(&mut crowd::command(tool, &program, files))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((!output.status.success()).then_some(said))
}

impl Plant {
    fn put_into(&self, text: &str) -> Result<String, XtaskError> {
        match text.matches(self.from).count() {
            1 => Ok(text.replacen(self.from, self.to, 1)),
            times => Err(XtaskError::Plant {
                file: self.file,
                from: self.from,
                times,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::root;

    /// So that whoever changes the tracer learns of it here, and not from a run
    /// of an hour.
    #[test]
    fn there_is_a_place_for_each() {
        for plant in PLANTS {
            let path = root().join(PACKAGE).join(plant.file);
            let text = fs::read_to_string(&path).unwrap();
            assert_ne!(plant.put_into(&text).unwrap(), text, "{}", plant.what);
        }
        for &tool in Tool::ALL {
            let of = |plant: &&Plant| plant.noticed.iter().any(|(by, _)| *by == tool);
            assert!(PLANTS.iter().filter(of).count() >= 2, "{}", tool.name());
        }
    }
}
