//! Whether to print in colours: on a terminal, unless NO_COLOR is set.

use std::env;
use std::ffi::OsStr;
use std::io::{self, IsTerminal};

use trace_tools::paint::Paint;

/// The paint for standard output.
pub(super) fn paint() -> Paint {
    let (no_color, term) = (env::var_os("NO_COLOR"), env::var_os("TERM"));
    Paint::new(wanted(
        io::stdout().is_terminal(),
        no_color.as_deref(),
        term.as_deref(),
    ))
}

/// As no-color.org has it, NO_COLOR counts if it is there and not empty.
fn wanted(terminal: bool, no_color: Option<&OsStr>, term: Option<&OsStr>) -> bool {
    terminal && no_color.is_none_or(OsStr::is_empty) && term != Some(OsStr::new("dumb"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_need_a_terminal_and_nobody_against() {
        let os = |text: &'static str| Some(OsStr::new(text));
        for (terminal, no_color, term, colors) in [
            (true, None, os("xterm"), true),
            (true, None, None, true),
            (true, os(""), os("xterm"), true),
            (true, os("1"), os("xterm"), false),
            (true, None, os("dumb"), false),
            (false, None, os("xterm"), false),
        ] {
            assert_eq!(
                wanted(terminal, no_color, term),
                colors,
                "{no_color:?} {term:?}"
            );
        }
    }
}
