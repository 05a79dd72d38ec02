//! The AUROC of independent rows by DeLong, DeLong and Clarke-Pearson (1988): its interval, and the difference of two
//! on the same rows.
//!
//! Above 0.95, and with few rows of a class, the interval is made on the logit scale, where it cannot leave (0, 1). Rows
//! of one patient are not independent: such data get the patient bootstrap instead, and must not come here.

use super::interval::{Estimate, normal_quantile, normal_tails, percentile};
use super::link;
use super::scores::{Ranking, class_weights};

/// From here on the plain interval tends to leave [0, 1].
const LOGIT_FROM: f64 = 0.95;
/// With fewer rows, or patients, than this of either class the interval on the scale of the AUROC itself holds the truth
/// too rarely, while that on the logit scale keeps its level better: docs/evidence.md has the measured shares.
const LOGIT_BELOW: usize = 30;

/// An AUROC with its standard error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeLong {
    /// Area under the ROC curve.
    pub auroc: f64,
    /// Its standard error.
    pub se: f64,
    /// Rows of the rarer class.
    pub rarer: usize,
}

/// The difference of two AUROCs on the same rows, with its test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paired {
    /// First minus second.
    pub difference: f64,
    /// Its standard error; 0 where both rank every pair alike.
    pub se: f64,
}

/// For each row the share of the other class that its prediction is on the right side of, ties counting one half.
/// `None` with fewer than two rows of either class, where a variance does not exist.
fn placements(ranking: &Ranking, y: &[bool]) -> Option<Vec<f64>> {
    let ones = vec![1; y.len()];
    let (events, others) = class_weights(0..y.len(), y, &ones);
    if events < 2 || others < 2 {
        return None;
    }
    let (mut events_below, mut others_below) = (0_u64, 0_u64);
    let mut placements = vec![0.0; y.len()];
    for group in ranking.groups() {
        let (positive, negative) = class_weights(group.iter().copied(), y, &ones);
        let of_event = (others_below as f64 + 0.5 * negative as f64) / others as f64;
        let of_other = 1.0 - (events_below as f64 + 0.5 * positive as f64) / events as f64;
        for &row in group {
            placements[row] = if y[row] { of_event } else { of_other };
        }
        events_below += positive;
        others_below += negative;
    }
    Some(placements)
}

/// Mean over the events, and S₁₀/m + S₀₁/k with sample variances.
fn mean_and_variance(values: &[f64], y: &[bool]) -> (f64, f64) {
    let class = |event: bool| values.iter().zip(y).filter(move |(_, y)| **y == event).map(|(value, _)| *value);
    let moments = |event: bool| {
        let n = class(event).count() as f64;
        let mean = class(event).sum::<f64>() / n;
        (mean, class(event).map(|value| (value - mean) * (value - mean)).sum::<f64>() / (n - 1.0) / n)
    };
    let ((mean, of_events), (_, of_others)) = (moments(true), moments(false));
    (mean, of_events + of_others)
}

/// AUROC and standard error. `None` with fewer than two rows of either class.
pub fn delong(ranking: &Ranking, y: &[bool]) -> Option<DeLong> {
    let (auroc, variance) = mean_and_variance(&placements(ranking, y)?, y);
    let events = y.iter().filter(|&&y| y).count();
    Some(DeLong { auroc, se: variance.sqrt(), rarer: events.min(y.len() - events) })
}

/// The difference of the AUROCs of two predictions of the same rows. `None` with fewer than two rows of either class.
pub fn paired(first: &Ranking, second: &Ranking, y: &[bool]) -> Option<Paired> {
    let first = placements(first, y)?;
    let second = placements(second, y)?;
    // Placements are linear in the AUROC, so the variance of their differences has the covariance in it.
    let differences: Vec<f64> = first.iter().zip(&second).map(|(a, b)| a - b).collect();
    let (difference, variance) = mean_and_variance(&differences, y);
    Some(Paired { difference, se: variance.sqrt() })
}

impl DeLong {
    /// AUROC ± z·SE, cut to [0, 1].
    pub fn plain(self, confidence: f64) -> (f64, f64) {
        let half = normal_quantile(confidence) * self.se;
        ((self.auroc - half).max(0.0), (self.auroc + half).min(1.0))
    }

    /// The interval on the logit scale, with the standard error by the delta method.
    pub fn logit(self, confidence: f64) -> (f64, f64) {
        let centre = link::logit(self.auroc);
        let half = normal_quantile(confidence) * self.se / (self.auroc * (1.0 - self.auroc));
        (link::sigmoid(centre - half), link::sigmoid(centre + half))
    }

    /// The interval as reports give it, with the name of its method.
    pub fn interval(self, confidence: f64) -> ((f64, f64), &'static str) {
        if self.auroc > LOGIT_FROM || (self.rarer < LOGIT_BELOW && self.auroc > 0.0) {
            (self.logit(confidence), "logit-delong")
        } else {
            (self.plain(confidence), "delong")
        }
    }
}

impl Paired {
    /// The difference in standard errors; `None` where the standard error is 0.
    pub fn z(self) -> Option<f64> {
        (self.se > 0.0).then(|| self.difference / self.se)
    }

    /// The two-sided p-value of no difference.
    pub fn p_value(self) -> Option<f64> {
        self.z().map(normal_tails)
    }

    /// The difference as reports give it.
    pub fn estimate(self, confidence: f64) -> Estimate {
        let half = normal_quantile(confidence) * self.se;
        Estimate::new(self.difference, (self.difference - half, self.difference + half), "paired-delong")
    }
}

const ONE_CLASS: &str = "the rows hold only one class";
const APART: &str = "the classes do not overlap, so the standard error is 0";
const EQUAL: &str = "all predictions are equal, so the standard error is 0";

/// The AUROC of dependent rows from its values on resamples of the patients, of whom `rarer` are of the rarer class: the
/// percentiles, or with few patients of a class the logit scale as for independent rows, with the resamples' standard
/// deviation for DeLong's error.
pub fn resampled(auroc: Option<f64>, draws: impl Iterator<Item = f64>, rarer: usize, confidence: f64) -> Estimate {
    let draws: Vec<f64> = draws.collect();
    let plain = percentile(auroc, draws.iter().copied(), confidence, ONE_CLASS);
    let (Some(value), Some(_), true) = (plain.value, plain.low, rarer < LOGIT_BELOW) else { return plain };
    let defined = || draws.iter().copied().filter(|draw| draw.is_finite());
    let n = defined().count() as f64;
    let mean = defined().sum::<f64>() / n;
    let se = libm::sqrt(defined().map(|draw| (draw - mean) * (draw - mean)).sum::<f64>() / (n - 1.0));
    if value <= 0.0 || value >= 1.0 {
        return Estimate::without_interval(value, APART);
    }
    let ends = DeLong { auroc: value, se, rarer }.logit(confidence);
    Estimate { failed_resamples: plain.failed_resamples, ..Estimate::new(value, ends, "logit-patient-bootstrap") }
}

/// Why DeLong has no answer.
pub const TOO_FEW: &str = "DeLong needs two events and two non-events";

/// The AUROC as reports give it.
pub fn estimate(ranking: &Ranking, y: &[bool], auroc: Option<f64>, confidence: f64) -> Estimate {
    let Some(value) = auroc else {
        return Estimate::undefined(ONE_CLASS);
    };
    match delong(ranking, y) {
        None => Estimate::without_interval(value, TOO_FEW),
        Some(fit) if fit.se == 0.0 => {
            Estimate::without_interval(value, if ranking.groups().nth(1).is_none() { EQUAL } else { APART })
        }
        Some(fit) => {
            let (ends, method) = fit.interval(confidence);
            Estimate::new(value, ends, method)
        }
    }
}
