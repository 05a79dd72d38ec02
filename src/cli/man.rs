//! `clinpipe man`: manual pages, made of the same texts as `--help`. They carry no date: equal programs give equal
//! pages.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;

use super::args::Cli;
use super::exit::Exit;
use super::output::Output;
use crate::util::atomic_write;

/// `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write a page for the program and one for every command into this directory; created when missing.
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

pub(super) fn run(args: &ManArgs, output: &Output) -> anyhow::Result<Exit> {
    let mut command = Cli::command();
    command.build();
    let Some(dir) = &args.output else {
        output.exact(&page(&command)?)?;
        return Ok(Exit::Done);
    };
    let dir = std::path::absolute(dir)?;
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let mut pages = Vec::new();
    collect(&command, &mut pages)?;
    for (name, text) in &pages {
        let path = dir.join(format!("{name}.1"));
        atomic_write::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    output.talk(&format!("wrote {} pages into {}", pages.len(), dir.display()));
    Ok(Exit::Done)
}

/// The page of a command and those of its subcommands, by name: `clinpipe-metrics-diff`.
fn collect(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> anyhow::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    pages.push((name.to_owned(), page(command)?));
    for below in command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help") {
        collect(below, pages)?;
    }
    Ok(())
}

fn page(command: &Command) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    Man::new(command.clone()).render(&mut text)?;
    Ok(text)
}
