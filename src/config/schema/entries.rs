//! What a stage reads and writes: `deps`, `params`, `outs`, `metrics`, `plots`.
//!
//! A command lists paths; a built-in binds roles to paths. Which of the two forms is due depends on the stage.

use super::plots;
use crate::config::pipeline::{Dep, OutClass, Output, ParamSource, Span};
use crate::config::plot::PlotDef;
use crate::config::report::Report;
use crate::config::yaml::{Entry, Kind, Node};
use crate::util::RelPath;

/// `checkpoint` is obsolete and without effect, as under DVC.
const OUT_FLAGS: [&str; 9] = ["cache", "persist", "push", "remote", "desc", "type", "labels", "meta", "checkpoint"];

/// How a stage's files are read.
pub(super) struct Files<'a> {
    /// What they are relative to.
    pub(super) base: &'a RelPath,
    /// The stage, for messages.
    pub(super) stage: &'a str,
    /// Whether roles are bound.
    pub(super) roles: bool,
}

/// A path with what is said about it.
struct Item<'n> {
    role: Option<String>,
    path: &'n str,
    /// Where the path stands.
    span: Span,
    /// Where the entry begins: its role, else its path.
    declared: Span,
    flags: Option<&'n Node>,
}

impl Files<'_> {
    /// `deps`.
    pub(super) fn deps(&self, node: &Node, report: &mut Report) -> Vec<Dep> {
        let mut deps = Vec::new();
        for item in self.items(node, "deps", report) {
            let mut optional = false;
            if let Some(flags) = item.flags {
                let known: &[&str] = if self.roles { &["path", "optional"] } else { &["optional"] };
                let what = format!("dependency `{}` of stage `{}`", item.path, self.stage);
                for entry in report.mapping(flags, &what, known).unwrap_or_default() {
                    if entry.key == "optional" {
                        optional = report.flag(&entry.value, "`optional`").unwrap_or(false);
                    }
                }
            }
            if let Some(path) = report.path(self.base, item.path, item.span) {
                deps.push(Dep { role: item.role, path, optional, span: item.declared });
            }
        }
        deps
    }

    /// `outs`, `metrics` or `plots`.
    pub(super) fn outs(&self, node: &Node, class: OutClass, report: &mut Report) -> Vec<Output> {
        let field = match class {
            OutClass::Out => "outs",
            OutClass::Metric => "metrics",
            OutClass::Plot => "plots",
        };
        let mut outs = Vec::new();
        for item in self.items(node, field, report) {
            let Some(path) = report.path(self.base, item.path, item.span) else { continue };
            let mut output = Output {
                role: item.role,
                path,
                directory: item.path.ends_with('/'),
                class,
                cache: true,
                persist: false,
                push: true,
                span: item.declared,
                plots: Vec::new(),
            };
            // A plot may be drawn several times: a list of flag mappings.
            let flags = match item.flags {
                Some(Node { kind: Kind::List(several), .. }) if class == OutClass::Plot => several.as_slice(),
                Some(one) => std::slice::from_ref(one),
                None => &[],
            };
            for flags in flags {
                self.flags(flags, item.path, &mut output, report);
                if class == OutClass::Plot {
                    output.plots.push(plots::read_out(flags, &output.path, report));
                }
            }
            if class == OutClass::Plot && output.plots.is_empty() {
                output.plots.push(PlotDef::of(output.path.clone()));
            }
            outs.push(output);
        }
        outs
    }

    fn flags(&self, flags: &Node, path: &str, output: &mut Output, report: &mut Report) {
        let mut known = OUT_FLAGS.to_vec();
        if self.roles {
            known.push("path");
        }
        if output.class == OutClass::Plot {
            known.extend(plots::PLOT_KEYS);
        }
        let what = format!("output `{path}` of stage `{}`", self.stage);
        for entry in report.mapping(flags, &what, &known).unwrap_or_default() {
            let name = format!("`{}` of output `{path}`", entry.key);
            match entry.key.as_str() {
                "cache" => output.cache = report.flag(&entry.value, &name).unwrap_or(true),
                "persist" => output.persist = report.flag(&entry.value, &name).unwrap_or(false),
                "push" => output.push = report.flag(&entry.value, &name).unwrap_or(true),
                _ => {}
            }
        }
    }

    fn items<'n>(&self, node: &'n Node, field: &str, report: &mut Report) -> Vec<Item<'n>> {
        let what = format!("`{field}` of stage `{}`", self.stage);
        match (&node.kind, self.roles) {
            (Kind::Null, _) => Vec::new(),
            (Kind::Map(entries), true) => entries.iter().filter_map(|entry| role(entry, &what, report)).collect(),
            (_, true) => {
                let help = format!("a built-in stage binds roles: `{field}: {{role: path}}`");
                let message = format!("{what} must be a mapping of roles to paths, found {}", node.describe());
                report.fault_with_help(node.span, message, help);
                Vec::new()
            }
            (Kind::Map(_), false) => {
                let help = "write `- path`, or `- path: {…}` to say more about one";
                let message = format!("{what} must be a list of paths, found a mapping");
                report.fault_with_help(node.span, message, help);
                Vec::new()
            }
            (_, false) => {
                let mut items = Vec::new();
                for item in report.list(node, &what, "paths") {
                    listed(item, &what, &mut items, report);
                }
                items
            }
        }
    }
}

/// `role: path` or `role: {path: …}`.
fn role<'n>(entry: &'n Entry, what: &str, report: &mut Report) -> Option<Item<'n>> {
    let role = Some(entry.key.clone());
    let name = format!("role `{}` in {what}", entry.key);
    match &entry.value.kind {
        Kind::Text(path) => Some(Item { role, path, span: entry.value.span, declared: entry.key_span, flags: None }),
        Kind::Map(_) => {
            let Some(path) = entry.value.get("path") else {
                report.fault_with_help(entry.key_span, format!("{name} has no path"), "add `path: …`");
                return None;
            };
            let text = report.text(path, &format!("the path of {name}"))?;
            Some(Item { role, path: text, span: path.span, declared: entry.key_span, flags: Some(&entry.value) })
        }
        _ => {
            report.expected(&entry.value, &name, "a path");
            None
        }
    }
}

/// `- path` or `- path: {…}`.
fn listed<'n>(node: &'n Node, what: &str, items: &mut Vec<Item<'n>>, report: &mut Report) {
    match &node.kind {
        Kind::Text(path) => {
            items.push(Item { role: None, path, span: node.span, declared: node.span, flags: None });
        }
        Kind::Map(entries) => items.extend(entries.iter().map(|entry| Item {
            role: None,
            path: &entry.key,
            span: entry.key_span,
            declared: entry.key_span,
            flags: Some(&entry.value),
        })),
        _ => report.expected(node, &format!("an entry in {what}"), "a path"),
    }
}

/// `params`: `key`, `{file: [keys]}`, `{file: null}`. Entries of one file are joined; a whole file wins.
pub(super) fn params(node: &Node, base: &RelPath, stage: &str, report: &mut Report) -> Vec<ParamSource> {
    let what = format!("`params` of stage `{stage}`");
    let mut sources: Vec<ParamSource> = Vec::new();
    for item in report.list(node, &what, "keys") {
        match &item.kind {
            Kind::Text(key) => {
                if let Some(file) = report.path(base, "params.yaml", item.span) {
                    join(&mut sources, file, Some(vec![key.clone()]), item.span);
                }
            }
            Kind::Map(entries) => {
                for entry in entries {
                    let Some(file) = report.path(base, &entry.key, entry.key_span) else { continue };
                    let listed = report.list(&entry.value, &format!("`{}` in {what}", entry.key), "keys");
                    let keys: Vec<String> = listed
                        .iter()
                        .filter_map(|key| report.text(key, &format!("a key in {what}")).map(str::to_owned))
                        .collect();
                    join(&mut sources, file, (!listed.is_empty()).then_some(keys), entry.key_span);
                }
            }
            _ => report.expected(item, &format!("an entry in {what}"), "text: a key of params.yaml"),
        }
    }
    sources
}

fn join(sources: &mut Vec<ParamSource>, file: RelPath, keys: Option<Vec<String>>, span: Span) {
    let Some(known) = sources.iter_mut().find(|source| source.file == file) else {
        sources.push(ParamSource { file, keys, span });
        return;
    };
    match (&mut known.keys, keys) {
        (Some(known), Some(keys)) => {
            for key in keys {
                if !known.contains(&key) {
                    known.push(key);
                }
            }
        }
        (known, _) => *known = None,
    }
}
