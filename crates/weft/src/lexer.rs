//! Source text to tokens.
//!
//! Newlines are no tokens: each token knows whether one stands before it, and
//! the parser, which knows the open brackets, decides what that means.

use logos::Logos;

use crate::diagnostics::{ErrorKind, Sink};
use crate::source::Span;

/// The kinds of tokens. Their text is in the source.
#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq)]
#[logos(skip r"[ \t\r\n\u{FEFF}]+")]
#[logos(skip(r"//[^\n]*", allow_greedy = true))]
pub(crate) enum Tok {
    #[regex("[A-Za-z_][A-Za-z0-9_]*")]
    Name,
    // Takes in whatever looks like a misspelt number, for a good message.
    #[regex(r"[0-9][0-9A-Za-z_]*(\.[0-9][0-9A-Za-z_]*)?")]
    #[regex(r"[0-9][0-9_]*(\.[0-9][0-9_]*)?[eE][+-][0-9][0-9A-Za-z_]*")]
    Number,
    #[regex(r#""([^"\\\n]|\\[^\n])*""#)]
    Str,
    #[regex(r#""([^"\\\n]|\\[^\n])*\\?"#)]
    OpenStr,

    #[token("fn")]
    Fn,
    #[token("const")]
    Const,
    #[token("let")]
    Let,
    #[token("if")]
    If,
    #[token("else")]
    Else,
    #[token("while")]
    While,
    #[token("for")]
    For,
    #[token("in")]
    In,
    #[token("return")]
    Return,
    #[token("break")]
    Break,
    #[token("continue")]
    Continue,
    #[token("spawn")]
    Spawn,
    #[token("region")]
    Region,
    #[token("task")]
    Task,
    #[token("select")]
    Select,
    #[token("nil")]
    Nil,
    #[token("true")]
    True,
    #[token("false")]
    False,
    #[token("and")]
    And,
    #[token("or")]
    Or,
    #[token("not")]
    Not,

    #[token("(")]
    LeftParen,
    #[token(")")]
    RightParen,
    #[token("[")]
    LeftBracket,
    #[token("]")]
    RightBracket,
    #[token("{")]
    LeftBrace,
    #[token("}")]
    RightBrace,
    #[token(",")]
    Comma,
    #[token("=")]
    Assign,
    #[token("==")]
    Equal,
    #[token("!=")]
    NotEqual,
    #[token("<")]
    Less,
    #[token("<=")]
    LessEqual,
    #[token(">")]
    Greater,
    #[token(">=")]
    GreaterEqual,
    #[token("+")]
    Plus,
    #[token("-")]
    Minus,
    #[token("*")]
    Star,
    #[token("/")]
    Slash,
    #[token("%")]
    Percent,
    #[token("..")]
    DotDot,

    /// Text that is no token; its error is reported already.
    Bad,
    /// The end of the source.
    End,
}

impl Tok {
    /// Whether a statement goes on in the next line after this token.
    pub(crate) fn continues_line(self) -> bool {
        matches!(
            self,
            Tok::Comma
                | Tok::Assign
                | Tok::Equal
                | Tok::NotEqual
                | Tok::Less
                | Tok::LessEqual
                | Tok::Greater
                | Tok::GreaterEqual
                | Tok::Plus
                | Tok::Minus
                | Tok::Star
                | Tok::Slash
                | Tok::Percent
                | Tok::DotDot
                | Tok::And
                | Tok::Or
                | Tok::Not
        )
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub(crate) tok: Tok,
    pub(crate) span: Span,
    /// Whether it is the first on its line.
    pub(crate) newline_before: bool,
}

/// All tokens of a source, closed by an `End`. Errors go to the sink; text
/// that is no token becomes one `Bad` for each unbroken stretch.
pub(crate) fn lex(source: &str, sink: &mut Sink) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::with_capacity(source.len() / 4);
    let mut bad: Option<Span> = None;
    let mut previous_end = 0;
    for (result, range) in Tok::lexer(source).spanned() {
        if sink.is_full() {
            break;
        }
        let span = Span::new(range.start as u32, range.end as u32);
        let newline_before = source[previous_end..range.start].contains('\n') || previous_end == 0;
        let adjacent = previous_end == range.start;
        previous_end = range.end;
        match (result, bad) {
            (Err(()), Some(open)) if adjacent => bad = Some(open.to(span)),
            (Err(()), open) => {
                report_bad(source, open, sink);
                bad = Some(span);
                tokens.push(Token {
                    tok: Tok::Bad,
                    span,
                    newline_before,
                });
            }
            (Ok(tok), open) => {
                report_bad(source, open, sink);
                bad = None;
                if tok == Tok::OpenStr {
                    sink.report(ErrorKind::UnterminatedString, span);
                }
                tokens.push(Token {
                    tok,
                    span,
                    newline_before,
                });
            }
        }
    }
    report_bad(source, bad, sink);
    let end = tokens.last().map_or(0, |last| last.span.end);
    tokens.push(Token {
        tok: Tok::End,
        span: Span::new(end, end),
        newline_before: true,
    });
    tokens
}

fn report_bad(source: &str, bad: Option<Span>, sink: &mut Sink) {
    if let Some(span) = bad {
        sink.report(
            ErrorKind::UnexpectedText(shorten(&source[span.range()])),
            span,
        );
    }
}

/// Text of a program for a message: cut to a readable length.
pub(crate) fn shorten(text: &str) -> String {
    shorten_to(24, text)
}

/// The same, cut to so many characters.
pub(crate) fn shorten_to(most: usize, text: &str) -> String {
    match text.char_indices().nth(most) {
        Some((cut, _)) => format!("{}...", &text[..cut]),
        None => text.to_owned(),
    }
}

/// A number literal's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Int(i64),
    Float(f64),
}

/// The value of a number token; `negative` if a minus stands before it, so
/// that the smallest integer can be written.
pub(crate) fn number(text: &str, negative: bool) -> Result<Number, ErrorKind> {
    let misspelt = || ErrorKind::BadNumber(shorten(text));
    let out_of_range = || ErrorKind::NumberOutOfRange(shorten(text));
    let digits: String = text.chars().filter(|&c| c != '_').collect();
    let (radix, digits) = match digits.get(..2) {
        Some("0x" | "0X") => (16, &digits[2..]),
        Some("0b" | "0B") => (2, &digits[2..]),
        _ => (10, digits.as_str()),
    };
    if !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix)) {
        let magnitude = u64::from_str_radix(digits, radix).map_err(|_| out_of_range())?;
        let value = if negative {
            -i128::from(magnitude)
        } else {
            i128::from(magnitude)
        };
        return i64::try_from(value)
            .map(Number::Int)
            .map_err(|_| out_of_range());
    }
    let is_float = radix == 10
        && digits
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
    if !is_float {
        return Err(misspelt());
    }
    let value: f64 = digits.parse().map_err(|_| misspelt())?;
    if !value.is_finite() {
        return Err(out_of_range());
    }
    Ok(Number::Float(if negative { -value } else { value }))
}

/// The text of a string token, quotes included, with its escapes resolved.
/// The error's range is relative to the token.
pub(crate) fn unescape(token: &str) -> Result<String, (ErrorKind, std::ops::Range<usize>)> {
    let body_end = token.len() - 1;
    let mut text = String::with_capacity(token.len());
    let mut rest = 1;
    while let Some(found) = token[rest..body_end].find('\\') {
        let at = rest + found;
        text.push_str(&token[rest..at]);
        let (c, length) = escape(&token[at..body_end]).map_err(|length| {
            (
                ErrorKind::BadEscape(shorten(&token[at..at + length])),
                at..at + length,
            )
        })?;
        text.push(c);
        rest = at + length;
    }
    text.push_str(&token[rest..body_end]);
    Ok(text)
}

/// The character of the escape at the start of `text`, and its length; the
/// length of what is wrong, if it is none.
fn escape(text: &str) -> Result<(char, usize), usize> {
    let letter = text[1..].chars().next().ok_or(1usize)?;
    let simple = match letter {
        'n' => '\n',
        't' => '\t',
        '"' => '"',
        '\\' => '\\',
        'u' => {
            let Some(digits) = text[2..].strip_prefix('{') else {
                return Err(2);
            };
            let Some(length) = digits.find('}') else {
                return Err(3);
            };
            let whole = 3 + length + 1;
            let valid = (1..=6).contains(&length)
                && digits[..length].chars().all(|c| c.is_ascii_hexdigit());
            let code = if valid {
                u32::from_str_radix(&digits[..length], 16).ok()
            } else {
                None
            };
            return code
                .and_then(char::from_u32)
                .map(|c| (c, whole))
                .ok_or(whole);
        }
        other => return Err(1 + other.len_utf8()),
    };
    Ok((simple, 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(number("1_000", false), Ok(Number::Int(1000)));
        assert_eq!(number("0xff", true), Ok(Number::Int(-255)));
        assert_eq!(number("0b101", false), Ok(Number::Int(5)));
        assert_eq!(
            number("9223372036854775808", true),
            Ok(Number::Int(i64::MIN))
        );
        assert!(matches!(
            number("9223372036854775808", false),
            Err(ErrorKind::NumberOutOfRange(_))
        ));
        assert_eq!(number("1.5e-3", false), Ok(Number::Float(0.0015)));
        assert_eq!(number("2e3", false), Ok(Number::Float(2000.0)));
        assert!(matches!(
            number("1e999", false),
            Err(ErrorKind::NumberOutOfRange(_))
        ));
        for bad in ["12ab", "0x", "1e", "0b12", "0x1.5", "1.5.2e"] {
            assert!(
                matches!(number(bad, false), Err(ErrorKind::BadNumber(_))),
                "{bad}"
            );
        }
    }

    #[test]
    fn escapes() {
        assert_eq!(
            unescape(r#""a\n\t\"\\\u{e9}z""#).as_deref(),
            Ok("a\n\t\"\\éz")
        );
        for (bad, range) in [
            (r#""a\q""#, 2..4),
            (r#""\u{110000}""#, 1..11),
            (r#""\u{12""#, 1..4),
            (r#""\u{}""#, 1..5),
            (r#""\é""#, 1..4),
        ] {
            assert_eq!(unescape(bad).map_err(|(_, at)| at), Err(range), "{bad}");
        }
    }

    #[test]
    fn dots_of_a_range_are_no_fraction() {
        let mut sink = Sink::default();
        let kinds: Vec<Tok> = lex("1..2 1.5..x", &mut sink)
            .iter()
            .map(|t| t.tok)
            .collect();
        use Tok::*;
        assert_eq!(kinds, [Number, DotDot, Number, Number, DotDot, Name, End]);
        assert!(sink.is_empty());
    }
}
