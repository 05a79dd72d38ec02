//! evaluation.json of a continuous outcome: residuals, calibration by groups and by a straight line, the comparison with
//! the plain ridge regression.

use serde::{Deserialize, Serialize};

use crate::common::interval::{Estimate, finite, percentile, quantile};
use crate::evaluate::enough::{limited, varied};
use crate::evaluate::numbers::{NumberDifference, NumberMetrics};
use crate::evaluate::{Evaluated, Intervals};

use super::document::Quantile;
use super::{GROUPS, QUANTILES};

/// evaluation.json of a continuous outcome. Numbers are in the outcome's unit and of the test part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberEvaluation {
    /// Version of this format: 1.
    pub schema_version: u32,
    /// `number`.
    pub kind: String,
    /// `real` or `synthetic`.
    pub data: String,
    /// The chosen candidate.
    pub model: String,
    /// Which model was evaluated on which rows.
    pub evaluated: Evaluated,
    /// Test rows.
    pub n: u64,
    /// Patients they belong to.
    pub patients: u64,
    /// How the intervals were made.
    pub intervals: Intervals,
    /// Outcome on prediction by least squares.
    pub calibration: Straight,
    /// Tenths of the rows by prediction, ascending.
    pub groups: Vec<NumberGroup>,
    /// Prediction − outcome.
    pub residuals: Residuals,
    /// The model beside the plain ridge regression.
    pub comparison: NumberComparison,
}

/// The line outcome = intercept + slope · prediction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Straight {
    /// 0 is perfect, together with a slope of 1.
    pub intercept: Estimate,
    /// 1 is perfect, below 1 means that predictions are too extreme.
    pub slope: Estimate,
}

/// Neighbouring rows by prediction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberGroup {
    /// Rows.
    pub n: u64,
    /// Mean prediction.
    pub predicted: f64,
    /// Mean outcome.
    pub observed: Estimate,
    /// Root mean squared error.
    pub rmse: f64,
}

/// The distribution of prediction − outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Residuals {
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation (divisor n).
    pub sd: f64,
    /// The median of their absolute values.
    pub median_absolute: f64,
    /// Quantiles (type 7).
    pub quantiles: Vec<Quantile>,
}

/// The model beside a rival, on the same rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberComparison {
    /// Which rival.
    pub with: String,
    /// Model − rival, by the paired bootstrap.
    pub difference: NumberDifference,
}

/// The measures that are resampled for this file alone; NaN where undefined.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::evaluate) struct Shape {
    intercept: f64,
    slope: f64,
    observed: Vec<f64>,
}

/// Outcomes and predictions with the groups of the calibration plot.
pub(in crate::evaluate) struct Shaped<'a> {
    y: &'a [f64],
    predicted: &'a [f64],
    order: Vec<usize>,
}

impl<'a> Shaped<'a> {
    pub(in crate::evaluate) fn new(y: &'a [f64], predicted: &'a [f64]) -> Self {
        let mut order: Vec<usize> = (0..y.len()).collect();
        order.sort_by(|&a, &b| predicted[a].total_cmp(&predicted[b]).then(a.cmp(&b)));
        Self { y, predicted, order }
    }

    fn groups(&self) -> impl Iterator<Item = &[usize]> {
        let n = self.order.len();
        (0..GROUPS).map(move |k| &self.order[k * n / GROUPS..(k + 1) * n / GROUPS]).filter(|rows| !rows.is_empty())
    }

    /// The measures of rows taken `weights[row]` times.
    pub(in crate::evaluate) fn measure(&self, weights: &[u32]) -> Shape {
        let sum = |rows: &[usize], of: &dyn Fn(usize) -> f64| -> f64 {
            rows.iter().map(|&row| f64::from(weights[row]) * of(row)).sum()
        };
        let mean = |rows: &[usize], of: &dyn Fn(usize) -> f64| sum(rows, of) / sum(rows, &|_| 1.0);
        let all = &self.order[..];
        let (x0, y0) = (mean(all, &|row| self.predicted[row]), mean(all, &|row| self.y[row]));
        let spread = sum(all, &|row| (self.predicted[row] - x0) * (self.predicted[row] - x0));
        let cross = sum(all, &|row| (self.predicted[row] - x0) * (self.y[row] - y0));
        let slope = if spread > 0.0 { cross / spread } else { f64::NAN };
        let observed = self.groups().map(|rows| mean(rows, &|row| self.y[row])).collect();
        Shape { intercept: y0 - slope * x0, slope, observed }
    }

    fn residuals(&self) -> Residuals {
        let mut sorted: Vec<f64> = self.predicted.iter().zip(self.y).map(|(p, y)| p - y).collect();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len() as f64;
        let mean = sorted.iter().sum::<f64>() / n;
        let mut sizes: Vec<f64> = sorted.iter().map(|residual| residual.abs()).collect();
        sizes.sort_by(f64::total_cmp);
        Residuals {
            mean,
            sd: libm::sqrt(sorted.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / n),
            median_absolute: quantile(&sizes, 0.5).unwrap_or(0.0),
            quantiles: QUANTILES.iter().filter_map(|&q| Some(Quantile { q, value: quantile(&sorted, q)? })).collect(),
        }
    }
}

/// The whole file; what metrics.json has already comes from there.
pub(in crate::evaluate) fn detail(
    metrics: &NumberMetrics,
    rows: &Shaped,
    resamples: &[Shape],
    too_few: Option<&String>,
) -> NumberEvaluation {
    let point = rows.measure(&vec![1; rows.y.len()]);
    let interval = |undefined: &str, of: &dyn Fn(&Shape) -> f64| {
        let draws = resamples.iter().map(of);
        varied(limited(percentile(finite(of(&point)), draws, metrics.intervals.confidence, undefined), too_few))
    };
    let equal = "all predictions are equal";
    let group = |(k, members): (usize, &[usize])| {
        let n = members.len() as f64;
        let error = |row: usize| rows.predicted[row] - rows.y[row];
        NumberGroup {
            n: members.len() as u64,
            predicted: members.iter().map(|&row| rows.predicted[row]).sum::<f64>() / n,
            observed: interval("there are no rows", &|shape| shape.observed[k]),
            rmse: libm::sqrt(members.iter().map(|&row| error(row) * error(row)).sum::<f64>() / n),
        }
    };
    NumberEvaluation {
        schema_version: 1,
        kind: "number".to_owned(),
        data: metrics.data.clone(),
        model: metrics.model.clone(),
        evaluated: metrics.evaluated.clone(),
        n: metrics.n,
        patients: metrics.patients,
        intervals: metrics.intervals.clone(),
        calibration: Straight {
            intercept: interval(equal, &|shape| shape.intercept),
            slope: interval(equal, &|shape| shape.slope),
        },
        groups: rows.groups().enumerate().map(group).collect(),
        residuals: rows.residuals(),
        comparison: NumberComparison {
            with: "ridge".to_owned(),
            difference: metrics.baselines.ridge.difference.clone(),
        },
    }
}
