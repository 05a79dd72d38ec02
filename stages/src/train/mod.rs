//! Fits the candidates and baselines on the training rows, compares them on the outer folds and keeps one.

mod learner;
mod model;
mod params;
mod preprocess;

use serde::{Deserialize, Serialize};

pub use model::{Model, ModelFile};
pub use params::{LearnerName, TrainParams};
pub use preprocess::{Encoding, Fingerprint, Matrix, Preprocessor, Step, quantile};

/// baseline_logistic.json: the plain logistic regression that every model must beat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineLogistic {
    /// Version of this format: 1.
    pub schema_version: u32,
    /// Its own preprocessor.
    pub preprocessor: Preprocessor,
    /// The model.
    pub model: ModelFile,
}

/// baseline_prevalence.json: the training rows' event rate, for everyone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselinePrevalence {
    /// Version of this format: 1.
    pub schema_version: u32,
    /// events / n.
    pub p: f64,
    /// Training rows.
    pub n: u64,
    /// Events among them.
    pub events: u64,
}
