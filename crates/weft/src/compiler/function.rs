//! What the compilation of one function keeps: its code so far, registers,
//! scopes, open loops, regions and user tasks, and jumps still without a target.
//!
//! Registers are a stack. Locals are at the bottom in the order of their
//! declaration, temporaries above; who takes some gives them back by setting
//! `next` to what it was.

use std::collections::HashMap;

use super::Context;
use crate::ast::{Block, FnDecl, Ident, StmtKind};
use crate::diagnostics::{ErrorKind, Thing};
use crate::op::{ConstIndex, Instr, Jump16, Jump24, Reg};
use crate::program::{Const, FuncId, Function, LineTable, MAX_ARGUMENTS, MAX_REGISTERS};
use crate::source::Span;

pub(super) struct FnCompiler<'c, 's, 'e> {
    pub(super) context: &'c mut Context<'s, 'e>,
    pub(super) code: Vec<u32>,
    lines: LineTable,
    consts: Vec<Const>,
    const_indexes: HashMap<ConstKey, u16>,
    locals: Vec<Local<'s>>,
    /// The lowest free register.
    pub(super) next: u16,
    /// How many registers have been in use at once.
    registers: u16,
    /// The name, where errors about the whole function are shown.
    name: Ident<'s>,
    exhausted: bool,
    /// Loops, regions and user tasks around the current statement.
    pub(super) enclosing: Vec<Enclosing>,
}

struct Local<'s> {
    name: &'s str,
    reg: Reg,
}

/// What `break`, `continue` and `return` leave.
pub(super) enum Enclosing {
    Loop {
        /// Where `continue` goes back to; forward jumps in `continues` if nowhere.
        top: Option<usize>,
        continues: Vec<Jump>,
        breaks: Vec<Jump>,
    },
    Region,
    UserTask,
}

/// A jump that has no target yet.
#[must_use]
pub(super) struct Jump {
    pc: usize,
    at: u32,
}

/// A constant by which equal ones are found; floats by their bits.
#[derive(PartialEq, Eq, Hash)]
enum ConstKey {
    Int(i64),
    Float(u64),
    Str(u32),
    Func(FuncId),
}

impl<'c, 's, 'e> FnCompiler<'c, 's, 'e> {
    pub(super) fn new(context: &'c mut Context<'s, 'e>, decl: &FnDecl<'s>) -> Self {
        FnCompiler {
            context,
            code: Vec::new(),
            lines: LineTable::default(),
            consts: Vec::new(),
            const_indexes: HashMap::new(),
            locals: Vec::new(),
            next: 0,
            registers: 0,
            name: decl.name,
            exhausted: false,
            enclosing: Vec::new(),
        }
    }

    pub(super) fn compile(mut self, decl: &FnDecl<'s>) -> Function {
        let most = usize::from(MAX_ARGUMENTS);
        if let Some(extra) = decl.params.get(most) {
            self.report(
                ErrorKind::TooMany {
                    what: "parameters",
                    limit: most,
                },
                extra.span,
            );
        }
        for (i, param) in decl.params.iter().enumerate().take(most) {
            if let Some(first) = decl.params[..i]
                .iter()
                .find(|first| first.name == param.name)
            {
                self.context.duplicate(Thing::Parameter, *param, first.span);
            }
            let reg = self.alloc();
            self.declare(param.name, reg);
        }
        let mark = self.next;
        self.block(&decl.body);
        self.next = mark;
        if !decl.body.ends_in_return() {
            self.emit(Instr::ReturnNil {}, decl.body.end);
        }
        Function {
            name: decl.name.name.into(),
            arity: decl.params.len().min(most) as u8,
            registers: self.registers,
            code: self.code,
            consts: self.consts,
            lines: self.lines,
            position: self.context.source.position(decl.name.span.start),
        }
    }

    pub(super) fn report(&mut self, kind: ErrorKind, span: Span) {
        self.context.sink.report(kind, span);
    }

    // Registers and scopes.

    /// Takes the next register. If there is none, reports it once and gives
    /// register 0.
    pub(super) fn alloc(&mut self) -> Reg {
        if self.next >= MAX_REGISTERS {
            if !std::mem::replace(&mut self.exhausted, true) {
                let what = "registers for variables and intermediate values";
                let limit = usize::from(MAX_REGISTERS);
                self.report(ErrorKind::TooMany { what, limit }, self.name.span);
            }
            return Reg(0);
        }
        let reg = Reg(self.next as u8);
        self.next += 1;
        self.registers = self.registers.max(self.next);
        reg
    }

    /// Whether a register is the topmost and no local's, so that a call may
    /// be laid out from it on.
    pub(super) fn is_fresh(&self, reg: Reg) -> bool {
        u16::from(reg.0) + 1 == self.next && !self.is_local(reg)
    }

    pub(super) fn is_local(&self, reg: Reg) -> bool {
        self.locals.last().is_some_and(|last| reg.0 <= last.reg.0)
    }

    /// Names a register that the caller has taken.
    pub(super) fn declare(&mut self, name: &'s str, reg: Reg) {
        self.locals.push(Local { name, reg });
    }

    pub(super) fn local(&self, name: &str) -> Option<Reg> {
        self.locals
            .iter()
            .rev()
            .find(|local| local.name == name)
            .map(|local| local.reg)
    }

    pub(super) fn local_names(&self) -> impl Iterator<Item = &'s str> {
        self.locals.iter().map(|local| local.name)
    }

    /// Runs a part of the compilation whose variables and temporaries end with it.
    pub(super) fn scope(&mut self, part: impl FnOnce(&mut Self)) {
        let (locals, next) = (self.locals.len(), self.next);
        part(self);
        self.locals.truncate(locals);
        self.next = next;
    }

    // Code.

    pub(super) fn emit(&mut self, instr: Instr, at: u32) -> usize {
        let pc = self.code.len();
        self.lines.add(pc, self.context.source.position(at));
        self.code.push(instr.encode());
        pc
    }

    /// Emits a forward jump of any kind, with any target.
    pub(super) fn jump(&mut self, instr: Instr, at: u32) -> Jump {
        Jump {
            pc: self.emit(instr, at),
            at,
        }
    }

    /// Emits the ends of what is open inside the outermost `depth` blocks, from
    /// the inside out.
    pub(super) fn end_inside(&mut self, depth: usize, at: u32) {
        for i in (depth..self.enclosing.len()).rev() {
            match self.enclosing[i] {
                Enclosing::Loop { .. } => {}
                Enclosing::Region => {
                    self.emit(Instr::RegionEnd {}, at);
                }
                Enclosing::UserTask => {
                    self.emit(Instr::UserTaskEnd {}, at);
                }
            }
        }
    }

    /// Gives a jump the next instruction as its target.
    pub(super) fn land(&mut self, jump: Jump) {
        let target = self.code.len();
        self.aim(jump, target);
    }

    pub(super) fn land_all(&mut self, jumps: Vec<Jump>) {
        for jump in jumps {
            self.land(jump);
        }
    }

    /// Emits the end of a loop's body, which goes back to `top`.
    pub(super) fn jump_back(&mut self, top: usize, at: u32) {
        let jump = self.jump(Instr::Loop { to: Jump24(0) }, at);
        self.aim(jump, top);
    }

    pub(super) fn aim(&mut self, jump: Jump, target: usize) {
        let distance = target as i64 - (jump.pc as i64 + 1);
        let near = i16::try_from(distance).map(Jump16).ok();
        let far = i32::try_from(distance)
            .ok()
            .filter(|d| d.abs() <= Jump24::MAX)
            .map(Jump24);
        let aimed = match Instr::decode(self.code[jump.pc]) {
            Ok(Instr::Jump { .. }) => far.map(|to| Instr::Jump { to }),
            Ok(Instr::Loop { .. }) => far.map(|to| Instr::Loop { to }),
            Ok(Instr::JumpIf { cond, .. }) => near.map(|to| Instr::JumpIf { cond, to }),
            Ok(Instr::JumpIfNot { cond, .. }) => near.map(|to| Instr::JumpIfNot { cond, to }),
            Ok(Instr::ForRangePrep { base, .. }) => {
                near.map(|exit| Instr::ForRangePrep { base, exit })
            }
            Ok(Instr::ForRange { base, .. }) => near.map(|body| Instr::ForRange { base, body }),
            Ok(Instr::ForNext { base, .. }) => near.map(|exit| Instr::ForNext { base, exit }),
            other => unreachable!("not a jump: {other:?}"),
        };
        match aimed {
            Some(instr) => self.code[jump.pc] = instr.encode(),
            None => self.report(ErrorKind::JumpTooFar, Span::new(jump.at, jump.at)),
        }
    }

    /// Emits the load of a constant from the function's pool.
    pub(super) fn load_const(&mut self, constant: Const, dst: Reg, at: u32) {
        let key = match constant {
            Const::Int(value) => ConstKey::Int(value),
            Const::Float(value) => ConstKey::Float(value.to_bits()),
            Const::Str(index) => ConstKey::Str(index),
            Const::Func(id) => ConstKey::Func(id),
        };
        let index = match self.const_indexes.get(&key) {
            Some(&index) => index,
            None => {
                let Ok(index) = u16::try_from(self.consts.len()) else {
                    let limit = usize::from(u16::MAX) + 1;
                    let what = "constants in a function";
                    self.report(ErrorKind::TooMany { what, limit }, Span::new(at, at));
                    return;
                };
                self.consts.push(constant);
                self.const_indexes.insert(key, index);
                index
            }
        };
        self.emit(
            Instr::LoadConst {
                dst,
                constant: ConstIndex(index),
            },
            at,
        );
    }
}

impl Block<'_> {
    /// Whether the last statement is a `return`, so that nothing runs after it.
    fn ends_in_return(&self) -> bool {
        self.stmts
            .last()
            .is_some_and(|stmt| matches!(stmt.kind, StmtKind::Return(_)))
    }

    /// Whether the last statement never goes on with the one after the block.
    pub(super) fn leaves(&self) -> bool {
        use StmtKind::{Break, Continue, Return};
        self.stmts
            .last()
            .is_some_and(|stmt| matches!(stmt.kind, Return(_) | Break | Continue))
    }
}
