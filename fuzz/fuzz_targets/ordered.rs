//! The reader, on traces that are well-formed, or nearly so.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/trace-read/tests/support/properties.rs"]
mod properties;

fuzz_target!(|bytes: &[u8]| properties::ordered(bytes));
