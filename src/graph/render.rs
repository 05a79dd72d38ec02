//! The graph as text: rails for a terminal, JSON, Graphviz, Mermaid. Deterministic; ends with a newline.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::build::Graph;
use super::rails;
use crate::config::{Pipeline, StageName};

/// How to draw a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One line per stage, edges as rails.
    Ascii,
    /// [`to_json`], indented.
    Json,
    /// Graphviz.
    Dot,
    /// Mermaid.
    Mermaid,
}

/// Draws the stages of a selection (in topological order) and the edges between them.
pub fn render(pipeline: &Pipeline, graph: &Graph, stages: &[StageName], format: Format) -> String {
    match format {
        Format::Ascii => rails::draw(graph, stages),
        Format::Json => format!("{:#}\n", to_json(pipeline, graph, stages)),
        Format::Dot => dot(graph, stages),
        Format::Mermaid => mermaid(graph, stages),
    }
}

/// `{"stages": [{"name", "deps", "outs"}], "edges": [[producer, consumer]]}`; stages in topological order, paths in
/// declared order.
pub fn to_json(pipeline: &Pipeline, graph: &Graph, stages: &[StageName]) -> Value {
    let stage = |name: &StageName| {
        let stage = pipeline.stages.get(name)?;
        let deps: Vec<&str> = stage.deps.iter().map(|dep| dep.path.as_str()).collect();
        let outs: Vec<&str> = stage.outs.iter().map(|output| output.path.as_str()).collect();
        Some(json!({"name": name.0, "deps": deps, "outs": outs}))
    };
    let edges: Vec<[&str; 2]> = inner_edges(graph, stages).map(|(from, to)| [from.0.as_str(), to.0.as_str()]).collect();
    json!({"stages": stages.iter().filter_map(stage).collect::<Vec<_>>(), "edges": edges})
}

fn inner_edges<'a>(graph: &'a Graph, stages: &[StageName]) -> impl Iterator<Item = (&'a StageName, &'a StageName)> {
    graph.edges().into_iter().filter(|(from, to)| stages.contains(from) && stages.contains(to))
}

fn dot(graph: &Graph, stages: &[StageName]) -> String {
    let quoted = |name: &StageName| format!("\"{}\"", name.0.replace('\\', "\\\\").replace('"', "\\\""));
    let mut text = String::from("strict digraph {\n");
    for stage in stages {
        let _ = writeln!(text, "  {};", quoted(stage));
    }
    for (from, to) in inner_edges(graph, stages) {
        let _ = writeln!(text, "  {} -> {};", quoted(from), quoted(to));
    }
    text.push_str("}\n");
    text
}

fn mermaid(graph: &Graph, stages: &[StageName]) -> String {
    let id = |name: &StageName| stages.iter().position(|stage| stage == name).map_or(0, |at| at + 1);
    let mut text = String::from("flowchart TD\n");
    for stage in stages {
        let _ = writeln!(text, "  node{}[\"{}\"]", id(stage), stage.0.replace('"', "#quot;"));
    }
    for (from, to) in inner_edges(graph, stages) {
        let _ = writeln!(text, "  node{} --> node{}", id(from), id(to));
    }
    text
}
