//! `select`: a block of arms in the place of statements.

use super::{Failed, Parsed, Parser};
use crate::ast::{Arm, ArmEvent, Expr, Ident, StmtKind};
use crate::diagnostics::ErrorKind;
use crate::lexer::Tok;
use crate::source::Span;

/// Most arms of a `select`.
const MAX_ARMS: usize = 64;

const EXPECTED: &str = "an arm: `recv`, `send`, `after` or `else`";

impl<'s> Parser<'s, '_> {
    pub(super) fn select(&mut self) -> Parsed<StmtKind<'s>> {
        let start = self.bump().span;
        let open = self.expect(Tok::LeftBrace, "`{`")?.span;
        // Newlines count in it as in any block.
        let brackets = std::mem::take(&mut self.brackets);
        let arms = self.nested(|p| p.arms(open));
        self.brackets = brackets;
        let (arms, complete) = arms?;
        if complete {
            self.check_arms(start, &arms)?;
        }
        Ok(StmtKind::Select(arms))
    }

    /// All arms that are right, and whether these are all.
    fn arms(&mut self, open: Span) -> Parsed<(Vec<Arm<'s>>, bool)> {
        let mut arms = Vec::new();
        let mut complete = true;
        loop {
            match self.tok() {
                Tok::RightBrace => {
                    self.bump();
                    return Ok((arms, complete));
                }
                Tok::End => return Err(self.unclosed(open)),
                Tok::Fn if self.is_top_level_fn() => return Err(self.unclosed(open)),
                _ => {}
            }
            let start = self.at;
            match self.arm() {
                Ok(arm) => arms.push(arm),
                Err(Failed) => {
                    complete = false;
                    self.brackets = 0;
                    self.skip_statement(start);
                }
            }
        }
    }

    fn arm(&mut self) -> Parsed<Arm<'s>> {
        self.start = self.at;
        if self.tok() == Tok::Else {
            let span = self.bump().span;
            return self.finish_arm(ArmEvent::Else, span);
        }
        let first = self.name(EXPECTED)?;
        let (variable, operation) = if self.eat(Tok::Assign) {
            (Some(first), self.name("`recv`")?)
        } else {
            (None, first)
        };
        let wants = match (operation.name, variable) {
            ("recv", _) | ("after", None) => 1,
            ("send", None) => 2,
            (_, variable) => {
                let kind = ErrorKind::NotAnArm {
                    name: operation.name.to_owned(),
                    assigned: variable.is_some(),
                };
                return Err(self.fail(kind, operation.span));
            }
        };
        self.expect(Tok::LeftParen, "`(`")?;
        let args = self.comma_list(Tok::RightParen, "`,` or `)`", Self::expr)?;
        let event = self.arm_event(operation, variable, args, wants)?;
        self.finish_arm(event, operation.span)
    }

    fn arm_event(
        &mut self,
        operation: Ident<'s>,
        variable: Option<Ident<'s>>,
        args: Vec<Expr<'s>>,
        wants: u8,
    ) -> Parsed<ArmEvent<'s>> {
        let found = args.len();
        let mut args = args.into_iter();
        match (operation.name, args.next(), args.next(), args.next()) {
            ("recv", Some(channel), None, None) => Ok(ArmEvent::Recv {
                name: variable,
                channel,
            }),
            ("after", Some(millis), None, None) => Ok(ArmEvent::After { millis }),
            ("send", Some(channel), Some(value), None) => Ok(ArmEvent::Send { channel, value }),
            _ => {
                let kind = ErrorKind::ArgumentCount {
                    name: operation.name.to_owned(),
                    wants: (wants, wants),
                    found,
                };
                Err(self.fail(kind, operation.span))
            }
        }
    }

    fn finish_arm(&mut self, event: ArmEvent<'s>, span: Span) -> Parsed<Arm<'s>> {
        let body = self.block()?;
        self.end_of_statement()?;
        Ok(Arm { event, body, span })
    }

    /// Refuses arms that can never be taken, and a `select` without any.
    fn check_arms(&mut self, start: Span, arms: &[Arm<'s>]) -> Parsed<()> {
        if let Some(extra) = arms.get(MAX_ARMS) {
            let kind = ErrorKind::TooMany {
                what: "arms of a `select`",
                limit: MAX_ARMS,
            };
            return Err(self.fail(kind, extra.span));
        }
        if arms.is_empty() {
            return Err(self.fail(ErrorKind::EmptySelect, start));
        }
        let mut elses = arms
            .iter()
            .filter(|arm| matches!(arm.event, ArmEvent::Else));
        let Some(first) = elses.next() else {
            return Ok(());
        };
        let useless = elses.next().or_else(|| {
            arms.iter()
                .find(|arm| matches!(arm.event, ArmEvent::After { .. }))
        });
        match useless {
            Some(arm) => {
                let (kind, span) = (ErrorKind::ArmNeverTaken, arm.span);
                if self.fresh_mistake() {
                    self.sink
                        .report_related(kind, span, first.span, "this `else` never waits");
                }
                Err(Failed)
            }
            None => Ok(()),
        }
    }
}
