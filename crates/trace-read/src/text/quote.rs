//! Bytes in quotation marks, as Go's string literals are.

use std::fmt::Write;

use crate::text::TextProblem;

/// Appends the bytes in quotation marks. What is not UTF-8, not printable or
/// would end the line or the string is escaped.
pub(super) fn quote(bytes: &[u8], out: &mut String) {
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            let escaped = match char {
                '\u{7}' => "\\a",
                '\u{8}' => "\\b",
                '\u{c}' => "\\f",
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                '\u{b}' => "\\v",
                '\\' => "\\\\",
                '"' => "\\\"",
                _ => "",
            };
            // Writing to a string does not fail.
            let _ = match char {
                _ if !escaped.is_empty() => out.write_str(escaped),
                '\0'..' ' | '\x7f' => write!(out, "\\x{:02x}", char as u32),
                ' '..='~' => out.write_char(char),
                // All else that cannot be seen: Rust escapes it, too, when asked to.
                _ if char.escape_debug().len() == 1 => out.write_char(char),
                '\0'..='\u{ffff}' => write!(out, "\\u{:04x}", char as u32),
                _ => write!(out, "\\U{:08x}", char as u32),
            };
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out.push('"');
}

/// Reads a string in quotation marks from the front of `text`: its bytes, and
/// how much of the text it takes.
///
/// # Errors
///
/// What is wrong, and where in the text.
pub(super) fn unquote(text: &str) -> Result<(Vec<u8>, usize), (TextProblem, usize)> {
    let mut bytes = Vec::new();
    let Some(mut rest) = text.strip_prefix('"') else {
        return Err((TextProblem::NotQuoted, 0));
    };
    loop {
        let here = text.len() - rest.len();
        let mut chars = rest.chars();
        match chars.next() {
            None => return Err((TextProblem::Unterminated, here)),
            Some('"') => return Ok((bytes, here + 1)),
            Some('\\') => {
                rest = escape(chars.as_str(), &mut bytes).ok_or((TextProblem::Escape, here))?;
            }
            Some(char) => {
                push(char, &mut bytes);
                rest = chars.as_str();
            }
        }
    }
}

/// Reads what follows a backslash and returns what follows that.
fn escape<'t>(text: &'t str, bytes: &mut Vec<u8>) -> Option<&'t str> {
    let first = text.chars().next()?;
    let simple = match first {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' => b'\\',
        '"' => b'"',
        'x' | 'u' | 'U' => {
            let (size, rest) = match first {
                'x' => (2, &text[1..]),
                'u' => (4, &text[1..]),
                _ => (8, &text[1..]),
            };
            let (value, rest) = digits(rest, size, 16)?;
            match first {
                'x' => bytes.push(u8::try_from(value).ok()?),
                _ => push(char::from_u32(value)?, bytes),
            }
            return Some(rest);
        }
        '0'..='7' => {
            let (value, rest) = digits(text, 3, 8)?;
            bytes.push(u8::try_from(value).ok()?);
            return Some(rest);
        }
        _ => return None,
    };
    bytes.push(simple);
    Some(&text[1..])
}

/// Reads exactly `size` digits.
fn digits(text: &str, size: usize, radix: u32) -> Option<(u32, &str)> {
    let (number, rest) = text.split_at_checked(size)?;
    let all = number.chars().all(|char| char.is_digit(radix));
    let value = u32::from_str_radix(number, radix).ok().filter(|_| all)?;
    Some((value, rest))
}

fn push(char: char, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals() {
        for (bytes, literal) in [
            (&b""[..], r#""""#),
            (b"chan receive", r#""chan receive""#),
            (b"a\"b\\c#d", r#""a\"b\\c#d""#),
            (b"\x07\x08\x0c\n\r\t\x0b", r#""\a\b\f\n\r\t\v""#),
            (b"\x00\x1f\x7f", r#""\x00\x1f\x7f""#),
            (b"\xff\xc3", r#""\xff\xc3""#),
            ("é ✓ 😀".as_bytes(), r#""é ✓ 😀""#),
            (
                "\u{85}\u{2028}\u{feff}\u{e0001}".as_bytes(),
                r#""\u0085\u2028\ufeff\U000e0001""#,
            ),
            (b"a\xe2\x82b", r#""a\xe2\x82b""#),
        ] {
            let mut quoted = String::new();
            quote(bytes, &mut quoted);
            assert_eq!(quoted, literal);
            let more = format!("{literal} more");
            assert_eq!(unquote(&more), Ok((bytes.to_vec(), literal.len())));
        }
        // Ways to write what is written differently.
        for (literal, bytes) in [
            (r#""\101\x41\u0041\U00000041""#, &b"AAAA"[..]),
            (r#""\377\u00e9""#, b"\xff\xc3\xa9"),
        ] {
            assert_eq!(unquote(literal), Ok((bytes.to_vec(), literal.len())));
        }
    }

    #[test]
    fn every_byte_and_many_characters() {
        let all: Vec<u8> = (0..=255).collect();
        let chars: String = ('\0'..'\u{3000}').chain('\u{1f600}'..'\u{1f650}').collect();
        for bytes in [&all[..], chars.as_bytes()] {
            let mut quoted = String::new();
            quote(bytes, &mut quoted);
            assert_eq!(unquote(&quoted), Ok((bytes.to_vec(), quoted.len())));
            assert!(!quoted.contains(['\n', '\r']));
        }
    }

    #[test]
    fn what_is_no_literal() {
        use TextProblem::{Escape, NotQuoted, Unterminated};
        for (text, problem, at) in [
            ("", NotQuoted, 0),
            ("'a'", NotQuoted, 0),
            (r#""abc"#, Unterminated, 4),
            (r#""abc\"#, Escape, 4),
            (r#""é\""#, Unterminated, 5),
            (r#""\q""#, Escape, 1),
            (r#""a\'""#, Escape, 2),
            (r#""\x1""#, Escape, 1),
            (r#""\x+1""#, Escape, 1),
            (r#""\400""#, Escape, 1),
            (r#""\18""#, Escape, 1),
            (r#""\ud800""#, Escape, 1),
            (r#""\U00110000""#, Escape, 1),
            (r#""\é""#, Escape, 1),
            (r#""\xé""#, Escape, 1),
        ] {
            assert_eq!(unquote(text), Err((problem, at)), "{text}");
        }
    }
}
