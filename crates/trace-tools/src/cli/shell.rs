//! `rtrace completions` and `rtrace man`: what a shell and `man` know of the
//! command line, made from its definition.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use trace_tools::ToolError;

use crate::cli::unfinished::Unfinished;
use crate::cli::{Cli, output};

/// Print what a shell needs to complete commands
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  source <(rtrace completions bash)
  rtrace completions zsh > ~/.zfunc/_rtrace
  rtrace completions fish > ~/.config/fish/completions/rtrace.fish")]
pub(super) struct Completions {
    /// Which shell
    shell: Shell,
}

pub(super) fn completions(options: &Completions) -> Result<ExitCode, ToolError> {
    // The generator panics if its output fails; a `Vec` does not.
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Cli::command(), "rtrace", &mut script);
    print(&script)
}

/// Print the manual page, or write one for each command
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  rtrace man | man -l -
  rtrace man ~/.local/share/man/man1")]
pub(super) struct Man {
    /// The folder that rtrace.1, rtrace-check.1 and so on are written to
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

pub(super) fn man(options: &Man) -> Result<ExitCode, ToolError> {
    let Some(folder) = &options.folder else {
        return print(&page(definition())?);
    };
    let mut cli = definition();
    cli.build();
    let commands: Vec<_> = cli.get_subcommands().cloned().collect();
    for command in std::iter::once(cli).chain(commands) {
        let name = command.get_display_name().unwrap_or(command.get_name());
        let path = folder.join(format!("{name}.1"));
        let mut file = Unfinished::create(&path)?;
        file.write_all(&page(command)?)?;
        file.finish()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The command line, without `help`, which has no page.
fn definition() -> clap::Command {
    Cli::command().disable_help_subcommand(true)
}

fn page(command: clap::Command) -> Result<Vec<u8>, ToolError> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    Ok(page)
}

fn print(text: &[u8]) -> Result<ExitCode, ToolError> {
    let mut out = output();
    out.write_all(text)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
