//! Two-parameter logistic fits that start near their end: calibration in the large, slope and trend of resamples.
//!
//! A resample's fit lies close to that of the rows themselves, so a few plain Newton steps from there reach it. Where
//! they do not (separated classes), the general solver decides, so both give one answer or none.

use crate::common::glm::fit_logistic;
use crate::common::link::{clipped_logit, sigmoid};
use crate::common::scores::Ranking;

const STEPS: usize = 25;
/// A step this small changes no printed digit.
const TOLERANCE: f64 = 1e-9;

/// Rows as observations of a logistic model with an offset and at most one covariate.
#[derive(Debug, Clone)]
pub struct Design {
    /// The observation of each row.
    group: Vec<usize>,
    offset: Vec<f64>,
    x: Vec<f64>,
    y: Vec<bool>,
}

/// Weighted observations: events and rows of each.
struct Totals {
    events: Vec<f64>,
    rows: Vec<f64>,
}

impl Design {
    /// Rows with equal predictions are one observation; the covariate is the logit itself.
    pub fn of_predictions(y: &[bool], p: &[f64]) -> Self {
        let ranking = Ranking::new(p);
        let (mut group, mut offset) = (vec![0; p.len()], Vec::new());
        for rows in ranking.groups() {
            for &row in rows {
                group[row] = offset.len();
            }
            offset.extend(rows.first().map(|&row| clipped_logit(p[row])));
        }
        Self { group, x: offset.clone(), offset, y: y.to_vec() }
    }

    /// Every row is an observation of its own, at `x`.
    pub fn of_rows(y: &[bool], p: &[f64], x: Vec<f64>) -> Self {
        Self { group: (0..y.len()).collect(), offset: p.iter().map(|&p| clipped_logit(p)).collect(), x, y: y.to_vec() }
    }

    /// The intercept with the offset alone. `None` without both classes.
    pub fn intercept(&self, weights: &[u32], start: f64) -> Option<f64> {
        let totals = self.totals(weights)?;
        let mut a = start;
        for _ in 0..STEPS {
            let (mut gradient, mut information) = (0.0, 0.0);
            for ((offset, events), rows) in self.offset.iter().zip(&totals.events).zip(&totals.rows) {
                let p = sigmoid(offset + a);
                gradient += events - rows * p;
                information += rows * p * (1.0 - p);
            }
            let step = gradient / information;
            if !step.is_finite() {
                break;
            }
            a += step;
            if step.abs() < TOLERANCE {
                return Some(a);
            }
        }
        self.slowly(&totals, 0).map(|fit| fit[0])
    }

    /// Intercept and coefficient of the covariate, with the offset. `None` when there is no finite maximum.
    pub fn line(&self, weights: &[u32], start: [f64; 2]) -> Option<[f64; 2]> {
        let totals = self.totals(weights)?;
        let [mut a, mut b] = start;
        for _ in 0..STEPS {
            let (mut g, mut h) = ([0.0; 2], [0.0; 3]);
            for at in 0..self.offset.len() {
                let x = self.x[at];
                let p = sigmoid(self.offset[at] + a + b * x);
                let residual = totals.events[at] - totals.rows[at] * p;
                let curvature = totals.rows[at] * p * (1.0 - p);
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
        self.slowly(&totals, 1).map(|fit| [fit[0], fit[1]])
    }

    /// Sums of each observation; nothing without both classes.
    fn totals(&self, weights: &[u32]) -> Option<Totals> {
        let mut totals = Totals { events: vec![0.0; self.offset.len()], rows: vec![0.0; self.offset.len()] };
        let (mut events, mut all) = (0_u64, 0_u64);
        for ((&group, &event), &weight) in self.group.iter().zip(&self.y).zip(weights) {
            let weight = u64::from(weight);
            totals.rows[group] += weight as f64;
            all += weight;
            if event {
                totals.events[group] += weight as f64;
                events += weight;
            }
        }
        (events > 0 && events < all).then_some(totals)
    }

    /// The general solver.
    fn slowly(&self, totals: &Totals, covariates: usize) -> Option<Vec<f64>> {
        let with: Vec<usize> = (0..self.offset.len()).filter(|&at| totals.rows[at] > 0.0).collect();
        let pick = |values: &[f64]| with.iter().map(|&at| values[at]).collect::<Vec<f64>>();
        let x = if covariates == 0 { Vec::new() } else { pick(&self.x) };
        let share: Vec<f64> = with.iter().map(|&at| totals.events[at] / totals.rows[at]).collect();
        let (rows, offset) = (pick(&totals.rows), pick(&self.offset));
        let ridge: &[f64] = if covariates == 0 { &[] } else { &[0.0] };
        let fit = fit_logistic(&x, covariates, &share, Some(&rows), Some(&offset), ridge, true).ok()?;
        fit.converged.then(|| std::iter::once(fit.intercept).chain(fit.coef).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::calibration::CalibrationData;
    use crate::common::rng::Stream;

    #[test]
    fn fast_fits_are_those_of_the_general_solver() {
        let mut stream = Stream::new(3, "refit");
        let p: Vec<f64> = (0..400).map(|_| (1.0 + libm::floor(stream.uniform() * 60.0)) / 62.0).collect();
        let y: Vec<bool> = p.iter().map(|p| stream.chance(0.6 * p + 0.1)).collect();
        let (design, general) = (Design::of_predictions(&y, &p), CalibrationData::new(&y, &p));
        for _ in 0..20 {
            let weights: Vec<u32> = (0..400).map(|_| stream.below(4) as u32).collect();
            let (a, line) = (design.intercept(&weights, 0.0), design.line(&weights, [0.0, 0.0]));
            let near = |x: Option<f64>, y: Option<f64>| (x.expect("a fit") - y.expect("a fit")).abs() < 1e-8;
            assert!(near(a, general.intercept(&weights)));
            assert!(near(line.map(|line| 1.0 + line[1]), general.slope(&weights)));
        }
    }

    #[test]
    fn separated_or_single_classes_have_no_fit() {
        let design = Design::of_predictions(&[false, false, true, true], &[0.1, 0.2, 0.8, 0.9]);
        assert_eq!(design.line(&[1; 4], [0.0; 2]), None);
        assert_eq!(design.intercept(&[1, 1, 0, 0], 0.0), None);
        let equal = Design::of_predictions(&[false, true, true], &[0.4; 3]);
        assert_eq!(equal.line(&[1; 3], [0.0; 2]), None);
        assert!(equal.intercept(&[1; 3], 5.0).is_some());
    }
}
