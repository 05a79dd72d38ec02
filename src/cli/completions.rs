//! `clinpipe completions SHELL`: a script that completes commands and options.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::args::Cli;
use super::exit::Exit;
use super::output::Output;

/// `completions`.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs, output: &Output) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "clinpipe", &mut script);
    output.exact(&script)?;
    Ok(Exit::Done)
}
