//! `clinpipe dag`: the graph, drawn or as data.

use clap::{Args, ValueEnum};

use super::args::Global;
use super::exit::Exit;
use super::output::Output;
use super::project::Opened;
use crate::graph::{Drawing, Format, Matching, Selection, render, to_json};

/// `dag`.
#[derive(Debug, Args)]
pub struct DagArgs {
    /// Only these stages, or the outputs they write, and what they need.
    pub targets: Vec<String>,
    /// Everything connected with the targets; without one, the stages of every pipeline file.
    #[arg(long)]
    pub full: bool,
    /// How to draw it.
    #[arg(long, value_enum, default_value_t)]
    pub format: DagFormat,
    /// Short for --format dot.
    #[arg(long, conflicts_with = "format")]
    pub dot: bool,
    /// Short for --format mermaid.
    #[arg(long, conflicts_with_all = ["format", "dot"])]
    pub mermaid: bool,
    /// Draw Mermaid in a fenced block, to paste into Markdown.
    #[arg(long, conflicts_with_all = ["format", "dot", "mermaid"])]
    pub md: bool,
    /// Draw outputs instead of stages.
    #[arg(short, long)]
    pub outs: bool,
    /// Draw the members of each foreach or matrix as one node.
    #[arg(long, conflicts_with = "outs")]
    pub collapse: bool,
}

/// How to draw the graph.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum DagFormat {
    /// For the terminal.
    #[default]
    Ascii,
    /// Graphviz.
    Dot,
    /// Mermaid, for Markdown.
    Mermaid,
    /// For programs.
    Json,
}

pub(super) fn run(global: &Global, args: &DagArgs, output: &Output) -> anyhow::Result<Exit> {
    let Opened { project, graph, .. } = Opened::load(global, &[])?;
    let reach = match (args.full, args.targets.is_empty()) {
        (true, true) => Selection::All,
        (true, false) => Selection::Component,
        _ => Selection::Upstream,
    };
    let stages = graph.select(&args.targets, reach, Matching::Exact)?;
    let format = args.chosen();
    if format == Format::Json && !args.outs && !args.collapse {
        output.json(&to_json(&project.pipeline, &graph, &stages))?;
        return Ok(Exit::Done);
    }
    let drawing = match (args.outs, args.collapse) {
        (true, _) => Drawing::of_outputs(&project.pipeline, &graph, &stages),
        (_, true) => Drawing::of_stages(&graph, &stages).collapsed(),
        _ => Drawing::of_stages(&graph, &stages),
    };
    let text = render(&drawing, format);
    match format {
        Format::Ascii => output.data(&text)?,
        _ if args.md => output.exact(format!("```mermaid\n{text}```\n").as_bytes())?,
        _ => output.exact(text.as_bytes())?,
    }
    Ok(Exit::Done)
}

impl DagArgs {
    fn chosen(&self) -> Format {
        match self.format {
            _ if self.dot => Format::Dot,
            _ if self.mermaid || self.md => Format::Mermaid,
            DagFormat::Ascii => Format::Ascii,
            DagFormat::Dot => Format::Dot,
            DagFormat::Mermaid => Format::Mermaid,
            DagFormat::Json => Format::Json,
        }
    }
}
