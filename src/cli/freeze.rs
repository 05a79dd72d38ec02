//! `clinpipe freeze` and `unfreeze`: toggle `frozen` in the pipeline file, leaving every other byte as it is.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use clap::Args;

use super::args::Global;
use super::checkout::output_path;
use super::error::UsageError;
use super::exit::Exit;
use super::output::Output;
use super::project::Opened;
use crate::config::{ConfigError, ConfigErrors, Source, edit};
use crate::util::{RelPath, atomic_write};

/// `freeze`, `unfreeze`.
#[derive(Debug, Args)]
pub struct FreezeArgs {
    /// Stages; the members of a `foreach` or `matrix` are frozen together.
    #[arg(required = true)]
    pub stages: Vec<String>,
}

pub(super) fn run(global: &Global, args: &FreezeArgs, frozen: bool, output: &Output) -> anyhow::Result<Exit> {
    let opened = Opened::load(global, &[])?;
    let mut files: BTreeMap<RelPath, Source> = BTreeMap::new();
    let mut changed: BTreeSet<RelPath> = BTreeSet::new();
    let mut told: BTreeSet<(RelPath, String)> = BTreeSet::new();
    let (mut done, mut faults): (Vec<String>, Vec<ConfigError>) = Default::default();
    for (file, local) in entries(&opened, &args.stages)? {
        let source = match files.remove(&file) {
            Some(source) => source,
            None => read(&opened, &file)?,
        };
        let entry = edit::entry_name(&source, &local)?.unwrap_or(&local).to_owned();
        let address = opened.project.pipeline.address(&file, &entry).0;
        let edited = edit::set_frozen(&source, &entry, frozen);
        let is_first = told.insert((file.clone(), entry.clone()));
        let source = match edited {
            Ok(Some(text)) => {
                changed.insert(file.clone());
                done.push(told_text(&address, entry != local, frozen));
                Source { text, ..source }
            }
            Ok(None) => {
                if is_first {
                    let state = if frozen { "frozen" } else { "not frozen" };
                    done.push(format!("{address} is {state} already"));
                }
                source
            }
            Err(ConfigErrors(errors)) => {
                faults.extend(errors.into_iter().filter(|_| is_first));
                source
            }
        };
        files.insert(file, source);
    }
    if !faults.is_empty() {
        return Err(ConfigErrors(faults).into());
    }
    for file in changed {
        write(&opened, &file, &files[&file].text)?;
    }
    for text in done {
        output.talk(&text);
    }
    Ok(Exit::Done)
}

/// The pipeline file of each named stage, and its name there.
fn entries(opened: &Opened, targets: &[String]) -> anyhow::Result<Vec<(RelPath, String)>> {
    let mut found = Vec::new();
    for target in targets {
        let names = opened.graph.resolve(target)?;
        if output_path(opened, &names, target).is_some() {
            let owner = names.first().map_or_else(String::new, |name| format!("name the stage that writes it: {name}"));
            return Err(UsageError::new(format!("`{target}` is an output, not a stage"), owner).into());
        }
        for stage in names.iter().map(|name| &opened.project.pipeline.stages[name]) {
            found.push((stage.file.clone(), stage.local.clone()));
        }
    }
    Ok(found)
}

fn told_text(entry: &str, is_group: bool, frozen: bool) -> String {
    let verb = if frozen { "froze" } else { "unfroze" };
    let members = if is_group { ", all members of the group" } else { "" };
    format!("{verb} {entry}{members}")
}

fn read(opened: &Opened, file: &RelPath) -> anyhow::Result<Source> {
    let source = Source::read(&opened.project.pipeline.root, file).map_err(ConfigErrors::from)?;
    source.with_context(|| format!("{file} has vanished"))
}

fn write(opened: &Opened, file: &RelPath, text: &str) -> anyhow::Result<()> {
    let path = file.under(&opened.project.pipeline.root);
    // A byte order mark is not part of the text that was read, but of the bytes that stay.
    let had_mark = std::fs::read(&path).is_ok_and(|bytes| bytes.starts_with("\u{feff}".as_bytes()));
    let text = if had_mark { format!("\u{feff}{text}") } else { text.to_owned() };
    atomic_write::replace(&path, text.as_bytes()).with_context(|| format!("cannot write {file}"))
}
