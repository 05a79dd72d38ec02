//! How far two groups lie apart in one column, in units of their spread.

use crate::common::cholesky::{Cholesky, Square};

/// (mean₁ − mean₂) / √((s₁² + s₂²) / 2) with sample variances. `None` with fewer than two values in a group or when
/// neither varies.
pub(super) fn of_numbers(one: &[f64], other: &[f64]) -> Option<f64> {
    let ((mean, variance), (other_mean, other_variance)) = (moments(one)?, moments(other)?);
    let spread = libm::sqrt(f64::midpoint(variance, other_variance));
    (spread > 0.0).then(|| (mean - other_mean) / spread)
}

fn moments(values: &[f64]) -> Option<(f64, f64)> {
    let n = values.len() as f64;
    if values.len() < 2 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n;
    Some((mean, values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (n - 1.0)))
}

/// √(dᵀ S⁻¹ d): d the differences of the shares but one, S the mean of the two multinomial covariances. Levels that
/// neither group has are left out. `None` when S is singular: a level is all of one group or none.
pub(super) fn of_shares(one: &[f64], other: &[f64]) -> Option<f64> {
    let shares: Vec<(f64, f64)> =
        one.iter().copied().zip(other.iter().copied()).filter(|(one, other)| one + other > 0.0).collect();
    // The last level follows from the others.
    let free = shares.get(1..)?;
    if free.is_empty() {
        return None;
    }
    let mut covariance = Square::zeros(free.len());
    for (i, &(p, q)) in free.iter().enumerate() {
        let row = covariance.row_mut(i);
        for (j, &(r, s)) in free.iter().enumerate().take(i + 1) {
            row[j] = if i == j { f64::midpoint(p * (1.0 - p), q * (1.0 - q)) } else { -f64::midpoint(p * r, q * s) };
        }
    }
    let d: Vec<f64> = free.iter().map(|(p, q)| p - q).collect();
    let solved = Cholesky::new(covariance).ok()?.solve(d.clone());
    let square: f64 = d.iter().zip(solved).map(|(d, s)| d * s).sum();
    Some(libm::sqrt(square.max(0.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Case {
        one: Vec<f64>,
        other: Vec<f64>,
        difference: f64,
    }

    #[test]
    fn differences_are_those_of_the_reference() {
        let text = include_str!("../../../fixtures/slices.json");
        let fixture: serde_json::Value = serde_json::from_str(text).expect("a fixture");
        let cases = |key: &str| serde_json::from_value::<Vec<Case>>(fixture[key].clone()).expect("cases");
        for (key, of) in [("numbers", of_numbers as fn(&[f64], &[f64]) -> Option<f64>), ("shares", of_shares)] {
            for Case { one, other, difference } in cases(key) {
                let own = of(&one, &other).expect("defined");
                assert!((own - difference).abs() < 1e-10, "{key}: {own} {difference}");
            }
        }
    }

    #[test]
    fn groups_that_do_not_vary_have_no_difference() {
        assert_eq!(of_numbers(&[1.0, 1.0], &[2.0, 2.0]), None);
        assert_eq!(of_numbers(&[1.0], &[2.0, 3.0]), None);
        assert_eq!(of_shares(&[1.0, 0.0], &[1.0, 0.0]), None);
        assert_eq!(of_shares(&[1.0, 0.0], &[0.0, 1.0]), None);
        assert_eq!(of_shares(&[0.4, 0.6, 0.0], &[0.4, 0.6, 0.0]), Some(0.0));
    }
}
