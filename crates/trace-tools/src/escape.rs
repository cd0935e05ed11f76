//! Texts from outside (names in a trace, names of files), made safe for where they
//! go. This is the only place that knows what is safe where.
//!
//! | where | what | by |
//! | --- | --- | --- |
//! | a line for people | what is not [shown](is_shown) comes as `\n`, `\u{1b}` | [`Line`], [`Shown`], [`file()`] |
//! | the same, between quotes | quotes as well; bytes that are not UTF-8 as `\xNN` | `Quoted` |
//! | the same, as Go quotes | as in Go's source | `dump/line.rs`, by [`is_shown`] |
//! | JSON | nothing is lost: `\u001b` | [`Json`] |
//! | CSV | see [`Cells`] | [`Cells`] |
//! | SVG, flame graphs | U+FFFD in its place; XML's own is inferno's matter | `picture` |
//! | folded stacks | `_` in its place | `folded` |
//!
//! What is not shown could move the cursor, set the title or the clipboard of a
//! terminal, begin a line that the program did not print, or change the order in
//! which text is read. Binary formats hold names as they are.

use std::borrow::Cow;
use std::fmt::{self, Display, Write};
use std::path::Path;

/// Whether a character is seen where it stands: letters, marks, numbers,
/// punctuation and symbols, and the blank. Not: controls, other spaces, what
/// changes the direction, what has no width but stands alone.
///
/// That is how Go divides them, and Rust when it escapes what is in the middle of
/// a string.
pub fn is_shown(c: char) -> bool {
    if c.is_ascii() {
        return matches!(c, ' '..='~');
    }
    let mut pair = [b'a', 0, 0, 0, 0];
    let len = 1 + c.encode_utf8(&mut pair[1..]).len();
    str::from_utf8(&pair[..len]).is_ok_and(|pair| pair.escape_debug().nth(1) == Some(c))
}

/// Writes a text, and in the place of what is not shown whatever `instead` writes.
fn shown(
    text: &str,
    f: &mut impl Write,
    mut instead: impl FnMut(&mut dyn Write, char) -> fmt::Result,
) -> fmt::Result {
    let mut rest = text;
    while let Some((at, c)) = rest.char_indices().find(|&(_, c)| !is_shown(c)) {
        f.write_str(&rest[..at])?;
        instead(f, c)?;
        rest = &rest[at + c.len_utf8()..];
    }
    f.write_str(rest)
}

/// A text on one line.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a>(pub &'a str);

impl Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shown(self.0, f, |f, c| write!(f, "{}", c.escape_default()))
    }
}

/// A text of the trace on one line; one that is empty is said to be unknown.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub &'a str);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "" => f.write_str("(unknown)"),
            text => Line(text).fmt(f),
        }
    }
}

/// A file's name on one line.
pub fn file(path: &Path) -> String {
    Line(&path.to_string_lossy()).to_string()
}

/// Bytes between double quotes: valid UTF-8 as in a [`Line`], but for quotes and
/// backslashes, and any other byte as `\xNN`.
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
                    c if is_shown(c) => f.write_char(c)?,
                    c => write!(f, "\\u{{{:x}}}", c as u32)?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        f.write_char('"')
    }
}

/// JSON as it was made, where what is not shown stands in strings only, with
/// nothing that is not shown in it but ends of lines. It means the same.
#[derive(Clone, Copy, Debug)]
pub struct Json<'a>(pub &'a str);

impl Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shown(self.0, f, |f, c| match c {
            // None is in a string.
            '\n' => f.write_char(c),
            c => {
                let mut units = [0; 2];
                let units = c.encode_utf16(&mut units);
                units.iter().try_for_each(|unit| write!(f, "\\u{unit:04x}"))
            }
        })
    }
}

/// How texts stand in a table's cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cells {
    /// As they are, for databases.
    #[default]
    Exact,
    /// For people: as in a [`Line`].
    Shown,
    /// For a spreadsheet, which takes a cell that begins in a certain way for a
    /// formula: with an apostrophe before it, which makes it text. Otherwise as
    /// they are.
    Spreadsheet,
}

impl Cells {
    /// A cell with this text. Quotes, commas and ends of lines are the writer's
    /// matter.
    pub fn cell(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Spreadsheet if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => {
                format!("'{text}").into()
            }
            Self::Shown if !text.chars().all(is_shown) => Line(text).to_string().into(),
            _ => text.into(),
        }
    }
}

/// A text in a picture.
pub(crate) fn picture(text: &str) -> String {
    let seen = |c| match is_shown(c) {
        true => c,
        false => char::REPLACEMENT_CHARACTER,
    };
    text.chars().map(seen).collect()
}

/// A character of a frame in a folded stack, where `;` and blanks are the format's
/// own.
pub(crate) fn folded(c: char) -> char {
    match c {
        ';' => ',',
        c if c == ' ' || !is_shown(c) => '_',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted() {
        for (bytes, shown) in [
            (&b"main.run"[..], r#""main.run""#),
            (b"", r#""""#),
            ("a\"b\\c é".as_bytes(), r#""a\"b\\c é""#),
            (b"line\n\ttab\r\x1b[31m", r#""line\n\ttab\u{d}\u{1b}[31m""#),
            (b"\xff\xc3(", r#""\xff\xc3(""#),
            ("\u{202e}\u{200b}".as_bytes(), r#""\u{202e}\u{200b}""#),
        ] {
            assert_eq!(Quoted(bytes).to_string(), shown);
        }
    }

    #[test]
    fn lines() {
        for (text, shown) in [
            ("", "(unknown)"),
            ("main.run", "main.run"),
            ("a\nb\x1b[31m", "a\\nb\\u{1b}[31m"),
            ("\n\n", "\\n\\n"),
            ("\u{9b}\u{202e}a\u{200b}", "\\u{9b}\\u{202e}a\\u{200b}"),
            ("e\u{301} 世 😀 é", "e\u{301} 世 😀 é"),
        ] {
            assert_eq!(Shown(text).to_string(), shown);
        }
        assert_eq!(Line("").to_string(), "");
        assert_eq!(file(Path::new("a\x07b")), "a\\u{7}b");
    }

    #[test]
    fn json_means_the_same() {
        for text in ["é\n\x1b\u{7f}\u{9b}\u{202e}", "\u{e0001}\u{2028}😀\"\\"] {
            let made = serde_json::to_string(text).unwrap();
            let safe = Json(&made).to_string();
            assert!(safe.chars().all(is_shown), "{safe}");
            assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), text);
        }
        assert_eq!(Json("{}\n{}\n").to_string(), "{}\n{}\n");
    }

    #[test]
    fn cells() {
        for (text, shown, spreadsheet) in [
            ("main.run", "main.run", "main.run"),
            ("=1+1", "=1+1", "'=1+1"),
            ("+1", "+1", "'+1"),
            ("-1", "-1", "'-1"),
            ("@SUM(A1)", "@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "\\t=1", "'\t=1"),
            ("\r=1", "\\r=1", "'\r=1"),
            ("a=1", "a=1", "a=1"),
            ("", "", ""),
        ] {
            assert_eq!(Cells::Exact.cell(text), text);
            assert_eq!(Cells::Shown.cell(text), shown);
            assert_eq!(Cells::Spreadsheet.cell(text), spreadsheet);
        }
    }
}
