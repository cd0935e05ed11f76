//! What of a Rust file the compiler reads: neither comments nor how blank the
//! space between two words is. So nothing has to be run again for a better
//! comment.
//!
//! One thing in comments counts: whether there is a reason why no model notices
//! an ordering, which `cargo xtask loom --mutants` looks for.

/// What such a reason begins with.
const REASON: &[u8] = b"mutant:";

/// The text without comments, and with one blank for any blank space outside of
/// strings.
pub(super) fn words(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(&first) = rest.first() {
        let (taken, is_code) = match first {
            b'/' if rest.starts_with(b"//") => (line(rest), false),
            b'/' if rest.starts_with(b"/*") => (block(rest), false),
            b'"' => (string(rest, 0), true),
            b'\'' => (character(rest), true),
            _ if first.is_ascii_whitespace() => (1, false),
            _ if is_of_word(first) => (word(rest), true),
            _ => (1, true),
        };
        let (these, after) = rest.split_at(taken);
        if is_code {
            out.extend_from_slice(these);
        } else if out.last().is_some_and(|last| *last != b' ') {
            out.push(b' ');
        }
        if these.starts_with(b"//") && these.windows(REASON.len()).any(|it| it == REASON) {
            out.extend_from_slice(REASON);
        }
        rest = after;
    }
    out.truncate(out.trim_ascii_end().len());
    out
}

/// How long the comment is that begins here and ends with its line.
fn line(text: &[u8]) -> usize {
    let end = text.iter().position(|byte| *byte == b'\n');
    end.unwrap_or(text.len())
}

/// The same of one that has an end of its own, and may hold others.
fn block(text: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        let step = match &text[at..] {
            [b'/', b'*', ..] => {
                depth += 1;
                2
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                2
            }
            _ => 1,
        };
        at += step;
        if depth == 0 {
            break;
        }
    }
    at
}

/// How long the word is that begins here, with the string that it may be the
/// beginning of: `r"…"`, `br#"…"#`.
fn word(text: &[u8]) -> usize {
    let end = text.iter().position(|byte| !is_of_word(*byte));
    let end = end.unwrap_or(text.len());
    let (word, after) = text.split_at(end);
    let is_raw = matches!(word, b"r" | b"br" | b"cr");
    let marks = after.iter().take_while(|byte| **byte == b'#').count();
    match is_raw && after.get(marks) == Some(&b'"') {
        true => end + marks + raw(&after[marks..], marks),
        false => end,
    }
}

/// How long the raw string is that begins here with its quote.
fn raw(text: &[u8], marks: usize) -> usize {
    let is_end = |at: &usize| {
        let after = text.get(at + 1..at + 1 + marks);
        text[*at] == b'"' && after.is_some_and(|after| after.iter().all(|byte| *byte == b'#'))
    };
    let end = (1..text.len()).find(is_end);
    end.map_or(text.len(), |end| end + 1 + marks)
}

/// How long the string or character is whose quote is at `from`.
fn string(text: &[u8], from: usize) -> usize {
    let quote = text[from];
    let mut at = from + 1;
    while at < text.len() && text[at] != quote {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(text.len())
}

/// How long the character is that begins here; of a lifetime, its quote.
fn character(text: &[u8]) -> usize {
    let inside = &text[1..];
    // Of one of several bytes the first tells how many.
    let length = match inside.first() {
        Some(b'\\') => return string(text, 0),
        Some(0xf0..) => 4,
        Some(0xe0..) => 3,
        Some(0xc0..) => 2,
        _ => 1,
    };
    match inside.get(length) {
        Some(b'\'') => length + 2,
        _ => 1,
    }
}

fn is_of_word(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::root;
    use crate::tidy;

    fn of(text: &str) -> String {
        String::from_utf8(words(text.as_bytes())).unwrap()
    }

    #[test]
    fn what_is_left_of_a_text() {
        for (text, left) in [
            ("", ""),
            ("a b", "a b"),
            (
                "//! Why.\n\nfn f() {\n    // Say.\n    g();\n}\n",
                "fn f() { g(); }",
            ),
            ("a /* b /* c */ \" */ d", "a d"),
            ("a//b", "a"),
            ("a / b /c", "a / b /c"),
            // In strings nothing is a comment, and blanks are as they are.
            (r#"f("//  x", 1) // y"#, r#"f("//  x", 1)"#),
            (r#"f("\"//", "\\") // y"#, r#"f("\"//", "\\")"#),
            (r##"r#"// " "# // y"##, r##"r#"// " "#"##),
            (r##"br"\" // y"##, r##"br"\""##),
            (r##"r#type // " y"##, r##"r#type"##),
            (r##"for"/*" x"##, r##"for"/*" x"##),
            // A quote in a character is none, and neither is a lifetime's.
            (r#"'"' // y"#, r#"'"'"#),
            (r#"b'\'' // y"#, r#"b'\''"#),
            (r#"'\u{22}' // y"#, r#"'\u{22}'"#),
            (r#"'…' 'é' // '"#, r#"'…' 'é'"#),
            (r#"&'a str /* ' */ + 'b"#, r#"&'a str + 'b"#),
            // What ends too early is no reason to fall over.
            ("\"a\\", "\"a\\"),
            ("/* a", ""),
            ("r#\"a\"", "r#\"a\""),
            ("'", "'"),
        ] {
            assert_eq!(of(text), left, "{text}");
        }
    }

    #[test]
    fn that_there_is_a_reason_counts() {
        let with = |comment: &str| of(&format!("f(\n    // {comment}\n    Acquire,\n);"));
        assert_eq!(with("pairs with g"), "f( Acquire, );");
        assert_eq!(with("mutant: this."), "f( mutant: Acquire, );");
        assert_eq!(with("mutant: this."), with("mutant: that."));
    }

    /// In every file of the project: a comment at the end is one, and a function
    /// is not. A string that was taken for another's end would hide either.
    #[test]
    fn no_file_leads_it_astray() {
        let files = tidy::rust_files(&root().join("xtask")).unwrap();
        let others = [
            "crates",
            "runtime-trace",
            "tests",
            "vm",
            "fuzz/fuzz_targets",
        ];
        let others = others.map(|folder| tidy::rust_files(&root().join(folder)).unwrap());
        let mut count = 0;
        for path in files.iter().chain(others.iter().flatten()) {
            let text = std::fs::read_to_string(path).unwrap();
            let plain = of(&text);
            assert!(plain.len() <= text.len());
            let more = format!("{text}\n// \" ' {{\nfn more() {{ \" // \" }}\n");
            let expected = format!("{plain} fn more() {{ \" // \" }}");
            assert_eq!(of(&more), expected, "{}", path.display());
            assert_eq!(of(&plain), plain, "{}", path.display());
            count += 1;
        }
        assert!(count > 300, "{count} files");
    }
}
