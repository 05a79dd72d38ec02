//! The fitted map from a model's probability to a calibrated one.
//!
//! Platt scaling: 1 / (1 + e^(a·f + b)) on f = logit p with Platt's smoothed targets, as scikit-learn's sigmoid
//! calibration of log odds. Isotonic regression: pooled adjacent violators on tied scores' means, linear between the
//! levels and constant beyond them, as scikit-learn's `IsotonicRegression(out_of_bounds="clip")`.

use serde::{Deserialize, Serialize};

use crate::common::glm::{GlmError, fit_logistic};
use crate::common::link::{clipped_logit, sigmoid};
use crate::common::scores::Ranking;

/// A fitted calibrator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "lowercase")]
pub enum Calibrator {
    /// Leaves probabilities as they are.
    None,
    /// A sigmoid of the log odds.
    Platt {
        /// Slope, in scikit-learn's sign: negative when a higher score means a higher risk.
        a: f64,
        /// Intercept, in the same sign.
        b: f64,
    },
    /// A non-decreasing, piecewise linear function.
    Isotonic {
        /// Scores, ascending.
        x: Vec<f64>,
        /// Calibrated values there.
        y: Vec<f64>,
    },
}

impl Calibrator {
    /// The calibrated probability.
    pub fn apply(&self, p: f64) -> f64 {
        match self {
            Self::None => p,
            Self::Platt { a, b } => sigmoid(-(a * clipped_logit(p) + b)),
            Self::Isotonic { x, y } => interpolate(x, y, p),
        }
    }

    /// Fits Platt scaling. Scores without any spread give the smoothed event rate.
    pub fn platt(p: &[f64], y: &[bool]) -> Result<Self, GlmError> {
        let events = y.iter().filter(|&&y| y).count() as f64;
        let others = y.len() as f64 - events;
        let targets = [1.0 / (others + 2.0), (events + 1.0) / (events + 2.0)];
        let targets: Vec<f64> = y.iter().map(|&y| targets[usize::from(y)]).collect();
        let margins: Vec<f64> = p.iter().map(|&p| clipped_logit(p)).collect();
        match fit_logistic(&margins, 1, &targets, None, None, &[0.0], true) {
            Ok(fit) => Ok(Self::Platt { a: -fit.coef[0], b: -fit.intercept }),
            Err(GlmError::Singular(_)) => {
                let fit = fit_logistic(&[], 0, &targets, None, None, &[0.0], true)?;
                Ok(Self::Platt { a: 0.0, b: -fit.intercept })
            }
            Err(error) => Err(error),
        }
    }

    /// Fits isotonic regression; only the ends of each level are kept. A level in which nobody or everybody had the
    /// event is moved off 0 or 1: see [`Pool::bounded`].
    pub fn isotonic(p: &[f64], y: &[bool]) -> Self {
        let pools = pool_adjacent_violators(p, y);
        let mut levels: Vec<f64> = pools.iter().map(Pool::bounded).collect();
        // Only the first level can be 0 and only the last can be 1; neither may pass its neighbour.
        if let [first, next, ..] = levels.as_mut_slice() {
            *first = first.min(*next);
        }
        if let [.., before, last] = levels.as_mut_slice() {
            *last = last.max(*before);
        }
        Self::of_levels(&pools, &levels)
    }

    fn of_levels(pools: &[Pool], levels: &[f64]) -> Self {
        let (mut x, mut y) = (Vec::new(), Vec::new());
        for (pool, &level) in pools.iter().zip(levels) {
            x.push(pool.low);
            y.push(level);
            if pool.high > pool.low {
                x.push(pool.high);
                y.push(level);
            }
        }
        Self::Isotonic { x, y }
    }

    /// What it does, in a word.
    pub fn method(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Platt { .. } => "platt",
            Self::Isotonic { .. } => "isotonic",
        }
    }

    /// Whether it can be applied: finite numbers, levels that belong to ascending scores.
    pub fn is_sound(&self) -> bool {
        let finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
        match self {
            Self::None => true,
            Self::Platt { a, b } => finite(&[*a, *b]),
            Self::Isotonic { x, y } => {
                let ascending =
                    x.windows(2).all(|pair| pair[0] < pair[1]) && y.windows(2).all(|pair| pair[0] <= pair[1]);
                let probable = y.iter().all(|level| (0.0..=1.0).contains(level));
                !x.is_empty() && x.len() == y.len() && finite(x) && probable && ascending
            }
        }
    }
}

/// A run of scores with one level.
struct Pool {
    low: f64,
    high: f64,
    events: f64,
    weight: f64,
}

impl Pool {
    fn mean(&self) -> f64 {
        self.events / self.weight
    }

    /// The level to answer with. Where nobody or everybody had the event, the share is 0 or 1, a certainty that no
    /// finite sample supports; Laplace's (events + 1) / (rows + 2) takes its place, as in Platt's targets.
    fn bounded(&self) -> f64 {
        let certain = self.events <= 0.0 || self.events >= self.weight;
        if certain { (self.events + 1.0) / (self.weight + 2.0) } else { self.mean() }
    }

    fn join(&self, next: &Self) -> Self {
        Self { low: self.low, high: next.high, events: self.events + next.events, weight: self.weight + next.weight }
    }
}

/// The levels of isotonic regression (pool adjacent violators) over tie-averaged scores, ascending.
fn pool_adjacent_violators(p: &[f64], y: &[bool]) -> Vec<Pool> {
    let mut pools: Vec<Pool> = Vec::new();
    for group in Ranking::new(p).groups() {
        let (Some(&first), weight) = (group.first(), group.len() as f64) else { continue };
        let events = group.iter().filter(|&&row| y[row]).count() as f64;
        pools.push(Pool { low: p[first], high: p[first], events, weight });
        while let [.., left, right] = pools.as_slice()
            && left.mean() >= right.mean()
        {
            let merged = left.join(right);
            pools.truncate(pools.len() - 2);
            pools.push(merged);
        }
    }
    pools
}

fn interpolate(x: &[f64], y: &[f64], at: f64) -> f64 {
    let above = x.partition_point(|&value| value <= at);
    match (above.checked_sub(1), x.get(above)) {
        (Some(low), Some(high)) => y[low] + (at - x[low]) / (high - x[low]) * (y[above] - y[low]),
        (Some(last), None) => y[last],
        (None, _) => y.first().copied().unwrap_or(at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn g24(path: &str) -> Vec<f64> {
        let fixture: Value =
            serde_json::from_str(include_str!("../../fixtures/learning.json")).expect("the fixture is JSON");
        let values = fixture.pointer(&format!("/g24/{path}")).and_then(Value::as_array).expect("a list of numbers");
        values.iter().filter_map(Value::as_f64).collect()
    }

    fn outcomes() -> Vec<bool> {
        g24("y").into_iter().map(|y| y > 0.5).collect()
    }

    #[test]
    fn platt_agrees_with_scikit_learn() {
        let Calibrator::Platt { a, b } = Calibrator::platt(&g24("p"), &outcomes()).expect("a regular fit") else {
            unreachable!()
        };
        assert!((a - -0.731_065_0).abs() < 1e-5 && (b - -0.197_003_4).abs() < 1e-5, "{a} {b}");
    }

    fn raw(p: &[f64], y: &[bool]) -> Calibrator {
        let pools = pool_adjacent_violators(p, y);
        Calibrator::of_levels(&pools, &pools.iter().map(Pool::mean).collect::<Vec<_>>())
    }

    #[test]
    fn pooling_agrees_with_scikit_learn() {
        let fitted = raw(&g24("p"), &outcomes());
        let Calibrator::Isotonic { x, y } = &fitted else { unreachable!() };
        assert_eq!(x, &g24("isotonic/x"));
        assert!(y.iter().zip(g24("isotonic/y")).all(|(a, b)| (a - b).abs() < 1e-12));
        for (at, expected) in g24("isotonic/grid").into_iter().zip(g24("isotonic/predicted")) {
            assert!((fitted.apply(at) - expected).abs() < 1e-9, "{at}: {} is not {expected}", fitted.apply(at));
        }
    }

    #[test]
    fn a_level_of_one_outcome_is_no_certainty() {
        // In G24 the lowest level holds 4 rows without an event, the highest 3 rows with one.
        let fitted = Calibrator::isotonic(&g24("p"), &outcomes());
        assert_eq!((fitted.apply(0.0), fitted.apply(1.0)), (1.0 / 6.0, 4.0 / 5.0));
        // A single row must not pass the level above it.
        let y: Vec<bool> = (0..11).map(|row| row == 5).collect();
        let p: Vec<f64> = (0..11).map(|row| if row == 0 { 0.1 } else { 0.2 }).collect();
        assert_eq!((Calibrator::isotonic(&p, &y).apply(0.1), Calibrator::isotonic(&p, &y).apply(0.2)), (0.1, 0.1));
        assert_eq!(Calibrator::isotonic(&[0.4], &[true]).apply(0.4), 2.0 / 3.0);
    }

    #[test]
    fn scores_without_spread_give_the_event_rate() {
        let fitted = Calibrator::platt(&[0.3; 4], &[true, false, false, false]).expect("an intercept");
        let targets = (2.0 / 3.0 + 3.0 * 0.2) / 4.0;
        assert!((fitted.apply(0.3) - targets).abs() < 1e-9);
        assert_eq!(Calibrator::isotonic(&[0.3; 4], &[true, false, false, false]).apply(0.9), 0.25);
    }

    proptest! {
        #[test]
        fn isotonic_is_monotone_never_certain_and_keeps_the_mean_before_bounding(
            rows in prop::collection::vec((0_u8..20, any::<bool>()), 1..60)
        ) {
            let p: Vec<f64> = rows.iter().map(|row| f64::from(row.0) / 20.0).collect();
            let y: Vec<bool> = rows.iter().map(|row| row.1).collect();
            let fitted = Calibrator::isotonic(&p, &y);
            prop_assert!(fitted.is_sound());
            let values: Vec<f64> = (0..=40).map(|step| fitted.apply(f64::from(step) / 40.0)).collect();
            prop_assert!(values.windows(2).all(|pair| pair[0] <= pair[1] + 1e-15));
            prop_assert!(values.iter().all(|&value| 0.0 < value && value < 1.0));
            let unbounded = raw(&p, &y);
            let sum: f64 = p.iter().map(|&p| unbounded.apply(p)).sum();
            prop_assert!((sum - y.iter().filter(|&&y| y).count() as f64).abs() < 1e-9);
        }
    }
}
