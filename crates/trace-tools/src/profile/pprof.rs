//! A profile in the form that `go tool pprof` and its many friends read: a
//! protocol buffer, compressed with gzip.
//!
//! The messages are those of `proto/profile.proto` in github.com/google/pprof,
//! as far as they are used here: all that is there more than once has an ID or
//! is a place in the table of strings. Names and units of values are those of
//! Go's own tool where it makes the same profile.

use std::hash::Hash;
use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use hashbrown::HashMap;
use prost::Message as _;

use crate::memory;
use crate::profile::{Profile, What};
use crate::stacks::{FrameKey, Name};

/// The key of the label that says why tasks were blocked.
pub const REASON: &str = "reason";

/// All that a file has, before compression.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Message {
    /// What the values of a sample are.
    #[prost(message, repeated, tag = "1")]
    pub sample_types: Vec<ValueType>,
    /// Values by stack.
    #[prost(message, repeated, tag = "2")]
    pub samples: Vec<Sample>,
    /// Where code came from.
    #[prost(message, repeated, tag = "3")]
    pub mappings: Vec<Mapping>,
    /// The frames of stacks.
    #[prost(message, repeated, tag = "4")]
    pub locations: Vec<Location>,
    /// The functions of frames.
    #[prost(message, repeated, tag = "5")]
    pub functions: Vec<Function>,
    /// All texts; the first is empty.
    #[prost(string, repeated, tag = "6")]
    pub strings: Vec<String>,
    /// When it began, nanoseconds since 1970 UTC.
    #[prost(int64, tag = "9")]
    pub time_nanos: i64,
    /// For how long, nanoseconds.
    #[prost(int64, tag = "10")]
    pub duration_nanos: i64,
    /// What is between two samples.
    #[prost(message, optional, tag = "11")]
    pub period_type: Option<ValueType>,
    /// How much of that is between two samples.
    #[prost(int64, tag = "12")]
    pub period: i64,
}

/// What a value is.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct ValueType {
    /// Its name, a string.
    #[prost(int64, tag = "1")]
    pub name: i64,
    /// Its unit, a string.
    #[prost(int64, tag = "2")]
    pub unit: i64,
}

/// Values of a stack.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Sample {
    /// The IDs of the stack's frames, innermost first.
    #[prost(uint64, repeated, tag = "1")]
    pub locations: Vec<u64>,
    /// One for each type.
    #[prost(int64, repeated, tag = "2")]
    pub values: Vec<i64>,
    /// What more is known.
    #[prost(message, repeated, tag = "3")]
    pub labels: Vec<Label>,
}

/// Something known of a sample.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Label {
    /// Its name, a string.
    #[prost(int64, tag = "1")]
    pub key: i64,
    /// Its value, a string.
    #[prost(int64, tag = "2")]
    pub value: i64,
}

/// A file that code came from.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Mapping {
    /// From 1.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// Whether functions are known, so that nobody need look them up.
    #[prost(bool, tag = "7")]
    pub has_functions: bool,
    /// Whether files are known.
    #[prost(bool, tag = "8")]
    pub has_filenames: bool,
    /// Whether lines are known.
    #[prost(bool, tag = "9")]
    pub has_lines: bool,
    /// Whether inlined functions have frames of their own.
    #[prost(bool, tag = "10")]
    pub has_inlined: bool,
}

/// A frame.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Location {
    /// From 1.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// The ID of its mapping.
    #[prost(uint64, tag = "2")]
    pub mapping: u64,
    /// The program counter.
    #[prost(uint64, tag = "3")]
    pub address: u64,
    /// The line of source.
    #[prost(message, repeated, tag = "4")]
    pub lines: Vec<Line>,
}

/// A line of source.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Line {
    /// The function's ID.
    #[prost(uint64, tag = "1")]
    pub function: u64,
    /// The line's number.
    #[prost(int64, tag = "2")]
    pub line: i64,
}

/// A function.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Function {
    /// From 1.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// Its name, a string.
    #[prost(int64, tag = "2")]
    pub name: i64,
    /// Its name as the system has it, a string.
    #[prost(int64, tag = "3")]
    pub system_name: i64,
    /// Its file, a string.
    #[prost(int64, tag = "4")]
    pub file: i64,
}

/// Writes a profile, compressed.
///
/// # Errors
///
/// If `out` fails.
pub fn write(profile: &Profile, out: &mut impl Write) -> io::Result<()> {
    let mut gzip = GzEncoder::new(out, Compression::default());
    gzip.write_all(&message(profile)?.encode_to_vec())?;
    gzip.finish().map(drop)
}

/// The message that a profile is.
///
/// # Errors
///
/// If it takes more [`memory`] than is allowed.
pub fn message(profile: &Profile) -> io::Result<Message> {
    let mut tables = Tables::new(profile);
    // The period is what Go's own tool says; that of CPU samples is not known.
    let (types, period): (&[_], _) = match profile.options.what {
        What::Sched | What::Block | What::Net | What::Syscall => (
            &[("contentions", "count"), ("delay", "nanoseconds")],
            Some(("trace", "count")),
        ),
        What::Running => (
            &[("stretches", "count"), ("running", "nanoseconds")],
            Some(("trace", "count")),
        ),
        What::Cpu => (&[("samples", "count")], None),
    };
    let sample_types = types.iter().map(|&of| tables.value_type(of)).collect();
    let period_type = period.map(|of| tables.value_type(of));
    let mut samples = Vec::with_capacity(profile.samples.len());
    for sample in &profile.samples {
        memory::check()?;
        samples.push(Sample {
            locations: profile
                .frames(sample)
                .iter()
                .map(|&frame| tables.location(frame))
                .collect(),
            values: match profile.options.what.is_timed() {
                true => vec![signed(sample.count), signed(sample.time)],
                false => vec![signed(sample.count)],
            },
            labels: profile
                .reason(sample.reason)
                .map(|reason| Label {
                    key: tables.string(REASON),
                    value: tables.string(reason),
                })
                .into_iter()
                .collect(),
        });
    }
    Ok(Message {
        sample_types,
        samples,
        mappings: vec![Mapping {
            id: MAPPING,
            has_functions: true,
            has_filenames: true,
            has_lines: true,
            has_inlined: true,
        }],
        locations: tables.locations.list,
        functions: tables.functions.list,
        strings: tables.strings,
        time_nanos: signed(profile.wall.unwrap_or(0)),
        duration_nanos: signed(profile.duration()),
        period_type,
        period: i64::from(period.is_some()),
    })
}

/// The ID of the only mapping. A trace does not say which programs its code is
/// from; the mapping is there to say that all names are known.
const MAPPING: u64 = 1;

/// The number, or the largest that can be told.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What is in the message once and referred to.
struct Tables<'a> {
    profile: &'a Profile,
    locations: Numbered<FrameKey, Location>,
    functions: Numbered<(Name, Name), Function>,
    strings: Vec<String>,
    string_ids: HashMap<String, i64>,
}

impl<'a> Tables<'a> {
    fn new(profile: &'a Profile) -> Self {
        let mut tables = Tables {
            profile,
            locations: Numbered::new(),
            functions: Numbered::new(),
            strings: Vec::new(),
            string_ids: HashMap::new(),
        };
        tables.string("");
        tables
    }

    fn string(&mut self, text: &str) -> i64 {
        if let Some(&id) = self.string_ids.get(text) {
            return id;
        }
        let id = self.strings.len() as i64;
        self.strings.push(text.to_owned());
        self.string_ids.insert(text.to_owned(), id);
        id
    }

    fn value_type(&mut self, (name, unit): (&str, &str)) -> ValueType {
        ValueType {
            name: self.string(name),
            unit: self.string(unit),
        }
    }

    fn location(&mut self, frame: FrameKey) -> u64 {
        if let Some(id) = self.locations.get(&frame) {
            return id;
        }
        let function = self.function(frame.function, frame.file);
        self.locations.insert(frame, |id| Location {
            id,
            mapping: MAPPING,
            address: frame.pc,
            lines: vec![Line {
                function,
                line: signed(frame.line),
            }],
        })
    }

    fn function(&mut self, function: Name, file: Name) -> u64 {
        if let Some(id) = self.functions.get(&(function, file)) {
            return id;
        }
        let profile = self.profile;
        let name = self.string(profile.text(function));
        let path = self.string(profile.text(file));
        self.functions.insert((function, file), |id| Function {
            id,
            name,
            system_name: name,
            file: path,
        })
    }
}

/// Messages with IDs from 1, by what they are made of.
struct Numbered<K, M> {
    ids: HashMap<K, u64>,
    list: Vec<M>,
}

impl<K: Hash + Eq, M> Numbered<K, M> {
    fn new() -> Self {
        Numbered {
            ids: HashMap::new(),
            list: Vec::new(),
        }
    }

    fn get(&self, key: &K) -> Option<u64> {
        self.ids.get(key).copied()
    }

    fn insert(&mut self, key: K, message: impl FnOnce(u64) -> M) -> u64 {
        let id = self.list.len() as u64 + 1;
        self.list.push(message(id));
        self.ids.insert(key, id);
        id
    }
}
