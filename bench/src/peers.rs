//! Everybody else, by name.

mod bump;
mod fixed;
mod maps;
mod tracers;

use crate::case::{BenchError, Case, Words};
use crate::map::workload;
use crate::region::Workload;

/// A map that is not ours.
pub(crate) fn map(words: &Words<'_>) -> Result<Box<dyn Case>, BenchError> {
    match words.at(2) {
        "fixed" => workload::<fixed::FixedTable>(words),
        "papaya" => workload::<maps::Papaya>(words),
        "dashmap" => workload::<maps::Dashmap>(words),
        "scc-map" => workload::<maps::SccMap>(words),
        "scc-index" => workload::<maps::SccIndex>(words),
        "lasso" => workload::<maps::Lasso>(words),
        "parking_lot" => workload::<maps::ParkingLot>(words),
        "spin" => workload::<maps::SpinLock>(words),
        _ => Err(words.unknown()),
    }
}

/// A bump allocator that is not ours.
pub(crate) fn region(words: &Words<'_>, workload: Workload) -> Result<Box<dyn Case>, BenchError> {
    match words.at(2) {
        "bumpalo" => Ok(Box::new(bump::OnePerThread(workload))),
        _ => Err(words.unknown()),
    }
}

/// A tracer that is not ours.
pub(crate) fn emit(words: &Words<'_>) -> Result<Box<dyn Case>, BenchError> {
    tracers::open(words.at(2), words.at(1)).ok_or_else(|| words.unknown())
}
