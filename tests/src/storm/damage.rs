//! What can be wrong with a storm's files, or with the storm itself.

use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use runtime_trace::Losses;
use trace_read::ReadError;

use crate::fault::Fault;

/// What is wrong.
#[derive(Debug)]
#[expect(missing_docs, reason = "the messages below say it")]
pub enum Damage {
    /// All of this is about a file, which is at this place.
    In {
        place: io::Result<PathBuf>,
        about: String,
        damage: Box<Damage>,
    },
    /// Our judge refuses the file.
    Fault(Fault),
    /// The reader does.
    Read(ReadError),
    ReadLess {
        what: &'static str,
        read: u64,
        written: u64,
    },
    NotSaid {
        generation: u64,
        worker: u64,
        event: String,
    },
    NotRecorded {
        generation: u64,
        worker: u64,
        count: usize,
        first: String,
    },
    /// More or less than what was said is accounted for, in the file or in a
    /// generation.
    Conservation {
        generation: Option<u64>,
        said: RangeInclusive<u64>,
        written: u64,
        lost: u64,
    },
    Count {
        what: &'static str,
        claimed: u64,
        found: u64,
    },
    /// Something was lost or ended early without a reason.
    Lost {
        losses: Losses,
        ending: String,
    },
    NoNote {
        losses: Losses,
    },
    NeverStarted,
    DataAfterFailure,
    Limit {
        mapped: usize,
        limit: usize,
    },
    /// A program did something else than it must.
    Program {
        what: &'static str,
        expected: String,
        found: String,
    },
    /// A trace's report does not fit its file.
    Report {
        report: String,
        file: PathBuf,
    },
    Reports {
        files: usize,
        reports: usize,
    },
    Refused {
        what: &'static str,
        error: String,
    },
    Keep(io::Error),
}

impl From<Fault> for Damage {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<io::Error> for Damage {
    fn from(error: io::Error) -> Self {
        Self::Keep(error)
    }
}

impl From<ReadError> for Damage {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::In {
                place: Ok(path),
                about,
                damage,
            } => write!(f, "{}: {damage} ({about})", path.display()),
            Self::In {
                place: Err(error),
                about,
                damage,
            } => write!(f, "{damage} ({about}; the file cannot be kept: {error})"),
            Self::Fault(fault) => write!(f, "the trace is not true: {fault}"),
            Self::Read(error) => write!(f, "the reader refuses it: {error}"),
            Self::ReadLess {
                what,
                read,
                written,
            } => write!(f, "the reader delivered {read} {what} of {written}"),
            Self::NotSaid {
                generation,
                worker,
                event,
            } => write!(
                f,
                "generation {generation}, m{worker}: {event} was recorded and not said there"
            ),
            Self::NotRecorded {
                generation,
                worker,
                count,
                first,
            } => write!(
                f,
                "generation {generation}, m{worker}: {count} events were said and not recorded, \
                 the first is {first}"
            ),
            Self::Conservation {
                generation,
                said,
                written,
                lost,
            } => {
                match generation {
                    Some(generation) => write!(f, "generation {generation}: ")?,
                    None => f.write_str("the file: ")?,
                }
                let (least, most) = (said.start(), said.end());
                write!(
                    f,
                    "{least} to {most} events were said, {written} are written and {lost} lost"
                )
            }
            Self::Count {
                what,
                claimed,
                found,
            } => write!(f, "{claimed} {what} by the tracer's count, {found} found"),
            Self::Lost { losses, ending } => {
                write!(f, "there was room and time, and still {losses}; {ending}")
            }
            Self::NoNote { losses } => write!(f, "{losses}, and the trace does not say so"),
            Self::NeverStarted => {
                f.write_str("the reader was given the head of a trace that did not start")
            }
            Self::DataAfterFailure => {
                f.write_str("the reader was given more after it had said that it failed")
            }
            Self::Limit { mapped, limit } => {
                write!(f, "{mapped} bytes are mapped, the limit is {limit}")
            }
            Self::Program {
                what,
                expected,
                found,
            } => write!(
                f,
                "the program's {what} must be\n{expected}\nand is\n{found}"
            ),
            Self::Report { report, file } => write!(
                f,
                "the report is {report}, which does not fit {}",
                file.display()
            ),
            Self::Reports { files, reports } => {
                write!(f, "{files} files were written and {reports} reported")
            }
            Self::Refused { what, error } => write!(f, "{what}: {error}"),
            Self::Keep(error) => write!(f, "a file cannot be kept: {error}"),
        }
    }
}

impl std::error::Error for Damage {}
