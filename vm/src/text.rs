//! Values as text, as `print` and `str` write them.

use std::collections::HashSet;
use std::fmt::Write;

use crate::code::Code;
use crate::heap::{Heap, ListId, View};
use crate::value::Value;

/// Appends `value`, of `heap`, to `out`. Strings stand as they are, but quoted
/// inside lists; a list inside itself is `[...]`.
pub(crate) fn write_value(out: &mut String, heap: &Heap, code: &Code, value: Value) {
    match heap.view(&code.strings, value) {
        View::Str(text) => out.push_str(text),
        View::List(id, _) => write_list(out, heap, code, id),
        other => write_scalar(out, code, other),
    }
}

/// By a list of work, since lists nest as deeply as memory allows.
fn write_list(out: &mut String, heap: &Heap, code: &Code, root: ListId) {
    let mut inside = HashSet::from([root]);
    let mut open = vec![(root, 0)];
    out.push('[');
    while let Some((id, next)) = open.last_mut() {
        let elements = heap.as_list(Value::object(id.0)).unwrap_or_default();
        let Some(&element) = elements.get(*next) else {
            inside.remove(id);
            open.pop();
            out.push(']');
            continue;
        };
        if *next > 0 {
            out.push_str(", ");
        }
        *next += 1;
        match heap.view(&code.strings, element) {
            View::Str(text) => write_quoted(out, text),
            View::List(id, _) if inside.insert(id) => {
                out.push('[');
                open.push((id, 0));
            }
            View::List(..) => out.push_str("[...]"),
            other => write_scalar(out, code, other),
        }
    }
}

fn write_scalar(out: &mut String, code: &Code, view: View<'_>) {
    // Writing to a string cannot fail.
    let _ = match view {
        View::Nil => out.write_str("nil"),
        View::Bool(value) => write!(out, "{value}"),
        View::Int(value) => write!(out, "{value}"),
        View::Float(value) => {
            write_float(out, value);
            Ok(())
        }
        View::Func(id) => write!(out, "<function {}>", code.function(id.0).name),
        View::Chan(_) => out.write_str("<channel>"),
        View::Task(handle) => write!(out, "<task {}>", handle.task_id()),
        View::Str(_) | View::List(..) => Ok(()),
    };
}

/// The shortest digits that read back as the same float, always with a point.
fn write_float(out: &mut String, value: f64) {
    if value.is_nan() {
        return out.push_str("nan");
    }
    let start = out.len();
    let _ = write!(out, "{value:?}");
    if value.is_finite() && !out[start..].contains('.') {
        // Only the form with an exponent leaves the point out.
        let at = out[start..].find('e').map_or(out.len(), |e| start + e);
        out.insert_str(at, ".0");
    }
}

fn write_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn float(value: f64) -> String {
        let mut out = String::from("x");
        write_float(&mut out, value);
        out.split_off(1)
    }

    #[test]
    fn floats_have_a_point() {
        for (value, text) in [
            (3.0, "3.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (1e16, "1.0e16"),
            (1.5e300, "1.5e300"),
            (1e-7, "1.0e-7"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(float(value), text);
        }
    }

    #[test]
    fn quotes_escape_what_would_end_or_break_them() {
        let mut out = String::new();
        write_quoted(&mut out, "a\"b\\\n\u{e9}");
        assert_eq!(out, "\"a\\\"b\\\\\\n\u{e9}\"");
    }
}
