//! Cross-validation over the outer folds: every candidate is fitted and scored fold by fold.
//!
//! Where settings are searched for, each fold has a search of its own, which sees that fold's training rows only.
//! Fits are independent and carry their own random streams, so they run in any order on any number of threads; their
//! results are put together by index.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rayon::prelude::*;
use serde::Serialize;

use super::recipe::{FitError, Job, Recipe, Trained};
use super::study::Study;
use super::tuning::{self, Found, Searched, Tuned};
use crate::common::objective::Objective;
use crate::common::target::Task;
use crate::{StageContext, StageError};

/// A contestant of the comparison.
pub(super) struct Candidate {
    /// Its name in reports.
    pub name: String,
    /// How it is fitted.
    pub recipe: Recipe,
}

/// Scores by name: `auroc`, `log_loss`, `brier` for events, `rmse`, `mae`, `r2` for numbers, and the deciding one.
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
    /// The settings found on the fold's training rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tuning: Option<Tuned>,
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
    /// The searches for settings, one per fold; none without one.
    pub searches: Vec<Searched>,
}

impl CvResult {
    /// Results without a search for settings.
    pub(super) fn untuned(folds: Vec<FoldScores>, predicted: Vec<f64>, took: Took) -> Self {
        Self { folds, predicted, took, searches: Vec::new() }
    }
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
    search: Option<Searched>,
}

/// What all fits of a comparison share.
pub(super) struct Comparison<'a> {
    /// The training rows.
    pub study: &'a Study,
    /// The score that decides.
    pub metric: Objective,
    /// The study's seed.
    pub seed: u64,
    /// Where progress goes.
    pub counter: &'a Counter<'a>,
}

impl Comparison<'_> {
    /// Cross-validates every candidate.
    pub(super) fn cross_validate(&self, candidates: &[Candidate]) -> Result<Vec<CvResult>, StageError> {
        let count = self.study.folds.count();
        let tasks: Vec<(&Candidate, usize)> =
            candidates.iter().flat_map(|candidate| (0..count).map(move |fold| (candidate, fold))).collect();
        let run = |&(candidate, fold): &(&Candidate, usize)| self.hold_out(candidate, fold);
        let held: Vec<HeldOut> = tasks.par_iter().map(run).collect::<Result<_, _>>()?;
        let results = held.chunks(count.max(1)).map(|folds| {
            let mut predicted = vec![f64::NAN; self.study.rows()];
            let mut took = Took::default();
            for fold in folds {
                fold.rows.iter().zip(&fold.predicted).for_each(|(&row, &value)| predicted[row] = value);
                took.fit += fold.took.fit;
                took.predict += fold.took.predict;
            }
            let searches = folds.iter().filter_map(|fold| fold.search.clone()).collect();
            CvResult { folds: folds.iter().map(|fold| fold.scores.clone()).collect(), predicted, took, searches }
        });
        Ok(results.collect())
    }

    fn hold_out(&self, candidate: &Candidate, fold: usize) -> Result<HeldOut, StageError> {
        let title = format!("{}, fold {} of {}", candidate.name, fold + 1, self.study.folds.count());
        let failed = |error: FitError| StageError::failed(format!("{title}: {error}"));
        let (fit_rows, rows) = self.study.folds.parts(fold);
        let scope = format!("fold-{fold}");
        let start = self.counter.context.elapsed();
        let found = self.search(candidate, &fit_rows, &scope, &title)?;
        let plan = Plan { rows: &fit_rows, label: &scope, rounds: None, threads: 1 };
        let recipe = found.as_ref().map_or(&candidate.recipe, |found| &found.recipe);
        let trained = self.fit(&candidate.name, recipe, &plan, &title).map_err(failed)?;
        let fitted = self.counter.context.elapsed();
        let predicted = trained.predict(self.study, &rows).map_err(failed)?;
        let predict = self.counter.context.elapsed().saturating_sub(fitted);
        let took = Took { fit: fitted.saturating_sub(start), predict };
        let mut scores = self.score(fold, &rows, &predicted).map_err(|name| {
            StageError::failed(format!("{title}: its {name} is undefined on the {} rows of the fold", rows.len()))
        })?;
        scores.rounds = trained.rounds;
        let (tuned, search) = found.map(|found| (found.tuned, found.searched)).unzip();
        scores.tuning = tuned.map(|tuned| tuned.judged(&self.outcomes(&rows), &predicted));
        self.counter.say(1, title);
        Ok(HeldOut { scores, rows, predicted, took, search })
    }

    fn outcomes(&self, rows: &[usize]) -> Vec<f64> {
        rows.iter().map(|&row| self.study.y[row]).collect()
    }

    /// The scores of predictions for the held-out rows of a fold. The usual ones must be defined, or the error is one
    /// that is not; the deciding one may miss, as a calibration slope does for a constant.
    fn score(&self, fold: usize, rows: &[usize], predicted: &[f64]) -> Result<FoldScores, Objective> {
        let y = self.outcomes(rows);
        let (events, usual) = match self.study.task {
            Task::Binary => {
                let events = y.iter().filter(|&&y| y > 0.5).count();
                (Some(events), [Objective::Auroc, Objective::LogLoss, Objective::Brier])
            }
            Task::Continuous => (None, [Objective::Rmse, Objective::Mae, Objective::R2]),
        };
        let mut scores = Scores::new();
        for score in usual {
            scores.insert(score.key().to_owned(), score.score(&y, predicted).ok_or(score)?);
        }
        if let Some(score) = self.metric.score(&y, predicted) {
            scores.insert(self.metric.key().to_owned(), score);
        }
        Ok(FoldScores { fold, n: rows.len(), events, scores, rounds: None, tuning: None })
    }

    /// The mean of several candidates' predictions, scored as a candidate of its own.
    pub(super) fn average(&self, members: &[&CvResult]) -> Result<CvResult, StageError> {
        let count = members.len() as f64;
        let mean = |row: usize| members.iter().map(|member| member.predicted[row]).sum::<f64>() / count;
        let predicted: Vec<f64> = (0..self.study.rows()).map(mean).collect();
        let folds = (0..self.study.folds.count()).map(|fold| {
            let rows = self.study.folds.parts(fold).1;
            let held: Vec<f64> = rows.iter().map(|&row| predicted[row]).collect();
            self.score(fold, &rows, &held)
                .map_err(|name| StageError::failed(format!("ensemble, fold {}: its {name} is undefined", fold + 1)))
        });
        Ok(CvResult::untuned(folds.collect::<Result<_, _>>()?, predicted, Took::default()))
    }

    /// Fits a candidate on all training rows, after a search for settings where there is one.
    pub(super) fn fit_all(
        &self,
        candidate: &Candidate,
        rounds: Option<usize>,
        threads: usize,
    ) -> Result<(Trained, Option<Found>), StageError> {
        let title = format!("{}, all training rows", candidate.name);
        let rows: Vec<usize> = (0..self.study.rows()).collect();
        let found = self.search(candidate, &rows, "final", &title)?;
        let (recipe, rounds) =
            found.as_ref().map_or((&candidate.recipe, rounds), |found| (&found.recipe, found.rounds));
        let plan = Plan { rows: &rows, label: "final", rounds, threads };
        let trained = self
            .fit(&candidate.name, recipe, &plan, &title)
            .map_err(|error| StageError::failed(format!("{title}: {error}")))?;
        self.counter.say(1, title);
        Ok((trained, found))
    }

    fn search(
        &self,
        candidate: &Candidate,
        rows: &[usize],
        scope: &str,
        title: &str,
    ) -> Result<Option<Found>, StageError> {
        let search = tuning::Nested {
            study: self.study,
            name: &candidate.name,
            recipe: &candidate.recipe,
            rows,
            scope,
            title,
            seed: self.seed,
            progress: &|fits, what| self.counter.say(fits, format!("{title}: {what}")),
        };
        search.run()
    }

    fn fit(&self, name: &str, recipe: &Recipe, plan: &Plan, title: &str) -> Result<Trained, FitError> {
        recipe.fit(
            self.study,
            &Job {
                rows: plan.rows,
                rounds: plan.rounds,
                seed: self.seed,
                label: &format!("train/{name}/{}", plan.label),
                threads: plan.threads,
                progress: &|step| self.counter.say(0, format!("{title}: {step}")),
            },
        )
    }
}

/// Which rows a fit gets, and how it may go about it.
struct Plan<'a> {
    rows: &'a [usize],
    label: &'a str,
    rounds: Option<usize>,
    threads: usize,
}
