//! A fixed piece of what the fuzzer does with the front end: the inputs that it has
//! kept, as they are and changed a little, always in the same way.

#[path = "../../trace-read/tests/support/kept.rs"]
mod kept;

#[path = "common/properties.rs"]
mod properties;

#[test]
fn front_end() {
    kept::run("front_end", 10, properties::front_end);
}
