//! The text form of raw events, both ways.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/trace-read/tests/support/properties.rs"]
mod properties;

fuzz_target!(|bytes: &[u8]| properties::text(bytes));
