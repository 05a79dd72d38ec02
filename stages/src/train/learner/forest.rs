//! A probability forest: regression trees on the 0/1 outcome, whose leaves are event shares.
//!
//! A leaf's share is moved slightly towards the event rate of the training rows, so that a leaf whose rows all agree
//! does not answer 0 or 1: one such answer that turns out wrong would decide every comparison by log loss.
//!
//! The trees are grown by smartcore in blocks of fixed size with a seed each, so blocks can be grown in any order and
//! by any number of threads; they are flattened at once and nothing of the library reaches a file.

use rayon::prelude::*;
use serde::Deserialize;
use smartcore::ensemble::random_forest_regressor::{RandomForestRegressor, RandomForestRegressorParameters};
use smartcore::linalg::basic::matrix::DenseMatrix;

use super::{FitRequest, Fitted, LearnError, Learner};
use crate::common::rng::Stream;
use crate::common::target::Task;
use crate::common::tree::{NodeKind, Test, Tree, TreeEnsemble};
use crate::train::model::Model;
use crate::train::params::ForestParams;
use crate::train::preprocess::Dialect;

/// Trees per block; part of the result, because each block has its own seed.
const BLOCK: usize = 10;

/// A probability forest.
pub struct Forest(pub ForestParams);

impl Learner for Forest {
    fn dialect(&self) -> Dialect {
        Dialect::Dense
    }

    fn fit(&self, request: &FitRequest) -> Result<Fitted, LearnError> {
        if request.x.cols == 0 {
            return Err(LearnError::NoColumns);
        }
        let mut stream = Stream::new(request.seed, request.label);
        let seeds: Vec<u64> = (0..self.0.trees.div_ceil(BLOCK)).map(|_| stream.bits()).collect();
        let x = DenseMatrix::new(request.x.rows, request.x.cols, request.x.values.clone(), false).map_err(library)?;
        let y = request.y.to_vec();
        let done = std::sync::atomic::AtomicUsize::new(0);
        let grow = |(block, &seed): (usize, &u64)| {
            let count = BLOCK.min(self.0.trees - block * BLOCK);
            let trees = self.grow_block(&x, &y, request.x.cols, count, seed)?;
            let before = done.fetch_add(count, std::sync::atomic::Ordering::Relaxed);
            (request.progress)(before + count);
            Ok(trees)
        };
        let blocks: Result<Vec<Vec<Tree>>, LearnError> = if request.threads > 1 {
            seeds.par_iter().enumerate().map(grow).collect()
        } else {
            seeds.iter().enumerate().map(grow).collect()
        };
        let trees: Vec<Tree> = blocks?.into_iter().flatten().collect();
        let mut ensemble = TreeEnsemble { base: 0.0, trees };
        ensemble.count_cover(&request.x.values, request.x.cols);
        if request.task == Task::Binary {
            ensemble.shrink_leaves(y.iter().sum::<f64>() / y.len() as f64);
        }
        let mean = 1.0 / ensemble.trees.len() as f64;
        Ok(Fitted { model: Model::Forest(ensemble.settle(mean)), rounds: None })
    }
}

impl Forest {
    fn grow_block(
        &self,
        x: &DenseMatrix<f64>,
        y: &Vec<f64>,
        cols: usize,
        count: usize,
        seed: u64,
    ) -> Result<Vec<Tree>, LearnError> {
        let mut parameters = RandomForestRegressorParameters::default()
            .with_n_trees(count)
            .with_max_depth(self.0.depth)
            .with_min_samples_leaf(self.0.min_leaf)
            .with_min_samples_split(2 * self.0.min_leaf)
            .with_seed(seed);
        parameters.m = self.0.features.map(|features| features.min(cols));
        let forest = RandomForestRegressor::fit(x, y, parameters).map_err(library)?;
        // The library shows its nodes through serde only.
        let text = serde_json::to_string(&forest).map_err(library)?;
        let grown: GrownForest = serde_json::from_str(&text).map_err(library)?;
        grown.forest_regressor.trees.iter().map(GrownTree::flatten).collect()
    }
}

fn library(error: impl std::fmt::Display) -> LearnError {
    LearnError::Library(error.to_string())
}

#[derive(Deserialize)]
struct GrownForest {
    forest_regressor: GrownBase,
}

#[derive(Deserialize)]
struct GrownBase {
    trees: Vec<GrownTree>,
}

#[derive(Deserialize)]
struct GrownTree {
    nodes: Vec<GrownNode>,
}

#[derive(Deserialize)]
struct GrownNode {
    output: f64,
    split_feature: u32,
    split_value: Option<f64>,
    true_child: Option<u32>,
    false_child: Option<u32>,
}

impl GrownTree {
    fn flatten(&self) -> Result<Tree, LearnError> {
        let kind = |index: usize| {
            let node = self.nodes.get(index)?;
            Some(match (node.split_value, node.true_child, node.false_child) {
                (Some(value), Some(left), Some(right)) => NodeKind::Branch {
                    feature: node.split_feature,
                    test: Test::Below(just_above(value)),
                    left,
                    right,
                    default_left: true,
                },
                _ => NodeKind::Leaf(node.output),
            })
        };
        Ok(Tree::from_links(self.nodes.len(), kind)?)
    }
}

/// The smallest 32-bit float above a split value: for values that a 32-bit float holds, `x <= value` and
/// `x < just_above(value)` are the same question.
fn just_above(value: f64) -> f64 {
    let nearest = value as f32;
    f64::from(if f64::from(nearest) > value { nearest } else { nearest.next_up() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn flat_trees_give_the_predictions_of_the_library() {
        let (rows, mut values) = (300_u32, Vec::new());
        let y: Vec<f64> = (0..rows).map(|row| f64::from(row * 7 % 11 / 6)).collect();
        for row in 0..rows {
            values.extend([f64::from((row % 13) as f32 / 7.0_f32), f64::from((row * 31 % 17) as f32 / 3.0_f32)]);
        }
        let parameters =
            RandomForestRegressorParameters::default().with_n_trees(10).with_seed(5).with_min_samples_leaf(2);
        let x = DenseMatrix::new(300, 2, values.clone(), false).expect("a matrix");
        let parameters = parameters.with_min_samples_split(4).with_max_depth(6);
        let forest = RandomForestRegressor::fit(&x, &y, parameters).expect("it grows");
        let expected: Vec<f64> = forest.predict(&x).expect("predictions");
        let own = Forest(ForestParams { trees: 10, depth: 6, min_leaf: 2, features: None });
        let trees = own.grow_block(&x, &y, 2, 10, 5).expect("it grows");
        let flat = TreeEnsemble { base: 0.0, trees }.settle(0.1);
        for (row, expected) in values.chunks_exact(2).zip(expected) {
            assert!((flat.margin(row) - expected).abs() < 1e-6);
        }
    }

    proptest! {
        #[test]
        fn below_the_next_single_is_at_most_the_value(a in -1e6_f32..1e6, b in -1e6_f32..1e6) {
            let middle = f64::midpoint(f64::from(a), f64::from(b));
            for x in [a, b, a.next_up(), b.next_down()] {
                prop_assert_eq!(f64::from(x) <= middle, f64::from(x) < just_above(middle));
            }
        }
    }
}
