//! Target encoding: a category becomes the smoothed mean outcome of its rows.
//!
//! A level with n rows and outcomes that sum to s gets (s + m · prior) / (n + m), where the prior is the mean of all
//! rows considered and m the smoothing: scikit-learn's TargetEncoder with `smooth = m` (Micci-Barreca 2001). A row of
//! the fitting set must not see its own outcome, nor its patient's: it is encoded by the rows of the other parts.

use std::collections::BTreeMap;

use crate::common::rng::Stream;
use crate::train::params::TargetParams;

/// The means of all levels, and of all rows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Means {
    /// One per level, in order.
    pub levels: Vec<f64>,
    pub prior: f64,
}

/// Sums of outcomes per level and in all.
#[derive(Debug, Clone)]
struct Sums {
    levels: Vec<(f64, f64)>,
    all: (f64, f64),
}

impl Sums {
    fn new(levels: usize) -> Self {
        Self { levels: vec![(0.0, 0.0); levels], all: (0.0, 0.0) }
    }

    fn add(&mut self, level: Option<usize>, y: f64) {
        let grow = |cell: &mut (f64, f64)| *cell = (cell.0 + y, cell.1 + 1.0);
        grow(&mut self.all);
        if let Some(cell) = level.and_then(|level| self.levels.get_mut(level)) {
            grow(cell);
        }
    }

    fn merge(&mut self, other: &Self) {
        let grow = |cell: &mut (f64, f64), more: &(f64, f64)| *cell = (cell.0 + more.0, cell.1 + more.1);
        grow(&mut self.all, &other.all);
        self.levels.iter_mut().zip(&other.levels).for_each(|(cell, more)| grow(cell, more));
    }

    /// `None` without rows.
    fn means(&self, smoothing: f64) -> Option<Means> {
        if self.all.1 == 0.0 {
            return None;
        }
        let prior = self.all.0 / self.all.1;
        let mean = |&(sum, n): &(f64, f64)| (sum + smoothing * prior) / (n + smoothing);
        Some(Means { levels: self.levels.iter().map(mean).collect(), prior })
    }
}

/// Learns the means of `count` levels and encodes the fitting rows themselves. `levels` has the level of each row,
/// nothing where it is missing; `y` and `groups` belong to the same rows. A missing level gets the prior.
///
/// The encoded rows come from the parts that their patient is not in, each with that part's own prior; when there is
/// but one patient, no other row exists and all get the mean of all.
pub(super) fn fit(
    levels: &[Option<usize>],
    count: usize,
    y: &[f64],
    groups: &[usize],
    params: TargetParams,
    stream: &mut Stream,
) -> (Means, Vec<f64>) {
    let part = parts(groups, params.folds, stream);
    let used = part.iter().max().map_or(0, |last| last + 1);
    let mut sums = vec![Sums::new(count); used];
    for row in 0..y.len() {
        sums[part[row]].add(levels[row], y[row]);
    }
    let without = |left_out: Option<usize>| {
        let mut total = Sums::new(count);
        sums.iter().enumerate().filter(|(part, _)| Some(*part) != left_out).for_each(|(_, part)| total.merge(part));
        total.means(params.smoothing)
    };
    let all = without(None).unwrap_or(Means { levels: vec![0.0; count], prior: 0.0 });
    let outside: Vec<Option<Means>> = (0..used).map(|part| without(Some(part))).collect();
    let encoded = (0..y.len()).map(|row| match &outside[part[row]] {
        Some(means) => levels[row].map_or(means.prior, |level| means.levels[level]),
        None => all.prior,
    });
    let encoded = encoded.collect();
    (all, encoded)
}

/// Deals the patients, in random order, to at most `folds` parts; the part of each row.
fn parts(groups: &[usize], folds: usize, stream: &mut Stream) -> Vec<usize> {
    let mut place = BTreeMap::new();
    for &group in groups {
        let next = place.len();
        place.entry(group).or_insert(next);
    }
    let mut part: Vec<usize> = (0..place.len()).map(|patient| patient % folds).collect();
    stream.shuffle(&mut part);
    groups.iter().map(|group| place.get(group).map_or(0, |&patient| part[patient])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PARAMS: TargetParams = TargetParams { folds: 5, smoothing: 20.0 };

    fn encode(levels: &[Option<usize>], y: &[f64], groups: &[usize]) -> (Means, Vec<f64>) {
        fit(levels, 3, y, groups, PARAMS, &mut Stream::new(1, "target"))
    }

    #[test]
    fn one_patient_gets_the_mean_of_all() {
        let (means, encoded) = encode(&[Some(0), Some(1), None], &[1.0, 0.0, 0.0], &[7, 7, 7]);
        assert_eq!(encoded, vec![means.prior; 3]);
        assert!((means.levels[0] - (1.0 + 20.0 / 3.0) / 21.0).abs() < 1e-15);
        assert_eq!(encode(&[], &[], &[]), (Means { levels: vec![0.0; 3], prior: 0.0 }, vec![]));
    }

    proptest! {
        #[test]
        fn no_patient_sees_its_own_outcomes(
            rows in prop::collection::vec((0_usize..12, prop::option::of(0_usize..3), prop::bool::ANY), 1..60),
            chosen in 0_usize..12,
        ) {
            let groups: Vec<usize> = rows.iter().map(|row| row.0).collect();
            let levels: Vec<Option<usize>> = rows.iter().map(|row| row.1).collect();
            let y: Vec<f64> = rows.iter().map(|row| f64::from(u8::from(row.2))).collect();
            let flipped: Vec<f64> =
                y.iter().zip(&groups).map(|(y, &group)| if group == chosen { 1.0 - y } else { *y }).collect();
            prop_assume!(groups.iter().any(|&group| group != chosen));
            let (before, after) = (encode(&levels, &y, &groups).1, encode(&levels, &flipped, &groups).1);
            for row in (0..rows.len()).filter(|&row| groups[row] == chosen) {
                prop_assert_eq!(before[row], after[row]);
            }
            prop_assert!(before.iter().all(|value| (0.0..=1.0).contains(value)));
        }
    }
}
