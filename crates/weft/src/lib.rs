//! The front end of Weft: source text to register bytecode.
//!
//! ```text
//!  source ──► lexer ──► parser ──► ast ──► compiler ──► Program
//!                │         │                   │
//!                └─────────┴── diagnostics ────┘   several errors per run
//! ```
//!
//! [`compile`] is the whole road. The instruction set is in [`op`], the
//! functions of the language in [`builtin`]; both are tables from which a VM
//! takes its numbers.
//!
//! Every recursion is bounded by the parser's limit on nesting, and every
//! loop takes a token or a node, so any input ends in a program or in errors.
//! Compiling takes at most 400 bytes of memory for each byte of the source, and
//! 64 KiB besides; a MiB of stack is enough, also without optimization.

#![forbid(unsafe_code)]

mod ast;
pub mod builtin;
mod compiler;
mod diagnostics;
mod lexer;
pub mod op;
mod parser;
mod program;
mod source;

pub use diagnostics::{CompileError, CompileErrors, ErrorKind, MAX_ERRORS, Related, Thing};
pub use program::{
    Const, FuncId, Function, LineTable, MAX_ARGUMENTS, MAX_REGISTERS, Position, Program,
};
pub use source::Span;

use diagnostics::Sink;
use source::Source;

/// The longest source that is compiled, in bytes.
pub const MAX_SOURCE: usize = 16 << 20;

/// Compiles a program. `name` is the file's name as positions show it.
///
/// # Errors
/// All mistakes that were found. A program with syntax errors is not looked
/// at for others, since what a broken statement would have declared is
/// unknown.
///
/// ```
/// let program = weft::compile("one.weft", "fn main() { print(1) }").unwrap();
/// assert_eq!(program.function(program.main).position.to_string(), "1:4");
///
/// let errors = weft::compile("two.weft", "fn main() { print(x) }").unwrap_err();
/// assert_eq!(errors.iter().next().unwrap().to_string(), "1:19: unknown name `x`");
/// ```
pub fn compile(name: &str, source: &str) -> Result<Program, CompileErrors> {
    let mut sink = Sink::default();
    if source.len() > MAX_SOURCE {
        sink.report(
            ErrorKind::SourceTooLong { limit: MAX_SOURCE },
            Span::default(),
        );
        return Err(sink.into_errors(Source::new(name, "")));
    }
    let source = Source::new(name, source);
    let items = parser::parse(&source, &mut sink);
    if sink.is_empty() {
        let program = compiler::compile(&source, &items, &mut sink);
        if sink.is_empty() {
            return Ok(program);
        }
    }
    drop(items);
    Err(sink.into_errors(source))
}
