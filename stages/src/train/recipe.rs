//! A recipe: everything between raw features and a fitted model, for one candidate. It is the only place that fits.
//!
//! Whatever is fitted (the choice of features, imputation, scaling, levels, the balance of events, the model) is fitted
//! on the rows of the job and on nothing else.

use super::balance::{BalanceError, Sample, balance};
use super::feature_selection::{SelectError, select};
use super::learner::{FitRequest, LearnError, learner};
use super::model::ModelMember;
use super::monotone;
use super::params::{LearnerName, TrainParams};
use super::preprocess::{Dialect, FitRows, PreprocessError, Preprocessor};
use super::study::Study;
use crate::common::rows::{Rows, means};

/// How a candidate gets from features to a model.
#[derive(Debug, Clone)]
pub(super) struct Recipe {
    /// The learner.
    pub learner: LearnerName,
    /// Its settings and those of the steps before it; the other learners' are not read.
    pub params: TrainParams,
}

/// One fit.
pub(super) struct Job<'a> {
    /// The rows to fit on.
    pub rows: &'a [usize],
    /// Boosting rounds; absent: the learner finds them.
    pub rounds: Option<usize>,
    /// The study's seed.
    pub seed: u64,
    /// Names the random streams of this fit.
    pub label: &'a str,
    /// Threads it may use.
    pub threads: usize,
    /// Called with the rounds or trees done so far.
    pub progress: &'a (dyn Fn(usize) + Sync),
}

/// A fitted recipe.
#[derive(Debug, Clone)]
pub(super) struct Trained {
    /// What stands before the model.
    pub preprocessor: Preprocessor,
    /// The model.
    pub member: ModelMember,
    /// Boosting rounds, for learners that have them.
    pub rounds: Option<usize>,
}

/// Why a recipe cannot be fitted or applied.
#[derive(Debug, thiserror::Error)]
pub(super) enum FitError {
    /// Before the learner.
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
    /// In the choice of features.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// In the balance of events and non-events.
    #[error(transparent)]
    Balance(#[from] BalanceError),
    /// In the learner.
    #[error(transparent)]
    Learn(#[from] LearnError),
    /// Columns that could not be told apart.
    #[error("two encoded columns are called `{0}`; rename the feature or its level")]
    Ambiguous(String),
    /// An ensemble has no recipe of its own.
    #[error("`ensemble` is made of its members and fits nothing itself")]
    Ensemble,
}

impl Recipe {
    /// The linear model with default settings, whatever the candidates are set to: what they must beat.
    pub(super) fn plain(learner: LearnerName) -> Self {
        Self { learner, params: TrainParams::default() }
    }

    /// Fits it.
    pub(super) fn fit(&self, study: &Study, job: &Job) -> Result<Trained, FitError> {
        let learner = learner(self.learner, &self.params).ok_or(FitError::Ensemble)?;
        let all = FitRows {
            features: &study.features,
            names: &study.names,
            index: job.rows,
            row_ids: &study.row_ids,
            y: &study.y,
            groups: study.groups(),
            seed: job.seed,
            label: job.label,
        };
        let params = &self.params;
        let dropped = select(&all, &params.preprocess, &params.select, study.task, job.threads)?;
        let names: Vec<String> = study
            .names
            .iter()
            .filter(|name| dropped.iter().all(|dropped| dropped.feature != **name))
            .cloned()
            .collect();
        let rows = FitRows { names: &names, ..all };
        let (mut preprocessor, own) = Preprocessor::fit(&rows, &params.preprocess, learner.dialect())?;
        if let Some(name) = repeated(preprocessor.columns()) {
            return Err(FitError::Ambiguous(name));
        }
        preprocessor.record_dropped(dropped, &study.names);
        // Before balancing: explanations start from the patients there are.
        let x = preprocessor.fitted_rows(&rows, own)?;
        let means = (learner.dialect() == Dialect::Linear).then(|| means(&x));
        let y = job.rows.iter().map(|&row| study.y[row]).collect();
        let groups = job.rows.iter().map(|&row| study.groups()[row]).collect();
        let sample = Sample { x: Box::new(x) as Box<dyn Rows>, y, groups, weights: None };
        let sample = balance(sample, &preprocessor, &params.imbalance, study.task, job.seed, job.label)?;
        let monotone = monotone::directions(&params.gbdt.monotone, &preprocessor.columns());
        let fitted = learner.fit(&FitRequest {
            x: sample.x.as_ref(),
            coded: &preprocessor.coded(),
            task: study.task,
            y: &sample.y,
            weights: sample.weights.as_deref(),
            groups: &sample.groups,
            monotone: &monotone,
            rounds: job.rounds,
            seed: job.seed,
            label: job.label,
            threads: job.threads,
            progress: job.progress,
        })?;
        drop(sample);
        let member = ModelMember { learner: self.learner, columns: preprocessor.columns(), means, model: fitted.model };
        Ok(Trained { preprocessor, member, rounds: fitted.rounds })
    }
}

/// Rows whose cells are in memory together while they are predicted.
const AT_ONCE: usize = 1 << 16;

/// A name that occurs twice.
fn repeated(mut names: Vec<String>) -> Option<String> {
    names.sort();
    names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0].clone())
}

impl Trained {
    /// Predictions for the rows at `index`.
    pub(super) fn predict(&self, study: &Study, index: &[usize]) -> Result<Vec<f64>, FitError> {
        let x = self.preprocessor.new_rows(&study.features, Some(index))?;
        let mut predicted = Vec::with_capacity(index.len());
        for from in (0..index.len()).step_by(AT_ONCE) {
            let x = x.part(from..index.len().min(from + AT_ONCE));
            predicted.extend(self.member.model.predict_all(&x, study.task));
        }
        Ok(predicted)
    }
}
