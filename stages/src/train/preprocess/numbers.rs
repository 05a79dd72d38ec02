//! What is learned of a column of numbers: the value that fills gaps, center and scale.
//!
//! Definitions are those of scikit-learn's SimpleImputer, StandardScaler, RobustScaler and MinMaxScaler; the reference
//! tests hold them to it. Values are those of 32-bit range that `bounded` leaves, so that no sum or square overflows.

use crate::common::interval::quantile;
use crate::train::params::{ImputeNumeric, Scale};

/// The value that fills gaps; 0 without values. `present` are the finite values in row order.
pub(super) fn fill(present: &[f64], how: ImputeNumeric, constant: f64) -> f64 {
    let sorted = || {
        let mut sorted = present.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted
    };
    match how {
        ImputeNumeric::Median => quantile(&sorted(), 0.5).unwrap_or(0.0),
        ImputeNumeric::Mean => mean(present),
        ImputeNumeric::Mode => mode(&sorted()),
        ImputeNumeric::Constant => constant,
    }
}

/// The mean; 0 without values.
fn mean(values: &[f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.iter().sum::<f64>() / values.len() as f64
}

/// The most frequent of sorted values, the smallest of several; 0 without values.
fn mode(sorted: &[f64]) -> f64 {
    let longest =
        sorted.chunk_by(|a, b| a == b).fold(&sorted[..0], |most, run| if run.len() > most.len() { run } else { most });
    longest.first().copied().unwrap_or(0.0)
}

/// Center and scale of values in any order, which does not matter; a column without spread is only centred.
pub(super) fn fit_scale(mut values: Vec<f64>, scale: Scale) -> (f64, f64) {
    values.sort_unstable_by(f64::total_cmp);
    let (Some(&first), Some(&last)) = (values.first(), values.last()) else { return (0.0, 1.0) };
    let (center, spread) = match scale {
        Scale::None => (0.0, 1.0),
        Scale::Standard => {
            let mean = mean(&values);
            let squares = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>();
            (mean, libm::sqrt(squares / values.len() as f64))
        }
        Scale::Robust => {
            let at = |q: f64| quantile(&values, q).unwrap_or(0.0);
            (at(0.5), at(0.75) - at(0.25))
        }
        Scale::Minmax => (first, last - first),
    };
    (center, if spread > 1e-12 * center.abs().max(1e-300) && spread.is_finite() { spread } else { 1.0 })
}
