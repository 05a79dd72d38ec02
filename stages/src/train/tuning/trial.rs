//! One trial of a search, and the order in which trials stand.

use std::cmp::Ordering;

use super::space::{Point, Settings};
use crate::common::objective::Objective;

/// How a trial ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    /// On all inner folds.
    Complete,
    /// Given up early.
    Pruned,
    /// By an error.
    Failed,
}

impl State {
    /// Its name in trials.csv.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Pruned => "pruned",
            Self::Failed => "failed",
        }
    }
}

/// A trial that has ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Trial {
    /// Its place in the search, from 0.
    pub number: usize,
    /// Where it lies in the space.
    pub point: Point,
    /// The settings there.
    pub settings: Settings,
    /// How it ended.
    pub state: State,
    /// Scores on the inner folds that it reached.
    pub scores: Vec<f64>,
    /// Boosting rounds on them, for learners that have them.
    pub rounds: Vec<usize>,
    /// Why it was given up or failed.
    pub reason: String,
}

impl Trial {
    /// The mean score over its inner folds; `None` for a failed trial, and before any fold.
    pub(super) fn value(&self) -> Option<f64> {
        if self.state == State::Failed { None } else { self.mean_of(self.scores.len()) }
    }

    /// The mean over the first inner folds; `None` when it did not reach that many.
    pub(super) fn mean_of(&self, folds: usize) -> Option<f64> {
        let scores = self.scores.get(..folds)?;
        (folds > 0).then(|| scores.iter().sum::<f64>() / folds as f64)
    }

    /// From the best to the worst: complete trials by value, then pruned ones by how far they came, then failed ones;
    /// equals in the order of their numbers.
    pub(super) fn standing(&self, other: &Self, objective: &Objective) -> Ordering {
        let loss = |trial: &Self| trial.value().map_or(f64::INFINITY, |value| objective.loss(value));
        self.state
            .cmp(&other.state)
            .then(other.scores.len().cmp(&self.scores.len()))
            .then(loss(self).total_cmp(&loss(other)))
            .then(self.number.cmp(&other.number))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::train::tuning) fn trial(number: usize, state: State, scores: &[f64]) -> Trial {
        let (scores, reason) = (scores.to_vec(), String::new());
        Trial { number, point: Vec::new(), settings: Settings::new(), state, scores, rounds: Vec::new(), reason }
    }

    #[test]
    fn complete_trials_stand_before_pruned_and_failed_ones() {
        let mut trials = [
            trial(0, State::Failed, &[0.9]),
            trial(1, State::Pruned, &[0.8]),
            trial(2, State::Complete, &[0.4, 0.6]),
            trial(3, State::Pruned, &[0.3, 0.3]),
            trial(4, State::Complete, &[0.5, 0.5]),
            trial(5, State::Complete, &[0.6, 0.6]),
        ];
        trials.sort_by(|a, b| a.standing(b, &Objective::Auroc));
        assert_eq!(trials.map(|trial| trial.number), [5, 2, 4, 3, 1, 0]);
    }
}
