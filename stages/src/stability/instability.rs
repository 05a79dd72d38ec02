//! How the predictions of the same rows move between refits (Riley and Collins 2023).

use std::path::Path;

use crate::StageError;
use crate::common::csv_file;
use crate::common::interval::quantile;

use super::document::{Decile, Distribution, Flips, Instability};
use super::params::Part;

/// Groups of rows by predicted risk.
const DECILES: usize = 10;
/// A row is unsettled that changes sides in this share of refits.
const UNSETTLED: f64 = 0.05;
/// More points than this make a plot no better; the file then keeps evenly spaced ones.
const MAX_POINTS: usize = 2000;

/// What the model and its refits say of the rows.
pub(super) struct Predicted {
    /// The model's predictions.
    pub model: Vec<f64>,
    /// The threshold of each row; none when the outcome is a number.
    pub thresholds: Option<Vec<f64>>,
    /// One list a refit, in the order of the refits; at least one.
    pub refits: Vec<Vec<f64>>,
}

/// What the refits say of one row.
struct Row {
    p: f64,
    mean: f64,
    low: f64,
    high: f64,
    mape: f64,
    flip_share: Option<f64>,
}

impl Predicted {
    /// The report, and the points of the instability plot.
    pub fn report(&self, part: Part, points: Option<&Path>) -> Result<Instability, StageError> {
        let mut rows: Vec<Row> = (0..self.model.len()).map(|row| self.row(row)).collect();
        // Stable: equal predictions keep the order of the table.
        rows.sort_by(|a, b| a.p.total_cmp(&b.p));
        if let Some(path) = points {
            write(path, &rows)?;
        }
        Ok(Instability {
            part,
            n: rows.len() as u64,
            mape: distribution(rows.iter().map(|row| row.mape)),
            spread: distribution(rows.iter().map(|row| row.high - row.low)),
            flips: self.thresholds.as_ref().map(|_| flips(&rows)),
        })
    }

    fn row(&self, row: usize) -> Row {
        let p = self.model[row];
        let mut drawn: Vec<f64> = self.refits.iter().map(|refit| refit[row]).collect();
        let n = drawn.len() as f64;
        let mape = drawn.iter().map(|value| (value - p).abs()).sum::<f64>() / n;
        let mean = drawn.iter().sum::<f64>() / n;
        let flip_share = self.thresholds.as_ref().map(|thresholds| {
            let side = |value: f64| value >= thresholds[row];
            drawn.iter().filter(|&&value| side(value) != side(p)).count() as f64 / n
        });
        drawn.sort_by(f64::total_cmp);
        let end = |q: f64| quantile(&drawn, q).unwrap_or(p);
        Row { p, mean, low: end(0.025), high: end(0.975), mape, flip_share }
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0_usize), |(sum, n), value| (sum + value, n + 1));
    if n == 0 { 0.0 } else { sum / n as f64 }
}

fn distribution(values: impl Iterator<Item = f64>) -> Distribution {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let at = |q: f64| quantile(&sorted, q).unwrap_or_default();
    Distribution { mean: mean(sorted.iter().copied()), median: at(0.5), p95: at(0.95), max: at(1.0) }
}

/// `rows` ascend by risk.
fn flips(rows: &[Row]) -> Flips {
    let share = |row: &Row| row.flip_share.unwrap_or_default();
    let n = rows.len();
    let groups = (0..DECILES).map(|k| (k + 1, &rows[k * n / DECILES..(k + 1) * n / DECILES]));
    let decile = |(decile, rows): (usize, &[Row])| {
        Some(Decile {
            decile,
            n: rows.len() as u64,
            low: rows.first()?.p,
            high: rows.last()?.p,
            mape: mean(rows.iter().map(|row| row.mape)),
            flip_share: mean(rows.iter().map(share)),
        })
    };
    Flips {
        mean_share: mean(rows.iter().map(share)),
        unsettled_share: mean(rows.iter().map(|row| f64::from(u8::from(share(row) >= UNSETTLED)))),
        deciles: groups.filter_map(decile).collect(),
    }
}

/// The rows from the lowest prediction to the highest, without their ids.
fn write(path: &Path, rows: &[Row]) -> Result<(), StageError> {
    let (step, last) = (rows.len().div_ceil(MAX_POINTS).max(1), rows.len().saturating_sub(1));
    let kept = rows.iter().enumerate().filter(|(at, _)| at % step == 0 || *at == last);
    let lines = kept.map(|(_, row)| {
        let Row { p, mean, low, high, mape, flip_share } = row;
        let numbers = [Some(*p), Some(*mean), Some(*low), Some(*high), Some(*mape), *flip_share];
        numbers.into_iter().map(csv_file::number).collect::<Vec<String>>()
    });
    csv_file::write(path, &["p", "mean", "low", "high", "mape", "flip_share"], lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_as_stable_as_its_refits_agree() {
        let predicted = Predicted {
            model: vec![0.5, 0.1],
            thresholds: Some(vec![0.3, 0.3]),
            refits: vec![vec![0.4, 0.1], vec![0.2, 0.1], vec![0.6, 0.1], vec![0.5, 0.1]],
        };
        let report = predicted.report(Part::Test, None).expect("no file");
        assert_eq!(report.n, 2);
        // |−.1|, |−.3|, |.1|, 0 of the first row, nothing of the second.
        assert!((report.mape.mean - 0.5 * 0.125).abs() < 1e-12 && (report.mape.max - 0.125).abs() < 1e-12);
        // Type-7 quantiles of .2 .4 .5 .6 at .025 and .975.
        assert!((report.spread.max - (0.5925 - 0.215)).abs() < 1e-12);
        let flips = report.flips.expect("there are thresholds");
        assert!((flips.mean_share - 0.125).abs() < 1e-12 && (flips.unsettled_share - 0.5).abs() < 1e-12);
        let rows: u64 = flips.deciles.iter().map(|decile| decile.n).sum();
        assert_eq!((rows, flips.deciles.last().map(|decile| decile.flip_share)), (2, Some(0.25)));
    }
}
