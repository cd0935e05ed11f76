//! When to print in colours.

use std::env;
use std::io::{self, IsTerminal};

use clap::ValueEnum;
use trace_tools::paint::Paint;

/// When to print in colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum When {
    /// On a terminal, if NO_COLOR is not set
    #[default]
    Auto,
    /// Always, whatever NO_COLOR says
    Always,
    /// Never
    Never,
}

impl When {
    /// For standard output.
    pub(super) fn paint(self) -> Paint {
        // As no-color.org has it: what matters is that it is there, and not empty.
        let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = || env::var_os("TERM").is_some_and(|term| term == "dumb");
        Paint::new(match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => io::stdout().is_terminal() && !set("NO_COLOR") && !dumb(),
        })
    }
}
