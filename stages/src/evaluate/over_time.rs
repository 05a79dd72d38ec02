//! How the model fares as time goes by: the measures of every period, and whether calibration drifts.
//!
//! The trend is a number with an interval, not a look at a curve: the coefficient of time in a logistic model of the
//! outcome with the predicted log odds as offset. 0: calibration in the large does not move; above 0, risks are
//! underestimated more and more. Of an outcome that is a number, the change of prediction − outcome.

use serde::{Deserialize, Serialize};

use super::slices::cut::{Cut, Draw};
use super::slices::levels::{MISSING, of_time};
use super::slices::trend::Design;
use super::slices::{Answers, OverTime, Setting, Slice, two_sided};
use crate::ParamError;
use crate::common::frame::{Column, Frame};
use crate::common::interval::{Estimate, finite, percentile};
use crate::common::privacy::Cell;

/// Periods and the trend across them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeReport {
    /// The column that says when.
    pub column: String,
    /// One entry a period, in order; rows without a time last.
    pub periods: Vec<Slice>,
    /// Whether calibration moves.
    pub trend: Trend,
}

/// The change of calibration in the large per unit of time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trend {
    /// What changes: `intercept` (log odds), or `bias` of predictions of a number.
    pub of: String,
    /// Per what: `year` of dates, else one unit of the column.
    pub per: String,
    /// The change.
    pub slope: Estimate,
    /// Two-sided p-value of no change, from the resamples. Not adjusted: it is the only test of its kind here.
    pub p: Option<f64>,
    /// Rows that have a time.
    pub n: Cell,
    /// Why something is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The periods of the rows, and the model of the trend.
pub(super) struct Periods {
    column: String,
    per: &'static str,
    pub(super) cut: Cut,
    /// The rows with a time, and the trend among them.
    rows: Vec<usize>,
    line: Line,
}

enum Line {
    /// The design, and the fit from which those of resamples start.
    Events(Design, [f64; 2]),
    /// Times and errors.
    Numbers(Vec<f64>, Vec<f64>),
}

impl Periods {
    pub(super) fn new(setting: &Setting, time: &OverTime, raw: &Frame) -> Result<Self, ParamError> {
        let (levels, times) = of_time(time, raw)?;
        let rows: Vec<usize> = (0..times.len()).filter(|&row| times[row].is_finite()).collect();
        let mean = rows.iter().map(|&row| times[row]).sum::<f64>() / rows.len().max(1) as f64;
        // Centred, so that intercept and slope are nearly uncorrelated and the fit is well conditioned.
        let centred = rows.iter().map(|&row| times[row] - mean).collect();
        let line = match setting.answers {
            Answers::Events { y, p, .. } => {
                let y: Vec<bool> = rows.iter().map(|&row| y[row]).collect();
                let p: Vec<f64> = rows.iter().map(|&row| p[row]).collect();
                let design = Design::new(&y, &p, centred);
                let start = design.line(&vec![1; y.len()], [0.0; 2]).unwrap_or_default();
                Line::Events(design, start)
            }
            Answers::Numbers { y, predicted } => {
                Line::Numbers(centred, rows.iter().map(|&row| predicted[row] - y[row]).collect())
            }
        };
        let per = if matches!(raw.get(&time.column), Some(Column::Text(_))) { "year" } else { "unit of the column" };
        Ok(Self { column: time.column.clone(), per, cut: Cut::new(setting, levels, false), rows, line })
    }

    /// The trend on one weighting of all rows; NaN where undefined.
    pub(super) fn trend(&self, weights: &[u32]) -> f64 {
        let own: Vec<u32> = self.rows.iter().map(|&row| weights[row]).collect();
        match &self.line {
            Line::Events(design, start) => design.line(&own, *start).map_or(f64::NAN, |line| line[1]),
            Line::Numbers(times, errors) => least_squares(times, errors, &own),
        }
    }

    pub(super) fn report(&self, setting: &Setting, draws: &[&[Draw]], trends: &[f64]) -> TimeReport {
        let value = finite(self.trend(&vec![1; setting.answers.rows()]));
        let why = "all rows have one time, or the classes are separated";
        let slope = if setting.is_enough(&self.rows) {
            percentile(value, trends.iter().copied(), setting.confidence, why)
        } else {
            Estimate::undefined(setting.too_few())
        };
        let p = slope.low.zip(value).and_then(|(_, value)| two_sided(value, trends));
        let of = if matches!(setting.answers, Answers::Events { .. }) { "intercept" } else { "bias" };
        let periods = self.cut.report(setting, draws);
        // What is left of all rows is the level of those without a time, which may be small.
        let missing = periods.iter().find(|period| period.level == MISSING);
        let hidden = missing.is_some_and(|period| period.n.is_suppressed());
        let n = if hidden { Cell::Suppressed } else { Cell::Known(self.rows.len() as u64) };
        let untested = || format!("p: {}", slope.reason.as_deref().unwrap_or("no resample changes the trend"));
        let reasons: Vec<String> =
            [p.is_none().then(untested), hidden.then(|| format!("n: {}", setting.privacy.reason()))]
                .into_iter()
                .flatten()
                .collect();
        let reason = (!reasons.is_empty()).then(|| reasons.join("; "));
        let trend = Trend { of: of.to_owned(), per: self.per.to_owned(), slope, p, n, reason };
        TimeReport { column: self.column.clone(), periods, trend }
    }
}

/// The slope of a weighted least-squares line; NaN where all times are equal.
fn least_squares(x: &[f64], y: &[f64], weights: &[u32]) -> f64 {
    let sum = |term: &dyn Fn(usize) -> f64| {
        weights.iter().enumerate().map(|(at, &weight)| f64::from(weight) * term(at)).sum::<f64>()
    };
    let n = sum(&|_| 1.0);
    let (mean_x, mean_y) = (sum(&|at| x[at]) / n, sum(&|at| y[at]) / n);
    let spread = sum(&|at| (x[at] - mean_x) * (x[at] - mean_x));
    let joint = sum(&|at| (x[at] - mean_x) * (y[at] - mean_y));
    if spread > 0.0 { joint / spread } else { f64::NAN }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_through_weighted_points() {
        assert_eq!(least_squares(&[0.0, 1.0, 2.0], &[1.0, 3.0, 5.0], &[1, 2, 1]), 2.0);
        assert!(least_squares(&[1.0, 1.0], &[1.0, 3.0], &[1, 1]).is_nan());
        assert!(least_squares(&[1.0, 2.0], &[1.0, 3.0], &[0, 0]).is_nan());
    }
}
