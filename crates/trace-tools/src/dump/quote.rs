//! Bytes of a trace as text that is safe to print on one line.

use std::fmt::{self, Display, Write};

/// Shows bytes between double quotes: valid UTF-8 as it is, but for quotes,
/// backslashes and control characters, and any other byte as `\xNN`.
pub(crate) struct Quoted<'a>(pub &'a [u8]);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '"' | '\\' => write!(f, "\\{c}")?,
                    '\n' => f.write_str("\\n")?,
                    '\t' => f.write_str("\\t")?,
                    c if c.is_control() => write!(f, "\\u{{{:x}}}", c as u32)?,
                    c => f.write_char(c)?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_escaped() {
        for (bytes, shown) in [
            (&b"main.run"[..], r#""main.run""#),
            (b"", r#""""#),
            ("a\"b\\c é".as_bytes(), r#""a\"b\\c é""#),
            (b"line\n\ttab\r\x1b[31m", r#""line\n\ttab\u{d}\u{1b}[31m""#),
            (b"\xff\xc3(", r#""\xff\xc3(""#),
        ] {
            assert_eq!(Quoted(bytes).to_string(), shown);
        }
    }
}
