//! A fixed piece of what the fuzzer does: the inputs that it has kept, as they are
//! and changed a little, always in the same way.

mod support;

#[path = "support/properties.rs"]
mod properties;

use support::kept;

/// How many changed forms of each input are tried.
const CHANGES: u64 = 10;

#[test]
fn varint() {
    kept::run("varint", CHANGES, properties::varint);
}

#[test]
fn raw() {
    kept::run("raw", CHANGES, properties::raw);
}

#[test]
fn text() {
    kept::run("text", CHANGES, properties::text);
}

#[test]
fn reader() {
    kept::run("reader", CHANGES, properties::reader);
}

#[test]
fn ordered() {
    kept::run("ordered", CHANGES, properties::ordered);
}
