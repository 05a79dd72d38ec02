//! A fitted model over the encoded matrix, whichever learner made it, and its file form.
//!
//! It knows neither raw columns nor calibration; those belong to the preprocessor and the calibrator around it.

use serde::{Deserialize, Serialize};

use crate::common::link::sigmoid;
use crate::common::tree::TreeEnsemble;

/// model.json: the model with the names of the columns it reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// Version of this format: 1.
    pub schema_version: u32,
    /// The encoded columns, in order.
    pub columns: Vec<String>,
    /// The model.
    pub model: Model,
}

/// A fitted model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Model {
    /// Linear in the log odds.
    Logistic {
        /// Margin of the all-zero row.
        intercept: f64,
        /// One per column.
        coef: Vec<f64>,
    },
    /// Trees whose margin is a probability: the mean of their leaves.
    Forest(TreeEnsemble),
    /// Trees whose margin is in log odds.
    Gbdt(TreeEnsemble),
}

impl Model {
    /// The margin of one encoded row: log odds, for a forest the probability itself.
    pub fn margin(&self, row: &[f64]) -> f64 {
        match self {
            Self::Logistic { intercept, coef } => {
                row.iter().zip(coef).fold(*intercept, |sum, (value, weight)| sum + value * weight)
            }
            Self::Forest(trees) | Self::Gbdt(trees) => trees.margin(row),
        }
    }

    /// The uncalibrated probability of one encoded row.
    pub fn probability(&self, row: &[f64]) -> f64 {
        match self {
            Self::Forest(_) => self.margin(row).clamp(0.0, 1.0),
            Self::Logistic { .. } | Self::Gbdt(_) => sigmoid(self.margin(row)),
        }
    }

    /// How many columns it reads at least, as far as the model itself shows.
    pub fn columns(&self) -> Option<usize> {
        match self {
            Self::Logistic { coef, .. } => Some(coef.len()),
            Self::Forest(_) | Self::Gbdt(_) => None,
        }
    }

    /// Its kind, as in params.yaml.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Logistic { .. } => "logistic",
            Self::Forest(_) => "forest",
            Self::Gbdt(_) => "gbdt",
        }
    }
}
