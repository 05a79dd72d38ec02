//! Rank statistics for leaks: AUROC within strata, and how likely one is when the truth is a stated value.
//!
//! Counts of patients, not of rows, say how much evidence there is: rows of one patient are not independent.

use crate::common::interval::normal_quantile;
use crate::common::link::{logit, sigmoid};
use crate::common::scores::{Ranking, class_weights};

/// Patients with and without the event, for variances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Evidence {
    pub events: usize,
    pub others: usize,
}

/// Fewer patients of either class than this show nothing.
pub(super) const FEWEST: usize = 8;

impl Evidence {
    /// Whether there is enough of both.
    pub fn suffices(self) -> bool {
        self.events >= FEWEST && self.others >= FEWEST
    }
}

/// The upper tail of the standard normal distribution.
pub(super) fn tail(z: f64) -> f64 {
    0.5 * libm::erfc(z / std::f64::consts::SQRT_2)
}

/// Σ Uₛ / Σ mₛkₛ over strata (van Elteren with the weight of each stratum's pairs): the share of pairs of an event and
/// a non-event of one stratum in which the event has the higher score, ties counting one half. `None` without a pair.
pub(super) fn stratified(scores: &[f64], y: &[bool], strata: &[usize]) -> Option<f64> {
    let (mut twice, mut pairs) = (0_u64, 0_u64);
    for rows in by_stratum(strata) {
        let own: Vec<f64> = rows.iter().map(|&row| scores[row]).collect();
        let own_y: Vec<bool> = rows.iter().map(|&row| y[row]).collect();
        let ones = vec![1; rows.len()];
        let (mut below, mut events) = (0, 0);
        for group in Ranking::new(&own).groups() {
            let (positive, negative) = class_weights(group.iter().copied(), &own_y, &ones);
            twice += positive * (2 * below + negative);
            below += negative;
            events += positive;
        }
        pairs += events * below;
    }
    (pairs > 0).then(|| twice as f64 / (2 * pairs) as f64)
}

/// The standard error of [`stratified`] when scores and outcomes are independent within strata, without ties:
/// √(Σ mₛkₛ(mₛ + kₛ + 1)/12) / Σ mₛkₛ.
pub(super) fn null_error(y: &[bool], strata: &[usize]) -> f64 {
    let (mut variance, mut pairs) = (0.0, 0.0);
    for rows in by_stratum(strata) {
        let events = rows.iter().filter(|&&row| y[row]).count() as f64;
        let others = rows.len() as f64 - events;
        variance += events * others * (events + others + 1.0) / 12.0;
        pairs += events * others;
    }
    variance.sqrt() / pairs
}

/// The members of each stratum, in row order.
pub(super) fn by_stratum(strata: &[usize]) -> Vec<Vec<usize>> {
    let mut members = vec![Vec::new(); strata.iter().max().map_or(0, |last| last + 1)];
    for (row, &stratum) in strata.iter().enumerate() {
        members[stratum].push(row);
    }
    members
}

/// The standard error of an AUROC by Hanley and McNeil (1982).
fn hanley_mcneil(auroc: f64, evidence: Evidence) -> f64 {
    let (m, k) = (evidence.events as f64, evidence.others as f64);
    let (q1, q2) = (auroc / (2.0 - auroc), 2.0 * auroc * auroc / (1.0 + auroc));
    let square = auroc * auroc;
    ((auroc * (1.0 - auroc) + (m - 1.0) * (q1 - square) + (k - 1.0) * (q2 - square)) / (m * k)).sqrt()
}

/// The chance of an AUROC this high when the true one is `honest`: a score test on the logit scale, where the
/// distribution is nearer to normal. Perfect separation counts as half a pair short of it.
pub(super) fn beyond(auroc: f64, honest: f64, evidence: Evidence) -> f64 {
    let pairs = (evidence.events * evidence.others) as f64;
    let auroc = auroc.clamp(0.5 / pairs, 1.0 - 0.5 / pairs);
    let error = hanley_mcneil(honest, evidence) / (honest * (1.0 - honest));
    tail((logit(auroc) - logit(honest)) / error)
}

/// The 95 % interval of an AUROC on the logit scale; `None` at perfect separation.
pub(super) fn interval(auroc: f64, evidence: Evidence) -> Option<[f64; 2]> {
    if !(auroc > 0.0 && auroc < 1.0) {
        return None;
    }
    let half = normal_quantile(0.95) * hanley_mcneil(auroc, evidence) / (auroc * (1.0 - auroc));
    let ends = [sigmoid(logit(auroc) - half), sigmoid(logit(auroc) + half)];
    ends.iter().all(|end| end.is_finite()).then_some(ends)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::rng::Stream;
    use crate::common::scores::auroc;

    #[test]
    fn one_stratum_is_the_plain_auroc_and_strata_are_not_mixed() {
        let (scores, y) = ([0.1, 0.4, 0.35, 0.8, 0.8], [false, false, true, true, false]);
        assert_eq!(stratified(&scores, &y, &[0; 5]), auroc(&y, &scores));
        // Within each stratum the order is perfect; across them it is reversed.
        let (scores, y) = ([1.0, 2.0, 11.0, 12.0, 13.0], [false, true, false, false, true]);
        assert_eq!(stratified(&scores, &y, &[0, 0, 1, 1, 1]), Some(1.0));
        assert_eq!(stratified(&scores, &[true; 5], &[0; 5]), None);
    }

    #[test]
    fn hanley_and_mcneil_is_the_reference_value() {
        let error = hanley_mcneil(0.792_592_592_6, Evidence { events: 9, others: 15 });
        assert!((error - 0.102_121_359_5).abs() < 1e-9, "{error}");
    }

    #[test]
    fn the_test_of_an_honest_predictor_is_rarely_significant() {
        // Binormal scores with a true AUROC of 0.9: d = √2 Φ⁻¹(0.9).
        let mut stream = Stream::new(7, "binormal");
        let evidence = Evidence { events: 40, others: 260 };
        let rejected = (0..2000)
            .filter(|_| {
                let y: Vec<bool> = (0..300).map(|row| row < evidence.events).collect();
                let scores: Vec<f64> = y.iter().map(|&y| stream.normal() + if y { 1.812_387_6 } else { 0.0 }).collect();
                beyond(auroc(&y, &scores).unwrap_or(0.5), 0.9, evidence) < 0.01
            })
            .count();
        assert!(rejected <= 40, "{rejected} of 2000 at the level 0.01");
        assert!(beyond(1.0, 0.9, Evidence { events: 30, others: 30 }) < 1e-6);
    }
}
