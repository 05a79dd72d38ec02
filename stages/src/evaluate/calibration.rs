//! Whether probabilities mean what they say: calibration in the large, calibration slope, ICI.
//!
//! Logits are taken of probabilities moved 1e-8 away from 0 and 1; how many rows that touched is reported.

use crate::common::glm::{GlmFit, fit_logistic};
use crate::common::link::{LOGIT_CLIP, clipped_logit};

use super::lowess::lowess;

/// The outcome and the logits of the predictions, as the calibration models need them.
#[derive(Debug, Clone)]
pub struct CalibrationData {
    y: Vec<f64>,
    logits: Vec<f64>,
    /// Rows whose probability had to be moved for its logit to exist.
    pub clipped: usize,
}

impl CalibrationData {
    /// Takes the logits once.
    pub fn new(y: &[bool], p: &[f64]) -> Self {
        Self {
            y: y.iter().map(|&y| f64::from(u8::from(y))).collect(),
            logits: p.iter().map(|&p| clipped_logit(p)).collect(),
            clipped: p.iter().filter(|&&p| !(LOGIT_CLIP..=1.0 - LOGIT_CLIP).contains(&p)).count(),
        }
    }

    /// Calibration in the large: the intercept of a logistic model with the logit as offset. 0 is perfect, above 0
    /// means that risks are underestimated. `None` when it has no finite maximum (one class only).
    pub fn intercept(&self, weights: &[f64]) -> Option<f64> {
        let fit = fit_logistic(&[], 0, &self.y, Some(weights), Some(&self.logits), &[], true);
        converged(fit).map(|fit| fit.intercept)
    }

    /// The calibration slope: the coefficient of the logit in a logistic model. 1 is perfect, below 1 means that
    /// predictions are too extreme. `None` when the classes are separated or all predictions are equal.
    pub fn slope(&self, weights: &[f64]) -> Option<f64> {
        let fit = fit_logistic(&self.logits, 1, &self.y, Some(weights), None, &[0.0], true);
        converged(fit).and_then(|fit| fit.coef.first().copied())
    }
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
