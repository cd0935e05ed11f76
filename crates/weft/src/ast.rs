//! The syntax tree. Names borrow from the source.
//!
//! The parser bounds the height of the tree, so walking it, and dropping it,
//! may recurse.

use crate::source::Span;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Ident<'s> {
    pub(crate) name: &'s str,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) enum Item<'s> {
    Fn(FnDecl<'s>),
    Const { name: Ident<'s>, value: Expr<'s> },
}

#[derive(Debug)]
pub(crate) struct FnDecl<'s> {
    pub(crate) name: Ident<'s>,
    pub(crate) params: Vec<Ident<'s>>,
    pub(crate) body: Block<'s>,
}

#[derive(Debug)]
pub(crate) struct Block<'s> {
    pub(crate) stmts: Vec<Stmt<'s>>,
    /// The closing brace: where an implicit return stands.
    pub(crate) end: u32,
}

#[derive(Debug)]
pub(crate) struct Stmt<'s> {
    pub(crate) kind: StmtKind<'s>,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) enum StmtKind<'s> {
    Let {
        name: Ident<'s>,
        value: Expr<'s>,
    },
    Assign {
        name: Ident<'s>,
        value: Expr<'s>,
    },
    SetIndex {
        list: Expr<'s>,
        index: Expr<'s>,
        value: Expr<'s>,
        at: u32,
    },
    Expr(Expr<'s>),
    If {
        branches: Vec<(Expr<'s>, Block<'s>)>,
        otherwise: Option<Block<'s>>,
    },
    While {
        cond: Expr<'s>,
        body: Block<'s>,
    },
    For {
        name: Ident<'s>,
        over: Iterable<'s>,
        body: Block<'s>,
    },
    Break,
    Continue,
    Return(Option<Expr<'s>>),
    Region {
        name: Expr<'s>,
        body: Block<'s>,
    },
    UserTask {
        name: Expr<'s>,
        body: Block<'s>,
    },
    Select(Vec<Arm<'s>>),
}

/// A way out of a `select`.
#[derive(Debug)]
pub(crate) struct Arm<'s> {
    pub(crate) event: ArmEvent<'s>,
    pub(crate) body: Block<'s>,
    /// Where it begins, or what it does: the place of its errors.
    pub(crate) span: Span,
}

/// What an arm of a `select` waits for.
#[derive(Debug)]
pub(crate) enum ArmEvent<'s> {
    Recv {
        name: Option<Ident<'s>>,
        channel: Expr<'s>,
    },
    Send {
        channel: Expr<'s>,
        value: Expr<'s>,
    },
    After {
        millis: Expr<'s>,
    },
    Else,
}

#[derive(Debug)]
pub(crate) enum Iterable<'s> {
    Range {
        from: Expr<'s>,
        to: Expr<'s>,
        at: u32,
    },
    Value(Expr<'s>),
}

#[derive(Debug)]
pub(crate) struct Expr<'s> {
    pub(crate) kind: ExprKind<'s>,
    pub(crate) span: Span,
    /// Where an error of this very operation is shown: its operator, bracket
    /// or callee.
    pub(crate) at: u32,
    /// Levels of expressions, this one included.
    pub(crate) height: u16,
}

#[derive(Debug)]
pub(crate) enum ExprKind<'s> {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
    Name(&'s str),
    List(Vec<Expr<'s>>),
    Unary(UnaryOp, Box<Expr<'s>>),
    Binary(BinaryOp, Box<Expr<'s>>, Box<Expr<'s>>),
    Logic(LogicOp, Box<Expr<'s>>, Box<Expr<'s>>),
    Index(Box<Expr<'s>>, Box<Expr<'s>>),
    /// What is cut, and from where up to, without, where.
    Slice(Box<Expr<'s>>, Box<[Expr<'s>; 2]>),
    Call(Box<Expr<'s>>, Vec<Expr<'s>>),
    Spawn(Box<Expr<'s>>, Vec<Expr<'s>>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnaryOp {
    Neg,
    Not,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl BinaryOp {
    pub(crate) fn is_comparison(self) -> bool {
        use BinaryOp::*;
        matches!(self, Eq | Ne | Lt | Le | Gt | Ge)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogicOp {
    And,
    Or,
}
