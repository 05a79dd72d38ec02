//! The search of one candidate on the training rows of one outer fold, or on all of them for the final model.
//!
//! The rows are divided into inner folds as the study demands: patients stay whole, the outcome in proportion, time in
//! order. Where these rows have too few points in time for that, as the first fold in time often does, they are divided
//! by patient, and the report says so: inner folds only choose settings, the held-out rows are later ones all the same. All candidates get the same inner folds, and all trials the same random streams, so that trials differ by
//! their settings alone. Nothing outside the given rows is read.

use serde::Serialize;

use super::params::TuneParams;
use super::patch::{patched, space_of};
use super::report::Searched;
use super::search::{Judged, Outcome, Search};
use super::space::{Settings, Space};
use super::trial::{State, Trial};
use crate::StageError;
use crate::common::folds::{FoldError, Folds};
use crate::common::objective::Objective;
use crate::common::rng::Stream;
use crate::common::target::Task;
use crate::train::choose::median_rounds;
use crate::train::params::Imbalance;
use crate::train::recipe::{Job, Recipe};
use crate::train::study::Study;

/// A search about to start.
pub(in crate::train) struct Nested<'a> {
    /// The training rows of the study.
    pub study: &'a Study,
    /// The candidate's name.
    pub name: &'a str,
    /// The candidate, with the parameters of the search.
    pub recipe: &'a Recipe,
    /// The rows that the search may see.
    pub rows: &'a [usize],
    /// Names the search: `fold-0`, …, `final`.
    pub scope: &'a str,
    /// Names it for people.
    pub title: &'a str,
    /// The study's seed.
    pub seed: u64,
    /// Called with the number of fits done and what they were for.
    pub progress: &'a (dyn Fn(u64, String) + Sync),
}

/// What a search found.
pub(in crate::train) struct Found {
    /// The candidate with the settings of the best trial.
    pub recipe: Recipe,
    /// The median of its boosting rounds on the inner folds.
    pub rounds: Option<usize>,
    /// For the report.
    pub tuned: Tuned,
    /// All trials.
    pub searched: Searched,
}

/// The outcome of a search in cv.json.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(in crate::train) struct Tuned {
    /// The score by which trials were judged.
    metric: Objective,
    /// The best trial.
    trial: usize,
    /// Its settings by dotted key.
    params: Settings,
    /// Its mean score on the inner folds. The best of many trials is better by chance, too.
    inner: f64,
    /// The same score on the rows that the search has not seen; absent without such rows and where it is undefined.
    #[serde(skip_serializing_if = "Option::is_none")]
    outer: Option<f64>,
    /// Trials on all inner folds.
    complete: usize,
    /// Trials given up early.
    pruned: usize,
    /// Trials that failed.
    failed: usize,
    /// What else there is to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// How its rows are balanced, when they are.
    #[serde(skip)]
    balanced: Option<Imbalance>,
}

impl Tuned {
    /// With the score of predictions for the rows that the search has not seen.
    pub(in crate::train) fn judged(self, y: &[f64], predicted: &[f64]) -> Self {
        Self { outer: self.metric.score(y, predicted), ..self }
    }

    /// How the best trial balances rows, when it does.
    pub(in crate::train) fn balanced(&self) -> Option<Imbalance> {
        self.balanced
    }
}

/// Most fits of one search of a candidate.
pub(in crate::train) fn fits(recipe: &Recipe) -> usize {
    let tune = &recipe.params.tune;
    match space(recipe) {
        Ok(Some(_)) => tune.trials * tune.inner_folds,
        _ => 0,
    }
}

/// What a candidate's search chooses from; nothing when it has no search.
fn space(recipe: &Recipe) -> Result<Option<Space>, StageError> {
    if !recipe.params.tune.is_on() {
        return Ok(None);
    }
    let space = space_of(&recipe.params.tune, recipe.learner)?;
    Ok((!space.dimensions.is_empty()).then_some(space))
}

impl Nested<'_> {
    /// Runs it; nothing when the candidate has nothing to search.
    pub(in crate::train) fn run(&self) -> Result<Option<Found>, StageError> {
        let Some(space) = space(self.recipe)? else { return Ok(None) };
        let tune = &self.recipe.params.tune;
        let objective = self.recipe.params.tuning_metric(self.study.task)?;
        let (folds, without_time) = self.inner_folds(tune)?;
        let label = format!("train/{}/{}/tune", self.name, self.scope);
        let search = Search { params: tune, space: &space, objective, seed: self.seed, label: &label };
        let outcome = search.run(&|settings, fold| {
            let judged = self.judge(&folds, &objective, settings, fold);
            (self.progress)(1, format!("trials, inner fold {} of {}", fold + 1, tune.inner_folds));
            judged
        });
        let done: usize = outcome.trials.iter().map(fits_of).sum();
        (self.progress)((tune.trials * tune.inner_folds).saturating_sub(done) as u64, "trials done".to_owned());
        let notes: Vec<String> = [without_time, outcome.note.clone()].into_iter().flatten().collect();
        let note = (!notes.is_empty()).then(|| notes.join("; "));
        self.found(Outcome { note, ..outcome }, objective).map(Some)
    }

    /// Forward in time where there are points in time enough, else by patient, and then why.
    fn inner_folds(&self, tune: &TuneParams) -> Result<(Folds, Option<String>), StageError> {
        let stream = || Stream::new(self.seed, &format!("train/inner/{}", self.scope));
        let design = &self.study.design;
        let (folds, note) = match design.folds(self.rows, tune.inner_folds, &mut stream()) {
            Err(error @ FoldError::Times { .. }) => {
                let folds = design.folds_by_patient(self.rows, tune.inner_folds, &mut stream());
                (folds, Some(format!("the inner folds are by patient, not in time: {error}")))
            }
            folds => (folds, None),
        };
        let folds = folds.and_then(|folds| {
            let y: Vec<f64> = self.rows.iter().map(|&row| self.study.y[row]).collect();
            if self.study.task == Task::Binary { folds.check_outcomes(&y).map(|()| folds) } else { Ok(folds) }
        });
        folds.map(|folds| (folds, note)).map_err(|error| {
            let text = format!("{}: its {} inner folds cannot be made: {error}", self.title, tune.inner_folds);
            StageError::failed(text).with_hint("set `train.tune.inner_folds` lower, or tune on more rows")
        })
    }

    fn judge(&self, folds: &Folds, objective: &Objective, settings: &Settings, fold: usize) -> Result<Judged, String> {
        let params = patched(&self.recipe.params, settings).map_err(|error| error.to_string())?;
        let recipe = Recipe { params, ..self.recipe.clone() };
        let (fit, held) = folds.parts_of(fold, self.rows);
        let job = Job {
            rows: &fit,
            rounds: None,
            seed: self.seed,
            label: &format!("train/{}/{}/inner-{fold}", self.name, self.scope),
            threads: 1,
            progress: &|_| {},
        };
        let trained = recipe.fit(self.study, &job).map_err(|error| error.to_string())?;
        let predicted = trained.predict(self.study, &held).map_err(|error| error.to_string())?;
        let y: Vec<f64> = held.iter().map(|&row| self.study.y[row]).collect();
        let score = objective.score(&y, &predicted);
        let score = score.ok_or_else(|| format!("the {objective} is undefined on inner fold {fold}"))?;
        Ok(Judged { score, rounds: trained.rounds })
    }

    fn found(&self, outcome: Outcome, objective: Objective) -> Result<Found, StageError> {
        let none = || {
            let reason = outcome.trials.iter().find(|trial| trial.state == State::Failed);
            let reason = reason.map_or("", |trial| trial.reason.as_str());
            let text = format!(
                "{}: none of {} trials is complete; the first failed: {reason}",
                self.title,
                outcome.trials.len()
            );
            StageError::failed(text).with_hint("see `train.tune`: its space, its metric and its inner folds")
        };
        let best = outcome.best(&objective).ok_or_else(none)?;
        let count = |state: State| outcome.trials.iter().filter(|trial| trial.state == state).count();
        let params = patched(&self.recipe.params, &best.settings)?;
        Ok(Found {
            rounds: median_rounds(best.rounds.clone()),
            tuned: Tuned {
                metric: objective,
                trial: best.number,
                params: best.settings.clone(),
                inner: best.value().ok_or_else(none)?,
                outer: None,
                complete: count(State::Complete),
                pruned: count(State::Pruned),
                failed: count(State::Failed),
                note: outcome.note.clone(),
                balanced: params.imbalance.marked(),
            },
            recipe: Recipe { params, ..self.recipe.clone() },
            searched: Searched {
                candidate: self.name.to_owned(),
                scope: self.scope.to_owned(),
                trials: outcome.trials,
            },
        })
    }
}

/// Fits that a trial took.
fn fits_of(trial: &Trial) -> usize {
    trial.scores.len() + usize::from(trial.state == State::Failed)
}
