//! The raw layer: bytes to events and back to the same bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/trace-read/tests/support/properties.rs"]
mod properties;

fuzz_target!(|bytes: &[u8]| properties::raw(bytes));
