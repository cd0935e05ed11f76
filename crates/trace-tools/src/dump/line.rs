//! A line of output in the making. Formatting by hand, because dumps of millions
//! of events spend their time here.

use std::io::Write;

use crate::escape::{self, Json, is_shown};

/// Bytes of text, kept from one event to the next so that none is allocated for.
#[derive(Debug, Default)]
pub(super) struct Line(Vec<u8>);

impl Line {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn text(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    /// A text without quotes.
    pub(super) fn shown(&mut self, text: &str) {
        match text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            true => self.text(text),
            false => self.display(escape::Line(text)),
        }
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn number(&mut self, mut number: u64) {
        let mut digits = [0; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.0.extend_from_slice(&digits[at..]);
    }

    /// A number that Go's tools take to be signed.
    pub(super) fn signed(&mut self, number: u64) {
        let number = number as i64;
        if number < 0 {
            self.text("-");
        }
        self.number(number.unsigned_abs());
    }

    pub(super) fn hex(&mut self, number: u64) {
        let digits = (64 - (number | 1).leading_zeros()).div_ceil(4);
        for digit in (0..digits).rev() {
            let digit = number >> (4 * digit) & 0xf;
            self.0.push(b"0123456789abcdef"[digit as usize]);
        }
    }

    /// What is formatted in the ordinary way.
    pub(super) fn display(&mut self, value: impl std::fmt::Display) {
        // A `Vec` takes all that is written to it.
        let _ = write!(self.0, "{value}");
    }

    /// A text between double quotes, with the escapes of a string in Go's source
    /// as its `%q` prints it: what is not printable is escaped.
    pub(super) fn quoted(&mut self, text: &str) {
        self.0.push(b'"');
        let mut plain = 0;
        for (at, c) in text.char_indices() {
            if matches!(c, ' '..='~') && c != '"' && c != '\\' {
                continue;
            }
            self.raw(&text.as_bytes()[plain..at]);
            plain = at + c.len_utf8();
            self.escaped(c);
        }
        self.raw(&text.as_bytes()[plain..]);
        self.0.push(b'"');
    }

    fn escaped(&mut self, c: char) {
        let short = match c {
            '"' => Some('"'),
            '\\' => Some('\\'),
            '\x07' => Some('a'),
            '\x08' => Some('b'),
            '\x0c' => Some('f'),
            '\n' => Some('n'),
            '\r' => Some('r'),
            '\t' => Some('t'),
            '\x0b' => Some('v'),
            _ => None,
        };
        match (short, u32::from(c)) {
            (Some(letter), _) => self.display(format_args!("\\{letter}")),
            (None, code @ (..0x20 | 0x7f)) => self.display(format_args!("\\x{code:02x}")),
            (None, _) if is_shown(c) => self.display(c),
            (None, code @ ..0x1_0000) => self.display(format_args!("\\u{code:04x}")),
            (None, code) => self.display(format_args!("\\U{code:08x}")),
        }
    }

    /// A text as a JSON string.
    pub(super) fn json(&mut self, text: &str) {
        let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        if text.bytes().all(plain) {
            self.0.push(b'"');
            self.text(text);
            self.0.push(b'"');
        } else {
            // A string is always JSON.
            let json = serde_json::to_string(text).unwrap_or_default();
            self.display(Json(&json));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(write: impl FnOnce(&mut Line)) -> String {
        let mut line = Line::default();
        write(&mut line);
        String::from_utf8(line.0).unwrap()
    }

    #[test]
    fn numbers() {
        for number in [0, 9, 10, 12345, u64::MAX >> 1, 1 << 63, u64::MAX] {
            assert_eq!(line(|l| l.number(number)), format!("{number}"));
            assert_eq!(line(|l| l.signed(number)), format!("{}", number as i64));
            assert_eq!(line(|l| l.hex(number)), format!("{number:x}"));
        }
    }

    /// As Go's `strconv.Quote` has them.
    #[test]
    fn quoted() {
        for (text, shown) in [
            ("chan receive", r#""chan receive""#),
            ("", r#""""#),
            ("a\"b\\c é 世", r#""a\"b\\c é 世""#),
            (
                "\x07\x08\x0c\n\r\t\x0b\x1b[31m\x7f\0",
                r#""\a\b\f\n\r\t\v\x1b[31m\x7f\x00""#,
            ),
            // Not printable: C1 control, no-break space, soft hyphen, line
            // separator, private use, the last one.
            (
                "\u{85}\u{a0}\u{ad}\u{2028}\u{e000}\u{10ffff}",
                r#""\u0085\u00a0\u00ad\u2028\ue000\U0010ffff""#,
            ),
            // Printable: a combining accent, an emoji, the replacement.
            ("e\u{301} 😀 \u{fffd}", "\"e\u{301} 😀 \u{fffd}\""),
        ] {
            assert_eq!(line(|l| l.quoted(text)), shown);
        }
    }

    #[test]
    fn json() {
        for text in ["", "main.run", "a\"b\\c é\n\x1b\u{2028}😀"] {
            let shown = line(|l| l.json(text));
            assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
        }
    }
}
