//! Gradient boosted trees by hessboost, with the logistic loss written here on `libm`.
//!
//! The library's own logistic objective depends on the processor's instructions, so only its tree growing is used:
//! gradients, stopping metric and probabilities are ours. In a cross-validation fold the number of rounds is found on
//! a slice of the training patients, then the model is refitted on all of the fold's training rows.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use hessboost::config::{GrowPolicy, Monotone, TrainingParams, TreeMethod};
use hessboost::data::{DMatrix, FeatureType};
use hessboost::error::HessboostError;
use hessboost::metric::CustomMetric;
use hessboost::model::BoostedModel;
use hessboost::objective::{CustomLoss, GradPair, Objective};
use hessboost::training::Trainer;
use hessboost::tree::RegTree;
use rayon::prelude::*;

use super::{FitRequest, Fitted, LearnError, Learner};
use crate::common::link::{logit, sigmoid, softplus};
use crate::common::rng::Stream;
use crate::common::tree::{NodeKind, Test, Tree, TreeEnsemble};
use crate::train::model::Model;
use crate::train::params::GbdtParams;
use crate::train::preprocess::Dialect;

/// Below this many cells a second thread costs more than it saves.
const THREADED_CELLS: usize = 1_000_000;
/// Rows per task when gradients are computed in parallel; each row is on its own, so bytes do not depend on it.
const GRADIENT_CHUNK: usize = 8192;

/// Gradient boosted trees.
pub struct Gbdt(pub GbdtParams);

impl Learner for Gbdt {
    fn dialect(&self) -> Dialect {
        self.0.categories.dialect()
    }

    fn fit(&self, request: &FitRequest) -> Result<Fitted, LearnError> {
        if request.x.cols == 0 {
            return Err(LearnError::NoColumns);
        }
        let all: Vec<usize> = (0..request.x.rows).collect();
        let rounds = match request.rounds {
            Some(rounds) => rounds,
            None => self.stopping_round(request)?,
        };
        let grown = self.boost(request, &all, &[], rounds)?;
        let mut ensemble = flatten(&grown, rounds)?.settle(1.0);
        ensemble.count_cover(&request.x.values, request.x.cols);
        Ok(Fitted { model: Model::Gbdt(ensemble), rounds: Some(rounds) })
    }
}

impl Gbdt {
    /// The best number of rounds on a slice of the patients; all rounds when the slice lacks a class.
    fn stopping_round(&self, request: &FitRequest) -> Result<usize, LearnError> {
        let (grow, watch) = hold_out(request, self.0.validation_share);
        let both = |rows: &[usize]| [0.0, 1.0].iter().all(|&class| rows.iter().any(|&row| request.y[row] == class));
        if !both(&watch) || !both(&grow) {
            return Ok(self.0.rounds);
        }
        let model = self.boost(request, &grow, &watch, self.0.rounds)?;
        Ok(model.best_iteration().map_or(self.0.rounds, |best| best + 1))
    }

    fn boost(
        &self,
        request: &FitRequest,
        grow: &[usize],
        watch: &[usize],
        rounds: usize,
    ) -> Result<BoostedModel, LearnError> {
        let params = self.params(request, grow)?;
        let (train, validation) = (matrix(request, grow)?, matrix(request, watch).ok());
        let mut trainer = Trainer::new(&params, &train, rounds).on_round(|round| {
            if (round.iteration() + 1) % 10 == 0 {
                (request.progress)(round.iteration() + 1);
            }
            ControlFlow::Continue(())
        });
        if let (Some(validation), Some(patience)) = (&validation, NonZeroUsize::new(self.0.early_stopping)) {
            let metric = CustomMetric::new("log_loss", false, |margins, labels, _| mean_loss(margins, labels));
            trainer = trainer.eval(validation, "slice").early_stopping_rounds(patience).custom_metric(Box::new(metric));
        }
        Ok(trainer.train().map_err(library)?.model)
    }

    fn params(&self, request: &FitRequest, grow: &[usize]) -> Result<TrainingParams, LearnError> {
        let events = grow.iter().filter(|&&row| request.y[row] > 0.5).count() as f64;
        // Half a row on each side keeps the start finite when a class is absent.
        let start = logit((events + 0.5) / (grow.len() as f64 + 1.0));
        let loss = CustomLoss::new("logistic", 1, |margins, labels, _, out| {
            out.par_chunks_mut(GRADIENT_CHUNK).enumerate().for_each(|(chunk, pairs)| {
                let first = chunk * GRADIENT_CHUNK;
                for (at, pair) in pairs.iter_mut().enumerate() {
                    let p = sigmoid(f64::from(margins[first + at]));
                    let gradient = p - f64::from(labels[first + at]);
                    *pair = GradPair::new(gradient as f32, (p * (1.0 - p)).max(1e-16) as f32);
                }
            });
        });
        let builder = TrainingParams::builder()
            .objective(Objective::custom(loss.with_base_margin(start as f32)))
            .tree_method(TreeMethod::Hist)
            .grow_policy(GrowPolicy::LossGuide)
            .max_leaves(self.0.leaves)
            .eta(self.0.learning_rate)
            .lambda(self.0.l2)
            .min_child_weight(self.0.min_child)
            .subsample(self.0.subsample)
            .colsample_bytree(self.0.colsample)
            .monotone_constraints(request.monotone.iter().map(|&sign| direction(sign)).collect())
            .seed(Stream::new(request.seed, request.label).bits() >> 33)
            .nthread(if request.x.values.len() >= THREADED_CELLS { request.threads } else { 1 });
        let builder = match self.0.depth {
            Some(depth) => builder.max_depth(depth),
            None => builder.unlimited_depth(),
        };
        builder.build().map_err(library)
    }
}

fn direction(sign: i8) -> Monotone {
    match sign.signum() {
        1 => Monotone::Increasing,
        -1 => Monotone::Decreasing,
        _ => Monotone::None,
    }
}

/// Divides the rows into those to grow trees on and those to watch, by patient and stratified by whether the patient
/// has an event.
fn hold_out(request: &FitRequest, share: f64) -> (Vec<usize>, Vec<usize>) {
    let count = request.groups.iter().max().map_or(0, |last| last + 1);
    let mut event = vec![None; count];
    for (&group, &y) in request.groups.iter().zip(request.y) {
        event[group] = Some(event[group].unwrap_or(false) || y > 0.5);
    }
    let mut watched = vec![false; count];
    let mut stream = Stream::new(request.seed, &format!("{}/slice", request.label));
    for class in [false, true] {
        let mut members: Vec<usize> = (0..count).filter(|&group| event[group] == Some(class)).collect();
        stream.shuffle(&mut members);
        let take = libm::round(share * members.len() as f64) as usize;
        members.iter().take(take).for_each(|&group| watched[group] = true);
    }
    (0..request.x.rows).partition(|&row| !watched[request.groups[row]])
}

fn matrix(request: &FitRequest, rows: &[usize]) -> Result<DMatrix, LearnError> {
    let cells: Vec<f32> = rows.iter().flat_map(|&row| request.x.row(row).iter().map(|&value| value as f32)).collect();
    let labels: Vec<f32> = rows.iter().map(|&row| request.y[row] as f32).collect();
    let kind = |&coded: &bool| if coded { FeatureType::Categorical } else { FeatureType::Numerical };
    let types: Vec<FeatureType> = request.coded.iter().map(kind).collect();
    let built = DMatrix::from_dense_vec(cells, rows.len(), request.x.cols)
        .and_then(|matrix| matrix.with_labels(&labels))
        .and_then(|matrix| matrix.with_feature_types(&types));
    built.map_err(library)
}

fn mean_loss(margins: &[f32], labels: &[f32]) -> f64 {
    let losses = margins.iter().zip(labels).map(|(&margin, &label)| {
        let margin = f64::from(margin);
        softplus(margin) - f64::from(label) * margin
    });
    losses.sum::<f64>() / labels.len() as f64
}

fn flatten(model: &BoostedModel, rounds: usize) -> Result<TreeEnsemble, LearnError> {
    let trees = model
        .trees()
        .iter()
        .take(rounds)
        .map(|tree| Ok(Tree::from_links(tree.num_nodes(), |index| node(tree, index))?));
    let trees = trees.collect::<Result<_, LearnError>>()?;
    Ok(TreeEnsemble { base: f64::from(model.base_score()), trees })
}

fn node(tree: &RegTree, index: usize) -> Option<NodeKind> {
    let node = tree.nodes().get(index)?;
    if node.is_leaf() {
        return Some(NodeKind::Leaf(f64::from(node.leaf_value)));
    }
    let test = if node.is_categorical {
        let mut codes = tree.split_categories(index).to_vec();
        codes.sort_unstable();
        Test::In(codes)
    } else {
        Test::Below(f64::from(node.split_cond))
    };
    Some(NodeKind::Branch {
        feature: node.split_feature,
        test,
        left: u32::try_from(node.left).ok()?,
        right: u32::try_from(node.right).ok()?,
        default_left: node.default_left,
    })
}

fn library(error: HessboostError) -> LearnError {
    LearnError::Library(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::target::Task;
    use crate::train::preprocess::Matrix;
    use hessboost::model::Iterations;

    #[test]
    fn flat_trees_give_the_margins_of_the_library() {
        let mut stream = Stream::new(3, "gbdt tests");
        let (rows, mut values, mut y) = (800, Vec::new(), Vec::new());
        for _ in 0..rows {
            let (a, code) = (f64::from(stream.normal() as f32), stream.below(6) as f64);
            let gap = stream.chance(0.2);
            values.extend([if gap { f64::NAN } else { a }, if stream.chance(0.1) { f64::NAN } else { code }]);
            y.push(f64::from(u8::from(stream.chance(sigmoid(a + if code > 2.0 { 1.0 } else { -1.0 })))));
        }
        let x = Matrix { rows, cols: 2, values };
        let groups: Vec<usize> = (0..rows).collect();
        let request = FitRequest {
            x: &x,
            coded: &[false, true],
            task: Task::Binary,
            y: &y,
            weights: None,
            groups: &groups,
            monotone: &[],
            rounds: None,
            seed: 1,
            label: "test",
            threads: 1,
            progress: &|_| {},
        };
        let learner = Gbdt(GbdtParams { rounds: 40, ..GbdtParams::default() });
        let grown = learner.boost(&request, &groups, &[], 40).expect("it boosts");
        let flat = flatten(&grown, 40).expect("its trees can be read");
        assert!(flat.trees.iter().any(|tree| {
            tree.nodes().iter().any(|node| matches!(node.kind, NodeKind::Branch { test: Test::In(_), .. }))
        }));
        let matrix = matrix(&request, &groups).expect("a matrix");
        let margins = grown.predict(&matrix, Iterations::Best).expect("margins");
        for (row, &margin) in margins.as_slice().iter().enumerate() {
            assert!((flat.margin(x.row(row)) - f64::from(margin)).abs() < 1e-5, "row {row}");
        }
    }
}
