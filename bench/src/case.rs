//! A case: something that can be run for as many operations as one likes.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use crate::{emit, map, region};

/// What a run took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ran {
    /// Operations done: at least those asked for, up to what fits the case.
    pub(crate) operations: u64,
    /// How long these took, without what was prepared for them.
    pub(crate) time: Duration,
}

/// Something to be measured.
pub(crate) trait Case {
    /// Does about so many operations.
    fn run(&mut self, operations: u64) -> Result<Ran, BenchError>;

    /// Memory for an entry beyond its key, bytes, where that means something.
    fn bytes_per_entry(&self) -> Option<f64> {
        None
    }
}

/// Why there is no figure.
#[derive(Debug)]
pub(crate) enum BenchError {
    /// The request is none.
    Usage,
    /// There is no such case.
    NoCase(String),
    /// Something of a case is missing or is no number.
    Setting(&'static str),
    /// Reading requests or writing answers failed.
    Io(io::Error),
    /// What was measured refused to work.
    Refused(&'static str),
}

impl fmt::Display for BenchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage => f.write_str("usage: bench serve | bench count OPERATIONS CASE"),
            Self::NoCase(case) => write!(f, "there is no case {case:?}"),
            Self::Setting(name) => write!(f, "the case needs {name}=NUMBER"),
            Self::Io(error) => error.fmt(f),
            Self::Refused(what) => write!(f, "what is measured has refused: {what}"),
        }
    }
}

impl std::error::Error for BenchError {}

/// The words of a case: `map hit ours key=32 entries=1000 threads=1`.
pub(crate) struct Words<'w> {
    all: &'w str,
}

impl<'w> Words<'w> {
    /// The word at a place that has no name.
    pub(crate) fn at(&self, place: usize) -> &'w str {
        self.all.split_whitespace().nth(place).unwrap_or_default()
    }

    /// The value behind `name=`.
    pub(crate) fn get<T: FromStr>(&self, name: &'static str) -> Result<T, BenchError> {
        self.all
            .split_whitespace()
            .filter_map(|word| word.split_once('='))
            .find(|(key, _)| *key == name)
            .and_then(|(_, value)| value.parse().ok())
            .ok_or(BenchError::Setting(name))
    }

    /// The error that says that there is no such case.
    pub(crate) fn unknown(&self) -> BenchError {
        BenchError::NoCase(self.all.to_owned())
    }
}

/// Prepares a case.
pub(crate) fn open(case: &str) -> Result<Box<dyn Case>, BenchError> {
    let words = Words { all: case };
    match words.at(0) {
        "map" => map::open(&words),
        "region" => region::open(&words),
        "emit" => emit::open(&words),
        _ => Err(words.unknown()),
    }
}
