//! A tree as TreeSHAP sees it: its edges in depth-first order, each with the share of training rows that take it.
//!
//! What a tree adds to the margin is Σ over leaves of value · Π over the distinct features j of the leaf's path of o_j,
//! where o_j says whether the row passes all tests of j on that path. With j outside the coalition the factor is z_j,
//! the product of the shares of those edges. Shapley's weights are s!(m − 1 − s)!/m! = ∫₀¹ t^s (1 − t)^(m−1−s) dt, so
//!
//!   φ_i = Σ leaves value · (o_i − z_i) · ∫₀¹ Π_{j ≠ i} (o_j t + z_j (1 − t)) dt ,
//!
//! a polynomial of degree m − 1 that ⌈m / 2⌉ Gauss–Legendre points integrate exactly. Every factor is positive, so
//! nothing cancels and no subset is enumerated.

use super::walk::{Prepared, Walk};
use crate::common::tree::{NodeKind, Test, Tree};

/// A tree without its children's indices.
#[derive(Debug)]
pub(super) struct Outline {
    /// The questions, in the order in which edges first need them.
    pub splits: Vec<Split>,
    /// Every node but the root as the edge that leads to it; parents first, subtrees together.
    pub edges: Vec<Edge>,
    /// The mean leaf over the training rows.
    pub expected: f64,
    /// The most distinct features on one path.
    distinct: usize,
    /// The most edges on one path.
    pub depth: usize,
}

/// A question that a row answers.
#[derive(Debug)]
pub(super) struct Split {
    pub column: usize,
    pub test: Test,
    pub default_left: bool,
}

/// One edge of the tree.
#[derive(Debug)]
pub(super) struct Edge {
    /// Index of the question, and the answer that takes this edge.
    pub split: usize,
    pub left: bool,
    pub column: usize,
    /// Edges from the root to its end; at least 1.
    pub depth: usize,
    /// The depth of the edge above that last asked for the same column; 0 when there is none.
    pub twin: usize,
    /// Share of the rows that pass all tests of this column down to this edge (z), and down to the twin (1 without).
    pub share: f64,
    pub twin_share: f64,
    /// The value of the leaf it leads to.
    pub leaf: Option<f64>,
}

/// A node still to be visited.
struct Pending {
    node: usize,
    depth: usize,
    split: usize,
    left: bool,
    column: usize,
    share: f64,
    /// Share of all rows that reach it.
    reach: f64,
}

/// What an edge on the present path says to those below it.
struct Step {
    column: usize,
    share: f64,
    distinct: usize,
}

impl Outline {
    pub fn new(tree: &Tree) -> Self {
        let mut outline = Self { splits: Vec::new(), edges: Vec::new(), expected: 0.0, distinct: 0, depth: 0 };
        let (mut pending, mut path) = (Vec::new(), Vec::new());
        match outline.descend(tree, 0, 0, 1.0, &mut pending) {
            Some(value) => outline.expected = value,
            None => outline.follow(tree, &mut pending, &mut path),
        }
        outline
    }

    /// The last column that is asked for.
    pub fn last_column(&self) -> Option<usize> {
        self.splits.iter().map(|split| split.column).max()
    }

    /// What every row needs of the tree, worked out once.
    pub fn prepare(&self) -> Box<dyn Walk> {
        match self.distinct.div_ceil(2) {
            0..=2 => Box::new(Prepared::<2>::new(self)),
            3..=4 => Box::new(Prepared::<4>::new(self)),
            5..=6 => Box::new(Prepared::<6>::new(self)),
            7..=8 => Box::new(Prepared::<8>::new(self)),
            9..=12 => Box::new(Prepared::<12>::new(self)),
            13..=16 => Box::new(Prepared::<16>::new(self)),
            17..=64 => Box::new(Prepared::<64>::new(self)),
            // Beyond 512 features on one path the rule is exact to rounding for several thousand more: the coefficients
            // it leaves out fall like exp(−(2K)² / m).
            _ => Box::new(Prepared::<256>::new(self)),
        }
    }

    fn follow(&mut self, tree: &Tree, pending: &mut Vec<Pending>, path: &mut Vec<Step>) {
        while let Some(Pending { node, depth, split, left, column, share, reach }) = pending.pop() {
            path.truncate(depth - 1);
            let twin = path.iter().rposition(|step| step.column == column).map_or(0, |at| at + 1);
            let twin_share = if twin == 0 { 1.0 } else { path[twin - 1].share };
            let distinct = path.last().map_or(0, |step| step.distinct) + usize::from(twin == 0);
            let share = twin_share * share;
            path.push(Step { column, share, distinct });
            (self.depth, self.distinct) = (self.depth.max(depth), self.distinct.max(distinct));
            let leaf = self.descend(tree, node, depth, reach, pending);
            self.expected += leaf.unwrap_or(0.0) * reach;
            self.edges.push(Edge { split, left, column, depth, twin, share, twin_share, leaf });
        }
    }

    /// The value of a leaf, or the children of a branch to be visited.
    fn descend(
        &mut self,
        tree: &Tree,
        node: usize,
        depth: usize,
        reach: f64,
        pending: &mut Vec<Pending>,
    ) -> Option<f64> {
        let nodes = tree.nodes();
        match &nodes[node].kind {
            NodeKind::Leaf(value) => Some(*value),
            NodeKind::Branch { feature, test, left, right, default_left } => {
                let column = *feature as usize;
                let covers = [*left, *right].map(|child| nodes[child as usize].cover as f64);
                let both = covers[0] + covers[1];
                // A split that no training row reached divides evenly: any shares would do, as they never count.
                let shares = covers.map(|cover| if both > 0.0 { cover / both } else { 0.5 });
                let split = self.splits.len();
                self.splits.push(Split { column, test: test.clone(), default_left: *default_left });
                let child = |node: u32, left: bool, share: f64| Pending {
                    node: node as usize,
                    depth: depth + 1,
                    split,
                    left,
                    column,
                    share,
                    reach: reach * share,
                };
                pending.extend([child(*right, false, shares[1]), child(*left, true, shares[0])]);
                None
            }
        }
    }
}
