//! Ridge regression as a learner: the closed form on centred columns, so that the intercept is never penalised.
//!
//! It minimises Σ wᵢ (yᵢ − intercept − xᵢ·β)² + λ Σ βⱼ², as scikit-learn's `Ridge(alpha=λ)` does.

use super::{FitRequest, Fitted, LearnError, Learner};
use crate::common::cholesky::{Cholesky, NotPositive, Square};
use crate::common::rows::each_row;
use crate::train::model::Model;
use crate::train::params::RidgeParams;
use crate::train::preprocess::Dialect;

/// Ridge regression.
pub struct Ridge(pub RidgeParams);

impl Learner for Ridge {
    fn dialect(&self) -> Dialect {
        Dialect::Linear
    }

    fn fit(&self, request: &FitRequest) -> Result<Fitted, LearnError> {
        let (x, cols) = (request.x, request.x.cols());
        let total: f64 = (0..x.rows()).map(|row| request.weight(row)).sum();
        if total <= 0.0 {
            return Err(LearnError::NoRows);
        }
        let mut center = vec![0.0; cols + 1];
        each_row(x, |row, cells| {
            let share = request.weight(row) / total;
            center.iter_mut().zip(cells.iter().chain([&request.y[row]])).for_each(|(c, v)| *c += share * v);
        });
        let (mut gram, mut right) = (Square::zeros(cols), vec![0.0; cols]);
        let mut centred = vec![0.0; cols];
        each_row(x, |row, cells| {
            for (cell, (value, mean)) in centred.iter_mut().zip(cells.iter().zip(&center)) {
                *cell = value - mean;
            }
            let weight = request.weight(row);
            let y = request.y[row] - center[cols];
            for i in 0..cols {
                let scaled = weight * centred[i];
                right[i] += scaled * y;
                gram.row_mut(i).iter_mut().zip(&centred[..=i]).for_each(|(cell, value)| *cell += scaled * value);
            }
        });
        for i in 0..cols {
            gram.row_mut(i)[i] += self.0.l2;
        }
        let dependent = |NotPositive(column)| LearnError::Dependent(column);
        let coef = Cholesky::new(gram).map_err(dependent)?.solve(right);
        let intercept = center[cols] - coef.iter().zip(&center).map(|(b, mean)| b * mean).sum::<f64>();
        Ok(Fitted { model: Model::Ridge { intercept, coef }, rounds: None })
    }
}
