//! Whether probabilities mean what they say: calibration in the large, calibration slope, ICI.
//!
//! Logits are taken of probabilities moved 1e-8 away from 0 and 1; how many rows that touched is reported.

use super::glm::{GlmFit, fit_logistic};
use super::link::{LOGIT_CLIP, clipped_logit};
use super::scores::Ranking;

use super::lowess::lowess;

/// The outcome and the logits of the predictions, as the calibration models need them. Rows with equal predictions are
/// one observation: isotonic calibration leaves few distinct ones, and a model is fitted in every resample.
#[derive(Debug, Clone)]
pub struct CalibrationData {
    y: Vec<bool>,
    /// The group of each row.
    group: Vec<usize>,
    /// The logit of each group, ascending.
    logits: Vec<f64>,
    /// Rows whose probability had to be moved for its logit to exist.
    pub clipped: usize,
}

impl CalibrationData {
    /// Takes the logits once.
    pub fn new(y: &[bool], p: &[f64]) -> Self {
        let ranking = Ranking::new(p);
        let (mut group, mut logits) = (vec![0; p.len()], Vec::new());
        for rows in ranking.groups() {
            for &row in rows {
                group[row] = logits.len();
            }
            logits.extend(rows.first().map(|&row| clipped_logit(p[row])));
        }
        Self {
            y: y.to_vec(),
            group,
            logits,
            clipped: p.iter().filter(|&&p| !(LOGIT_CLIP..=1.0 - LOGIT_CLIP).contains(&p)).count(),
        }
    }

    /// Calibration in the large: the intercept of a logistic model with the logit as offset. 0 is perfect, above 0
    /// means that risks are underestimated. `None` when it has no finite maximum (one class only).
    pub fn intercept(&self, weights: &[u32]) -> Option<f64> {
        let Observed { logits, share, weight } = self.observed(weights);
        let fit = fit_logistic(&[], 0, &share, Some(&weight), Some(&logits), &[], true);
        converged(fit).map(|fit| fit.intercept)
    }

    /// The calibration slope: the coefficient of the logit in a logistic model. 1 is perfect, below 1 means that
    /// predictions are too extreme. `None` when the classes are separated or all predictions are equal.
    pub fn slope(&self, weights: &[u32]) -> Option<f64> {
        let Observed { logits, share, weight } = self.observed(weights);
        // With the logit as offset the fit starts at a slope of 1, near its end, and finds the difference from it.
        let fit = fit_logistic(&logits, 1, &share, Some(&weight), Some(&logits), &[0.0], true);
        converged(fit).and_then(|fit| fit.coef.first().map(|difference| 1.0 + difference))
    }

    /// The groups that have weight.
    fn observed(&self, weights: &[u32]) -> Observed {
        let mut totals = vec![(0_u64, 0_u64); self.logits.len()];
        for ((&group, &event), &weight) in self.group.iter().zip(&self.y).zip(weights) {
            let (events, rows) = &mut totals[group];
            *events += if event { u64::from(weight) } else { 0 };
            *rows += u64::from(weight);
        }
        let mut observed = Observed::default();
        for (&logit, &(events, rows)) in self.logits.iter().zip(&totals).filter(|(_, (_, rows))| *rows > 0) {
            observed.logits.push(logit);
            observed.share.push(events as f64 / rows as f64);
            observed.weight.push(rows as f64);
        }
        observed
    }
}

/// One observation per distinct prediction: its logit, the share of events, the rows it stands for.
#[derive(Default)]
struct Observed {
    logits: Vec<f64>,
    share: Vec<f64>,
    weight: Vec<f64>,
}

fn converged<E>(fit: Result<GlmFit, E>) -> Option<GlmFit> {
    fit.ok().filter(|fit| fit.converged)
}

/// A smooth calibration curve over rows in ascending order of p, and its mean distance from the diagonal.
#[derive(Debug, Clone, PartialEq)]
pub struct Smooth {
    /// Predictions, ascending.
    pub p: Vec<f64>,
    /// Smoothed observed frequency at each.
    pub observed: Vec<f64>,
}

impl Smooth {
    /// Smooths the outcome over the predictions of `order` (ascending), each row repeated `weights[row]` times.
    pub fn new(order: &[usize], y: &[bool], p: &[f64], weights: &[u32]) -> Self {
        let rows: Vec<usize> = order.iter().flat_map(|&row| std::iter::repeat_n(row, weights[row] as usize)).collect();
        let x: Vec<f64> = rows.iter().map(|&row| p[row]).collect();
        let outcome: Vec<f64> = rows.iter().map(|&row| f64::from(u8::from(y[row]))).collect();
        let observed = lowess(&x, &outcome);
        Self { p: x, observed }
    }

    /// Integrated calibration index (Austin and Steyerberg 2019): the mean of |p − smoothed frequency|. `None` without
    /// rows.
    pub fn ici(&self) -> Option<f64> {
        let sum: f64 = self.p.iter().zip(&self.observed).map(|(p, observed)| (p - observed).abs()).sum();
        (!self.p.is_empty()).then(|| sum / self.p.len() as f64)
    }
}
