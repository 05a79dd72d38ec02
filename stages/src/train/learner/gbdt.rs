//! Gradient boosted trees, grown by hessboost on the losses of `loss`.
//!
//! In a cross-validation fold the number of rounds is found on a slice of the training patients, then the model is
//! refitted on all of the fold's training rows. Nothing of the library reaches a file: its trees become a
//! [`TreeEnsemble`] at once. It never sees an infinite value, a row that counts nothing, or more threads than asked for.

mod loss;
#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::thread;

use hessboost::config::{GrowPolicy, Monotone, TrainingParams, TreeMethod};
use hessboost::data::{BinnedMatrix, DMatrix, FeatureType};
use hessboost::error::HessboostError;
use hessboost::model::BoostedModel;
use hessboost::objective::Objective;
use hessboost::training::Trainer;
use hessboost::tree::RegTree;
use rayon::prelude::*;

use super::{FitRequest, Fitted, LearnError, Learner};
use crate::common::rng::Stream;
use crate::common::target::Task;
use crate::common::tree::{NodeKind, Test, Tree, TreeEnsemble};
use crate::train::model::Model;
use crate::train::params::GbdtParams;
use crate::train::preprocess::Dialect;

/// Below this many cells a second thread costs more than it saves. Tests divide less, to see that bytes stay.
const THREADED_CELLS: usize = if cfg!(test) { 1_000 } else { 1_000_000 };

/// Rows per task when cells are converted.
const CHUNK: usize = 512;

/// Gradient boosted trees.
pub struct Gbdt(pub GbdtParams);

impl Learner for Gbdt {
    fn dialect(&self) -> Dialect {
        self.0.categories.dialect()
    }

    fn fit(&self, request: &FitRequest) -> Result<Fitted, LearnError> {
        if request.x.cols() == 0 {
            return Err(LearnError::NoColumns);
        }
        let counting: Vec<usize> = (0..request.x.rows()).filter(|&row| request.weight(row) > 0.0).collect();
        if counting.is_empty() {
            return Err(LearnError::NoRows);
        }
        if let Some(&row) = counting.iter().find(|&&row| request.y[row].abs() >= LARGEST_OUTCOME) {
            return Err(LearnError::LargeOutcome(request.y[row]));
        }
        let rounds = match request.rounds {
            Some(rounds) => rounds,
            None => self.stopping_round(request, &counting)?,
        };
        let start = loss::start(request, &counting);
        let grown = self.boost(request, &counting, &[], rounds)?;
        let mut ensemble = flatten(&grown, rounds, start, request.task)?.settle(1.0);
        ensemble.count_cover(request.x);
        Ok(Fitted { model: Model::Gbdt(ensemble), rounds: Some(rounds) })
    }
}

/// Outcomes of this size have squares and sums that 32-bit floats cannot hold.
const LARGEST_OUTCOME: f64 = 1e15;

impl Gbdt {
    /// The best number of rounds on a slice of the patients; all rounds when the slice or the rest lacks a class.
    fn stopping_round(&self, request: &FitRequest, counting: &[usize]) -> Result<usize, LearnError> {
        let (grow, watch) = hold_out(request, counting, self.0.validation_share);
        let has = |rows: &[usize], class: f64| rows.iter().any(|&row| request.y[row] == class);
        let tells = |rows: &[usize]| match request.task {
            Task::Binary => has(rows, 0.0) && has(rows, 1.0),
            Task::Continuous => !rows.is_empty(),
        };
        if !tells(&watch) || !tells(&grow) {
            return Ok(self.0.rounds);
        }
        let model = self.boost(request, &grow, &watch, self.0.rounds)?;
        Ok(model.best_iteration().map_or(self.0.rounds, |best| best + 1))
    }

    /// Grows trees on some rows, watching others if there are any.
    fn boost(
        &self,
        request: &FitRequest,
        grow: &[usize],
        watch: &[usize],
        rounds: usize,
    ) -> Result<BoostedModel, LearnError> {
        let start = loss::start(request, grow);
        let params = self.params(request, start)?;
        let threads = if grow.len() * request.x.cols() >= THREADED_CELLS { request.threads } else { 1 };
        apart(threads, || {
            let train = BinnedMatrix::new(&matrix(request, grow, start)?, self.0.max_bins).map_err(library)?;
            let validation = if watch.is_empty() { None } else { Some(matrix(request, watch, start)?) };
            let mut trainer = Trainer::new(&params, &train, rounds).on_round(|round| {
                if (round.iteration() + 1) % 10 == 0 {
                    (request.progress)(round.iteration() + 1);
                }
                ControlFlow::Continue(())
            });
            if let (Some(validation), Some(patience)) = (&validation, NonZeroUsize::new(self.0.early_stopping)) {
                let metric = Box::new(loss::metric(request.task));
                trainer = trainer.eval(validation, "slice").early_stopping_rounds(patience).custom_metric(metric);
            }
            Ok(trainer.train().map_err(library)?.model)
        })
    }

    fn params(&self, request: &FitRequest, start: f64) -> Result<TrainingParams, LearnError> {
        let builder = TrainingParams::builder()
            .objective(Objective::custom(loss::loss(request.task, start)))
            .tree_method(TreeMethod::Hist)
            .grow_policy(GrowPolicy::LossGuide)
            .max_leaves(self.0.leaves)
            .max_bin(self.0.max_bins)
            .eta(self.0.learning_rate)
            .lambda(self.0.l2)
            .min_child_weight(self.0.min_child)
            .subsample(self.0.subsample)
            .colsample_bytree(self.0.colsample)
            .monotone_constraints(request.monotone.iter().map(|&sign| direction(sign)).collect())
            .seed(Stream::new(request.seed, request.label).bits() >> 33);
        let builder = match self.0.depth {
            Some(depth) => builder.max_depth(depth),
            None => builder.unlimited_depth(),
        };
        builder.build().map_err(library)
    }
}

/// Runs `work` with a thread pool of its own, from a thread of its own: a worker of the caller's pool that waited for
/// another pool would meanwhile start other fits, more than there are threads for.
fn apart<T: Send>(threads: usize, work: impl FnOnce() -> Result<T, LearnError> + Send) -> Result<T, LearnError> {
    let failed = |what: &dyn std::fmt::Display| LearnError::Library(format!("cannot start threads: {what}"));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(|error| failed(&error))?;
    thread::scope(|scope| {
        let worker =
            thread::Builder::new().spawn_scoped(scope, || pool.install(work)).map_err(|error| failed(&error))?;
        worker.join().unwrap_or_else(|_| Err(LearnError::Library("hessboost broke off".to_owned())))
    })
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
fn hold_out(request: &FitRequest, counting: &[usize], share: f64) -> (Vec<usize>, Vec<usize>) {
    let count = request.groups.iter().max().map_or(0, |last| last + 1);
    let mut event = vec![None; count];
    for &row in counting {
        let group = request.groups[row];
        let happens = request.task == Task::Binary && request.y[row] > 0.5;
        event[group] = Some(event[group].unwrap_or(false) || happens);
    }
    let mut watched = vec![false; count];
    let mut stream = Stream::new(request.seed, &format!("{}/slice", request.label));
    for class in [false, true] {
        let mut members: Vec<usize> = (0..count).filter(|&group| event[group] == Some(class)).collect();
        stream.shuffle(&mut members);
        let take = libm::round(share * members.len() as f64) as usize;
        members.iter().take(take).for_each(|&group| watched[group] = true);
    }
    counting.iter().partition(|&&row| !watched[request.groups[row]])
}

/// The rows as the library reads them: 32-bit floats without infinities; for numbers, outcomes as distances from the
/// start.
fn matrix(request: &FitRequest, rows: &[usize], start: f64) -> Result<DMatrix, LearnError> {
    let cols = request.x.cols();
    let mut cells = vec![0.0_f32; rows.len() * cols];
    let chunks = cells.par_chunks_mut(CHUNK * cols).zip(rows.par_chunks(CHUNK));
    chunks.for_each_init(Vec::new, |values: &mut Vec<f64>, (cells, rows)| {
        values.resize(cells.len(), 0.0);
        request.x.read(rows, values);
        for (cell, &value) in cells.iter_mut().zip(&*values) {
            *cell = (value as f32).clamp(f32::MIN, f32::MAX);
        }
    });
    let from = if request.task == Task::Continuous { start } else { 0.0 };
    let labels: Vec<f32> = rows.iter().map(|&row| (request.y[row] - from) as f32).collect();
    let kind = |&coded: &bool| if coded { FeatureType::Categorical } else { FeatureType::Numerical };
    let types: Vec<FeatureType> = request.coded.iter().map(kind).collect();
    let mut built = DMatrix::from_dense_vec(cells, rows.len(), cols)
        .and_then(|matrix| matrix.with_labels(&labels))
        .and_then(|matrix| matrix.with_feature_types(&types));
    if request.weights.is_some() {
        let weights: Vec<f32> = rows.iter().map(|&row| request.weight(row) as f32).collect();
        built = built.and_then(|matrix| matrix.with_weights(&weights));
    }
    built.map_err(library)
}

fn flatten(model: &BoostedModel, rounds: usize, start: f64, task: Task) -> Result<TreeEnsemble, LearnError> {
    let trees = model
        .trees()
        .iter()
        .take(rounds)
        .map(|tree| Ok(Tree::from_links(tree.num_nodes(), |index| node(tree, index))?));
    let base = if task == Task::Continuous { start } else { f64::from(start as f32) };
    Ok(TreeEnsemble { base, trees: trees.collect::<Result<_, LearnError>>()? })
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
