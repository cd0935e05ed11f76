//! Top-level constants: their expressions are computed by the compiler, with
//! the same rules as the VM's.

use std::collections::HashMap;
use std::rc::Rc;

use super::{Context, Global};
use crate::ast::{BinaryOp, Expr, ExprKind, Ident, LogicOp, UnaryOp};
use crate::diagnostics::{ErrorKind, Thing};

/// The value of a constant.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Rc<str>),
}

impl Value {
    fn is_true(&self) -> bool {
        !matches!(self, Value::Nil | Value::Bool(false))
    }
}

/// Joined strings may not be longer than this many bytes: doubling one in each
/// of some lines must not fill the memory.
const MAX_STRING: usize = 4096;

const OVERFLOW: &str = "integer overflow";
const TYPES: &str = "the types do not fit the operator";

/// Why a constant has no value.
enum Unknown {
    /// Its declaration is still to come.
    Below,
    /// It has a mistake, which has been reported.
    Reported,
}

impl<'s> Context<'s, '_> {
    /// Computes all constants in order; each may refer to those above it.
    pub(super) fn constants(&mut self, constants: &[(Ident<'s>, &Expr<'s>)]) {
        let mut unknown: HashMap<&str, Unknown> = constants
            .iter()
            .map(|(name, _)| (name.name, Unknown::Below))
            .collect();
        for (name, expr) in constants {
            let value = match self.constant(expr, &unknown) {
                Some(value) => {
                    unknown.remove(name.name);
                    value
                }
                None => {
                    unknown.insert(name.name, Unknown::Reported);
                    Value::Nil
                }
            };
            self.globals.insert(name.name, Global::Constant(value));
        }
    }

    /// The value of an expression; nothing if it has none, which is reported.
    fn constant(&mut self, expr: &Expr<'s>, unknown: &HashMap<&str, Unknown>) -> Option<Value> {
        let result = match &expr.kind {
            ExprKind::Nil => Ok(Value::Nil),
            ExprKind::Bool(value) => Ok(Value::Bool(*value)),
            ExprKind::Int(value) => Ok(Value::Int(*value)),
            ExprKind::Float(value) => Ok(Value::Float(*value)),
            ExprKind::Str(value) => Ok(Value::Str(value.as_str().into())),
            ExprKind::Name(name) => match (unknown.get(name), self.globals.get(name)) {
                (Some(Unknown::Reported), _) => return None,
                (Some(Unknown::Below), _) => Err(ErrorKind::ConstantOrder((*name).to_owned())),
                (None, Some(Global::Constant(value))) => Ok(value.clone()),
                (None, Some(_)) => Err(ErrorKind::NotConstant),
                (None, None) => Err(self.unknown_name(name, [].into_iter())),
            },
            ExprKind::Unary(op, operand) => {
                let operand = self.constant(operand, unknown)?;
                unary(*op, &operand).map_err(ErrorKind::ConstantFails)
            }
            ExprKind::Logic(op, left, right) => {
                let left = self.constant(left, unknown)?;
                if left.is_true() == (*op == LogicOp::Or) {
                    return Some(left);
                }
                return self.constant(right, unknown);
            }
            ExprKind::Binary(op, left, right) => {
                // Both, so that mistakes in both are reported.
                let left = self.constant(left, unknown);
                let right = self.constant(right, unknown);
                binary(*op, &left?, &right?).map_err(ErrorKind::ConstantFails)
            }
            ExprKind::List(_)
            | ExprKind::Index(..)
            | ExprKind::Slice(..)
            | ExprKind::Call(..)
            | ExprKind::Spawn(..) => Err(ErrorKind::NotConstant),
        };
        result
            .map_err(|kind| self.sink.report(kind, expr.span))
            .ok()
    }

    /// The error for a name that neither `locals` nor the globals have.
    pub(super) fn unknown_name(
        &self,
        name: &str,
        locals: impl Iterator<Item = &'s str>,
    ) -> ErrorKind {
        // Nobody will see more errors: save the search.
        let similar = match self.sink.is_full() {
            true => None,
            false => super::similar(name, locals.chain(self.globals.keys().copied())),
        };
        ErrorKind::UnknownName {
            name: name.to_owned(),
            similar,
        }
    }

    /// What kind of thing a global name is, if it is one.
    pub(super) fn thing(&self, name: &str) -> Option<Thing> {
        Some(match self.globals.get(name)? {
            Global::Function(..) => Thing::Function,
            Global::Constant(_) => Thing::Constant,
            Global::Builtin(_) | Global::TaskCall(_) => Thing::Builtin,
        })
    }
}

fn unary(op: UnaryOp, operand: &Value) -> Result<Value, &'static str> {
    match (op, operand) {
        (UnaryOp::Not, value) => Ok(Value::Bool(!value.is_true())),
        (UnaryOp::Neg, Value::Int(value)) => value.checked_neg().map(Value::Int).ok_or(OVERFLOW),
        (UnaryOp::Neg, Value::Float(value)) => Ok(Value::Float(-value)),
        (UnaryOp::Neg, _) => Err(TYPES),
    }
}

fn binary(op: BinaryOp, left: &Value, right: &Value) -> Result<Value, &'static str> {
    use Value::{Bool, Float, Int, Str};
    match op {
        BinaryOp::Eq => return Ok(Bool(equal(left, right))),
        BinaryOp::Ne => return Ok(Bool(!equal(left, right))),
        _ => {}
    }
    match (left, right) {
        (Int(a), Int(b)) => integers(op, *a, *b),
        (Int(a), Float(b)) => Ok(floats(op, *a as f64, *b)),
        (Float(a), Int(b)) => Ok(floats(op, *a, *b as f64)),
        (Float(a), Float(b)) => Ok(floats(op, *a, *b)),
        (Str(a), Str(b)) => match op {
            BinaryOp::Add if a.len() + b.len() > MAX_STRING => Err("the string is too long"),
            BinaryOp::Add => Ok(Str(format!("{a}{b}").into())),
            BinaryOp::Lt => Ok(Bool(a < b)),
            BinaryOp::Le => Ok(Bool(a <= b)),
            BinaryOp::Gt => Ok(Bool(a > b)),
            BinaryOp::Ge => Ok(Bool(a >= b)),
            _ => Err(TYPES),
        },
        _ => Err(TYPES),
    }
}

fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Int(a), Value::Float(b)) | (Value::Float(b), Value::Int(a)) => *a as f64 == *b,
        _ => left == right,
    }
}

fn integers(op: BinaryOp, a: i64, b: i64) -> Result<Value, &'static str> {
    let checked = match op {
        BinaryOp::Add => a.checked_add(b),
        BinaryOp::Sub => a.checked_sub(b),
        BinaryOp::Mul => a.checked_mul(b),
        BinaryOp::Div | BinaryOp::Rem if b == 0 => return Err("division by zero"),
        BinaryOp::Div => a.checked_div(b),
        // The remainder of the one division that overflows is 0.
        BinaryOp::Rem => Some(a.wrapping_rem(b)),
        BinaryOp::Eq => return Ok(Value::Bool(a == b)),
        BinaryOp::Ne => return Ok(Value::Bool(a != b)),
        BinaryOp::Lt => return Ok(Value::Bool(a < b)),
        BinaryOp::Le => return Ok(Value::Bool(a <= b)),
        BinaryOp::Gt => return Ok(Value::Bool(a > b)),
        BinaryOp::Ge => return Ok(Value::Bool(a >= b)),
    };
    checked.map(Value::Int).ok_or(OVERFLOW)
}

fn floats(op: BinaryOp, a: f64, b: f64) -> Value {
    match op {
        BinaryOp::Add => Value::Float(a + b),
        BinaryOp::Sub => Value::Float(a - b),
        BinaryOp::Mul => Value::Float(a * b),
        BinaryOp::Div => Value::Float(a / b),
        BinaryOp::Rem => Value::Float(a % b),
        BinaryOp::Eq => Value::Bool(a == b),
        BinaryOp::Ne => Value::Bool(a != b),
        BinaryOp::Lt => Value::Bool(a < b),
        BinaryOp::Le => Value::Bool(a <= b),
        BinaryOp::Gt => Value::Bool(a > b),
        BinaryOp::Ge => Value::Bool(a >= b),
    }
}
