//! The files of the `models` output: the kept model, its preprocessor, the baselines and the card.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::cv::Trained;
use super::model::ModelFile;
use super::params::LearnerName;
use super::preprocess::{Fingerprint, Preprocessor};
use super::study::Study;
use crate::StageError;
use crate::common::canonical_json;

/// card.json: which candidate was kept, why, and on which rows it was trained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Version of this format: 1.
    pub schema_version: u32,
    /// The kept candidate.
    pub model: LearnerName,
    /// Why it was kept.
    pub reason: String,
    /// The rows of the final fit.
    pub training_rows: Fingerprint,
    /// Events among them.
    pub events: u64,
    /// Encoded columns.
    pub columns: usize,
    /// Boosting rounds, for learners that have them.
    pub rounds: Option<usize>,
}

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

pub(super) fn write_models(
    directory: &Path,
    study: &Study,
    kept: &Trained,
    logistic: &Trained,
    card: &Card,
) -> Result<(), StageError> {
    let baseline = BaselineLogistic {
        schema_version: 1,
        preprocessor: logistic.preprocessor.clone(),
        model: logistic.file.clone(),
    };
    let (n, events) = (study.rows() as u64, study.events() as u64);
    let prevalence = BaselinePrevalence { schema_version: 1, p: events as f64 / n as f64, n, events };
    // A forest has hundreds of thousands of numbers; one per line would triple the file.
    canonical_json::write_compact(&directory.join("model.json"), &kept.file)?;
    canonical_json::write(&directory.join("preprocessor.json"), &kept.preprocessor)?;
    canonical_json::write(&directory.join("baseline_logistic.json"), &baseline)?;
    canonical_json::write(&directory.join("baseline_prevalence.json"), &prevalence)?;
    canonical_json::write(&directory.join("card.json"), card)
}
