//! Generated programs, run with and without a trace.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/tests/support/programs.rs"]
mod programs;

fuzz_target!(|bytes: &[u8]| programs::programs(bytes));
