//! What a register holds: 8 bytes that tell their type themselves.
//!
//! The low three bits are the tag:
//!
//! ```text
//! 000 011 100   a float, its bits rotated left by four
//! 001           an integer of 61 bits, the rest of the word
//! 010           an object of the task's heap: its index in the upper half
//! 101           nil, false, true, a function or a constant string
//! ```
//!
//! Rotating a float brings the top three bits of its exponent to where the tag
//! is, so a float tags itself, and those three patterns are the floats from
//! 2^-255 to 2^257, zero, and what is very near to it. (The idea is "float
//! self-tagging" by Melançon, Serrano and Feeley, 2024.) All other floats,
//! infinities and NaN among them, and the integers that need more than 61
//! bits are objects of the heap. Programs cannot tell the difference.
//!
//! A value that names an object means something only together with the heap it
//! belongs to; see [`Heap::view`](crate::heap::Heap::view).

use weft::FuncId;

/// A value in a register, a list or a message.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(crate) struct Value(u64);

const _: () = assert!(size_of::<Value>() == 8);

const TAG: u64 = 0b111;
const TAG_INT: u64 = 0b001;
const TAG_OBJECT: u64 = 0b010;
const TAG_CONST: u64 = 0b101;

/// Bit `t` is set if the tag `t` is a float's.
const FLOAT_TAGS: u64 = 1 << 0b000 | 1 << 0b011 | 1 << 0b100;

/// How far a float's bits are rotated.
const FLOAT_SHIFT: u32 = 4;

/// The kinds of constants, in bits 3 to 7, with their payload in the upper half.
const KIND_NIL: u64 = TAG_CONST;
const KIND_FALSE: u64 = 1 << 3 | TAG_CONST;
const KIND_TRUE: u64 = 2 << 3 | TAG_CONST;
const KIND_FUNC: u64 = 3 << 3 | TAG_CONST;
const KIND_STR: u64 = 4 << 3 | TAG_CONST;

/// A value by its tag.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Tagged {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Func(FuncId),
    /// A string of the program, by its index.
    ConstStr(u32),
    /// An object of the heap, by its index.
    Object(u32),
}

impl Value {
    pub(crate) const NIL: Value = Value(KIND_NIL);
    pub(crate) const FALSE: Value = Value(KIND_FALSE);
    pub(crate) const TRUE: Value = Value(KIND_TRUE);

    #[inline]
    pub(crate) const fn bool(value: bool) -> Value {
        if value { Value::TRUE } else { Value::FALSE }
    }

    /// An integer, if it fits 61 bits.
    #[inline]
    pub(crate) const fn small_int(value: i64) -> Option<Value> {
        let shifted = value << 3;
        if shifted >> 3 == value {
            Some(Value(shifted as u64 | TAG_INT))
        } else {
            None
        }
    }

    /// An integer of 16 bits, which always fits.
    #[inline]
    pub(crate) const fn tiny_int(value: i16) -> Value {
        Value(((value as i64) << 3) as u64 | TAG_INT)
    }

    /// A float, if it is one that tags itself.
    #[inline]
    pub(crate) const fn near_float(value: f64) -> Option<Value> {
        let bits = value.to_bits().rotate_left(FLOAT_SHIFT);
        if is_float_tag(bits) {
            Some(Value(bits))
        } else {
            None
        }
    }

    pub(crate) const fn func(id: FuncId) -> Value {
        Value((id.0 as u64) << 32 | KIND_FUNC)
    }

    pub(crate) const fn const_str(index: u32) -> Value {
        Value((index as u64) << 32 | KIND_STR)
    }

    #[inline]
    pub(crate) const fn object(index: u32) -> Value {
        Value((index as u64) << 32 | TAG_OBJECT)
    }

    /// The object's index, if it is one.
    #[inline]
    pub(crate) const fn as_object(self) -> Option<u32> {
        if self.0 & TAG == TAG_OBJECT {
            Some((self.0 >> 32) as u32)
        } else {
            None
        }
    }

    /// The integer, if it is one that fits 61 bits.
    #[inline]
    pub(crate) const fn as_small_int(self) -> Option<i64> {
        if self.0 & TAG == TAG_INT {
            Some(self.0 as i64 >> 3)
        } else {
            None
        }
    }

    /// Only nil and false are false.
    #[inline]
    pub(crate) const fn is_true(self) -> bool {
        self.0 != KIND_NIL && self.0 != KIND_FALSE
    }

    /// Whether both are the same bits.
    #[cfg(test)]
    pub(crate) const fn same_bits(self, other: Value) -> bool {
        self.0 == other.0
    }

    #[inline]
    pub(crate) fn tagged(self) -> Tagged {
        match self.0 & TAG {
            TAG_INT => Tagged::Int(self.0 as i64 >> 3),
            TAG_OBJECT => Tagged::Object((self.0 >> 32) as u32),
            _ if is_float_tag(self.0) => {
                Tagged::Float(f64::from_bits(self.0.rotate_right(FLOAT_SHIFT)))
            }
            _ => match self.0 & 0xff {
                KIND_FALSE => Tagged::Bool(false),
                KIND_TRUE => Tagged::Bool(true),
                KIND_FUNC => Tagged::Func(FuncId((self.0 >> 32) as u32)),
                KIND_STR => Tagged::ConstStr((self.0 >> 32) as u32),
                _ => Tagged::Nil,
            },
        }
    }

    /// The sum of two small integers, if it is one; `None` sends the caller
    /// the long way.
    #[inline]
    pub(crate) fn add_small(self, other: Value) -> Option<Value> {
        // 8x+1 - 1 + 8y+1 = 8(x+y) + 1: a sum of 61 bits never overflows 64.
        both_int(self, other)
            .then(|| (self.0 as i64 - 1).checked_add(other.0 as i64))?
            .map(|sum| Value(sum as u64))
    }

    /// The difference of two small integers, if it is one.
    #[inline]
    pub(crate) fn sub_small(self, other: Value) -> Option<Value> {
        // 8x+1 - (8y+1 - 1) = 8(x-y) + 1.
        both_int(self, other)
            .then(|| (self.0 as i64).checked_sub(other.0 as i64 - 1))?
            .map(|d| Value(d as u64))
    }

    /// The product of two small integers, if it is one.
    #[inline]
    pub(crate) fn mul_small(self, other: Value) -> Option<Value> {
        // 8x * y = 8xy, whose low bits are free for the tag.
        both_int(self, other)
            .then(|| (self.0 as i64 - 1).checked_mul(other.0 as i64 >> 3))?
            .map(|product| Value(product as u64 | TAG_INT))
    }

    /// The quotient of two small integers, if it is one.
    #[inline]
    pub(crate) fn div_small(self, other: Value) -> Option<Value> {
        // Division by zero is `None`; 2^60, from the least by -1, fits no word.
        both_int(self, other)
            .then(|| (self.0 as i64 >> 3).checked_div(other.0 as i64 >> 3))?
            .and_then(Value::small_int)
    }

    /// The remainder of two small integers, if it is one.
    #[inline]
    pub(crate) fn rem_small(self, other: Value) -> Option<Value> {
        both_int(self, other)
            .then(|| (self.0 as i64 >> 3).checked_rem(other.0 as i64 >> 3))?
            .and_then(Value::small_int)
    }

    /// Whether `self` is below `other`, if both are small integers.
    #[inline]
    pub(crate) fn lt_small(self, other: Value) -> Option<bool> {
        both_int(self, other).then_some((self.0 as i64) < other.0 as i64)
    }

    /// Whether `self` is at most `other`, if both are small integers.
    #[inline]
    pub(crate) fn le_small(self, other: Value) -> Option<bool> {
        both_int(self, other).then_some(self.0 as i64 <= other.0 as i64)
    }

    /// Whether both are equal, if both are small integers.
    #[inline]
    pub(crate) fn eq_small(self, other: Value) -> Option<bool> {
        both_int(self, other).then_some(self.0 == other.0)
    }
}

#[inline]
const fn both_int(a: Value, b: Value) -> bool {
    ((a.0 ^ TAG_INT) | (b.0 ^ TAG_INT)) & TAG == 0
}

#[inline]
const fn is_float_tag(bits: u64) -> bool {
    FLOAT_TAGS >> (bits & TAG) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: i64 = (1 << 60) - 1;
    const MIN: i64 = -(1 << 60);

    #[test]
    fn small_ints_are_exact() {
        for value in [0, 1, -1, 42, i64::from(i32::MIN), MAX, MIN] {
            let v = Value::small_int(value).expect("fits");
            assert_eq!(v.tagged(), Tagged::Int(value));
            assert_eq!(v.as_small_int(), Some(value));
            assert_eq!(v.as_object(), None);
        }
        for value in [MAX + 1, MIN - 1, i64::MAX, i64::MIN] {
            assert!(Value::small_int(value).is_none(), "{value}");
        }
        assert_eq!(Value::tiny_int(-7).tagged(), Tagged::Int(-7));
    }

    #[test]
    fn floats_tag_themselves() {
        for value in [0.0, -0.0, 1.0, -1.5, 1e70, -1e-70, f64::from_bits(1), 0.1] {
            let v = Value::near_float(value).expect("near");
            let Tagged::Float(back) = v.tagged() else {
                panic!("{value} became {:?}", v.tagged())
            };
            assert_eq!(back.to_bits(), value.to_bits());
        }
        for value in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, f64::MAX, 1e-200] {
            assert!(Value::near_float(value).is_none(), "{value}");
        }
    }

    #[test]
    fn constants_keep_their_payload() {
        assert_eq!(Value::NIL.tagged(), Tagged::Nil);
        assert_eq!(Value::TRUE.tagged(), Tagged::Bool(true));
        assert_eq!(Value::FALSE.tagged(), Tagged::Bool(false));
        assert_eq!(
            Value::func(FuncId(u32::MAX)).tagged(),
            Tagged::Func(FuncId(u32::MAX))
        );
        assert_eq!(Value::const_str(7).tagged(), Tagged::ConstStr(7));
        assert_eq!(Value::object(u32::MAX).tagged(), Tagged::Object(u32::MAX));
        assert!(!Value::NIL.is_true() && !Value::FALSE.is_true());
        assert!(Value::TRUE.is_true() && Value::tiny_int(0).is_true());
        assert!(Value::near_float(0.0).is_some_and(Value::is_true));
    }

    #[test]
    fn fast_arithmetic_agrees_with_wide_arithmetic() {
        let cases = [
            0,
            1,
            -1,
            2,
            -3,
            1 << 30,
            -(1 << 31),
            MAX,
            MIN,
            MAX - 1,
            MIN + 1,
        ];
        for a in cases {
            for b in cases {
                let (x, y) = (
                    Value::small_int(a).expect("fits"),
                    Value::small_int(b).expect("fits"),
                );
                let wide = |v: i128| {
                    i64::try_from(v)
                        .ok()
                        .and_then(Value::small_int)
                        .map(Value::tagged)
                };
                assert_eq!(
                    x.add_small(y).map(Value::tagged),
                    wide(i128::from(a) + i128::from(b)),
                    "{a} + {b}"
                );
                assert_eq!(
                    x.sub_small(y).map(Value::tagged),
                    wide(i128::from(a) - i128::from(b)),
                    "{a} - {b}"
                );
                assert_eq!(
                    x.mul_small(y).map(Value::tagged),
                    wide(i128::from(a) * i128::from(b)),
                    "{a} * {b}"
                );
                if b != 0 {
                    assert_eq!(
                        x.div_small(y).map(Value::tagged),
                        wide(i128::from(a) / i128::from(b)),
                        "{a} / {b}"
                    );
                    assert_eq!(
                        x.rem_small(y).map(Value::tagged),
                        wide(i128::from(a) % i128::from(b)),
                        "{a} % {b}"
                    );
                }
                assert_eq!(x.lt_small(y), Some(a < b));
                assert_eq!(x.le_small(y), Some(a <= b));
                assert_eq!(x.eq_small(y), Some(a == b));
            }
        }
        assert!(Value::TRUE.add_small(Value::tiny_int(1)).is_none());
        assert!(Value::near_float(1.0).is_some_and(|f| f.lt_small(f).is_none()));
    }
}
