//! Estimates with intervals, and the ways to get one: Wilson, percentiles of resamples, normal quantiles.
//!
//! An undefined number is `None` with a reason, never NaN: [`Estimate`] is what reports hold.

use serde::{Deserialize, Serialize};

/// A number with its interval; what is undefined is null and `reason` says why.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// The point estimate.
    pub value: Option<f64>,
    /// Lower end of the interval.
    pub low: Option<f64>,
    /// Upper end of the interval.
    pub high: Option<f64>,
    /// How the interval was made: `delong`, `logit-delong`, `paired-delong`, `wilson`, `patient-bootstrap`,
    /// `centred-patient-bootstrap`, `logit-patient-bootstrap`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Resamples in which the number was undefined; they are left out of the interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_resamples: Option<usize>,
    /// Why something above is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Estimate {
    /// A value with an interval.
    pub fn new(value: f64, (low, high): (f64, f64), method: &str) -> Self {
        Self {
            value: finite(value),
            low: finite(low),
            high: finite(high),
            method: Some(method.to_owned()),
            ..Self::default()
        }
    }

    /// A value whose interval is undefined.
    pub fn without_interval(value: f64, reason: impl Into<String>) -> Self {
        Self { value: finite(value), reason: Some(reason.into()), ..Self::default() }
    }

    /// No value at all.
    pub fn undefined(reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..Self::default() }
    }

    /// The estimate multiplied by a positive factor.
    #[must_use]
    pub fn scaled(mut self, factor: f64) -> Self {
        for number in [&mut self.value, &mut self.low, &mut self.high] {
            *number = number.map(|number| number * factor);
        }
        self
    }
}

/// A number if it is finite.
pub fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}

/// The two-sided standard normal quantile of a confidence level: 1.959964 for 0.95. By bisection on `libm::erfc`, so
/// that it has the same bits everywhere.
pub fn normal_quantile(confidence: f64) -> f64 {
    let tail = (1.0 - confidence).clamp(0.0, 1.0);
    let (mut low, mut high) = (0.0_f64, 40.0_f64);
    for _ in 0..128 {
        let middle = f64::midpoint(low, high);
        if libm::erfc(middle / std::f64::consts::SQRT_2) > tail {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// The probability that a standard normal lies at least this far from 0 on either side: the two-sided p-value of z.
pub fn normal_tails(z: f64) -> f64 {
    libm::erfc(z.abs() / std::f64::consts::SQRT_2)
}

/// Wilson's score interval of a proportion (1927), without continuity correction. `None` when `n` is 0.
pub fn wilson(hits: u64, n: u64, confidence: f64) -> Option<(f64, f64)> {
    if n == 0 {
        return None;
    }
    let (share, n, z) = (hits as f64 / n as f64, n as f64, normal_quantile(confidence));
    let scale = 1.0 + z * z / n;
    let centre = (share + z * z / (2.0 * n)) / scale;
    let half = z / scale * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    // With no hits the lower end is exactly 0, with only hits the upper end exactly 1; rounding may not move them
    // away, or the interval would leave out its own estimate.
    let low = if hits == 0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if hits as f64 == n { 1.0 } else { (centre + half).min(1.0) };
    Some((low, high))
}

/// The quantile of sorted values by linear interpolation between order statistics (type 7, the default of R and NumPy).
/// `None` when there are none.
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let position = q.clamp(0.0, 1.0) * last as f64;
    let below = (position.floor() as usize).min(last);
    let above = (below + 1).min(last);
    Some(sorted[below] + (position - below as f64) * (sorted[above] - sorted[below]))
}

/// The share of resamples that may be undefined before an interval is refused: leaving out more would bias it.
const MAX_FAILED_SHARE: f64 = 0.05;

/// The percentile interval of resampled values, NaN marking a resample in which the number is undefined. `undefined` is
/// the reason given when there is no value at all.
pub fn percentile(
    value: Option<f64>,
    resamples: impl Iterator<Item = f64>,
    confidence: f64,
    undefined: &str,
) -> Estimate {
    let all: Vec<f64> = resamples.collect();
    let mut defined: Vec<f64> = all.iter().copied().filter(|value| value.is_finite()).collect();
    let failed = all.len() - defined.len();
    let Some(value) = value.and_then(finite) else {
        return Estimate::undefined(undefined);
    };
    if defined.is_empty() || failed as f64 > MAX_FAILED_SHARE * all.len() as f64 {
        let reason = format!("undefined in {failed} of {} resamples", all.len());
        return Estimate { failed_resamples: Some(failed), ..Estimate::without_interval(value, reason) };
    }
    defined.sort_by(f64::total_cmp);
    let tail = (1.0 - confidence) / 2.0;
    let ends = (quantile(&defined, tail).unwrap_or(f64::NAN), quantile(&defined, 1.0 - tail).unwrap_or(f64::NAN));
    let failed_resamples = (failed > 0).then_some(failed);
    Estimate { failed_resamples, ..Estimate::new(value, ends, "patient-bootstrap") }
}

/// The interval of a distance, which is 0 or more and which resampling inflates: noise moves it away from 0, so that
/// the percentile interval of a small distance can leave out the estimate itself. The percentiles are shifted by the
/// resamples' mean excess over the estimate and cut at 0. Arguments as for [`percentile`].
pub fn centred(value: Option<f64>, resamples: impl Iterator<Item = f64>, confidence: f64, undefined: &str) -> Estimate {
    let all: Vec<f64> = resamples.collect();
    let plain = percentile(value, all.iter().copied(), confidence, undefined);
    let (Some(value), Some(low), Some(high)) = (plain.value, plain.low, plain.high) else {
        return plain;
    };
    let defined = || all.iter().copied().filter(|value| value.is_finite());
    let excess = defined().sum::<f64>() / defined().count() as f64 - value;
    let ends = ((low - excess).clamp(0.0, value), (high - excess).max(value));
    Estimate { failed_resamples: plain.failed_resamples, ..Estimate::new(value, ends, "centred-patient-bootstrap") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        assert!((normal_quantile(0.95) - 1.959_963_984_540_054).abs() < 1e-14);
        assert!((normal_quantile(0.5) - 0.674_489_750_196_081_7).abs() < 1e-14);
        assert_eq!(quantile(&[1.0, 2.0, 4.0, 8.0], 0.5), Some(3.0));
        assert_eq!(quantile(&[7.0], 0.975), Some(7.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn wilson_matches_the_reference() {
        let (low, high) = wilson(7, 8, 0.95).expect("8 rows");
        assert!((low - 0.529_111_8).abs() < 1e-7 && (high - 0.977_582_5).abs() < 1e-7);
        assert_eq!(wilson(0, 0, 0.95), None);
        for n in 1..3000 {
            assert_eq!(wilson(0, n, 0.95).map(|ends| ends.0), Some(0.0));
            assert_eq!(wilson(n, n, 0.95).map(|ends| ends.1), Some(1.0));
        }
    }

    #[test]
    fn a_distance_lies_in_its_interval_however_much_resampling_inflates_it() {
        let resamples = || (0..=100).map(|step| 0.02 + 0.0001 * f64::from(step));
        let estimate = centred(Some(0.004), resamples(), 0.9, "");
        // Percentiles 0.0205 and 0.0295, mean 0.025, excess 0.021.
        assert_eq!(estimate.low, Some(0.0));
        assert!((estimate.high.expect("an end") - 0.0085).abs() < 1e-12);
        assert_eq!(estimate.method.as_deref(), Some("centred-patient-bootstrap"));
        assert_eq!(centred(None, resamples(), 0.9, "no rows").reason.as_deref(), Some("no rows"));
    }

    #[test]
    fn an_interval_of_mostly_undefined_resamples_is_refused() {
        let few = percentile(Some(0.5), [0.4, 0.6, f64::NAN].into_iter(), 0.95, "");
        assert_eq!((few.value, few.low, few.failed_resamples), (Some(0.5), None, Some(1)));
        assert_eq!(few.reason.as_deref(), Some("undefined in 1 of 3 resamples"));
        let none = percentile(Some(f64::NAN), std::iter::empty(), 0.95, "no rows");
        assert_eq!((none.value, none.reason.as_deref()), (None, Some("no rows")));
    }
}
