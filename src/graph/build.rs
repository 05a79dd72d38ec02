//! The graph and its order.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};

use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{Dfs, EdgeFiltered, EdgeRef, Reversed};

use crate::config::{OutputIndex, Pipeline, StageName, overlap};
use crate::util::RelPath;

/// The stages of a pipeline and the edges between them. Node indices follow the file's order.
#[derive(Debug, Clone)]
pub struct Graph {
    pub(super) stages: DiGraph<StageName, ()>,
    /// Looked up, never listed.
    nodes: HashMap<StageName, NodeIndex>,
    /// Position of each node in the topological order.
    rank: Vec<usize>,
    order: Vec<StageName>,
    pub(super) main_file: RelPath,
    /// Every pipeline file that declares stages, and which, in its order.
    pub(super) files: BTreeMap<RelPath, Vec<StageName>>,
    /// Stages that take their inputs as they are, so that nothing before them matters.
    frozen: BTreeSet<StageName>,
    /// Output path → stage.
    pub(super) outputs: BTreeMap<RelPath, StageName>,
}

/// A pipeline that cannot be ordered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// Stages that wait for each other, in order; the first is not repeated.
    #[error("these stages wait for each other: {}", names(.0))]
    Cycle(Vec<StageName>),
}

fn names(stages: &[StageName]) -> String {
    stages.iter().map(|name| name.0.as_str()).collect::<Vec<_>>().join(", ")
}

impl Graph {
    /// Builds the graph of a pipeline.
    pub fn build(pipeline: &Pipeline) -> Result<Self, GraphError> {
        Self::with_edges(pipeline, &overlap::edges(pipeline))
    }

    /// [`Graph::build`] when the edges are known already, by places in `pipeline.order`.
    pub fn with_edges(pipeline: &Pipeline, edges: &[(usize, usize)]) -> Result<Self, GraphError> {
        let mut graph = DiGraph::new();
        let mut nodes = HashMap::with_capacity(pipeline.order.len());
        for name in &pipeline.order {
            nodes.insert(name.clone(), graph.add_node(name.clone()));
        }
        let node = |place: usize| Some(NodeIndex::new(place)).filter(|_| place < pipeline.order.len());
        for (producer, consumer) in edges {
            if let (Some(from), Some(to)) = (node(*producer), node(*consumer)) {
                graph.add_edge(from, to, ());
            }
        }
        let sorted = sort(&graph);
        if sorted.len() < graph.node_count() {
            let done: BTreeSet<_> = sorted.into_iter().collect();
            let stuck = graph.node_indices().filter(|node| !done.contains(node));
            return Err(GraphError::Cycle(stuck.map(|node| graph[node].clone()).collect()));
        }
        let mut rank = vec![0; graph.node_count()];
        for (position, node) in sorted.iter().enumerate() {
            rank[node.index()] = position;
        }
        let order = sorted.iter().map(|node| graph[*node].clone()).collect();
        let outputs = pipeline
            .stages
            .values()
            .flat_map(|stage| stage.outs.iter().map(|output| (output.path.clone(), stage.name.clone())))
            .collect();
        let mut files: BTreeMap<RelPath, Vec<StageName>> = BTreeMap::new();
        for stage in pipeline.order.iter().filter_map(|name| pipeline.stages.get(name)) {
            files.entry(stage.file.clone()).or_default().push(stage.name.clone());
        }
        let frozen = pipeline.stages.values().filter(|stage| stage.frozen).map(|stage| stage.name.clone()).collect();
        Ok(Self { stages: graph, nodes, rank, order, main_file: pipeline.file.clone(), files, frozen, outputs })
    }

    /// All stages, producers before consumers, ties in file order.
    pub fn order(&self) -> &[StageName] {
        &self.order
    }

    /// All (producer, consumer) pairs, in topological order of the producer, then of the consumer.
    pub fn edges(&self) -> Vec<(&StageName, &StageName)> {
        let mut edges: Vec<_> =
            self.stages.edge_indices().filter_map(|edge| self.stages.edge_endpoints(edge)).collect();
        edges.sort_by_key(|(from, to)| (self.rank[from.index()], self.rank[to.index()]));
        edges.into_iter().map(|(from, to)| (&self.stages[from], &self.stages[to])).collect()
    }

    /// Stages whose outputs this one reads, in topological order.
    pub fn producers(&self, stage: &StageName) -> Vec<&StageName> {
        self.neighbors(stage, Direction::Incoming)
    }

    /// Stages that read this one's outputs, in topological order.
    pub fn consumers(&self, stage: &StageName) -> Vec<&StageName> {
        self.neighbors(stage, Direction::Outgoing)
    }

    /// Everything a stage needs, itself excluded; a frozen stage needs nothing.
    pub fn upstream(&self, stage: &StageName) -> BTreeSet<StageName> {
        self.reach([stage], false)
    }

    /// Everything that needs a stage, itself excluded; a frozen stage needs nothing.
    pub fn downstream(&self, stage: &StageName) -> BTreeSet<StageName> {
        self.reach([stage], true)
    }

    /// The stages that write `path`, a part of it or something around it, in name order.
    pub fn producers_of(pipeline: &Pipeline, path: &RelPath) -> Vec<StageName> {
        OutputIndex::new(pipeline).producers(path).into_iter().cloned().collect()
    }

    /// Whether the stage exists.
    pub fn contains(&self, stage: &StageName) -> bool {
        self.nodes.contains_key(stage)
    }

    /// The stages of a set, in topological order.
    pub fn sorted(&self, stages: &BTreeSet<StageName>) -> Vec<StageName> {
        self.order.iter().filter(|name| stages.contains(name)).cloned().collect()
    }

    fn neighbors(&self, stage: &StageName, direction: Direction) -> Vec<&StageName> {
        let Some(node) = self.nodes.get(stage) else { return Vec::new() };
        let mut found: Vec<_> = self.stages.neighbors_directed(*node, direction).collect();
        found.sort_by_key(|node| self.rank[node.index()]);
        found.into_iter().map(|node| &self.stages[node]).collect()
    }

    /// The nodes of those names that exist.
    pub(super) fn indices<'n>(
        &self,
        stages: impl IntoIterator<Item = &'n StageName>,
    ) -> impl Iterator<Item = NodeIndex> {
        stages.into_iter().filter_map(|stage| self.nodes.get(stage).copied())
    }

    /// What one walk from all the stages finds. A stage itself is found only from another.
    pub(super) fn reach<'n>(
        &self,
        stages: impl IntoIterator<Item = &'n StageName>,
        forward: bool,
    ) -> BTreeSet<StageName> {
        let mut reached = BTreeSet::new();
        let active = EdgeFiltered::from_fn(&self.stages, |edge| !self.frozen.contains(&self.stages[edge.target()]));
        let mut visit = Dfs::empty(&self.stages);
        for start in self.indices(stages) {
            visit.move_to(start);
            while let Some(node) = if forward { visit.next(&active) } else { visit.next(Reversed(&active)) } {
                if node != start {
                    reached.insert(self.stages[node].clone());
                }
            }
        }
        reached
    }
}

/// Kahn's algorithm with a heap, so that of several ready stages the first of the file comes first. Petgraph's own
/// sort has no such rule. Nodes of a cycle, and those after one, are missing from the result.
fn sort(graph: &DiGraph<StageName, ()>) -> Vec<NodeIndex> {
    let count = |node| graph.neighbors_directed(node, Direction::Incoming).count();
    let mut waiting: Vec<usize> = graph.node_indices().map(count).collect();
    let mut ready: BinaryHeap<_> =
        graph.node_indices().filter(|node| waiting[node.index()] == 0).map(Reverse).collect();
    let mut sorted = Vec::with_capacity(waiting.len());
    while let Some(Reverse(node)) = ready.pop() {
        sorted.push(node);
        for next in graph.neighbors(node) {
            waiting[next.index()] -= 1;
            if waiting[next.index()] == 0 {
                ready.push(Reverse(next));
            }
        }
    }
    sorted
}
