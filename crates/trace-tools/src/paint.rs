//! Colours for a terminal, or none.

use std::fmt::{self, Display};

/// Paints words by what they mean, or leaves them as they are.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// Paints if `on`.
    pub fn new(on: bool) -> Self {
        Paint { on }
    }

    /// What is as it should be: green.
    pub fn good<T: Display>(self, text: T) -> impl Display {
        self.with("\x1b[32m", text)
    }

    /// What is wrong: bold and red.
    pub fn bad<T: Display>(self, text: T) -> impl Display {
        self.with("\x1b[1;31m", text)
    }

    /// What should be noticed: yellow.
    pub fn note<T: Display>(self, text: T) -> impl Display {
        self.with("\x1b[33m", text)
    }

    fn with<T: Display>(self, code: &'static str, text: T) -> Painted<T> {
        let (code, end) = match self.on {
            true => (code, "\x1b[0m"),
            false => ("", ""),
        };
        Painted { code, text, end }
    }
}

struct Painted<T> {
    code: &'static str,
    text: T,
    end: &'static str,
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.code, self.text, self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn painted_or_not() {
        let words = |paint: Paint| {
            let [good, bad, note] = ["good", "bad", "note"];
            format!("{}{}{}", paint.good(good), paint.bad(bad), paint.note(note))
        };
        assert_eq!(words(Paint::new(false)), "goodbadnote");
        assert_eq!(
            words(Paint::new(true)),
            "\x1b[32mgood\x1b[0m\x1b[1;31mbad\x1b[0m\x1b[33mnote\x1b[0m"
        );
    }
}
