//! `rtrace`: looks at execution traces. One file a command, in `cli/`.

#![deny(unsafe_code)]
#![warn(unreachable_pub)]

#[allow(unsafe_code, reason = "that is how an allocator is written")]
mod allocator;
mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
