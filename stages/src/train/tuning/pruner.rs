//! The median rule: when a trial is given up before its last inner fold.
//!
//! A trial is compared with trials of earlier batches only, so the decision does not depend on which trial of a batch
//! happens to run first.

use super::trial::{State, Trial};
use crate::common::objective::Objective;

/// For each number of inner folds done (1, 2, …), the loss that a trial must not exceed; `None` where nothing is pruned.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Limits(Vec<Option<f64>>);

impl Limits {
    /// No trial is given up.
    pub(super) fn none() -> Self {
        Self(Vec::new())
    }

    /// The medians over earlier trials, once `startup` of them are complete.
    pub(super) fn median(earlier: &[Trial], folds: usize, startup: usize, objective: &Objective) -> Self {
        if earlier.iter().filter(|trial| trial.state == State::Complete).count() < startup {
            return Self::none();
        }
        let reached = |done: usize| {
            let survivors = earlier.iter().filter(|trial| trial.state != State::Failed);
            median(survivors.filter_map(|trial| Some(objective.loss(trial.mean_of(done)?))).collect())
        };
        // After the last fold a trial is complete whatever its value.
        Self((1..folds).map(reached).collect())
    }

    /// The limit that a loss exceeds after `done` inner folds.
    pub(super) fn exceeded(&self, done: usize, loss: f64) -> Option<f64> {
        let limit = (*self.0.get(done.checked_sub(1)?)?)?;
        (loss > limit).then_some(limit)
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (below, above) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some(f64::midpoint(*below, *above))
}

#[cfg(test)]
mod tests {
    use super::super::trial::tests::trial;
    use super::*;

    #[test]
    fn a_trial_worse_than_the_median_of_earlier_ones_is_given_up() {
        let earlier = [
            trial(0, State::Complete, &[0.7, 0.6, 0.8]),
            trial(1, State::Complete, &[0.9, 0.7, 0.8]),
            trial(2, State::Pruned, &[0.5]),
            trial(3, State::Failed, &[0.1]),
        ];
        let limits = Limits::median(&earlier, 3, 2, &Objective::Auroc);
        // After one fold: 0.7, 0.9, 0.5; after two: 0.65, 0.8; after three nothing is left to save.
        assert_eq!(limits.exceeded(1, -0.7), None);
        assert_eq!(limits.exceeded(1, -0.69), Some(-0.7));
        assert_eq!(limits.exceeded(2, -0.7), Some(-0.725));
        assert_eq!(limits.exceeded(3, 0.0), None);
        assert_eq!(Limits::median(&earlier, 3, 3, &Objective::Auroc), Limits::none());
    }
}
