//! Rank statistics for leaks: AUROC within strata, and how likely one is when the truth is a stated value.
//!
//! Counts of patients, not of rows, say how much evidence there is: rows of one patient are not independent.

use crate::common::interval::normal_quantile;
use crate::common::link::{logit, sigmoid};

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
    let count = strata.iter().max().map_or(0, |last| last + 1);
    let mut classes = vec![[Vec::new(), Vec::new()]; count];
    for ((&score, &y), &stratum) in scores.iter().zip(y).zip(strata) {
        classes[stratum][usize::from(y)].push(score);
    }
    let (mut twice, mut pairs) = (0, 0);
    for [mut others, mut events] in classes {
        others.sort_unstable_by(f64::total_cmp);
        events.sort_unstable_by(f64::total_cmp);
        twice += twice_wins(&events, &others);
        pairs += events.len() as u64 * others.len() as u64;
    }
    (pairs > 0).then(|| twice as f64 / (2 * pairs) as f64)
}

/// Twice the pairs in which the event has the higher score, and once those in which both have the same; both ascending.
fn twice_wins(events: &[f64], others: &[f64]) -> u64 {
    let (mut below, mut upto, mut twice) = (0, 0, 0);
    for event in events {
        while others.get(below).is_some_and(|other| other < event) {
            below += 1;
        }
        upto = below.max(upto);
        while others.get(upto).is_some_and(|other| other <= event) {
            upto += 1;
        }
        twice += (below + upto) as u64;
    }
    twice
}

/// The standard error of [`stratified`] when scores and outcomes are independent within strata, without ties, and each
/// member stands for `weights` rows that share its score and outcome: with W and Q the sums of the weights and of their
/// squares in a class, √(Σ (Q₁W₀² + Q₀W₁² + Q₁Q₀)/12) / Σ W₁W₀. Where every weight is 1 this is the rank sum's
/// √(Σ mₛkₛ(mₛ + kₛ + 1)/12) / Σ mₛkₛ.
pub(super) fn null_error(y: &[bool], strata: &[usize], weights: &[f64]) -> f64 {
    let (mut variance, mut pairs) = (0.0, 0.0);
    for members in by_stratum(strata) {
        let sums = |class: bool| {
            let own = members.iter().filter(|&&member| y[member] == class).map(|&member| weights[member]);
            own.fold((0.0, 0.0), |(sum, squares), weight| (sum + weight, squares + weight * weight))
        };
        let ((w1, q1), (w0, q0)) = (sums(true), sums(false));
        variance += (q1 * w0 * w0 + q0 * w1 * w1 + q1 * q0) / 12.0;
        pairs += w1 * w0;
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

    proptest::proptest! {
        #[test]
        fn ties_count_one_half(rows in proptest::collection::vec((-1_i8..3, proptest::bool::ANY), 1..40)) {
            // Some zeros are negative.
            let scores: Vec<f64> = rows.iter().map(|(score, _)| if *score < 0 { -0.0 } else { f64::from(*score) }).collect();
            let y: Vec<bool> = rows.iter().map(|(_, y)| *y).collect();
            proptest::prop_assert_eq!(stratified(&scores, &y, &vec![0; y.len()]), auroc(&y, &scores));
        }
    }

    /// Members of one to six rows that know nothing: the spread of their AUROC is the error, and that of as many members
    /// of one row each would be a tenth too small.
    #[test]
    fn the_error_of_knowing_nothing_counts_unequal_members_for_less() {
        let mut stream = Stream::new(3, "unequal");
        let (mut squares, mut equal) = (0.0, 0.0);
        let repeats = 4000;
        for _ in 0..repeats {
            let (mut members, mut rows) = ((Vec::new(), Vec::new(), Vec::new()), (Vec::new(), Vec::new(), Vec::new()));
            for member in 0..80 {
                let (score, event, size) = (stream.normal(), stream.chance(0.3), 1 + stream.below(6));
                members.0.push(event);
                members.1.push(member % 2);
                members.2.push(size as f64);
                for _ in 0..size {
                    rows.0.push(score);
                    rows.1.push(event);
                    rows.2.push(member % 2);
                }
            }
            let apart = stratified(&rows.0, &rows.1, &rows.2).expect("both classes") - 0.5;
            squares += (apart / null_error(&members.0, &members.1, &members.2)).powi(2);
            equal += (apart / null_error(&members.0, &members.1, &[1.0; 80])).powi(2);
        }
        let (spread, naive) = ((squares / f64::from(repeats)).sqrt(), (equal / f64::from(repeats)).sqrt());
        assert!((spread - 1.0).abs() < 0.04, "{spread}");
        assert!(naive > 1.07, "{naive}");
    }

    #[test]
    fn equal_members_give_the_rank_sum() {
        let (y, strata) = ([true, false, false, true, false], [0; 5]);
        let own = null_error(&y, &strata, &[1.0; 5]);
        assert!((own - (2.0 * 3.0 * 6.0 / 12.0_f64).sqrt() / 6.0).abs() < 1e-15);
        assert!((null_error(&y, &strata, &[3.0; 5]) - own).abs() < 1e-15);
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
