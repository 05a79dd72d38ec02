//! What targets select.

use std::collections::BTreeSet;

use petgraph::unionfind::UnionFind;
use petgraph::visit::EdgeRef;

use super::build::Graph;
use crate::config::StageName;
use crate::util::{LocalPath, RelPath, nearest};

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
    /// Every stage of every pipeline file, whatever the targets.
    All,
}

/// How target words are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Matching {
    /// As names and paths.
    #[default]
    Exact,
    /// As shell patterns over stage names.
    Glob,
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
    /// The stages that targets select, in the order in which they may run; no target means the stages of the main
    /// pipeline file.
    pub fn select(
        &self,
        targets: &[String],
        selection: Selection,
        matching: Matching,
    ) -> Result<Vec<StageName>, SelectError> {
        if selection == Selection::All {
            return Ok(self.order().to_vec());
        }
        let mut named = if targets.is_empty() { self.main() } else { Vec::new() };
        for target in targets {
            let found = match matching {
                Matching::Exact => self.resolve(target)?,
                Matching::Glob => self.matching(target)?,
            };
            named.extend(found.into_iter().filter(|name| !named.contains(name)).collect::<Vec<_>>());
        }
        if selection == Selection::Single {
            return Ok(named);
        }
        let mut chosen = match selection {
            Selection::Upstream => self.reach(&named, false),
            Selection::Downstream => self.reach(&named, true),
            Selection::Component => self.components(&named),
            Selection::Single | Selection::All => BTreeSet::new(),
        };
        chosen.extend(named);
        Ok(self.sorted(&chosen))
    }

    /// The stages a target names: a stage (`name`, `:name`, `dir/dvc.yaml:name`), the name before `@` of generated
    /// stages, a pipeline file, an output path or a path within one. Paths are relative to the directory of the main
    /// pipeline file. Members of a group and of a file come in topological order.
    pub fn resolve(&self, target: &str) -> Result<Vec<StageName>, SelectError> {
        let addresses = self.addresses(target);
        if let Some(name) = addresses.iter().find(|name| self.contains(name)) {
            return Ok(vec![name.clone()]);
        }
        let is_member = |name: &&StageName| {
            addresses.iter().any(|group| name.0.strip_prefix(&group.0).is_some_and(|rest| rest.starts_with('@')))
        };
        let members: Vec<StageName> = self.order().iter().filter(is_member).cloned().collect();
        if !members.is_empty() {
            return Ok(members);
        }
        let path = RelPath::resolve(&self.main_file.parent(), target);
        if let Some(stages) = path.as_ref().and_then(|path| self.files.get(path)) {
            return Ok(self.sorted(&stages.iter().cloned().collect()));
        }
        let writes = |path: &RelPath| self.outputs.iter().find(|(output, _)| path.is_within(output));
        match path.as_ref().and_then(writes) {
            Some((_, stage)) => Ok(vec![stage.clone()]),
            None => Err(self.unknown(target)),
        }
    }

    /// The addresses that a target may spell: as it stands, without its `:`, or with the file as seen from here.
    fn addresses(&self, target: &str) -> Vec<StageName> {
        let plain = target.strip_prefix(':').unwrap_or(target);
        let mut addresses = vec![StageName(plain.to_owned())];
        for (at, _) in target.match_indices(':') {
            let Some(file) = RelPath::resolve(&self.main_file.parent(), &target[..at]) else { continue };
            let name = &target[at + 1..];
            if file == self.main_file {
                addresses.push(StageName(name.to_owned()));
            } else if self.files.contains_key(&file) {
                addresses.push(StageName(format!("{file}:{name}")));
            }
        }
        addresses
    }

    /// The stages whose name matches a shell pattern.
    fn matching(&self, pattern: &str) -> Result<Vec<StageName>, SelectError> {
        let glob = globset::Glob::new(pattern).map_err(|_| self.unknown(pattern))?.compile_matcher();
        let found: Vec<StageName> = self.order().iter().filter(|name| glob.is_match(&name.0)).cloned().collect();
        if found.is_empty() { Err(self.unknown(pattern)) } else { Ok(found) }
    }

    /// The stages of the main pipeline file.
    fn main(&self) -> Vec<StageName> {
        self.files.get(&self.main_file).cloned().unwrap_or_default()
    }

    fn unknown(&self, target: &str) -> SelectError {
        let stages = self.order().iter().map(|name| name.0.as_str());
        let groups = self.order().iter().filter_map(|name| name.0.split_once('@')).map(|(group, _)| group);
        // Spelled as a target is: as seen from the main pipeline file.
        let base = self.main_file.parent();
        let outputs: Vec<_> = self.outputs.keys().map(|path| path.relative_to(&base)).collect();
        let words = stages.chain(groups).chain(outputs.iter().map(LocalPath::as_str));
        SelectError { target: target.to_owned(), nearest: nearest(target, words).map(str::to_owned) }
    }

    /// Everything connected with one of the stages, whatever the direction.
    fn components(&self, stages: &[StageName]) -> BTreeSet<StageName> {
        let mut sets = UnionFind::<usize>::new(self.stages.node_count());
        for edge in self.stages.edge_references() {
            sets.union(edge.source().index(), edge.target().index());
        }
        let homes: BTreeSet<usize> = self.indices(stages).map(|node| sets.find(node.index())).collect();
        let together = self.stages.node_indices().filter(|node| homes.contains(&sets.find(node.index())));
        together.map(|node| self.stages[node].clone()).collect()
    }
}
