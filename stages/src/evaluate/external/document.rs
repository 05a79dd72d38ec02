//! external.json: the types. Every number is of rows that nothing in the bundle was fitted on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::common::interval::Estimate;
use crate::common::privacy::Cell;
use crate::evaluate::document::{ByLevel, Intervals};

/// external.json: an existing model on new data, as it is and after the three steps of mending it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExternalReport {
    /// Version of this format: 1.
    pub schema_version: u32,
    /// BLAKE3, in hex, of the bundle's bundle.json.
    pub bundle: String,
    /// The kept candidate.
    pub model: String,
    /// The new data.
    pub data: NewData,
    /// Rows.
    pub n: u64,
    /// Events among them.
    pub events: u64,
    /// Patients they belong to.
    pub patients: u64,
    /// Share of events.
    pub prevalence: f64,
    /// Share of events among the rows the model was trained on.
    pub training_prevalence: f64,
    /// What was done to make sure that no row was trained on.
    pub unseen: Unseen,
    /// How the intervals were made. They hold the cross-fitted predictions fixed.
    pub intervals: Intervals,
    /// The frozen threshold, at which net benefit is taken on every rung.
    pub threshold: f64,
    /// The thresholds of the levels of a column, by which rows are flagged on every rung; none where one threshold holds
    /// for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_level: Option<ByLevel>,
    /// Folds of the cross-fitting.
    pub folds: usize,
    /// The model as it is, then updated more and more.
    pub ladder: Vec<Rung>,
    /// How the patients differ from those the model knows.
    pub case_mix: CaseMix,
    /// How to read the ladder.
    pub note: String,
}

/// Where rows come from, as `ingest` reported it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewData {
    /// `real` or `synthetic`.
    pub source: String,
    /// The raw file as the pipeline names it.
    pub file: String,
    /// Its BLAKE3, in hex.
    pub blake3: String,
}

/// What is known about an overlap with the training rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unseen {
    /// What was compared: `raw_file`, `schema`, `patients`, `rows`.
    pub checked: Vec<String>,
    /// Patients on both sides: 0, or the stage fails; null when not compared.
    pub shared_patients: Option<u64>,
    /// Rows that equal a training row in every input and the outcome; null when not compared.
    pub equal_rows: Option<u64>,
    /// Rows that equal another of the new rows so: what chance alone gives.
    pub equal_within: Option<u64>,
    /// In words, what this proves and what not.
    pub text: String,
}

/// One rung of the ladder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rung {
    /// Which.
    pub update: Update,
    /// What was done, in words.
    pub about: String,
    /// What the update would be when made from all rows: p' = 1 / (1 + exp(−(intercept + slope · logit p))). Null for
    /// a refitted model.
    pub coefficients: Option<Coefficients>,
    /// Area under the ROC curve.
    pub auroc: Estimate,
    /// Brier score.
    pub brier: Estimate,
    /// Calibration in the large; 0 is perfect.
    pub intercept: Estimate,
    /// Calibration slope; 1 is perfect.
    pub slope: Estimate,
    /// Integrated calibration index; 0 is perfect.
    pub ici: Estimate,
    /// Net benefit per row at the frozen threshold.
    pub net_benefit: Estimate,
    /// Why something is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How much is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Update {
    /// Nothing.
    AsIs,
    /// The intercept.
    Intercept,
    /// Intercept and slope.
    InterceptAndSlope,
    /// Everything.
    Refitted,
}

/// An update on the log odds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coefficients {
    /// Added.
    pub intercept: f64,
    /// Multiplies the log odds.
    pub slope: f64,
}

/// How the new patients differ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseMix {
    /// The log odds of the calibrated probabilities of the new rows; of a number the predictions themselves.
    pub linear_predictor: Spread,
    /// The same of the development study's test part, which the model has not seen either; null without the roles
    /// `training` and `training_split`.
    pub development: Option<Spread>,
    /// Why it is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Each feature beside the profile of the training rows.
    pub features: BTreeMap<String, FeatureShift>,
}

/// A distribution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    /// Rows.
    pub n: u64,
    /// Mean.
    pub mean: f64,
    /// Standard deviation (divisor n).
    pub sd: f64,
    /// 5 %, 25 %, 50 %, 75 % and 95 % quantiles.
    pub quantiles: [f64; 5],
}

/// A feature of the new rows beside that of the training rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureShift {
    /// Rows whose number lies outside the range of training, or whose level training did not have.
    pub outside: Cell,
    /// Their share of the rows with a value.
    pub outside_share: Option<f64>,
    /// Levels that training did not have, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub new_levels: Vec<String>,
    /// Rows without a value.
    pub missing: Cell,
    /// Their share.
    pub missing_share: Option<f64>,
    /// The share of training rows without a value.
    pub training_missing_share: Option<f64>,
    /// Why something is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
