//! Compile errors: what can be wrong, where it is, and how it is shown.

use std::fmt;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::lexer::shorten_to;
use crate::program::{MAX_ARGUMENTS, Position};
use crate::source::{Source, Span};

/// So many errors are kept of one run; the rest is only known to exist.
pub const MAX_ERRORS: usize = 50;

/// Lines longer than this many bytes are not shown under an error.
const MAX_SHOWN_LINE: usize = 500;

/// What a name stands for, where that matters to an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A declared function.
    Function,
    /// A declared constant.
    Constant,
    /// A function of the language.
    Builtin,
    /// A parameter.
    Parameter,
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Thing::Function => "function",
            Thing::Constant => "constant",
            Thing::Builtin => "builtin function",
            Thing::Parameter => "parameter",
        })
    }
}

/// What is wrong with a program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The source is longer than the compiler takes.
    SourceTooLong {
        /// Most bytes.
        limit: usize,
    },
    /// Characters that begin no token.
    UnexpectedText(String),
    /// A string without its closing quote.
    UnterminatedString,
    /// A backslash in a string with something unknown after it.
    BadEscape(String),
    /// A number that is misspelt.
    BadNumber(String),
    /// A number literal beyond the range of its type.
    NumberOutOfRange(String),
    /// Another token than the grammar wants.
    Expected {
        /// What it wants.
        expected: &'static str,
        /// What there is.
        found: String,
        /// Advice, where the mistake is a known one.
        hint: Option<&'static str>,
    },
    /// `a < b < c`.
    ChainedComparison,
    /// The left side of `=` is neither a name nor an element.
    NotAssignable,
    /// Something else than an operation that a `select` can wait for.
    NotAnArm {
        /// What is called.
        name: String,
        /// Whether its result is to be assigned.
        assigned: bool,
    },
    /// A `select` without an arm.
    EmptySelect,
    /// An arm of a `select` that another one keeps from ever being taken.
    ArmNeverTaken,
    /// `spawn` without a call after it.
    SpawnWithoutCall,
    /// A function begins while a block is still open.
    UnclosedBlock,
    /// A function inside a function.
    NestedFunction,
    /// Blocks or expressions nest too deeply.
    TooDeep {
        /// Most levels.
        limit: usize,
    },
    /// A name that nothing declares.
    UnknownName {
        /// The name.
        name: String,
        /// A similar one that is declared.
        similar: Option<String>,
    },
    /// Assignment to a name that no `let` declares.
    AssignUndeclared {
        /// The name.
        name: String,
        /// A similar variable.
        similar: Option<String>,
    },
    /// Assignment to what is not a variable.
    AssignTo {
        /// What it is.
        thing: Thing,
        /// Its name.
        name: String,
    },
    /// Two declarations of one name.
    Duplicate {
        /// What is declared the second time.
        thing: Thing,
        /// The name.
        name: String,
    },
    /// A call of a known function with the wrong number of arguments.
    ArgumentCount {
        /// The function.
        name: String,
        /// Fewest and most arguments.
        wants: (u8, u8),
        /// How many there are.
        found: usize,
    },
    /// A builtin used as a value.
    BuiltinAsValue(String),
    /// `break` or `continue` with no loop around it.
    OutsideLoop(&'static str),
    /// No function `main`.
    NoMain,
    /// `main` has parameters.
    MainParameters,
    /// A constant's value is not known at compile time.
    NotConstant,
    /// A constant refers to itself or to one that is declared below it.
    ConstantOrder(String),
    /// A constant's value cannot be computed.
    ConstantFails(&'static str),
    /// More of something than the bytecode can number.
    TooMany {
        /// What.
        what: &'static str,
        /// Most of it.
        limit: usize,
    },
    /// A loop or branch is longer than a jump can be.
    JumpTooFar,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErrorKind::SourceTooLong { limit } => {
                write!(f, "the source is longer than {limit} bytes")
            }
            ErrorKind::UnexpectedText(text) => write!(f, "unexpected `{text}`"),
            ErrorKind::UnterminatedString => f.write_str("this string has no closing quote"),
            ErrorKind::BadEscape(text) => write!(f, "unknown escape `{text}` in a string"),
            ErrorKind::BadNumber(text) => write!(f, "`{text}` is not a number"),
            ErrorKind::NumberOutOfRange(text) => write!(f, "`{text}` is out of range"),
            ErrorKind::Expected {
                expected, found, ..
            } => {
                write!(f, "expected {expected}, found {found}")
            }
            ErrorKind::ChainedComparison => f.write_str("comparisons cannot be chained"),
            ErrorKind::NotAssignable => f.write_str("this cannot be assigned to"),
            ErrorKind::NotAnArm { name, .. } => {
                write!(f, "`{}` cannot be an arm of a `select` here", brief(name))
            }
            ErrorKind::EmptySelect => f.write_str("this `select` has no arm"),
            ErrorKind::ArmNeverTaken => f.write_str("this arm is never taken"),
            ErrorKind::SpawnWithoutCall => f.write_str("`spawn` needs a call"),
            ErrorKind::UnclosedBlock => f.write_str("a function begins inside an open block"),
            ErrorKind::NestedFunction => f.write_str("a function cannot be inside a function"),
            ErrorKind::TooDeep { limit } => {
                write!(f, "this nests deeper than {limit} levels")
            }
            ErrorKind::UnknownName { name, .. } => {
                write!(f, "unknown name `{}`", brief(name))
            }
            ErrorKind::AssignUndeclared { name, .. } => {
                write!(f, "assignment to `{}`, which is not declared", brief(name))
            }
            ErrorKind::AssignTo { thing, name } => {
                write!(f, "assignment to the {thing} `{}`", brief(name))
            }
            ErrorKind::Duplicate { thing, name } => {
                write!(f, "the {thing} `{}` is declared twice", brief(name))
            }
            ErrorKind::ArgumentCount {
                name,
                wants: (min, max),
                found,
            } => {
                write!(f, "`{}` takes ", brief(name))?;
                match (min, max) {
                    (min, max) if min == max => write!(f, "{min} argument{}", plural(*min))?,
                    (min, &(MAX_ARGUMENTS..)) => {
                        write!(f, "at least {min} argument{}", plural(*min))?
                    }
                    (min, max) => write!(f, "{min} to {max} arguments")?,
                }
                write!(f, ", found {found}")
            }
            ErrorKind::BuiltinAsValue(name) => {
                write!(f, "the builtin function `{name}` can only be called")
            }
            ErrorKind::OutsideLoop(what) => write!(f, "`{what}` outside of a loop"),
            ErrorKind::NoMain => f.write_str("the program has no function `main`"),
            ErrorKind::MainParameters => f.write_str("`main` has no parameters"),
            ErrorKind::NotConstant => f.write_str("this is not known at compile time"),
            ErrorKind::ConstantOrder(name) => {
                write!(f, "the constant `{}` has no value yet", brief(name))
            }
            ErrorKind::ConstantFails(why) => write!(f, "this constant cannot be computed: {why}"),
            ErrorKind::TooMany { what, limit } => write!(f, "more than {limit} {what}"),
            ErrorKind::JumpTooFar => f.write_str("this loop or branch is too long"),
        }
    }
}

/// A name for a message. Names are of interest at more length than other text.
fn brief(name: &str) -> String {
    shorten_to(60, name)
}

fn plural(count: u8) -> &'static str {
    if count == 1 { "" } else { "s" }
}

impl ErrorKind {
    /// What to do about it, where that is not plain from the message.
    pub fn hint(&self) -> Option<String> {
        let fixed = match self {
            ErrorKind::UnexpectedText(text) => match text.as_str() {
                ";" => "a newline ends a statement",
                "&&" => "write `and`",
                "||" => "write `or`",
                "!" => "write `not`",
                "'" => "strings are in double quotes",
                _ if !text.is_ascii() => "names are of ASCII letters, digits and `_`",
                _ => return None,
            },
            ErrorKind::UnterminatedString => "a string ends on its line; `\\n` is a line break",
            ErrorKind::BadEscape(_) => "known are `\\n`, `\\t`, `\\\"`, `\\\\` and `\\u{1F600}`",
            ErrorKind::NumberOutOfRange(_) => {
                "integers go from -9223372036854775808 to 9223372036854775807"
            }
            ErrorKind::Expected { hint, .. } => return hint.map(str::to_owned),
            ErrorKind::ChainedComparison => "write `a < b and b < c`",
            ErrorKind::NotAssignable => "assign to a name or to an element like `a[i]`",
            ErrorKind::NotAnArm { assigned: true, .. } => "only `recv(channel)` gives a value",
            ErrorKind::NotAnArm { .. } => {
                "arms are `x = recv(c)`, `recv(c)`, `send(c, x)`, `after(ms)` and `else`"
            }
            ErrorKind::EmptySelect => "give it at least one arm, like `recv(c) { ... }`",
            ErrorKind::ArmNeverTaken => "keep one `else`, and no `after` beside it",
            ErrorKind::SpawnWithoutCall => "write `spawn f(x)`",
            ErrorKind::UnclosedBlock => "a `}` is missing above",
            ErrorKind::NestedFunction => "move it out to the top level",
            ErrorKind::TooDeep { .. } => "split it with `let` or a function",
            ErrorKind::UnknownName { similar, .. } => {
                let similar = similar.as_ref();
                return similar.map(|name| format!("there is `{}`", brief(name)));
            }
            ErrorKind::AssignUndeclared { name, similar } => {
                return Some(match similar {
                    Some(similar) => format!("there is `{}`", brief(similar)),
                    None => format!("declare it: `let {} = ...`", brief(name)),
                });
            }
            ErrorKind::AssignTo { .. } => "declare a variable with `let`",
            ErrorKind::BuiltinAsValue(name) => {
                return Some(format!("wrap it in a function that calls `{name}`"));
            }
            ErrorKind::NoMain => "a program starts at `fn main() { ... }`",
            ErrorKind::MainParameters => "`args()` gives the program's arguments",
            ErrorKind::NotConstant => {
                "a constant is a number, string, boolean or nil, or computed from such"
            }
            ErrorKind::ConstantOrder(_) => "a constant can refer to those declared above it",
            ErrorKind::TooMany { .. } | ErrorKind::JumpTooFar => "split the function",
            _ => return None,
        };
        Some(fixed.to_owned())
    }
}

/// A place that helps to understand an error, and what is there.
pub type Related = (Span, &'static str);

/// One error with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileError {
    /// What is wrong.
    pub kind: ErrorKind,
    /// The bytes of the source it is about.
    pub span: Span,
    /// Where these begin.
    pub position: Position,
    /// Another place that belongs to it, and why.
    pub related: Option<Related>,
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.position, self.kind)
    }
}

impl std::error::Error for CompileError {}

/// Collects errors during a run.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    errors: Vec<(ErrorKind, Span, Option<Related>)>,
    truncated: bool,
}

impl Sink {
    pub(crate) fn report(&mut self, kind: ErrorKind, span: Span) {
        self.add(kind, span, None);
    }

    pub(crate) fn report_related(
        &mut self,
        kind: ErrorKind,
        span: Span,
        related: Span,
        why: &'static str,
    ) {
        self.add(kind, span, Some((related, why)));
    }

    fn add(&mut self, kind: ErrorKind, span: Span, related: Option<Related>) {
        if self.is_full() {
            self.truncated = true;
        } else {
            self.errors.push((kind, span, related));
        }
    }

    /// Whether more errors would be dropped, so that it is no use to go on.
    pub(crate) fn is_full(&self) -> bool {
        self.errors.len() >= MAX_ERRORS
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    pub(crate) fn into_errors(self, source: Source) -> CompileErrors {
        let mut errors: Vec<CompileError> = self
            .errors
            .into_iter()
            .map(|(kind, span, related)| {
                let position = source.position(span.start);
                CompileError {
                    kind,
                    span,
                    position,
                    related,
                }
            })
            .collect();
        errors.sort_by_key(|error| error.span);
        CompileErrors {
            source: Box::new(source),
            errors,
            truncated: self.truncated,
        }
    }
}

/// Everything that is wrong with a program, at least one error, in the order
/// of the source. Displays as a report with source lines and hints.
#[derive(Clone, Debug, PartialEq)]
pub struct CompileErrors {
    source: Box<Source>,
    errors: Vec<CompileError>,
    truncated: bool,
}

impl CompileErrors {
    /// The single errors, at most [`MAX_ERRORS`].
    pub fn iter(&self) -> std::slice::Iter<'_, CompileError> {
        self.errors.iter()
    }

    /// The name of the source file.
    pub fn file(&self) -> &str {
        &self.source.file
    }

    fn render(&self, error: &CompileError, renderer: &Renderer) -> String {
        let mut group = Group::with_title(Level::ERROR.primary_title(error.kind.to_string()));
        group = match self.snippet(error.span) {
            Some((snippet, span)) => {
                let mut snippet = snippet.annotation(AnnotationKind::Primary.span(span));
                let mut more = None;
                if let Some((related, why)) = error.related {
                    let same_line = self.source.line_span(related.start)
                        == self.source.line_span(error.span.start);
                    if let Some((other, span)) = self.snippet(related) {
                        let annotation = AnnotationKind::Context.span(span).label(why);
                        if same_line {
                            snippet = snippet.annotation(annotation);
                        } else {
                            more = Some(other.annotation(annotation));
                        }
                    }
                }
                group.element(snippet).elements(more)
            }
            None => group.element(
                Origin::path(self.source.file.as_str())
                    .line(error.position.line as usize)
                    .char_column(error.position.column as usize),
            ),
        };
        if let Some(hint) = error.kind.hint() {
            group = group.element(Level::HELP.message(hint));
        }
        // The renderer replaces other controls, but not those of C1, which some
        // terminals obey.
        let is_c1 = |c: char| ('\u{80}'..='\u{9f}').contains(&c);
        renderer.render(&[group]).replace(is_c1, "\u{fffd}")
    }

    /// The line where a span begins and the part of the span that is in it,
    /// relative to the line. Nothing if the line is too long to be shown.
    fn snippet<T: Clone>(&self, span: Span) -> Option<(Snippet<'_, T>, std::ops::Range<usize>)> {
        let line = self.source.line_span(span.start);
        if line.range().len() > MAX_SHOWN_LINE {
            return None;
        }
        let number = self.source.position(span.start).line as usize;
        let snippet = Snippet::source(self.source.slice(line))
            .line_start(number)
            .path(self.source.file.as_str());
        let relative = span.start - line.start..span.end.min(line.end).max(span.start) - line.start;
        Some((snippet, relative.start as usize..relative.end as usize))
    }
}

impl fmt::Display for CompileErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let renderer = Renderer::plain();
        for (i, error) in self.errors.iter().enumerate() {
            if i > 0 {
                f.write_str("\n\n")?;
            }
            f.write_str(&self.render(error, &renderer))?;
        }
        if self.truncated {
            write!(f, "\n\nerror: only the first {MAX_ERRORS} errors are shown")?;
        }
        Ok(())
    }
}

impl std::error::Error for CompileErrors {}

impl<'e> IntoIterator for &'e CompileErrors {
    type Item = &'e CompileError;
    type IntoIter = std::slice::Iter<'e, CompileError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
