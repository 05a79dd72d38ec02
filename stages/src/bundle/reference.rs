//! reference.json: the profile of the training rows, frozen so that later data can be compared with it.
//!
//! Features that are numbers keep the edges of ten equally filled bins and the counts in them; categories keep their
//! counts. Counts are of training rows only. `null` stands where a column has no values. What the watch on drift compares,
//! the raw columns that scoring reads and the scores, is kept as [`super::sketch`] says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::sketch::{InputProfile, NumberSketch};
use crate::common::frame::Column;
use crate::common::interval::quantile;

const BINS: usize = 10;

/// reference.json.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Version of this format: 2. Version 1 had no `inputs` and no `scores`.
    pub schema_version: u32,
    /// Training rows.
    pub n: usize,
    /// One profile per feature.
    pub features: BTreeMap<String, Profile>,
    /// The raw columns that scoring reads; absent when the bundle was made without the validated table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<BTreeMap<String, InputProfile>>,
    /// The calibrated out-of-fold predictions; absent when the bundle was made without them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scores: Option<NumberSketch>,
}

/// The profile of one feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Profile {
    /// A number.
    Number {
        /// Rows without a value.
        missing: usize,
        /// Smallest value.
        min: Option<f64>,
        /// Largest value.
        max: Option<f64>,
        /// Mean.
        mean: Option<f64>,
        /// Inner bin edges, strictly ascending; bin i holds values above edge i − 1 up to and including edge i.
        edges: Vec<f64>,
        /// Rows per bin; one more than edges.
        counts: Vec<usize>,
    },
    /// A category.
    Category {
        /// Rows without a value.
        missing: usize,
        /// Rows per level.
        counts: BTreeMap<String, usize>,
    },
}

impl Reference {
    /// The smallest and the largest value that a number had in training; `None` when nothing can be said.
    pub fn range(&self, feature: &str) -> Option<[f64; 2]> {
        match self.features.get(feature)? {
            Profile::Number { min: Some(min), max: Some(max), .. } => Some([*min, *max]),
            _ => None,
        }
    }
}

impl Profile {
    /// The profile of a column.
    pub fn new(column: &Column) -> Self {
        match column {
            Column::Number(values) => Self::numbers(values),
            Column::Text(values) => {
                let mut counts = BTreeMap::new();
                for value in values.iter().flatten() {
                    *counts.entry(value).or_insert(0) += 1;
                }
                let counts = counts.into_iter().map(|(level, count)| (level.to_owned(), count)).collect();
                Self::Category { missing: values.iter().filter(Option::is_none).count(), counts }
            }
        }
    }

    fn numbers(values: &[f64]) -> Self {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
        sorted.sort_by(f64::total_cmp);
        let mut edges: Vec<f64> = (1..BINS).filter_map(|bin| quantile(&sorted, bin as f64 / BINS as f64)).collect();
        edges.dedup();
        let mut counts = vec![0; edges.len() + 1];
        for &value in &sorted {
            counts[edges.partition_point(|&edge| edge < value)] += 1;
        }
        let mean = (!sorted.is_empty()).then(|| sorted.iter().sum::<f64>() / sorted.len() as f64);
        Self::Number {
            missing: values.len() - sorted.len(),
            min: sorted.first().copied(),
            max: sorted.last().copied(),
            mean,
            edges,
            counts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_row_is_counted_once(values in prop::collection::vec(prop::option::of(-9..9_i32), 0..80)) {
            let column: Vec<f64> = values.iter().map(|value| value.map_or(f64::NAN, f64::from)).collect();
            let n = column.len();
            let Profile::Number { missing, edges, counts, .. } = Profile::new(&Column::Number(column)) else {
                unreachable!()
            };
            prop_assert_eq!(missing + counts.iter().sum::<usize>(), n);
            prop_assert!(edges.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }

    #[test]
    fn values_beyond_training_are_told() {
        let age = Profile::new(&Column::Number(vec![20.0, 40.0, f64::NAN]));
        let features = BTreeMap::from([("age".to_owned(), age)]);
        let reference = Reference { schema_version: 2, n: 3, features, inputs: None, scores: None };
        assert!(reference.range("age").is_some_and(|[low, high]| low <= 20.0 && high < 41.0));
        assert_eq!(reference.range("weight"), None);
    }
}
