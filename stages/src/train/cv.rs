//! Cross-validation over the outer folds: every candidate is preprocessed, fitted and scored fold by fold.
//!
//! Fits are independent and carry their own random streams, so they run in any order on any number of threads; their
//! results are put together by index.

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use serde::Serialize;

use super::learner::{FitRequest, Fitted, LearnError, Learner};
use super::model::ModelFile;
use super::params::PreprocessParams;
use super::preprocess::{PreprocessError, Preprocessor};
use super::study::Study;
use crate::common::scores;
use crate::{StageContext, StageError};

/// A learner with the preprocessing it competes with.
pub(super) struct Candidate {
    /// Its name in reports.
    pub name: String,
    /// How it learns.
    pub learner: Box<dyn Learner>,
    /// What happens to the features before.
    pub preprocess: PreprocessParams,
}

/// What a candidate scored on one outer fold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct FoldScores {
    /// The fold.
    pub fold: usize,
    /// Rows in it.
    pub n: usize,
    /// Events among them.
    pub events: usize,
    /// Area under the ROC curve.
    pub auroc: f64,
    /// Mean negative log likelihood.
    pub log_loss: f64,
    /// Mean squared error of the probabilities.
    pub brier: f64,
    /// Boosting rounds, for learners that have them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rounds: Option<usize>,
}

/// A candidate's results on all outer folds.
pub(super) struct CvResult {
    /// One per fold.
    pub folds: Vec<FoldScores>,
    /// Out-of-fold probability of every training row.
    pub p: Vec<f64>,
}

/// A fitted preprocessor and model.
pub(super) struct Trained {
    pub preprocessor: Preprocessor,
    pub file: ModelFile,
}

#[derive(Debug, thiserror::Error)]
enum FitError {
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
    #[error(transparent)]
    Learn(#[from] LearnError),
}

/// Counts finished fits for the progress line.
pub(super) struct Counter<'a> {
    context: &'a StageContext<'a>,
    done: AtomicU64,
    total: u64,
}

impl<'a> Counter<'a> {
    pub(super) fn new(context: &'a StageContext<'a>, total: usize) -> Self {
        Self { context, done: AtomicU64::new(0), total: total as u64 }
    }

    fn say(&self, finished: u64, message: String) {
        let done = self.done.fetch_add(finished, Ordering::Relaxed) + finished;
        self.context.progress(done, Some(self.total), "fits", message);
    }
}

/// Cross-validates every candidate.
pub(super) fn cross_validate(
    study: &Study,
    candidates: &[Candidate],
    seed: u64,
    counter: &Counter,
) -> Result<Vec<CvResult>, StageError> {
    let tasks: Vec<(&Candidate, usize)> =
        candidates.iter().flat_map(|candidate| (0..study.folds).map(move |fold| (candidate, fold))).collect();
    let run = |&(candidate, fold): &(&Candidate, usize)| score_fold(study, candidate, fold, seed, counter);
    let scored: Vec<(FoldScores, Vec<f64>)> = tasks.par_iter().map(run).collect::<Result<_, _>>()?;
    let results = scored.chunks(study.folds).map(|folds| {
        let mut p = vec![f64::NAN; study.rows()];
        for (scores, held_p) in folds {
            let held = study.parts(scores.fold).1;
            held.into_iter().zip(held_p).for_each(|(row, &value)| p[row] = value);
        }
        CvResult { folds: folds.iter().map(|(scores, _)| scores.clone()).collect(), p }
    });
    Ok(results.collect())
}

fn score_fold(
    study: &Study,
    candidate: &Candidate,
    fold: usize,
    seed: u64,
    counter: &Counter,
) -> Result<(FoldScores, Vec<f64>), StageError> {
    let title = format!("{}, fold {} of {}", candidate.name, fold + 1, study.folds);
    let failed = |error: FitError| StageError::failed(format!("{title}: {error}"));
    let (fit_rows, held) = study.parts(fold);
    let plan = Plan { candidate, rows: &fit_rows, rounds: None, seed, label: &format!("fold-{fold}"), threads: 1 };
    let (preprocessor, fitted) = fit(study, &plan, &title, counter).map_err(failed)?;
    let x = preprocessor.transform(&study.features, Some(&held)).map_err(|error| failed(error.into()))?;
    let p: Vec<f64> = (0..x.rows).map(|row| fitted.model.probability(x.row(row))).collect();
    let y: Vec<bool> = held.iter().map(|&row| study.y[row]).collect();
    let undefined = || StageError::failed(format!("{title}: its scores are undefined"));
    let scores = FoldScores {
        fold,
        n: y.len(),
        events: y.iter().filter(|&&y| y).count(),
        auroc: scores::auroc(&y, &p).ok_or_else(undefined)?,
        log_loss: scores::log_loss(&y, &p).ok_or_else(undefined)?,
        brier: scores::brier(&y, &p).ok_or_else(undefined)?,
        rounds: fitted.rounds,
    };
    counter.say(1, title);
    Ok((scores, p))
}

/// Fits a candidate on all training rows.
pub(super) fn fit_all(
    study: &Study,
    candidate: &Candidate,
    rounds: Option<usize>,
    seed: u64,
    threads: usize,
    counter: &Counter,
) -> Result<Trained, StageError> {
    let title = format!("{}, all training rows", candidate.name);
    let rows: Vec<usize> = (0..study.rows()).collect();
    let plan = Plan { candidate, rows: &rows, rounds, seed, label: "final", threads };
    let (preprocessor, fitted) =
        fit(study, &plan, &title, counter).map_err(|error| StageError::failed(format!("{title}: {error}")))?;
    counter.say(1, title);
    let file = ModelFile { schema_version: 1, columns: preprocessor.columns(), model: fitted.model };
    Ok(Trained { preprocessor, file })
}

struct Plan<'a> {
    candidate: &'a Candidate,
    rows: &'a [usize],
    rounds: Option<usize>,
    seed: u64,
    label: &'a str,
    threads: usize,
}

fn fit(study: &Study, plan: &Plan, title: &str, counter: &Counter) -> Result<(Preprocessor, Fitted), FitError> {
    let learner = &plan.candidate.learner;
    let preprocessor = Preprocessor::fit(
        &study.features,
        &study.names,
        plan.rows,
        &study.row_ids,
        &plan.candidate.preprocess,
        learner.dialect(),
    )?;
    let x = preprocessor.transform(&study.features, Some(plan.rows))?;
    let y: Vec<bool> = plan.rows.iter().map(|&row| study.y[row]).collect();
    let groups: Vec<usize> = plan.rows.iter().map(|&row| study.groups[row]).collect();
    let fitted = learner.fit(&FitRequest {
        x: &x,
        coded: &preprocessor.coded(),
        y: &y,
        groups: &groups,
        rounds: plan.rounds,
        seed: plan.seed,
        label: &format!("train/{}/{}", plan.candidate.name, plan.label),
        threads: plan.threads,
        progress: &|step| counter.say(0, format!("{title}: {step}")),
    })?;
    Ok((preprocessor, fitted))
}
