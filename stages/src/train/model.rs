//! A fitted model over the encoded matrix, whichever learner made it, and its file form.
//!
//! It knows neither raw columns nor calibration; those belong to the preprocessor and the calibrator around it.

use serde::{Deserialize, Serialize};

use super::params::LearnerName;
use super::preprocess::Preprocessor;
use crate::common::link::sigmoid;
use crate::common::target::Task;
use crate::common::tree::TreeEnsemble;
use crate::train::preprocess::Matrix;

/// model.json: the fitted models whose predictions are averaged; nearly always one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// Version of this format: 2.
    pub schema_version: u32,
    /// The kind of the outcome.
    pub task: Task,
    /// The members of the average.
    pub members: Vec<ModelMember>,
}

/// preprocessor.json: what stands before each member of model.json, in the same order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreprocessorFile {
    /// Version of this format: 2.
    pub schema_version: u32,
    /// One per member of the model.
    pub members: Vec<Preprocessor>,
}

/// A model with the names of the columns it reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelMember {
    /// The learner that made it.
    pub learner: LearnerName,
    /// The encoded columns, in order.
    pub columns: Vec<String>,
    /// The mean of each encoded column over the training rows, for linear models: what their explanations start from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub means: Option<Vec<f64>>,
    /// The model.
    pub model: Model,
}

/// A fitted model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Model {
    /// The same answer for everyone.
    Constant {
        /// Event rate or mean.
        value: f64,
    },
    /// Linear in the log odds.
    Logistic {
        /// Margin of the all-zero row.
        intercept: f64,
        /// One per column.
        coef: Vec<f64>,
    },
    /// Linear in the outcome.
    Ridge {
        /// Prediction for the all-zero row.
        intercept: f64,
        /// One per column.
        coef: Vec<f64>,
    },
    /// Trees whose margin is the prediction: the mean of their leaves.
    Forest(TreeEnsemble),
    /// Trees whose margin is in log odds, or the prediction when the outcome is a number.
    Gbdt(TreeEnsemble),
}

impl Model {
    /// The margin of one encoded row: log odds for a logistic regression and for boosted trees on events, otherwise
    /// the prediction itself.
    pub fn margin(&self, row: &[f64]) -> f64 {
        match self {
            Self::Constant { value } => *value,
            Self::Logistic { intercept, coef } | Self::Ridge { intercept, coef } => {
                row.iter().zip(coef).fold(*intercept, |sum, (value, weight)| sum + value * weight)
            }
            Self::Forest(trees) | Self::Gbdt(trees) => trees.margin(row),
        }
    }

    /// The margins of all rows of a matrix; the same bits as [`Model::margin`] of each.
    pub fn margins(&self, x: &Matrix) -> Vec<f64> {
        match self {
            Self::Forest(trees) | Self::Gbdt(trees) if x.cols > 0 => trees.margins(&x.values, x.cols),
            _ => (0..x.rows).map(|row| self.margin(x.row(row))).collect(),
        }
    }

    /// The prediction for one encoded row: the uncalibrated probability of the event, or the expected number.
    pub fn predict(&self, row: &[f64], task: Task) -> f64 {
        self.answer(self.margin(row), task)
    }

    /// The predictions for all rows of a matrix; the same bits as [`Model::predict`] of each.
    pub fn predict_all(&self, x: &Matrix, task: Task) -> Vec<f64> {
        self.margins(x).into_iter().map(|margin| self.answer(margin, task)).collect()
    }

    fn answer(&self, margin: f64, task: Task) -> f64 {
        match (self, task) {
            (Self::Logistic { .. }, _) | (Self::Gbdt(_), Task::Binary) => sigmoid(margin),
            (Self::Forest(_), Task::Binary) => margin.clamp(0.0, 1.0),
            (Self::Constant { .. } | Self::Ridge { .. }, _) | (Self::Forest(_) | Self::Gbdt(_), Task::Continuous) => {
                margin
            }
        }
    }

    /// Whether every prediction is a finite number.
    pub fn is_sound(&self) -> bool {
        match self {
            Self::Constant { value } => value.is_finite(),
            Self::Logistic { intercept, coef, .. } | Self::Ridge { intercept, coef, .. } => {
                coef.iter().chain([intercept]).all(|value| value.is_finite())
            }
            Self::Forest(trees) | Self::Gbdt(trees) => !trees.trees.is_empty() && trees.reach() < f64::from(f32::MAX),
        }
    }

    /// Whether that learner makes such models.
    pub fn is_of(&self, learner: LearnerName) -> bool {
        let own = match self {
            Self::Constant { .. } => LearnerName::Constant,
            Self::Logistic { .. } => LearnerName::Logistic,
            Self::Ridge { .. } => LearnerName::Ridge,
            Self::Forest(_) => LearnerName::Forest,
            Self::Gbdt(_) => LearnerName::Gbdt,
        };
        own == learner
    }

    /// How many columns it reads, as far as the model itself shows.
    pub fn columns(&self) -> Option<usize> {
        match self {
            Self::Logistic { coef, .. } | Self::Ridge { coef, .. } => Some(coef.len()),
            Self::Constant { .. } | Self::Forest(_) | Self::Gbdt(_) => None,
        }
    }
}
