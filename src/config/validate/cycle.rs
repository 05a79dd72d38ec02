//! No stage waits for itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::overlap::{OutputIndex, edges};
use crate::config::pipeline::{Pipeline, StageName};
use crate::config::report::Report;

/// Adds one fault for a cycle, naming its stages in order; it points at the dependency that closes it.
pub(super) fn check(pipeline: &Pipeline, report: &mut Report) {
    let Some(cycle) = find(pipeline) else { return };
    let Some(first) = cycle.first() else { return };
    let index = OutputIndex::new(pipeline);
    let last = cycle.last().unwrap_or(first);
    let Some(stage) = pipeline.stages.get(first) else { return };
    let closing = stage.deps.iter().find(|dep| index.producers(&dep.path).contains(last));
    report.turn_to(&stage.file);
    let span = closing.map_or(stage.span, |dep| dep.span);
    let names: Vec<&str> = cycle.iter().chain([first]).map(|name| name.0.as_str()).collect();
    let message = format!("these stages wait for each other: {}", names.join(" -> "));
    report.fault_with_help(
        span,
        message,
        "remove a dependency, or split a stage so that its first part waits for nobody",
    );
}

/// The stages of a cycle, each before the one that reads from it; starts at the one that stands first in the file.
fn find(pipeline: &Pipeline) -> Option<Vec<StageName>> {
    let mut consumers: BTreeMap<StageName, BTreeSet<StageName>> = BTreeMap::new();
    let mut producers: BTreeMap<StageName, BTreeSet<StageName>> = BTreeMap::new();
    for (from, to) in edges(pipeline) {
        let (Some(from), Some(to)) = (pipeline.order.get(from), pipeline.order.get(to)) else { continue };
        consumers.entry(from.clone()).or_default().insert(to.clone());
        producers.entry(to.clone()).or_default().insert(from.clone());
    }
    // Strip stages that wait for nobody, again and again; what stays lies on a cycle or behind one.
    let mut free: Vec<StageName> =
        pipeline.order.iter().filter(|name| !producers.contains_key(*name)).cloned().collect();
    while let Some(name) = free.pop() {
        for next in consumers.remove(&name).unwrap_or_default() {
            if let Some(waits) = producers.get_mut(&next) {
                waits.remove(&name);
                if waits.is_empty() {
                    producers.remove(&next);
                    free.push(next);
                }
            }
        }
    }
    // Every remaining stage has a remaining producer: walking up must meet a stage again.
    let mut walk: Vec<StageName> = vec![pipeline.order.iter().find(|name| producers.contains_key(*name))?.clone()];
    loop {
        let next = producers.get(walk.last()?)?.first()?.clone();
        if let Some(at) = walk.iter().position(|name| *name == next) {
            let mut cycle = walk.split_off(at);
            cycle.reverse();
            let rank = |name: &StageName| pipeline.order.iter().position(|other| other == name);
            let start = (0..cycle.len()).min_by_key(|at| rank(&cycle[*at]))?;
            cycle.rotate_left(start);
            return Some(cycle);
        }
        walk.push(next);
    }
}
