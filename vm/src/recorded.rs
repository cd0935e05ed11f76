//! What became of a trace: file by file, and what lies between them.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::error::VmError;
use crate::trace::Losses;

/// So many files a trace has at most: what ends early over and over again is
/// not worth more.
pub const MAX_TRACE_FILES: u32 = 16;

/// What became of a trace.
#[derive(Debug)]
pub struct TraceReport {
    /// Of each file in turn; at least one.
    pub files: Vec<FileReport>,
}

/// What became of one file of a trace.
#[derive(Debug)]
pub struct FileReport {
    /// Events written.
    pub events: u64,
    /// Bytes that the file has taken.
    pub bytes: u64,
    /// Generations recorded.
    pub generations: u64,
    /// What was lost while this file was being recorded, by cause.
    pub losses: Losses,
    /// Why the file is not whole, if it is not.
    pub file_error: Option<io::Error>,
    /// Why the file ends before the trace was to, if it does.
    pub incomplete: Option<String>,
    /// When it begins; like all times here, since the program's start.
    pub began: Duration,
    /// The time behind it in which nothing was recorded though something was
    /// to be. What happened in it is not counted anywhere.
    pub gap: Option<Gap>,
}

/// A time in which nothing was recorded.
#[derive(Debug)]
pub struct Gap {
    /// From when on, or from a few milliseconds later.
    pub from: Duration,
    /// Until when.
    pub to: Duration,
    /// Why there is no further file; none if there is one.
    pub last: Option<NotResumed>,
}

/// Why a trace that had to end early did not go on in another file.
#[derive(Debug)]
#[non_exhaustive]
pub enum NotResumed {
    /// The end came before it could.
    Over,
    /// Nobody has said how to open one; see
    /// [`TraceOptions::next_file`](crate::TraceOptions::next_file).
    NoFile,
    /// It has [`MAX_TRACE_FILES`] already.
    TooMany,
    /// The file before could not be written.
    Unwritten,
    /// It could not be begun.
    Failed(VmError),
}

impl TraceReport {
    /// Whether the trace is all in one file, and nothing was lost.
    pub fn is_whole(&self) -> bool {
        matches!(&self.files[..], [file] if file.is_whole())
    }
}

impl FileReport {
    /// Whether nothing is missing in this file, nor behind it.
    pub fn is_whole(&self) -> bool {
        self.file_error.is_none()
            && self.incomplete.is_none()
            && self.gap.is_none()
            && self.losses.total() == 0
    }
}

/// The figures, as in the closing line.
impl fmt::Display for FileReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FileReport {
            events,
            bytes,
            generations,
            losses,
            ..
        } = self;
        write!(
            f,
            "{events} events, {bytes} bytes, {generations} generations, {losses}"
        )
    }
}

/// "nothing was recorded from 1.250 s to 2.000 s".
impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [from, to] = [self.from, self.to].map(|at| at.as_secs_f64());
        write!(f, "nothing was recorded from {from:.3} s to {to:.3} s")?;
        match &self.last {
            None => Ok(()),
            Some(why) => write!(f, ", the end: {why}"),
        }
    }
}

impl fmt::Display for NotResumed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotResumed::Over => f.write_str("it came before another file could be begun"),
            NotResumed::NoFile => f.write_str("the trace has nowhere else to go on"),
            NotResumed::TooMany => {
                write!(f, "a trace has at most {MAX_TRACE_FILES} files")
            }
            NotResumed::Unwritten => f.write_str("a trace that cannot be written is given up"),
            NotResumed::Failed(error) => error.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_in_words() {
        let gap = |last| Gap {
            from: Duration::from_micros(1_234_567),
            to: Duration::from_secs(20),
            last,
        };
        let words = "nothing was recorded from 1.235 s to 20.000 s";
        assert_eq!(gap(None).to_string(), words);
        let end = gap(Some(NotResumed::TooMany)).to_string();
        let wanted = format!("{words}, the end: a trace has at most 16 files");
        assert_eq!(end, wanted);
    }
}
