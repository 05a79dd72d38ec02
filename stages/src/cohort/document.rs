//! `cohort.json`: the question, who was left of whom, who was lost, and whether there are enough.

use serde::{Deserialize, Serialize};

use super::params::{StudyParams, TimeUnit};
use super::sample_size::{AssumedR2, Criterion};

/// The version of the format of `cohort.json`.
pub const SCHEMA_VERSION: u32 = 1;

/// `cohort.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CohortReport {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// `clinical` when population, index time, outcome and risk window are declared, else `technical`: numbers of such
    /// a study say how well the machinery works, not what they would mean for patients.
    pub kind: Kind,
    /// What would have to be declared.
    pub undeclared: Vec<String>,
    /// The question as declared; null where nothing is.
    pub study: StudyParams,
    /// Whether rows are the study's own or made up; null when not told.
    pub source: Option<String>,
    /// What was left after each step, in order.
    pub attrition: Vec<Step>,
    /// Who was not watched up to the horizon; null when no column says how long patients were watched.
    pub follow_up: Option<FollowUp>,
    /// Whether the training part is large enough.
    pub sample_size: SampleSize,
    /// What to look at, in sentences; empty when there is nothing.
    pub warnings: Vec<String>,
}

/// What a report of a study may call itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The question is declared.
    Clinical,
    /// It is not.
    Technical,
}

/// What was left after a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// `read`, `deduplicated`, `sampled`, `validated`, `train`, `test`, `unused`. The last three divide `validated`.
    pub step: String,
    /// Rows.
    pub rows: u64,
    /// Patients; null where they cannot be told.
    pub patients: Option<u64>,
    /// Rows with the event; null where they cannot be told, or a number is predicted.
    pub events: Option<u64>,
    /// Why something is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Patients who were not watched up to the horizon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FollowUp {
    /// The column that says how long.
    pub column: String,
    /// The end of the risk window.
    pub horizon: f64,
    /// The unit of both.
    pub unit: TimeUnit,
    /// Rows without the event whose watching ended before the horizon: nobody knows what happened to them then, and
    /// they count as having had no event.
    pub censored: u64,
    /// Rows without the event that do not say how long they were watched.
    pub unknown: u64,
    /// Share of `censored` and `unknown` among all rows.
    pub share: f64,
}

/// Whether the training part is large enough.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleSize {
    /// Parameters considered as predictors: one for a number, one less than its levels for a category, one more for a
    /// feature that may be missing; null when not told.
    pub parameters: Option<u64>,
    /// `declared`, or `features`.
    pub counted: Option<String>,
    /// Patients of the training part; where rows are more, they do not count more.
    pub n: u64,
    /// Rows with the event in the training part; null for numbers.
    pub events: Option<u64>,
    /// Share of rows with the event; null for numbers.
    pub prevalence: Option<f64>,
    /// Mean and standard deviation (divisor n − 1) of a number; null for events.
    pub outcome: Option<[f64; 2]>,
    /// What was assumed of the model to be.
    pub assumed_r2: Option<AssumedR2>,
    /// The criteria.
    pub criteria: Vec<Criterion>,
    /// The largest of them; null when none can be told.
    pub required: Option<u64>,
    /// Events in so many patients; null for numbers.
    pub required_events: Option<u64>,
    /// Events a parameter; patients a parameter for numbers.
    pub per_parameter: Option<f64>,
    /// Whether there are as many as required; null when that cannot be told.
    pub enough: Option<bool>,
    /// Why something is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
