//! The logistic models of calibration: the outcome on the logit of the prediction, with a free intercept, or with a free
//! intercept and slope.
//!
//! They are fitted in every bootstrap resample, and to predictions of exactly 0 and 1, whose logits of ±18 leave the
//! likelihood so flat that a general Newton search can stop far from its maximum. Both models have one maximum, and the
//! score of one parameter falls steadily when the others follow it; so every search here is kept between two bounds.
//! Logits come in ascending order, each with the share of events and the rows (above 0) that have it.

use super::link::{logit, sigmoid};

/// Newton's method stops when a step moves a parameter by less than this, relative to it when it is above 1.
const TOLERANCE: f64 = 1e-11;
const MAX_STEPS: usize = 200;
/// The plain search in two dimensions converges in fewer steps than this, or is given up for the bounded one.
const MAX_PLAIN_STEPS: usize = 20;
/// A slope beyond this is none.
const MAX_SLOPE: f64 = 1e6;

/// logit P(y) = intercept + slope · logit p.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// The intercept.
    pub intercept: f64,
    /// The slope; 1 where it is fixed.
    pub slope: f64,
    /// Standard errors of the two from the information; that of a fixed slope is 0.
    pub se: [f64; 2],
}

/// Score and information of both parameters at a point, as sums over rows.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    /// Σ (y − p), Σ (y − p)·logit.
    score: [f64; 2],
    /// Σ v, Σ v·logit, Σ v·logit² with v = p(1 − p).
    information: [f64; 3],
}

struct Data<'a> {
    logits: &'a [f64],
    share: &'a [f64],
    rows: &'a [f64],
}

/// The model with the logit as offset. `None` unless both classes are there.
pub fn large(logits: &[f64], share: &[f64], rows: &[f64]) -> Option<Line> {
    let data = Data { logits, share, rows };
    let (low, high) = data.both_classes()?;
    let intercept = data.intercept(1.0, (low, high))?;
    let information = data.sums(intercept, 1.0).information[0];
    Some(Line { intercept, slope: 1.0, se: [1.0 / libm::sqrt(information), 0.0] })
}

/// The model with a slope. `None` where the classes do not overlap, so that no finite slope is the best.
pub fn weak(logits: &[f64], share: &[f64], rows: &[f64]) -> Option<Line> {
    let data = Data { logits, share, rows };
    data.both_classes()?;
    if !data.overlap() {
        return None;
    }
    let (intercept, slope) = data.plain().or_else(|| data.bounded())?;
    let [v0, v1, v2] = data.sums(intercept, slope).information;
    let determinant = v0 * v2 - v1 * v1;
    let se = [libm::sqrt(v2 / determinant), libm::sqrt(v0 / determinant)];
    (determinant > 0.0).then_some(Line { intercept, slope, se })
}

impl Data<'_> {
    /// Bounds of the intercept beside a slope of 1: at them every prediction lies on one side of the share of events.
    /// `None` for one class.
    fn both_classes(&self) -> Option<(f64, f64)> {
        self.intercept_bounds(1.0)
    }

    fn intercept_bounds(&self, slope: f64) -> Option<(f64, f64)> {
        let total: f64 = self.rows.iter().sum();
        let events: f64 = self.share.iter().zip(self.rows).map(|(share, rows)| share * rows).sum();
        if events <= 0.0 || events >= total {
            return None;
        }
        let ends = [*self.logits.first()? * slope, *self.logits.last()? * slope];
        let centre = logit(events / total);
        Some((centre - ends[0].max(ends[1]), centre - ends[0].min(ends[1])))
    }

    /// Whether some event lies below some non-event, and some event above some non-event.
    fn overlap(&self) -> bool {
        let with_event = |row: &usize| self.share[*row] > 0.0;
        let without = |row: &usize| self.share[*row] < 1.0;
        let ends = |holds: &dyn Fn(&usize) -> bool| {
            let mut found = (0..self.logits.len()).filter(holds).map(|row| self.logits[row]);
            let first = found.next()?;
            Some((first, found.last().unwrap_or(first)))
        };
        match (ends(&with_event), ends(&without)) {
            (Some(events), Some(others)) => events.0 < others.1 && others.0 < events.1,
            _ => false,
        }
    }

    fn sums(&self, intercept: f64, slope: f64) -> Sums {
        let mut sums = Sums::default();
        for ((&logit, &share), &rows) in self.logits.iter().zip(self.share).zip(self.rows) {
            let p = sigmoid(intercept + slope * logit);
            let residual = rows * (share - p);
            let curvature = rows * p * (1.0 - p);
            sums.score[0] += residual;
            sums.score[1] += residual * logit;
            sums.information[0] += curvature;
            sums.information[1] += curvature * logit;
            sums.information[2] += curvature * logit * logit;
        }
        sums
    }

    /// The intercept beside a given slope, where the score is 0.
    fn intercept(&self, slope: f64, bounds: (f64, f64)) -> Option<f64> {
        let start = if slope == 1.0 { 0.0 } else { f64::midpoint(bounds.0, bounds.1) };
        falling_root(bounds, start, |intercept| {
            let Sums { score, information } = self.sums(intercept, slope);
            (score[0], -information[0])
        })
    }

    /// Newton's method from the perfect line; `None` where it does not settle.
    fn plain(&self) -> Option<(f64, f64)> {
        let (mut intercept, mut slope) = (0.0, 1.0);
        for _ in 0..MAX_PLAIN_STEPS {
            let Sums { score: [s0, s1], information: [v0, v1, v2] } = self.sums(intercept, slope);
            let determinant = v0 * v2 - v1 * v1;
            let (da, db) = ((v2 * s0 - v1 * s1) / determinant, (v0 * s1 - v1 * s0) / determinant);
            if !(da.is_finite() && db.is_finite()) {
                return None;
            }
            intercept += da;
            slope += db;
            if settled(da, intercept) && settled(db, slope) {
                return Some((intercept, slope));
            }
        }
        None
    }

    /// The root of the slope's score while the intercept follows, between bounds that are widened until they hold it.
    fn bounded(&self) -> Option<(f64, f64)> {
        let profile = |slope: f64| {
            let intercept = self.intercept(slope, self.intercept_bounds(slope)?)?;
            let Sums { score, information: [v0, v1, v2] } = self.sums(intercept, slope);
            Some((score[1], -(v2 - v1 * v1 / v0), intercept))
        };
        let (mut low, mut high) = (-1.0, 1.0);
        while profile(low)?.0 < 0.0 && low > -MAX_SLOPE {
            low *= 2.0;
        }
        while profile(high)?.0 > 0.0 && high < MAX_SLOPE {
            high *= 2.0;
        }
        let failed = (f64::NAN, f64::NAN, f64::NAN);
        let slope = falling_root((low, high), f64::midpoint(low, high), |slope| {
            let (score, derivative, _) = profile(slope).unwrap_or(failed);
            (score, derivative)
        })?;
        Some((profile(slope)?.2, slope))
    }
}

fn settled(step: f64, value: f64) -> bool {
    step.abs() <= TOLERANCE * value.abs().max(1.0)
}

/// The root of a falling function between `bounds`, given its value and derivative: Newton's steps where they stay
/// inside, else halves of the interval. `None` where the function is no number.
fn falling_root((mut low, mut high): (f64, f64), start: f64, of: impl Fn(f64) -> (f64, f64)) -> Option<f64> {
    let mut at = start.clamp(low, high);
    for _ in 0..MAX_STEPS {
        let (value, derivative) = of(at);
        if value.is_nan() {
            return None;
        }
        if value == 0.0 {
            return Some(at);
        }
        if value > 0.0 {
            low = at;
        } else {
            high = at;
        }
        let newton = at - value / derivative;
        let next = if newton > low && newton < high { newton } else { f64::midpoint(low, high) };
        let step = next - at;
        at = next;
        if settled(step, at) || settled(high - low, at) {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_is_zero_at_the_fit_however_flat_the_likelihood() {
        let edge = logit(1e-8);
        let (logits, share, rows) = ([edge, -0.4, 0.3, -edge], [0.25, 0.5, 0.25, 0.75], [4.0, 2.0, 4.0, 8.0]);
        let data = Data { logits: &logits, share: &share, rows: &rows };
        let fit = large(&logits, &share, &rows).expect("both classes");
        assert!(data.sums(fit.intercept, 1.0).score[0].abs() < 1e-9);
        let fit = weak(&logits, &share, &rows).expect("overlap");
        assert!(data.sums(fit.intercept, fit.slope).score.iter().all(|score| score.abs() < 1e-9));
        let (intercept, slope) = data.bounded().expect("a root");
        assert!((intercept - fit.intercept).abs() < 1e-9 && (slope - fit.slope).abs() < 1e-9);
    }

    #[test]
    fn one_class_equal_predictions_and_separated_classes_have_no_fit() {
        let fits = |logits: &[f64], share: &[f64]| {
            let rows = vec![2.0; logits.len()];
            (large(logits, share, &rows).is_some(), weak(logits, share, &rows).is_some())
        };
        assert_eq!(fits(&[0.1, 0.2], &[0.0, 0.0]), (false, false));
        assert_eq!(fits(&[0.1], &[0.5]), (true, false));
        assert_eq!(fits(&[0.1, 0.2], &[0.0, 1.0]), (true, false));
        assert_eq!(fits(&[0.1, 0.2, 0.3], &[0.0, 0.5, 1.0]), (true, false));
        assert_eq!(fits(&[0.1, 0.2, 0.3], &[0.5, 0.0, 1.0]), (true, true));
        assert_eq!(fits(&[], &[]), (false, false));
    }
}
