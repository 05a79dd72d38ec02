//! Cross-validation over the outer folds: every candidate is fitted and scored fold by fold.
//!
//! Fits are independent and carry their own random streams, so they run in any order on any number of threads; their
//! results are put together by index.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rayon::prelude::*;
use serde::Serialize;

use super::recipe::{FitError, Job, Recipe, Trained};
use super::study::Study;
use crate::common::target::Task;
use crate::common::{regression, scores};
use crate::{StageContext, StageError};

/// A contestant of the comparison.
pub(super) struct Candidate {
    /// Its name in reports.
    pub name: String,
    /// How it is fitted.
    pub recipe: Recipe,
}

/// Scores by name: `auroc`, `log_loss`, `brier` for events, `rmse`, `mae`, `r2` for numbers.
pub(super) type Scores = BTreeMap<String, f64>;

/// What a candidate scored on one outer fold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct FoldScores {
    /// The fold.
    pub fold: usize,
    /// Rows in it.
    pub n: usize,
    /// Events among them, when the outcome is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<usize>,
    /// Its scores.
    #[serde(flatten)]
    pub scores: Scores,
    /// Boosting rounds, for learners that have them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rounds: Option<usize>,
}

/// A candidate's results on all outer folds.
#[derive(Debug, Clone)]
pub(super) struct CvResult {
    /// One per fold.
    pub folds: Vec<FoldScores>,
    /// Out-of-fold prediction of every row; NaN for rows that are in no fold.
    pub predicted: Vec<f64>,
    /// Time spent fitting and predicting; for the log only.
    pub took: Took,
}

/// Wall time of fits and predictions, summed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Took {
    pub fit: Duration,
    pub predict: Duration,
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

struct HeldOut {
    scores: FoldScores,
    rows: Vec<usize>,
    predicted: Vec<f64>,
    took: Took,
}

/// Cross-validates every candidate.
pub(super) fn cross_validate(
    study: &Study,
    candidates: &[Candidate],
    seed: u64,
    counter: &Counter,
) -> Result<Vec<CvResult>, StageError> {
    let tasks: Vec<(&Candidate, usize)> =
        candidates.iter().flat_map(|candidate| (0..study.folds.count()).map(move |fold| (candidate, fold))).collect();
    let run = |&(candidate, fold): &(&Candidate, usize)| hold_out(study, candidate, fold, seed, counter);
    let held: Vec<HeldOut> = tasks.par_iter().map(run).collect::<Result<_, _>>()?;
    let results = held.chunks(study.folds.count().max(1)).map(|folds| {
        let mut predicted = vec![f64::NAN; study.rows()];
        let mut took = Took::default();
        for fold in folds {
            fold.rows.iter().zip(&fold.predicted).for_each(|(&row, &value)| predicted[row] = value);
            took.fit += fold.took.fit;
            took.predict += fold.took.predict;
        }
        CvResult { folds: folds.iter().map(|fold| fold.scores.clone()).collect(), predicted, took }
    });
    Ok(results.collect())
}

fn hold_out(
    study: &Study,
    candidate: &Candidate,
    fold: usize,
    seed: u64,
    counter: &Counter,
) -> Result<HeldOut, StageError> {
    let title = format!("{}, fold {} of {}", candidate.name, fold + 1, study.folds.count());
    let failed = |error: FitError| StageError::failed(format!("{title}: {error}"));
    let (fit_rows, rows) = study.folds.parts(fold);
    let start = counter.context.elapsed();
    let plan = Plan { rows: &fit_rows, label: &format!("fold-{fold}"), rounds: None, seed, threads: 1 };
    let trained = fit(study, candidate, &plan, &title, counter).map_err(failed)?;
    let fitted = counter.context.elapsed();
    let predicted = trained.predict(study, &rows).map_err(failed)?;
    let predict = counter.context.elapsed().saturating_sub(fitted);
    let took = Took { fit: fitted.saturating_sub(start), predict };
    let scores = score(study, fold, &rows, &predicted, trained.rounds)
        .ok_or_else(|| StageError::failed(format!("{title}: its scores are undefined")))?;
    counter.say(1, title);
    Ok(HeldOut { scores, rows, predicted, took })
}

/// The scores of predictions for the held-out rows of a fold; `None` when one is undefined.
fn score(study: &Study, fold: usize, rows: &[usize], predicted: &[f64], rounds: Option<usize>) -> Option<FoldScores> {
    let y: Vec<f64> = rows.iter().map(|&row| study.y[row]).collect();
    let (events, values) = match study.task {
        Task::Binary => {
            let y: Vec<bool> = y.iter().map(|&y| y > 0.5).collect();
            let values = [
                ("auroc", scores::auroc(&y, predicted)?),
                ("log_loss", scores::log_loss(&y, predicted)?),
                ("brier", scores::brier(&y, predicted)?),
            ];
            (Some(y.iter().filter(|&&y| y).count()), values)
        }
        Task::Continuous => {
            let values = [
                ("rmse", regression::rmse(&y, predicted)?),
                ("mae", regression::mae(&y, predicted)?),
                ("r2", regression::r2(&y, predicted)?),
            ];
            (None, values)
        }
    };
    let scores = values.map(|(name, value)| (name.to_owned(), value)).into();
    Some(FoldScores { fold, n: rows.len(), events, scores, rounds })
}

/// The mean of several candidates' predictions, scored as a candidate of its own.
pub(super) fn average(study: &Study, members: &[&CvResult]) -> Result<CvResult, StageError> {
    let count = members.len() as f64;
    let mean = |row: usize| members.iter().map(|member| member.predicted[row]).sum::<f64>() / count;
    let predicted: Vec<f64> = (0..study.rows()).map(mean).collect();
    let folds = (0..study.folds.count()).map(|fold| {
        let rows = study.folds.parts(fold).1;
        let held: Vec<f64> = rows.iter().map(|&row| predicted[row]).collect();
        score(study, fold, &rows, &held, None)
            .ok_or_else(|| StageError::failed(format!("ensemble, fold {}: its scores are undefined", fold + 1)))
    });
    Ok(CvResult { folds: folds.collect::<Result<_, _>>()?, predicted, took: Took::default() })
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
    let plan = Plan { rows: &rows, label: "final", rounds, seed, threads };
    let trained = fit(study, candidate, &plan, &title, counter)
        .map_err(|error| StageError::failed(format!("{title}: {error}")))?;
    counter.say(1, title);
    Ok(trained)
}

/// Which rows a fit gets, and how it may go about it.
struct Plan<'a> {
    rows: &'a [usize],
    label: &'a str,
    rounds: Option<usize>,
    seed: u64,
    threads: usize,
}

fn fit(study: &Study, candidate: &Candidate, plan: &Plan, title: &str, counter: &Counter) -> Result<Trained, FitError> {
    candidate.recipe.fit(
        study,
        &Job {
            rows: plan.rows,
            rounds: plan.rounds,
            seed: plan.seed,
            label: &format!("train/{}/{}", candidate.name, plan.label),
            threads: plan.threads,
            progress: &|step| counter.say(0, format!("{title}: {step}")),
        },
    )
}
