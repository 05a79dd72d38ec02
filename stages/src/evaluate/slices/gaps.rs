//! Tests of the gaps: p-values from resamples, adjusted for all of them together.

use super::document::{Measure, SlicedColumn, TestFamily};
use crate::common::interval::normal_tails;
use crate::common::multiplicity::holm;

/// The two-sided p-value of "the difference is 0": the difference over the standard deviation of its resamples, beside a
/// standard normal. Resamples only count tails down to their own number, too coarse for adjusting many tests. `None`
/// when the difference is the same in every resample: then nothing was measured.
pub fn two_sided(difference: f64, resamples: &[f64]) -> Option<f64> {
    let defined = || resamples.iter().copied().filter(|value| value.is_finite());
    let n = defined().count() as f64;
    let mean = defined().sum::<f64>() / n;
    let variance = defined().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (n - 1.0);
    (variance > 0.0 && difference.is_finite()).then(|| normal_tails(difference / libm::sqrt(variance)))
}

/// Adjusts the p-values of all gaps in place. `mirrored` says of each column whether its two filled levels are each
/// other's complement: then their tests are the same and are counted once.
pub fn adjust(columns: &mut [SlicedColumn], mirrored: &[bool]) -> TestFamily {
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
    let note = "Two-sided: each difference over the standard deviation of its resamples of patients, beside a standard \
                normal. Differences that no resample changes are not tested.";
    TestFamily { method: "holm".to_owned(), count: tests.len(), note: note.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_p_value_is_that_of_the_difference_over_its_spread() {
        // Mean 0, sample variance 1: z is 1.96.
        let resamples = [-1.0, -1.0, 1.0, 1.0].map(|value: f64| value * libm::sqrt(0.75));
        let p = two_sided(1.959_963_984_540_054, &resamples).expect("a spread");
        assert!((p - 0.05).abs() < 1e-12, "{p}");
        assert_eq!(two_sided(0.0, &resamples), Some(1.0));
        assert_eq!(two_sided(0.0, &[0.0; 9]), None);
        assert_eq!(two_sided(1.0, &[f64::NAN, 1.0]), None);
    }
}
