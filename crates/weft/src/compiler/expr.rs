//! Expressions to instructions.
//!
//! An expression is compiled into a register that its user names. Operands
//! that are local variables stay where they are: nothing inside an expression
//! can assign to a variable.

use super::Global;
use super::constant::Value;
use super::function::{FnCompiler, Jump};
use crate::ast::{BinaryOp, Expr, ExprKind, LogicOp, UnaryOp};
use crate::builtin::{ANY, Builtin, TaskCall};
use crate::diagnostics::ErrorKind;
use crate::op::{FuncIndex, Instr, Jump16, Jump24, Reg};
use crate::program::Const;

/// So many elements of a list literal are put into registers at once.
pub(super) const MAX_CHUNK: usize = 32;

impl<'s> FnCompiler<'_, 's, '_> {
    /// Computes an expression for its effect.
    pub(super) fn discard(&mut self, expr: &Expr<'s>) {
        self.scope(|c| match &expr.kind {
            ExprKind::Call(callee, args) => c.call(expr, callee, args, None),
            _ => {
                c.operand(expr);
            }
        });
    }

    /// The register that has the value of an expression: a variable's own, or
    /// a temporary.
    pub(super) fn operand(&mut self, expr: &Expr<'s>) -> Reg {
        if let ExprKind::Name(name) = expr.kind
            && let Some(reg) = self.local(name)
        {
            return reg;
        }
        let reg = self.alloc();
        self.expr_into(expr, reg);
        reg
    }

    /// Computes an expression into a register, which the caller has taken.
    /// Only `and`, `or` and long lists write it before they have read all
    /// their operands.
    pub(super) fn expr_into(&mut self, expr: &Expr<'s>, dst: Reg) {
        let at = expr.at;
        let next = self.next;
        match &expr.kind {
            ExprKind::Nil => self.load(&Value::Nil, dst, at),
            ExprKind::Bool(value) => self.load(&Value::Bool(*value), dst, at),
            ExprKind::Int(value) => self.load(&Value::Int(*value), dst, at),
            ExprKind::Float(value) => self.load(&Value::Float(*value), dst, at),
            ExprKind::Str(text) => self.load_str(text, dst, at),
            ExprKind::Name(name) => self.name(name, expr, dst),
            ExprKind::List(items) => self.list(items, dst, at),
            ExprKind::Unary(op, operand) => {
                let src = self.operand(operand);
                self.emit(
                    match op {
                        UnaryOp::Neg => Instr::Neg { dst, src },
                        UnaryOp::Not => Instr::Not { dst, src },
                    },
                    at,
                );
            }
            ExprKind::Binary(op, left, right) => self.binary(*op, left, right, dst, at),
            ExprKind::Logic(op, left, right) => {
                self.expr_into(left, dst);
                let to = Jump16(0);
                let done = match op {
                    LogicOp::And => self.jump(Instr::JumpIfNot { cond: dst, to }, at),
                    LogicOp::Or => self.jump(Instr::JumpIf { cond: dst, to }, at),
                };
                self.expr_into(right, dst);
                self.land(done);
            }
            ExprKind::Index(list, index) => {
                let list = self.operand(list);
                let index = self.operand(index);
                self.emit(Instr::Index { dst, list, index }, at);
            }
            ExprKind::Slice(list, ends) => {
                let list = self.operand(list);
                let [from, to] = &**ends;
                let bounds = self.alloc();
                self.expr_into(from, bounds);
                let last = self.alloc();
                self.expr_into(to, last);
                self.emit(Instr::Slice { dst, list, bounds }, at);
            }
            ExprKind::Call(callee, args) => self.call(expr, callee, args, Some(dst)),
            ExprKind::Spawn(callee, args) => self.spawn(expr, callee, args, dst),
        }
        self.next = next;
    }

    fn name(&mut self, name: &'s str, expr: &Expr<'s>, dst: Reg) {
        if let Some(src) = self.local(name) {
            if src != dst {
                self.emit(Instr::Move { dst, src }, expr.at);
            }
            return;
        }
        match self.context.globals.get(name) {
            Some(Global::Function(id, _)) => {
                let id = *id;
                self.load_const(Const::Func(id), dst, expr.at);
            }
            Some(Global::Constant(value)) => {
                let value = value.clone();
                self.load(&value, dst, expr.at);
            }
            Some(Global::Builtin(_) | Global::TaskCall(_)) => {
                self.report(ErrorKind::BuiltinAsValue(name.to_owned()), expr.span);
            }
            None => {
                let kind = self.context.unknown_name(name, self.local_names());
                self.report(kind, expr.span);
            }
        }
    }

    fn load(&mut self, value: &Value, dst: Reg, at: u32) {
        let instr = match *value {
            Value::Nil => Instr::LoadNil { dst },
            Value::Bool(true) => Instr::LoadTrue { dst },
            Value::Bool(false) => Instr::LoadFalse { dst },
            Value::Int(value) => match i16::try_from(value) {
                Ok(value) => Instr::LoadInt { dst, value },
                Err(_) => return self.load_const(Const::Int(value), dst, at),
            },
            Value::Float(value) => return self.load_const(Const::Float(value), dst, at),
            Value::Str(ref text) => return self.load_str(text, dst, at),
        };
        self.emit(instr, at);
    }

    fn load_str(&mut self, text: &str, dst: Reg, at: u32) {
        let index = self.context.strings.intern(text);
        self.load_const(Const::Str(index), dst, at);
    }

    fn list(&mut self, items: &[Expr<'s>], dst: Reg, at: u32) {
        if items.is_empty() {
            self.emit(
                Instr::NewList {
                    dst,
                    base: dst,
                    count: 0,
                },
                at,
            );
        }
        for (i, chunk) in items.chunks(MAX_CHUNK).enumerate() {
            let next = self.next;
            let base = Reg(next as u8);
            for item in chunk {
                let reg = self.alloc();
                self.expr_into(item, reg);
            }
            let count = chunk.len() as u8;
            self.emit(
                match i {
                    0 => Instr::NewList { dst, base, count },
                    _ => Instr::Extend {
                        list: dst,
                        base,
                        count,
                    },
                },
                at,
            );
            self.next = next;
        }
    }

    fn binary(&mut self, op: BinaryOp, left: &Expr<'s>, right: &Expr<'s>, dst: Reg, at: u32) {
        let lhs = self.operand(left);
        if let ExprKind::Int(value) = right.kind
            && let Ok(value) = u8::try_from(value)
            && let BinaryOp::Add | BinaryOp::Sub = op
        {
            let instr = match op {
                BinaryOp::Add => Instr::AddInt { dst, lhs, value },
                _ => Instr::SubInt { dst, lhs, value },
            };
            self.emit(instr, at);
            return;
        }
        let rhs = self.operand(right);
        let instr = match op {
            BinaryOp::Add => Instr::Add { dst, lhs, rhs },
            BinaryOp::Sub => Instr::Sub { dst, lhs, rhs },
            BinaryOp::Mul => Instr::Mul { dst, lhs, rhs },
            BinaryOp::Div => Instr::Div { dst, lhs, rhs },
            BinaryOp::Rem => Instr::Rem { dst, lhs, rhs },
            BinaryOp::Eq => Instr::Eq { dst, lhs, rhs },
            BinaryOp::Ne => Instr::Ne { dst, lhs, rhs },
            BinaryOp::Lt => Instr::Lt { dst, lhs, rhs },
            BinaryOp::Le => Instr::Le { dst, lhs, rhs },
            BinaryOp::Gt => Instr::Lt {
                dst,
                lhs: rhs,
                rhs: lhs,
            },
            BinaryOp::Ge => Instr::Le {
                dst,
                lhs: rhs,
                rhs: lhs,
            },
        };
        self.emit(instr, at);
    }

    /// Emits jumps to `out` that are taken if the expression's truth is
    /// `when`; otherwise execution falls through.
    pub(super) fn branch(&mut self, expr: &Expr<'s>, when: bool, out: &mut Vec<Jump>) {
        let at = expr.at;
        match &expr.kind {
            ExprKind::Bool(_) | ExprKind::Nil => {
                if matches!(expr.kind, ExprKind::Bool(true)) == when {
                    out.push(self.jump(Instr::Jump { to: Jump24(0) }, at));
                }
            }
            ExprKind::Unary(UnaryOp::Not, operand) => self.branch(operand, !when, out),
            ExprKind::Logic(op, left, right) => {
                // The truth of the left side that decides alone.
                let decisive = *op == LogicOp::Or;
                if decisive == when {
                    self.branch(left, when, out);
                    self.branch(right, when, out);
                } else {
                    let mut past = Vec::new();
                    self.branch(left, decisive, &mut past);
                    self.branch(right, when, out);
                    self.land_all(past);
                }
            }
            ExprKind::Binary(op, left, right) if op.is_comparison() => {
                self.scope(|c| {
                    let lhs = c.operand(left);
                    let rhs = c.operand(right);
                    // The jump is skipped if the outcome is not `when`.
                    let skip_if = !when;
                    let instr = match op {
                        BinaryOp::Eq => Instr::TestEq { lhs, rhs, skip_if },
                        BinaryOp::Ne => Instr::TestEq {
                            lhs,
                            rhs,
                            skip_if: !skip_if,
                        },
                        BinaryOp::Lt => Instr::TestLt { lhs, rhs, skip_if },
                        BinaryOp::Le => Instr::TestLe { lhs, rhs, skip_if },
                        BinaryOp::Gt => Instr::TestLt {
                            lhs: rhs,
                            rhs: lhs,
                            skip_if,
                        },
                        _ => Instr::TestLe {
                            lhs: rhs,
                            rhs: lhs,
                            skip_if,
                        },
                    };
                    c.emit(instr, at);
                });
                out.push(self.jump(Instr::Jump { to: Jump24(0) }, at));
            }
            _ => self.scope(|c| {
                let cond = c.operand(expr);
                let to = Jump16(0);
                let instr = if when {
                    Instr::JumpIf { cond, to }
                } else {
                    Instr::JumpIfNot { cond, to }
                };
                out.push(c.jump(instr, at));
            }),
        }
    }

    // Calls.

    /// Compiles a call; the result goes to `dst`, if anybody wants it.
    pub(super) fn call(
        &mut self,
        expr: &Expr<'s>,
        callee: &Expr<'s>,
        args: &[Expr<'s>],
        dst: Option<Reg>,
    ) {
        match self.global_callee(callee) {
            Some((_, Global::Builtin(builtin))) => self.call_builtin(expr, builtin, args, dst),
            Some((_, Global::TaskCall(call))) => self.task_call(expr, call, args, dst),
            Some((name, Global::Function(id, arity))) => {
                self.context
                    .check_arguments(name, (arity, arity), args.len(), expr.span);
                self.scope(|c| {
                    let base = c.base(dst);
                    c.arguments(args);
                    // Beyond 16 bits the program has been refused already.
                    let function = FuncIndex(id.0 as u16);
                    c.emit(Instr::CallFn { base, function }, expr.at);
                    c.deliver(base, dst, expr.at);
                });
            }
            Some((_, Global::Constant(_))) | None => {
                self.context
                    .check_arguments("", (0, ANY), args.len(), expr.span);
                self.scope(|c| {
                    let base = c.base(dst);
                    c.expr_into(callee, base);
                    let argc = c.arguments(args);
                    c.emit(Instr::Call { base, argc }, expr.at);
                    c.deliver(base, dst, expr.at);
                });
            }
        }
    }

    /// What a callee stands for, if it is a name and no variable's.
    fn global_callee(&self, callee: &Expr<'s>) -> Option<(&'s str, Global)> {
        let ExprKind::Name(name) = callee.kind else {
            return None;
        };
        if self.local(name).is_some() {
            return None;
        }
        self.context
            .globals
            .get(name)
            .map(|global| (name, global.clone()))
    }

    fn spawn(&mut self, expr: &Expr<'s>, callee: &Expr<'s>, args: &[Expr<'s>], dst: Reg) {
        if let Some((name, Global::Function(_, arity))) = self.global_callee(callee) {
            self.context
                .check_arguments(name, (arity, arity), args.len(), expr.span);
        } else {
            self.context
                .check_arguments("", (0, ANY), args.len(), expr.span);
        }
        let base = self.base(Some(dst));
        self.expr_into(callee, base);
        let argc = self.arguments(args);
        self.emit(Instr::Spawn { base, argc }, expr.at);
        self.deliver(base, Some(dst), expr.at);
    }

    /// The register from which a call is laid out: where its result is wanted,
    /// if there is room above it, to save a move.
    fn base(&mut self, dst: Option<Reg>) -> Reg {
        match dst {
            Some(dst) if self.is_fresh(dst) => dst,
            _ => self.alloc(),
        }
    }

    /// Computes arguments into the next registers.
    fn arguments(&mut self, args: &[Expr<'s>]) -> u8 {
        for arg in args {
            let reg = self.alloc();
            self.expr_into(arg, reg);
        }
        // More have been reported.
        args.len() as u8
    }

    fn deliver(&mut self, base: Reg, dst: Option<Reg>, at: u32) {
        if let Some(dst) = dst
            && dst != base
        {
            self.emit(Instr::Move { dst, src: base }, at);
        }
    }

    fn call_builtin(
        &mut self,
        expr: &Expr<'s>,
        builtin: Builtin,
        args: &[Expr<'s>],
        dst: Option<Reg>,
    ) {
        self.context
            .check_arguments(builtin.name(), builtin.arity(), args.len(), expr.span);
        self.scope(|c| {
            let base = match (args, dst) {
                // With no arguments to lay out, any register will do.
                ([], Some(dst)) => dst,
                _ => c.base(dst),
            };
            if let [first, rest @ ..] = args {
                c.expr_into(first, base);
                c.arguments(rest);
            }
            c.emit(
                Instr::CallBuiltin {
                    base,
                    builtin,
                    argc: args.len() as u8,
                },
                expr.at,
            );
            c.deliver(base, dst, expr.at);
        });
    }

    fn task_call(&mut self, expr: &Expr<'s>, call: TaskCall, args: &[Expr<'s>], dst: Option<Reg>) {
        let arity = call.arity();
        self.context
            .check_arguments(call.name(), (arity, arity), args.len(), expr.span);
        self.scope(|c| {
            let mut operands = [Reg(0); 2];
            for (i, arg) in args.iter().enumerate() {
                let reg = c.operand(arg);
                if let Some(operand) = operands.get_mut(i) {
                    *operand = reg;
                }
            }
            let [first, second] = operands;
            // Those with a result always write it.
            let result = match (call, dst) {
                (TaskCall::Recv | TaskCall::Join | TaskCall::ReadFile, None) => c.alloc(),
                (_, dst) => dst.unwrap_or(Reg(0)),
            };
            let instr = match call {
                TaskCall::Send => Instr::Send {
                    channel: first,
                    value: second,
                },
                TaskCall::Recv => Instr::Recv {
                    dst: result,
                    channel: first,
                },
                TaskCall::Close => Instr::Close { channel: first },
                TaskCall::Join => Instr::Join {
                    dst: result,
                    handle: first,
                },
                TaskCall::Yield => Instr::Yield {},
                TaskCall::Sleep => Instr::Sleep { millis: first },
                TaskCall::ReadFile => Instr::ReadFile {
                    dst: result,
                    path: first,
                },
            };
            c.emit(instr, expr.at);
            if let Some(dst) = dst
                && !matches!(call, TaskCall::Recv | TaskCall::Join | TaskCall::ReadFile)
            {
                c.emit(Instr::LoadNil { dst }, expr.at);
            }
        });
    }
}
