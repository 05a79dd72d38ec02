//! What targets select.

use std::collections::BTreeSet;

use petgraph::unionfind::UnionFind;
use petgraph::visit::EdgeRef;

use super::build::Graph;
use crate::config::StageName;
use crate::util::{RelPath, nearest};

/// How far a selection reaches beyond its targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Selection {
    /// The targets and everything they need.
    #[default]
    Upstream,
    /// Only the targets, in the order given.
    Single,
    /// The targets and everything that needs them.
    Downstream,
    /// Everything connected with a target, in either direction.
    Component,
}

/// A target that names nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no stage or output is called `{target}`{}", nearest.as_ref().map(|word| format!("; did you mean `{word}`?")).unwrap_or_default())]
pub struct SelectError {
    /// As given.
    pub target: String,
    /// What it probably means.
    pub nearest: Option<String>,
}

impl Graph {
    /// The stages that targets select, in the order in which they may run; no target means all stages. A target is a
    /// stage, the name before `@` of generated stages, or an output path or a path within one.
    pub fn select(&self, targets: &[String], selection: Selection) -> Result<Vec<StageName>, SelectError> {
        if targets.is_empty() {
            return Ok(self.order().to_vec());
        }
        let mut named = Vec::new();
        for target in targets {
            named.extend(self.resolve(target)?.into_iter().filter(|name| !named.contains(name)).collect::<Vec<_>>());
        }
        if selection == Selection::Single {
            return Ok(named);
        }
        let mut chosen: BTreeSet<StageName> = named.iter().cloned().collect();
        for name in &named {
            match selection {
                Selection::Upstream => chosen.extend(self.upstream(name)),
                Selection::Downstream => chosen.extend(self.downstream(name)),
                Selection::Component => chosen.extend(self.component(name)),
                Selection::Single => {}
            }
        }
        Ok(self.sorted(&chosen))
    }

    /// The stages a target names, in topological order.
    pub fn resolve(&self, target: &str) -> Result<Vec<StageName>, SelectError> {
        let plain = target.strip_prefix(':').unwrap_or(target);
        let name = StageName(plain.to_owned());
        if self.contains(&name) {
            return Ok(vec![name]);
        }
        let members: Vec<StageName> = self
            .order()
            .iter()
            .filter(|name| name.0.split_once('@').is_some_and(|(group, _)| group == plain))
            .cloned()
            .collect();
        if !members.is_empty() {
            return Ok(members);
        }
        let path = RelPath::parse(target);
        let stage = path.and_then(|path| {
            self.outputs.iter().find(|(output, _)| path.is_within(output)).map(|(_, stage)| stage.clone())
        });
        stage.map(|stage| vec![stage]).ok_or_else(|| {
            let stages = self.order().iter().map(|name| name.0.as_str());
            let words = stages.chain(self.outputs.keys().map(RelPath::as_str));
            SelectError { target: target.to_owned(), nearest: nearest(target, words).map(str::to_owned) }
        })
    }

    fn component(&self, stage: &StageName) -> BTreeSet<StageName> {
        let mut sets = UnionFind::<usize>::new(self.stages.node_count());
        for edge in self.stages.edge_references() {
            sets.union(edge.source().index(), edge.target().index());
        }
        let Some(home) = self.stages.node_indices().find(|node| self.stages[*node] == *stage) else {
            return BTreeSet::new();
        };
        let together = self.stages.node_indices().filter(|node| sets.equiv(home.index(), node.index()));
        together.map(|node| self.stages[node].clone()).collect()
    }
}
