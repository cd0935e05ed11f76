//! The source text and the way from byte offsets to lines and columns.

use std::ops::Range;

use crate::program::Position;

/// A stretch of the source, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl Span {
    pub(crate) fn new(start: u32, end: u32) -> Span {
        Span { start, end }
    }

    /// From the start of this one to the end of the other.
    pub(crate) fn to(self, other: Span) -> Span {
        Span {
            start: self.start,
            end: other.end.max(self.start),
        }
    }

    /// The same as a range of indexes.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A source file with an index of its lines.
///
/// Columns count characters, yet finding one must not walk its line: a
/// program may be one line of a megabyte. So the few characters longer than
/// a byte are indexed too, and a column is a subtraction.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Source {
    pub(crate) file: String,
    pub(crate) text: String,
    /// Where each line starts.
    lines: Vec<u32>,
    /// For each character longer than a byte: its offset, and how many bytes
    /// more than characters there are up to its end.
    wide: Vec<(u32, u32)>,
}

impl Source {
    /// The text must be shorter than 4 GiB.
    pub(crate) fn new(file: &str, text: &str) -> Source {
        let mut lines = vec![0];
        let mut wide = Vec::new();
        let mut surplus = 0;
        for (offset, c) in text.char_indices() {
            if c == '\n' {
                lines.push(offset as u32 + 1);
            } else if !c.is_ascii() {
                surplus += c.len_utf8() as u32 - 1;
                wide.push((offset as u32, surplus));
            }
        }
        Source {
            file: file.to_owned(),
            text: text.to_owned(),
            lines,
            wide,
        }
    }

    fn surplus_before(&self, offset: u32) -> u32 {
        let after = self.wide.partition_point(|&(at, _)| at < offset);
        after.checked_sub(1).map_or(0, |i| self.wide[i].1)
    }

    fn line_of(&self, offset: u32) -> usize {
        self.lines.partition_point(|&start| start <= offset) - 1
    }

    pub(crate) fn position(&self, offset: u32) -> Position {
        let line = self.line_of(offset);
        let start = self.lines[line];
        let surplus = self.surplus_before(offset) - self.surplus_before(start);
        Position {
            line: line as u32 + 1,
            column: (offset - start).saturating_sub(surplus) + 1,
        }
    }

    /// The line that holds an offset, without its line break.
    pub(crate) fn line_span(&self, offset: u32) -> Span {
        let line = self.line_of(offset);
        let end = match self.lines.get(line + 1) {
            Some(next) => next - 1,
            None => self.text.len() as u32,
        };
        Span::new(self.lines[line], end)
    }

    pub(crate) fn slice(&self, span: Span) -> &str {
        &self.text[span.range()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let source = Source::new("x", "aé€b\n\nöz");
        let at = |needle: &str| {
            let offset = source.text.find(needle).expect("needle is in the text");
            source.position(offset as u32).to_string()
        };
        assert_eq!(at("a"), "1:1");
        assert_eq!(at("é"), "1:2");
        assert_eq!(at("€"), "1:3");
        assert_eq!(at("b"), "1:4");
        assert_eq!(at("z"), "3:2");
        assert_eq!(source.position(source.text.len() as u32).to_string(), "3:3");
        assert_eq!(source.slice(source.line_span(0)), "aé€b");
        assert_eq!(source.slice(source.line_span(8)), "");
    }
}
