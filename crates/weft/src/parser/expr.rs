//! Expressions, by precedence climbing (Pratt): a loop takes operators as
//! long as they bind tighter than what stands to the left.

use super::{Failed, MAX_DEPTH, Parsed, Parser};
use crate::ast::{BinaryOp, Expr, ExprKind, LogicOp, UnaryOp};
use crate::diagnostics::ErrorKind;
use crate::lexer::{Number, Tok, number, unescape};
use crate::source::Span;

#[derive(Clone, Copy)]
enum Infix {
    Logic(LogicOp),
    Binary(BinaryOp),
}

/// The operator of a token and how tightly it binds. Higher binds tighter;
/// the order is Rust's.
fn infix(tok: Tok) -> Option<(u8, Infix)> {
    Some(match tok {
        Tok::Or => (1, Infix::Logic(LogicOp::Or)),
        Tok::And => (2, Infix::Logic(LogicOp::And)),
        Tok::Equal => (3, Infix::Binary(BinaryOp::Eq)),
        Tok::NotEqual => (3, Infix::Binary(BinaryOp::Ne)),
        Tok::Less => (3, Infix::Binary(BinaryOp::Lt)),
        Tok::LessEqual => (3, Infix::Binary(BinaryOp::Le)),
        Tok::Greater => (3, Infix::Binary(BinaryOp::Gt)),
        Tok::GreaterEqual => (3, Infix::Binary(BinaryOp::Ge)),
        Tok::Plus => (4, Infix::Binary(BinaryOp::Add)),
        Tok::Minus => (4, Infix::Binary(BinaryOp::Sub)),
        Tok::Star => (5, Infix::Binary(BinaryOp::Mul)),
        Tok::Slash => (5, Infix::Binary(BinaryOp::Div)),
        Tok::Percent => (5, Infix::Binary(BinaryOp::Rem)),
        _ => return None,
    })
}

impl<'s> Parser<'s, '_> {
    pub(super) fn expr(&mut self) -> Parsed<Expr<'s>> {
        self.binary(0)
    }

    // Both `binary` and `unary` count as levels, since either can recur alone.

    /// An expression of operators that bind tighter than `outer`.
    fn binary(&mut self, outer: u8) -> Parsed<Expr<'s>> {
        self.nested(|p| p.operators(outer))
    }

    fn operators(&mut self, outer: u8) -> Parsed<Expr<'s>> {
        let mut left = self.unary()?;
        while let Some((power, infix)) = infix(self.tok()) {
            if power <= outer || self.at_line_end() {
                break;
            }
            let at = self.bump().span.start;
            let right = self.binary(power)?;
            let height = left.height.max(right.height);
            let span = left.span.to(right.span);
            let (left_box, right_box) = (Box::new(left), Box::new(right));
            left = match infix {
                Infix::Logic(op) => {
                    self.node(ExprKind::Logic(op, left_box, right_box), span, at, height)?
                }
                Infix::Binary(op) => {
                    let kind = ExprKind::Binary(op, left_box, right_box);
                    let node = self.node(kind, span, at, height)?;
                    self.refuse_chain(op)?;
                    node
                }
            };
        }
        Ok(left)
    }

    /// Comparisons do not associate: fails if one follows another.
    fn refuse_chain(&mut self, op: BinaryOp) -> Parsed<()> {
        let Some((_, Infix::Binary(next))) = infix(self.tok()) else {
            return Ok(());
        };
        if op.is_comparison() && next.is_comparison() && !self.at_line_end() {
            let span = self.token().span;
            return Err(self.fail(ErrorKind::ChainedComparison, span));
        }
        Ok(())
    }

    fn unary(&mut self) -> Parsed<Expr<'s>> {
        self.nested(|p| {
            let start = p.token().span;
            let op = match p.tok() {
                Tok::Spawn if !p.at_line_end() => return p.spawn(),
                Tok::Minus if !p.at_line_end() => UnaryOp::Neg,
                Tok::Not if !p.at_line_end() => UnaryOp::Not,
                _ => return p.postfix(),
            };
            p.bump();
            if op == UnaryOp::Neg && p.tok() == Tok::Number {
                let token = p.bump().span;
                let literal = p.number(start.to(token), token, true)?;
                return p.postfix_of(literal);
            }
            let operand = p.unary()?;
            let (span, height) = (start.to(operand.span), operand.height);
            p.node(
                ExprKind::Unary(op, Box::new(operand)),
                span,
                start.start,
                height,
            )
        })
    }

    fn spawn(&mut self) -> Parsed<Expr<'s>> {
        let start = self.bump().span;
        let call = self.postfix()?;
        let (span, height) = (start.to(call.span), call.height);
        match call.kind {
            ExprKind::Call(callee, args) => {
                self.node(ExprKind::Spawn(callee, args), span, start.start, height)
            }
            _ => Err(self.fail(ErrorKind::SpawnWithoutCall, call.span)),
        }
    }

    fn postfix(&mut self) -> Parsed<Expr<'s>> {
        let first = self.primary()?;
        self.postfix_of(first)
    }

    /// Calls and indexes after an expression.
    fn postfix_of(&mut self, first: Expr<'s>) -> Parsed<Expr<'s>> {
        let mut left = first;
        while !self.at_line_end() {
            let open = self.token().span;
            left = match self.tok() {
                Tok::LeftParen => {
                    self.bump();
                    let args = self.comma_list(Tok::RightParen, "`,` or `)`", Self::expr)?;
                    // A named callee says best which call it is.
                    let named = matches!(left.kind, ExprKind::Name(_));
                    let at = if named { left.span.start } else { open.start };
                    let height = args
                        .iter()
                        .map(|arg| arg.height)
                        .fold(left.height, u16::max);
                    let span = self.up_to_here(left.span);
                    self.node(ExprKind::Call(Box::new(left), args), span, at, height)?
                }
                Tok::LeftBracket => {
                    self.bump();
                    self.brackets += 1;
                    let index = self.expr()?;
                    let end = if self.eat(Tok::DotDot) {
                        Some(self.expr()?)
                    } else {
                        None
                    };
                    self.expect(Tok::RightBracket, "`]`")?;
                    self.brackets -= 1;
                    let mut height = left.height.max(index.height);
                    let span = self.up_to_here(left.span);
                    let kind = match end {
                        Some(end) => {
                            height = height.max(end.height);
                            ExprKind::Slice(Box::new(left), Box::new([index, end]))
                        }
                        None => ExprKind::Index(Box::new(left), Box::new(index)),
                    };
                    self.node(kind, span, open.start, height)?
                }
                _ => break,
            };
        }
        Ok(left)
    }

    fn primary(&mut self) -> Parsed<Expr<'s>> {
        if self.at_line_end() {
            return Err(self.unexpected("an expression", None));
        }
        let span = self.token().span;
        let kind = match self.tok() {
            Tok::Nil => ExprKind::Nil,
            Tok::True => ExprKind::Bool(true),
            Tok::False => ExprKind::Bool(false),
            Tok::Name => ExprKind::Name(self.text(span)),
            Tok::Number => {
                self.bump();
                return self.number(span, span, false);
            }
            Tok::Str => {
                let text = match unescape(self.text(span)) {
                    Ok(text) => text,
                    Err((kind, at)) => {
                        // The string's extent is clear, so parsing goes on.
                        let start = span.start + at.start as u32;
                        self.sink
                            .report(kind, Span::new(start, span.start + at.end as u32));
                        String::new()
                    }
                };
                ExprKind::Str(text)
            }
            // Reported by the lexer; it ends the line.
            Tok::OpenStr => ExprKind::Str(String::new()),
            Tok::LeftParen => {
                self.bump();
                self.brackets += 1;
                let inner = self.expr()?;
                self.expect(Tok::RightParen, "`)`")?;
                self.brackets -= 1;
                return Ok(Expr {
                    span: self.up_to_here(span),
                    ..inner
                });
            }
            Tok::LeftBracket => {
                self.bump();
                let items = self.comma_list(Tok::RightBracket, "`,` or `]`", Self::expr)?;
                let height = items.iter().map(|item| item.height).max().unwrap_or(0);
                let whole = self.up_to_here(span);
                return self.node(ExprKind::List(items), whole, span.start, height);
            }
            _ => return Err(self.unexpected("an expression", None)),
        };
        self.bump();
        self.node(kind, span, span.start, 0)
    }

    /// The literal of a number token; `span` has the minus before it too.
    fn number(&mut self, span: Span, token: Span, negative: bool) -> Parsed<Expr<'s>> {
        let kind = match number(self.text(token), negative) {
            Ok(Number::Int(value)) => ExprKind::Int(value),
            Ok(Number::Float(value)) => ExprKind::Float(value),
            Err(kind) => {
                // Its extent is clear, so parsing goes on.
                self.sink.report(kind, token);
                ExprKind::Int(0)
            }
        };
        self.node(kind, span, span.start, 0)
    }

    fn up_to_here(&self, start: Span) -> Span {
        self.previous().map_or(start, |token| start.to(token.span))
    }

    /// Makes a node on top of others of the given height.
    fn node(
        &mut self,
        kind: ExprKind<'s>,
        span: Span,
        at: u32,
        children: u16,
    ) -> Result<Expr<'s>, Failed> {
        let height = children + 1;
        if usize::from(height) > MAX_DEPTH {
            return Err(self.fail(ErrorKind::TooDeep { limit: MAX_DEPTH }, span));
        }
        Ok(Expr {
            kind,
            span,
            at,
            height,
        })
    }
}
