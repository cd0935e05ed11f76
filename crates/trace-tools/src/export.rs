//! A trace as other viewers want it: the events become tracks with slices,
//! instants and counters, and a format only has to write those.
//!
//! ```text
//! events ──► Timeline ──► Sink: track · slice · instant · count ──► chrome
//!               │                                              └──► perfetto
//!            Intervals ──► csv (one row an interval)
//! ```
//!
//! Viewers have one rule that a trace does not keep by itself: slices on a track
//! lie one after another or one inside another, and never cross. So a slice is
//! handed out when it has ended, begin and end at once, and what could cross
//! has tracks of its own: a task's regions beside its states, sweeps beside
//! their proc, an operation (user task) beside those that overlap it.
//!
//! What is handed out is not in the order of time, then: a slice comes after the
//! instants within it. Both formats say that readers sort. What begins at one
//! moment comes in the order in which it is handed out, and a slice that ends
//! where the next one on its track begins comes before it.

mod book;
mod chrome;
mod counters;
pub mod csv;
pub mod perfetto;
mod procs;
mod spans;
mod tasks;
mod timeline;

use std::io;

use trace_read::ClockSnapshot;

pub use book::Frames;
pub use chrome::Chrome;
pub use perfetto::Perfetto;
pub use tasks::Limit;

use crate::error::ToolError;
use crate::export::timeline::Timeline;
use crate::input::Bytes;
use crate::stream::{self, Outcome};

/// The number of a track, from [`FIRST_TRACK`] and never used twice. What belongs
/// together has numbers beside each other, since some viewers sort by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackId(pub u64);

/// The smallest number of a track. Those below are left for groups.
pub const FIRST_TRACK: u64 = 10;

/// What tracks are grouped by, outermost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// What concerns the whole program: collections, counters.
    Program,
    /// The procs and what ran on them.
    Procs,
    /// User tasks.
    UserTasks,
    /// The tasks and what they did.
    Tasks,
}

impl Group {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Group; 4] = [Group::Program, Group::Procs, Group::UserTasks, Group::Tasks];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Group::Program => "Program",
            Group::Procs => "Procs",
            Group::UserTasks => "User tasks",
            Group::Tasks => "Tasks",
        }
    }
}

/// What lies on a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Nothing: it gathers the tracks under it.
    Tracks,
    /// Slices and instants.
    Slices,
    /// The values of a counter.
    Count,
    /// The values of a counter, which are bytes.
    Bytes,
}

/// A track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Track<'a> {
    /// Its number.
    pub id: TrackId,
    /// Where it belongs.
    pub group: Group,
    /// The track that it is shown under, if it is not directly in its group.
    pub under: Option<TrackId>,
    /// What it is called. Tracks of the same name beside each other hold things
    /// of one kind that overlap.
    pub name: &'a str,
    /// Its place among those beside it.
    pub rank: u64,
    /// What lies on it.
    pub holds: Holds,
}

/// A slice or an instant.
#[derive(Clone, Copy, Debug)]
pub struct Mark<'a> {
    /// What it is, in a word that things of one kind share.
    pub category: &'static str,
    /// What it is called.
    pub name: &'a str,
    /// What more is known of it.
    pub args: &'a [(&'static str, Value<'a>)],
    /// The arrows that it is an end of.
    pub flow: Option<Flow>,
}

/// Which end of two arrows something is. They lead from a wake-up to the task
/// that was woken: to where it waits for a proc, and to where it runs then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The start of both. Only instants are, and a slice is around them.
    From(u64),
    /// The end of the first.
    ToReady(u64),
    /// The end of the second.
    ToRun(u64),
}

impl Flow {
    /// The numbers of the arrows that start here.
    pub fn starts(self) -> Option<[u64; 2]> {
        match self {
            Flow::From(n) => Some([2 * n, 2 * n + 1]),
            Flow::ToReady(_) | Flow::ToRun(_) => None,
        }
    }

    /// The number of the arrow that ends here.
    pub fn ends(self) -> Option<u64> {
        match self {
            Flow::From(_) => None,
            Flow::ToReady(n) => Some(2 * n),
            Flow::ToRun(n) => Some(2 * n + 1),
        }
    }
}

/// Something known of a slice or an instant.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// A number.
    Number(u64),
    /// A text.
    Text(&'a str),
    /// A stack.
    Stack(Frames<'a>),
}

/// A format, told what to write. Times are nanoseconds of the trace's clock.
pub trait Sink {
    /// The trace begins; nothing has been told before.
    ///
    /// # Errors
    ///
    /// As all of these: if it cannot be written.
    fn start(&mut self, head: &Head) -> io::Result<()>;
    /// There is a track, or it has another name from now on. Comes before all
    /// that lies on it.
    ///
    /// # Errors
    ///
    /// See [`start`](Self::start).
    fn track(&mut self, track: &Track<'_>) -> io::Result<()>;
    /// Something lasted.
    ///
    /// # Errors
    ///
    /// See [`start`](Self::start).
    fn slice(&mut self, place: Place, start: u64, end: u64, mark: &Mark<'_>) -> io::Result<()>;
    /// Something happened.
    ///
    /// # Errors
    ///
    /// See [`start`](Self::start).
    fn instant(&mut self, place: Place, time: u64, mark: &Mark<'_>) -> io::Result<()>;
    /// A counter has a value from here on.
    ///
    /// # Errors
    ///
    /// See [`start`](Self::start).
    fn count(&mut self, place: Place, name: &str, time: u64, value: u64) -> io::Result<()>;
    /// That was all. What was written is complete now.
    ///
    /// # Errors
    ///
    /// See [`start`](Self::start).
    fn finish(&mut self) -> io::Result<()>;
}

/// Where something lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// On which track.
    pub track: TrackId,
    /// In which group that is.
    pub group: Group,
}

/// What is known when a trace begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// When it begins. Nothing happens earlier.
    pub start: u64,
    /// What other clocks said at one moment of its first generation.
    pub clock: Option<ClockSnapshot>,
}

/// What has been exported.
#[derive(Debug)]
pub struct Exported {
    /// How reading the trace went.
    pub outcome: Outcome,
    /// How many tasks have a track.
    pub tasks: u64,
    /// How many tasks were left without one.
    pub left_out: u64,
}

/// Tells a whole trace to a format, up to its end or to where it is damaged.
///
/// # Errors
///
/// [`ToolError::Trace`] if it is no trace, [`ToolError::Output`] if the format
/// cannot be written. Damage is part of the outcome, and the output is complete
/// and says so then.
pub fn export(input: Bytes, limit: Limit, sink: &mut impl Sink) -> Result<Exported, ToolError> {
    let mut timeline = Timeline::new(limit, sink);
    let outcome = stream::read(input, |event| Ok(timeline.event(event)?))?;
    timeline.finish(outcome.damage.as_ref())?;
    let (tasks, left_out) = timeline.tasks();
    sink.finish()?;
    Ok(Exported {
        outcome,
        tasks,
        left_out,
    })
}
