//! `clinpipe lineage FILE`: from an artifact back to the raw data.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::Args;

use super::args::Global;
use super::error::UsageError;
use super::exit::Exit;
use super::output::Output;
use super::project::Opened;
use crate::graph::{Drawing, Format, render};
use crate::plan::{Artifact, Lineage, LineageError, State, Step};
use crate::util::human;

/// `lineage`.
#[derive(Debug, Args)]
pub struct LineageArgs {
    /// An output, a file inside an output directory, an input, or the first digits of a digest.
    #[arg(value_name = "FILE")]
    pub artifact: String,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
    /// Draw it for Graphviz.
    #[arg(long, conflicts_with = "json")]
    pub dot: bool,
}

/// Of a longer parameter only so many characters are shown; `--json` has it whole.
const VALUE_WIDTH: usize = 80;

pub(super) fn run(global: &Global, args: &LineageArgs, output: &Output) -> anyhow::Result<Exit> {
    let opened = Opened::load(global, &[])?;
    let workspace = opened.workspace();
    let lock = workspace.current_lock()?;
    let lineage = workspace.lineage(&lock, &args.artifact).map_err(|error| match error {
        LineageError::Input(error) => anyhow::Error::new(error),
        error => {
            let help = "name what a stage of the lock reads or writes; `clinpipe repro` records new stages";
            UsageError::new(error.to_string(), help).into()
        }
    })?;
    for artifact in std::iter::once(&lineage.artifact).chain(&lineage.raw) {
        if let State::Changed = artifact.state {
            output.talk(&format!("note: {} has changed since: the lock does not vouch for its bytes", artifact.path));
        }
    }
    if args.json {
        output.json(&lineage)?;
    } else if args.dot {
        output.exact(render(&drawing(&lineage), Format::Dot).as_bytes())?;
    } else {
        output.data(&text(&lineage))?;
    }
    Ok(Exit::Done)
}

fn text(lineage: &Lineage) -> String {
    let mut text = format!("{}\n", described(&lineage.artifact));
    for step in &lineage.stages {
        text.push('\n');
        add_step(&mut text, step);
    }
    // Writing to a string cannot fail.
    let _ = if lineage.raw.is_empty() {
        writeln!(text, "\nno raw data: the first stages read nothing")
    } else {
        writeln!(text, "\nraw data")
    };
    for artifact in &lineage.raw {
        let _ = writeln!(text, "  {}", described(artifact).replace('\n', "\n  "));
    }
    text
}

fn described(artifact: &Artifact) -> String {
    let files = artifact.record.count.map(|count| format!(" in {} files", human::count(count))).unwrap_or_default();
    let state = match artifact.state {
        State::Vouched => "as in the lock",
        State::Changed => "CHANGED since: these are not the bytes in the workspace",
        State::Missing => "not in the workspace",
    };
    let (path, record) = (&artifact.path, &artifact.record);
    format!("{path}\n  blake3 {}, {} bytes{files}, {state}", record.digest, human::count(record.size))
}

fn add_step(text: &mut String, step: &Step) {
    let _ = writeln!(text, "{}: {}", step.stage, step.cmd.join("; ").replace('\n', "\\n"));
    let _ = writeln!(text, "  key {}", step.key);
    for (name, value) in &step.env {
        let _ =
            writeln!(text, "  env {name}{}", value.as_ref().map_or(" unset".to_owned(), |value| format!("={value}")));
    }
    for (file, keys) in &step.params {
        for (key, value) in keys {
            let _ = writeln!(text, "  {file}:{key} = {}", human::brief(&value.to_string(), VALUE_WIDTH));
        }
    }
    let width = step.inputs.iter().map(|input| input.path.as_str().chars().count()).max().unwrap_or(0);
    for input in &step.inputs {
        let digest = input.digest.map_or("absent".to_owned(), |digest| digest.short());
        let names: Vec<&str> = input.from.iter().map(|name| name.0.as_str()).collect();
        let from = if names.is_empty() { "raw".to_owned() } else { format!("from {}", names.join(", ")) };
        let origin = if input.digest.is_some() { format!("  {from}") } else { String::new() };
        let _ = writeln!(text, "  reads {:width$}  {digest}{origin}", input.path.as_str());
    }
    for note in &step.notes {
        let _ = writeln!(text, "  NOTE: {note}");
    }
}

/// Files and stages as nodes; stages carry a mark, so that one never shares its node with a file.
fn drawing(lineage: &Lineage) -> Drawing {
    let mut nodes: BTreeMap<String, usize> = BTreeMap::new();
    let mut drawing = Drawing::default();
    let mut edges = Vec::new();
    let mut node = |name: String, drawing: &mut Drawing| {
        let next = drawing.nodes.len();
        *nodes.entry(name.clone()).or_insert_with(|| {
            drawing.nodes.push(name);
            next
        })
    };
    let artifact = node(lineage.artifact.path.to_string(), &mut drawing);
    for (at, step) in lineage.stages.iter().enumerate() {
        let stage = node(format!("[{}]", step.stage), &mut drawing);
        if at == 0 {
            edges.push((stage, artifact));
        }
        for input in step.inputs.iter().filter(|input| input.digest.is_some()) {
            let file = node(input.path.to_string(), &mut drawing);
            edges.push((file, stage));
            for producer in &input.from {
                edges.push((node(format!("[{producer}]"), &mut drawing), file));
            }
        }
    }
    drawing.edges = edges.into_iter().collect();
    drawing
}
