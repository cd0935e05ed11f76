//! Nobody else: what takes the place of `peers.rs` where only our own
//! instructions are counted, so that counting them needs no peer to be built.

use crate::case::{BenchError, Case, Words};
use crate::region::Workload;

/// There is no other map.
pub(crate) fn map(words: &Words<'_>) -> Result<Box<dyn Case>, BenchError> {
    Err(words.unknown())
}

/// There is no other bump allocator.
pub(crate) fn region(words: &Words<'_>, _: Workload) -> Result<Box<dyn Case>, BenchError> {
    Err(words.unknown())
}

/// There is no other tracer.
pub(crate) fn emit(words: &Words<'_>) -> Result<Box<dyn Case>, BenchError> {
    Err(words.unknown())
}
