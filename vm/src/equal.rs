//! Equality of any two values: numbers by their value, strings and lists by
//! content, channels and handles by identity.
//!
//! Like copying, it goes by a list of work. Two lists that contain themselves
//! are equal if no difference can be found: a pair that is being compared
//! already is not looked into again.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use crate::heap::{Heap, ListId, Strings, View};
use crate::number::int_with_float;
use crate::value::Value;

/// Whether `a == b`; both belong to `heap`.
pub(crate) fn equal(heap: &Heap, strings: &Strings, a: Value, b: Value) -> bool {
    let (x, y) = match compare(heap.view(strings, a), heap.view(strings, b)) {
        Compared::Known(result) => return result,
        Compared::Lists(x, y) => (x, y),
    };
    let mut seen = HashSet::new();
    let mut open: Vec<(ListId, ListId)> = vec![(x, y)];
    while let Some((x, y)) = open.pop() {
        let elements = |list: ListId| heap.as_list(Value::object(list.0)).unwrap_or_default();
        for (&a, &b) in elements(x).iter().zip(elements(y)) {
            match compare(heap.view(strings, a), heap.view(strings, b)) {
                Compared::Known(true) => {}
                Compared::Known(false) => return false,
                Compared::Lists(x, y) => {
                    if seen.insert((x, y)) {
                        open.push((x, y));
                    }
                }
            }
        }
    }
    true
}

enum Compared {
    Known(bool),
    /// Equal if the elements of these two lists, equally many, are.
    Lists(ListId, ListId),
}

fn compare(a: View<'_>, b: View<'_>) -> Compared {
    Compared::Known(match (a, b) {
        (View::Nil, View::Nil) => true,
        (View::Bool(a), View::Bool(b)) => a == b,
        (View::Int(a), View::Int(b)) => a == b,
        (View::Float(a), View::Float(b)) => a == b,
        (View::Int(i), View::Float(f)) | (View::Float(f), View::Int(i)) => {
            int_with_float(i, f) == Some(Ordering::Equal)
        }
        (View::Str(a), View::Str(b)) => a == b,
        (View::Func(a), View::Func(b)) => a == b,
        (View::Chan(a), View::Chan(b)) => Arc::ptr_eq(a, b),
        (View::Task(a), View::Task(b)) => Arc::ptr_eq(a, b),
        (View::List(a, x), View::List(b, y)) => {
            if a == b {
                true
            } else if x.len() != y.len() {
                false
            } else {
                return Compared::Lists(a, b);
            }
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_compare_by_content_also_with_cycles() {
        let mut heap = Heap::default();
        let half = heap.float(1.0);
        let a = heap.list(vec![Value::tiny_int(1), Value::NIL]);
        let b = heap.list(vec![half, Value::NIL]);
        assert!(equal(&heap, &[], a, b), "1 == 1.0 inside too");
        heap.as_list_mut(a).expect("a list")[1] = a;
        heap.as_list_mut(b).expect("a list")[1] = b;
        assert!(equal(&heap, &[], a, b));
        heap.as_list_mut(b).expect("a list")[0] = Value::tiny_int(2);
        assert!(!equal(&heap, &[], a, b));
        let nan = heap.float(f64::NAN);
        assert!(!equal(&heap, &[], nan, nan));
    }
}
