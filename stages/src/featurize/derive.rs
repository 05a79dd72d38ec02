//! The operations that derive a column from others of the same row. None of them is fitted to data.
//!
//! A missing input gives a missing result, and so does a division by zero: no operation panics or invents a value.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::spec::FeatureError;
use crate::common::frame::Column;
use crate::common::tagged;

/// One derived column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "Derivation", tag = "op")]
pub enum Derivation {
    /// `of / (per / scale + offset)`: events per unit of exposure.
    Rate {
        /// The new column.
        name: String,
        /// The count.
        of: String,
        /// The exposure.
        per: String,
        /// Exposure units per unit of the rate.
        #[serde(default = "one")]
        scale: f64,
        /// Added to the denominator; keeps short exposures finite.
        #[serde(default)]
        offset: f64,
    },
    /// `of / by`.
    Ratio {
        /// The new column.
        name: String,
        /// The numerator.
        of: String,
        /// The denominator.
        by: String,
    },
    /// The product of all columns in `of`, divided by `scale`.
    Product {
        /// The new column.
        name: String,
        /// The factors.
        of: Vec<String>,
        /// The divisor.
        #[serde(default = "one")]
        scale: f64,
    },
    /// `of - minus`.
    Difference {
        /// The new column.
        name: String,
        /// What is subtracted from.
        of: String,
        /// What is subtracted.
        minus: String,
    },
    /// `factor * of + offset`.
    Linear {
        /// The new column.
        name: String,
        /// The column.
        of: String,
        /// The factor.
        #[serde(default = "one")]
        factor: f64,
        /// The summand.
        #[serde(default)]
        offset: f64,
    },
    /// The label of the interval that holds the value: (e₀, e₁], (e₁, e₂], … Values outside are missing.
    Bins {
        /// The new column, a category.
        name: String,
        /// The column.
        of: String,
        /// Ascending edges, one more than labels.
        edges: Vec<f64>,
        /// One label per interval.
        labels: Vec<String>,
    },
    /// The number that stands for a text. Texts without a number are missing.
    Map {
        /// The new column.
        name: String,
        /// The column, a category.
        of: String,
        /// Text to number.
        values: BTreeMap<String, f64>,
    },
    /// 1 where the value is missing, else 0.
    Missing {
        /// The new column.
        name: String,
        /// The column.
        of: String,
    },
}

/// The operation stands under the key `op`.
const TAG: &str = "op";

impl<'de> Deserialize<'de> for Derivation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        tagged::read(deserializer, TAG, |plain| Self::deserialize(plain))
    }
}

impl Serialize for Derivation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        tagged::write(serializer, TAG, Self::serialize(self, serde_json::value::Serializer))
    }
}

fn one() -> f64 {
    1.0
}

impl Derivation {
    /// The name of the new column.
    pub fn name(&self) -> &str {
        match self {
            Self::Rate { name, .. }
            | Self::Ratio { name, .. }
            | Self::Product { name, .. }
            | Self::Difference { name, .. }
            | Self::Linear { name, .. }
            | Self::Bins { name, .. }
            | Self::Map { name, .. }
            | Self::Missing { name, .. } => name,
        }
    }

    /// The columns it reads, each with the key that names it.
    pub fn sources(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::Rate { of, per, .. } => vec![("of", of), ("per", per)],
            Self::Ratio { of, by, .. } => vec![("of", of), ("by", by)],
            Self::Difference { of, minus, .. } => vec![("of", of), ("minus", minus)],
            Self::Product { of, .. } => of.iter().map(|name| ("of", name.as_str())).collect(),
            Self::Linear { of, .. } | Self::Bins { of, .. } | Self::Map { of, .. } | Self::Missing { of, .. } => {
                vec![("of", of)]
            }
        }
    }

    /// The new column of a table with `rows` rows whose columns `lookup` finds.
    pub(super) fn compute<'a>(
        &self,
        lookup: impl Fn(&str) -> Option<&'a Column>,
        rows: usize,
    ) -> Result<Column, FeatureError> {
        let column = |name: &str| {
            lookup(name)
                .ok_or_else(|| FeatureError::MissingColumn { column: name.to_owned(), feature: self.name().to_owned() })
        };
        let numbers = |name: &str| column(name)?.numbers().ok_or_else(|| self.wrong_type(name, "numbers"));
        let texts = |name: &str| column(name)?.texts().ok_or_else(|| self.wrong_type(name, "texts"));
        Ok(match self {
            Self::Rate { of, per, scale, offset, .. } => {
                Column::Number(both(numbers(of)?, numbers(per)?, |of, per| divide(of, per / scale + offset)))
            }
            Self::Ratio { of, by, .. } => Column::Number(both(numbers(of)?, numbers(by)?, divide)),
            Self::Difference { of, minus, .. } => Column::Number(both(numbers(of)?, numbers(minus)?, |a, b| a - b)),
            Self::Product { of, scale, .. } => {
                let mut product = vec![1.0; rows];
                for name in of {
                    product = both(&product, numbers(name)?, |a, b| a * b);
                }
                Column::Number(product.into_iter().map(|value| divide(value, *scale)).collect())
            }
            Self::Linear { of, factor, offset, .. } => {
                Column::Number(numbers(of)?.iter().map(|value| factor * value + offset).collect())
            }
            Self::Bins { of, edges, labels, .. } => {
                Column::Text(numbers(of)?.iter().map(|&value| bin(value, edges, labels)).collect())
            }
            Self::Map { of, values, .. } => {
                let value = |text: Option<&str>| text.and_then(|text| values.get(text)).copied();
                Column::Number(texts(of)?.iter().map(|text| value(text).unwrap_or(f64::NAN)).collect())
            }
            Self::Missing { of, .. } => Column::Number(match column(of)? {
                Column::Number(values) => values.iter().map(|value| f64::from(value.is_nan())).collect(),
                Column::Text(values) => values.iter().map(|value| f64::from(value.is_none())).collect(),
            }),
        })
    }

    fn wrong_type(&self, column: &str, wanted: &'static str) -> FeatureError {
        FeatureError::WrongType { column: column.to_owned(), wanted, feature: self.name().to_owned() }
    }
}

fn both(left: &[f64], right: &[f64], op: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    left.iter().zip(right).map(|(&left, &right)| op(left, right)).collect()
}

fn divide(numerator: f64, denominator: f64) -> f64 {
    let quotient = numerator / denominator;
    if quotient.is_finite() { quotient } else { f64::NAN }
}

fn bin<'a>(value: f64, edges: &[f64], labels: &'a [String]) -> Option<&'a str> {
    // The number of edges below the value is one more than the index of its right-closed interval.
    let below = edges.partition_point(|&edge| edge < value);
    if value.is_nan() { None } else { labels.get(below.checked_sub(1)?).map(String::as_str) }
}
