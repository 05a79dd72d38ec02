//! A drawing as text: rails for a terminal, JSON, Graphviz, Mermaid. Deterministic; ends with a newline.
//!
//! Graphviz and Mermaid list nodes by name, so that a diagram kept under version control does not change when stages
//! trade places in the pipeline file.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::build::Graph;
use super::drawing::Drawing;
use super::rails;
use crate::config::{Pipeline, StageName};

/// How to draw a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One line per node, edges as rails.
    Ascii,
    /// `{"nodes", "edges"}`, indented.
    Json,
    /// Graphviz.
    Dot,
    /// Mermaid.
    Mermaid,
}

/// Draws.
pub fn render(drawing: &Drawing, format: Format) -> String {
    match format {
        Format::Ascii => rails::draw(drawing),
        Format::Json => format!("{:#}\n", json!({"nodes": drawing.nodes, "edges": named_edges(drawing)})),
        Format::Dot => dot(drawing),
        Format::Mermaid => mermaid(drawing),
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
    let drawing = Drawing::of_stages(graph, stages);
    json!({"stages": stages.iter().filter_map(stage).collect::<Vec<_>>(), "edges": named_edges(&drawing)})
}

fn named_edges(drawing: &Drawing) -> Vec<[&str; 2]> {
    let name = |at: usize| drawing.nodes[at].as_str();
    drawing.edges.iter().map(|&(from, to)| [name(from), name(to)]).collect()
}

fn dot(drawing: &Drawing) -> String {
    let quoted = |name: &str| {
        format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\r', ""))
    };
    let mut text = String::from("strict digraph {\n");
    for name in drawing.nodes.iter().collect::<BTreeSet<_>>() {
        let _ = writeln!(text, "  {};", quoted(name));
    }
    for [from, to] in named_edges(drawing).into_iter().collect::<BTreeSet<_>>() {
        let _ = writeln!(text, "  {} -> {};", quoted(from), quoted(to));
    }
    text.push_str("}\n");
    text
}

fn mermaid(drawing: &Drawing) -> String {
    let mut sorted: Vec<usize> = (0..drawing.nodes.len()).collect();
    sorted.sort_by_key(|&at| &drawing.nodes[at]);
    let mut id = vec![0; sorted.len()];
    let mut text = String::from("flowchart TD\n");
    for (rank, &at) in sorted.iter().enumerate() {
        id[at] = rank + 1;
        let _ = writeln!(text, "  node{}[\"{}\"]", rank + 1, entities(&drawing.nodes[at]));
    }
    for (from, to) in drawing.edges.iter().map(|&(from, to)| (id[from], id[to])).collect::<BTreeSet<_>>() {
        let _ = writeln!(text, "  node{from} --> node{to}");
    }
    text
}

/// Mermaid spells what it would interpret as `#code;`.
fn entities(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for character in name.chars() {
        match character {
            '"' | '#' | '<' | '>' | '&' | '`' | ';' | '\\' | '\n' | '\r' => {
                let _ = write!(text, "#{};", u32::from(character));
            }
            plain => text.push(plain),
        }
    }
    text
}
