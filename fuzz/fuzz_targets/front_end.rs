//! The language's front end, on any text.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/weft/tests/common/properties.rs"]
mod properties;

fuzz_target!(|bytes: &[u8]| properties::front_end(bytes));
