//! From text to bytes.

use trace_format::version::HeaderError;
use trace_format::{EventKind, Shape, Version};

use crate::error::{Place, ReadError};
use crate::raw::push;
use crate::text::TextProblem;
use crate::text::names::{FRAME, suffix};
use crate::text::quote::unquote;

/// The bytes of a trace that is given as text.
///
/// # Errors
///
/// [`ReadError::Text`], with line and column, for a text that is spelled wrongly.
pub fn to_bytes(text: &str) -> Result<Vec<u8>, ReadError> {
    let mut lines = Lines {
        text,
        offset: 0,
        number: 0,
    };
    let version = match lines.next() {
        Some(line) => header(line)?,
        None => return Err(lines.end().error(TextProblem::NoHeader)),
    };
    let mut file = File {
        bytes: version.header().to_vec(),
        open: None,
    };
    while let Some(line) = lines.next() {
        file.event(line, &mut lines)?;
    }
    file.close();
    Ok(file.bytes)
}

fn header(mut line: Line<'_>) -> Result<Version, ReadError> {
    if line.peek() != "Trace" {
        return Err(line.error(TextProblem::NoHeader));
    }
    line.take("Trace");
    let word = line.peek();
    let minor = word.strip_prefix("Go1.").and_then(number);
    let Some(minor) = minor.and_then(|minor| u8::try_from(minor).ok()) else {
        return Err(line.error(TextProblem::NoHeader));
    };
    let Some(version) = Version::ALL.into_iter().find(|&v| v as u8 == minor) else {
        let error = match minor < Version::Go122 as u8 {
            true => HeaderError::V1 { minor },
            false => HeaderError::Unknown { minor },
        };
        return Err(line.error(TextProblem::Version(error)));
    };
    line.take(word);
    line.end()?;
    Ok(version)
}

/// The file so far.
struct File {
    bytes: Vec<u8>,
    /// Where the size of the last batch is to be inserted, if it is to be
    /// computed: right before its payload.
    open: Option<usize>,
}

impl File {
    /// Adds the event of a line, and of the lines after it that belong to it.
    fn event(&mut self, mut line: Line<'_>, lines: &mut Lines<'_>) -> Result<(), ReadError> {
        let name = line.peek();
        let Some(&kind) = EventKind::ALL.iter().find(|kind| kind.name() == name) else {
            let name = name.to_owned();
            return Err(line.error(TextProblem::UnknownEvent { name }));
        };
        line.take(name);
        if kind.shape() == Shape::Batch || kind == EventKind::EndOfGeneration {
            self.close();
        }
        self.bytes.push(kind as u8);
        if kind.is_timed() {
            push(&mut self.bytes, line.argument("dt", "")?);
        }
        let mut values = [0; 2];
        for (at, arg) in kind.args().iter().enumerate() {
            line.skip_space();
            let start = line.at;
            let value = line.argument(arg.name, suffix(arg))?;
            if kind == EventKind::ExperimentalBatch && at == 0 {
                // A byte, not a number, as Go's reader has it.
                let Ok(byte) = u8::try_from(value) else {
                    line.at = start;
                    return Err(line.error(TextProblem::Experiment { id: value }));
                };
                self.bytes.push(byte);
            } else {
                push(&mut self.bytes, value);
            }
            if let Some(place) = values.get_mut(at) {
                *place = value;
            }
        }
        if kind == EventKind::EventBatch {
            match line.is_at_end() {
                true => self.open = Some(self.bytes.len()),
                false => push(&mut self.bytes, line.argument("size", "")?),
            }
        }
        line.end()?;
        if kind.shape() == Shape::Stack {
            let [id, frames] = values;
            for frame in 1..=frames {
                self.frame(lines, || TextProblem::NoFrame { id, frame, frames })?;
            }
        }
        if kind.shape() == Shape::Data || kind == EventKind::ExperimentalBatch {
            self.data(lines)?;
        }
        Ok(())
    }

    fn frame(
        &mut self,
        lines: &mut Lines<'_>,
        missing: impl FnOnce() -> TextProblem,
    ) -> Result<(), ReadError> {
        let Some(mut line) = lines.next() else {
            return Err(lines.end().error(missing()));
        };
        if !line.peek().starts_with("pc=") {
            return Err(line.error(missing()));
        }
        for name in FRAME {
            push(&mut self.bytes, line.argument(name, "")?);
        }
        line.end()
    }

    fn data(&mut self, lines: &mut Lines<'_>) -> Result<(), ReadError> {
        let Some(mut line) = lines.next() else {
            return Err(lines.end().error(TextProblem::NoData));
        };
        for part in ["data", "="] {
            if !line.skip(part) {
                return Err(line.error(TextProblem::NoData));
            }
        }
        let data = line.string()?;
        push(&mut self.bytes, data.len() as u64);
        self.bytes.extend_from_slice(&data);
        line.end()
    }

    /// Ends a batch: its size is known now.
    fn close(&mut self) {
        if let Some(at) = self.open.take() {
            let mut size = Vec::new();
            push(&mut size, (self.bytes.len() - at) as u64);
            self.bytes.splice(at..at, size);
        }
    }
}

/// The lines that mean something.
struct Lines<'t> {
    text: &'t str,
    /// Where the next line starts.
    offset: usize,
    /// How many lines there are before it.
    number: u64,
}

impl<'t> Lines<'t> {
    fn next(&mut self) -> Option<Line<'t>> {
        loop {
            let rest = &self.text[self.offset..];
            let text = rest.split_inclusive('\n').next()?;
            self.number += 1;
            let mut line = Line {
                text: text.strip_suffix('\n').unwrap_or(text),
                at: 0,
                offset: self.offset,
                number: self.number,
            };
            self.offset += text.len();
            if !line.is_at_end() {
                return Some(line);
            }
        }
    }

    /// The end of the text, once all lines have been read.
    fn end(&self) -> Line<'t> {
        let offset = self.text.rfind('\n').map_or(0, |at| at + 1);
        let text = &self.text[offset..];
        Line {
            text,
            at: text.len(),
            offset,
            number: self.number + u64::from(text.is_empty()),
        }
    }
}

/// A line, and how far it has been read.
struct Line<'t> {
    text: &'t str,
    /// Bytes read; an error is reported here.
    at: usize,
    /// Of the line, bytes from the start of the text.
    offset: usize,
    /// From 1.
    number: u64,
}

impl<'t> Line<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Whether there is nothing left but a comment. Skips space.
    fn is_at_end(&mut self) -> bool {
        self.skip_space();
        self.rest().is_empty() || self.rest().starts_with('#')
    }

    /// The next word, which is not read over yet; empty at the end. Skips space.
    fn peek(&mut self) -> &'t str {
        self.skip_space();
        let rest = self.rest();
        let end = rest.find(|char: char| char.is_whitespace() || char == '#');
        &rest[..end.unwrap_or(rest.len())]
    }

    /// Reads over what [`Self::peek`] has returned, or the start of it.
    fn take(&mut self, text: &str) {
        self.at += text.len();
    }

    /// Reads over `text`, if it stands here. Skips space.
    fn skip(&mut self, text: &str) -> bool {
        self.skip_space();
        let found = self.rest().starts_with(text);
        self.at += if found { text.len() } else { 0 };
        found
    }

    /// Reads an argument, whose name may be in two parts.
    fn argument(&mut self, name: &str, suffix: &str) -> Result<u64, ReadError> {
        let word = self.peek();
        match word.split_once('=') {
            Some((key, value)) if key.strip_suffix(suffix) == Some(name) => match number(value) {
                Some(number) => {
                    self.take(word);
                    Ok(number)
                }
                None => {
                    self.at += key.len() + 1;
                    let found = value.to_owned();
                    Err(self.error(TextProblem::Number { found }))
                }
            },
            _ => Err(self.error(TextProblem::Argument {
                expected: format!("{name}{suffix}"),
                found: word.to_owned(),
            })),
        }
    }

    /// Reads a string in quotation marks.
    fn string(&mut self) -> Result<Vec<u8>, ReadError> {
        self.skip_space();
        match unquote(self.rest()) {
            Ok((bytes, used)) => {
                self.at += used;
                Ok(bytes)
            }
            Err((problem, at)) => {
                self.at += at;
                Err(self.error(problem))
            }
        }
    }

    /// Makes sure that nothing is left but a comment.
    fn end(mut self) -> Result<(), ReadError> {
        match self.is_at_end() {
            true => Ok(()),
            false => {
                let found = self.peek().to_owned();
                Err(self.error(TextProblem::Trailing { found }))
            }
        }
    }

    /// The error that something is wrong here.
    fn error(&self, problem: TextProblem) -> ReadError {
        ReadError::Text {
            at: Place {
                offset: (self.offset + self.at) as u64,
                ..Place::default()
            },
            line: self.number,
            column: 1 + self.text[..self.at].chars().count() as u64,
            problem,
        }
    }
}

/// A number in decimal digits and nothing else.
fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}
