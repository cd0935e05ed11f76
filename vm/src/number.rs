//! Arithmetic on any two values, the long way: where two small integers do not
//! settle it.

use std::cmp::Ordering;

use crate::fault::Fault;
use crate::heap::{Heap, Strings, View};
use crate::value::Value;

/// An operator of two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arith {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
}

impl Arith {
    fn symbol(self) -> &'static str {
        match self {
            Arith::Add => "+",
            Arith::Sub => "-",
            Arith::Mul => "*",
            Arith::Div => "/",
            Arith::Rem => "%",
        }
    }

    fn ints(self, a: i64, b: i64) -> Result<i64, Fault> {
        let result = match self {
            Arith::Add => a.checked_add(b),
            Arith::Sub => a.checked_sub(b),
            Arith::Mul => a.checked_mul(b),
            Arith::Div | Arith::Rem if b == 0 => return Err(Fault::DivisionByZero),
            Arith::Div => a.checked_div(b),
            Arith::Rem => a.checked_rem(b),
        };
        result.ok_or(Fault::Overflow)
    }

    fn floats(self, a: f64, b: f64) -> f64 {
        match self {
            Arith::Add => a + b,
            Arith::Sub => a - b,
            Arith::Mul => a * b,
            Arith::Div => a / b,
            Arith::Rem => a % b,
        }
    }
}

/// `a op b`; an integer with a float is a float, and `+` joins strings.
pub(crate) fn arith(
    heap: &mut Heap,
    strings: &Strings,
    op: Arith,
    a: Value,
    b: Value,
) -> Result<Value, Fault> {
    let float = match (heap.view(strings, a), heap.view(strings, b)) {
        (View::Int(a), View::Int(b)) => return op.ints(a, b).map(|result| heap.int(result)),
        (View::Float(a), View::Float(b)) => op.floats(a, b),
        (View::Int(a), View::Float(b)) => op.floats(a as f64, b),
        (View::Float(a), View::Int(b)) => op.floats(a, b as f64),
        (View::Str(a), View::Str(b)) if op == Arith::Add => {
            let mut text = String::with_capacity(a.len() + b.len());
            text.push_str(a);
            text.push_str(b);
            return Ok(heap.string(&text));
        }
        (a, b) => {
            return Err(Fault::Operands {
                operator: op.symbol(),
                left: a.type_name(),
                right: b.type_name(),
            });
        }
    };
    Ok(heap.float(float))
}

/// `-a`.
pub(crate) fn negate(heap: &mut Heap, strings: &Strings, a: Value) -> Result<Value, Fault> {
    match heap.view(strings, a) {
        View::Int(a) => a
            .checked_neg()
            .map(|result| heap.int(result))
            .ok_or(Fault::Overflow),
        View::Float(a) => Ok(heap.float(-a)),
        other => Err(Fault::Type {
            place: "`-`",
            wants: "a number",
            found: other.type_name(),
        }),
    }
}

/// The order of two numbers or two strings; `Ok(None)` if one is NaN.
pub(crate) fn order(
    heap: &Heap,
    strings: &Strings,
    operator: &'static str,
    a: Value,
    b: Value,
) -> Result<Option<Ordering>, Fault> {
    Ok(match (heap.view(strings, a), heap.view(strings, b)) {
        (View::Int(a), View::Int(b)) => Some(a.cmp(&b)),
        (View::Float(a), View::Float(b)) => a.partial_cmp(&b),
        (View::Int(a), View::Float(b)) => int_with_float(a, b),
        (View::Float(a), View::Int(b)) => int_with_float(b, a).map(Ordering::reverse),
        (View::Str(a), View::Str(b)) => Some(a.cmp(b)),
        (a, b) => {
            return Err(Fault::Operands {
                operator,
                left: a.type_name(),
                right: b.type_name(),
            });
        }
    })
}

/// The exact order, also where the integer has no float of its value.
pub(crate) fn int_with_float(a: i64, b: f64) -> Option<Ordering> {
    const TWO_63: f64 = 9_223_372_036_854_775_808.0;
    if b.is_nan() {
        None
    } else if b >= TWO_63 {
        Some(Ordering::Less)
    } else if b < -TWO_63 {
        Some(Ordering::Greater)
    } else {
        // `b` is in range, so its whole part converts exactly.
        let whole = b.trunc();
        Some(
            a.cmp(&(whole as i64))
                .then_with(|| whole.partial_cmp(&b).unwrap_or(Ordering::Equal)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_beyond_the_floats_compare_exactly() {
        let big = (1_i64 << 53) + 1;
        assert_eq!(int_with_float(big, big as f64), Some(Ordering::Greater));
        assert_eq!(int_with_float(1, 1.0), Some(Ordering::Equal));
        assert_eq!(int_with_float(1, 1.5), Some(Ordering::Less));
        assert_eq!(int_with_float(-1, -1.5), Some(Ordering::Greater));
        assert_eq!(
            int_with_float(i64::MAX, i64::MAX as f64),
            Some(Ordering::Less)
        );
        assert_eq!(
            int_with_float(i64::MIN, i64::MIN as f64),
            Some(Ordering::Equal)
        );
        assert_eq!(
            int_with_float(0, f64::NEG_INFINITY),
            Some(Ordering::Greater)
        );
        assert_eq!(int_with_float(0, f64::NAN), None);
    }

    #[test]
    fn every_operator_knows_its_limits() {
        for (op, a, b, want) in [
            (Arith::Add, i64::MAX, 1, Err(Fault::Overflow)),
            (Arith::Sub, i64::MIN, 1, Err(Fault::Overflow)),
            (Arith::Mul, i64::MAX, 2, Err(Fault::Overflow)),
            (Arith::Div, i64::MIN, -1, Err(Fault::Overflow)),
            (Arith::Rem, i64::MIN, -1, Err(Fault::Overflow)),
            (Arith::Div, 1, 0, Err(Fault::DivisionByZero)),
            (Arith::Rem, 1, 0, Err(Fault::DivisionByZero)),
            (Arith::Div, -7, 2, Ok(-3)),
            (Arith::Rem, -7, 2, Ok(-1)),
        ] {
            assert_eq!(op.ints(a, b), want, "{a} {} {b}", op.symbol());
        }
    }
}
