//! The top level of a pipeline file.

use std::collections::BTreeMap;

use super::plots;
use super::store::read_store;
use crate::config::pipeline::Pool;
use crate::config::plot::PlotDef;
use crate::config::report::Report;
use crate::config::storage::StoreSettings;
use crate::config::template::{Context, fill};
use crate::config::yaml::{Entry, Kind, Node};
use crate::util::RelPath;

const KEYS: [&str; 9] = ["stages", "vars", "params", "metrics", "plots", "artifacts", "datasets", "pools", "store"];

/// What stands beside the stages.
#[derive(Default)]
pub(in crate::config) struct Top {
    pub(in crate::config) pools: BTreeMap<String, Pool>,
    pub(in crate::config) metrics: Vec<RelPath>,
    pub(in crate::config) store: StoreSettings,
    pub(in crate::config) params: Vec<RelPath>,
    pub(in crate::config) plots: Vec<PlotDef>,
}

/// Reads everything but the stages, which are returned as written.
pub(in crate::config) fn read_top<'n>(
    root: &'n Node,
    context: &Context,
    base: &RelPath,
    report: &mut Report,
) -> (Top, &'n [Entry]) {
    let mut top = Top::default();
    if root.kind == Kind::Null {
        return (top, &[]);
    }
    report.mapping(root, "the pipeline file", &KEYS);
    if let Some(node) = root.get("pools") {
        top.pools = read_pools(node, report);
    }
    if let Some(node) = root.get("store") {
        top.store = read_store(node, report);
    }
    for (key, files) in [("metrics", &mut top.metrics), ("params", &mut top.params)] {
        let Some(node) = root.get(key) else { continue };
        let what = format!("`{key}`");
        let node = fill(node, context, &what, report);
        for item in report.list(&node, &what, "paths") {
            let path = report.text(item, &format!("an entry in {what}"));
            files.extend(path.and_then(|text| report.path(base, text, item.span)));
        }
    }
    if let Some(node) = root.get("plots") {
        let node = fill(node, context, "`plots`", report);
        top.plots = plots::read_list(&node, base, report);
    }
    check_displayed(root, report);
    let stages = match root.get("stages") {
        Some(Node { kind: Kind::Map(entries), .. }) => entries.as_slice(),
        Some(Node { kind: Kind::Null, .. }) | None => &[],
        Some(node) => {
            report.expected(node, "`stages`", "a mapping of names to stages");
            &[]
        }
    };
    (top, stages)
}

/// `artifacts` and `datasets` decide nothing about a run; their shape is checked all the same, so that a slip is told
/// where it was made.
fn check_displayed(root: &Node, report: &mut Report) {
    let field = |key: &str| root.get(key).filter(|node| node.kind != Kind::Null);
    if let Some(node) = field("artifacts") {
        let Kind::Map(entries) = &node.kind else {
            report.expected(node, "`artifacts`", "a mapping of names to artifacts");
            return;
        };
        for entry in entries {
            let what = format!("artifact `{}`", entry.key);
            report.mapping(&entry.value, &what, &["path", "type", "desc", "labels", "meta"]);
            if entry.value.get("path").is_none() && matches!(entry.value.kind, Kind::Map(_)) {
                report.fault_with_help(entry.key_span, format!("{what} has no path"), "add `path: …`");
            }
        }
    }
    if let Some(node) = field("datasets") {
        for item in report.list(node, "`datasets`", "mappings") {
            let has = |key: &str| item.get(key).is_some_and(|value| matches!(value.kind, Kind::Text(_)));
            if !has("name") || !has("type") {
                report.fault(item.span, "an entry in `datasets` must be a mapping with the texts `name` and `type`");
            }
        }
    }
}

fn read_pools(node: &Node, report: &mut Report) -> BTreeMap<String, Pool> {
    let Kind::Map(entries) = &node.kind else {
        report.expected(node, "`pools`", "a mapping of names to numbers");
        return BTreeMap::new();
    };
    let mut pools = BTreeMap::new();
    for entry in entries {
        let slots = report.count(&entry.value, &format!("pool `{}`", entry.key), 1, 4096);
        if let Some(slots) = slots.and_then(|slots| u32::try_from(slots).ok()) {
            pools.insert(entry.key.clone(), Pool { slots });
        }
    }
    pools
}
