//! stability.json: how much each patient's prediction depends on who happened to be in the study, and whether more
//! patients would help.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::params::Part;

/// stability.json.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stability {
    /// Version of this format: 1.
    pub schema_version: u32,
    /// The learner that was fitted again, with everything before and after it.
    pub model: String,
    /// The training rows that are resampled.
    pub training: Counted,
    /// Refits that succeeded.
    pub refits: usize,
    /// Refits that could not be made; they are left out.
    pub failed: usize,
    /// What the first of those said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Whether each refit searched for settings of its own.
    pub retuned: bool,
    /// Whether the refits are at least the 200 that Riley and Collins (2023) advise.
    pub enough_refits: bool,
    /// How predictions move between refits.
    pub instability: Instability,
    /// Performance by the number of training patients; null when it was not asked for.
    pub learning_curve: Option<Vec<CurvePoint>>,
}

/// Rows, events and patients.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counted {
    /// Rows.
    pub n: u64,
    /// Events among them; null when the outcome is a number.
    pub events: Option<u64>,
    /// Patients.
    pub patients: u64,
}

/// How the predictions of the same rows move between refits. Calibrated probabilities, or numbers in the outcome's unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instability {
    /// Which rows were predicted.
    pub part: Part,
    /// How many.
    pub n: u64,
    /// A row's mean absolute prediction error: the mean over refits of |p of the refit − p of the model|.
    pub mape: Distribution,
    /// The width of the middle 95 % of a row's predictions.
    pub spread: Distribution,
    /// Who changes sides at the threshold; null when the outcome is a number.
    pub flips: Option<Flips>,
}

/// How a number is distributed over rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distribution {
    /// Mean.
    pub mean: f64,
    /// Median.
    pub median: f64,
    /// 95th percentile.
    pub p95: f64,
    /// Largest.
    pub max: f64,
}

/// Who would be flagged by one refit and not by another. Every row keeps the frozen threshold that applies to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flips {
    /// The mean over refits of the share of rows that are on another side than under the model.
    pub mean_share: f64,
    /// The share of rows that are on another side in at least one refit of twenty.
    pub unsettled_share: f64,
    /// By tenths of the rows, lowest risk first.
    pub deciles: Vec<Decile>,
}

/// A tenth of the rows by predicted risk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decile {
    /// 1 has the lowest risk.
    pub decile: usize,
    /// Rows.
    pub n: u64,
    /// The lowest prediction of the model in it.
    pub low: f64,
    /// The highest.
    pub high: f64,
    /// Mean over its rows of their mean absolute prediction error.
    pub mape: f64,
    /// Mean over its rows of the share of refits in which they are on another side.
    pub flip_share: f64,
}

/// Fits on a share of the patients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurvePoint {
    /// The share of the patients of all folds but the one that judges.
    pub fraction: f64,
    /// Fits that succeeded.
    pub repeats: usize,
    /// Fits that could not be made.
    pub failed: usize,
    /// What the first of those said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Mean number of rows fitted on; null when nothing was fitted.
    pub n: Option<f64>,
    /// Mean number of events among them; null when the outcome is a number.
    pub events: Option<f64>,
    /// `auroc`, `brier` and `slope` of calibrated probabilities, or `rmse` and `r2`, on the judging folds.
    pub scores: BTreeMap<String, Repeated>,
}

/// A score over repeats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeated {
    /// Mean of the fits in which it is defined; null when there is none.
    pub mean: Option<f64>,
    /// Standard deviation; null with fewer than two.
    pub sd: Option<f64>,
    /// In how many fits it is defined.
    pub n: usize,
}
