//! comparison.json: the candidates and baselines side by side on the same out-of-fold rows, every pair tested.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::common::interval::Estimate;

/// comparison.json. Predictions are those of the outer folds, before calibration, each by a model that has not seen the
/// row. The kept candidate was chosen on these very rows, so its advantages are flattered; the test part decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CandidateComparison {
    /// Version of this format: 1.
    pub schema_version: u32,
    /// Which rows are compared.
    pub part_used: String,
    /// Rows.
    pub n: u64,
    /// Events among them, when the outcome is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// Patients of these rows.
    pub patients: u64,
    /// Whether every patient has one row: AUROCs are then compared by DeLong's test, otherwise by resamples.
    pub one_row_per_patient: bool,
    /// Resamples of patients.
    pub resamples: usize,
    /// Level of the intervals; those of pairs are not adjusted, their p-values are.
    pub confidence: f64,
    /// The kept candidate.
    pub chosen: String,
    /// Everything that is compared, candidates before baselines.
    pub contestants: Vec<Contestant>,
    /// Every pair, in the order of the contestants.
    pub pairs: Vec<Pair>,
}

/// One candidate or baseline: its scores over all compared rows together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contestant {
    /// The learner, or `baseline_` and the name of the baseline; also its column in candidates.parquet.
    pub name: String,
    /// By name: `auroc`, `brier`, `log_loss`; `rmse` of numbers. Null where undefined.
    pub scores: BTreeMap<String, Option<f64>>,
}

/// Two contestants on the same rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The first.
    pub a: String,
    /// The second.
    pub b: String,
    /// By score: a − b.
    pub differences: BTreeMap<String, Difference>,
}

/// The difference of a score between two contestants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// First minus second, with its interval (`paired-delong` or `patient-bootstrap`).
    pub estimate: Estimate,
    /// Its standard error: DeLong's, or the standard deviation over resamples.
    pub se: Option<f64>,
    /// The difference in standard errors.
    pub z: Option<f64>,
    /// Two-sided p-value of no difference, by the normal distribution of `z`.
    pub p_value: Option<f64>,
    /// The same after Holm's adjustment for all pairs compared by this score.
    pub p_holm: Option<f64>,
    /// Why there is no test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
