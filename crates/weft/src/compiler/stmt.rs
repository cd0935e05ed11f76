//! Statements to instructions.

use super::expr::MAX_CHUNK;
use super::function::{Enclosing, FnCompiler, Jump};
use crate::ast::{Arm, ArmEvent, Block, Expr, ExprKind, Ident, Iterable, Stmt, StmtKind};
use crate::diagnostics::ErrorKind;
use crate::op::{Instr, Jump16, Jump24, Reg};
use crate::source::Span;

impl<'s> FnCompiler<'_, 's, '_> {
    pub(super) fn block(&mut self, block: &Block<'s>) {
        self.scope(|c| {
            for stmt in &block.stmts {
                c.stmt(stmt);
            }
        });
    }

    fn stmt(&mut self, stmt: &Stmt<'s>) {
        let at = stmt.span.start;
        match &stmt.kind {
            StmtKind::Let { name, value } => {
                let dst = self.alloc();
                self.expr_into(value, dst);
                self.declare(name.name, dst);
            }
            StmtKind::Assign { name, value } => self.assign(*name, value),
            StmtKind::SetIndex {
                list,
                index,
                value,
                at,
            } => self.scope(|c| {
                let list = c.operand(list);
                let index = c.operand(index);
                let value = c.operand(value);
                c.emit(Instr::SetIndex { list, index, value }, *at);
            }),
            StmtKind::Expr(expr) => self.discard(expr),
            StmtKind::If {
                branches,
                otherwise,
            } => self.if_else(branches, otherwise.as_ref()),
            StmtKind::While { cond, body } => {
                let top = self.code.len();
                let mut exits = Vec::new();
                self.branch(cond, false, &mut exits);
                let inner = self.loop_body(Some(top), body);
                self.jump_back(top, at);
                self.land_all(exits);
                self.land_all(inner.breaks);
            }
            StmtKind::For { name, over, body } => self.scope(|c| match over {
                Iterable::Range { from, to, at: dots } => {
                    c.for_range(*name, (from, to, *dots), body, at);
                }
                Iterable::Value(value) => c.for_each(*name, value, body, at),
            }),
            StmtKind::Break => self.leave_loop("break", stmt.span),
            StmtKind::Continue => self.leave_loop("continue", stmt.span),
            StmtKind::Return(value) => self.scope(|c| {
                let value = value.as_ref().map(|value| c.operand(value));
                c.end_inside(0, at);
                c.emit(
                    match value {
                        Some(src) => Instr::Return { src },
                        None => Instr::ReturnNil {},
                    },
                    at,
                );
            }),
            StmtKind::Region { name, body } => {
                self.scope(|c| {
                    let reg = c.operand(name);
                    c.emit(Instr::RegionBegin { name: reg }, at);
                });
                self.enclosing.push(Enclosing::Region);
                self.block(body);
                self.enclosing.pop();
                self.emit(Instr::RegionEnd {}, body.end);
            }
            StmtKind::UserTask { name, body } => {
                self.scope(|c| {
                    let reg = c.operand(name);
                    c.emit(Instr::UserTaskBegin { name: reg }, at);
                });
                self.enclosing.push(Enclosing::UserTask);
                self.block(body);
                self.enclosing.pop();
                self.emit(Instr::UserTaskEnd {}, body.end);
            }
            StmtKind::Select(arms) => self.scope(|c| c.select(arms, at)),
        }
    }

    /// First all operands in their order, then the arms as a table, then their
    /// bodies.
    fn select(&mut self, arms: &[Arm<'s>], at: u32) {
        let received = self.alloc();
        let after_received = self.next;
        let table: Vec<Instr> = arms
            .iter()
            .map(|arm| match &arm.event {
                ArmEvent::Recv { channel, .. } => Instr::ArmRecv {
                    dst: received,
                    channel: self.operand(channel),
                },
                ArmEvent::Send { channel, value } => Instr::ArmSend {
                    channel: self.operand(channel),
                    value: self.operand(value),
                },
                ArmEvent::After { millis } => Instr::ArmAfter {
                    millis: self.operand(millis),
                },
                ArmEvent::Else => Instr::ArmElse {},
            })
            .collect();
        // The parser has refused more.
        let count = arms.len() as u8;
        self.emit(Instr::Select { arms: count }, at);
        let bodies: Vec<Jump> = arms
            .iter()
            .zip(table)
            .map(|(arm, instr)| {
                self.emit(instr, arm.span.start);
                self.jump(Instr::Jump { to: Jump24(0) }, arm.span.start)
            })
            .collect();
        // The operands have been used.
        self.next = after_received;
        let mut ends = Vec::new();
        for (i, (arm, body)) in arms.iter().zip(bodies).enumerate() {
            self.land(body);
            self.scope(|c| {
                if let ArmEvent::Recv {
                    name: Some(name), ..
                } = arm.event
                {
                    c.declare(name.name, received);
                }
                c.block(&arm.body);
            });
            if i + 1 < arms.len() && !arm.body.leaves() {
                ends.push(self.jump(Instr::Jump { to: Jump24(0) }, arm.body.end));
            }
        }
        self.land_all(ends);
    }

    fn assign(&mut self, name: Ident<'s>, value: &Expr<'s>) {
        let Some(dst) = self.local(name.name) else {
            // The value may have mistakes of its own.
            self.discard(value);
            let text = name.name.to_owned();
            let kind = match self.context.thing(name.name) {
                Some(thing) => ErrorKind::AssignTo { thing, name: text },
                None => {
                    let similar = super::similar(name.name, self.local_names());
                    ErrorKind::AssignUndeclared {
                        name: text,
                        similar,
                    }
                }
            };
            return self.report(kind, name.span);
        };
        // These write their register before they have read all variables.
        let early = match &value.kind {
            ExprKind::Logic(..) => true,
            ExprKind::List(items) => items.len() > MAX_CHUNK,
            _ => false,
        };
        if early {
            self.scope(|c| {
                let src = c.operand(value);
                c.emit(Instr::Move { dst, src }, value.at);
            });
        } else {
            self.expr_into(value, dst);
        }
    }

    fn if_else(&mut self, branches: &[(Expr<'s>, Block<'s>)], otherwise: Option<&Block<'s>>) {
        let mut ends = Vec::new();
        for (i, (cond, body)) in branches.iter().enumerate() {
            let mut exits = Vec::new();
            self.branch(cond, false, &mut exits);
            self.block(body);
            let more = i + 1 < branches.len() || otherwise.is_some();
            if more && !body.leaves() {
                ends.push(self.jump(Instr::Jump { to: Jump24(0) }, body.end));
            }
            self.land_all(exits);
        }
        if let Some(body) = otherwise {
            self.block(body);
        }
        self.land_all(ends);
    }

    /// Compiles a loop's body; gives the jumps that leave or continue it.
    fn loop_body(&mut self, top: Option<usize>, body: &Block<'s>) -> Leaving {
        self.enclosing.push(Enclosing::Loop {
            top,
            continues: Vec::new(),
            breaks: Vec::new(),
        });
        self.block(body);
        match self.enclosing.pop() {
            Some(Enclosing::Loop {
                continues, breaks, ..
            }) => Leaving { continues, breaks },
            _ => unreachable!("loops and what is inside are pushed and popped in pairs"),
        }
    }

    fn for_range(
        &mut self,
        name: Ident<'s>,
        (from, to, dots): (&Expr<'s>, &Expr<'s>, u32),
        body: &Block<'s>,
        at: u32,
    ) {
        let base = self.alloc();
        self.expr_into(from, base);
        let end = self.alloc();
        self.expr_into(to, end);
        let variable = self.alloc();
        self.declare(name.name, variable);
        let prep = self.jump(
            Instr::ForRangePrep {
                base,
                exit: Jump16(0),
            },
            dots,
        );
        let top = self.code.len();
        let inner = self.loop_body(None, body);
        self.land_all(inner.continues);
        let back = self.jump(
            Instr::ForRange {
                base,
                body: Jump16(0),
            },
            at,
        );
        self.aim(back, top);
        self.land(prep);
        self.land_all(inner.breaks);
    }

    fn for_each(&mut self, name: Ident<'s>, value: &Expr<'s>, body: &Block<'s>, at: u32) {
        let base = self.alloc();
        self.expr_into(value, base);
        let _index: Reg = self.alloc();
        let variable = self.alloc();
        self.declare(name.name, variable);
        self.emit(Instr::ForPrep { base }, value.span.start);
        let top = self.code.len();
        let exit = self.jump(
            Instr::ForNext {
                base,
                exit: Jump16(0),
            },
            value.span.start,
        );
        let inner = self.loop_body(Some(top), body);
        self.jump_back(top, at);
        self.land(exit);
        self.land_all(inner.breaks);
    }

    /// `break` or `continue`: ends what is open inside the loop and jumps.
    fn leave_loop(&mut self, what: &'static str, span: Span) {
        let at = span.start;
        let innermost = self
            .enclosing
            .iter()
            .rposition(|e| matches!(e, Enclosing::Loop { .. }));
        let Some(innermost) = innermost else {
            return self.report(ErrorKind::OutsideLoop(what), span);
        };
        self.end_inside(innermost + 1, at);
        if let Enclosing::Loop { top: Some(top), .. } = self.enclosing[innermost]
            && what == "continue"
        {
            return self.jump_back(top, at);
        }
        let jump = self.jump(Instr::Jump { to: Jump24(0) }, at);
        if let Enclosing::Loop {
            continues, breaks, ..
        } = &mut self.enclosing[innermost]
        {
            if what == "continue" {
                continues.push(jump)
            } else {
                breaks.push(jump)
            }
        }
    }
}

/// The jumps out of a loop's body that still have no target.
struct Leaving {
    continues: Vec<Jump>,
    breaks: Vec<Jump>,
}
