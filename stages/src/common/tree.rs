//! One flat form for every trained tree model: what predicts, and what explanation and export will read.
//!
//! A row goes left when its value is below the node's threshold (or in its category set), right otherwise; a missing
//! value (NaN) takes the default side. Thresholds and training values are representable as 32-bit floats, so a model
//! handed to another library splits the same rows. Base and leaves lie on one binary grid on which every partial sum is
//! exact even in 32-bit floats ([`TreeEnsemble::settle`]), so a margin has the same bits in any order of addition and
//! in every library. Children always follow their parent, so a walk ends; this is checked when a model is read.

mod batch;
mod stored;

use serde::{Deserialize, Serialize};

use self::stored::TreeColumns;

/// A sum of trees: margin = `base` + Σ leaf values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TreeEnsemble {
    /// The margin before any tree.
    pub base: f64,
    /// The trees, in training order.
    pub trees: Vec<Tree>,
}

/// One binary tree; node 0 is its root.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "TreeColumns", into = "TreeColumns")]
pub struct Tree {
    nodes: Vec<Node>,
}

/// One node of a tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Training rows that reach it.
    pub cover: u64,
    /// The branch, or the value of a leaf.
    pub kind: NodeKind,
}

/// What a node does with a row.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeKind {
    /// Ends the walk with this value.
    Leaf(f64),
    /// Sends the row on.
    Branch {
        /// Column of the encoded matrix.
        feature: u32,
        /// What is asked of its value.
        test: Test,
        /// Child when the answer is yes.
        left: u32,
        /// Child when it is no.
        right: u32,
        /// Whether a missing value goes left.
        default_left: bool,
    },
}

/// The question at a branch; yes goes left.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// Is the value below this?
    Below(f64),
    /// Is the value one of these codes (ascending)?
    In(Vec<u32>),
}

impl Test {
    /// Whether a value goes left; a missing one takes the default side.
    pub fn sends_left(&self, value: f64, default_left: bool) -> bool {
        match self {
            _ if value.is_nan() => default_left,
            Self::Below(threshold) => value < *threshold,
            Self::In(codes) => value >= 0.0 && codes.binary_search(&(value as u32)).is_ok(),
        }
    }
}

/// A tree that cannot be walked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("node {node} of a tree {what}")]
pub struct TreeError {
    node: usize,
    what: &'static str,
}

impl TreeEnsemble {
    /// The margin of one encoded row. Columns the trees ask for beyond the row's end count as missing.
    pub fn margin(&self, row: &[f64]) -> f64 {
        self.base + self.trees.iter().map(|tree| tree.value(row)).sum::<f64>()
    }

    /// What no margin's absolute value exceeds.
    pub fn reach(&self) -> f64 {
        self.reach_of(1.0)
    }

    fn reach_of(&self, factor: f64) -> f64 {
        let most = |tree: &Tree| tree.leaves().fold(0.0_f64, |most, value| most.max((value * factor).abs()));
        self.base.abs() + self.trees.iter().map(most).sum::<f64>()
    }

    /// Multiplies every leaf by `factor` (1 / trees for a mean), then rounds base and leaves to multiples of the step
    /// 2^(e − 24), where 2^e exceeds every sum of base and one leaf a tree. All partial sums are then multiples of the
    /// step below 2^24 steps, which 32-bit floats hold exactly. A leaf moves by at most half a step: 2^-25 of the
    /// largest possible margin.
    #[must_use]
    pub fn settle(mut self, factor: f64) -> Self {
        let reach = self.reach_of(factor);
        let mut limit = 1.0_f64;
        while limit > f64::from(f32::MIN_POSITIVE) && limit / 2.0 > reach {
            limit /= 2.0;
        }
        // Rounding moves each summand by up to half a step.
        let slack = |limit: f64| limit / 16_777_216.0 * (self.trees.len() as f64 + 1.0);
        while limit <= reach + slack(limit) && limit < f64::from(f32::MAX) / 2.0 {
            limit *= 2.0;
        }
        let step = limit / 16_777_216.0;
        let settled = |value: f64| libm::rint(value / step) * step + 0.0;
        self.base = settled(self.base);
        for node in self.trees.iter_mut().flat_map(|tree| &mut tree.nodes) {
            if let NodeKind::Leaf(value) = &mut node.kind {
                *value = settled(*value * factor);
            }
        }
        self
    }
}

impl TreeEnsemble {
    /// Moves every leaf of a probability forest towards `prior` as if one more row with that outcome had reached it:
    /// (cover · value + prior) / (cover + 1), the m-estimate with m = 1. A leaf whose rows agree is then no certainty.
    /// Covers must have been counted.
    pub fn shrink_leaves(&mut self, prior: f64) {
        for node in self.trees.iter_mut().flat_map(|tree| &mut tree.nodes) {
            if let NodeKind::Leaf(value) = &mut node.kind {
                let cover = node.cover as f64;
                *value = (cover * *value + prior) / (cover + 1.0);
            }
        }
    }
}

impl Tree {
    /// Builds a tree from nodes of which each child comes after its parent.
    pub fn new(nodes: Vec<Node>) -> Result<Self, TreeError> {
        let fault = |node, what| Err(TreeError { node, what });
        if nodes.is_empty() {
            return fault(0, "is missing");
        }
        let mut reached = vec![false; nodes.len()];
        for (index, node) in nodes.iter().enumerate() {
            match &node.kind {
                NodeKind::Leaf(value) if !value.is_finite() => return fault(index, "has a value that is not finite"),
                NodeKind::Leaf(_) => {}
                NodeKind::Branch { left, right, test, .. } => {
                    if [left, right].into_iter().any(|&child| child as usize <= index || child as usize >= nodes.len())
                    {
                        return fault(index, "has a child outside the nodes after it");
                    }
                    match test {
                        Test::Below(threshold) if threshold.is_nan() => return fault(index, "has no threshold"),
                        Test::In(codes) if codes.windows(2).any(|pair| pair[0] >= pair[1]) => {
                            return fault(index, "has codes that do not ascend");
                        }
                        Test::Below(_) | Test::In(_) => {}
                    }
                    for child in [*left as usize, *right as usize] {
                        // Shared nodes would make a walk over all paths take forever.
                        if std::mem::replace(&mut reached[child], true) {
                            return fault(child, "is reached twice");
                        }
                    }
                }
            }
        }
        Ok(Self { nodes })
    }

    /// Builds a tree from another library's nodes, whose children may stand anywhere: `node(index)` describes one of
    /// `count`, the root being 0. Nodes are renumbered level by level.
    pub fn from_links(count: usize, node: impl Fn(usize) -> Option<NodeKind>) -> Result<Self, TreeError> {
        let mut order = vec![0];
        let mut nodes = Vec::with_capacity(count);
        while nodes.len() < order.len() {
            let index = order[nodes.len()];
            let mut kind = node(index).ok_or(TreeError { node: index, what: "is missing" })?;
            if let NodeKind::Branch { left, right, .. } = &mut kind {
                if order.len() + 2 > count {
                    return Err(TreeError { node: index, what: "is reached twice" });
                }
                order.extend([*left as usize, *right as usize]);
                (*left, *right) = (order.len() as u32 - 2, order.len() as u32 - 1);
            }
            nodes.push(Node { cover: 0, kind });
        }
        Self::new(nodes)
    }

    /// The nodes, root first.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    fn leaves(&self) -> impl Iterator<Item = f64> {
        self.nodes.iter().filter_map(|node| if let NodeKind::Leaf(value) = node.kind { Some(value) } else { None })
    }

    /// The value of the leaf that a row reaches.
    pub fn value(&self, row: &[f64]) -> f64 {
        match self.nodes[self.leaf(row)].kind {
            NodeKind::Leaf(value) => value,
            NodeKind::Branch { .. } => 0.0,
        }
    }

    /// The node of the leaf that a row reaches.
    fn leaf(&self, row: &[f64]) -> usize {
        let mut index = 0;
        while let branch @ NodeKind::Branch { .. } = &self.nodes[index].kind {
            index = branch.next(row);
        }
        index
    }

    /// The nodes that a row passes, root first.
    #[cfg(test)]
    fn path(&self, row: &[f64]) -> Vec<usize> {
        let mut path = vec![0];
        while let branch @ NodeKind::Branch { .. } = &self.nodes[path[path.len() - 1]].kind {
            path.push(branch.next(row));
        }
        path
    }

    /// The nodes of the leaves, from left to right.
    fn leaves_from_left(&self) -> Vec<usize> {
        let (mut open, mut leaves) = (vec![0], Vec::new());
        while let Some(index) = open.pop() {
            match self.nodes[index].kind {
                NodeKind::Leaf(_) => leaves.push(index),
                NodeKind::Branch { left, right, .. } => open.extend([right as usize, left as usize]),
            }
        }
        leaves
    }

    /// Sets all covers from those of the leaves: `counts` has one for each of `nodes`.
    fn set_cover(&mut self, nodes: &[usize], counts: &[u64]) {
        self.nodes.iter_mut().for_each(|node| node.cover = 0);
        for (&node, &count) in nodes.iter().zip(counts) {
            self.nodes[node].cover = count;
        }
        for index in (0..self.nodes.len()).rev() {
            if let NodeKind::Branch { left, right, .. } = self.nodes[index].kind {
                self.nodes[index].cover = self.nodes[left as usize].cover + self.nodes[right as usize].cover;
            }
        }
    }
}

impl NodeKind {
    /// The child a row goes to; a leaf leads back to the root and is never asked.
    fn next(&self, row: &[f64]) -> usize {
        let Self::Branch { feature, test, left, right, default_left } = self else { return 0 };
        let value = row.get(*feature as usize).copied().unwrap_or(f64::NAN);
        (if test.sends_left(value, *default_left) { *left } else { *right }) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::rows::Slice;

    fn branch(feature: u32, test: Test, left: u32, right: u32) -> Node {
        Node { cover: 0, kind: NodeKind::Branch { feature, test, left, right, default_left: false } }
    }

    fn leaf(value: f64) -> Node {
        Node { cover: 0, kind: NodeKind::Leaf(value) }
    }

    fn ensemble() -> TreeEnsemble {
        let nodes = vec![
            branch(0, Test::Below(1.5), 1, 2),
            leaf(-1.0),
            branch(1, Test::In(vec![0, 3]), 3, 4),
            leaf(2.0),
            leaf(4.0),
        ];
        TreeEnsemble { base: 0.5, trees: vec![Tree::new(nodes).expect("children follow parents")] }
    }

    #[test]
    fn rows_follow_thresholds_categories_and_defaults() {
        let model = ensemble();
        assert_eq!(model.margin(&[1.0, 0.0]), -0.5);
        assert_eq!(model.margin(&[1.5, 3.0]), 2.5);
        assert_eq!(model.margin(&[1.5, 1.0]), 4.5);
        assert_eq!(model.margin(&[f64::NAN, f64::NAN]), 4.5);
        assert_eq!(model.margin(&[]), 4.5);
    }

    #[test]
    fn json_brings_back_the_same_trees() {
        let mut model = ensemble();
        model.count_cover(&Slice::new(&[1.0, 0.0, 1.5, 3.0, 9.0, 9.0], 3, 2));
        assert_eq!(model.trees[0].nodes().iter().map(|node| node.cover).collect::<Vec<_>>(), [3, 1, 2, 1, 1]);
        let text = serde_json::to_string(&model).expect("a model is JSON");
        assert_eq!(serde_json::from_str::<TreeEnsemble>(&text).expect("its own JSON"), model);
    }

    #[test]
    fn sums_are_exact_in_single_precision_and_in_any_order() {
        let tree = |value: f64| {
            let nodes = vec![branch(0, Test::Below(0.0), 1, 2), leaf(value), leaf(-2.0 * value)];
            Tree::new(nodes).expect("children follow parents")
        };
        let trees: Vec<Tree> = (1..300).map(|at| tree(libm::sin(f64::from(at)) / 7.0)).collect();
        let raw = TreeEnsemble { base: -1.234_567, trees };
        for factor in [1.0, 1.0 / 299.0, 1e-9, 1e9] {
            let model = raw.clone().settle(factor);
            for row in [[-1.0], [1.0]] {
                let values: Vec<f32> = model.trees.iter().map(|tree| tree.value(&row) as f32).collect();
                let forwards = values.iter().fold(model.base as f32, |sum, value| sum + value);
                let backwards = values.iter().rev().fold(0.0, |sum, value| sum + value) + model.base as f32;
                assert_eq!(f64::from(forwards).to_bits(), model.margin(&row).to_bits());
                assert_eq!(forwards.to_bits(), backwards.to_bits());
                let exact = raw.base + raw.trees.iter().map(|tree| tree.value(&row) * factor).sum::<f64>();
                let reach = raw.base.abs() + 299.0 * 2.0 / 7.0 * factor;
                assert!((model.margin(&row) - exact).abs() < reach * 300.0 / 16_777_216.0, "{factor}");
            }
        }
    }

    #[test]
    fn a_tree_that_would_not_end_is_refused() {
        assert!(Tree::new(vec![branch(0, Test::Below(0.0), 0, 0)]).is_err());
        assert!(Tree::new(vec![]).is_err());
        assert!(Tree::new(vec![branch(0, Test::In(vec![4, 2]), 1, 2), leaf(0.0), leaf(1.0)]).is_err());
        let lost = r#"{"feature":[-1],"threshold":[0],"left":[-1],"right":[-1],"default_left":[true],"value":[0],
            "cover":[1],"categories":[[7,[1]]]}"#;
        assert!(serde_json::from_str::<Tree>(lost).is_err());
        assert!(Tree::new(vec![branch(0, Test::Below(0.0), 1, 1), leaf(0.0)]).is_err());
        let text =
            r#"{"feature":[0],"threshold":[1],"left":[5],"right":[6],"default_left":[true],"value":[0],"cover":[1]}"#;
        assert!(serde_json::from_str::<Tree>(text).is_err());
    }
}
