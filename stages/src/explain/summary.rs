//! What a sample of explanations says of each feature: how much it moves the margin, and which way.

use serde::{Deserialize, Serialize};

use crate::bundle::Explanation;
use crate::common::frame::Frame;

/// One feature's importance, in the unit of the margin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Importance {
    /// 1 is the most important; ties go by the order of the features.
    pub rank: usize,
    /// Its name.
    pub feature: String,
    /// Mean of |contribution| over the rows.
    pub mean_abs_contribution: f64,
    /// Mean contribution over the rows.
    pub mean_contribution: f64,
    /// Pearson correlation of its value with its contribution; null for a category, and when either is constant.
    pub correlation: Option<f64>,
    /// `up` when higher values come with higher contributions, `down` when with lower ones; null as above.
    pub direction: Option<Direction>,
    /// Its place among the features.
    #[serde(skip)]
    pub place: usize,
}

/// Which way a number moves the margin as it grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The margin rises.
    Up,
    /// It falls.
    Down,
}

impl Direction {
    /// The name in importance.csv.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// Every feature of an explanation, the most important first.
pub(super) fn rank(explanation: &Explanation, features: &Frame) -> Vec<Importance> {
    let rows = explanation.margins.len().max(1) as f64;
    let mut all: Vec<Importance> = explanation
        .features
        .iter()
        .enumerate()
        .map(|(place, name)| {
            let contributions: Vec<f64> = explanation.column(place).collect();
            let values = features.get(name).and_then(|column| column.numbers());
            let correlation = values.and_then(|values| correlation(values, &contributions));
            Importance {
                rank: 0,
                feature: name.clone(),
                mean_abs_contribution: contributions.iter().map(|value| value.abs()).sum::<f64>() / rows,
                mean_contribution: contributions.iter().sum::<f64>() / rows,
                correlation,
                direction: correlation.map(|r| if r > 0.0 { Direction::Up } else { Direction::Down }),
                place,
            }
        })
        .collect();
    all.sort_by(|a, b| b.mean_abs_contribution.total_cmp(&a.mean_abs_contribution).then(a.place.cmp(&b.place)));
    for (at, importance) in all.iter_mut().enumerate() {
        importance.rank = at + 1;
    }
    all
}

/// Pearson's r, to six decimals, over the rows that have a value; nothing when it is 0 or when either side does not vary
/// beyond rounding.
fn correlation(values: &[f64], contributions: &[f64]) -> Option<f64> {
    let pairs: Vec<(f64, f64)> =
        values.iter().zip(contributions).filter(|(x, _)| x.is_finite()).map(|(&x, &y)| (x, y)).collect();
    let n = pairs.len() as f64;
    let sum = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>();
    let (x, y) = (sum(&|pair| pair.0) / n, sum(&|pair| pair.1) / n);
    let spread = |of: &dyn Fn(&(f64, f64)) -> f64, mean: f64| {
        let size = pairs.iter().map(|pair| of(pair).abs()).fold(0.0, f64::max);
        let deviation = libm::sqrt(sum(&|pair| (of(pair) - mean) * (of(pair) - mean)) / n);
        (deviation > 1e-12 * size && deviation.is_finite()).then_some(deviation)
    };
    let (sx, sy) = (spread(&|pair| pair.0, x)?, spread(&|pair| pair.1, y)?);
    let r = sum(&|pair| (pair.0 - x) / sx * ((pair.1 - y) / sy)) / n;
    // Six decimals: the rest is rounding, and reads as if it were not.
    let r = libm::rint(r.clamp(-1.0, 1.0) * 1e6) / 1e6;
    (r != 0.0).then_some(r)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlations_are_signed_and_only_where_both_sides_vary() {
        assert_eq!(correlation(&[1.0, 2.0, f64::NAN], &[0.5, 1.5, -9.0]), Some(1.0));
        let falling = correlation(&[0.0, 1.0, 2.0, 3.0], &[4.0, 3.0, 3.0, 1.0]).expect("both vary");
        assert!((falling + 0.923_381).abs() < 1e-12, "{falling}");
        assert_eq!(correlation(&[3.0, 3.0], &[0.0, 1.0]), None);
        assert_eq!(correlation(&[0.0, 1.0], &[0.1 + 0.2, 0.3]), None);
        assert_eq!(correlation(&[f64::NAN], &[1.0]), None);
    }
}
