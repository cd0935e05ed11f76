//! A fixed piece of what the fuzzer does with the tools: the inputs that it has
//! kept, as they are and changed a little, always in the same way.

#[path = "support/every_tool.rs"]
mod every_tool;

#[path = "../../trace-read/tests/support/hostile.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod hostile;

#[path = "../../trace-read/tests/support/kept.rs"]
mod kept;

#[path = "support/phases.rs"]
mod phases;

#[test]
fn tools() {
    kept::run("tools", 4, every_tool::tools);
}

/// Its traces are read; how long that takes is for the fuzzer to see, and for
/// `steps.rs`.
#[test]
fn growth() {
    kept::run("growth", 4, |bytes| {
        if let Some((&tool, choices)) = bytes.split_first() {
            // What is wrong with the trace is an error, and no more than that.
            let _ = every_tool::run(tool & 0x7f, phases::trace(choices, 20));
        }
    });
}
