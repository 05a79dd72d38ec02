//! Chooses features on the rows of one fit, before the learner's own preprocessing is fitted on the same rows.
//!
//! Features are judged by their encoded columns, in an encoding of their own: filled, so that a forest can read it,
//! and therefore the same for every learner. A feature stays or goes with all its columns. Scores tie in favour of the
//! feature that stands first. Nothing here may look at other rows than those it is given.

mod importance;

use super::learner::{FitRequest, Fitted, Forest, LearnError, Learner, Logistic, Ridge};
use super::model::Model;
use super::params::{ForestParams, ImportanceOf, LogisticParams, PreprocessParams, RidgeParams};
use super::params::{SelectMethod, SelectParams};
use super::preprocess::{Block, Dialect, DropReason, Dropped, FitRows, Matrix, PreprocessError, Preprocessor};
use crate::common::target::Task;

/// Why features cannot be chosen.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// The rows cannot be encoded.
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
    /// The model that judges features cannot be fitted.
    #[error("selecting features: {0}")]
    Learn(#[from] LearnError),
}

/// The features that do not stay, in their order.
pub fn select(
    rows: &FitRows,
    preprocess: &PreprocessParams,
    params: &SelectParams,
    task: Task,
    threads: usize,
) -> Result<Vec<Dropped>, SelectError> {
    let dialect = match (params.method, params.by) {
        (SelectMethod::None, _) => return Ok(Vec::new()),
        (SelectMethod::Importance, ImportanceOf::Linear) => Dialect::Linear,
        _ => Dialect::Dense,
    };
    let (fitted, x) = Preprocessor::fit_transform(rows, preprocess, dialect)?;
    let judge = Judge {
        rows,
        params,
        task,
        threads,
        x,
        blocks: fitted.blocks(),
        y: rows.index.iter().map(|&row| rows.y[row]).collect(),
        groups: rows.index.iter().map(|&row| rows.groups[row]).collect(),
    };
    let all: Vec<usize> = (0..fitted.steps.len()).collect();
    let mut dropped = match params.method {
        SelectMethod::None => Vec::new(),
        SelectMethod::Variance => {
            let scores = judge.by_feature(&all, &importance::variances(&judge.x), f64::max);
            judge.best(&all, &scores, Some(params.threshold.unwrap_or(0.0)), DropReason::Variance)
        }
        SelectMethod::Importance => {
            let scores = judge.importance(&all, 0)?;
            judge.best(&all, &scores, params.threshold, DropReason::Importance)
        }
        SelectMethod::Rfe => judge.eliminate(all)?,
    };
    dropped.sort_by_key(|(step, _)| *step);
    let name = |(step, dropped): (usize, Dropped)| Dropped { feature: fitted.steps[step].feature.clone(), ..dropped };
    Ok(dropped.into_iter().map(name).collect())
}

/// The encoded rows and what is asked of them.
struct Judge<'a> {
    rows: &'a FitRows<'a>,
    params: &'a SelectParams,
    task: Task,
    threads: usize,
    x: Matrix,
    blocks: Vec<Block>,
    y: Vec<f64>,
    groups: Vec<usize>,
}

impl Judge<'_> {
    /// One score per feature of `alive` from one per column of theirs.
    fn by_feature(&self, alive: &[usize], columns: &[f64], join: fn(f64, f64) -> f64) -> Vec<f64> {
        let mut scores = vec![0.0; alive.len()];
        let mut at = 0;
        for (place, &step) in alive.iter().enumerate() {
            for block in self.blocks.iter().filter(|block| block.step == step) {
                let width = block.end - block.start;
                scores[place] = columns[at..at + width].iter().fold(scores[place], |sum, &value| join(sum, value));
                at += width;
            }
        }
        scores
    }

    /// What falls behind the best `max` or below the threshold; never the best of all.
    fn best(
        &self,
        alive: &[usize],
        scores: &[f64],
        threshold: Option<f64>,
        reason: DropReason,
    ) -> Vec<(usize, Dropped)> {
        let fails = |place: usize| threshold.is_some_and(|threshold| scores[place] <= threshold);
        let order = descending(scores);
        let out =
            order.into_iter().enumerate().filter(|&(rank, place)| rank >= self.params.max || rank > 0 && fails(place));
        out.map(|(_, place)| (alive[place], dropped(reason, scores[place]))).collect()
    }

    /// Recursive elimination.
    fn eliminate(&self, mut alive: Vec<usize>) -> Result<Vec<(usize, Dropped)>, SelectError> {
        let mut out = Vec::new();
        let mut round = 0;
        while alive.len() > self.params.max {
            let scores = self.importance(&alive, round)?;
            let share = libm::floor(self.params.step * alive.len() as f64) as usize;
            let count = share.max(1).min(alive.len() - self.params.max);
            let mut order = descending(&scores);
            let worst = order.split_off(alive.len() - count);
            out.extend(worst.into_iter().map(|place| (alive[place], dropped(DropReason::Rfe, scores[place]))));
            order.sort_unstable();
            alive = order.into_iter().map(|place| alive[place]).collect();
            round += 1;
        }
        Ok(out)
    }

    /// The importance of each feature of `alive`, from a model fitted on their columns only; they sum to 1 unless all
    /// are 0.
    fn importance(&self, alive: &[usize], round: usize) -> Result<Vec<f64>, SelectError> {
        let of = |step: usize| self.blocks.iter().filter(move |block| block.step == step);
        let columns: Vec<usize> = alive.iter().copied().flat_map(of).flat_map(|block| block.start..block.end).collect();
        if columns.is_empty() {
            return Ok(vec![0.0; alive.len()]);
        }
        let x = self.x.take_columns(&columns);
        let fitted = self.learner().fit(&FitRequest {
            x: &x,
            coded: &vec![false; x.cols],
            task: self.task,
            y: &self.y,
            weights: None,
            groups: &self.groups,
            monotone: &[],
            rounds: None,
            seed: self.rows.seed,
            label: &format!("{}/select/{round}", self.rows.label),
            threads: self.threads,
            progress: &|_| {},
        })?;
        let mut scores = self.by_feature(alive, &columns_of(&fitted, &x), |sum, value| sum + value);
        let total: f64 = scores.iter().sum();
        if total > 0.0 && total.is_finite() {
            for score in &mut scores {
                *score /= total;
            }
        }
        Ok(scores)
    }

    fn learner(&self) -> Box<dyn Learner> {
        match (self.params.method, self.params.by, self.task) {
            (SelectMethod::Importance, ImportanceOf::Linear, Task::Binary) => {
                Box::new(Logistic(LogisticParams::default()))
            }
            (SelectMethod::Importance, ImportanceOf::Linear, Task::Continuous) => {
                Box::new(Ridge(RidgeParams::default()))
            }
            _ => Box::new(Forest(ForestParams { trees: self.params.trees, ..ForestParams::default() })),
        }
    }
}

/// The importance of every column in a fitted model.
fn columns_of(fitted: &Fitted, x: &Matrix) -> Vec<f64> {
    match &fitted.model {
        Model::Constant { .. } => vec![0.0; x.cols],
        Model::Logistic { coef, .. } | Model::Ridge { coef, .. } => importance::standardised(coef, x),
        Model::Forest(trees) | Model::Gbdt(trees) => importance::of_trees(trees, x.cols),
    }
}

/// The places of scores from the highest to the lowest; the first of equals first.
fn descending(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order
}

/// The name is filled in at the end.
fn dropped(reason: DropReason, value: f64) -> Dropped {
    Dropped { feature: String::new(), reason, value }
}

#[cfg(test)]
mod tests;
