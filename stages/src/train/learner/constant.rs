//! The learner that ignores every feature: the event rate, or the mean. What it scores is what knowing nothing scores.

use super::{FitRequest, Fitted, LearnError, Learner};
use crate::train::model::Model;
use crate::train::preprocess::Dialect;

/// The (weighted) mean of the outcomes.
pub struct Constant;

impl Learner for Constant {
    fn dialect(&self) -> Dialect {
        // It reads no column; this is what every balance of events can be computed on.
        Dialect::Dense
    }

    fn fit(&self, request: &FitRequest) -> Result<Fitted, LearnError> {
        let total: f64 = (0..request.y.len()).map(|row| request.weight(row)).sum();
        if total <= 0.0 {
            return Err(LearnError::NoRows);
        }
        let sum: f64 = request.y.iter().enumerate().map(|(row, y)| request.weight(row) * y).sum();
        Ok(Fitted { model: Model::Constant { value: sum / total }, rounds: None })
    }
}
