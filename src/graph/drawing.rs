//! What is drawn: named nodes and the edges between them, whatever they stand for: stages, groups of stages, outputs.
//!
//! Nodes stand in topological order, so every edge goes from a smaller to a larger index.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::build::Graph;
use crate::config::{Pipeline, StageName};
use crate::util::RelPath;

/// A graph of names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drawing {
    /// What the nodes are called, producers first.
    pub nodes: Vec<String>,
    /// From producer to consumer, as positions in `nodes`.
    pub edges: BTreeSet<(usize, usize)>,
}

impl Drawing {
    /// The stages of a selection, given in topological order.
    pub fn of_stages(graph: &Graph, stages: &[StageName]) -> Self {
        let at: BTreeMap<&StageName, usize> = stages.iter().enumerate().map(|(at, name)| (name, at)).collect();
        let edges = graph.edges().into_iter().filter_map(|(from, to)| Some((*at.get(from)?, *at.get(to)?))).collect();
        Self { nodes: stages.iter().map(|name| name.0.clone()).collect(), edges }
    }

    /// The outputs of the stages of a selection: an edge leads from what a stage reads to each that it writes.
    pub fn of_outputs(pipeline: &Pipeline, graph: &Graph, stages: &[StageName]) -> Self {
        let mut drawing = Self::default();
        let mut at: BTreeMap<&RelPath, usize> = BTreeMap::new();
        for stage in stages.iter().filter_map(|name| pipeline.stages.get(name)) {
            let reads: Vec<&RelPath> =
                stage.deps.iter().map(|dep| &dep.path).chain(stage.params.iter().map(|source| &source.file)).collect();
            let producers = graph.producers(&stage.name).into_iter().filter_map(|name| pipeline.stages.get(name));
            let read: Vec<usize> = producers
                .flat_map(|producer| &producer.outs)
                .filter(|out| reads.iter().any(|path| path.is_within(&out.path) || out.path.is_within(path)))
                .filter_map(|out| at.get(&out.path).copied())
                .collect();
            for out in &stage.outs {
                let to = drawing.nodes.len();
                drawing.nodes.push(out.path.to_string());
                at.insert(&out.path, to);
                drawing.edges.extend(read.iter().map(|&from| (from, to)));
            }
        }
        drawing
    }

    /// The members of each `foreach` or `matrix` as one node. A group whose members wait for each other through other
    /// stages stays as it is: as one node it would be part of a cycle.
    pub fn collapsed(&self) -> Self {
        let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, name) in self.nodes.iter().enumerate() {
            if let Some(group) = group(name) {
                groups.entry(group).or_default().push(at);
            }
        }
        let mut home: Vec<usize> = (0..self.nodes.len()).collect();
        let mut labels: BTreeMap<usize, String> = BTreeMap::new();
        for (group, members) in groups {
            let Some(&first) = members.first() else { continue };
            for &member in &members {
                home[member] = first;
            }
            if self.order(&home).is_some() {
                labels.insert(first, format!("{group}@* ({})", members.len()));
            } else {
                for &member in &members {
                    home[member] = member;
                }
            }
        }
        let order = self.order(&home).unwrap_or_else(|| (0..self.nodes.len()).collect());
        let rank: BTreeMap<usize, usize> = order.iter().enumerate().map(|(rank, &node)| (node, rank)).collect();
        let label = |node: &usize| labels.get(node).unwrap_or(&self.nodes[*node]).clone();
        Self {
            nodes: order.iter().map(label).collect(),
            edges: self.contracted(&home).into_iter().map(|(from, to)| (rank[&from], rank[&to])).collect(),
        }
    }

    /// The nodes that feed each node, in order.
    pub(super) fn feeds(&self) -> Vec<Vec<usize>> {
        let mut feeds = vec![Vec::new(); self.nodes.len()];
        for &(from, to) in &self.edges {
            feeds[to].push(from);
        }
        feeds
    }

    fn contracted(&self, home: &[usize]) -> BTreeSet<(usize, usize)> {
        self.edges.iter().map(|&(from, to)| (home[from], home[to])).filter(|(from, to)| from != to).collect()
    }

    /// The contracted nodes in topological order, ties by position; none if there is a cycle.
    fn order(&self, home: &[usize]) -> Option<Vec<usize>> {
        let edges = self.contracted(home);
        let nodes: BTreeSet<usize> = home.iter().copied().collect();
        let mut waiting = vec![0_usize; home.len()];
        for &(_, to) in &edges {
            waiting[to] += 1;
        }
        let mut ready: BinaryHeap<_> = nodes.iter().copied().filter(|&node| waiting[node] == 0).map(Reverse).collect();
        let mut order = Vec::with_capacity(nodes.len());
        while let Some(Reverse(node)) = ready.pop() {
            order.push(node);
            for &(_, to) in edges.range((node, 0)..(node + 1, 0)) {
                waiting[to] -= 1;
                if waiting[to] == 0 {
                    ready.push(Reverse(to));
                }
            }
        }
        (order.len() == nodes.len()).then_some(order)
    }
}

/// The name of the `foreach` or `matrix` that made a stage: what stands before `@`, which does not count in the path of
/// a pipeline file.
fn group(name: &str) -> Option<&str> {
    let start = name.find(".yaml:").map_or(0, |at| at + ".yaml:".len());
    name[start..].find('@').map(|at| &name[..start + at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawing(nodes: &[&str], edges: &[(usize, usize)]) -> Drawing {
        Drawing { nodes: nodes.iter().map(|&name| name.to_owned()).collect(), edges: edges.iter().copied().collect() }
    }

    #[test]
    fn groups_become_one_node() {
        let whole =
            drawing(&["a", "g@1", "g@2", "sub/x@y/dvc.yaml:h@1", "z"], &[(0, 1), (0, 2), (1, 4), (2, 4), (3, 4)]);
        let expected = drawing(&["a", "g@* (2)", "sub/x@y/dvc.yaml:h@* (1)", "z"], &[(0, 1), (1, 3), (2, 3)]);
        assert_eq!(whole.collapsed(), expected);
    }

    #[test]
    fn a_group_that_would_make_a_cycle_stays_apart() {
        let chain = drawing(&["g@1", "x", "g@2"], &[(0, 1), (1, 2)]);
        assert_eq!(chain.collapsed(), chain);
        let crossed = drawing(&["a@1", "b@2", "b@1", "a@2"], &[(0, 2), (1, 3)]);
        let expected = drawing(&["b@2", "a@* (2)", "b@1"], &[(0, 1), (1, 2)]);
        let collapsed = crossed.collapsed();
        assert_eq!((collapsed.nodes.len(), collapsed.edges.len()), (3, 2), "{collapsed:?}");
        assert_eq!(collapsed, expected);
    }
}
