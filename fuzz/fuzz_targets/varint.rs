//! Numbers, as the format's own decoder reads them.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/trace-read/tests/support/properties.rs"]
mod properties;

fuzz_target!(|bytes: &[u8]| properties::varint(bytes));
