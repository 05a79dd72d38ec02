//! Tests of the gaps: p-values from resamples, adjusted for all of them together.

use super::document::{Measure, SlicedColumn, TestFamily};
use crate::common::multiplicity::holm;

/// The two-sided p-value of "the difference is 0" from resamples: twice the share of them on the side of 0 that has
/// fewer, each tail counted with one resample more, so that it is never 0. Undefined resamples are left out; `None`
/// when all are.
pub fn two_sided(differences: &[f64]) -> Option<f64> {
    let defined = differences.iter().filter(|value| value.is_finite()).count();
    let below = differences.iter().filter(|value| **value <= 0.0).count();
    let above = differences.iter().filter(|value| **value >= 0.0).count();
    let tail = below.min(above) + 1;
    (defined > 0).then(|| (2.0 * tail as f64 / (defined + 1) as f64).min(1.0))
}

/// Adjusts the p-values of all gaps in place. `mirrored` says of each column whether its two filled levels are each
/// other's complement: then their tests are the same and are counted once.
pub fn adjust(columns: &mut [SlicedColumn], mirrored: &[bool], resamples: usize) -> TestFamily {
    let mut tests: Vec<(usize, usize, Measure, f64)> = Vec::new();
    for (at, column) in columns.iter().enumerate() {
        let tested = column.levels.iter().enumerate().filter(|(_, level)| !level.gaps.is_empty());
        let counted = if mirrored[at] { 1 } else { usize::MAX };
        for (place, level) in tested.take(counted) {
            tests.extend(level.gaps.iter().filter_map(|(&measure, gap)| Some((at, place, measure, gap.p?))));
        }
    }
    let adjusted = holm(&tests.iter().map(|test| test.3).collect::<Vec<_>>());
    for (&(at, place, measure, _), &p_holm) in tests.iter().zip(&adjusted) {
        let others = if mirrored[at] { 0..columns[at].levels.len() } else { place..place + 1 };
        for level in &mut columns[at].levels[others] {
            if let Some(gap) = level.gaps.get_mut(&measure).filter(|gap| gap.p.is_some()) {
                gap.p_holm = Some(p_holm);
            }
        }
    }
    let least = 2.0 / (resamples + 1) as f64;
    let least_adjusted = (least * tests.len().max(1) as f64).min(1.0);
    let note = format!(
        "Two-sided, from {resamples} resamples of patients, so that no p-value is below {least:.6} and, adjusted for \
         {} tests, the smallest is not below {least_adjusted:.6}; more evaluate.bootstrap resolves more.",
        tests.len()
    );
    TestFamily { method: "holm".to_owned(), count: tests.len(), note }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_p_value_is_twice_the_smaller_tail_and_never_0() {
        let line = |from: i32, to: i32| (from..to).map(f64::from).collect::<Vec<_>>();
        assert_eq!(two_sided(&line(1, 100)), Some(2.0 / 100.0));
        assert_eq!(two_sided(&line(-49, 50)), Some(1.0));
        assert_eq!(two_sided(&line(-9, 90)), Some(2.0 * 11.0 / 100.0));
        assert_eq!(two_sided(&[f64::NAN]), None);
    }
}
