//! `rtrace`: looks at execution traces. One file a command, in `cli/`.

#![forbid(unsafe_code)]
#![warn(unreachable_pub)]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
