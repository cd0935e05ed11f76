//! A fixed piece of what the fuzzer does with the tools: the inputs that it has
//! kept, as they are and changed a little, always in the same way.

#[path = "support/every_tool.rs"]
mod every_tool;

#[path = "../../trace-read/tests/support/kept.rs"]
mod kept;

#[test]
fn tools() {
    kept::run("tools", 4, every_tool::tools);
}
