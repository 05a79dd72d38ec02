//! `train.preprocess`: what is fitted on the training rows before a learner sees them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Rule;

/// `train.preprocess`. Boosted trees take missing values as they are and need no scale; they ignore both.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PreprocessParams {
    /// What stands in for missing values.
    pub impute: ImputeParams,
    /// How numbers are scaled for the logistic regression.
    pub scale: Scale,
    /// How categories become numbers.
    pub encode: Encode,
}

/// `train.preprocess.impute`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ImputeParams {
    /// Which value fills a missing number.
    pub numeric: ImputeNumeric,
    /// The value of `numeric: constant`.
    pub constant: f64,
    /// Whether a feature with missing training values also gets a 0/1 column that says so.
    pub missing_flag: bool,
}

impl Default for ImputeParams {
    fn default() -> Self {
        Self { numeric: ImputeNumeric::Median, constant: 0.0, missing_flag: true }
    }
}

/// The value that fills a missing number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ImputeNumeric {
    /// The median of the training rows.
    Median,
    /// Their mean.
    Mean,
    /// `constant`.
    Constant,
}

/// How numbers are scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// Not at all.
    None,
    /// (x − mean) / standard deviation (with n in the denominator).
    #[default]
    Standard,
    /// (x − median) / interquartile range.
    Robust,
    /// (x − min) / (max − min).
    Minmax,
}

/// How categories become numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encode {
    /// One 0/1 column per level seen in training; an unknown level is 0 in all of them.
    #[default]
    Onehot,
}

impl PreprocessParams {
    /// What the types let through, as keys below `train`.
    pub(super) fn rules(&self) -> Vec<Rule> {
        vec![("preprocess.impute.constant", self.impute.constant.is_finite(), "must be a finite number")]
    }
}
