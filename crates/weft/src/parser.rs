//! Tokens to a syntax tree: recursive descent for declarations and
//! statements; expressions are in [`expr`].
//!
//! After a syntax error the parser skips to the end of the statement and goes
//! on, so that one run reports many. A mistake found at a token that already
//! has one is not reported again, which keeps consequences quiet.

mod expr;
mod select;

use crate::ast::{Block, Expr, ExprKind, FnDecl, Ident, Item, Iterable, Stmt, StmtKind};
use crate::diagnostics::{ErrorKind, Sink};
use crate::lexer::{Tok, Token, lex, shorten};
use crate::source::{Source, Span};

/// How deeply blocks and expressions may nest, and how high an expression's
/// tree may be. An operator is one level, a block or a bracket
/// two. It bounds every recursion of the front end.
pub(crate) const MAX_DEPTH: usize = 200;

/// A syntax error that has been reported. Whoever gets one passes it on up to
/// the next statement.
struct Failed;

type Parsed<T> = Result<T, Failed>;

/// The declarations of a source. What they mean is only worth looking at if
/// the sink has stayed empty.
pub(crate) fn parse<'s>(source: &'s Source, sink: &mut Sink) -> Vec<Item<'s>> {
    let tokens = lex(&source.text, sink);
    let mut parser = Parser {
        source,
        tokens,
        at: 0,
        brackets: 0,
        depth: 0,
        start: 0,
        last_error: None,
        sink,
    };
    parser.items()
}

struct Parser<'s, 'e> {
    source: &'s Source,
    /// Never empty; the last one is `End`.
    tokens: Vec<Token>,
    at: usize,
    /// Open parentheses and square brackets, within which newlines mean nothing.
    brackets: usize,
    depth: usize,
    /// Where the statement begins that was begun last.
    start: usize,
    /// The token of the last error.
    last_error: Option<usize>,
    sink: &'e mut Sink,
}

impl<'s> Parser<'s, '_> {
    // Looking at tokens.

    fn token(&self) -> Token {
        self.tokens[self.at]
    }

    fn tok(&self) -> Tok {
        self.token().tok
    }

    fn previous(&self) -> Option<Token> {
        self.at.checked_sub(1).map(|at| self.tokens[at])
    }

    fn text(&self, span: Span) -> &'s str {
        self.source.slice(span)
    }

    /// Whether a newline before the current token ends the statement.
    fn at_line_end(&self) -> bool {
        self.token().newline_before
            && self.brackets == 0
            && self.at > self.start
            && !self
                .previous()
                .is_some_and(|token| token.tok.continues_line())
    }

    /// Takes the current token; the end stays.
    fn bump(&mut self) -> Token {
        let token = self.token();
        if token.tok != Tok::End {
            self.at += 1;
        }
        token
    }

    fn eat(&mut self, tok: Tok) -> bool {
        let found = self.tok() == tok && !self.at_line_end();
        if found {
            self.bump();
        }
        found
    }

    fn expect(&mut self, tok: Tok, expected: &'static str) -> Parsed<Token> {
        if self.tok() == tok && !self.at_line_end() {
            Ok(self.bump())
        } else {
            Err(self.unexpected(expected, None))
        }
    }

    // Reporting.

    /// Reports that the current token is not what the grammar wants.
    fn unexpected(&mut self, expected: &'static str, hint: Option<&'static str>) -> Failed {
        let token = self.token();
        let before = self.previous().map_or(token.span, |token| token.span);
        let line_end = Span::new(before.end, before.end);
        let (found, span) = if token.tok == Tok::End {
            ("the end of the file".to_owned(), line_end)
        } else if self.at_line_end() && token.tok != Tok::RightBrace {
            ("the end of the line".to_owned(), line_end)
        } else {
            (format!("`{}`", shorten(self.text(token.span))), token.span)
        };
        let hint = hint.or_else(|| self.known_mistake());
        self.fail(
            ErrorKind::Expected {
                expected,
                found,
                hint,
            },
            span,
        )
    }

    /// Advice for mistakes that habits from other languages make likely.
    fn known_mistake(&self) -> Option<&'static str> {
        let previous = self.previous().map(|token| token.tok);
        match (previous, self.tok()) {
            (Some(Tok::Plus | Tok::Minus | Tok::Star | Tok::Slash | Tok::Percent), Tok::Assign) => {
                Some("write `x = x + ...`")
            }
            (_, Tok::Assign) => Some("`==` compares, and `=` stands only in statements"),
            (_, Tok::DotDot) => Some("a range stands only in `for x in a..b` and `list[a..b]`"),
            (_, Tok::LeftBrace) if self.at_line_end() => {
                Some("the `{` stands on the line of what it belongs to")
            }
            (_, Tok::Else) => Some("`else` stands on the line of the `}` before it"),
            (_, Tok::Fn) => Some("declare a function at the top level and use its name"),
            (_, Tok::Const) => Some("constants are declared at the top level"),
            _ => None,
        }
    }

    fn fail(&mut self, kind: ErrorKind, span: Span) -> Failed {
        if self.fresh_mistake() {
            self.sink.report(kind, span);
        }
        Failed
    }

    /// Whether the current token has no error yet; from now on it has one.
    fn fresh_mistake(&mut self) -> bool {
        let fresh = self.last_error != Some(self.at) && self.tok() != Tok::Bad;
        self.last_error = Some(self.at);
        if self.sink.is_full() {
            // Nothing more would be shown: end all loops.
            self.at = self.tokens.len() - 1;
        }
        fresh
    }

    /// Runs a recursive part of the grammar one level deeper.
    fn nested<T>(&mut self, part: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= MAX_DEPTH {
            let span = self.token().span;
            return Err(self.fail(ErrorKind::TooDeep { limit: MAX_DEPTH }, span));
        }
        self.depth += 1;
        let result = part(self);
        self.depth -= 1;
        result
    }

    /// Skips from inside a statement that began at `start` to where another
    /// may begin: the next line or the end of the block, with whole blocks in
    /// between.
    fn skip_statement(&mut self, start: usize) {
        let mut open = 0usize;
        loop {
            let token = self.token();
            match token.tok {
                Tok::End => return,
                Tok::RightBrace if open == 0 => return,
                Tok::RightBrace => open -= 1,
                _ if open == 0 && token.newline_before && self.at > start => return,
                Tok::Fn if self.is_top_level_fn() && self.at > start => return,
                Tok::LeftBrace => open += 1,
                _ => {}
            }
            self.bump();
        }
    }

    /// Whether the current token is a `fn` in the first column: a function
    /// that is meant for the top level.
    fn is_top_level_fn(&self) -> bool {
        let token = self.token();
        token.tok == Tok::Fn && self.source.position(token.span.start).column == 1
    }

    // Declarations.

    fn items(&mut self) -> Vec<Item<'s>> {
        let mut items = Vec::new();
        while self.tok() != Tok::End {
            let start = self.at;
            match self.item() {
                Ok(item) => items.push(item),
                Err(Failed) => {
                    self.brackets = 0;
                    self.skip_item(start);
                }
            }
        }
        items
    }

    /// Skips to the next line that begins like a declaration.
    fn skip_item(&mut self, start: usize) {
        loop {
            let token = self.token();
            let begins = matches!(token.tok, Tok::Fn | Tok::Const) && token.newline_before;
            if token.tok == Tok::End || begins && self.at > start {
                return;
            }
            self.bump();
        }
    }

    fn item(&mut self) -> Parsed<Item<'s>> {
        self.start = self.at;
        let item = match self.tok() {
            Tok::Fn => Item::Fn(self.function()?),
            Tok::Const => {
                self.bump();
                let name = self.name("a name after `const`")?;
                self.expect(Tok::Assign, "`=`")?;
                Item::Const {
                    name,
                    value: self.expr()?,
                }
            }
            _ => return Err(self.unexpected("`fn` or `const`", None)),
        };
        self.end_of_statement()?;
        Ok(item)
    }

    fn function(&mut self) -> Parsed<FnDecl<'s>> {
        self.bump();
        let name = self.name("a name after `fn`")?;
        self.expect(Tok::LeftParen, "`(`")?;
        let params = self.comma_list(Tok::RightParen, "`,` or `)`", |p| p.name("a parameter"))?;
        let body = self.block()?;
        Ok(FnDecl { name, params, body })
    }

    fn name(&mut self, expected: &'static str) -> Parsed<Ident<'s>> {
        let span = self.expect(Tok::Name, expected)?.span;
        Ok(Ident {
            name: self.text(span),
            span,
        })
    }

    /// Items with commas between them and perhaps after them, up to and with
    /// the closing bracket. The opening one is taken already.
    fn comma_list<T>(
        &mut self,
        close: Tok,
        expected: &'static str,
        mut item: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        self.brackets += 1;
        let mut items = Vec::new();
        while self.tok() != close {
            items.push(item(self)?);
            if self.tok() != close {
                self.expect(Tok::Comma, expected)?;
            }
        }
        self.bump();
        self.brackets -= 1;
        Ok(items)
    }

    // Statements.

    fn block(&mut self) -> Parsed<Block<'s>> {
        let open = self.expect(Tok::LeftBrace, "`{`")?;
        // Newlines count again in a block, whatever brackets are around it.
        let brackets = std::mem::take(&mut self.brackets);
        let block = self.nested(|p| p.nested(|p| p.statements(open.span)));
        self.brackets = brackets;
        block
    }

    fn statements(&mut self, open: Span) -> Parsed<Block<'s>> {
        let mut stmts = Vec::new();
        loop {
            match self.tok() {
                Tok::RightBrace => {
                    let end = self.bump().span.start;
                    return Ok(Block { stmts, end });
                }
                Tok::End => return Err(self.unclosed(open)),
                Tok::Fn if self.is_top_level_fn() => return Err(self.unclosed(open)),
                _ => {}
            }
            let start = self.at;
            match self.statement() {
                Ok(stmt) => stmts.push(stmt),
                Err(Failed) => {
                    self.brackets = 0;
                    self.skip_statement(start);
                }
            }
        }
    }

    /// Reports that the block opened there has no end.
    fn unclosed(&mut self, open: Span) -> Failed {
        let (kind, span) = match self.tok() {
            Tok::Fn => (ErrorKind::UnclosedBlock, self.token().span),
            _ => {
                let found = "the end of the file".to_owned();
                (
                    ErrorKind::Expected {
                        expected: "`}`",
                        found,
                        hint: None,
                    },
                    self.token().span,
                )
            }
        };
        if self.fresh_mistake() {
            self.sink
                .report_related(kind, span, open, "this block is open");
        }
        Failed
    }

    fn statement(&mut self) -> Parsed<Stmt<'s>> {
        self.start = self.at;
        let start = self.token().span;
        let kind = match self.tok() {
            Tok::Let => {
                self.bump();
                let name = self.name("a name after `let`")?;
                self.expect(Tok::Assign, "`=`")?;
                StmtKind::Let {
                    name,
                    value: self.expr()?,
                }
            }
            Tok::If => self.if_statement()?,
            Tok::While => {
                self.bump();
                StmtKind::While {
                    cond: self.expr()?,
                    body: self.block()?,
                }
            }
            Tok::For => {
                self.bump();
                let name = self.name("a name after `for`")?;
                self.expect(Tok::In, "`in`")?;
                StmtKind::For {
                    name,
                    over: self.iterable()?,
                    body: self.block()?,
                }
            }
            Tok::Break => {
                self.bump();
                StmtKind::Break
            }
            Tok::Continue => {
                self.bump();
                StmtKind::Continue
            }
            Tok::Return => {
                self.bump();
                let bare = self.at_line_end() || matches!(self.tok(), Tok::RightBrace | Tok::End);
                StmtKind::Return(if bare { None } else { Some(self.expr()?) })
            }
            Tok::Region => {
                self.bump();
                StmtKind::Region {
                    name: self.expr()?,
                    body: self.block()?,
                }
            }
            Tok::Task => {
                self.bump();
                StmtKind::UserTask {
                    name: self.expr()?,
                    body: self.block()?,
                }
            }
            Tok::Select => self.select()?,
            Tok::Fn if self.tokens[self.at + 1].tok == Tok::Name => {
                return Err(self.fail(ErrorKind::NestedFunction, start));
            }
            Tok::LeftBrace => return Err(self.unexpected("a statement", None)),
            _ => self.expr_or_assignment()?,
        };
        let end = self.previous().map_or(start, |token| token.span);
        self.end_of_statement()?;
        Ok(Stmt {
            kind,
            span: start.to(end),
        })
    }

    fn end_of_statement(&mut self) -> Parsed<()> {
        let ended = self.at_line_end()
            || matches!(self.tok(), Tok::RightBrace | Tok::End)
            || self
                .previous()
                .is_some_and(|token| token.tok == Tok::RightBrace);
        if ended {
            Ok(())
        } else {
            Err(self.unexpected("the end of the line", None))
        }
    }

    fn if_statement(&mut self) -> Parsed<StmtKind<'s>> {
        self.bump();
        let mut branches = vec![(self.expr()?, self.block()?)];
        let mut otherwise = None;
        while self.eat(Tok::Else) {
            if self.eat(Tok::If) {
                branches.push((self.expr()?, self.block()?));
            } else {
                otherwise = Some(self.block()?);
                break;
            }
        }
        Ok(StmtKind::If {
            branches,
            otherwise,
        })
    }

    fn iterable(&mut self) -> Parsed<Iterable<'s>> {
        let from = self.expr()?;
        let dots = self.token();
        if !self.eat(Tok::DotDot) {
            return Ok(Iterable::Value(from));
        }
        Ok(Iterable::Range {
            from,
            to: self.expr()?,
            at: dots.span.start,
        })
    }

    fn expr_or_assignment(&mut self) -> Parsed<StmtKind<'s>> {
        let target = self.expr()?;
        if self.tok() != Tok::Assign || self.at_line_end() {
            return Ok(StmtKind::Expr(target));
        }
        let Expr { kind, span, at, .. } = target;
        match kind {
            ExprKind::Name(name) => {
                self.bump();
                Ok(StmtKind::Assign {
                    name: Ident { name, span },
                    value: self.expr()?,
                })
            }
            ExprKind::Index(list, index) => {
                self.bump();
                let value = self.expr()?;
                Ok(StmtKind::SetIndex {
                    list: *list,
                    index: *index,
                    value,
                    at,
                })
            }
            _ => Err(self.fail(ErrorKind::NotAssignable, span)),
        }
    }
}
