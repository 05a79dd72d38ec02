//! Balances events and non-events in the rows of one fit: by weights, or by synthetic events (SMOTE).
//!
//! It sees encoded rows of one training part only and changes nothing else: no weight and no synthetic row reaches
//! the rows a model is judged or calibrated on. It refuses rather than guesses: a ratio that would take events away,
//! too few events to find neighbours among, missing values that have no place between two rows.
//! Both methods move predicted probabilities away from the real event rate; see `calibrate`, which must follow.

mod smote;

use super::params::{Imbalance, ImbalanceParams};
use super::preprocess::{Matrix, Preprocessor};
use crate::common::rng::Stream;
use crate::common::rows::Rows;
use crate::common::target::Task;

/// What a learner is given to learn from.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample<X> {
    /// Encoded rows; synthetic ones last.
    pub x: X,
    /// Their outcomes.
    pub y: Vec<f64>,
    /// Their patients; a synthetic row belongs to that of the event it starts from.
    pub groups: Vec<usize>,
    /// What each row counts; absent: 1.
    pub weights: Option<Vec<f64>>,
}

/// Why rows cannot be balanced.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BalanceError {
    /// The outcome is a number.
    #[error("parameter `train.imbalance.method`: only outcomes of 0 and 1 can be balanced; set it to none")]
    NotEvents,
    /// SMOTE adds events and never removes any.
    #[error(
        "parameter `train.imbalance.ratio`: {ratio} events per non-event is less than these rows have \
         ({events} to {others}: {present:.4}); ask for more, or set method to none"
    )]
    Below {
        /// What was asked for.
        ratio: f64,
        /// Events.
        events: usize,
        /// Non-events.
        others: usize,
        /// Their ratio.
        present: f64,
    },
    /// Neighbours cannot be found.
    #[error(
        "parameter `train.imbalance.k`: {k} neighbours need {} events, and these rows have {events}; lower k, use \
         fewer folds or set method to weights", k + 1
    )]
    TooFew {
        /// Neighbours asked for.
        k: usize,
        /// Events.
        events: usize,
    },
    /// Nothing lies between a value and none.
    #[error(
        "column `{0}` has missing values, which SMOTE cannot lie between; set train.preprocess.impute.trees to true, \
         or train.imbalance.method to weights"
    )]
    Gaps(String),
}

/// Balances the rows of a fit; `preprocessor` encoded them. Only synthetic events need all of them in memory.
pub fn balance<'a>(
    sample: Sample<Box<dyn Rows + 'a>>,
    preprocessor: &Preprocessor,
    params: &ImbalanceParams,
    task: Task,
    seed: u64,
    label: &str,
) -> Result<Sample<Box<dyn Rows + 'a>>, BalanceError> {
    if params.method != Imbalance::None && task != Task::Binary {
        return Err(BalanceError::NotEvents);
    }
    match params.method {
        Imbalance::None => Ok(sample),
        Imbalance::Weights => Ok(Sample { weights: weights(&sample.y, params.event_weight), ..sample }),
        Imbalance::Smote => {
            let mut stream = Stream::new(seed, &format!("{label}/smote"));
            let (rows, cols) = (sample.x.rows(), sample.x.cols());
            let x = Matrix { rows, cols, values: sample.x.whole().into_owned() };
            let sample = Sample { x, y: sample.y, groups: sample.groups, weights: sample.weights };
            let grown = smote::add_events(sample, preprocessor, params, &mut stream)?;
            Ok(Sample { x: Box::new(grown.x), y: grown.y, groups: grown.groups, weights: grown.weights })
        }
    }
}

/// One weight per row. Without a weight for events each class counts n / 2 in all, as scikit-learn's `balanced`; with
/// only one class there is nothing to balance.
fn weights(y: &[f64], event_weight: Option<f64>) -> Option<Vec<f64>> {
    let n = y.len() as f64;
    let events = y.iter().filter(|&&y| y > 0.5).count() as f64;
    let (event, other) = match event_weight {
        Some(weight) => (weight, 1.0),
        None if events == 0.0 || events == n => return None,
        None => (n / (2.0 * events), n / (2.0 * (n - events))),
    };
    Some(y.iter().map(|&y| if y > 0.5 { event } else { other }).collect())
}

#[cfg(test)]
mod tests;
