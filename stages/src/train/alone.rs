//! One learner on one table, without folds, comparison or files: the door through which measurements reach a learner.
//!
//! It preprocesses and fits exactly as the final refit of `train` does. Nothing that it fits may be kept or judged as a
//! study's model: `leakage` asks with it whether there is anything to be learned where there must not be.

use super::learner::{FitRequest, LearnError, learner};
use super::model::Model;
use super::monotone;
use super::params::{LearnerName, TrainParams};
use super::preprocess::{FitRows, PreprocessError, Preprocessor};
use crate::common::frame::Frame;
use crate::common::target::Task;

/// The seed of every such fit.
const SEED: u64 = 42;

/// Why a learner could not be fitted.
#[derive(Debug, thiserror::Error)]
pub enum AloneError {
    /// The features do not fit the preprocessing.
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
    /// It is made of other learners.
    #[error("an ensemble cannot be fitted alone")]
    Ensemble,
    /// The learner failed.
    #[error(transparent)]
    Learn(#[from] LearnError),
}

/// Fits `name` as `params` say on the rows at `rows` of `features`, every row its own patient; `y` has the outcomes
/// of all rows. Boosted trees are grown for all of `gbdt.rounds`. Threads: at most `threads`.
pub fn fit_alone(
    name: LearnerName,
    params: &TrainParams,
    features: &Frame,
    rows: &[usize],
    task: Task,
    y: &[f64],
    threads: usize,
) -> Result<(Preprocessor, Model), AloneError> {
    let names: Vec<String> = features.columns().map(|(name, _)| name.to_owned()).collect();
    let row_ids: Vec<i64> = (0..features.rows() as i64).collect();
    let groups: Vec<usize> = (0..features.rows()).collect();
    let learner = learner(name, params).ok_or(AloneError::Ensemble)?;
    let all = FitRows {
        features,
        names: &names,
        index: rows,
        row_ids: &row_ids,
        y,
        groups: &groups,
        seed: SEED,
        label: "alone",
    };
    let (preprocessor, x) = Preprocessor::fit_transform(&all, &params.preprocess, learner.dialect())?;
    let y: Vec<f64> = rows.iter().map(|&row| y[row]).collect();
    let fitted = learner.fit(&FitRequest {
        x: &x,
        coded: &preprocessor.coded(),
        task,
        y: &y,
        weights: None,
        groups: rows,
        monotone: &monotone::directions(&params.gbdt.monotone, &preprocessor.columns()),
        rounds: Some(params.gbdt.rounds),
        seed: SEED,
        label: "alone",
        threads,
        progress: &|_| {},
    })?;
    Ok((preprocessor, fitted.model))
}
