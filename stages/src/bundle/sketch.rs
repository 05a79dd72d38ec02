//! What reference.json keeps of a raw column or of the scores, so that later samples can be tested against it.
//!
//! A number keeps its distribution function at up to [`STEPS`] places: each step stands for a run of equal or
//! neighbouring values, as their largest, their mean and how many rows have them. No step is of fewer rows than the
//! smallest published cell, as long as the column has that many, and equal values are never parted; nothing is kept of
//! single rows, their extremes included. A category keeps its counts; levels of fewer rows are counted together.
//!
//! At its places the distribution function is exact, so a Kolmogorov–Smirnov distance taken there is at most the true
//! one, and short of it by at most the largest step ([`NumberSketch::resolution`]). Deciles are kept as bin edges.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::common::frame::Column;
use crate::common::interval::finite;
use crate::common::privacy::Privacy;
use crate::common::two_sample::Sample;

/// Most steps of a distribution function.
pub const STEPS: u64 = 200;
/// Bins of equal rows.
const BINS: u64 = 10;

/// A column as the training rows had it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum InputProfile {
    /// A number.
    Number(NumberSketch),
    /// A category.
    Category(CategoryCounts),
}

/// A column of numbers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberSketch {
    /// Rows with a value.
    pub n: u64,
    /// Rows without.
    pub missing: u64,
    /// Mean; null without values.
    pub mean: Option<f64>,
    /// Standard deviation, n as divisor; null without values.
    pub sd: Option<f64>,
    /// The largest value of each step, strictly ascending. The last is the largest of all only when it is common.
    pub upper: Vec<f64>,
    /// The mean of the values of each step.
    pub middle: Vec<f64>,
    /// The rows of each step.
    pub rows: Vec<u64>,
    /// Inner edges of bins of about equal rows, strictly ascending, each the upper end of a step.
    pub edges: Vec<f64>,
}

/// A column of categories.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CategoryCounts {
    /// Rows with a value.
    pub n: u64,
    /// Rows without.
    pub missing: u64,
    /// Rows of each level that is common enough to be named.
    pub counts: BTreeMap<String, u64>,
    /// Rows of all other levels together.
    pub rare: u64,
}

impl CategoryCounts {
    /// The level of most rows, the first by name of several.
    pub fn commonest(&self) -> Option<&str> {
        let most = self.counts.iter().max_by_key(|(level, rows)| (**rows, std::cmp::Reverse(*level)));
        most.map(|(level, _)| level.as_str())
    }
}

impl InputProfile {
    /// The profile of a column.
    pub fn new(column: &Column, privacy: Privacy) -> Self {
        match column {
            Column::Number(values) => Self::Number(NumberSketch::new(values, privacy)),
            Column::Text(texts) => {
                let mut all: BTreeMap<&str, u64> = BTreeMap::new();
                for text in texts.iter().flatten() {
                    *all.entry(text).or_insert(0) += 1;
                }
                let n: u64 = all.values().sum();
                let (rare, common): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, rows)| privacy.hides(*rows));
                let counts = common.into_iter().map(|(level, rows)| (level.to_owned(), rows)).collect();
                let rare = rare.into_iter().map(|(_, rows)| rows).sum();
                Self::Category(CategoryCounts { n, missing: texts.len() as u64 - n, counts, rare })
            }
        }
    }
}

/// A step in the making.
#[derive(Default)]
struct Step {
    lowest: Option<f64>,
    upper: f64,
    sum: f64,
    rows: u64,
}

impl Step {
    fn with(self, value: f64, rows: u64) -> Self {
        let lowest = self.lowest.or(Some(value));
        Self { lowest, upper: value, sum: self.sum + value * rows as f64, rows: self.rows + rows }
    }

    /// The mean; that of one value is the value, whatever rounding does.
    fn middle(&self) -> f64 {
        if self.lowest == Some(self.upper) { self.upper } else { (self.sum / self.rows as f64).min(self.upper) }
    }
}

impl NumberSketch {
    /// The sketch of values; those that are not finite are missing.
    pub fn new(values: &[f64], privacy: Privacy) -> Self {
        let sample = Sample::new(values);
        Self { missing: values.len() as u64 - sample.n(), ..Self::of_sample(&sample, privacy) }
    }

    /// The sketch of a sample.
    pub fn of_sample(sample: &Sample, privacy: Privacy) -> Self {
        let least = sample.n().div_ceil(STEPS).max(privacy.min_cell).max(1);
        let mut steps: Vec<Step> = Vec::new();
        let mut open = Step::default();
        for (&value, &rows) in sample.values().iter().zip(sample.rows()) {
            open = open.with(value, rows);
            if open.rows >= least {
                steps.push(std::mem::take(&mut open));
            }
        }
        if open.rows > 0 {
            // The few largest values join the step before them, and its place is their mean.
            let upper = if privacy.hides(open.rows) { open.middle() } else { open.upper };
            let before = steps.pop().unwrap_or_default();
            let (lowest, rows) = (before.lowest.or(open.lowest), before.rows + open.rows);
            steps.push(Step { lowest, upper, sum: before.sum + open.sum, rows });
        }
        let mut sketch = Self { n: sample.n(), mean: sample.mean(), sd: sample.sd(), ..Self::default() };
        for step in &steps {
            sketch.upper.push(step.upper);
            sketch.middle.push(step.middle());
            sketch.rows.push(step.rows);
        }
        sketch.edges = sketch.deciles();
        sketch
    }

    /// The upper end of the step in which half of the rows are reached: the median, as exactly as steps tell it.
    pub fn median(&self) -> Option<f64> {
        let mut below = 0;
        let mut steps = self.upper.iter().zip(&self.rows);
        let half = steps.find(|(_, rows)| {
            below += **rows;
            below * 2 >= self.n
        });
        half.map(|(upper, _)| *upper)
    }

    /// The upper ends of the steps in which the tenths end, but for the last step.
    fn deciles(&self) -> Vec<f64> {
        let (mut edges, mut below, mut next) = (Vec::new(), 0, 1);
        for (upper, rows) in self.upper.iter().zip(&self.rows).take(self.upper.len().saturating_sub(1)) {
            below += rows;
            if below * BINS >= next * self.n {
                edges.push(*upper);
                next = below * BINS / self.n.max(1) + 1;
            }
        }
        edges
    }

    /// Whether it could have come from a column: steps ascend and hold all rows, and numbers are numbers.
    pub fn is_sound(&self) -> bool {
        let ascends = |values: &[f64]| values.windows(2).all(|pair| pair[0] < pair[1]);
        let finite = self.upper.iter().chain(&self.middle).chain(&self.edges).all(|value| value.is_finite());
        let lengths = self.upper.len() == self.middle.len() && self.upper.len() == self.rows.len();
        let sum = self.rows.iter().try_fold(0_u64, |sum, rows| sum.checked_add(*rows));
        lengths
            && finite
            && ascends(&self.upper)
            && ascends(&self.edges)
            && sum == Some(self.n)
            && self.rows.iter().all(|rows| *rows > 0)
    }

    /// The rows of the steps at their upper ends, for distances between distribution functions.
    pub fn at_ends(&self) -> Sample {
        Sample::counted(self.upper.iter().copied().zip(self.rows.iter().copied()))
    }

    /// The Wasserstein-1 distance to a sample, as far as the steps tell it: the area between the distribution functions
    /// is known of each step from its mean, but not where within a step they cross, so it is at most the true one. `None`
    /// without rows on either side.
    pub fn wasserstein(&self, current: &Sample) -> Option<f64> {
        let last = self.upper.len().checked_sub(1)?;
        let (n, m) = (self.n as f64, current.n() as f64);
        let (values, rows) = (current.values(), current.rows());
        let (mut next, mut below_then, mut below_now, mut area) = (0, 0_u64, 0_u64, 0.0);
        for step in 0..=last {
            let end = self.upper[step];
            // What lies beyond the last place belongs to the last step.
            let is_in = |value: &f64| step == last || *value <= end;
            let (mut hits, mut sum) = (0_u64, 0.0);
            while values.get(next).is_some_and(is_in) {
                hits += rows[next];
                sum += rows[next] as f64 * values[next];
                next += 1;
            }
            // The integral of 1 − F from `start` on, or of F up to `end`, from counts and sums alone.
            let start = step.checked_sub(1).map(|before| self.upper[before]);
            let (then, now) = (self.rows[step] as f64, hits as f64);
            let (sum_then, share_then, share_now) =
                (then * self.middle[step], below_then as f64 / n, below_now as f64 / m);
            let apart = match start {
                _ if step == last => {
                    let from = start.unwrap_or(0.0);
                    (sum - now * from) / m - (sum_then - then * from) / n
                }
                None => (now * end - sum) / m - (then * end - sum_then) / n,
                Some(start) => {
                    let width = end - start;
                    (share_now * width + (now * end - sum) / m) - (share_then * width + (then * end - sum_then) / n)
                }
            };
            area += apart.abs();
            below_then += self.rows[step];
            below_now += hits;
        }
        (current.n() > 0).then_some(area).and_then(finite)
    }

    /// The largest share of a step whose values differ: by no more a distance taken at the places falls short.
    pub fn resolution(&self) -> f64 {
        let steps = self.upper.iter().zip(&self.middle).zip(&self.rows);
        let wide = steps.filter(|((upper, middle), _)| upper != middle).map(|(_, rows)| *rows);
        wide.max().map_or(0.0, |rows| rows as f64 / self.n.max(1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::texts::Texts;
    use crate::common::two_sample::{kolmogorov_smirnov, wasserstein};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_step_is_small_and_the_distance_is_short_by_no_more_than_the_resolution(
            a in prop::collection::vec(-300..300_i32, 30..400),
            b in prop::collection::vec(-300..300_i32, 1..200),
        ) {
            let numbers = |values: &[i32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
            let (a, b) = (numbers(&a), Sample::new(&numbers(&b)));
            let sketch = NumberSketch::new(&a, Privacy::default());
            prop_assert!(sketch.is_sound() && sketch.rows.iter().all(|&rows| rows >= 10));
            let places = sketch.at_ends();
            let told = kolmogorov_smirnov(&places, &b, Some(&sketch.upper)).expect("rows").d;
            let exact = kolmogorov_smirnov(&Sample::new(&a), &b, None).expect("rows").d;
            // The last place may lie below the largest values, which are few.
            let slack = sketch.resolution() + 10.0 / a.len() as f64;
            prop_assert!((told - exact).abs() <= slack + 1e-12, "{} {}", told, exact);
            prop_assert!(sketch.edges.len() < 10);
            let [told, exact] = [sketch.wasserstein(&b), wasserstein(&Sample::new(&a), &b)].map(|area| area.expect("rows"));
            let means = (sketch.mean.expect("rows") - b.mean().expect("rows")).abs();
            prop_assert!(told <= exact + 1e-9 && told >= means - 1e-9, "{} {} {}", told, exact, means);
            prop_assert!(exact - told < 60.0, "{} {}", told, exact);
            let same = sketch.wasserstein(&Sample::new(&a)).expect("rows");
            prop_assert!(same < 1e-9, "{}", same);
        }
    }

    #[test]
    fn few_values_are_kept_exactly_and_rare_levels_are_counted_together() {
        let values: Vec<f64> = (0..400).map(|row| f64::from(row % 4)).chain([f64::NAN]).collect();
        let sketch = NumberSketch::new(&values, Privacy::default());
        assert_eq!((sketch.upper.as_slice(), sketch.resolution(), sketch.missing), (&[0.0, 1.0, 2.0, 3.0][..], 0.0, 1));
        assert_eq!((sketch.edges.as_slice(), sketch.median()), (&[0.0, 1.0, 2.0][..], Some(1.0)));
        let none = NumberSketch::new(&[f64::NAN], Privacy::default());
        assert!(none.is_sound() && none.mean.is_none() && none.median().is_none() && none.edges.is_empty());
        let texts: Texts = (0..33).map(|row| Some(if row < 30 { "often" } else { "seldom" })).chain([None]).collect();
        let InputProfile::Category(counts) = InputProfile::new(&Column::Text(texts), Privacy::default()) else {
            unreachable!()
        };
        assert_eq!((counts.n, counts.missing, counts.rare, counts.counts.len()), (33, 1, 3, 1));
        assert_eq!((counts.commonest(), CategoryCounts::default().commonest()), (Some("often"), None));
    }
}
