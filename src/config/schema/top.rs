//! The top level of a pipeline file.

use std::collections::BTreeMap;

use super::store::read_store;
use crate::config::pipeline::Pool;
use crate::config::report::Report;
use crate::config::storage::StoreSettings;
use crate::config::template::{Context, fill};
use crate::config::yaml::{Entry, Kind, Node};
use crate::util::RelPath;

/// `artifacts`, `datasets`, `params` and `plots` feed display commands of DVC and are accepted as they are.
const KEYS: [&str; 9] = ["stages", "vars", "params", "metrics", "plots", "artifacts", "datasets", "pools", "store"];

/// What stands beside the stages.
pub(in crate::config) struct Top {
    pub(in crate::config) pools: BTreeMap<String, Pool>,
    pub(in crate::config) metrics: Vec<RelPath>,
    pub(in crate::config) store: StoreSettings,
}

/// Reads everything but the stages, which are returned as written.
pub(in crate::config) fn read_top<'n>(
    root: &'n Node,
    context: &Context,
    base: &RelPath,
    report: &mut Report,
) -> (Top, &'n [Entry]) {
    let mut top = Top { pools: BTreeMap::new(), metrics: Vec::new(), store: StoreSettings::default() };
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
    if let Some(node) = root.get("metrics") {
        let node = fill(node, context, "`metrics`", report);
        for item in report.list(&node, "`metrics`", "paths") {
            let path = report.text(item, "an entry in `metrics`").and_then(|text| report.path(base, text, item.span));
            top.metrics.extend(path);
        }
    }
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
