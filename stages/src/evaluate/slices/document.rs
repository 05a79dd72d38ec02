//! slices.json: the types. What is not published is null, with the reason in the same object or in `rules`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::document::Intervals;
use crate::common::interval::Estimate;
use crate::common::privacy::Cell;
pub use crate::common::privacy::levels::DecisionCells;

/// slices.json: the test rows by levels of declared columns, by kind of decision, and by time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SliceReport {
    /// Version of this format: 1.
    pub schema_version: u32,
    /// `real` or `synthetic`.
    pub data: String,
    /// The kept candidate.
    pub model: String,
    /// All rows.
    pub n: u64,
    /// Events among them; null where the outcome is a number.
    pub events: Option<u64>,
    /// Patients they belong to.
    pub patients: u64,
    /// The frozen threshold; null where the outcome is a number.
    pub threshold: Option<f64>,
    /// How the intervals were made.
    pub intervals: Intervals,
    /// What is shown and what is not.
    pub rules: SliceRules,
    /// The tests of the gaps.
    pub tests: TestFamily,
    /// One entry a column of `evaluate.slices`, in that order.
    pub slices: Vec<SlicedColumn>,
    /// Who is flagged and who has the event; null where the outcome is a number.
    pub profiles: Option<super::super::profiles::Profiles>,
    /// Periods of `evaluate.over_time`; null when not asked for.
    pub over_time: Option<super::super::over_time::TimeReport>,
}

/// What is shown and what is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SliceRules {
    /// Counts of fewer patients are null (`privacy.min_cell`).
    pub min_cell: u64,
    /// Why a count, or a rate made of it, is null.
    pub reason: String,
    /// Slices with fewer events, non-events or patients than this are `insufficient` and have no numbers but n.
    pub sufficient_from: u64,
}

/// The family of tests that p-values are adjusted for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestFamily {
    /// `holm`.
    pub method: String,
    /// Gaps tested. The two levels of a column of two are each other's complement: one test a measure.
    pub count: usize,
    /// How p-values were made.
    pub note: String,
}

/// A column and its levels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlicedColumn {
    /// The column of the raw table.
    pub column: String,
    /// Whether the model reads it, directly or in a derived feature.
    pub used_by_model: bool,
    /// Inner edges, when it was cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bins: Option<Vec<f64>>,
    /// Its levels: as declared, then ascending, rows without a value last. The order says nothing about performance.
    pub levels: Vec<Slice>,
}

/// Whether numbers of a slice can carry a conclusion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Enough events and non-events.
    Sufficient,
    /// Too few.
    Insufficient,
}

/// One level, or one period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    /// Its name; `(missing)` for rows without a value.
    pub level: String,
    /// Whether there is enough to say.
    pub status: Status,
    /// Rows.
    pub n: Cell,
    /// Events among them; null where the outcome is a number.
    pub events: Cell,
    /// Patients.
    pub patients: Cell,
    /// The decisions, when the outcome is an event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<DecisionCells>,
    /// The measures; empty when insufficient.
    pub measures: BTreeMap<Measure, Estimate>,
    /// The level minus all other rows; empty when one of the two is insufficient, and for periods.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub gaps: BTreeMap<Measure, Gap>,
    /// Why something is null or absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A measure of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Area under the ROC curve.
    Auroc,
    /// Calibration in the large: logistic intercept with the logit as offset; 0 is perfect.
    Intercept,
    /// Calibration slope; 1 is perfect.
    Slope,
    /// Events over the sum of probabilities; 1 is perfect.
    ObservedExpected,
    /// Flagged events among events.
    Sensitivity,
    /// Flagged non-events among non-events.
    FalsePositiveRate,
    /// Events among flagged rows.
    Ppv,
    /// Flagged rows of 1,000.
    #[serde(rename = "flagged_per_1000")]
    FlaggedPer1000,
    /// Root mean squared error, in the outcome's unit.
    Rmse,
    /// Mean absolute error.
    Mae,
    /// Mean of prediction − outcome.
    Bias,
}

/// A slice minus its complement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// The difference, both taken on the same resamples.
    pub difference: Estimate,
    /// Two-sided p-value of no difference.
    pub p: Option<f64>,
    /// The same, adjusted for all tests of the file.
    pub p_holm: Option<f64>,
    /// Why there is no test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
