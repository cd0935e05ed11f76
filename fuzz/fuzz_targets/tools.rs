//! The tools: analyses and renderers, each on any trace.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/trace-tools/tests/support/every_tool.rs"]
mod every_tool;

fuzz_target!(|bytes: &[u8]| every_tool::tools(bytes));
