//! One plot over several states of the project: a list of series, or of images.

use base64::Engine as _;
use serde_json::Value;

use super::read::{self, Rows};
use super::template::Template;
use crate::config::{PlotDef, PlotSource};

/// A series with more points is thinned evenly.
const MAX_POINTS: usize = 5_000;
/// Larger images are not embedded.
const MAX_IMAGE: usize = 8 << 20;

/// A state of the project.
#[derive(Debug, Clone)]
pub struct Revision {
    /// What it is called.
    pub name: String,
    /// The bytes of the plot's files in the order of its sources; none where this state has none.
    pub files: Vec<Option<Vec<u8>>>,
}

/// What a plot shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// The plot's id.
    pub id: String,
    /// The heading.
    pub title: String,
    /// The x axis.
    pub x_label: String,
    /// The y axis.
    pub y_label: String,
    /// Its states, earlier first; their position decides their colour.
    pub revisions: Vec<String>,
    /// What is drawn.
    pub picture: Picture,
    /// What could not be drawn, and what was left out.
    pub notes: Vec<String>,
}

/// Series or images.
#[derive(Debug, Clone, PartialEq)]
pub enum Picture {
    /// Points, drawn by a template.
    Points(Template, Vec<Series>),
    /// Images.
    Images(Vec<Image>),
}

/// One column of one file in one state.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Position of its state in [`Chart::revisions`].
    pub revision: usize,
    /// What tells it from the other series of its state; empty when there is one.
    pub name: String,
    /// (x, y): numbers or texts.
    pub points: Vec<(Value, Value)>,
}

/// An image in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Position of its state in [`Chart::revisions`].
    pub revision: usize,
    /// `data:image/png;base64,…`.
    pub url: String,
}

/// Reads a plot's files in all states.
pub fn chart(plot: &PlotDef, revisions: &[Revision]) -> Chart {
    let style = &plot.style;
    let mut notes = Vec::new();
    let template = style.template.as_deref().unwrap_or("linear");
    let template = Template::named(template).unwrap_or_else(|| {
        notes.push(format!("the template `{template}` is not built in; drawn as linear"));
        Template::Linear
    });
    let mut labels: (Vec<String>, Vec<String>) = Default::default();
    let picture = if plot.sources.iter().all(|source| read::is_image(source.file.as_str())) {
        Picture::Images(images(plot, revisions, &mut notes))
    } else {
        Picture::Points(template, series(plot, revisions, &mut labels, &mut notes))
    };
    let joined = |mut names: Vec<String>| {
        names.dedup();
        if let [one] = names.as_slice() { one.clone() } else { String::new() }
    };
    Chart {
        id: plot.id.clone(),
        title: style.title.clone().unwrap_or_else(|| plot.id.clone()),
        x_label: style.x_label.clone().unwrap_or_else(|| joined(labels.0)),
        y_label: style.y_label.clone().unwrap_or_else(|| joined(labels.1)),
        revisions: revisions.iter().map(|revision| revision.name.clone()).collect(),
        picture,
        notes,
    }
}

fn images(plot: &PlotDef, revisions: &[Revision], notes: &mut Vec<String>) -> Vec<Image> {
    let mut images = Vec::new();
    for (at, revision) in revisions.iter().enumerate() {
        for (source, bytes) in plot.sources.iter().zip(&revision.files) {
            let (Some(bytes), Some(mime)) = (bytes, read::mime(source.file.as_str())) else {
                notes.push(format!("{}: there is no {}", revision.name, source.file));
                continue;
            };
            if bytes.len() > MAX_IMAGE {
                notes.push(format!("{}: {} is larger than {} MiB", revision.name, source.file, MAX_IMAGE >> 20));
                continue;
            }
            let text = base64::engine::general_purpose::STANDARD.encode(bytes);
            images.push(Image { revision: at, url: format!("data:{mime};base64,{text}") });
        }
    }
    images
}

fn series(
    plot: &PlotDef,
    revisions: &[Revision],
    labels: &mut (Vec<String>, Vec<String>),
    notes: &mut Vec<String>,
) -> Vec<Series> {
    let mut found: Vec<(Series, &PlotSource, String)> = Vec::new();
    for (at, revision) in revisions.iter().enumerate() {
        for (source, bytes) in plot.sources.iter().zip(&revision.files) {
            let place = format!("{}: {}", revision.name, source.file);
            let Some(bytes) = bytes else {
                notes.push(format!("{}: there is no {}", revision.name, source.file));
                continue;
            };
            let wanted: Vec<&str> = source.y.iter().chain(&source.x).map(String::as_str).collect();
            match read::rows(source.file.as_str(), bytes, plot.style.header, &wanted) {
                Err(error) => notes.push(format!("{place} {error}")),
                Ok(rows) => {
                    labels.0.push(source.x.clone().unwrap_or_else(|| "step".to_owned()));
                    for (column, points) in columns(&rows, source, &place, notes) {
                        labels.1.push(column.clone());
                        found.push((Series { revision: at, name: String::new(), points }, source, column));
                    }
                }
            }
        }
    }
    let several = |of: &dyn Fn(&(Series, &PlotSource, String)) -> String| {
        found.first().is_some_and(|first| found.iter().any(|other| of(other) != of(first)))
    };
    let (files, names) = (several(&|entry| entry.1.file.to_string()), several(&|entry| entry.2.clone()));
    let named = found.into_iter().map(|(series, source, column)| {
        let name = match (files, names) {
            (true, true) => format!("{}: {column}", source.file),
            (true, false) => source.file.to_string(),
            (false, true) => column,
            (false, false) => String::new(),
        };
        Series { name, ..series }
    });
    named.collect()
}

/// The points of each y column of a file, thinned if there are too many.
fn columns(
    rows: &Rows,
    source: &PlotSource,
    place: &str,
    notes: &mut Vec<String>,
) -> Vec<(String, Vec<(Value, Value)>)> {
    let position = |column: &String| rows.columns.iter().position(|name| name == column);
    let wanted: Vec<String> =
        if source.y.is_empty() { rows.columns.last().cloned().into_iter().collect() } else { source.y.clone() };
    let mut columns = Vec::new();
    for column in source.x.iter().chain(&wanted).filter(|column| position(column).is_none()) {
        notes.push(format!("{place} has no column `{column}`; it has {}", rows.columns.join(", ")));
    }
    let x = match source.x.as_ref().map(position) {
        Some(None) => return columns,
        Some(found) => found,
        None => None,
    };
    let cell = |row: &Vec<Value>, at: usize| row.get(at).cloned().unwrap_or(Value::Null);
    for column in wanted {
        let Some(y) = position(&column) else { continue };
        let all = rows.rows.iter().enumerate();
        let all = all.map(|(at, row)| (x.map_or_else(|| at.into(), |x| cell(row, x)), cell(row, y)));
        let whole: Vec<(Value, Value)> = all.filter(|(x, y)| !x.is_null() && !y.is_null()).collect();
        columns.push((column.clone(), whole));
    }
    columns
}

impl Series {
    /// At most [`MAX_POINTS`] of its points, evenly chosen, the last one among them; and whether some were left out.
    pub(super) fn thinned(&self) -> (Vec<&(Value, Value)>, bool) {
        let count = self.points.len();
        if count <= MAX_POINTS {
            return (self.points.iter().collect(), false);
        }
        let chosen = (0..MAX_POINTS).filter_map(|at| self.points.get(at * (count - 1) / (MAX_POINTS - 1)));
        (chosen.collect(), true)
    }
}

impl Chart {
    /// The notes, with what drawing leaves out.
    pub fn all_notes(&self) -> Vec<String> {
        let mut notes = self.notes.clone();
        if let Picture::Points(template, series) = &self.picture
            && !template.is_confusion()
        {
            for series in series.iter().filter(|series| series.thinned().1) {
                let name = if series.name.is_empty() { String::new() } else { format!(" {}", series.name) };
                let revision = &self.revisions[series.revision];
                let count = series.points.len();
                notes.push(format!("{revision}{name}: {MAX_POINTS} of {count} points are drawn, evenly chosen"));
            }
        }
        notes
    }
}
