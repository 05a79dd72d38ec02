//! Plots: the properties of a stage's `plots` outs, and the top-level list `plots`.
//!
//! The top-level list holds paths, or `id: {…}`. With `y` as a mapping of files to columns the id is a name of its own;
//! otherwise it is the path of the data.

use crate::config::plot::{PlotDef, PlotSource, PlotStyle};
use crate::config::report::Report;
use crate::config::yaml::{Kind, Node};
use crate::util::RelPath;

/// What may be said of a plot.
pub(super) const PLOT_KEYS: [&str; 7] = ["template", "x", "y", "x_label", "y_label", "title", "header"];

/// The plot that one mapping of flags of an out describes; other keys are none of its business.
pub(super) fn read_out(flags: &Node, path: &RelPath, report: &mut Report) -> PlotDef {
    let what = format!("plot `{path}`");
    let style = read_style(flags, &what, report);
    let mut source = PlotSource { file: path.clone(), x: None, y: Vec::new() };
    if let Some(x) = flags.get("x") {
        source.x = report.text(x, &format!("`x` of {what}")).map(str::to_owned);
    }
    if let Some(y) = flags.get("y") {
        source.y = columns(y, &format!("`y` of {what}"), report);
    }
    PlotDef { id: path.to_string(), sources: vec![source], style }
}

/// The top-level list.
pub(super) fn read_list(node: &Node, base: &RelPath, report: &mut Report) -> Vec<PlotDef> {
    let mut plots = Vec::new();
    let items = match &node.kind {
        Kind::Map(_) => std::slice::from_ref(node),
        _ => report.list(node, "`plots`", "paths, or of `id: {…}`"),
    };
    for item in items {
        match &item.kind {
            Kind::Text(path) => {
                if let Some(file) = report.path(base, path, item.span) {
                    plots.push(PlotDef::of(file));
                }
            }
            Kind::Map(entries) => {
                for entry in entries {
                    plots.extend(read_entry(&entry.key, &entry.value, (base, item), report));
                }
            }
            _ => report.expected(item, "an entry in `plots`", "a path, or `id: {…}`"),
        }
    }
    plots
}

fn read_entry(id: &str, body: &Node, (base, item): (&RelPath, &Node), report: &mut Report) -> Option<PlotDef> {
    let what = format!("plot `{id}`");
    if body.kind == Kind::Null {
        return report.path(base, id, item.span).map(PlotDef::of);
    }
    report.mapping(body, &what, &PLOT_KEYS)?;
    let style = read_style(body, &what, report);
    let mut sources = Vec::new();
    match body.get("y") {
        Some(Node { kind: Kind::Map(files), .. }) => {
            for file in files {
                let y = columns(&file.value, &format!("`y` of {what}"), report);
                let path = report.path(base, &file.key, file.key_span)?;
                sources.push(PlotSource { file: path, x: None, y });
            }
        }
        y => {
            let file = report.path(base, id, item.span)?;
            let y = y.map(|node| columns(node, &format!("`y` of {what}"), report)).unwrap_or_default();
            sources.push(PlotSource { file, x: None, y });
        }
    }
    if let Some(x) = body.get("x") {
        set_x(x, &mut sources, (base, &what), report);
    }
    let id = if matches!(body.get("y"), Some(Node { kind: Kind::Map(_), .. })) {
        id.to_owned()
    } else {
        sources.first().map_or_else(|| id.to_owned(), |source| source.file.to_string())
    };
    Some(PlotDef { id, sources, style })
}

/// `x` is a column of every file of `y`, or `{file: column}`: of one file for all, or of each file its own.
fn set_x(x: &Node, sources: &mut Vec<PlotSource>, (base, what): (&RelPath, &str), report: &mut Report) {
    let name = format!("`x` of {what}");
    let Kind::Map(files) = &x.kind else {
        let column = report.text(x, &name).map(str::to_owned);
        for source in sources {
            source.x.clone_from(&column);
        }
        return;
    };
    for file in files {
        let Some(path) = report.path(base, &file.key, file.key_span) else { continue };
        let Some(column) = report.text(&file.value, &name) else { continue };
        let alone = files.len() == 1;
        let mut used = false;
        for source in sources.iter_mut().filter(|source| alone || source.file == path) {
            source.x = Some(column.to_owned());
            used = true;
        }
        if !used {
            let message = format!("{name} names {path}, which `y` does not");
            report.fault_with_help(file.key_span, message, "x and y of one curve come from the same file");
        }
        if alone && sources.iter().any(|source| source.file != path) {
            let message = format!("{name} comes from {path}, `y` from another file");
            report.fault_with_help(file.key_span, message, "x and y of one curve come from the same file");
        }
    }
}

fn columns(node: &Node, what: &str, report: &mut Report) -> Vec<String> {
    match &node.kind {
        Kind::Text(column) => vec![column.clone()],
        Kind::List(items) => items.iter().filter_map(|item| report.text(item, what).map(str::to_owned)).collect(),
        _ => {
            report.expected(node, what, "text: a column, or a list of columns");
            Vec::new()
        }
    }
}

fn read_style(node: &Node, what: &str, report: &mut Report) -> PlotStyle {
    let mut text = |key: &str| {
        node.get(key).and_then(|value| report.text(value, &format!("`{key}` of {what}"))).map(str::to_owned)
    };
    PlotStyle {
        template: text("template"),
        title: text("title"),
        x_label: text("x_label"),
        y_label: text("y_label"),
        header: node.get("header").and_then(|value| report.flag(value, &format!("`header` of {what}"))).unwrap_or(true),
    }
}
