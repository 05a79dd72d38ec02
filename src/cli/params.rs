//! `clinpipe params diff`: what changed in the parameters.

use std::collections::{BTreeMap, BTreeSet};

use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use super::args::Global;
use super::compare::{CompareArgs, Side};
use super::exit::Exit;
use super::output::Output;
use super::project::Opened;
use crate::config::parse_value;
use crate::metrics::{Compare, MetricsSet, diff};
use crate::util::RelPath;

/// `params`.
#[derive(Debug, Subcommand)]
pub enum ParamsCommand {
    /// Compare parameters between two git revisions, or one and the workspace.
    Diff(ParamsDiffArgs),
}

/// `params diff`.
#[derive(Debug, Args)]
pub struct ParamsDiffArgs {
    /// What is compared, and how it is shown.
    #[command(flatten)]
    pub compare: CompareArgs,
    /// Only parameters that a stage declares under `params`.
    #[arg(long)]
    pub deps: bool,
}

/// File → dotted keys; `None` = the whole file.
type Sources = BTreeMap<RelPath, Option<BTreeSet<String>>>;

pub(super) fn run(global: &Global, command: &ParamsCommand, output: &Output) -> anyhow::Result<Exit> {
    let ParamsCommand::Diff(args) = command;
    let opened = Opened::load(global, &[])?;
    let (sides, notes) = args.compare.sides(&opened)?;
    let sources = match args.compare.target_files()? {
        files if files.is_empty() => sources(&sides, args.deps),
        files => files.into_iter().map(|file| (file, None)).collect(),
    };
    let [old, new] = &sides;
    let changes = diff(&state(old, &sources, args)?, &state(new, &sources, args)?, Compare::params(args.compare.all));
    for note in notes.iter().chain(&changes.notes) {
        output.talk(&format!("note: {note}"));
    }
    if args.compare.json {
        output.json(&changes)?;
    } else {
        output.data(&args.compare.text(&changes, "Param", &[]))?;
    }
    Ok(Exit::Done)
}

/// What the pipelines of both states name: with `deps` the declared keys, otherwise every parameter file whole, for
/// `${…}` may use any of its values.
fn sources(sides: &[Side<'_>; 2], deps: bool) -> Sources {
    let mut sources = Sources::new();
    for opened in sides.iter().filter_map(Side::project) {
        for source in opened.project.pipeline.stages.values().flat_map(|stage| &stage.params) {
            let known = sources.entry(source.file.clone()).or_insert_with(|| Some(BTreeSet::new()));
            match (known.as_mut(), &source.keys) {
                (Some(known), Some(keys)) => known.extend(keys.iter().cloned()),
                _ => *known = None,
            }
        }
        if !deps {
            let listed = opened.project.params.paths().chain(&opened.project.pipeline.params);
            sources.extend(listed.map(|file| (file.clone(), None)));
        }
    }
    sources
}

/// One state of the sources; values of `vars` that stand in the pipeline file count as its parameters.
fn state(side: &Side<'_>, sources: &Sources, args: &ParamsDiffArgs) -> anyhow::Result<MetricsSet> {
    let files: BTreeSet<RelPath> = sources.keys().cloned().collect();
    let mut set = side.documents(&files)?;
    for (file, keys) in sources {
        let Some(keys) = keys else { continue };
        if let Some(Ok(document)) = set.get_mut(file.as_str()) {
            *document = keys.iter().filter_map(|key| Some((key.clone(), lookup(document, key)?.clone()))).collect();
        }
    }
    if !args.deps && args.compare.targets.is_empty() {
        set.extend(inline(side)?);
    }
    Ok(set)
}

/// The mappings under `vars` of the pipeline files.
fn inline(side: &Side<'_>) -> anyhow::Result<MetricsSet> {
    let mut set = MetricsSet::new();
    let Some(opened) = side.project() else { return Ok(set) };
    for file in opened.project.pipeline.files() {
        let text = side.bytes(file)?.unwrap_or_default();
        let document = parse_value(&String::from_utf8_lossy(&text), file.as_str()).unwrap_or_default();
        let vars = document.get("vars").and_then(Value::as_array).into_iter().flatten();
        let values: Map<String, Value> =
            vars.filter_map(Value::as_object).flatten().map(|(key, value)| (key.clone(), value.clone())).collect();
        if !values.is_empty() {
            set.insert(file.to_string(), Ok(Value::Object(values)));
        }
    }
    Ok(set)
}

fn lookup<'a>(document: &'a Value, key: &str) -> Option<&'a Value> {
    key.split('.').try_fold(document, |value, part| match value {
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        value => value.get(part),
    })
}
