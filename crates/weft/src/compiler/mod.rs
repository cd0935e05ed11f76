//! Syntax tree to bytecode.
//!
//! First all declarations are collected, so that functions may call each
//! other in any order; then each function is compiled in one pass, straight
//! into instructions. Errors do not stop the pass: it goes on with any
//! register, and the program is thrown away.

mod constant;
mod expr;
mod function;
mod stmt;

use std::collections::HashMap;

use crate::ast::{FnDecl, Ident, Item};
use crate::builtin::{Builtin, TaskCall};
use crate::diagnostics::{ErrorKind, Sink, Thing};
use crate::program::{FuncId, Function, MAX_ARGUMENTS, Program};
use crate::source::{Source, Span};
use constant::Value;
use function::FnCompiler;

/// What a name at the top level stands for.
#[derive(Clone, Debug)]
enum Global {
    Function(FuncId, u8),
    Constant(Value),
    Builtin(Builtin),
    TaskCall(TaskCall),
}

/// Strings of the program, each with its index.
#[derive(Default)]
struct Strings {
    all: Vec<Box<str>>,
    indexes: HashMap<Box<str>, u32>,
}

impl Strings {
    fn intern(&mut self, text: &str) -> u32 {
        if let Some(&index) = self.indexes.get(text) {
            return index;
        }
        let index = self.all.len() as u32;
        self.all.push(text.into());
        self.indexes.insert(text.into(), index);
        index
    }
}

/// What the compilation of one function needs of the rest of the program.
struct Context<'s, 'e> {
    source: &'s Source,
    globals: HashMap<&'s str, Global>,
    strings: Strings,
    sink: &'e mut Sink,
}

/// The program that the declarations make. It is only valid if the sink has
/// stayed empty.
pub(crate) fn compile(source: &Source, items: &[Item<'_>], sink: &mut Sink) -> Program {
    let mut globals = HashMap::new();
    for &builtin in Builtin::ALL {
        globals.insert(builtin.name(), Global::Builtin(builtin));
    }
    for &call in TaskCall::ALL {
        globals.insert(call.name(), Global::TaskCall(call));
    }
    let mut context = Context {
        source,
        globals,
        strings: Strings::default(),
        sink,
    };
    let decls = context.declare(items);
    let main = context.main(&decls);
    let functions: Vec<Function> = decls
        .iter()
        .map(|decl| FnCompiler::new(&mut context, decl).compile(decl))
        .collect();
    Program {
        file: source.file.clone(),
        functions,
        strings: context.strings.all,
        main,
    }
}

impl<'s> Context<'s, '_> {
    /// Enters all declarations into the globals; the functions among them.
    fn declare<'a>(&mut self, items: &'a [Item<'s>]) -> Vec<&'a FnDecl<'s>> {
        let mut declared: HashMap<&'s str, Span> = HashMap::new();
        let mut functions: Vec<&FnDecl<'s>> = Vec::new();
        let mut constants = Vec::new();
        for item in items {
            let (thing, name) = match item {
                Item::Fn(decl) => (Thing::Function, decl.name),
                Item::Const { name, .. } => (Thing::Constant, *name),
            };
            if let Some(&first) = declared.get(name.name) {
                self.duplicate(thing, name, first);
                continue;
            }
            declared.insert(name.name, name.span);
            match item {
                Item::Fn(decl) => {
                    let id = FuncId(functions.len() as u32);
                    // Any other bound on parameters is checked with the body.
                    let arity = decl.params.len().min(usize::from(u8::MAX)) as u8;
                    self.globals.insert(name.name, Global::Function(id, arity));
                    functions.push(decl);
                }
                Item::Const { name, value } => constants.push((*name, value)),
            }
        }
        // As many as the operand of `CallFn` can tell apart.
        let limit = usize::from(u16::MAX) + 1;
        if functions.len() > limit {
            self.sink.report(
                ErrorKind::TooMany {
                    what: "functions",
                    limit,
                },
                functions[limit].name.span,
            );
        }
        self.constants(&constants);
        functions
    }

    fn duplicate(&mut self, thing: Thing, name: Ident<'_>, first: Span) {
        let kind = ErrorKind::Duplicate {
            thing,
            name: name.name.to_owned(),
        };
        self.sink
            .report_related(kind, name.span, first, "first declared here");
    }

    /// Finds `main` and checks it. Functions have the IDs of their places.
    fn main(&mut self, functions: &[&FnDecl<'s>]) -> FuncId {
        let Some(index) = functions.iter().position(|decl| decl.name.name == "main") else {
            self.sink.report(ErrorKind::NoMain, Span::default());
            return FuncId(0);
        };
        if let [first, .., last] | [first @ last] = functions[index].params.as_slice() {
            self.sink
                .report(ErrorKind::MainParameters, first.span.to(last.span));
        }
        FuncId(index as u32)
    }

    fn check_arguments(&mut self, name: &str, wants: (u8, u8), found: usize, span: Span) {
        let most = wants.1.min(MAX_ARGUMENTS);
        if found > usize::from(MAX_ARGUMENTS) && wants.1 >= MAX_ARGUMENTS {
            let limit = usize::from(MAX_ARGUMENTS);
            self.sink.report(
                ErrorKind::TooMany {
                    what: "arguments",
                    limit,
                },
                span,
            );
        } else if found < usize::from(wants.0) || found > usize::from(most) {
            let kind = ErrorKind::ArgumentCount {
                name: name.to_owned(),
                wants,
                found,
            };
            self.sink.report(kind, span);
        }
    }
}

/// The name most like `name` among `candidates`, if one is like it at all.
fn similar<'n>(name: &str, candidates: impl Iterator<Item = &'n str>) -> Option<String> {
    const LONGEST: usize = 32;
    let allowed = match name.len() {
        0..=2 => return None,
        3..=4 => 1,
        5..=LONGEST => 2,
        _ => return None,
    };
    candidates
        .filter(|other| other.len() <= LONGEST && other.len().abs_diff(name.len()) <= allowed)
        .map(|other| (distance(name, other), other))
        .filter(|&(distance, _)| distance <= allowed)
        .min()
        .map(|(_, other)| other.to_owned())
}

/// How many single letters must be inserted, deleted or replaced to make one
/// name of the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b = b.as_bytes();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("count", "count", 0),
            ("count", "cuont", 2),
            ("job", "jobs", 1),
            ("abc", "xyz", 3),
        ] {
            assert_eq!(super::distance(a, b), expected, "{a} {b}");
            assert_eq!(super::distance(b, a), expected, "{b} {a}");
        }
    }
}
