//! What holds for any text at all: the fuzzer calls this with what it makes up,
//! `fuzzed.rs` and `robustness.rs` with a fixed choice. It panics if something
//! does not hold.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::panic::resume_unwind;
use std::thread;

use weft::{CompileError, CompileErrors, MAX_ERRORS, Program};

#[path = "counted.rs"]
mod counted;

#[path = "mod.rs"]
mod verifier;

/// The most memory that compiling takes, as the crate's documentation promises:
/// bytes for a byte of source, and besides.
const MULTIPLE: usize = 400;
const BESIDES: usize = 64 << 10;

/// The longest report: this for each error, whatever stands in the source.
const MAX_REPORT: usize = 4 << 10;

/// A stack on which everything must fit, however deeply a source nests.
const STACK: usize = 1 << 20;

/// Sources shorter than this nest less deeply than the front end allows.
const NESTING: usize = 128;

/// Any bytes, read as a text, end in a program that keeps its promises or in
/// errors that are about this text.
pub fn front_end(bytes: &[u8]) {
    let source = String::from_utf8_lossy(bytes);
    // To start a thread takes longer than to compile most inputs.
    if source.len() < NESTING {
        compiles(&source);
        return;
    }
    thread::scope(|scope| {
        let small = thread::Builder::new().stack_size(STACK);
        let thread = small.spawn_scoped(scope, || compiles(&source));
        if let Err(panic) = thread.expect("a thread can be started").join() {
            resume_unwind(panic);
        }
    });
}

/// Whether it compiles, which is the same the second time.
pub fn compiles(source: &str) -> bool {
    let (first, used) = counted::peak(|| weft::compile("any.weft", source));
    let most = MULTIPLE * source.len() + BESIDES;
    assert!(used <= most, "{used} bytes for {}", source.len());
    assert_eq!(first, weft::compile("any.weft", source));
    match &first {
        Ok(program) => check_program(program),
        Err(errors) => check_errors(source, errors),
    }
    first.is_ok()
}

fn check_program(program: &Program) {
    verifier::verify(program);
    assert!(!program.disassemble().to_string().is_empty());
}

fn check_errors(source: &str, errors: &CompileErrors) {
    let count = errors.iter().count();
    assert!((1..=MAX_ERRORS).contains(&count), "{count} errors");
    assert!(errors.iter().is_sorted_by_key(|error| error.span));
    errors.iter().for_each(|error| check_error(source, error));
    let report = errors.to_string();
    assert!(
        report.len() <= (count + 1) * MAX_REPORT,
        "{} bytes for {count} errors",
        report.len()
    );
    assert!(report.matches("error: ").count() >= count, "{report}");
}

/// Its places are in the source, and its line and column are those of its start.
fn check_error(source: &str, error: &CompileError) {
    let about = |span: weft::Span| {
        assert!(
            source.get(span.range()).is_some(),
            "{error} is about {span:?}, of {} bytes",
            source.len()
        );
        &source[..span.start as usize]
    };
    let before = about(error.span);
    let line = before.rsplit('\n').next().expect("there is one part");
    let position = (error.position.line, error.position.column);
    let lines = before.matches('\n').count();
    let wanted = (lines as u32 + 1, line.chars().count() as u32 + 1);
    assert_eq!(position, wanted, "{error}");
    if let Some((span, _)) = error.related {
        about(span);
    }
    let message = error.kind.to_string();
    assert!(
        !message.is_empty() && message.len() < MAX_REPORT / 4,
        "{message}"
    );
}
