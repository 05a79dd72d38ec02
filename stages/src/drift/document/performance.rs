//! drift.json: what the model is worth on the current rows.

use serde::{Deserialize, Serialize};

use crate::common::interval::Estimate;

/// What is known of performance. Unknown is never healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PerformanceStatus {
    /// Measured on outcomes that have come in.
    Measured,
    /// Outcomes are missing, or too few for an interval.
    Unknown,
}

/// What the model is worth on these rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Performance {
    /// Whether it is known.
    pub status: PerformanceStatus,
    /// Why it is not, and why something here is null then.
    pub reason: Option<String>,
    /// Scored rows.
    pub predictions: u64,
    /// Of those, rows whose outcome is known.
    pub labelled: u64,
    /// Rows whose outcome is not known, or not known to be theirs.
    pub unlabelled: u64,
    /// Patients among the labelled rows.
    pub patients: u64,
    /// Events among the labelled rows; null when events or non-events are few.
    pub events: Option<u64>,
    /// The threshold of what follows.
    pub threshold: Option<f64>,
    /// What was measured; null without outcomes, or with outcomes of few.
    pub measured: Option<Measures>,
    /// What was measured when the model was evaluated; null without the role `metrics`.
    pub reference: Option<Measures>,
    /// What calibrated probabilities say of it before outcomes are known; null of few rows.
    pub estimated: Option<Estimated>,
    /// Why nothing is estimated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_reason: Option<String>,
}

/// Measures of performance with their intervals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measures {
    /// Area under the ROC curve.
    pub auroc: Estimate,
    /// Calibration in the large; 0 is perfect.
    pub calibration_intercept: Estimate,
    /// Calibration slope; 1 is perfect.
    pub calibration_slope: Estimate,
    /// Mean squared error of the probabilities.
    pub brier: Estimate,
    /// Net benefit per row at the threshold.
    pub net_benefit: Estimate,
    /// Flagged events among events.
    pub sensitivity: Estimate,
}

/// Performance expected from the probabilities alone (confidence-based estimation).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimated {
    /// What has to hold for these numbers to mean anything.
    pub assumption: String,
    /// Expected events.
    pub events: f64,
    /// Expected area under the ROC curve; null when everyone has the same probability.
    pub auroc: Option<f64>,
    /// Expected Brier score.
    pub brier: f64,
    /// Expected net benefit per row at the threshold.
    pub net_benefit: Option<f64>,
    /// Expected share of flagged events among events.
    pub sensitivity: Option<f64>,
    /// Why something here is null, when it is for being small.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
