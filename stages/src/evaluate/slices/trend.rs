//! The logistic model of a trend: the outcome on a covariate of the row, with the predicted log odds as offset.
//!
//! A resample's fit lies close to that of the rows themselves, so a few plain Newton steps from there reach it. Where
//! they do not (separated classes), the general solver decides, so both give one answer or none. Calibration itself is
//! fitted by `common::calibration`.

use crate::common::glm::fit_logistic;
use crate::common::link::{clipped_logit, sigmoid};

const STEPS: usize = 25;
/// A step this small changes no printed digit.
const TOLERANCE: f64 = 1e-9;

/// Rows as observations of a logistic model with an offset and a covariate.
#[derive(Debug, Clone)]
pub struct Design {
    offset: Vec<f64>,
    x: Vec<f64>,
    y: Vec<bool>,
}

impl Design {
    /// Rows with predictions `p`, at `x`.
    pub fn new(y: &[bool], p: &[f64], x: Vec<f64>) -> Self {
        Self { offset: p.iter().map(|&p| clipped_logit(p)).collect(), x, y: y.to_vec() }
    }

    /// Intercept and coefficient of the covariate, with the offset. `None` when there is no finite maximum.
    pub fn line(&self, weights: &[u32], start: [f64; 2]) -> Option<[f64; 2]> {
        let classes = |event: bool| self.y.iter().zip(weights).any(|(&y, &weight)| y == event && weight > 0);
        if !(classes(true) && classes(false)) {
            return None;
        }
        let [mut a, mut b] = start;
        for _ in 0..STEPS {
            let (mut g, mut h) = ([0.0; 2], [0.0; 3]);
            for (at, &weight) in weights.iter().enumerate() {
                let x = self.x[at];
                let p = sigmoid(self.offset[at] + a + b * x);
                let weight = f64::from(weight);
                let residual = weight * (f64::from(u8::from(self.y[at])) - p);
                let curvature = weight * p * (1.0 - p);
                g = [g[0] + residual, g[1] + residual * x];
                h = [h[0] + curvature, h[1] + curvature * x, h[2] + curvature * x * x];
            }
            let determinant = h[0] * h[2] - h[1] * h[1];
            let step = [(h[2] * g[0] - h[1] * g[1]) / determinant, (h[0] * g[1] - h[1] * g[0]) / determinant];
            if determinant <= 1e-12 * h[0] * h[2] || !step.iter().all(|step| step.is_finite()) {
                break;
            }
            (a, b) = (a + step[0], b + step[1]);
            if step[0].abs() < TOLERANCE && step[1].abs() < TOLERANCE {
                return Some([a, b]);
            }
        }
        self.slowly(weights)
    }

    /// The general solver.
    fn slowly(&self, weights: &[u32]) -> Option<[f64; 2]> {
        let with: Vec<usize> = (0..self.offset.len()).filter(|&at| weights[at] > 0).collect();
        let pick = |values: &[f64]| with.iter().map(|&at| values[at]).collect::<Vec<f64>>();
        let share: Vec<f64> = with.iter().map(|&at| f64::from(u8::from(self.y[at]))).collect();
        let rows: Vec<f64> = with.iter().map(|&at| f64::from(weights[at])).collect();
        let (x, offset) = (pick(&self.x), pick(&self.offset));
        let fit = fit_logistic(&x, 1, &share, Some(&rows), Some(&offset), &[0.0], true).ok()?;
        fit.converged.then(|| fit.coef.first().map(|&slope| [fit.intercept, slope])).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::calibration::CalibrationData;
    use crate::common::rng::Stream;

    #[test]
    fn with_the_log_odds_as_covariate_the_trend_is_the_calibration_slope() {
        let mut stream = Stream::new(3, "refit");
        let p: Vec<f64> = (0..400).map(|_| (1.0 + libm::floor(stream.uniform() * 60.0)) / 62.0).collect();
        let y: Vec<bool> = p.iter().map(|p| stream.chance(0.6 * p + 0.1)).collect();
        let logits = p.iter().map(|&p| clipped_logit(p)).collect();
        let (design, calibration) = (Design::new(&y, &p, logits), CalibrationData::new(&y, &p));
        for _ in 0..20 {
            let weights: Vec<u32> = (0..400).map(|_| stream.below(4) as u32).collect();
            let line = design.line(&weights, [0.0, 0.0]).expect("a fit");
            let slope = calibration.slope(&weights).expect("a fit");
            assert!((1.0 + line[1] - slope).abs() < 1e-8, "{line:?} {slope}");
        }
    }

    #[test]
    fn separated_or_single_classes_have_no_fit() {
        let (p, x) = ([0.3; 4], vec![0.0, 1.0, 2.0, 3.0]);
        let design = Design::new(&[false, false, true, true], &p, x.clone());
        assert_eq!(design.line(&[1; 4], [0.0; 2]), None);
        assert_eq!(design.line(&[1, 1, 0, 0], [0.0; 2]), None);
        let equal = Design::new(&[false, true, true, false], &p, vec![1.0; 4]);
        assert_eq!(equal.line(&[1; 4], [0.0; 2]), None);
        assert!(Design::new(&[false, true, true, false], &p, x).line(&[1; 4], [0.0; 2]).is_some());
    }
}
