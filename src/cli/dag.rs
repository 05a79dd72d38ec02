//! `clinpipe dag`: the graph, drawn or as data.

use super::args::{DagArgs, DagFormat, Global};
use super::exit::Exit;
use super::output::Output;
use super::project::Opened;
use crate::graph::{Format, render};

pub(super) fn run(global: &Global, args: &DagArgs, output: &Output) -> anyhow::Result<Exit> {
    let Opened { project, graph, .. } = Opened::load(global, &[])?;
    let format = match args.format {
        DagFormat::Ascii => Format::Ascii,
        DagFormat::Dot => Format::Dot,
        DagFormat::Mermaid => Format::Mermaid,
        DagFormat::Json => Format::Json,
    };
    output.data(&render(&project.pipeline, &graph, graph.order(), format))?;
    Ok(Exit::Done)
}
