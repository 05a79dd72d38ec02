//! `clinpipe plots`: the plots of one or several states of the project, as a page or as Vega-Lite.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::args::Global;
use super::compare::{Side, side, target};
use super::error::UsageError;
use super::exit::Exit;
use super::output::Output;
use super::project::Opened;
use crate::config::{PlotDef, PlotSource};
use crate::plots::{Chart, Picture, Revision, chart, is_readable, page, spec};
use crate::util::{RelPath, atomic_write};

/// What the present state is called.
const WORKSPACE: &str = "workspace";

/// `plots`.
#[derive(Debug, Subcommand)]
pub enum PlotsCommand {
    /// Draw the plots of the workspace.
    Show(PlotsShowArgs),
    /// Draw the plots of several git revisions over each other.
    Diff(PlotsDiffArgs),
}

/// `plots show`.
#[derive(Debug, Args)]
pub struct PlotsShowArgs {
    /// Plots by id, or data files; every plot of the pipeline when none is given.
    pub targets: Vec<String>,
    /// How they are drawn, and where to.
    #[command(flatten)]
    pub how: PlotsArgs,
}

/// `plots diff`.
#[derive(Debug, Args)]
pub struct PlotsDiffArgs {
    /// Git revisions, or `workspace`; a single one is compared with the workspace.
    #[arg(default_value = "HEAD")]
    pub revs: Vec<String>,
    /// Plots by id, or data files; every plot of the pipeline when none is given.
    #[arg(long, value_name = "TARGET", num_args = 1..)]
    pub targets: Vec<String>,
    /// How they are drawn, and where to.
    #[command(flatten)]
    pub how: PlotsArgs,
}

/// How plots are drawn, and where to.
#[derive(Debug, Args)]
pub struct PlotsArgs {
    /// Write index.html into this directory; created when missing.
    #[arg(short, long, value_name = "DIR", default_value = "clinpipe_plots")]
    pub output: PathBuf,
    /// Print one JSON document with the Vega-Lite specification of every plot; write nothing.
    #[arg(long)]
    pub json: bool,
    /// Print the Vega-Lite specification of the one plot selected; write nothing.
    #[arg(long, conflicts_with = "json")]
    pub show_vega: bool,
    /// Draw by this template instead: linear, simple, scatter, smooth, confusion, confusion_normalized,
    /// bar_horizontal, bar_horizontal_sorted.
    #[arg(short, long, value_name = "NAME")]
    pub template: Option<String>,
    /// The column along the x axis.
    #[arg(short, value_name = "COLUMN")]
    pub x: Option<String>,
    /// The column along the y axis; may be given several times.
    #[arg(short, value_name = "COLUMN")]
    pub y: Vec<String>,
    /// The heading.
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// What stands at the x axis.
    #[arg(long, value_name = "TEXT")]
    pub x_label: Option<String>,
    /// What stands at the y axis.
    #[arg(long, value_name = "TEXT")]
    pub y_label: Option<String>,
    /// CSV and TSV files do not begin with the names of their columns.
    #[arg(long)]
    pub no_header: bool,
}

/// A state of the project and its name.
type Named<'a> = (String, Side<'a>);

pub(super) fn run(global: &Global, command: &PlotsCommand, output: &Output) -> anyhow::Result<Exit> {
    let opened = Opened::load(global, &[])?;
    let (names, targets, how) = match command {
        PlotsCommand::Show(args) => (vec![WORKSPACE.to_owned()], &args.targets, &args.how),
        PlotsCommand::Diff(args) => {
            let mut names = args.revs.clone();
            if names.len() == 1 && names[0] != WORKSPACE {
                names.push(WORKSPACE.to_owned());
            }
            (names, &args.targets, &args.how)
        }
    };
    if let Some(name) = how.template.as_deref().filter(|name| crate::plots::Template::named(name).is_none()) {
        let help = "one of linear, simple, scatter, smooth, confusion, confusion_normalized, bar_horizontal, \
                    bar_horizontal_sorted";
        return Err(UsageError::new(format!("there is no template `{name}`"), help).into());
    }
    let mut sides: Vec<Named<'_>> = Vec::new();
    for name in names {
        let state = side(&opened, Some(name.as_str()).filter(|name| *name != WORKSPACE))?;
        if let Some(note) = state.note() {
            output.talk(&format!("note: {note}"));
        }
        sides.push((name, state));
    }
    let mut charts = Vec::new();
    for plot in selected(&sides, targets)? {
        for mut plot in expanded(&sides, plot)? {
            how.apply(&mut plot);
            charts.push(drawn(&sides, &plot)?);
        }
    }
    how.answer(&charts, output)
}

/// The plots that targets select, or all; the later state's definition of a plot counts.
fn selected(sides: &[Named<'_>], targets: &[String]) -> anyhow::Result<Vec<PlotDef>> {
    let mut known: BTreeMap<String, Vec<PlotDef>> = BTreeMap::new();
    for (_, state) in sides.iter().rev() {
        for (id, plots) in state.project().map(definitions).unwrap_or_default() {
            known.entry(id).or_insert(plots);
        }
    }
    if targets.is_empty() {
        return Ok(known.into_values().flatten().collect());
    }
    let mut chosen = Vec::new();
    for text in targets {
        if let Some(plots) = known.get(text) {
            chosen.extend(plots.iter().cloned());
            continue;
        }
        let path = target(text)?;
        let is_below = |plot: &&PlotDef| plot.sources.iter().any(|source| source.file.is_within(&path));
        let below: Vec<PlotDef> = known.values().flatten().filter(is_below).cloned().collect();
        if !below.is_empty() {
            chosen.extend(below);
            continue;
        }
        let mut exists = false;
        for (_, state) in sides {
            exists = exists || state.bytes(&path)?.is_some();
        }
        if !exists {
            let ids = known.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            let help = if ids.is_empty() { "name a data file".to_owned() } else { format!("plots are {ids}") };
            return Err(UsageError::new(format!("there is no plot or file `{text}`"), help).into());
        }
        chosen.push(PlotDef::of(path));
    }
    Ok(chosen)
}

/// The plots of a pipeline by id. The top-level list says more about an out than the out itself.
fn definitions(opened: &Opened) -> BTreeMap<String, Vec<PlotDef>> {
    let pipeline = &opened.project.pipeline;
    let mut plots: BTreeMap<String, Vec<PlotDef>> = BTreeMap::new();
    for plot in pipeline.stages.values().flat_map(|stage| &stage.outs).flat_map(|out| &out.plots) {
        plots.entry(plot.id.clone()).or_default().push(plot.clone());
    }
    let mut listed: BTreeMap<String, Vec<PlotDef>> = BTreeMap::new();
    for plot in &pipeline.plots {
        listed.entry(plot.id.clone()).or_default().push(plot.clone());
    }
    plots.extend(listed);
    plots
}

/// A plot of a directory is one for each data file and image in it.
fn expanded(sides: &[Named<'_>], plot: PlotDef) -> anyhow::Result<Vec<PlotDef>> {
    let [PlotSource { file, x, y }] = plot.sources.as_slice() else { return Ok(vec![plot]) };
    if is_readable(file.as_str()) {
        return Ok(vec![plot]);
    }
    let mut files = std::collections::BTreeSet::new();
    for (_, state) in sides {
        files.extend(state.files_below(file)?.into_iter().filter(|file| is_readable(file.as_str())));
    }
    if files.is_empty() {
        return Ok(vec![plot]);
    }
    let one = |file: RelPath| PlotDef {
        id: file.to_string(),
        sources: vec![PlotSource { file, x: x.clone(), y: y.clone() }],
        style: plot.style.clone(),
    };
    Ok(files.into_iter().map(one).collect())
}

fn drawn(sides: &[Named<'_>], plot: &PlotDef) -> anyhow::Result<Chart> {
    let mut revisions = Vec::new();
    for (name, state) in sides {
        let files = plot.sources.iter().map(|source| state.bytes(&source.file)).collect::<Result<_, _>>()?;
        revisions.push(Revision { name: name.clone(), files });
    }
    Ok(chart(plot, &revisions))
}

impl PlotsArgs {
    /// Lets the command line win over the pipeline file.
    fn apply(&self, plot: &mut PlotDef) {
        let replace = |value: &mut Option<String>, given: &Option<String>| {
            if given.is_some() {
                value.clone_from(given);
            }
        };
        replace(&mut plot.style.template, &self.template);
        replace(&mut plot.style.title, &self.title);
        replace(&mut plot.style.x_label, &self.x_label);
        replace(&mut plot.style.y_label, &self.y_label);
        plot.style.header &= !self.no_header;
        for source in &mut plot.sources {
            replace(&mut source.x, &self.x);
            if !self.y.is_empty() {
                source.y.clone_from(&self.y);
            }
        }
    }

    fn answer(&self, charts: &[Chart], output: &Output) -> anyhow::Result<Exit> {
        for chart in charts {
            for note in chart.all_notes() {
                output.talk(&format!("note: {}: {note}", chart.id));
            }
        }
        if self.json {
            output.json(&document(charts))?;
            return Ok(Exit::Done);
        }
        if self.show_vega {
            let [Some(one)] = charts.iter().map(spec).collect::<Vec<_>>().try_into().unwrap_or([None]) else {
                let message = format!("--show-vega prints one plot of data; {} are selected", charts.len());
                return Err(UsageError::new(message, "name one plot that is no image").into());
            };
            output.json(&one)?;
            return Ok(Exit::Done);
        }
        if charts.is_empty() {
            output.talk("note: there is nothing to draw: no plot is declared, or none of its data is there");
        }
        let dir = std::path::absolute(&self.output)?;
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let path = dir.join("index.html");
        atomic_write::write(&path, page(charts).as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))?;
        output.exact(format!("{}\n", path.display()).as_bytes())?;
        Ok(Exit::Done)
    }
}

/// `{"data": {ID: [{"type", "revisions", "content", "notes"}]}}`; the content of images stays out.
fn document(charts: &[Chart]) -> Value {
    let mut data: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for chart in charts {
        let kind = if matches!(chart.picture, Picture::Images(_)) { "image" } else { "vega" };
        data.entry(&chart.id).or_default().push(json!({
            "type": kind,
            "revisions": chart.revisions,
            "content": spec(chart),
            "notes": chart.all_notes(),
        }));
    }
    json!({"data": data})
}
