//! The files of the `models` output: the kept model, its preprocessor, the baselines and the card.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::model::{ModelFile, ModelMember, PreprocessorFile};
use super::params::{Imbalance, LearnerName};
use super::preprocess::{Fingerprint, Preprocessor};
use super::recipe::Trained;
use super::study::Study;
use crate::StageError;
use crate::common::canonical_json;

/// card.json: which candidate was kept, why, and on which rows it was trained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Version of this format: 2.
    pub schema_version: u32,
    /// The kept candidate.
    pub model: LearnerName,
    /// Why it was kept.
    pub reason: String,
    /// The rows of the final fit.
    pub training_rows: Fingerprint,
    /// Events among them, when the outcome is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// Encoded columns, of all members.
    pub columns: usize,
    /// Boosting rounds, for learners that have them.
    pub rounds: Option<usize>,
    /// How events and non-events were balanced, when they were: its raw probabilities are then no event rates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imbalance: Option<Imbalance>,
}

/// baseline_linear.json: the plain linear model (logistic or ridge regression) that every model must beat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineLinear {
    /// Version of this format: 2.
    pub schema_version: u32,
    /// Its own preprocessor.
    pub preprocessor: Preprocessor,
    /// The model.
    pub model: ModelMember,
}

/// baseline_constant.json: the training rows' event rate or mean, for everyone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineConstant {
    /// Version of this format: 2.
    pub schema_version: u32,
    /// Event rate or mean.
    pub value: f64,
    /// Training rows.
    pub n: u64,
    /// Events among them, when the outcome is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
}

pub(super) fn write_models(
    directory: &Path,
    study: &Study,
    kept: Vec<Trained>,
    linear: Trained,
    card: &Card,
) -> Result<(), StageError> {
    let linear = BaselineLinear { schema_version: 2, preprocessor: linear.preprocessor, model: linear.member };
    let n = study.rows() as u64;
    let value = study.y.iter().sum::<f64>() / n as f64;
    let constant = BaselineConstant { schema_version: 2, value, n, events: card.events };
    let (preprocessors, members) = kept.into_iter().map(|trained| (trained.preprocessor, trained.member)).unzip();
    // A forest has hundreds of thousands of numbers; one per line would triple the file.
    let model = ModelFile { schema_version: 2, task: study.task, members };
    canonical_json::write_compact(&directory.join("model.json"), &model)?;
    let preprocessor = PreprocessorFile { schema_version: 2, members: preprocessors };
    canonical_json::write(&directory.join("preprocessor.json"), &preprocessor)?;
    canonical_json::write(&directory.join("baseline_linear.json"), &linear)?;
    canonical_json::write(&directory.join("baseline_constant.json"), &constant)?;
    canonical_json::write(&directory.join("card.json"), card)
}
