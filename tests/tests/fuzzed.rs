//! A fixed piece of what the fuzzer does with generated programs: the choices that
//! it has kept, as they are and changed a little, always in the same way.

#[path = "../../crates/trace-read/tests/support/kept.rs"]
mod kept;

#[path = "support/programs.rs"]
mod programs;

#[test]
fn programs() {
    kept::run("programs", 3, programs::programs);
}
