//! Whether probabilities mean what they say: calibration in the large, calibration slope, the smooth curve and its
//! distances from the diagonal (ICI, E50, E90, Emax), observed : expected, Spiegelhalter's test.
//!
//! Logits are taken of probabilities moved 1e-8 away from 0 and 1; how many rows that touched is reported.

use super::interval::{normal_tails, quantile};
use super::link::{LOGIT_CLIP, clipped_logit};
use super::lowess::{Grouped, lowess};
use super::recalibration::{self, Line};
use super::scores::Ranking;

/// The outcome and the distinct predictions, as the calibration models need them. Rows with equal predictions are one
/// observation: isotonic calibration leaves few distinct ones, and a model is fitted in every resample.
#[derive(Debug, Clone)]
pub struct CalibrationData {
    y: Vec<bool>,
    /// The group of each row.
    group: Vec<u32>,
    /// The prediction of each group, ascending.
    p: Vec<f64>,
    /// The logit of each group, ascending.
    logits: Vec<f64>,
    /// Rows whose probability had to be moved for its logit to exist.
    pub clipped: usize,
}

impl CalibrationData {
    /// Takes the logits once.
    pub fn new(y: &[bool], p: &[f64]) -> Self {
        let ranking = Ranking::new(p);
        let (mut group, mut distinct) = (vec![0; p.len()], Vec::new());
        for rows in ranking.groups() {
            for &row in rows {
                group[row] = distinct.len() as u32;
            }
            distinct.extend(rows.first().map(|&row| p[row]));
        }
        Self {
            y: y.to_vec(),
            group,
            logits: distinct.iter().map(|&p| clipped_logit(p)).collect(),
            p: distinct,
            clipped: p.iter().filter(|&&p| !(LOGIT_CLIP..=1.0 - LOGIT_CLIP).contains(&p)).count(),
        }
    }

    /// As [`Observed::intercept`], of rows taken `weights[row]` times.
    pub fn intercept(&self, weights: &[u32]) -> Option<f64> {
        self.observed(weights).intercept()
    }

    /// As [`Observed::slope`], of rows taken `weights[row]` times.
    pub fn slope(&self, weights: &[u32]) -> Option<f64> {
        self.observed(weights).slope()
    }

    /// What is observed at each distinct prediction when each row is taken `weights[row]` times; predictions without
    /// rows are left out.
    pub fn observed(&self, weights: &[u32]) -> Observed {
        // Events in the upper half, rows in the lower: one sum instead of two.
        let mut totals = vec![0_u64; self.p.len()];
        for ((&group, &event), &weight) in self.group.iter().zip(&self.y).zip(weights) {
            let weight = u64::from(weight);
            totals[group as usize] += weight + ((weight * u64::from(event)) << 32);
        }
        let mut observed = Observed::default();
        for ((&p, &logit), &total) in self.p.iter().zip(&self.logits).zip(&totals) {
            let (events, rows) = ((total >> 32) as f64, (total & u64::from(u32::MAX)) as f64);
            if rows > 0.0 {
                observed.p.push(p);
                observed.logits.push(logit);
                observed.share.push(events / rows);
                observed.rows.push(rows);
            }
        }
        observed
    }
}

/// One observation per distinct prediction.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// The predictions, ascending.
    p: Vec<f64>,
    logits: Vec<f64>,
    /// The share of events at each.
    share: Vec<f64>,
    /// The rows at each.
    rows: Vec<f64>,
}

impl Observed {
    /// Calibration in the large: the intercept of a logistic model with the logit as offset. 0 is perfect, above 0
    /// means that risks are underestimated. `None` when it has no finite maximum (one class only).
    pub fn intercept(&self) -> Option<f64> {
        self.large().map(|line| line.intercept)
    }

    /// The calibration slope: the coefficient of the logit in a logistic model. 1 is perfect, below 1 means that
    /// predictions are too extreme. `None` when the classes are separated or all predictions are equal.
    pub fn slope(&self) -> Option<f64> {
        self.weak().map(|line| line.slope)
    }

    /// The model of [`Observed::intercept`], with its standard error.
    pub fn large(&self) -> Option<Line> {
        recalibration::large(&self.logits, &self.share, &self.rows)
    }

    /// The model of [`Observed::slope`], with standard errors.
    pub fn weak(&self) -> Option<Line> {
        recalibration::weak(&self.logits, &self.share, &self.rows)
    }

    /// Observed events over expected ones, Σy/Σp: above 1 means that risks are underestimated. `None` when none are
    /// expected.
    pub fn ratio(&self) -> Option<f64> {
        let weighted = |values: &[f64]| values.iter().zip(&self.rows).map(|(value, rows)| value * rows).sum::<f64>();
        let expected = weighted(&self.p);
        (expected > 0.0).then(|| weighted(&self.share) / expected)
    }

    /// Spiegelhalter's z (1986): Σ(y − p)(1 − 2p) / √Σ(1 − 2p)²p(1 − p), standard normal for calibrated predictions of
    /// independent rows, with the two-sided p-value. `None` when all predictions are 0, ½ or 1.
    pub fn spiegelhalter(&self) -> Option<(f64, f64)> {
        let (mut sum, mut variance) = (0.0, 0.0);
        for ((p, share), rows) in self.p.iter().zip(&self.share).zip(&self.rows) {
            let tilt = 1.0 - 2.0 * p;
            sum += rows * (share - p) * tilt;
            variance += rows * tilt * tilt * p * (1.0 - p);
        }
        let z = sum / libm::sqrt(variance);
        (variance > 0.0).then(|| (z, normal_tails(z)))
    }

    /// The smooth calibration curve.
    pub fn smooth(self) -> Smooth {
        let observed = lowess(Grouped { x: &self.p, y: &self.share, count: &self.rows });
        Smooth { p: self.p, observed, rows: self.rows }
    }
}

/// The smooth calibration curve at the distinct predictions.
#[derive(Debug, Clone, PartialEq)]
pub struct Smooth {
    /// Predictions, strictly ascending.
    pub p: Vec<f64>,
    /// Smoothed observed frequency at each.
    pub observed: Vec<f64>,
    /// Rows at each.
    rows: Vec<f64>,
}

/// How far the smooth curve is from the diagonal, over rows: 0 is perfect.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distances {
    /// Their mean: the integrated calibration index (Austin and Steyerberg 2019).
    pub ici: f64,
    /// Their median.
    pub e50: f64,
    /// Their 90th percentile.
    pub e90: f64,
    /// The largest.
    pub emax: f64,
}

impl Smooth {
    /// Smooths the outcome over the predictions, each row repeated `weights[row]` times.
    pub fn new(y: &[bool], p: &[f64], weights: &[u32]) -> Self {
        CalibrationData::new(y, p).observed(weights).smooth()
    }

    fn distances_by_group(&self) -> impl Iterator<Item = f64> {
        self.p.iter().zip(&self.observed).map(|(p, observed)| (p - observed).abs())
    }

    /// The mean distance alone. `None` without rows.
    pub fn ici(&self) -> Option<f64> {
        let sum: f64 = self.distances_by_group().zip(&self.rows).map(|(distance, rows)| distance * rows).sum();
        (!self.p.is_empty()).then(|| sum / self.rows.iter().sum::<f64>())
    }

    /// All of them; quantiles over rows are of type 7, as numpy's and R's. `None` without rows.
    pub fn distances(&self) -> Option<Distances> {
        let mut sorted: Vec<(f64, usize)> =
            self.distances_by_group().zip(&self.rows).map(|(distance, &rows)| (distance, rows as usize)).collect();
        sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let n = sorted.iter().map(|(_, rows)| rows).sum();
        Some(Distances {
            ici: self.ici()?,
            e50: repeated_quantile(&sorted, n, 0.5)?,
            e90: repeated_quantile(&sorted, n, 0.9)?,
            emax: sorted.last()?.0,
        })
    }

    /// The curve at `p` by linear interpolation; `None` outside the range of predictions.
    pub fn at(&self, p: f64) -> Option<f64> {
        let above = self.p.partition_point(|&x| x < p);
        let x = *self.p.get(above)?;
        if x == p {
            return Some(self.observed[above]);
        }
        let below = above.checked_sub(1)?;
        let share = (p - self.p[below]) / (x - self.p[below]);
        Some(share * self.observed[above] + (1.0 - share) * self.observed[below])
    }
}

/// The type-7 quantile of sorted values, each repeated as often as stands beside it, `n` in all.
fn repeated_quantile(sorted: &[(f64, usize)], n: usize, q: f64) -> Option<f64> {
    let position = q * n.checked_sub(1)? as f64;
    let below = position.floor() as usize;
    let value_of = |rank: usize| {
        let mut passed = 0;
        sorted.iter().find(|(_, times)| {
            passed += times;
            rank < passed
        })
    };
    let (low, high) = (value_of(below)?.0, value_of((below + 1).min(n - 1))?.0);
    quantile(&[low, high], position - below as f64)
}
