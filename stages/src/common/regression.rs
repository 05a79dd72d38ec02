//! Scores of predicted numbers against a continuous outcome: RMSE, MAE, R².
//!
//! Sums run in row order. A score that the data do not define is `None`, never NaN.

/// Root mean squared error, in the outcome's unit. `None` without rows.
pub fn rmse(y: &[f64], predicted: &[f64]) -> Option<f64> {
    mean(y, predicted, |error| error * error).map(libm::sqrt)
}

/// Mean absolute error, in the outcome's unit. `None` without rows.
pub fn mae(y: &[f64], predicted: &[f64]) -> Option<f64> {
    mean(y, predicted, f64::abs)
}

/// 1 − Σ(y − ŷ)² / Σ(y − ȳ)²: 0 is what predicting the mean would score. `None` when all outcomes are equal.
pub fn r2(y: &[f64], predicted: &[f64]) -> Option<f64> {
    let centre = y.iter().sum::<f64>() / y.len() as f64;
    let spread = mean(y, &vec![centre; y.len()], |error| error * error)?;
    let error = mean(y, predicted, |error| error * error)?;
    (spread > 0.0).then(|| 1.0 - error / spread)
}

fn mean(y: &[f64], predicted: &[f64], loss: impl Fn(f64) -> f64) -> Option<f64> {
    let sum: f64 = y.iter().zip(predicted).map(|(y, predicted)| loss(y - predicted)).sum();
    (!y.is_empty()).then(|| sum / y.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_without_a_definition_are_none() {
        assert_eq!((rmse(&[], &[]), mae(&[], &[]), r2(&[], &[])), (None, None, None));
        assert_eq!(r2(&[2.0, 2.0], &[1.0, 3.0]), None);
        assert_eq!(r2(&[1.0, 3.0], &[2.0, 2.0]), Some(0.0));
    }
}
