//! What a pipeline file says of its plots.

use serde::{Deserialize, Serialize};

use crate::util::RelPath;

/// A plot: where its numbers stand and how they are drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlotDef {
    /// The path of its data, or a name when it draws several files.
    pub id: String,
    /// Where the numbers stand; at least one file.
    pub sources: Vec<PlotSource>,
    /// How they are drawn.
    pub style: PlotStyle,
}

/// Columns of one data file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlotSource {
    /// The file, or a directory of files.
    pub file: RelPath,
    /// The column along the x axis; the number of the row when absent.
    pub x: Option<String>,
    /// Columns along the y axis; the last column when empty.
    pub y: Vec<String>,
}

/// How a plot is drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlotStyle {
    /// `linear`, `simple`, `scatter`, `smooth`, `confusion` …; `linear` when absent.
    pub template: Option<String>,
    /// The heading; the id when absent.
    pub title: Option<String>,
    /// The x axis; the column when absent.
    pub x_label: Option<String>,
    /// The y axis; the column when absent.
    pub y_label: Option<String>,
    /// Whether the first line of a CSV or TSV file names the columns.
    pub header: bool,
}

impl PlotDef {
    /// A plot of a file about which nothing more is said.
    pub fn of(file: RelPath) -> Self {
        let style = PlotStyle { template: None, title: None, x_label: None, y_label: None, header: true };
        Self { id: file.to_string(), sources: vec![PlotSource { file, x: None, y: Vec::new() }], style }
    }
}
